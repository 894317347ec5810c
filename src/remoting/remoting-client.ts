import { EventEmitter } from 'eventemitter3'
import type { Command } from '../codec/command.js'
import type { NamespaceFields } from '../codec/namespace-fields.js'
import type { RemotingCommand, SerializeType } from '../codec/remoting-command.js'
import { ClientError, MessageError, RemotingError } from '../errors.js'
import type { Logger } from '../logger.js'
import type { Channel, ServerReply } from './channel.js'
import type { CredentialSource } from './credential-source.js'
import { abortError, checkSignal, checkTimeout, monotonicNow, withDeadline } from './deadline.js'
import { type AddressOrigin, Endpoint, type EndpointHandlers, type EndpointOptions, originNote } from './endpoint.js'
import { HalfOpenCheck } from './half-open-check.js'
import { Invocation, type InvocationHost } from './invocation.js'
import { settle } from './outcome.js'
import { isUnauthenticated, refusal } from './refusal.js'
import { PromisedRequest, type RemotingRequest } from './remoting-request.js'
import type { RemotingResponse } from './remoting-response.js'
import { ResponseCode } from './response-code.js'
import { safeEmit } from './safe-emit.js'
import type { SocksRoutes } from './socks-proxy.js'
import type { TlsDialler } from './tls-dialler.js'

export interface RemotingClientOptions {
  readonly requestTimeout: number
  readonly connectTimeout: number
  readonly serializeType: SerializeType
  readonly maxFrameSize: number
  readonly sendBufferSize: number
  readonly receiveBufferSize: number
  readonly addressMap: (address: string) => string
  /** Signs every request; undefined: none. */
  readonly credentials?: CredentialSource | undefined
  /** Puts every request into a namespace (v2); undefined: none. */
  readonly namespaceV2?: NamespaceFields | undefined
  /** Encrypts connections; undefined: they are not. */
  readonly tls?: TlsDialler | undefined
  /** By which proxies servers are dialled; undefined: by none. */
  readonly socksProxy?: SocksRoutes | undefined
  /** Where an address comes from, for errors. */
  readonly originOf?: ((address: string) => AddressOrigin | undefined) | undefined
  readonly logger: Logger
}

export interface InvokeOptions {
  /** Not copied above 8 KiB: it must not change until the call settles. */
  readonly body?: Uint8Array | undefined
  /** For connect, write and answer together, in milliseconds. Default: `requestTimeout`. */
  readonly timeout?: number | undefined
  readonly signal?: AbortSignal | undefined
}

export interface OnewayOptions extends InvokeOptions {
  /** A text for the server's log. */
  readonly remark?: string | undefined
}

export interface RemotingEvents {
  /** A connection is open. */
  connect: [{ address: string }]
  /** A connection that was open is gone; without `error` this client closed it. */
  disconnect: [{ address: string; error: RemotingError | undefined }]
  /** An address can't be reached. It is tried again in the background, with back-off, as long as there are calls for it. */
  connectFailed: [{ address: string; error: RemotingError }]
}

/** Answers a request that a server sent; without a result nothing is answered. */
export type RequestProcessor = (
  request: RemotingCommand,
  address: string,
) => ServerReply | undefined | Promise<ServerReply | undefined>

const IDLE_SPAN = 120_000
const IDLE_CHECK_INTERVAL = 30_000

/** Speaks commands with any number of addresses: one channel each, opened on first use. */
export class RemotingClient extends EventEmitter<RemotingEvents> {
  readonly #options: RemotingClientOptions
  readonly #endpoints = new Map<string, Endpoint>()
  readonly #processors = new Map<number, RequestProcessor>()
  readonly #handlers: EndpointHandlers
  readonly #endpointOptions: EndpointOptions
  /** Every channel that is not closed, retired ones included. */
  readonly #channels = new Set<Channel>()
  readonly #halfOpen: HalfOpenCheck
  readonly #proxies = new Set<string>()
  readonly #invocationHost: InvocationHost = {
    repeat: (endpoint, request, timeout) => void this.#connectAndSend(endpoint, request, timeout, true),
    read: (address, command, response) => this.#read(address, command, response),
  }
  #idleTimer: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(options: RemotingClientOptions) {
    super()
    this.#options = options
    this.#endpointOptions = options
    this.#halfOpen = new HalfOpenCheck(options.logger)
    this.#handlers = {
      onConnect: (channel) => this.#onConnect(channel),
      onConnectFailed: (address, error) => this.#emit('connectFailed', { address, error }),
      onClose: (channel, error) => this.#onClose(channel, error),
      onTimeout: (channel, call) => void this.#halfOpen.check(this.#endpoints.get(channel.address), channel, call),
      onRequest: (channel, request) => void this.#onRequest(channel, request),
    }
  }

  /** Handles requests with this code that servers send; one processor per code. */
  registerProcessor(code: number, processor: RequestProcessor): void {
    this.#processors.set(code, processor)
  }

  /** Whether a channel to this address is open. */
  isConnected(address: string): boolean {
    return this.#endpoints.get(address)?.channel !== undefined
  }

  /** Whether this address could not be reached when it was last tried. */
  isBackingOff(address: string): boolean {
    return this.#endpoints.get(address)?.isBackingOff ?? false
  }

  /** The version of the server at this address (ordinal of `MQVersion`); 0 while its connection has given no answer yet. */
  serverVersion(address: string): number {
    return this.#endpoints.get(address)?.channel?.serverVersion ?? 0
  }

  /** Whether the server at this address is a proxy, as far as routes have told. */
  isProxy(address: string): boolean {
    return this.#proxies.has(address)
  }

  /** Keeps what a route tells of an address. */
  setProxy(address: string, isProxy: boolean): void {
    if (isProxy) this.#proxies.add(address)
    else this.#proxies.delete(address)
  }

  /** Opens the channel to an address, as the first call to it would. */
  async connect(address: string): Promise<void> {
    await this.#endpoint(address).connect()
  }

  /**
   * Sends one command and waits for its answer.
   *
   * Settles exactly once. An answer that comes after the deadline is dropped and does not harm the channel.
   *
   * @param address - `host:port`; a channel is opened on first use.
   * @throws {@link RemotingError} `CONNECT_FAILED`, `TIMEOUT` and so on, with `sent: true` when the server may have acted on the request.
   * @throws {@link BrokerError} for any response code that the command does not list in `ok`.
   * @throws {@link ClientError} `ABORTED`, `CLOSED`, `INVALID_ARGUMENT`, `CREDENTIALS_UNAVAILABLE`.
   * @see NettyRemotingAbstract.invokeSyncImpl
   */
  invoke<Q, S>(
    address: string,
    command: Command<Q, S>,
    header: Q,
    options: InvokeOptions = {},
  ): Promise<RemotingResponse<S>> {
    return new Promise((resolve, reject) => {
      const { body, signal, timeout } = options
      this.send(address, new PromisedRequest(command, header, body, signal, resolve, reject), timeout)
    })
  }

  /**
   * As {@link RemotingClient.invoke}, for callers that have very many requests in flight: what becomes of it is told to the request, which may be at once.
   *
   * @param timeout - In milliseconds. Default: `requestTimeout`.
   */
  send<Q, S>(address: string, request: RemotingRequest<Q, S>, timeout = this.#options.requestTimeout): void {
    const { credentials } = this.#options
    if (credentials === undefined) this.#send(address, request, timeout)
    else settle(request, this.#sendSigned(credentials, address, request, timeout))
  }

  /** With credentials that a server does not know, and others that their provider has by now, the request goes out a second time: the first did nothing. */
  async #sendSigned<Q, S>(
    credentials: CredentialSource,
    address: string,
    request: RemotingRequest<Q, S>,
    timeout: number,
  ): Promise<RemotingResponse<S>> {
    checkTimeout(timeout)
    const { command, body, signal } = request
    const deadline = monotonicNow() + timeout
    const what = `${command.name} to ${address}`
    if (!credentials.isReady()) await credentials.ready(what, { timeout, signal })
    const signer = credentials.current
    const attempt = () =>
      new Promise<RemotingResponse<S>>((resolve, reject) => {
        const signed = new PromisedRequest(command, request.header(), body, signal, resolve, reject)
        this.#send(address, signed, deadline - monotonicNow())
      })
    try {
      return await attempt()
    } catch (error) {
      const wait = { timeout: deadline - monotonicNow(), signal }
      if (!isUnauthenticated(error) || !(await credentials.renewed(signer, what, wait))) throw error
    }
    return attempt()
  }

  #send<Q, S>(address: string, request: RemotingRequest<Q, S>, timeout: number): void {
    let endpoint: Endpoint
    try {
      checkTimeout(timeout)
      checkSignal(request.signal)
      endpoint = this.#endpoint(address)
    } catch (error) {
      request.reject(error)
      return
    }
    const { channel } = endpoint
    if (channel === undefined) void this.#connectAndSend(endpoint, request, timeout, false)
    else this.#sendOn(channel, endpoint, request, timeout, false)
  }

  async #connectAndSend<Q, S>(
    endpoint: Endpoint,
    request: RemotingRequest<Q, S>,
    timeout: number,
    isRepeated: boolean,
  ): Promise<void> {
    const deadline = monotonicNow() + timeout
    let channel: Channel
    try {
      channel = await this.#connected(endpoint, request.command.name, timeout, request.signal)
    } catch (error) {
      request.reject(error)
      return
    }
    this.#sendOn(channel, endpoint, request, deadline - monotonicNow(), isRepeated)
  }

  #sendOn<Q, S>(
    channel: Channel,
    endpoint: Endpoint,
    request: RemotingRequest<Q, S>,
    timeout: number,
    isRepeated: boolean,
  ): void {
    const call = new Invocation(this.#invocationHost, endpoint, channel, request, timeout, isRepeated)
    channel.call(call, request.command, request.header(), request.body)
  }

  /** Sends a command that has no answer; resolves when it was handed to the socket. */
  async invokeOneway<Q, S>(
    address: string,
    command: Command<Q, S>,
    header: Q,
    options: OnewayOptions = {},
  ): Promise<void> {
    const timeout = options.timeout ?? this.#options.requestTimeout
    checkTimeout(timeout)
    checkSignal(options.signal)
    const endpoint = this.#endpoint(address)
    const { credentials } = this.#options
    if (credentials !== undefined && !credentials.isReady())
      await credentials.ready(`${command.name} to ${address}`, { timeout, signal: options.signal })
    const channel = endpoint.channel ?? (await this.#connected(endpoint, command.name, timeout, options.signal))
    await channel.invokeOneway(command, header, options.body, timeout, options.signal, options.remark)
  }

  /** Gives up the connection to an address that is no server's any more, as soon as the calls on it are answered. Should it be asked for again, another one is opened. */
  release(address: string): void {
    this.#endpoints.get(address)?.release()
  }

  /** Closes every connection and forgets what could not be reached; the next call opens a new one. */
  closeConnections(): void {
    for (const endpoint of this.#endpoints.values()) endpoint.close()
    this.#endpoints.clear()
    for (const channel of [...this.#channels, ...this.#halfOpen.probes]) channel.close()
    clearInterval(this.#idleTimer)
    this.#idleTimer = undefined
  }

  /** Closes every connection; calls in flight fail. No socket and no timer is left when it resolves. */
  async shutdown(): Promise<void> {
    this.#isClosed = true
    const channels = [...this.#channels, ...this.#halfOpen.probes]
    this.closeConnections()
    await Promise.all(channels.map((channel) => channel.closed))
  }

  #endpoint(address: string): Endpoint {
    if (this.#isClosed) throw new ClientError('CLOSED', `no request to ${address}: this client is shut down`)
    let endpoint = this.#endpoints.get(address)
    if (endpoint === undefined) {
      endpoint = new Endpoint(address, this.#endpointOptions, this.#handlers)
      this.#endpoints.set(address, endpoint)
      this.#idleTimer ??= setInterval(() => this.#closeIdle(), IDLE_CHECK_INTERVAL).unref()
    }
    return endpoint
  }

  #connected(endpoint: Endpoint, name: string, timeout: number, signal: AbortSignal | undefined): Promise<Channel> {
    const what = `${name} to ${endpoint.address}`
    if (signal?.aborted) return Promise.reject(abortError(what, signal))
    const onTimeout = () => {
      const { address } = endpoint
      const origin = originNote(this.#options.originOf?.(address), true)
      return new RemotingError('TIMEOUT', `${what}: not connected within ${Math.round(timeout)} ms${origin}`, {
        address,
      })
    }
    return withDeadline(endpoint.connect(), timeout, signal, what, onTimeout)
  }

  #read<Q, S>(address: string, command: Command<Q, S>, response: RemotingCommand): RemotingResponse<S> {
    const { code } = response
    if (!command.ok.includes(code))
      throw refusal(address, command.name, response, this.#options.credentials?.current, this.isProxy(address))
    try {
      return { code, header: command.response.read(response), body: response.body, address, command: response }
    } catch (error) {
      if (!(error instanceof MessageError)) throw error
      throw new MessageError(error.code as 'HEADER_MALFORMED', `answer of ${address}: ${error.message}`, {
        cause: error,
      })
    }
  }

  #onConnect(channel: Channel): void {
    this.#channels.add(channel)
    this.#options.logger.debug('connected', { address: channel.address })
    this.#emit('connect', { address: channel.address })
  }

  #onClose(channel: Channel, error: RemotingError | undefined): void {
    if (this.#halfOpen.closed(channel)) return
    this.#channels.delete(channel)
    this.#endpoints.get(channel.address)?.closed(channel, error)
    this.#options.logger.debug('disconnected', { address: channel.address, error: error?.message })
    this.#emit('disconnect', { address: channel.address, error })
  }

  async #onRequest(channel: Channel, request: RemotingCommand): Promise<void> {
    const processor = this.#processors.get(request.code)
    if (processor === undefined) {
      const remark = `request code ${request.code} is not supported by this client`
      channel.reply(request, { code: ResponseCode.REQUEST_CODE_NOT_SUPPORTED, remark })
      return
    }
    try {
      const reply = await processor(request, channel.address)
      if (reply !== undefined) channel.reply(request, reply)
    } catch (error) {
      this.#options.logger.error(`request ${request.code} of ${channel.address} failed`, { error })
      channel.reply(request, { code: ResponseCode.SYSTEM_ERROR, remark: 'the client failed to handle the request' })
    }
  }

  #closeIdle(): void {
    const oldest = monotonicNow() - IDLE_SPAN
    for (const channel of this.#channels) {
      if (channel.inFlight === 0 && channel.lastUsedAt < oldest) channel.close()
    }
    for (const [address, endpoint] of this.#endpoints) {
      if (endpoint.isUnusedSince(oldest)) this.#endpoints.delete(address)
    }
  }

  #emit<E extends keyof RemotingEvents>(event: E, payload: RemotingEvents[E][0]): void {
    safeEmit(this, this.#options.logger, event, payload)
  }
}
