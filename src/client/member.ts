import { EventEmitter } from 'eventemitter3'
import { ClientError, type RemotingError } from '../errors.js'
import type { Logger } from '../logger.js'
import type { LateReply } from '../message/request-reply.js'
import { type WaitOptions, withDeadline } from '../remoting/deadline.js'
import { safeEmit } from '../remoting/safe-emit.js'
import { TopicRoute } from '../route/topic-route.js'
import { Client, type ClientHealth } from './client.js'
import { CLIENT_OPTION_NAMES, type ConnectionOptions } from './client-options.js'
import type { ClientOptions } from './member-options.js'
import type { Namespace } from './namespace.js'

/** Something that servers pass over in silence, so that what the user asked for does not come about. */
export interface ClientWarning {
  /**
   * `PRIORITY_IGNORED`: the priority of messages is not obeyed. Told once for a topic.
   * `SUBSCRIPTIONS_DIFFER`: members of a consumer group want different messages, so that some are never delivered. Told once for a difference.
   * `SERVER_ASSIGNMENT_UNSUPPORTED`: the broker can't divide queues among a group's members, or its proxy does not let it; the members do it themselves.
   * `TOPIC_NOT_FOUND`: a consumer waits for a topic that does not exist. Told once, until it exists.
   * `TRANSACTION_END_DELAYED`: a proxy drops the ends of transactions, which are settled by the brokers' checks only. Told once for a topic.
   * `EXPRESSION_UNCHECKED`: a proxy checks no SQL92 expressions, and all messages are delivered where one is wrong. Told for each.
   * `NOT_A_MEMBER`: brokers don't count a consumer among its group, so that it gets no queues. Told once, until they do.
   */
  readonly code:
    | 'PRIORITY_IGNORED'
    | 'SUBSCRIPTIONS_DIFFER'
    | 'SERVER_ASSIGNMENT_UNSUPPORTED'
    | 'TOPIC_NOT_FOUND'
    | 'NOT_A_MEMBER'
    | 'TRANSACTION_END_DELAYED'
    | 'EXPRESSION_UNCHECKED'
  /** What does not happen, and why. */
  readonly message: string
  readonly topic: string
}

/** Events that every producer and consumer has. */
export interface ClientEvents {
  /** A connection to a NameServer or broker is open. */
  connect: [{ address: string }]
  /** A connection is gone; without `error` this client closed it. */
  disconnect: [{ address: string; error: RemotingError | undefined }]
  /** An address can't be reached; it is tried again in the background. */
  connectFailed: [{ address: string; error: RemotingError }]
  /** The queues or brokers of a topic in use changed, or are known for the first time. */
  routeChange: [{ topic: string; route: TopicRoute; previous: TopicRoute | undefined }]
  /** Servers pass over something that was asked for; the logger is told too. */
  warning: [ClientWarning]
  /** A reply came that no request waits for any more: too late, or a second time. Told to every producer of the client that has sent a request. */
  lateReply: [LateReply]
  /** Something failed in the background. Without a listener it goes to the logger. */
  error: [{ error: Error; what: string }]
}

const FORWARDED = ['connect', 'disconnect', 'connectFailed'] as const

type RouteChange = ClientEvents['routeChange'][0]

export type MemberState = 'created' | 'starting' | 'running' | 'closing' | 'closed'

/**
 * What producers and consumers share: a client of their own or a shared one, a life from start to shutdown, events.
 *
 * @typeParam E - The events of the subclass.
 */
export abstract class Member<E extends ClientEvents = ClientEvents> extends EventEmitter<E> {
  protected readonly client: Client
  readonly #ownsClient: boolean
  readonly #unsubscribe: (() => void)[] = []
  #state: MemberState = 'created'
  #starting: Promise<void> | undefined
  #closing: Promise<void> | undefined

  /** @param options - All that the user gave; those that belong to a `Client` are taken from it. */
  constructor(options: ClientOptions) {
    super()
    this.#ownsClient = options.client === undefined
    this.client = options.client ?? new Client(connectionOptionsOf(options))
    this.#forwardEvents()
  }

  /** `ip@instanceName[@unitName]`, as consoles show it. */
  get clientId(): string {
    return this.client.clientId
  }

  protected get state(): MemberState {
    return this.#state
  }

  protected get logger(): Logger {
    return this.client.logger
  }

  /**
   * Connects and registers. Calls after the first share its outcome; after a failure it may be called again.
   *
   * @param options - Ends this call's wait; the start itself goes on, until `shutdown`.
   * @throws {@link RemotingError} `CONNECT_FAILED` when no NameServer can be reached, `TLS_FAILED` when that is TLS for all of them.
   * @throws {@link ClientError} `CLOSED` after a shutdown, `NAME_SERVER_URL_FAILED` when `nameServerUrl` gives no list, `GROUP_EXISTS` when this client has the group already.
   */
  start(options: WaitOptions = {}): Promise<void> {
    if (this.#closing !== undefined) return Promise.reject(this.#closedError('start'))
    this.#starting ??= this.#start().catch((error: unknown) => {
      this.#starting = undefined
      if (this.#state === 'starting') this.#state = 'created'
      throw error
    })
    const { timeout, signal } = options
    return withDeadline(this.#starting, timeout, signal, 'start', () => {
      return new ClientError('NOT_STARTED', `start: not done within ${timeout} ms`, { retryable: true })
    })
  }

  /**
   * Ends orderly: waits for what is in flight, tells the brokers, closes sockets and timers. Later calls share the first one's outcome.
   *
   * @param options - `timeout`: how long to wait for what is in flight, in milliseconds.
   */
  shutdown(options: { timeout?: number } = {}): Promise<void> {
    this.#closing ??= this.#shutdown(options.timeout)
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.shutdown()
  }

  /** The state of the connections behind this client; for a readiness probe. */
  health(): ClientHealth {
    const health = this.client.health()
    return { ...health, isHealthy: health.isHealthy && this.#state === 'running' }
  }

  protected abstract onStart(): Promise<void>

  /** Ends what the subclass does; sockets are still open. Must not throw. */
  protected abstract onShutdown(timeout: number | undefined): Promise<void>

  /** @throws {@link ClientError} `NOT_STARTED` or `CLOSED`. */
  protected checkRunning(what: string): void {
    if (this.#closing !== undefined) throw this.#closedError(what)
    if (this.#state === 'running') return
    throw new ClientError('NOT_STARTED', `${what}: call start() first and wait for it`)
  }

  /** Reports a fault that no caller waits for. */
  protected report(error: unknown, what: string): void {
    const fault = error instanceof Error ? error : new Error(String(error))
    if (!safeEmit(this, this.logger, 'error', { error: fault, what })) this.logger.error(what, { error: fault })
  }

  /** Tells of what servers pass over in silence. */
  protected warn(warning: ClientWarning): void {
    const { message, ...fields } = warning
    this.logger.warn(message, fields)
    safeEmit(this, this.logger, 'warning', warning)
  }

  async #start(): Promise<void> {
    this.#state = 'starting'
    await this.client.start()
    if (this.#closing === undefined) await this.#startOwn()
    if (this.#closing !== undefined) throw this.#closedError('start')
  }

  async #startOwn(): Promise<void> {
    try {
      await this.onStart()
      // Also when a shutdown has come meanwhile: it ends what is running.
      this.#state = 'running'
    } catch (error) {
      if (this.#ownsClient) this.client.stop()
      throw error
    }
  }

  async #shutdown(timeout: number | undefined): Promise<void> {
    // A start under way must not open anything after the end.
    if (this.#state === 'starting') await this.#starting?.catch(() => undefined)
    const wasRunning = this.#state === 'running'
    this.#state = 'closing'
    if (wasRunning) await this.onShutdown(timeout)
    this.#state = 'closed'
    for (const unsubscribe of this.#unsubscribe) unsubscribe()
    if (this.#ownsClient) await this.client.shutdown()
  }

  #forwardEvents(): void {
    const { remoting, routes, nameServers } = this.client
    const listen = remoting as EventEmitter
    for (const event of FORWARDED) {
      const forward = (payload: unknown) => void safeEmit(this, this.logger, event, payload)
      listen.on(event, forward)
      this.#unsubscribe.push(() => listen.off(event, forward))
    }
    const onRoute = (payload: RouteChange) =>
      void safeEmit(this, this.logger, 'routeChange', withoutNamespace(payload, this.client.namespace))
    routes.on('routeChange', onRoute)
    this.#unsubscribe.push(() => routes.off('routeChange', onRoute))
    const onFetchFailed = ({ error }: { error: Error }) => this.report(error, 'the list of NameServers stays as it is')
    nameServers.on('fetchFailed', onFetchFailed)
    this.#unsubscribe.push(() => nameServers.off('fetchFailed', onFetchFailed))
  }

  #closedError(what: string): ClientError {
    return new ClientError('CLOSED', `${what}: this ${this.constructor.name} is shut down`)
  }
}

/** A change as the user knows the topic. */
function withoutNamespace(change: RouteChange, namespace: Namespace): RouteChange {
  const topic = namespace.unwrap(change.topic)
  if (topic === change.topic) return change
  const { route, previous } = change
  return { topic, route: new TopicRoute(topic, route.data), previous: previous && new TopicRoute(topic, previous.data) }
}

function connectionOptionsOf(options: ClientOptions): ConnectionOptions {
  const own: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(options)) if (CLIENT_OPTION_NAMES.includes(name)) own[name] = value
  return own
}

/** What every member takes beside the options of its own kind. */
export const MEMBER_OPTION_NAMES: readonly string[] = [...CLIENT_OPTION_NAMES, 'client']

/**
 * Checks that a member's options name what belongs to the `Client` only when they bring no shared one, and hands back the rest.
 *
 * @throws {@link ClientError} `INVALID_OPTION`.
 */
export function memberOptionsOf(options: ClientOptions, owner: string): Record<string, unknown> {
  if (typeof options !== 'object' || options === null)
    throw new ClientError('INVALID_OPTION', `${owner} needs an options object`)
  const { client, ...rest } = options
  if (client !== undefined && !(client instanceof Client)) {
    throw new ClientError('INVALID_OPTION', `option client of ${owner} is no Client`)
  }
  // Without a prototype, a name such as __proto__ is one more unknown option.
  const own = Object.create(null) as Record<string, unknown>
  for (const [name, value] of Object.entries(rest)) {
    if (!CLIENT_OPTION_NAMES.includes(name)) own[name] = value
    else if (client !== undefined && value !== undefined)
      throw new ClientError(
        'INVALID_OPTION',
        `option ${name} of ${owner} belongs to the client that it shares: give it there`,
      )
  }
  return own
}
