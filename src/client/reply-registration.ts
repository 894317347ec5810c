import { ClientError } from '../errors.js'
import type { Logger } from '../logger.js'
import { replyTopicOf } from '../message/request-reply.js'
import { unregisterClient } from '../remoting/commands/heartbeat.js'
import { monotonicNow, type WaitOptions, withDeadline } from '../remoting/deadline.js'
import type { RemotingClient } from '../remoting/remoting-client.js'
import type { RouteCache } from '../route/route-cache.js'
import type { TopicRoute } from '../route/topic-route.js'
import { MASTER_ID } from '../route/topic-route-data.js'
import type { Heartbeat } from './heartbeat.js'

/**
 * What is known of a broker.
 * `'REGISTERED'`: it took a heartbeat. `'DOUBTFUL'`: it may have forgotten that again. `'FAILED'`: it refused, or said nothing.
 */
type Registration = 'REGISTERED' | 'DOUBTFUL' | 'FAILED'

/** Between two repairs of a broker for which nothing but a missing reply speaks. */
const MIN_REPAIR_GAP = 10_000
/** How long after a reconnect to doubt it: brokers notice the end of the old connection a moment later, or when it was idle for 120 seconds. */
const DOUBTS_AFTER_RECONNECT = [100, 1_000, 5_000, 30_000, 125_000]

/**
 * Sees to it that brokers can push replies to this client. A reply may come by any broker of the cluster, so each of them must have had a heartbeat on the
 * connection that is open now.
 *
 * A broker keeps one connection for each client id, and forgets it when one of the client's producers leaves, or when it notices the end of an older connection,
 * however late. A further heartbeat does not bring it back, because the broker finds the producer registered already: it must leave and come again.
 *
 * @see DefaultMQProducerImpl.prepareSendRequest, ProducerManager
 */
export class ReplyRegistration {
  readonly #clientId: string
  readonly #remoting: RemotingClient
  readonly #routes: RouteCache
  readonly #heartbeat: Heartbeat
  readonly #logger: Logger
  readonly #states = new Map<string, Registration>()
  readonly #underWay = new Map<string, Promise<void>>()
  readonly #pushedAt = new Map<string, number>()
  readonly #repairedAt = new Map<string, number>()
  /** Reply topics that no NameServer knew when they were first asked for. */
  readonly #missingTopics = new Set<string>()
  /** Of connections that took the place of others. */
  readonly #doubtTimers = new Map<string, NodeJS.Timeout>()
  /** Called when a broker has become doubtful, so that it can be repaired where requests wait. */
  onDoubt: () => void = () => undefined
  /** Counts the times when all that was known became doubtful. */
  #doubts = 0

  constructor(clientId: string, remoting: RemotingClient, routes: RouteCache, heartbeat: Heartbeat, logger: Logger) {
    this.#clientId = clientId
    this.#remoting = remoting
    this.#routes = routes
    this.#heartbeat = heartbeat
    this.#logger = logger
    remoting.on('connect', ({ address }) => {
      if (this.#states.has(address)) this.#doubtLater(address, 0, monotonicNow())
    })
    remoting.on('disconnect', ({ address }) => this.#onDisconnect(address))
  }

  /**
   * Waits until the brokers of a topic's clusters can push replies to this client, as far as they can be reached. It is not waited again for one that failed.
   *
   * @param options - `timeout`: how long to wait, in milliseconds; then it goes on without.
   * @throws {@link ClientError} `ABORTED`.
   */
  async ensure(route: TopicRoute, producerGroup: string, options: WaitOptions): Promise<void> {
    const deadline = monotonicNow() + (options.timeout ?? Number.POSITIVE_INFINITY)
    const topics = replyTopicsOf(route)
    const unknown = topics.filter((topic) => this.#routes.cached(topic) === undefined)
    if (unknown.length > 0) await this.#inTime(this.#askFor(unknown), deadline, options.signal)
    const waiting: Promise<void>[] = []
    for (const address of this.#mastersOf(route, topics)) {
      const state = this.#states.get(address)
      if (state === 'REGISTERED' || this.#remoting.isBackingOff(address)) continue
      const registered = this.#register(address, producerGroup)
      if (state !== 'FAILED') waiting.push(registered)
    }
    if (waiting.length > 0) await this.#inTime(Promise.all(waiting), deadline, options.signal)
  }

  /** A broker has pushed a reply: it knows how to reach this client. */
  pushed(address: string): void {
    this.#pushedAt.set(address, monotonicNow())
  }

  /** Brokers were told that a producer of this client left. */
  doubtAll(): void {
    this.#doubts++
    for (const address of this.#states.keys()) this.#states.set(address, 'DOUBTFUL')
  }

  /** A request of the producer group found no reply: brokers that have pushed nothing since may be unable to. They are repaired, but not again and again. */
  doubtSilent(since: number, producerGroup: string): void {
    const now = monotonicNow()
    for (const [address, state] of this.#states) {
      const pushedAt = this.#pushedAt.get(address) ?? Number.NEGATIVE_INFINITY
      const repairedAt = this.#repairedAt.get(address) ?? Number.NEGATIVE_INFINITY
      if (state !== 'REGISTERED' || pushedAt >= since || now - repairedAt < MIN_REPAIR_GAP) continue
      this.#repairedAt.set(address, now)
      this.#states.set(address, 'DOUBTFUL')
    }
    this.repair(producerGroup)
  }

  /** Makes doubtful brokers know this client again, in the background. */
  repair(producerGroup: string): void {
    for (const [address, state] of this.#states) {
      if (state === 'DOUBTFUL' && this.#remoting.isConnected(address)) void this.#register(address, producerGroup)
    }
  }

  /** An old connection may also end when a new one has taken its place already. */
  #onDisconnect(address: string): void {
    if (this.#states.has(address)) this.#states.set(address, 'DOUBTFUL')
    if (this.#remoting.isConnected(address)) return
    clearTimeout(this.#doubtTimers.get(address))
    for (const known of [this.#doubtTimers, this.#pushedAt, this.#repairedAt]) known.delete(address)
    this.#forgetGone()
  }

  /** Brokers may come and go with new addresses. */
  #forgetGone(): void {
    const known = this.#routes.brokerAddresses()
    for (const address of this.#states.keys()) {
      if (!known.has(address) && !this.#remoting.isConnected(address)) this.#states.delete(address)
    }
  }

  #doubtLater(address: string, step: number, connectedAt: number): void {
    const delay = DOUBTS_AFTER_RECONNECT[step]
    clearTimeout(this.#doubtTimers.get(address))
    this.#doubtTimers.delete(address)
    if (delay === undefined) return
    const lookedAt = monotonicNow()
    const doubt = () => {
      this.#doubtLater(address, step + 1, connectedAt)
      if ((this.#pushedAt.get(address) ?? 0) >= lookedAt) return
      this.#states.set(address, 'DOUBTFUL')
      this.onDoubt()
    }
    this.#doubtTimers.set(address, setTimeout(doubt, connectedAt + delay - lookedAt).unref())
  }

  /** Never rejects. */
  #register(address: string, producerGroup: string): Promise<void> {
    let registered = this.#underWay.get(address)
    if (registered === undefined) {
      registered = this.#introduce(address, producerGroup).finally(() => this.#underWay.delete(address))
      this.#underWay.set(address, registered)
    }
    return registered
  }

  async #introduce(address: string, producerGroup: string): Promise<void> {
    try {
      let doubts: number
      do {
        doubts = this.#doubts
        await this.#remoting.invoke(address, unregisterClient, { clientId: this.#clientId, producerGroup })
        await this.#heartbeat.beat(address)
        // Another producer may have left meanwhile.
      } while (doubts !== this.#doubts)
      this.#states.set(address, 'REGISTERED')
    } catch (error) {
      this.#states.set(address, 'FAILED')
      this.#logger.debug(`broker ${address} can not push replies to this client`, { error })
    }
  }

  async #askFor(topics: readonly string[]): Promise<void> {
    await Promise.all(
      topics.map(async (topic) => {
        if (this.#missingTopics.has(topic)) return this.#routes.refreshSoon(topic)
        try {
          await this.#routes.route(topic)
        } catch (error) {
          this.#missingTopics.add(topic)
          this.#logger.debug(`no route of the reply topic ${topic}`, { error })
        }
      }),
    )
  }

  #mastersOf(route: TopicRoute, replyTopics: readonly string[]): Set<string> {
    const masters = new Set<string>()
    for (const { data } of [route, ...replyTopics.flatMap((topic) => this.#routes.cached(topic) ?? [])]) {
      for (const broker of data.brokerDatas) {
        const address = broker.brokerAddrs.get(MASTER_ID)
        if (address !== undefined) masters.add(address)
      }
    }
    return masters
  }

  async #inTime(work: Promise<unknown>, deadline: number, signal: AbortSignal | undefined): Promise<void> {
    const what = 'the registration for replies'
    const rest = deadline - monotonicNow()
    const timeout = rest === Number.POSITIVE_INFINITY ? undefined : Math.max(0, rest)
    const late = new ClientError('NOT_STARTED', `${what} was not done in time`)
    await withDeadline(work, timeout, signal, what, () => late).catch((error: unknown) => {
      if (error !== late) throw error
      this.#logger.debug(late.message)
    })
  }
}

function replyTopicsOf(route: TopicRoute): string[] {
  const clusters = new Set(route.data.brokerDatas.map((broker) => broker.cluster))
  return [...clusters].filter((cluster) => cluster !== '').map(replyTopicOf)
}
