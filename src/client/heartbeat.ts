import { ClientError } from '../errors.js'
import type { Logger } from '../logger.js'
import { heartBeat, unregisterClient } from '../remoting/commands/heartbeat.js'
import { type WaitOptions, withDeadline } from '../remoting/deadline.js'
import { isDenied } from '../remoting/refusal.js'
import type { RemotingClient } from '../remoting/remoting-client.js'
import type { RouteCache } from '../route/route-cache.js'
import { MASTER_ID } from '../route/topic-route-data.js'
import { heartbeatFingerprint } from './heartbeat-fingerprint.js'
import { type ConsumerData, subscriptionToWire } from './subscription-data.js'

/** A consumer group as it stands now; asked at every heartbeat. */
export type ConsumerDataSource = () => ConsumerData

export interface HeartbeatOptions {
  /** Between two heartbeats, in milliseconds. */
  readonly interval: number
  /** Leave subscriptions out where the broker says that they have not changed. */
  readonly useHeartbeatV2: boolean
}

const UNREGISTER_TIMEOUT = 1_000
/** Before that, how long heartbeats are waited for that are under way. */
const HEARTBEAT_PATIENCE = 2_000

interface Beat {
  /** The count of changes that it tells of. */
  readonly changes: number
  readonly taken: Promise<void>
}

/**
 * Tells brokers who is there: on every new connection, on a period, and when something changed.
 * A broker links a client to its connection, so each new connection needs a heartbeat at once.
 */
export class Heartbeat {
  readonly #clientId: string
  readonly #remoting: RemotingClient
  readonly #routes: RouteCache
  readonly #options: HeartbeatOptions
  readonly #logger: Logger
  readonly #producerGroups = new Set<string>()
  readonly #consumers = new Map<string, ConsumerDataSource>()
  /** Goes up when something is to be told that brokers don't know. */
  #changes = 0
  /** By broker address: the count of changes that it has taken on the connection that is open. */
  readonly #taken = new Map<string, number>()
  readonly #underWay = new Map<string, Set<Beat>>()
  /** By broker address: the fingerprint of what it knows, so that it need not be told again. */
  readonly #fingerprints = new Map<string, number>()
  #timer: NodeJS.Timeout | undefined

  constructor(
    clientId: string,
    remoting: RemotingClient,
    routes: RouteCache,
    options: HeartbeatOptions,
    logger: Logger,
  ) {
    this.#clientId = clientId
    this.#remoting = remoting
    this.#routes = routes
    this.#options = options
    this.#logger = logger
    remoting.on('connect', ({ address }) => {
      this.#forget(address)
      if (this.#targets().has(address)) this.#beatInBackground(address)
    })
    remoting.on('disconnect', ({ address }) => {
      if (!remoting.isConnected(address)) this.#forget(address)
    })
  }

  start(): void {
    this.#timer ??= setInterval(() => this.beatAll(), this.#options.interval)
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  /** @throws {@link ClientError} `GROUP_EXISTS` when this client has a producer of the group already. */
  addProducer(producerGroup: string): void {
    if (this.#producerGroups.has(producerGroup)) throw groupExists('producer', producerGroup)
    this.#producerGroups.add(producerGroup)
    this.announce()
  }

  /** @throws as {@link Heartbeat.checkConsumer}. */
  addConsumer(consumerGroup: string, source: ConsumerDataSource): void {
    this.checkConsumer(consumerGroup)
    this.#consumers.set(consumerGroup, source)
    this.announce()
  }

  /** @throws {@link ClientError} `GROUP_EXISTS` when this client has a consumer of the group already. */
  checkConsumer(consumerGroup: string): void {
    if (this.#consumers.has(consumerGroup)) throw groupExists('consumer', consumerGroup)
  }

  /** Takes a group back and tells the brokers that are connected. Resolves when they have answered, or after a second; two more while heartbeats are under way. */
  async removeProducer(producerGroup: string): Promise<void> {
    if (this.#producerGroups.delete(producerGroup)) await this.#unregister({ producerGroup })
  }

  async removeConsumer(consumerGroup: string): Promise<void> {
    if (this.#consumers.delete(consumerGroup)) await this.#unregister({ consumerGroup })
  }

  /** Tells every broker in use, now, that something changed: a group, a subscription, or its version. Failures are left to the next heartbeat. */
  announce(): void {
    this.#changes++
    this.#fingerprints.clear()
    this.beatAll()
  }

  /**
   * Waits until a broker knows all that there is to know on the connection that is open.
   *
   * @throws as {@link Heartbeat.beat}.
   */
  async ensure(address: string): Promise<void> {
    if (this.#taken.get(address) === this.#changes) return
    // The heartbeat follows from the connection.
    if (!this.#remoting.isConnected(address)) await this.#remoting.connect(address)
    const underWay = [...(this.#underWay.get(address) ?? [])].find(({ changes }) => changes === this.#changes)
    await (underWay?.taken ?? this.beat(address))
  }

  /**
   * Waits until the brokers in use know all that there is to know, so that one which does not let this client in is met before its work begins. A broker that does not
   * answer in time, or fails in another way, is left to the next heartbeat.
   *
   * @throws {@link BrokerError} with `denial`.
   */
  async checkAccess(timeout: number): Promise<void> {
    const late = new ClientError('NOT_STARTED', 'heartbeats are under way')
    const beats = [...this.#targets()].map((address) =>
      this.ensure(address).catch((error: unknown) => {
        if (isDenied(error)) throw error
      }),
    )
    try {
      await withDeadline(Promise.all(beats), timeout, undefined, 'heartbeat', () => late)
    } catch (error) {
      if (error !== late) throw error
    }
  }

  /** Sends a heartbeat to every broker in use, now. Failures are left to the next one. */
  beatAll(): void {
    for (const address of this.#targets()) this.#tell(address)
  }

  /** Sends a heartbeat to every broker in use that has not taken all that there is to know, and is not about to. */
  remind(): void {
    for (const address of this.#targets()) {
      if (this.#taken.get(address) !== this.#changes && !this.#underWay.has(address)) this.#tell(address)
    }
  }

  #tell(address: string): void {
    if (this.#remoting.isConnected(address)) this.#beatInBackground(address)
    // The heartbeat follows from the connection.
    else this.#remoting.connect(address).catch(() => undefined)
  }

  /** Masters for producers, slaves too where there are consumers. */
  #targets(): Set<string> {
    const targets = new Set<string>()
    if (this.#producerGroups.size === 0 && this.#consumers.size === 0) return targets
    for (const broker of this.#routes.brokers.values()) {
      for (const [id, address] of broker.brokerAddrs) {
        if (id === MASTER_ID || this.#consumers.size > 0) targets.add(address)
      }
    }
    return targets
  }

  /**
   * Sends a heartbeat to one broker and waits until it has taken it.
   *
   * @throws {@link RemotingError}, {@link BrokerError}, {@link ClientError} `ABORTED`.
   */
  beat(address: string, options: WaitOptions = {}): Promise<void> {
    const changes = this.#changes
    const beats = this.#underWay.get(address) ?? new Set()
    const taken = this.#beat(address, changes, options).finally(() => {
      beats.delete(beat)
      if (beats.size === 0 && this.#underWay.get(address) === beats) this.#underWay.delete(address)
    })
    const beat = { changes, taken }
    this.#underWay.set(address, beats.add(beat))
    return taken
  }

  async #beat(address: string, changes: number, options: WaitOptions): Promise<void> {
    const consumers = [...this.#consumers.values()].map((source) => source())
    const producers = [...this.#producerGroups]
    const fingerprint = this.#options.useHeartbeatV2 ? heartbeatFingerprint(producers, consumers) : 0
    const withoutSub = fingerprint !== 0 && this.#fingerprints.get(address) === fingerprint
    const data = {
      clientID: this.#clientId,
      producerDataSet: producers.map((groupName) => ({ groupName })),
      consumerDataSet: consumers.map((consumer) => toWire(consumer, withoutSub)),
      heartbeatFingerprint: fingerprint,
      withoutSub,
    }
    const body = Buffer.from(JSON.stringify(data))
    const { command } = await this.#remoting.invoke(address, heartBeat, {}, { ...options, body })
    this.#taken.set(address, changes)
    const isKnown = command.field('IS_SUPPORT_HEART_BEAT_V2') === 'true' && command.field('IS_SUB_CHANGE') !== 'true'
    if (!isKnown) this.#fingerprints.delete(address)
    else if (fingerprint !== 0 && changes === this.#changes) this.#fingerprints.set(address, fingerprint)
  }

  #beatInBackground(address: string): void {
    this.beat(address).catch((error: unknown) => {
      this.#logger.warn(`heartbeat to broker ${address} failed`, { error })
    })
  }

  /** What a broker knows goes with the connection. */
  #forget(address: string): void {
    this.#taken.delete(address)
    this.#fingerprints.delete(address)
    this.#underWay.delete(address)
  }

  async #unregister(groups: { producerGroup?: string; consumerGroup?: string }): Promise<void> {
    const connected = [...this.#routes.brokerAddresses()].filter((address) => this.#remoting.isConnected(address))
    const header = { clientId: this.#clientId, ...groups }
    await Promise.all(
      connected.map(async (address) => {
        await this.#heartbeatsTaken(address)
        try {
          await this.#remoting.invoke(address, unregisterClient, header, { timeout: UNREGISTER_TIMEOUT })
        } catch (error) {
          this.#logger.debug(`broker ${address} was not told that the group leaves`, { error, ...groups })
        }
      }),
    )
  }

  /** Brokers work on heartbeats and farewells side by side: a heartbeat that is overtaken would bring the member back, for two minutes. Does not reject. */
  async #heartbeatsTaken(address: string): Promise<void> {
    const underWay = this.#underWay.get(address)
    if (underWay === undefined) return
    const late = () => new ClientError('NOT_STARTED', 'heartbeats are under way')
    const taken = Promise.allSettled([...underWay].map((beat) => beat.taken))
    await withDeadline(taken, HEARTBEAT_PATIENCE, undefined, 'heartbeat', late).catch(() => undefined)
  }
}

function toWire(data: ConsumerData, withoutSub: boolean): object {
  const { subscriptionDataSet, unitMode = false, ...rest } = data
  return { ...rest, subscriptionDataSet: withoutSub ? [] : subscriptionDataSet.map(subscriptionToWire), unitMode }
}

function groupExists(kind: 'producer' | 'consumer', group: string): ClientError {
  return new ClientError(
    'GROUP_EXISTS',
    `this client has a ${kind} of the group ${group} already; a second one needs a client of its own`,
  )
}
