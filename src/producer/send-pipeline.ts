import type { Client } from '../client/client.js'
import type { UniqueIdGenerator } from '../codec/message-id.js'
import { RocketMQError } from '../errors.js'
import type { Message, MessageQueue } from '../message/message.js'
import { monotonicNow } from '../remoting/deadline.js'
import { type Outcome, promised } from '../remoting/outcome.js'
import type { TopicRoute } from '../route/topic-route.js'
import { batchOf, toBatch } from './batch.js'
import type { BatchesSender, QueueChooser } from './batch-split.js'
import { BodyCompression } from './body-compression.js'
import type { MessageKind } from './message-kind.js'
import { type MessageSender, ProducerSend } from './message-sender.js'
import { inNamespace, type OutgoingMessage, toOutgoingMessage } from './outgoing-message.js'
import type { SendTarget } from './parts-sender.js'
import { PreparationOrder } from './preparation-order.js'
import type { ResolvedProducerOptions } from './producer-options.js'
import { chooseQueue, type QueueChoice } from './queue-selector.js'
import { firstOf, type GivenMessages } from './send-attempt.js'
import { sendWithRetries } from './send-loop.js'
import type { SendResult } from './send-result.js'
import type { SendStatistics } from './send-statistics.js'

interface Prepared {
  readonly outgoing: OutgoingMessage
  readonly route: TopicRoute
  /** When, on the monotonic clock. */
  readonly at: number
}

const ANY_QUEUE: QueueChoice = {}

/** What becomes of a message between the user's call and the attempts: encoded, named for its namespace, compressed, given a queue. */
export class SendPipeline implements BatchesSender {
  readonly #client: Client
  readonly #options: ResolvedProducerOptions
  readonly #sender: MessageSender
  readonly #ids: UniqueIdGenerator
  readonly #statistics: SendStatistics
  readonly #compression: BodyCompression
  readonly #order = new PreparationOrder()
  readonly #recordFailure = (error: unknown): void =>
    this.#statistics.recordFailure(error instanceof RocketMQError ? error.code : 'UNKNOWN')

  constructor(
    client: Client,
    options: ResolvedProducerOptions,
    sender: MessageSender,
    ids: UniqueIdGenerator,
    statistics: SendStatistics,
  ) {
    this.#client = client
    this.#options = options
    this.#sender = sender
    this.#ids = ids
    this.#statistics = statistics
    this.#compression = new BodyCompression(options)
  }

  encode(message: Message, kind?: MessageKind): OutgoingMessage {
    return toOutgoingMessage(message, this.#options.maxMessageSize, this.#ids, kind)
  }

  /** @throws {@link ClientError} `INVALID_ARGUMENT`, `MESSAGE_TOO_LARGE`. */
  encodeBatch(messages: readonly Message[]): OutgoingMessage {
    return toBatch(messages, this.#options.maxMessageSize, this.#ids)
  }

  /**
   * Sends until a broker has it.
   *
   * @param given - The messages as the user gave them.
   * @param timeout - For all attempts together, in milliseconds from now.
   * @param fixed - A queue that was chosen already.
   * @param now - On the monotonic clock.
   */
  begin(
    message: OutgoingMessage,
    given: GivenMessages,
    choice: QueueChoice,
    timeout: number,
    signal: AbortSignal | undefined,
    fixed: MessageQueue | undefined,
    now: number,
    outcome: Outcome<SendResult>,
  ): void {
    try {
      const prepared = this.#preparedNow(message, choice, now)
      if (prepared !== undefined) {
        this.#attempt(prepared, given, choice, timeout, signal, fixed, outcome)
        return
      }
    } catch (error) {
      this.#fail(error, outcome)
      return
    }
    this.#preparedLater(message, choice, timeout, signal)
      .then((prepared) => this.#attempt(prepared, given, choice, timeout - (prepared.at - now), signal, fixed, outcome))
      .catch((error: unknown) => this.#fail(error, outcome))
  }

  #sendNow(
    message: OutgoingMessage,
    given: GivenMessages,
    { queue }: SendTarget,
    timeout: number,
    signal: AbortSignal | undefined,
  ): Promise<SendResult> {
    return promised((outcome) => this.begin(message, given, ANY_QUEUE, timeout, signal, queue, monotonicNow(), outcome))
  }

  #fail(error: unknown, outcome: Outcome<SendResult>): void {
    this.#recordFailure(error)
    outcome.reject(error)
  }

  /** @throws {@link ClientError} when there is no such queue, or none at all. */
  #attempt(
    { outgoing, route, at }: Prepared,
    given: GivenMessages,
    choice: QueueChoice,
    timeout: number,
    signal: AbortSignal | undefined,
    fixed: MessageQueue | undefined,
    outcome: Outcome<SendResult>,
  ): void {
    const queue = fixed ?? chooseQueue(route, firstOf(given), outgoing.shardingKey, choice, this.#client.namespace)
    const failed = this.#recordFailure
    const send = new ProducerSend(this.#sender, outgoing, given, route, queue, timeout, at, signal, failed)
    sendWithRetries(send, outcome)
  }

  /** Hands it to a socket. */
  async sendOneway(
    message: OutgoingMessage,
    given: Message,
    choice: QueueChoice,
    timeout: number,
    signal: AbortSignal | undefined,
    now: number,
  ): Promise<void> {
    const prepared =
      this.#preparedNow(message, choice, now) ?? (await this.#preparedLater(message, choice, timeout, signal))
    const { outgoing, route, at } = prepared
    const chosen = chooseQueue(route, given, outgoing.shardingKey, choice, this.#client.namespace)
    const queue = chosen ?? this.#sender.nextQueue(route, undefined)
    return this.#sender.sendOneway(outgoing, given, queue, timeout - (at - now), signal, at)
  }

  sendOne(
    outgoing: OutgoingMessage,
    message: Message,
    target: SendTarget,
    timeout: number,
    signal: AbortSignal | undefined,
  ): Promise<SendResult> {
    return this.#sendNow(outgoing, message, target, timeout, signal)
  }

  sendParts(
    parts: readonly OutgoingMessage[],
    messages: readonly Message[],
    target: SendTarget,
    timeout: number,
    signal: AbortSignal | undefined,
  ): Promise<SendResult> {
    return this.#sendNow(batchOf(parts, this.#ids), messages, target, timeout, signal)
  }

  async queueChooser(
    topic: string,
    timeout: number,
    signal: AbortSignal | undefined,
    choice: QueueChoice = ANY_QUEUE,
  ): Promise<QueueChooser> {
    const wireTopic = this.#client.namespace.wrap(topic)
    const cached = this.#order.isBusy(wireTopic) ? undefined : this.#sender.cachedRoute(wireTopic)
    const find = () => this.#route(wireTopic, timeout, signal)
    const route = cached ?? (await this.#order.run(wireTopic, find, timeout, signal))
    return ({ shardingKey }, message) => this.#chosen(route, message, shardingKey, choice)
  }

  #chosen(
    route: TopicRoute,
    message: Message,
    shardingKey: string | undefined,
    choice: QueueChoice,
  ): MessageQueue | undefined {
    return chooseQueue(route, message, shardingKey, choice, this.#client.namespace)
  }

  /** Undefined when there is something to wait for. */
  #preparedNow(message: OutgoingMessage, choice: QueueChoice, now: number): Prepared | undefined {
    if (this.#compression.isFor(message)) return undefined
    const outgoing = inNamespace(message, this.#client.namespace)
    if (hasChoice(choice, outgoing) && this.#order.isBusy(outgoing.topic)) return undefined
    const route = this.#sender.cachedRoute(outgoing.topic)
    return route === undefined ? undefined : { outgoing, route, at: now }
  }

  /** It may have to wait for its turn after it is prepared: that counts. */
  async #preparedLater(
    message: OutgoingMessage,
    choice: QueueChoice,
    timeout: number,
    signal: AbortSignal | undefined,
  ): Promise<Prepared> {
    const { outgoing, route } = await this.#prepare(message, choice, timeout, signal)
    return { outgoing, route, at: monotonicNow() }
  }

  #prepare(
    message: OutgoingMessage,
    choice: QueueChoice,
    timeout: number,
    signal: AbortSignal | undefined,
  ): Promise<Omit<Prepared, 'at'>> {
    const spaced = inNamespace(message, this.#client.namespace)
    const { topic } = spaced
    const prepare = async (): Promise<Omit<Prepared, 'at'>> => {
      const [outgoing, route] = await Promise.all([
        this.#compression.isFor(spaced) ? this.#compression.apply(spaced) : spaced,
        this.#route(topic, timeout, signal),
      ])
      return { outgoing, route }
    }
    return hasChoice(choice, spaced) ? this.#order.run(topic, prepare, timeout, signal) : prepare()
  }

  async #route(topic: string, timeout: number, signal: AbortSignal | undefined): Promise<TopicRoute> {
    return this.#sender.cachedRoute(topic) ?? this.#sender.route(topic, timeout, signal)
  }
}

/** Whether a message has a queue of its own, so that its place among others matters. */
export function hasChoice({ queue, selector, shardingKey }: QueueChoice, outgoing: OutgoingMessage): boolean {
  return (shardingKey ?? outgoing.shardingKey ?? queue ?? selector) !== undefined
}
