import { EventEmitter } from 'eventemitter3'
import { BrokerError, ClientError } from '../errors.js'
import type { Logger } from '../logger.js'
import type { MessageQueue } from '../message/message.js'
import { getRouteInfoByTopic } from '../remoting/commands/route.js'
import { monotonicNow, restOf, type WaitOptions, withDeadline } from '../remoting/deadline.js'
import { safeEmit } from '../remoting/safe-emit.js'
import { inParallel } from './in-parallel.js'
import { isTopicNotExist, type NameServerClient } from './name-server-client.js'
import { isMockBrokerName } from './static-topic.js'
import { TopicRoute } from './topic-route.js'
import { type BrokerData, parseTopicRouteData, type TopicRouteData } from './topic-route-data.js'

export interface RouteEvents {
  /** A topic is known for the first time, or its queues or brokers changed. */
  routeChange: [{ topic: string; route: TopicRoute; previous: TopicRoute | undefined }]
  /** No route names these addresses of brokers any more. */
  brokersLeft: [{ addresses: readonly string[] }]
}

/** Who says that a broker has an address. */
export interface Advertiser {
  readonly brokerName: string
  readonly topic: string
  readonly nameServer: string | undefined
}

export interface RouteCacheOptions {
  /** Between two refreshes of all topics in use, in milliseconds. */
  readonly pollNameServerInterval: number
  /** For one question to the NameServers, in milliseconds. */
  readonly requestTimeout: number
  readonly logger: Logger
}

/** How a topic that does not exist yet may be created by its first message. */
export interface NewTopicOptions {
  readonly createTopicKey: string
  readonly defaultTopicQueueNums: number
}

/** A proxy adds it to each of its answers; of a NameServer's none has it. */
const PROXY_FIELD = 'TRACE_ON'
const MIN_REFRESH_GAP = 1_000
const PARALLEL_REFRESHES = 8

/** The routes of all topics in use: one question at a time for each, asked again on a period and when an answer shows that a route is stale. */
export class RouteCache extends EventEmitter<RouteEvents> {
  readonly #nameServers: NameServerClient
  readonly #options: RouteCacheOptions
  readonly #routes = new Map<string, TopicRoute>()
  /** Topics that are sent to by a template's route, because no server has them yet. */
  readonly #newTopics = new Map<string, TopicRoute>()
  readonly #fetches = new Map<string, Promise<TopicRoute>>()
  readonly #fetchedAt = new Map<string, number>()
  /** The NameServers that the routes are from. */
  readonly #sources = new Map<string, string>()
  readonly #dueSoon = new Map<string, NodeJS.Timeout>()
  #brokers = new Map<string, BrokerData>()
  #timer: NodeJS.Timeout | undefined

  constructor(nameServers: NameServerClient, options: RouteCacheOptions) {
    super()
    this.#nameServers = nameServers
    this.#options = options
  }

  start(): void {
    this.#timer ??= setInterval(() => void this.#refreshAll(), this.#options.pollNameServerInterval)
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
    for (const due of this.#dueSoon.values()) clearTimeout(due)
    this.#dueSoon.clear()
  }

  /** The brokers of all routes known, by name. */
  get brokers(): ReadonlyMap<string, BrokerData> {
    return this.#brokers
  }

  /** Of all these brokers, masters and slaves. */
  brokerAddresses(): Set<string> {
    return new Set([...this.#brokers.values()].flatMap((broker) => [...broker.brokerAddrs.values()]))
  }

  /** The broker that one of these addresses belongs to. */
  brokerNameOf(address: string): string | undefined {
    for (const { brokerName, brokerAddrs } of this.#brokers.values()) {
      for (const known of brokerAddrs.values()) if (known === address) return brokerName
    }
    return undefined
  }

  /** Who says that there is a broker at this address; undefined when no route does. */
  advertiserOf(address: string): Advertiser | undefined {
    for (const [topic, route] of this.#routes) {
      for (const { brokerName, brokerAddrs } of route.data.brokerDatas) {
        for (const known of brokerAddrs.values())
          if (known === address) return { brokerName, topic, nameServer: this.#sources.get(topic) }
      }
    }
    return undefined
  }

  /**
   * The broker to ask for a queue: the queue's own, or for a queue of a static topic the one that has it now. When none is known to have it, the name that stands for no
   * broker.
   */
  brokerNameOfQueue(queue: MessageQueue): string {
    if (!isMockBrokerName(queue.brokerName)) return queue.brokerName
    return this.#routes.get(queue.topic)?.brokerNameOf(queue) ?? queue.brokerName
  }

  /** The route that is known now, without asking. */
  cached(topic: string): TopicRoute | undefined {
    return this.#routes.get(topic)
  }

  /**
   * The route of a topic, asked for on first use.
   *
   * @throws {@link ClientError} `TOPIC_NOT_FOUND` when no NameServer has it; {@link RemotingError} when none answers.
   */
  async route(topic: string, options: WaitOptions = {}): Promise<TopicRoute> {
    return this.#routes.get(topic) ?? this.#wait(this.#fetch(topic), topic, options)
  }

  /** Asks again, whatever is known. */
  refresh(topic: string, options: WaitOptions = {}): Promise<TopicRoute> {
    return this.#wait(this.#fetch(topic), topic, options)
  }

  /** Asks again in the background, at most once a second for a topic: who comes too soon after the last time is served when the second is over. */
  refreshSoon(topic: string): void {
    if (this.#fetches.has(topic) || this.#dueSoon.has(topic)) return
    const age = monotonicNow() - (this.#fetchedAt.get(topic) ?? Number.NEGATIVE_INFINITY)
    if (age >= MIN_REFRESH_GAP) {
      void this.#refreshInBackground(topic)
    } else if (this.#timer !== undefined) {
      const due = () => {
        this.#dueSoon.delete(topic)
        void this.#refreshInBackground(topic)
      }
      this.#dueSoon.set(topic, setTimeout(due, MIN_REFRESH_GAP - age).unref())
    }
  }

  /** What {@link RouteCache.publishRoute} would give, where that is known without asking. */
  cachedPublishRoute(topic: string): TopicRoute | undefined {
    return this.#routes.get(topic) ?? this.#newTopics.get(topic)
  }

  /** Whether messages to this topic go by a template's route, since no server has it yet. */
  isNewTopic(topic: string): boolean {
    return !this.#routes.has(topic) && this.#newTopics.has(topic)
  }

  /**
   * The route to send by: the topic's own, or that of the template topic if this one does not exist yet.
   *
   * @throws {@link ClientError} `TOPIC_NOT_FOUND` when there is neither: brokers that create no topics have no template.
   * @see DefaultMQProducerImpl.tryToFindTopicPublishInfo
   */
  async publishRoute(topic: string, newTopic: NewTopicOptions, options: WaitOptions = {}): Promise<TopicRoute> {
    const known = this.cachedPublishRoute(topic)
    if (known !== undefined) return known
    const startedAt = monotonicNow()
    try {
      return await this.route(topic, options)
    } catch (error) {
      if (!isTopicNotFound(error)) throw error
      return await this.#templateRoute(topic, newTopic, restOf(options, startedAt), error)
    }
  }

  async #templateRoute(
    topic: string,
    newTopic: NewTopicOptions,
    options: WaitOptions,
    notFound: ClientError,
  ): Promise<TopicRoute> {
    try {
      const template = await this.route(newTopic.createTopicKey, options)
      const route = TopicRoute.forNewTopic(topic, template.data, newTopic.defaultTopicQueueNums)
      if (!this.#routes.has(topic)) this.#newTopics.set(topic, route)
      return this.cachedPublishRoute(topic) ?? route
    } catch (error) {
      throw isTopicNotFound(error) ? notFound : error
    }
  }

  #wait(fetch: Promise<TopicRoute>, topic: string, { timeout, signal }: WaitOptions): Promise<TopicRoute> {
    const what = `the route of topic ${topic}`
    const inTime = `did not come within ${Math.round(timeout ?? 0)} ms`
    return withDeadline(fetch, timeout, signal, what, () => {
      return new ClientError('NO_ROUTE_IN_TIME', `${what} ${inTime}`, { retryable: true })
    })
  }

  #fetch(topic: string): Promise<TopicRoute> {
    let fetch = this.#fetches.get(topic)
    if (fetch === undefined) {
      fetch = this.#ask(topic).finally(() => {
        this.#fetches.delete(topic)
        this.#fetchedAt.set(topic, monotonicNow())
      })
      this.#fetches.set(topic, fetch)
    }
    return fetch
  }

  async #ask(topic: string): Promise<TopicRoute> {
    let data: TopicRouteData
    try {
      const header = { topic, acceptStandardJsonOnly: true }
      const response = await this.#nameServers.invoke(getRouteInfoByTopic, header, {
        timeout: this.#options.requestTimeout,
      })
      data = parseTopicRouteData(response.body)
      this.#sources.set(topic, response.address)
      const isByProxy = response.command.extFields[PROXY_FIELD] !== undefined
      for (const { brokerAddrs } of data.brokerDatas) this.#nameServers.setProxies(brokerAddrs.values(), isByProxy)
    } catch (error) {
      if (isTopicNotExist(error)) throw topicNotFound(topic, error)
      throw error
    }
    // The name alone is there, on no broker. As when there is no such topic, a route that was known stays.
    if (data.queueDatas.length === 0 && data.brokerDatas.length === 0) throw topicNotFound(topic, undefined)
    return this.#store(topic, data)
  }

  #store(topic: string, data: TopicRouteData): TopicRoute {
    const previous = this.#routes.get(topic)
    const route = new TopicRoute(topic, data)
    if (previous?.fingerprint === route.fingerprint) return previous
    // Behind the others: of what they say about a broker, the newest counts.
    this.#routes.delete(topic)
    this.#routes.set(topic, route)
    this.#newTopics.delete(topic)
    const before = this.brokerAddresses()
    this.#collectBrokers()
    safeEmit(this, this.#options.logger, 'routeChange', { topic, route, previous })
    const now = this.brokerAddresses()
    const left = [...before].filter((address) => !now.has(address))
    if (left.length > 0) safeEmit(this, this.#options.logger, 'brokersLeft', { addresses: left })
    return route
  }

  #collectBrokers(): void {
    this.#brokers = new Map()
    for (const route of this.#routes.values()) {
      for (const broker of route.data.brokerDatas) this.#brokers.set(broker.brokerName, broker)
    }
  }

  async #refreshInBackground(topic: string): Promise<void> {
    try {
      await this.#fetch(topic)
    } catch (error) {
      this.#options.logger.debug('route was not refreshed', { topic, error })
    }
  }

  /** A topic that a NameServer does not know for once keeps the route that it has, as in Java. */
  async #refreshAll(): Promise<void> {
    const topics = new Set([...this.#routes.keys(), ...this.#newTopics.keys()])
    await inParallel(topics, PARALLEL_REFRESHES, (topic) => this.#refreshInBackground(topic))
  }
}

export function isTopicNotFound(error: unknown): error is ClientError {
  return error instanceof ClientError && error.code === 'TOPIC_NOT_FOUND'
}

function topicNotFound(topic: string, cause: unknown): ClientError {
  const remark = cause instanceof BrokerError ? ` (${cause.address} said: ${cause.remark})` : ''
  return new ClientError(
    'TOPIC_NOT_FOUND',
    `No route info of this topic: ${topic}. It does not exist, or no broker that has it is alive; create it, or let brokers create topics (autoCreateTopicEnable)${remark}`,
    { cause, retryable: true },
  )
}
