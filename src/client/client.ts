import { randomBytes } from 'node:crypto'
import { localAddress } from '../codec/message-id.js'
import { ClientError, RemotingError } from '../errors.js'
import type { Logger } from '../logger.js'
import { addressOfVip, vipAddress } from '../remoting/address.js'
import type { AddressOrigin } from '../remoting/endpoint.js'
import { RemotingClient } from '../remoting/remoting-client.js'
import { NameServerClient } from '../route/name-server-client.js'
import { NameServerList } from '../route/name-server-list.js'
import { RouteCache } from '../route/route-cache.js'
import { MASTER_ID } from '../route/topic-route-data.js'
import { type ConnectionOptions, type ResolvedClientOptions, resolveClientOptions } from './client-options.js'
import { ConsumerRequests } from './consumer-requests.js'
import { Heartbeat } from './heartbeat.js'
import { Namespace } from './namespace.js'
import { PendingRequests } from './pending-requests.js'
import { ReplyRegistration } from './reply-registration.js'
import { TransactionChecks } from './transaction-checks.js'

/** The state of the connections behind a producer or consumer. */
export interface ClientHealth {
  /** Started, not shut down, and every broker in use is connected. */
  readonly isHealthy: boolean
  readonly state: ClientState
  readonly nameServers: readonly { address: string; isConnected: boolean }[]
  readonly brokers: readonly { brokerName: string; address: string; isConnected: boolean }[]
}

export type ClientState = 'created' | 'running' | 'closed'

/**
 * Sockets, routes and heartbeats of one cluster. Producers and consumers make their own, or share one that is given to them.
 *
 * @see MQClientInstance
 */
export class Client {
  /** `ip@instanceName[@unitName]`: by this, brokers tell the members of a group apart. */
  readonly clientId: string
  /**
   * The client id with Java's `DEFAULT` where no instance name is given: the same after every start, for files that are to be found again.
   *
   * @internal
   */
  readonly stableId: string
  readonly options: ResolvedClientOptions
  /** @internal */
  readonly remoting: RemotingClient
  /** @internal */
  readonly nameServers: NameServerList
  /** @internal */
  readonly routes: RouteCache
  /** @internal */
  readonly heartbeat: Heartbeat
  /** @internal */
  readonly transactionChecks: TransactionChecks
  /** @internal */
  readonly consumerRequests: ConsumerRequests
  /** @internal */
  readonly pendingRequests: PendingRequests
  readonly logger: Logger
  /** @internal */
  readonly namespace: Namespace
  #state: ClientState = 'created'
  #starting: Promise<void> | undefined
  #closing: Promise<void> | undefined

  /** @throws {@link ClientError} `INVALID_OPTION`, `NO_NAME_SERVER`, `INVALID_ADDRESS`. */
  constructor(options: ConnectionOptions = {}) {
    this.options = resolveClientOptions(options)
    this.logger = this.options.logger
    this.options.credentials?.logTo(this.logger)
    this.options.tls?.logTo(this.logger)
    this.namespace = new Namespace(this.options.namespace)
    this.clientId = makeClientId(this.options, `${process.pid}#${randomBytes(6).toString('hex')}`)
    this.stableId = makeClientId(this.options, 'DEFAULT')
    this.remoting = new RemotingClient({ ...this.options, originOf: (address) => this.#originOf(address) })
    const { namesrvAddr, nameServerUrl } = this.options
    this.nameServers = new NameServerList(namesrvAddr, nameServerUrl, this.options)
    this.routes = new RouteCache(new NameServerClient(this.remoting, this.nameServers), this.options)
    this.transactionChecks = new TransactionChecks(this.remoting, this.routes, this.logger)
    this.consumerRequests = new ConsumerRequests(this.remoting, this.logger)
    const { clientId, remoting, routes, logger } = this
    const { heartbeatBrokerInterval: interval, useHeartbeatV2 } = this.options
    const heartbeat = new Heartbeat(clientId, remoting, routes, { interval, useHeartbeatV2 }, logger)
    this.heartbeat = heartbeat
    const registration = new ReplyRegistration(clientId, remoting, routes, heartbeat, logger)
    this.pendingRequests = new PendingRequests(remoting, routes, registration, {
      maxBodySize: this.options.maxFrameSize,
      logger,
      namespace: this.namespace,
    })
    this.routes.on('routeChange', () => this.heartbeat.beatAll())
    this.routes.on('brokersLeft', ({ addresses }) => this.#release(addresses))
    this.nameServers.on('change', ({ removed }) => this.#release(removed))
    this.remoting.on('disconnect', ({ address, error }) => {
      // Brokers talk to us by this connection: it is wanted back also when nothing is to be sent.
      if (error !== undefined && this.#isBrokerInUse(address)) this.remoting.connect(address).catch(() => undefined)
    })
  }

  get state(): ClientState {
    return this.#state
  }

  /**
   * Connects to a NameServer and begins the periodic work. Calls after the first share its outcome; after a failure, `start` may be called again.
   *
   * @throws {@link RemotingError} `CONNECT_FAILED` when no NameServer can be reached within `connectTimeout`: it lists each with its reason. `TLS_FAILED` when that is
   * TLS for all of them.
   * @throws {@link ClientError} `CLOSED` after a shutdown, `NAME_SERVER_URL_FAILED` when `nameServerUrl` gives no list, `CREDENTIALS_UNAVAILABLE` when the provider of credentials fails.
   */
  start(): Promise<void> {
    if (this.#state === 'closed')
      return Promise.reject(
        new ClientError('CLOSED', 'a client that was shut down can not be started again; make a new one'),
      )
    this.#starting ??= this.#start().catch((error: unknown) => {
      this.#starting = undefined
      throw error
    })
    return this.#starting
  }

  /**
   * Ends timers and sockets as if it had not been started, for a member of its own that fails to start; it can be started again.
   *
   * @internal
   */
  stop(): void {
    if (this.#state !== 'running') return
    this.#state = 'created'
    this.#starting = undefined
    void this.nameServers.stop()
    this.routes.stop()
    this.heartbeat.stop()
    this.remoting.closeConnections()
  }

  /** Ends timers and sockets. Nothing of this client keeps the process alive when it resolves. */
  shutdown(): Promise<void> {
    this.#closing ??= this.#shutdown()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.shutdown()
  }

  /**
   * The address to ask for a broker's data: its master's.
   *
   * @internal
   */
  masterAddress(brokerName: string): string | undefined {
    return this.routes.brokers.get(brokerName)?.brokerAddrs.get(MASTER_ID)
  }

  health(): ClientHealth {
    const nameServers = this.nameServers.addresses.map((address) => ({
      address,
      isConnected: this.remoting.isConnected(address),
    }))
    const brokers = [...this.routes.brokers.values()].flatMap((broker) => {
      const address = broker.brokerAddrs.get(MASTER_ID)
      if (address === undefined) return []
      return [{ brokerName: broker.brokerName, address, isConnected: this.remoting.isConnected(address) }]
    })
    const isHealthy = this.#state === 'running' && brokers.every((broker) => broker.isConnected)
    return { isHealthy, state: this.#state, nameServers, brokers }
  }

  async #start(): Promise<void> {
    try {
      await this.nameServers.ready()
      await this.options.credentials?.ready('start', { timeout: this.options.connectTimeout })
      await this.#reachNameServer()
    } catch (error) {
      this.remoting.closeConnections()
      throw this.#isClosed() ? closedWhileStarting(error) : error
    }
    if (this.#isClosed()) throw closedWhileStarting()
    this.#state = 'running'
    this.nameServers.start()
    this.routes.start()
    this.heartbeat.start()
  }

  async #reachNameServer(): Promise<void> {
    const { addresses } = this.nameServers
    const attempts = addresses.map((address) => this.remoting.connect(address))
    try {
      await Promise.any(attempts)
    } catch (error) {
      const reasons: unknown[] = error instanceof AggregateError ? error.errors : [error]
      const texts = reasons.map((reason) => (reason instanceof Error ? reason.message : String(reason)))
      const problem = `no NameServer of ${addresses.join(', ')} can be reached: ${texts.join('; ')}`
      const code = reasons.every(isTlsFailure) ? 'TLS_FAILED' : 'CONNECT_FAILED'
      throw new RemotingError(code, problem, { address: addresses.join(';'), cause: error })
    }
  }

  async #shutdown(): Promise<void> {
    this.#state = 'closed'
    const stopped = this.nameServers.stop()
    this.routes.stop()
    this.heartbeat.stop()
    this.pendingRequests.close(undefined, 'the client was shut down before a reply came')
    await this.remoting.shutdown()
    await stopped
  }

  #isClosed(): boolean {
    return this.#state === 'closed'
  }

  /** Connections to servers that are none of this cluster's any more are not kept. */
  #release(addresses: readonly string[]): void {
    for (const address of addresses) {
      this.remoting.release(address)
      if (this.options.vipChannel) this.remoting.release(vipAddress(address))
    }
  }

  #originOf(address: string): AddressOrigin | undefined {
    if (this.nameServers.addresses.includes(address))
      return { text: `it is a NameServer of ${this.nameServers.origin}`, isAdvertised: false }
    const first = this.routes.advertiserOf(address)
    const advertiser = first ?? (this.options.vipChannel ? this.routes.advertiserOf(addressOfVip(address)) : undefined)
    if (advertiser === undefined) return undefined
    const { brokerName, topic, nameServer } = advertiser
    const what = first === undefined ? `${addressOfVip(address)}, of which this is the VIP port` : 'this address'
    const text = `the broker ${brokerName} of topic ${topic} advertises ${what} (route from NameServer ${nameServer})`
    return { text, isAdvertised: true }
  }

  #isBrokerInUse(address: string): boolean {
    return this.#state === 'running' && this.routes.brokerNameOf(address) !== undefined
  }
}

function isTlsFailure(error: unknown): boolean {
  return error instanceof RemotingError && error.code === 'TLS_FAILED'
}

function closedWhileStarting(cause?: unknown): ClientError {
  return new ClientError('CLOSED', 'the client was shut down while it was starting', { cause })
}

function makeClientId(options: ResolvedClientOptions, defaultName: string): string {
  const { instanceName = defaultName, unitName } = options
  return [localAddress(), instanceName, unitName].filter((part) => part !== undefined).join('@')
}
