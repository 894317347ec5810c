import { Member } from '../client/member.js'
import { checkTopic } from '../client/name-check.js'
import { TraceDispatcher } from '../client/trace/trace-dispatcher.js'
import { UniqueIdGenerator } from '../codec/message-id.js'
import type { Message, MessageExt, MessageQueue } from '../message/message.js'
import { checkTimeout, monotonicNow, type WaitOptions } from '../remoting/deadline.js'
import { type Outcome, settle } from '../remoting/outcome.js'
import { safeEmit } from '../remoting/safe-emit.js'
import { type BatchPart, sendBatches } from './batch-split.js'
import { HookRunner } from './hook-runner.js'
import { kindOf, type MessageKind } from './message-kind.js'
import { MessageSender } from './message-sender.js'
import { bodyLength, type OutgoingMessage } from './outgoing-message.js'
import { PriorityWatch } from './priority-watch.js'
import { ProduceAccumulator } from './produce-accumulator.js'
import type { EndTransactionContext } from './producer-hooks.js'
import { type ProducerOptions, type ResolvedProducerOptions, resolveProducerOptions } from './producer-options.js'
import type { QueueChoice } from './queue-selector.js'
import { recall } from './recall.js'
import { Requester, type RequestOptions } from './request.js'
import type { SendObserver } from './send-observer.js'
import { hasChoice, SendPipeline } from './send-pipeline.js'
import { SendPlaces } from './send-places.js'
import type { SendResult } from './send-result.js'
import { type ProducerStatistics, SendStatistics, statisticsObserver } from './send-statistics.js'
import { traceEndTransaction, traceObserver } from './trace-observer.js'
import { verifyCredentials } from './verify-credentials.js'
import type { Work } from './waiting-line.js'

export interface SendOptions extends QueueChoice {
  /**
   * For all attempts together, in milliseconds. Given here, it also counts the wait for a place in flight; the default, `sendTimeout` of the producer,
   * begins when the send has its place.
   */
  timeout?: number
  signal?: AbortSignal
}

type SendWork<Subject, T> = Work<SendOptions, Subject, T>

/** One for all: many sends that wait keep theirs. */
const NO_OPTIONS: SendOptions = {}
const ANY_QUEUE = { queue: undefined }

/**
 * Sends messages.
 *
 * A send that resolves is stored by a broker. One that rejects says in `mayBeStored` whether a broker may have stored the message all the same, and lists
 * its `attempts`.
 *
 * @see DefaultMQProducer
 */
export class DefaultProducer extends Member {
  protected readonly producerOptions: ResolvedProducerOptions
  readonly #hooks: HookRunner | undefined
  readonly #places: SendPlaces
  readonly #deliverNow: Readonly<Record<MessageKind, SendWork<Message, SendResult>>> = {
    NORMAL: (now, waited, options, message, place) => this.#deliverAs('NORMAL', now, waited, options, message, place),
    HALF: (now, waited, options, message, place) => this.#deliverAs('HALF', now, waited, options, message, place),
    REPLY: (now, waited, options, message, place) => this.#deliverAs('REPLY', now, waited, options, message, place),
  }
  readonly #sendBatchNow: SendWork<readonly Message[], SendResult> = (now, waited, options, messages, place) => {
    const batch = this.#pipeline.encodeBatch(messages)
    const timeout = this.#timeoutOf(options) - waited
    this.#pipeline.begin(batch, messages, options, timeout, options.signal, undefined, now, place)
  }
  readonly #sendOnewayNow: SendWork<Message, void> = (now, waited, options, message, place) => {
    const outgoing = this.#pipeline.encode(message, kindOf(message))
    const timeout = this.#timeoutOf(options) - waited
    settle(place, this.#pipeline.sendOneway(outgoing, message, options, timeout, options.signal, now))
  }
  readonly #statistics = new SendStatistics()
  readonly #sender: MessageSender
  readonly #pipeline: SendPipeline
  readonly #accumulator: ProduceAccumulator | undefined
  readonly #trace: TraceDispatcher | undefined
  readonly #requester: Requester

  /** @throws {@link ClientError} `INVALID_OPTION`, `INVALID_ARGUMENT` (the group's name), `NO_NAME_SERVER`, `INVALID_ADDRESS`, `COMPRESSION_UNSUPPORTED`. */
  constructor(options: ProducerOptions) {
    const resolved = resolveProducerOptions(options, 'DefaultProducer')
    super(options)
    this.producerOptions = resolved
    this.#places = new SendPlaces(resolved.maxInFlight, resolved.maxInFlightBytes)
    this.#hooks =
      resolved.hooks.length === 0 ? undefined : new HookRunner(resolved.hooks, resolved.producerGroup, this.logger)
    this.#trace =
      resolved.messageTrace === undefined
        ? undefined
        : new TraceDispatcher(this.client, resolved.producerGroup, 'PRODUCE', resolved.messageTrace)
    this.#sender = new MessageSender(this.client, resolved, this.#observers())
    this.#pipeline = new SendPipeline(this.client, resolved, this.#sender, new UniqueIdGenerator(), this.#statistics)
    const { autoBatch, maxMessageSize } = resolved
    if (autoBatch !== undefined) {
      const maxBytes = Math.min(autoBatch.maxBytes, maxMessageSize)
      this.#accumulator = new ProduceAccumulator({ ...autoBatch, maxBytes }, this.#pipeline)
    }
    this.#requester = new Requester({
      client: this.client,
      options: resolved,
      deliver: (message, sendOptions) => this.deliver(message, sendOptions, 'NORMAL'),
      onLateReply: (late) => void safeEmit(this, this.logger, 'lateReply', late),
    })
  }

  get producerGroup(): string {
    return this.producerOptions.producerGroup
  }

  /**
   * Sends one message and waits until a broker has stored it.
   *
   * A failed attempt is followed by others, up to `retryTimesWhenSendFailed`, on other brokers where there are any, within the timeout. With `queue`, `selector`
   * or a sharding key there is no other queue to go to: then only what was surely not stored is tried again.
   *
   * The body is copied when the send has its place in flight: at once, unless `maxInFlight` or `maxInFlightBytes` are used up. Until then the message must not change.
   *
   * @throws {@link ClientError} `INVALID_ARGUMENT`, `MESSAGE_TOO_LARGE`, `TOPIC_NOT_FOUND`, `TOO_MANY_REQUESTS`, `UNSUPPORTED_BY_BROKER`, `FORBIDDEN`, `NOT_STARTED`, `CLOSED`, `ABORTED`.
   * @throws {@link BrokerError} of the last attempt, when a broker refused. {@link RemotingError} of the last attempt, when there was no answer.
   * @see DefaultMQProducerImpl.sendDefaultImpl
   */
  send(message: Message, options: SendOptions = NO_OPTIONS): Promise<SendResult> {
    return this.deliver(message, options, kindOf(message))
  }

  /**
   * Sends messages of one topic in one request; they are stored in one queue, one behind the other.
   *
   * @throws {@link ClientError} `INVALID_ARGUMENT` when they differ in topic or `waitStoreMsgOk`, or one is delayed or for a retry topic;
   * `MESSAGE_TOO_LARGE` when they don't fit into `maxMessageSize` together. And what {@link DefaultProducer.send} throws.
   * @see MessageBatch.generateFromList
   */
  async sendBatch(messages: readonly Message[], options: SendOptions = {}): Promise<SendResult> {
    this.checkRunning('sendBatch')
    return this.#places.run(bytesOf(messages), options, this.#sendBatchNow, messages)
  }

  /**
   * Sends messages of any topics and any total size, in as few requests as they take: those of one topic in their order, several topics side by side.
   *
   * @param options - `timeout` and `sendTimeout` are for each request with its attempts.
   * @returns what became of each request; one that fails keeps no other from being sent.
   * @throws {@link ClientError} for a list or a message that is wrong in itself, before anything is sent; it says which one.
   */
  async sendBatches(messages: readonly Message[], options: WaitOptions = {}): Promise<BatchPart[]> {
    this.checkRunning('sendBatches')
    checkTimeout(options.timeout)
    const { timeout = this.producerOptions.sendTimeout, signal } = options
    const limits = { maxMessageSize: this.producerOptions.maxMessageSize, timeout, signal }
    const send: Work<WaitOptions, undefined, BatchPart[]> = (_now, _waited, _options, _subject, place) =>
      settle(place, sendBatches(messages, limits, this.#pipeline))
    return this.#places.run(bytesOf(messages), { signal }, send, undefined)
  }

  /**
   * Sends without waiting for an answer: resolves when the message was handed to the socket. It may be lost, and is not tried again.
   *
   * @throws as {@link DefaultProducer.send}, as far as it can go wrong before.
   */
  async sendOneway(message: Message, options: SendOptions = {}): Promise<void> {
    this.checkRunning('sendOneway')
    const bytes = bodyLength(message, this.producerOptions.maxMessageSize)
    return this.#places.run(bytes, options, this.#sendOnewayNow, message)
  }

  /**
   * Sends a message and waits for its reply: a consumer of the topic answers it with `createReplyMessage` and `send`.
   *
   * A reply that comes after the timeout is dropped, and told by the event `lateReply`. A failed request may have been handled all the same, as `mayBeStored` says.
   *
   * @param options - `timeout` is required. A queue can be chosen as for `send`.
   * @returns the reply. Brokers push it before they store it: its `queueOffset` and `commitLogOffset` are −1.
   * @throws {@link ClientError} `REQUEST_TIMEOUT` when no reply came in time, `TOO_MANY_REQUESTS` when 65535 requests of this client wait already; `CLOSED` also when
   * the producer is shut down before the reply came.
   * @throws {@link MessageError} when the reply can't be decompressed. And what {@link DefaultProducer.send} throws, when the request could not be sent.
   * @see DefaultMQProducerImpl.request
   */
  async request(message: Message, options: RequestOptions): Promise<MessageExt> {
    this.checkRunning('request')
    return this.#requester.request(message, options)
  }

  /**
   * Recalls a timer message, so that it is never delivered; for brokers from 5.3.2 on that have `recallMessageEnable`.
   *
   * The broker takes a recall until the message's time, rounded down to its `timerPrecisionMs` (1 second). It only stores the wish: this resolves also when the message
   * was recalled before, or is just being delivered.
   *
   * @param recallHandle - Of the result of the send, of this client or another one.
   * @param options - `timeout`: default `sendTimeout` of the producer.
   * @returns the id of the message.
   * @throws {@link ClientError} `INVALID_ARGUMENT` when the handle can't be read, is of another topic, or its time is past; `TOPIC_NOT_FOUND`, `NO_BROKER`,
   * `UNSUPPORTED_BY_BROKER`.
   * @throws {@link BrokerError} when the broker refuses: `NO_PERMISSION` where recall is switched off. {@link RemotingError} when there was no answer; it can be tried again.
   * @see DefaultMQProducerImpl.recallMessage
   */
  async recall(topic: string, recallHandle: string, options: WaitOptions = {}): Promise<string> {
    this.checkRunning('recall')
    const { timeout = this.producerOptions.sendTimeout, signal } = options
    return recall(this.client, this.producerGroup, topic, recallHandle, { timeout, signal })
  }

  /**
   * The queues that messages to this topic go to.
   *
   * @throws {@link ClientError} `TOPIC_NOT_FOUND`.
   */
  async fetchPublishMessageQueues(topic: string, options: WaitOptions = {}): Promise<MessageQueue[]> {
    this.checkRunning('fetchPublishMessageQueues')
    const { namespace, routes } = this.client
    const route = await routes.refresh(checkTopic(namespace.wrap(checkTopic(topic))), options)
    return route.publishQueues.map((queue) => namespace.unwrapQueue(queue))
  }

  /**
   * Asks the NameServers and brokers of these topics whether they let this producer send there, without sending anything: for a program that wants to know at its start
   * that its `credentials` and the rules of the cluster fit. Of a topic that does not exist yet, only the credentials are looked at.
   *
   * @param options - `timeout`: for all questions together, in milliseconds. Default `requestTimeout`.
   * @throws {@link BrokerError} `NO_PERMISSION` with `denial` and `address` of the first that refuses: it says which resource or user, and by which rule.
   * @throws {@link ClientError} `INVALID_ARGUMENT`, `TOPIC_NOT_FOUND`, `CREDENTIALS_UNAVAILABLE`, `ABORTED`; {@link RemotingError} when a broker does not answer.
   */
  async verifyCredentials(topics: string | readonly string[], options: WaitOptions = {}): Promise<void> {
    this.checkRunning('verifyCredentials')
    const { timeout = this.client.options.requestTimeout, signal } = options
    const producerGroup = this.client.namespace.wrap(this.producerGroup)
    return verifyCredentials(this.client, topics, { producerGroup, newTopic: this.producerOptions, timeout, signal })
  }

  /** What this producer has sent and what failed, with latencies for each broker. */
  statistics(): ProducerStatistics {
    return this.#statistics.snapshot()
  }

  /**
   * Sends a message of any kind: waits for its place, encodes it, chooses a queue and tries until a broker has it.
   *
   * No async function: very many may wait here, and each would keep another promise and its frame.
   */
  protected deliver(message: Message, options: SendOptions, kind: MessageKind): Promise<SendResult> {
    try {
      this.checkRunning('send')
      const bytes = bodyLength(message, this.producerOptions.maxMessageSize)
      return this.#places.run(bytes, options, this.#deliverNow[kind], message)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** To be called for each end of a transaction, before the broker is told. */
  protected onEndTransaction(context: EndTransactionContext): void {
    this.#hooks?.endTransaction(context)
    if (this.#trace !== undefined) traceEndTransaction(this.#trace, context)
  }

  protected override async onStart(): Promise<void> {
    this.client.heartbeat.addProducer(this.client.namespace.wrap(this.producerGroup))
    this.#sender.start()
  }

  /** Every send settles within its own timeout, so that this wait ends. */
  protected override async onShutdown(timeout: number | undefined): Promise<void> {
    this.#requester.close()
    this.#accumulator?.close()
    const left = await this.#places.drained(timeout)
    if (left > 0) this.logger.warn(`${left} sends were still in flight when the shutdown's timeout ended`)
    this.#places.close()
    this.#sender.stop()
    await this.#trace?.stop(timeout)
    await this.client.heartbeat.removeProducer(this.client.namespace.wrap(this.producerGroup))
    this.client.pendingRequests.producerLeft()
  }

  #observers(): SendObserver[] {
    const observers: SendObserver[] = [
      statisticsObserver(this.#statistics),
      new PriorityWatch(this.client, (warning) => this.warn(warning)),
    ]
    if (this.#hooks !== undefined) observers.push(this.#hooks)
    if (this.#trace !== undefined) observers.push(traceObserver(this.#trace))
    return observers
  }

  #deliverAs(
    kind: MessageKind,
    now: number,
    waited: number,
    options: SendOptions,
    message: Message,
    place: Outcome<SendResult>,
  ): void {
    const outgoing = this.#pipeline.encode(message, kind)
    const timeout = this.#timeoutOf(options) - waited
    if (this.#accumulator !== undefined)
      settle(place, this.#accumulate(this.#accumulator, outgoing, message, options, timeout, now))
    else this.#pipeline.begin(outgoing, message, options, timeout, options.signal, undefined, now, place)
  }

  /** No async function: most messages have no queue of their own, and nothing to wait for. */
  #accumulate(
    accumulator: ProduceAccumulator,
    outgoing: OutgoingMessage,
    message: Message,
    options: SendOptions,
    timeout: number,
    now: number,
  ): Promise<SendResult> {
    const { signal } = options
    if (!hasChoice(options, outgoing)) return accumulator.add(outgoing, message, ANY_QUEUE, { timeout, signal }, now)
    return this.#pipeline.queueChooser(outgoing.topic, timeout, signal, options).then((choose) => {
      const target = { queue: choose(outgoing, message) }
      return accumulator.add(outgoing, message, target, { timeout: timeout - (monotonicNow() - now), signal })
    })
  }

  #timeoutOf({ timeout = this.producerOptions.sendTimeout }: SendOptions): number {
    return timeout
  }
}

/** Of what is a message; what is none is refused when it is encoded, with its place in the list. */
function bytesOf(messages: readonly Message[]): number {
  if (!Array.isArray(messages)) return 0
  return messages.reduce((sum: number, message: Message | undefined) => sum + (message?.body?.length ?? 0), 0)
}
