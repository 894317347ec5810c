import type { StoredMessage } from '../codec/stored-message.js'
import { ClientError, shown } from '../errors.js'
import type { MessageExt, MessageQueue } from '../message/message.js'
import { ConsumeInitMode } from '../remoting/commands/pop.js'
import { safeEmit } from '../remoting/safe-emit.js'
import type { AssignedQueue, MessageRequestMode } from './assigned-queue.js'
import type { ConcurrentConsumptionHost } from './concurrent-consumption.js'
import type { DirectConsumption } from './console-requests.js'
import type { ConsumeHookRunner } from './consume-hook-runner.js'
import { ConsumeObservers } from './consume-observers.js'
import { ConsumeStatistics } from './consume-statistics.js'
import { ConsumedQueue, type ConsumeRun } from './consumed-queue.js'
import type { ConsumerParts } from './consumer-care.js'
import type { Consumption } from './consumption.js'
import type { ConsumptionHost, MessageHandler } from './consumption-host.js'
import { GroupConsumer } from './group-consumer.js'
import { HandlerSource } from './handler-source.js'
import { pushJavaOptions } from './java-options.js'
import { KeyOrderedConsumption } from './key-ordered-consumption.js'
import { MessageStream, type MessagesOptions } from './message-stream.js'
import { tellOfCorrection } from './offset-correction.js'
import { OpenQueues } from './open-queues.js'
import { OrderlyConsumption } from './orderly-consumption.js'
import { checkPopTopic } from './pop/pop-broker.js'
import { PopConsumption } from './pop/pop-consumption.js'
import { PushPopping } from './pop/push-popping.js'
import { ProcessQueue } from './process-queue.js'
import type { HandledMessages, PushConsumerEvents } from './push-consumer-events.js'
import {
  type PushConsumerOptions,
  type ResolvedPushConsumerOptions,
  resolvePushConsumerOptions,
} from './push-consumer-options.js'
import { PushQueue, type PushQueueContext } from './push-queue.js'
import type { LockLoss } from './queue-lock.js'
import { QueueLocks } from './queue-locks.js'
import { ReadAhead } from './read-ahead.js'
import { RetryTopicSender } from './retry-topic-sender.js'
import { SendBack } from './send-back.js'

/** What −1 stands for where messages are consumed concurrently. */
const DEFAULT_MAX_RECONSUME_TIMES = 16
const IN_LOOPS = 'loops have the messages of this consumer (messages())'
/** Messages of a topic that wait for a handler, where no more than half as many can be with handlers. */
const MIN_READ_AHEAD = 1024
const IN_HANDLER = 'a handler has the messages of this consumer (onMessage())'
const NOT_DIRECTLY = 'this consumer takes no messages from consoles (consumeDirectlyEnabled: false)'

/**
 * Gets messages and hands them to a function of yours, so many at a time. What it returns from is consumed; what it throws on comes again after a while, and after
 * `maxReconsumeTimes` goes to the dead-letter topic. Each message comes at least once.
 *
 * ```ts
 * await using consumer = new PushConsumer({ consumerGroup: 'orders', namesrvAddr: 'localhost:9876' })
 * await consumer.subscribe('Orders', 'created || paid')
 * consumer.onMessage(async (messages, context) => { for (const message of messages) await handle(message) })
 * await consumer.start()
 * ```
 *
 * Instead of a function, loops can have them: see {@link PushConsumer.messages}.
 *
 * @see DefaultMQPushConsumer
 */
export class PushConsumer extends GroupConsumer<PushConsumerEvents> implements AsyncIterable<MessageExt> {
  protected readonly statistics = new ConsumeStatistics()
  readonly #options: ResolvedPushConsumerOptions
  readonly #consumption: Consumption
  readonly #context: PushQueueContext
  readonly #observers: ConsumeObservers
  readonly #openQueues = new OpenQueues()
  readonly #locks: QueueLocks | undefined
  /** Where brokers say how a topic is fetched. */
  readonly #popping: PushPopping | undefined
  #handler: MessageHandler | undefined
  /** Where loops have the messages. */
  #loops: HandlerSource | undefined
  #consumeConcurrency: number

  /** @throws {@link ClientError} `INVALID_OPTION`, `INVALID_ARGUMENT` (the group's name), `NO_NAME_SERVER`, `INVALID_ADDRESS`. */
  constructor(options: PushConsumerOptions) {
    const resolved = resolvePushConsumerOptions(options, 'PushConsumer')
    const { messageModel, consumeMode } = resolved
    const isOrderly = consumeMode !== 'concurrently'
    const popShareQueueNum = resolved.popMode ? resolved.popShareQueueNum : undefined
    super(options, resolved, { consumeType: 'CONSUME_PASSIVELY', isOrderly, hasRetryTopic: true, popShareQueueNum })
    this.#options = resolved
    this.#consumeConcurrency = resolved.consumeConcurrency
    this.#observers = new ConsumeObservers(this.client, resolved)
    this.#consumption = this.#makeConsumption()
    // Where messages are broadcast, each member has all queues.
    if (isOrderly && messageModel === 'CLUSTERING') this.#locks = new QueueLocks(this.client, this.wireGroup)
    const { filter } = this.#observers
    this.#context = this.#queueContext(filter)
    if (!resolved.clientRebalance && !isOrderly) this.#popping = this.#makePopping(filter)
  }

  /**
   * Sets the function that gets the messages; to be called before `start`. Another one may take its place later.
   *
   * @returns this consumer.
   * @throws {@link ClientError} `INVALID_ARGUMENT` for what is no function, `HANDLER_EXISTS` after `messages`.
   */
  onMessage(handler: MessageHandler): this {
    if (typeof handler !== 'function') {
      throw new ClientError('INVALID_ARGUMENT', `the message handler is ${shown(handler)}, a function is expected`)
    }
    if (this.#loops !== undefined) throw new ClientError('HANDLER_EXISTS', `onMessage: ${IN_LOOPS}`)
    this.#handler = handler
    return this
  }

  /**
   * The messages, for loops instead of a handler. A loop does what a call of the handler does: what it has when it asks for the next message is consumed, what it has when it
   * ends by `break` or an error comes again. As many loops as `consumeConcurrency` get messages at a time. They start the consumer where that was not done.
   *
   * @throws {@link ClientError} `HANDLER_EXISTS` after `onMessage`; `INVALID_OPTION` unless `consumeMessageBatchMaxSize` is 1.
   */
  messages(options: MessagesOptions = {}): MessageStream {
    this.#loops ??= this.#handleInLoops()
    return new MessageStream(this.#loops, options)
  }

  /** A loop over all messages; see {@link PushConsumer.messages}. */
  [Symbol.asyncIterator](): AsyncIterableIterator<MessageExt> {
    return this.messages()[Symbol.asyncIterator]()
  }

  /** Hands out no more messages, and pulls none, until {@link PushConsumer.resume}. What handlers have goes on. This member keeps its queues. */
  suspend(): void {
    this.#consumption.suspend()
  }

  /** Goes on after {@link PushConsumer.suspend}. */
  resume(): void {
    this.#consumption.resume()
    this.#openQueues.wakeAll()
  }

  /** Whether {@link PushConsumer.suspend} was called, and {@link PushConsumer.resume} not yet. */
  get isSuspended(): boolean {
    return this.#consumption.isSuspended
  }

  /** How many calls of the handler there are at a time, at most. */
  get consumeConcurrency(): number {
    return this.#consumeConcurrency
  }

  /**
   * Changes how many calls of the handler there are at a time. Those at work are not touched.
   *
   * @throws {@link ClientError} `INVALID_ARGUMENT`.
   * @see DefaultMQPushConsumer.updateCorePoolSize
   */
  updateConsumeConcurrency(consumeConcurrency: number): void {
    if (!Number.isInteger(consumeConcurrency) || consumeConcurrency < 1 || consumeConcurrency > 100_000) {
      const expected = 'a whole number from 1 to 100000 expected'
      throw new ClientError('INVALID_ARGUMENT', `consumeConcurrency is ${shown(consumeConcurrency)}, ${expected}`)
    }
    this.#consumeConcurrency = consumeConcurrency
    this.#applyConcurrency()
  }

  protected override async onStart(): Promise<void> {
    if (this.#handler === undefined) {
      throw new ClientError(
        'NO_MESSAGE_HANDLER',
        'start: nobody would get the messages; call onMessage() or messages() first',
      )
    }
    if (this.#options.popMode) await this.#checkPopTopics()
    await super.onStart()
    this.#consumption.start()
    this.#locks?.start()
  }

  protected override async onShutdown(timeout: number | undefined): Promise<void> {
    this.#loops?.end()
    await super.onShutdown(timeout)
    this.#consumption.stop()
    this.#popping?.stop()
    await this.#locks?.stop()
    await this.#observers.stop(timeout)
  }

  protected override async openQueue(
    queue: MessageQueue,
    mode: MessageRequestMode,
  ): Promise<AssignedQueue | undefined> {
    const statistics = this.statistics.topic(queue.topic)
    if (mode === 'POP') return this.#popping?.open(queue, statistics)
    if (this.#locks === undefined) {
      return new PushQueue(queue, await this.initialOffset(queue), statistics, this.#context, undefined)
    }
    const lock = await this.#locks.take(queue)
    if (lock === undefined) return undefined
    try {
      // Not before: until then another member may have worked on it.
      return new PushQueue(queue, await this.initialOffset(queue), statistics, this.#context, lock)
    } catch (error) {
      await this.#locks.release(lock)
      throw error
    }
  }

  protected override consumerParts(): ConsumerParts {
    const { maxMessageSize, consumerTimeoutMillisWhenSuspend, consumeDirectlyEnabled } = this.#options
    const { consumeConcurrency } = this
    return {
      maxMessageSize,
      pullTimeout: consumerTimeoutMillisWhenSuspend,
      consumeConcurrency,
      options: pushJavaOptions(this.#options, consumeConcurrency),
      consumeDirectly: consumeDirectlyEnabled ? this.#consumeDirectly : NOT_DIRECTLY,
      status: (topic) => this.statistics.status(topic),
    }
  }

  #handleInLoops(): HandlerSource {
    if (this.#handler !== undefined) throw new ClientError('HANDLER_EXISTS', `messages: ${IN_HANDLER}`)
    const { consumeMessageBatchMaxSize: size } = this.#options
    if (size !== 1) {
      const problem = `messages: loops have one message at a time, but consumeMessageBatchMaxSize is ${size}`
      throw new ClientError('INVALID_OPTION', problem)
    }
    const loops = new HandlerSource({ open: () => this.start(), onLoops: () => this.#applyConcurrency() })
    this.#handler = loops.handler
    // Nothing is handed out before there is a loop.
    this.#consumption.updateConsumeConcurrency(0)
    return loops
  }

  #applyConcurrency(): void {
    const limit = this.#consumeConcurrency
    this.#consumption.updateConsumeConcurrency(Math.min(limit, this.#loops?.loops ?? limit))
  }

  readonly #consumeDirectly: DirectConsumption = (messages, messageQueue, timeout) => {
    const statistics = this.statistics.topic(this.client.namespace.wrap(messageQueue.topic))
    const queue = new ConsumedQueue(messageQueue, messageQueue, new ProcessQueue(0), statistics, () => undefined)
    return this.#consumption.handleDirectly(messages, queue, timeout)
  }

  #makeConsumption(): Consumption {
    const host = this.#consumptionHost()
    const { consumeMode } = this.#options
    if (consumeMode === 'concurrently') return new PopConsumption(this.#concurrentHost(host), this.#options)
    const sender = new RetryTopicSender(this.client, this.wireGroup)
    const sendToDeadLetters = (message: StoredMessage) => sender.sendToDeadLetters(message)
    const orderedHost = { ...host, sendToDeadLetters }
    return consumeMode === 'orderly'
      ? new OrderlyConsumption(orderedHost, this.#options)
      : new KeyOrderedConsumption(orderedHost, this.#options)
  }

  #makePopping(filter: ConsumeHookRunner | undefined): PushPopping {
    const { client, requests } = this
    const host = {
      client,
      requests,
      consumption: this.#consumption,
      openQueues: this.#openQueues,
      filter,
      subscription: (topic: string) => this.subscriptions.get(topic),
      report: (error: unknown, what: string) => this.report(error, what),
    }
    const initMode = this.#options.consumeFromWhere === 'FIRST' ? ConsumeInitMode.MIN : ConsumeInitMode.MAX
    return new PushPopping(host, { ...this.#options, initMode, maxReconsumeTimes: this.#maxReconsumeTimes })
  }

  async #checkPopTopics(): Promise<void> {
    await Promise.all(this.subscriptions.topics.map((topic) => checkPopTopic(this.client, topic)))
  }

  get #maxReconsumeTimes(): number {
    const { maxReconsumeTimes } = this.#options
    return maxReconsumeTimes === -1 ? DEFAULT_MAX_RECONSUME_TIMES : maxReconsumeTimes
  }

  #concurrentHost(host: ConsumptionHost): ConcurrentConsumptionHost {
    const { messageModel } = this.#options
    const times = this.#maxReconsumeTimes
    const sendBack = messageModel === 'CLUSTERING' ? new SendBack(this.client, this.requests, times) : undefined
    return {
      ...host,
      sendBack: sendBack === undefined ? undefined : (message, delayLevel) => sendBack.send(message, delayLevel),
      onDropped: (queue, messages) => this.#onDropped(queue, messages),
    }
  }

  #consumptionHost(): ConsumptionHost {
    return {
      handler: (messages, context) => this.#handler?.(messages, context),
      observers: this.#observers.list,
      onSlow: (run, elapsed) => this.#onSlow(run, elapsed),
      onTimeout: (run, elapsed) => this.#onTimeout(run, elapsed),
      onFailed: (run, error) => this.#onFailed(run, error),
      report: (error, what) => this.report(error, what),
    }
  }

  #queueContext(filter: ConsumeHookRunner | undefined): PushQueueContext {
    const { client, requests, offsets } = this
    const { consumeMode, consumeConcurrentlyMaxSpan, consumeConcurrency, pullBatchSize } = this.#options
    // In order, the oldest message that is not consumed is never far behind those that are.
    const maxSpan = consumeMode === 'orderly' ? undefined : consumeConcurrentlyMaxSpan
    const handled = consumeConcurrency * this.#options.consumeMessageBatchMaxSize
    const ahead = Math.max(MIN_READ_AHEAD, 2 * handled)
    // In order, what waits may be of queues that stand still: it must not hold up the others.
    const readAhead = consumeMode === 'concurrently' ? new ReadAhead(2 * ahead, pullBatchSize) : undefined
    return {
      client,
      requests,
      offsets,
      consumption: this.#consumption,
      openQueues: this.#openQueues,
      pullOptions: {
        ...this.#options,
        consumeConcurrentlyMaxSpan: maxSpan,
        // By keys, what waits may have to wait long, and those that need not lie behind it.
        readAhead: consumeMode === 'keyOrdered' ? undefined : ahead,
        isLite: false,
      },
      readAhead,
      locks: this.#locks,
      filter,
      subscription: (topic) => this.subscriptions.get(topic),
      onOffsetCorrected: (queue, correction) => tellOfCorrection(this, this.logger, queue, correction),
      onLockLost: (queue, loss) => this.#onLockLost(queue, loss),
      onLockTaken: (queue) => this.#onLockTaken(queue),
      report: (error, what) => this.report(error, what),
    }
  }

  #onLockLost(queue: MessageQueue, reason: LockLoss): void {
    this.logger.warn('the lock of a queue is lost: the queue stands still until it is there again', { queue, reason })
    safeEmit(this, this.logger, 'queueLockLost', { queue, reason })
  }

  #onLockTaken(queue: MessageQueue): void {
    this.logger.info('the lock of a queue is there again', { queue })
    safeEmit(this, this.logger, 'queueLockTaken', { queue })
  }

  #onDropped({ messageQueue }: ConsumedQueue, messages: readonly StoredMessage[]): void {
    const handled = handledMessages(messageQueue, messages)
    const { queue, msgIds } = handled
    this.logger.warn('the handler failed on messages that are broadcast: they do not come again', { queue, msgIds })
    safeEmit(this, this.logger, 'messagesDropped', handled)
  }

  #onSlow({ queue: { messageQueue }, messages }: ConsumeRun, elapsed: number): void {
    const handled = { ...handledMessages(messageQueue, messages), elapsed }
    const { queue, msgIds } = handled
    this.logger.warn('a handler takes long', { queue, msgIds, elapsed })
    safeEmit(this, this.logger, 'consumeSlow', handled)
  }

  #onTimeout({ queue: { messageQueue }, messages }: ConsumeRun, elapsed: number): void {
    const handled = { ...handledMessages(messageQueue, messages), elapsed }
    const { queue, msgIds } = handled
    const isWaitedFor = this.#options.consumeMode !== 'concurrently'
    const what = isWaitedFor
      ? 'a handler takes longer than it may, and others wait for it'
      : 'a handler is not waited for any longer; its messages come again'
    this.logger.warn(what, { queue, msgIds, elapsed })
    safeEmit(this, this.logger, 'consumeTimeout', handled)
  }

  #onFailed({ queue: { messageQueue }, messages }: ConsumeRun, error: unknown): void {
    const handled = { ...handledMessages(messageQueue, messages), error }
    const { queue, msgIds } = handled
    this.logger.warn('the handler failed', { queue, msgIds, error })
    safeEmit(this, this.logger, 'consumeFailed', handled)
  }
}

function handledMessages(queue: MessageQueue, messages: readonly StoredMessage[]): HandledMessages {
  return { queue, msgIds: messages.map(({ msgId }) => msgId), messages }
}
