import type { Client } from '../client/client.js'
import { ClientError, RemotingError, type RocketMQError } from '../errors.js'
import type { MessageQueue } from '../message/message.js'
import { sendBatchMessage, sendMessage } from '../remoting/commands/send.js'
import { monotonicNow } from '../remoting/deadline.js'
import { ResponseCode, responseName } from '../remoting/response-code.js'
import type { TopicRoute } from '../route/topic-route.js'
import type { OutgoingMessage } from './outgoing-message.js'
import type { ResolvedProducerOptions } from './producer-options.js'
import type { SendJob } from './send-loop.js'
import { type SendResult, toSendResult } from './send-result.js'
import { TopicQueues } from './topic-queues.js'

/** Answers that a broker gives when the route by which it was asked is out of date. */
const STALE_ROUTE_CODES: ReadonlySet<string> = new Set(
  [
    ResponseCode.TOPIC_NOT_EXIST,
    ResponseCode.SERVICE_NOT_AVAILABLE,
    ResponseCode.NO_PERMISSION,
    ResponseCode.NOT_LEADER_FOR_QUEUE,
  ].map(responseName),
)

/** V5_4_0 of `MQVersion`. Brokers before it write a batch's properties over those of its parts, and an id of the batch over theirs. */
const KEEPS_PART_IDS = 493

/** One attempt at a time: routes, queues and requests of a producer. */
export class MessageSender {
  readonly #client: Client
  readonly #options: ResolvedProducerOptions
  readonly #topicQueues = new Map<string, TopicQueues>()
  readonly #isReachable = (queue: MessageQueue): boolean => {
    const address = this.addressOf(queue)
    return address !== undefined && !this.#client.remoting.isBackingOff(address)
  }

  constructor(client: Client, options: ResolvedProducerOptions) {
    this.#client = client
    this.#options = options
  }

  get options(): ResolvedProducerOptions {
    return this.#options
  }

  get isClosed(): boolean {
    return this.#client.state === 'closed'
  }

  /** The route to send by, where it is known and has a queue. */
  cachedRoute(topic: string): TopicRoute | undefined {
    const route = this.#client.routes.cachedPublishRoute(topic)
    return route !== undefined && route.publishQueues.length > 0 ? route : undefined
  }

  /** @throws {@link ClientError} `TOPIC_NOT_FOUND`, `NO_BROKER`. */
  async route(topic: string, timeout: number, signal: AbortSignal | undefined): Promise<TopicRoute> {
    const { routes } = this.#client
    const startedAt = monotonicNow()
    const route = await routes.publishRoute(topic, this.#options, { timeout, signal })
    if (route.publishQueues.length > 0) return route
    // Nothing is writable by what is known; the truth may be newer.
    const fresh = await routes.refresh(topic, { timeout: timeout - (monotonicNow() - startedAt), signal })
    if (fresh.publishQueues.length > 0) return fresh
    throw noQueue(topic)
  }

  /** The next queue in turn, by the newest route. */
  nextQueue(route: TopicRoute, lastBrokerName: string | undefined): MessageQueue {
    const { topic } = route
    let queues = this.#topicQueues.get(topic)
    if (queues === undefined) {
      queues = new TopicQueues()
      this.#topicQueues.set(topic, queues)
    }
    const queue = queues.next(this.cachedRoute(topic) ?? route, lastBrokerName, this.#isReachable)
    if (queue === undefined) throw noQueue(topic)
    return queue
  }

  /** Where a queue's broker takes messages: its master, by the second port where that is wanted. */
  addressOf(queue: MessageQueue): string | undefined {
    const address = this.#client.masterAddress(queue.brokerName)
    return address !== undefined && this.#client.options.vipChannel ? vipAddress(address) : address
  }

  async send(
    outgoing: OutgoingMessage,
    isBatch: boolean,
    queue: MessageQueue,
    address: string,
    timeout: number,
    signal: AbortSignal | undefined,
  ): Promise<SendResult> {
    const { remoting, routes, options } = this.#client
    const { propertiesWithBatchId = outgoing.properties } = outgoing
    const keepsPartIds = isBatch && remoting.serverVersion(address) >= KEEPS_PART_IDS
    const properties = keepsPartIds ? propertiesWithBatchId : outgoing.properties
    const header = this.#header(outgoing, properties, queue, isBatch)
    const response = await remoting.invoke(address, isBatch ? sendBatchMessage : sendMessage, header, {
      body: outgoing.body,
      timeout: Math.min(timeout, options.requestTimeout),
      signal,
    })
    if (routes.isNewTopic(outgoing.topic)) routes.refreshSoon(outgoing.topic)
    return toSendResult(response, queue, outgoing.uniqKey)
  }

  async sendOneway(
    outgoing: OutgoingMessage,
    queue: MessageQueue,
    timeout: number,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const address = this.addressOf(queue)
    if (address === undefined) throw noQueue(queue.topic)
    try {
      const header = this.#header(outgoing, outgoing.properties, queue, false)
      await this.#client.remoting.invokeOneway(address, sendMessage, header, { body: outgoing.body, timeout, signal })
    } catch (error) {
      if (error instanceof RemotingError) this.onFailure(error, queue)
      throw error
    }
  }

  onFailure(error: RocketMQError, queue: MessageQueue): void {
    this.#client.logger.debug(`an attempt to send to ${queue.brokerName} failed`, { topic: queue.topic, error })
    const isStale = error instanceof RemotingError || STALE_ROUTE_CODES.has(error.code)
    if (isStale) this.#client.routes.refreshSoon(queue.topic)
  }

  #header(outgoing: OutgoingMessage, properties: string, queue: MessageQueue, isBatch: boolean) {
    return {
      producerGroup: this.#options.producerGroup,
      topic: outgoing.topic,
      defaultTopic: this.#options.createTopicKey,
      defaultTopicQueueNums: this.#options.defaultTopicQueueNums,
      queueId: queue.queueId,
      sysFlag: 0,
      bornTimestamp: Date.now(),
      flag: outgoing.flag,
      properties,
      reconsumeTimes: 0,
      unitMode: false,
      batch: isBatch,
      brokerName: queue.brokerName,
    }
  }
}

/** One send of a producer, for the loop that tries it. */
export class ProducerSend implements SendJob<SendResult> {
  readonly timeout: number
  readonly maxAttempts: number
  readonly isQueueFixed: boolean
  readonly signal: AbortSignal | undefined
  readonly #sender: MessageSender
  readonly #outgoing: OutgoingMessage
  readonly #isBatch: boolean
  readonly #route: TopicRoute
  readonly #fixedQueue: MessageQueue | undefined

  constructor(
    sender: MessageSender,
    outgoing: OutgoingMessage,
    isBatch: boolean,
    route: TopicRoute,
    fixedQueue: MessageQueue | undefined,
    timeout: number,
    signal: AbortSignal | undefined,
  ) {
    this.#sender = sender
    this.#outgoing = outgoing
    this.#isBatch = isBatch
    this.#route = route
    this.#fixedQueue = fixedQueue
    this.timeout = timeout
    this.maxAttempts = 1 + sender.options.retryTimesWhenSendFailed
    this.isQueueFixed = fixedQueue !== undefined
    this.signal = signal
  }

  get topic(): string {
    return this.#outgoing.topic
  }

  get isClosed(): boolean {
    return this.#sender.isClosed
  }

  chooseQueue(lastBrokerName: string | undefined): MessageQueue {
    return this.#fixedQueue ?? this.#sender.nextQueue(this.#route, lastBrokerName)
  }

  hasOtherBrokers(): boolean {
    return this.#fixedQueue === undefined && this.#route.hasSeveralPublishBrokers
  }

  addressOf(queue: MessageQueue): string | undefined {
    return this.#sender.addressOf(queue)
  }

  send(queue: MessageQueue, address: string, timeout: number): Promise<SendResult> {
    return this.#sender.send(this.#outgoing, this.#isBatch, queue, address, timeout, this.signal)
  }

  onFailure(error: RocketMQError, queue: MessageQueue): void {
    this.#sender.onFailure(error, queue)
  }
}

/** @see MixAll.brokerVIPChannel */
function vipAddress(address: string): string {
  const colon = address.lastIndexOf(':')
  return `${address.slice(0, colon)}:${Number(address.slice(colon + 1)) - 2}`
}

function noQueue(topic: string): ClientError {
  return new ClientError('NO_BROKER', `topic ${topic} has no writable queue on a broker with a master now`, {
    retryable: true,
  })
}
