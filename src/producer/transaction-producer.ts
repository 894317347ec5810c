import { ClientError } from '../errors.js'
import type { Message } from '../message/message.js'
import { withSystemProperties } from '../message/system-properties.js'
import { monotonicNow } from '../remoting/deadline.js'
import { DefaultProducer } from './default-producer.js'
import {
  type LocalOutcome,
  type LocalTransactionExecutor,
  type LocalTransactionState,
  localOutcome,
  type TransactionMessage,
} from './local-transaction.js'
import { meetBrokers } from './meet-brokers.js'
import { type OpenTransaction, OpenTransactions } from './open-transactions.js'
import { PendingWork } from './pending-work.js'
import type { SendResult } from './send-result.js'
import { TransactionChecker } from './transaction-checker.js'
import { endOfCheck, endOfSend, sendEnd, type TransactionEnd } from './transaction-end.js'
import {
  checkHalfMessage,
  halfProperties,
  type ResolvedTransactionOptions,
  resolveTransactionOptions,
  type TransactionProducerOptions,
  type TransactionSendOptions,
} from './transaction-options.js'

export interface TransactionSendResult extends SendResult {
  readonly transactionId: string
  /** What the broker was told. */
  readonly localTransactionState: LocalTransactionState
  /** Why the state is `'UNKNOWN'`: what the local transaction threw, or that it gave something else than a state. */
  readonly localTransactionError?: Error
  /** Why the broker could not be told; it will ask. */
  readonly endTransactionError?: Error
}

type NoFunction<T> = T extends (...args: never) => unknown ? never : T

/**
 * Sends messages that are delivered only when a local transaction commits.
 *
 * The first half is stored where no consumer sees it; then the local transaction runs; then the broker is told to deliver the message or to forget it. A
 * broker that hears nothing, or that the state is unknown, asks any member of the group: `checkLocalTransaction` answers.
 *
 * A message is delivered once as a rule, but twice when an answer and the broker's next question cross; so consumers must be prepared, as always.
 *
 * @see TransactionMQProducer
 */
export class TransactionProducer extends DefaultProducer {
  readonly #options: ResolvedTransactionOptions
  readonly #open: OpenTransactions
  readonly #work = new PendingWork()
  readonly #ending = new AbortController()
  /** Topics that were warned of. */
  readonly #delayed = new Set<string>()

  /** @throws as {@link DefaultProducer} does. */
  constructor(options: TransactionProducerOptions) {
    const { own, rest } = resolveTransactionOptions(options)
    super(rest)
    this.#options = own
    const checker = new TransactionChecker(this.client, {
      checkLocalTransaction: own.checkLocalTransaction,
      maxBodySize: this.producerOptions.maxMessageSize,
      end: (end, message, outcome) => this.#end(end, message, outcome, this.client.options.requestTimeout),
      report: (error, what) => this.report(error, what),
    })
    this.#open = new OpenTransactions(own, (transaction, check) => this.#work.track(checker.check(transaction, check)))
  }

  /**
   * Sends a message, runs its local transaction and tells the broker how that has ended.
   *
   * The local transaction runs only when the first half was stored with `SEND_OK`; with any other status the message is rolled back. When it throws, or gives
   * no state, the state is unknown: the result says why in `localTransactionError`. A broker that can't be told does not fail the call either, see `endTransactionError`.
   *
   * When this rejects, the local transaction has not run. With `mayBeStored` the first half may be stored all the same, so that a broker asks for it.
   *
   * @param argOrExecutor - A function is the local transaction of this message. Anything else is handed to `executeLocalTransaction` of the options.
   * @param options - `timeout` and `signal` are those of the first half; the local transaction takes its own time.
   * @throws {@link ClientError} `INVALID_ARGUMENT` also when there is no local transaction, and for a message with a delay, a delivery time or a priority. The
   * Java client drops a delay level without a word, and brokers the others.
   * @throws what {@link DefaultProducer.send} throws.
   * @see DefaultMQProducerImpl.sendMessageInTransaction
   */
  async sendInTransaction<A = undefined>(
    message: Message,
    argOrExecutor?: LocalTransactionExecutor | NoFunction<A>,
    options: TransactionSendOptions = {},
  ): Promise<TransactionSendResult> {
    this.checkRunning('sendInTransaction')
    const execute = this.#executorOf(argOrExecutor)
    checkHalfMessage(message)
    const half = withSystemProperties(message, halfProperties(this.#group, options))
    return this.#work.track(this.#sendInTransaction(message, half, execute, options))
  }

  protected override async onStart(): Promise<void> {
    await super.onStart()
    this.client.transactionChecks.register(this.#group, (check) => {
      if (this.#open.add(check)) return
      const { topic, msgId } = check.message
      this.logger.warn('a transaction check was dropped: too many wait, or this producer ends', { topic, msgId })
    })
    // Brokers ask only those who have sent them a heartbeat, and those go to the brokers of known topics.
    await meetBrokers(this.client, this.#options.topics, this.producerOptions, this.#ending.signal)
  }

  /** Checks that wait are dropped, what runs is waited for: without a timeout, as long as the functions of the user take. */
  protected override async onShutdown(timeout: number | undefined): Promise<void> {
    const startedAt = monotonicNow()
    this.#ending.abort()
    const dropped = this.#open.close()
    if (dropped > 0)
      this.logger.info(`${dropped} transaction checks are left to other members of ${this.producerGroup}`)
    const left = await this.#work.drained(timeout)
    if (left > 0) this.logger.warn(`${left} transactions still ran when the shutdown's timeout ended`)
    await super.onShutdown(timeout === undefined ? undefined : Math.max(0, timeout - (monotonicNow() - startedAt)))
    this.client.transactionChecks.unregister(this.#group)
  }

  /** As brokers know it. */
  get #group(): string {
    return this.client.namespace.wrap(this.producerGroup)
  }

  #executorOf(argOrExecutor: unknown): LocalTransactionExecutor {
    if (typeof argOrExecutor === 'function') return argOrExecutor as LocalTransactionExecutor
    const { executeLocalTransaction } = this.#options
    if (executeLocalTransaction !== undefined) return (message) => executeLocalTransaction(message, argOrExecutor)
    throw new ClientError(
      'INVALID_ARGUMENT',
      'sendInTransaction has no local transaction: give a function as the second argument, or the option executeLocalTransaction to the producer',
    )
  }

  async #sendInTransaction(
    message: Message,
    half: Message,
    execute: LocalTransactionExecutor,
    options: TransactionSendOptions,
  ): Promise<TransactionSendResult> {
    const result = await this.deliver(half, options, 'HALF')
    const transactionId = result.transactionId ?? result.msgId
    const transaction = this.#open.begin(result.msgId)
    const outcome = await this.#execute({ ...message, transactionId }, result, execute)
    transaction.isExecuting = false
    this.#open.end(transaction)
    const endTransactionError = await this.#endOwn(transaction, message, result, outcome)
    const { state, error } = outcome
    return {
      ...result,
      transactionId,
      localTransactionState: state,
      ...(error === undefined ? undefined : { localTransactionError: error }),
      ...(endTransactionError === undefined ? undefined : { endTransactionError }),
    }
  }

  async #execute(
    message: TransactionMessage,
    { sendStatus }: SendResult,
    execute: LocalTransactionExecutor,
  ): Promise<LocalOutcome> {
    // A half message that may get lost would leave a committed transaction without its message.
    if (sendStatus !== 'SEND_OK') return { state: 'ROLLBACK', error: undefined }
    const outcome = await localOutcome('the local transaction', () => execute(message))
    const { topic, transactionId } = message
    if (outcome.error !== undefined)
      this.logger.warn('a local transaction failed, its state is unknown', {
        topic,
        transactionId,
        error: outcome.error,
      })
    return outcome
  }

  /** @returns why the broker could not be told. */
  async #endOwn(
    transaction: OpenTransaction,
    message: Message,
    result: SendResult,
    outcome: LocalOutcome,
  ): Promise<Error | undefined> {
    const { check, answered } = transaction
    // A half message whose acknowledgement got lost may lie at another broker, and that one asks, too.
    const isOwn = check?.brokerName === result.messageQueue.brokerName
    // The broker asked meanwhile, and knows.
    if (isOwn && answered === 'COMMIT' && outcome.state === 'COMMIT') return undefined
    if (isOwn) transaction.answer(outcome.state)
    try {
      const end = check !== undefined && isOwn ? endOfCheck(check) : endOfSend(this.client, message, result)
      await this.#end(end, message, outcome, this.producerOptions.sendTimeout)
      return isOwn || !this.client.remoting.isProxy(end.address) ? undefined : this.#droppedEnd(end, message.topic)
    } catch (error) {
      this.report(error, `the broker was not told the end of transaction ${result.msgId}; it will ask`)
      return error instanceof Error ? error : new Error(String(error))
    }
  }

  /** A proxy knows only those transactions whose check it has passed on; of others it drops the end without a word. */
  #droppedEnd({ address, transactionId }: TransactionEnd, topic: string): ClientError {
    const reason = `the proxy at ${address} drops the ends of transactions; the broker asks checkLocalTransaction for them, which takes its transactionTimeOut and more`
    if (!this.#delayed.has(topic)) {
      this.#delayed.add(topic)
      this.warn({ code: 'TRANSACTION_END_DELAYED', message: `transactions of topic ${topic}: ${reason}`, topic })
    }
    return new ClientError('UNSUPPORTED_BY_BROKER', `the end of transaction ${transactionId} was not told: ${reason}`)
  }

  #end(end: TransactionEnd, message: Message, outcome: LocalOutcome, timeout: number): Promise<void> {
    this.onEndTransaction({
      producerGroup: this.producerGroup,
      message,
      msgId: end.msgId,
      transactionId: end.transactionId,
      brokerAddress: end.address,
      transactionState: outcome.state,
      fromTransactionCheck: end.fromTransactionCheck,
    })
    return sendEnd(this.client, this.#group, end, outcome, timeout)
  }
}
