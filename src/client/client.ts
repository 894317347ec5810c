import { randomBytes } from 'node:crypto'
import { localAddress } from '../codec/message-id.js'
import { ClientError, RemotingError } from '../errors.js'
import type { Logger } from '../logger.js'
import { RemotingClient } from '../remoting/remoting-client.js'
import { NameServerClient } from '../route/name-server-client.js'
import { RouteCache } from '../route/route-cache.js'
import { MASTER_ID } from '../route/topic-route-data.js'
import { type ConnectionOptions, clientOptionRules, type ResolvedClientOptions } from './client-options.js'
import { Heartbeat } from './heartbeat.js'
import { resolveOptions } from './option-rules.js'

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
  readonly routes: RouteCache
  /** @internal */
  readonly heartbeat: Heartbeat
  readonly logger: Logger
  #state: ClientState = 'created'
  #starting: Promise<void> | undefined
  #closing: Promise<void> | undefined

  /** @throws {@link ClientError} `INVALID_OPTION`, `NO_NAME_SERVER`, `INVALID_ADDRESS`. */
  constructor(options: ConnectionOptions = {}) {
    this.options = resolveOptions(clientOptionRules, options, 'Client')
    this.logger = this.options.logger
    this.clientId = makeClientId(this.options, `${process.pid}#${randomBytes(6).toString('hex')}`)
    this.stableId = makeClientId(this.options, 'DEFAULT')
    this.remoting = new RemotingClient(this.options)
    const nameServers = new NameServerClient(this.remoting, this.options.namesrvAddr)
    this.routes = new RouteCache(nameServers, this.options)
    this.heartbeat = new Heartbeat(
      this.clientId,
      this.remoting,
      this.routes,
      this.options.heartbeatBrokerInterval,
      this.logger,
    )
    this.routes.on('routeChange', () => this.heartbeat.beatAll())
    this.remoting.on('disconnect', ({ address, error }) => {
      // Brokers talk to us by this connection: it is wanted back also when nothing is to be sent.
      if (error !== undefined && this.#isBroker(address)) this.remoting.connect(address).catch(() => undefined)
    })
  }

  get state(): ClientState {
    return this.#state
  }

  /**
   * Connects to a NameServer and begins the periodic work. Calls after the first share its outcome; after a failure, `start` may be called again.
   *
   * @throws {@link RemotingError} `CONNECT_FAILED` when no NameServer can be reached within `connectTimeout`: it lists each with its reason.
   * @throws {@link ClientError} `CLOSED` after a shutdown.
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
    const nameServers = this.options.namesrvAddr.map((address) => ({
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
      await this.#reachNameServer()
    } catch (error) {
      this.remoting.closeConnections()
      throw this.#isClosed() ? closedWhileStarting(error) : error
    }
    if (this.#isClosed()) throw closedWhileStarting()
    this.#state = 'running'
    this.routes.start()
    this.heartbeat.start()
  }

  async #reachNameServer(): Promise<void> {
    const addresses = this.options.namesrvAddr
    const attempts = addresses.map((address) => this.remoting.connect(address))
    try {
      await Promise.any(attempts)
    } catch (error) {
      const reasons =
        error instanceof AggregateError ? error.errors.map((reason: Error) => reason.message) : [String(error)]
      const problem = `no NameServer of ${addresses.join(', ')} can be reached: ${reasons.join('; ')}`
      throw new RemotingError('CONNECT_FAILED', problem, { address: addresses.join(';'), cause: error })
    }
  }

  async #shutdown(): Promise<void> {
    this.#state = 'closed'
    this.routes.stop()
    this.heartbeat.stop()
    await this.remoting.shutdown()
  }

  #isClosed(): boolean {
    return this.#state === 'closed'
  }

  #isBroker(address: string): boolean {
    for (const broker of this.routes.brokers.values()) {
      for (const known of broker.brokerAddrs.values()) if (known === address) return this.#state === 'running'
    }
    return false
  }
}

function closedWhileStarting(cause?: unknown): ClientError {
  return new ClientError('CLOSED', 'the client was shut down while it was starting', { cause })
}

function makeClientId(options: ResolvedClientOptions, defaultName: string): string {
  const { instanceName = defaultName, unitName } = options
  return [localAddress(), instanceName, unitName].filter((part) => part !== undefined).join('@')
}
