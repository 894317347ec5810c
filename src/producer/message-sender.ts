import type { Client } from '../client/client.js'
import { checkGroup } from '../client/name-check.js'
import { ClientError, RemotingError, RocketMQError } from '../errors.js'
import type { Message, MessageQueue } from '../message/message.js'
import { vipAddress } from '../remoting/address.js'
import { monotonicNow } from '../remoting/deadline.js'
import type { Outcome } from '../remoting/outcome.js'
import { ResponseCode, responseName } from '../remoting/response-code.js'
import { LatencyFaultTolerance } from '../route/latency-fault-tolerance.js'
import type { TopicRoute } from '../route/topic-route.js'
import { checkBrokerFeature } from './broker-feature.js'
import type { OutgoingMessage } from './outgoing-message.js'
import type { ResolvedProducerOptions } from './producer-options.js'
import { type AttemptHost, commandOf, type GivenMessages, SendAttempt } from './send-attempt.js'
import type { SendJob } from './send-loop.js'
import type { SendAttemptView, SendObserver } from './send-observer.js'
import type { SendResult } from './send-result.js'
import { serviceDetector } from './service-detector.js'
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
  /** As it goes over the wire, with its namespace. */
  readonly #producerGroup: string
  readonly #observers: readonly SendObserver[]
  readonly #faults: LatencyFaultTolerance | undefined
  readonly #topicQueues = new Map<string, TopicQueues>()
  readonly #isReachable = (queue: MessageQueue): boolean => {
    const address = this.addressOf(queue)
    return address !== undefined && !this.#client.remoting.isBackingOff(address)
  }

  readonly #attemptHost: AttemptHost = {
    header: ({ outgoing, wireQueue, address }) => this.#header(outgoing, wireQueue, address),
    onStored: ({ outgoing: { topic } }) => {
      const { routes } = this.#client
      if (routes.isNewTopic(topic)) routes.refreshSoon(topic)
    },
    onEnd: (attempt, result, error) => this.#end(attempt, result, error),
  }

  constructor(client: Client, options: ResolvedProducerOptions, observers: readonly SendObserver[]) {
    this.#client = client
    this.#options = options
    this.#producerGroup = checkGroup(client.namespace.wrap(options.producerGroup), 'producerGroup')
    const { latencyFaultTolerance } = options
    if (latencyFaultTolerance !== undefined) {
      const detector = serviceDetector(client, () => this.#topicQueues.keys())
      this.#faults = new LatencyFaultTolerance(latencyFaultTolerance, detector, client.logger)
      this.#observers = [...observers, faultObserver(this.#faults)]
    } else {
      this.#observers = observers
    }
  }

  get options(): ResolvedProducerOptions {
    return this.#options
  }

  get isClosed(): boolean {
    return this.#client.state === 'closed'
  }

  start(): void {
    this.#faults?.start()
  }

  stop(): void {
    this.#faults?.stop()
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
    const queue = queues.next(this.cachedRoute(topic) ?? route, lastBrokerName, this.#isReachable, this.#faults)
    if (queue === undefined) throw noQueue(topic)
    return queue
  }

  /** Where a queue's broker takes messages: its master, by the second port where that is wanted. @throws {@link ClientError} `UNSUPPORTED_BY_BROKER`. */
  addressOf(queue: MessageQueue): string | undefined {
    const address = this.#client.masterAddress(this.#client.routes.brokerNameOfQueue(queue))
    if (address === undefined || !this.#client.options.vipChannel) return address
    if (this.#client.remoting.isProxy(address))
      throw new ClientError(
        'UNSUPPORTED_BY_BROKER',
        `vipChannel: ${address} is a proxy, which has no second port; leave it off`,
      )
    return vipAddress(address)
  }

  /**
   * Begins one attempt. No async function, as nothing of a send that only waits for its answer: very many are in flight, and each would keep its frame and its promise.
   *
   * @param now - On the monotonic clock.
   */
  begin(
    outgoing: OutgoingMessage,
    given: GivenMessages,
    number: number,
    queue: MessageQueue,
    address: string,
    timeout: number,
    signal: AbortSignal | undefined,
    now: number,
    outcome: Outcome<SendResult>,
  ): void {
    const userQueue = this.#client.namespace.unwrapQueue(queue)
    const host = this.#attemptHost
    const attempt = new SendAttempt(outgoing, given, userQueue, queue, address, number, now, signal, host, outcome)
    try {
      this.#announce(attempt)
    } catch (error) {
      outcome.reject(error)
      return
    }
    if (outgoing.needs === undefined) {
      this.#send(attempt, timeout)
      return
    }
    this.#checkFeature(outgoing, address, timeout, signal).then(
      () => this.#send(attempt, timeout),
      (error: unknown) => attempt.reject(error),
    )
  }

  #send(attempt: SendAttempt, timeout: number): void {
    const { remoting, options } = this.#client
    remoting.send(attempt.address, attempt, Math.min(timeout, options.requestTimeout))
  }

  async sendOneway(
    outgoing: OutgoingMessage,
    message: Message,
    queue: MessageQueue,
    timeout: number,
    signal: AbortSignal | undefined,
    now: number,
  ): Promise<void> {
    const address = this.addressOf(queue)
    if (address === undefined) throw noQueue(queue.topic)
    const attempt: SendAttemptView = {
      outgoing,
      messages: [message],
      queue: this.#client.namespace.unwrapQueue(queue),
      address,
      number: 1,
      communicationMode: 'ONEWAY',
      startedAt: now,
    }
    this.#announce(attempt)
    try {
      if (outgoing.needs !== undefined) await this.#checkFeature(outgoing, address, timeout, signal)
      const header = this.#header(outgoing, queue, address)
      const options = { body: outgoing.body, timeout, signal }
      await this.#client.remoting.invokeOneway(address, commandOf(outgoing), header, options)
      this.#end(attempt, undefined, undefined)
    } catch (error) {
      if (error instanceof RemotingError) this.onFailure(error, queue)
      this.#end(attempt, undefined, error)
      throw error
    }
  }

  onFailure(error: RocketMQError, queue: MessageQueue): void {
    this.#client.logger.debug(`an attempt to send to ${queue.brokerName} failed`, { topic: queue.topic, error })
    const isStale = error instanceof RemotingError || STALE_ROUTE_CODES.has(error.code)
    if (isStale) this.#client.routes.refreshSoon(queue.topic)
  }

  /** @throws what an observer throws: then there is no attempt. */
  #announce(attempt: SendAttemptView): void {
    for (const observer of this.#observers) observer.before?.(attempt)
  }

  #end(attempt: SendAttemptView, result: SendResult | undefined, error: unknown): void {
    if (error !== undefined && !(error instanceof RocketMQError)) return
    const elapsed = monotonicNow() - attempt.startedAt
    for (const observer of this.#observers) this.#tell(observer, attempt, result, error, elapsed)
  }

  /** They look at messages that their owner may have changed meanwhile. What fails there must harm neither the send nor the connection whose answer is being read. */
  #tell(
    observer: SendObserver,
    attempt: SendAttemptView,
    result: SendResult | undefined,
    error: RocketMQError | undefined,
    elapsed: number,
  ): void {
    try {
      observer.after(attempt, result, error, elapsed)
    } catch (fault) {
      const { topic, uniqKey } = attempt.outgoing
      this.#client.logger.error('an attempt to send could not be taken down', { topic, msgId: uniqKey, error: fault })
    }
  }

  /** @throws {@link ClientError} `UNSUPPORTED_BY_BROKER`: nothing was sent. */
  async #checkFeature(
    outgoing: OutgoingMessage,
    address: string,
    timeout: number,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { needs, topic } = outgoing
    if (needs === undefined) return
    const { remoting, heartbeat, options } = this.#client
    // A connection without an answer yet has told no version.
    if (remoting.serverVersion(address) === 0)
      await heartbeat.beat(address, { timeout: Math.min(timeout, options.requestTimeout), signal })
    checkBrokerFeature(needs, remoting.serverVersion(address), topic, address)
  }

  #header(outgoing: OutgoingMessage, queue: MessageQueue, address: string) {
    const { isBatch, propertiesWithBatchId } = outgoing
    const keepsPartIds =
      isBatch && propertiesWithBatchId !== undefined && this.#client.remoting.serverVersion(address) >= KEEPS_PART_IDS
    return {
      producerGroup: this.#producerGroup,
      topic: outgoing.topic,
      defaultTopic: this.#options.createTopicKey,
      defaultTopicQueueNums: this.#options.defaultTopicQueueNums,
      queueId: queue.queueId,
      sysFlag: outgoing.sysFlag,
      bornTimestamp: Date.now(),
      flag: outgoing.flag,
      properties: keepsPartIds ? propertiesWithBatchId : outgoing.properties,
      reconsumeTimes: 0,
      unitMode: false,
      batch: isBatch,
      brokerName: this.#client.routes.brokerNameOfQueue(queue),
    }
  }
}

/** One send of a producer, for the loop that tries it. */
export class ProducerSend implements SendJob<SendResult> {
  readonly timeout: number
  readonly startedAt: number
  readonly signal: AbortSignal | undefined
  readonly #sender: MessageSender
  readonly #outgoing: OutgoingMessage
  readonly #given: GivenMessages
  readonly #route: TopicRoute
  readonly #fixedQueue: MessageQueue | undefined
  readonly #onGivenUp: (error: unknown) => void
  #attempts = 0

  constructor(
    sender: MessageSender,
    outgoing: OutgoingMessage,
    given: GivenMessages,
    route: TopicRoute,
    fixedQueue: MessageQueue | undefined,
    timeout: number,
    startedAt: number,
    signal: AbortSignal | undefined,
    onGivenUp: (error: unknown) => void,
  ) {
    this.#sender = sender
    this.#outgoing = outgoing
    this.#given = given
    this.#route = route
    this.#fixedQueue = fixedQueue
    this.timeout = timeout
    this.startedAt = startedAt
    this.signal = signal
    this.#onGivenUp = onGivenUp
  }

  get topic(): string {
    return this.#outgoing.topic
  }

  get maxAttempts(): number {
    return 1 + this.#sender.options.retryTimesWhenSendFailed
  }

  get isQueueFixed(): boolean {
    return this.#fixedQueue !== undefined
  }

  get retryCodes(): ReadonlySet<number> {
    return this.#sender.options.retryResponseCodes
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

  begin(queue: MessageQueue, address: string, timeout: number, now: number, outcome: Outcome<SendResult>): void {
    const number = ++this.#attempts
    const { signal } = this
    this.#sender.begin(this.#outgoing, this.#given, number, queue, address, timeout, signal, now, outcome)
  }

  isGoodEnough(result: SendResult): boolean {
    return result.sendStatus === 'SEND_OK' || !this.#sender.options.retryAnotherBrokerWhenNotStoreOK
  }

  onFailure(error: RocketMQError, queue: MessageQueue): void {
    this.#sender.onFailure(error, queue)
  }

  onGivenUp(error: unknown): void {
    this.#onGivenUp(error)
  }
}

function faultObserver(faults: LatencyFaultTolerance): SendObserver {
  return {
    after({ queue, communicationMode }, _result, error, elapsed) {
      // What the caller ended, or this client refused, says nothing about the broker.
      if (communicationMode === 'ONEWAY' || error instanceof ClientError) return
      faults.record(queue.brokerName, elapsed, error)
    },
  }
}

function noQueue(topic: string): ClientError {
  return new ClientError('NO_BROKER', `topic ${topic} has no writable queue on a broker with a master now`, {
    retryable: true,
  })
}
