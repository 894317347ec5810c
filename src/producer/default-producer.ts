import { Member } from '../client/member.js'
import { checkTopic } from '../client/name-check.js'
import { encodeBatch } from '../codec/batch-codec.js'
import { UniqueIdGenerator } from '../codec/message-id.js'
import { ClientError, RemotingError, type RocketMQError } from '../errors.js'
import type { Message, MessageQueue } from '../message/message.js'
import { sendBatchMessage, sendMessage } from '../remoting/commands/send.js'
import { monotonicNow } from '../remoting/deadline.js'
import { responseName } from '../remoting/response-code.js'
import type { RouteWaitOptions } from '../route/route-cache.js'
import type { TopicRoute } from '../route/topic-route.js'
import { toBatch } from './batch.js'
import { InFlightSends } from './in-flight-sends.js'
import { type OutgoingMessage, toOutgoingMessage } from './outgoing-message.js'
import { type ProducerOptions, type ResolvedProducerOptions, resolveProducerOptions } from './producer-options.js'
import { callSelector, checkQueue, type MessageQueueSelector, RoundRobin, selectByHash } from './queue-selector.js'
import { type SendJob, sendWithRetries } from './send-loop.js'
import { type SendResult, toSendResult } from './send-result.js'

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
  readonly #roundRobins = new Map<string, RoundRobin>()
  readonly #inFlight = new InFlightSends()

  /** @throws {@link ClientError} `INVALID_OPTION`, `INVALID_ARGUMENT` (the group's name), `NO_NAME_SERVER`, `INVALID_ADDRESS`. */
  constructor(options: ProducerOptions) {
    const resolved = resolveProducerOptions(options, 'DefaultProducer')
    super(options)
    this.#options = resolved
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
  async fetchPublishMessageQueues(topic: string, options: RouteWaitOptions = {}): Promise<MessageQueue[]> {
    this.checkRunning('fetchPublishMessageQueues')
    const route = await this.client.routes.refresh(checkTopic(topic), options)
    return [...route.publishQueues]
  }

  protected override async onStart(): Promise<void> {
    const { heartbeat } = this.client
    if (heartbeat.hasProducer(this.producerGroup)) {
      throw new ClientError(
        'GROUP_EXISTS',
        `this client has a producer of the group ${this.producerGroup} already; a second one needs a client of its own`,
      )
    }
    heartbeat.addProducer(this.producerGroup)
  }

  /** Every send settles within its own timeout, so that this wait ends. */
  protected override async onShutdown(timeout: number | undefined): Promise<void> {
    const left = await this.#inFlight.drained(timeout)
    if (left > 0) this.logger.warn(`${left} sends were still in flight at shutdown; they are rejected`)
    await this.client.heartbeat.removeProducer(this.producerGroup)
  }

  async #send(
    outgoing: OutgoingMessage,
    message: Message,
    options: SendOptions,
    isBatch: boolean,
  ): Promise<SendResult> {
    const timeout = options.timeout ?? this.#options.sendTimeout
    const startedAt = monotonicNow()
    const route = await this.#route(outgoing.topic, timeout, options.signal)
    const fixedQueue = chooseQueue(route, outgoing, message, options)
    const job: SendJob<SendResult> = {
      topic: outgoing.topic,
      timeout: timeout - (monotonicNow() - startedAt),
      maxAttempts: 1 + this.#options.retryTimesWhenSendFailed,
      isQueueFixed: fixedQueue !== undefined,
      signal: options.signal,
      choose: async (lastBrokerName) =>
        fixedQueue === undefined
          ? this.#nextQueue(outgoing.topic, route, lastBrokerName)
          : { queue: fixedQueue, hasOthers: false },
      addressOf: (queue) => this.#addressOf(queue),
      send: (queue, address, attemptTimeout) =>
        this.#attempt(outgoing, queue, address, attemptTimeout, options.signal, isBatch),
      onFailure: (error, queue) => this.#onFailure(error, queue),
    }
    return sendWithRetries(job)
  }

  async #attempt(
    outgoing: OutgoingMessage,
    queue: MessageQueue,
    address: string,
    timeout: number,
    signal: AbortSignal | undefined,
    isBatch: boolean,
  ): Promise<SendResult> {
    const header = this.#header(outgoing, queue, isBatch)
    const attemptTimeout = Math.min(timeout, this.client.options.requestTimeout)
    const command = isBatch ? sendBatchMessage : sendMessage
    const response = await this.client.remoting.invoke(address, command, header, {
      body: outgoing.body,
      timeout: attemptTimeout,
      signal,
    })
    if (this.client.routes.isNewTopic(outgoing.topic)) this.client.routes.refreshSoon(outgoing.topic)
    return toSendResult(response, queue, outgoing.uniqKey)
  }

  async #sendOneway(outgoing: OutgoingMessage, message: Message, options: SendOptions): Promise<void> {
    const timeout = options.timeout ?? this.#options.sendTimeout
    const route = await this.#route(outgoing.topic, timeout, options.signal)
    const queue =
      chooseQueue(route, outgoing, message, options) ?? this.#nextQueue(outgoing.topic, route, undefined).queue
    const address = this.#addressOf(queue)
    if (address === undefined)
      throw new ClientError(
        'NO_BROKER',
        `broker ${queue.brokerName} has no master in the route of topic ${queue.topic}`,
      )
    const header = this.#header(outgoing, queue, false)
    try {
      await this.client.remoting.invokeOneway(address, sendMessage, header, {
        body: outgoing.body,
        timeout,
        signal: options.signal,
      })
    } catch (error) {
      if (error instanceof RemotingError) this.#onFailure(error, queue)
      throw error
    }
  }

  #header(outgoing: OutgoingMessage, queue: MessageQueue, isBatch: boolean) {
    return {
      producerGroup: this.#options.producerGroup,
      topic: outgoing.topic,
      defaultTopic: this.#options.createTopicKey,
      defaultTopicQueueNums: this.#options.defaultTopicQueueNums,
      queueId: queue.queueId,
      sysFlag: 0,
      bornTimestamp: Date.now(),
      flag: outgoing.flag,
      properties: outgoing.properties,
      reconsumeTimes: 0,
      unitMode: false,
      batch: isBatch,
      brokerName: queue.brokerName,
    }
  }

  async #route(topic: string, timeout: number, signal: AbortSignal | undefined): Promise<TopicRoute> {
    const { routes } = this.client
    const known = routes.cachedPublishRoute(topic)
    const route = known ?? (await routes.publishRoute(topic, this.#options, { timeout, signal }))
    if (route.publishQueues.length > 0) return route
    // Nothing is writable by what is known; the truth may be newer.
    const fresh = await routes.refresh(topic, { timeout, signal })
    if (fresh.publishQueues.length > 0) return fresh
    throw new ClientError('NO_BROKER', `topic ${topic} has no writable queue on a broker with a master now`, {
      retryable: true,
    })
  }

  #addressOf(queue: MessageQueue): string | undefined {
    const address = this.client.masterAddress(queue.brokerName)
    return address !== undefined && this.client.options.vipChannel ? vipAddress(address) : address
  }

  /** Leaves out the broker that failed last and those that can't be reached now, as long as there are others. */
  #nextQueue(
    topic: string,
    route: TopicRoute,
    lastBrokerName: string | undefined,
  ): { queue: MessageQueue; hasOthers: boolean } {
    const roundRobin = this.#roundRobin(topic)
    const latest = this.client.routes.cachedPublishRoute(topic)
    const queues = latest !== undefined && latest.publishQueues.length > 0 ? latest.publishQueues : route.publishQueues
    const queue =
      roundRobin.next(queues, (each) => each.brokerName !== lastBrokerName && this.#isReachable(each)) ??
      roundRobin.next(queues, (each) => each.brokerName !== lastBrokerName) ??
      roundRobin.next(queues, () => true)
    if (queue === undefined)
      throw new ClientError('NO_BROKER', `topic ${topic} has no writable queue now`, { retryable: true })
    const first = queues[0]
    const hasOthers = first !== undefined && queues[queues.length - 1]?.brokerName !== first.brokerName
    return { queue, hasOthers }
  }

  #roundRobin(topic: string): RoundRobin {
    let roundRobin = this.#roundRobins.get(topic)
    if (roundRobin === undefined) {
      roundRobin = new RoundRobin()
      this.#roundRobins.set(topic, roundRobin)
    }
    return roundRobin
  }

  #isReachable(queue: MessageQueue): boolean {
    const address = this.#addressOf(queue)
    return address !== undefined && !this.client.remoting.isBackingOff(address)
  }

  #onFailure(error: RocketMQError, queue: MessageQueue): void {
    this.logger.debug(`an attempt to send to ${queue.brokerName} failed`, { topic: queue.topic, error })
    const isStale = error instanceof RemotingError || STALE_ROUTE_CODES.has(error.code)
    if (isStale) this.client.routes.refreshSoon(queue.topic)
  }
}

/** Answers that a broker gives when the route by which it was asked is out of date. */
const STALE_ROUTE_CODES: ReadonlySet<string> = new Set([17, 14, 16, 501].map(responseName))

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

/** @see MixAll.brokerVIPChannel */
function vipAddress(address: string): string {
  const colon = address.lastIndexOf(':')
  return `${address.slice(0, colon)}:${Number(address.slice(colon + 1)) - 2}`
}
