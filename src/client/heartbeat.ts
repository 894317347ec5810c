import { ClientError } from '../errors.js'
import type { Logger } from '../logger.js'
import { heartBeat, unregisterClient } from '../remoting/commands/heartbeat.js'
import type { RemotingClient } from '../remoting/remoting-client.js'
import type { RouteCache } from '../route/route-cache.js'
import { MASTER_ID } from '../route/topic-route-data.js'
import type { ConsumerData, SubscriptionData } from './subscription-data.js'

/** A consumer group as it stands now; asked at every heartbeat. */
export type ConsumerDataSource = () => ConsumerData

const UNREGISTER_TIMEOUT = 1_000

/**
 * Tells brokers who is there: on every new connection, on a period, and when something changed.
 * A broker links a client to its connection, so each new connection needs a heartbeat at once.
 */
export class Heartbeat {
  readonly #clientId: string
  readonly #remoting: RemotingClient
  readonly #routes: RouteCache
  readonly #interval: number
  readonly #logger: Logger
  readonly #producerGroups = new Set<string>()
  readonly #consumers = new Map<string, ConsumerDataSource>()
  #timer: NodeJS.Timeout | undefined

  constructor(clientId: string, remoting: RemotingClient, routes: RouteCache, interval: number, logger: Logger) {
    this.#clientId = clientId
    this.#remoting = remoting
    this.#routes = routes
    this.#interval = interval
    this.#logger = logger
    remoting.on('connect', ({ address }) => {
      if (this.#targets().has(address)) void this.#beat(address)
    })
  }

  start(): void {
    this.#timer ??= setInterval(() => this.beatAll(), this.#interval)
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  /** @throws {@link ClientError} `GROUP_EXISTS` when this client has a producer of the group already. */
  addProducer(producerGroup: string): void {
    if (this.#producerGroups.has(producerGroup)) throw groupExists('producer', producerGroup)
    this.#producerGroups.add(producerGroup)
    this.beatAll()
  }

  /** @throws as {@link Heartbeat.checkConsumer}. */
  addConsumer(consumerGroup: string, source: ConsumerDataSource): void {
    this.checkConsumer(consumerGroup)
    this.#consumers.set(consumerGroup, source)
    this.beatAll()
  }

  /** @throws {@link ClientError} `GROUP_EXISTS` when this client has a consumer of the group already. */
  checkConsumer(consumerGroup: string): void {
    if (this.#consumers.has(consumerGroup)) throw groupExists('consumer', consumerGroup)
  }

  /** Takes a group back and tells the brokers that are connected. Resolves when they have answered, or after a second. */
  async removeProducer(producerGroup: string): Promise<void> {
    if (this.#producerGroups.delete(producerGroup)) await this.#unregister({ producerGroup })
  }

  async removeConsumer(consumerGroup: string): Promise<void> {
    if (this.#consumers.delete(consumerGroup)) await this.#unregister({ consumerGroup })
  }

  /** Sends a heartbeat to every broker in use, now. Failures are left to the next one. */
  beatAll(): void {
    for (const address of this.#targets()) {
      if (this.#remoting.isConnected(address)) void this.#beat(address)
      // The heartbeat follows from the connection.
      else this.#remoting.connect(address).catch(() => undefined)
    }
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

  async #beat(address: string): Promise<void> {
    const data = {
      clientID: this.#clientId,
      producerDataSet: [...this.#producerGroups].map((groupName) => ({ groupName })),
      consumerDataSet: [...this.#consumers.values()].map((source) => toWire(source())),
      heartbeatFingerprint: 0,
      withoutSub: false,
    }
    try {
      await this.#remoting.invoke(address, heartBeat, {}, { body: Buffer.from(JSON.stringify(data)) })
    } catch (error) {
      this.#logger.warn(`heartbeat to broker ${address} failed`, { error })
    }
  }

  async #unregister(groups: { producerGroup?: string; consumerGroup?: string }): Promise<void> {
    const connected = [...this.#allBrokers()].filter((address) => this.#remoting.isConnected(address))
    const header = { clientId: this.#clientId, ...groups }
    await Promise.all(
      connected.map((address) =>
        this.#remoting
          .invoke(address, unregisterClient, header, { timeout: UNREGISTER_TIMEOUT })
          .catch((error: unknown) => {
            this.#logger.debug(`broker ${address} was not told that the group leaves`, { error, ...groups })
          }),
      ),
    )
  }

  #allBrokers(): Set<string> {
    return new Set([...this.#routes.brokers.values()].flatMap((broker) => [...broker.brokerAddrs.values()]))
  }
}

function toWire(data: ConsumerData): object {
  return { ...data, subscriptionDataSet: data.subscriptionDataSet.map(subscriptionToWire), unitMode: false }
}

function subscriptionToWire(subscription: SubscriptionData): object {
  return { classFilterMode: false, ...subscription }
}

function groupExists(kind: 'producer' | 'consumer', group: string): ClientError {
  return new ClientError(
    'GROUP_EXISTS',
    `this client has a ${kind} of the group ${group} already; a second one needs a client of its own`,
  )
}
