import { Member } from '../client/member.js'
import { checkTopic } from '../client/name-check.js'
import { encodeBatch } from '../codec/batch-codec.js'
import { UniqueIdGenerator } from '../codec/message-id.js'
import type { Message, MessageQueue } from '../message/message.js'
import { checkTimeout, monotonicNow, type WaitOptions } from '../remoting/deadline.js'
import type { TopicRoute } from '../route/topic-route.js'
import { toBatch } from './batch.js'
import { InFlightSends } from './in-flight-sends.js'
import { MessageSender, ProducerSend } from './message-sender.js'
import { type OutgoingMessage, toOutgoingMessage } from './outgoing-message.js'
import { type ProducerOptions, type ResolvedProducerOptions, resolveProducerOptions } from './producer-options.js'
import { callSelector, checkQueue, type MessageQueueSelector, selectByHash } from './queue-selector.js'
import { sendWithRetries } from './send-loop.js'
import type { SendResult } from './send-result.js'

export interface SendOptions {
  /** Send to this queue and no other. */
  queue?: MessageQueue
  /** Chooses the queue; then no other is tried. */
  selector?: MessageQueueSelector
  /** Chooses the queue by Java's hash of this key; the message's own `shardingKey` does too. */
  shardingKey?: string
  /** For all attempts together, in milliseconds. Default: `sendTimeout` of the producer. */
  timeout?: number
  signal?: AbortSignal
}

/**
 * Sends messages.
 *
 * A send that resolves is stored by a broker. One that rejects says in `mayBeStored` whether a broker may have stored the message all the same, and lists
 * its `attempts`.
 *
 * @see DefaultMQProducer
 */
export class DefaultProducer extends Member {
  readonly #options: ResolvedProducerOptions
  readonly #ids = new UniqueIdGenerator()
  readonly #sender: MessageSender
  readonly #inFlight = new InFlightSends()

  /** @throws {@link ClientError} `INVALID_OPTION`, `INVALID_ARGUMENT` (the group's name), `NO_NAME_SERVER`, `INVALID_ADDRESS`. */
  constructor(options: ProducerOptions) {
    const resolved = resolveProducerOptions(options, 'DefaultProducer')
    super(options)
    this.#options = resolved
    this.#sender = new MessageSender(this.client, resolved)
  }

  get producerGroup(): string {
    return this.#options.producerGroup
  }

  /**
   * Sends one message and waits until a broker has stored it.
   *
   * A failed attempt is followed by others, up to `retryTimesWhenSendFailed`, on other brokers where there are any, within the timeout. With `queue`, `selector`
   * or a sharding key there is no other queue to go to: then only what was surely not stored is tried again.
   *
   * @throws {@link ClientError} `INVALID_ARGUMENT`, `MESSAGE_TOO_LARGE`, `TOPIC_NOT_FOUND`, `NOT_STARTED`, `CLOSED`, `ABORTED`.
   * @throws {@link BrokerError} of the last attempt, when a broker refused. {@link RemotingError} of the last attempt, when there was no answer.
   * @see DefaultMQProducerImpl.sendDefaultImpl
   */
  async send(message: Message, options: SendOptions = {}): Promise<SendResult> {
    this.checkRunning('send')
    const outgoing = toOutgoingMessage(message, this.#options.maxMessageSize, this.#ids)
    return this.#inFlight.track(this.#send(outgoing, message, options, false))
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
    const batch = toBatch(messages, this.#options.maxMessageSize, this.#ids)
    const first = messages[0] as Message
    return this.#inFlight.track(this.#send({ ...batch, body: encodeBatch(batch.parts) }, first, options, true))
  }

  /**
   * Sends without waiting for an answer: resolves when the message was handed to the socket. It may be lost, and is not tried again.
   *
   * @throws as {@link DefaultProducer.send}, as far as it can go wrong before.
   */
  async sendOneway(message: Message, options: SendOptions = {}): Promise<void> {
    this.checkRunning('sendOneway')
    const outgoing = toOutgoingMessage(message, this.#options.maxMessageSize, this.#ids)
    return this.#inFlight.track(this.#sendOneway(outgoing, message, options))
  }

  /**
   * The queues that messages to this topic go to.
   *
   * @throws {@link ClientError} `TOPIC_NOT_FOUND`.
   */
  async fetchPublishMessageQueues(topic: string, options: WaitOptions = {}): Promise<MessageQueue[]> {
    this.checkRunning('fetchPublishMessageQueues')
    const route = await this.client.routes.refresh(checkTopic(topic), options)
    return [...route.publishQueues]
  }

  protected override async onStart(): Promise<void> {
    this.client.heartbeat.addProducer(this.producerGroup)
  }

  /** Every send settles within its own timeout, so that this wait ends. */
  protected override async onShutdown(timeout: number | undefined): Promise<void> {
    const left = await this.#inFlight.drained(timeout)
    if (left > 0) this.logger.warn(`${left} sends were still in flight when the shutdown's timeout ended`)
    await this.client.heartbeat.removeProducer(this.producerGroup)
  }

  async #send(
    outgoing: OutgoingMessage,
    message: Message,
    options: SendOptions,
    isBatch: boolean,
  ): Promise<SendResult> {
    const { timeout = this.#options.sendTimeout, signal } = options
    checkTimeout(timeout)
    const startedAt = monotonicNow()
    const { topic } = outgoing
    const route = this.#sender.cachedRoute(topic) ?? (await this.#sender.route(topic, timeout, signal))
    const queue = chooseQueue(route, outgoing, message, options)
    const remaining = timeout - (monotonicNow() - startedAt)
    return sendWithRetries(new ProducerSend(this.#sender, outgoing, isBatch, route, queue, remaining, signal))
  }

  async #sendOneway(outgoing: OutgoingMessage, message: Message, options: SendOptions): Promise<void> {
    const { timeout = this.#options.sendTimeout, signal } = options
    checkTimeout(timeout)
    const { topic } = outgoing
    const route = this.#sender.cachedRoute(topic) ?? (await this.#sender.route(topic, timeout, signal))
    const queue = chooseQueue(route, outgoing, message, options) ?? this.#sender.nextQueue(route, undefined)
    return this.#sender.sendOneway(outgoing, queue, timeout, signal)
  }
}

function chooseQueue(
  route: TopicRoute,
  outgoing: OutgoingMessage,
  message: Message,
  options: SendOptions,
): MessageQueue | undefined {
  const { queue, selector } = options
  if (queue !== undefined) return checkQueue(queue, route.publishQueues, 'option queue')
  if (selector !== undefined) return callSelector(selector, route.publishQueues, message)
  const key = options.shardingKey ?? outgoing.shardingKey
  return key === undefined ? undefined : selectByHash(route.publishQueues, key)
}
