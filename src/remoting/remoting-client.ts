import { EventEmitter } from 'eventemitter3'
import type { Command } from '../codec/command.js'
import type { RemotingCommand, SerializeType } from '../codec/remoting-command.js'
import { BrokerError, ClientError, MessageError, RemotingError } from '../errors.js'
import type { Logger } from '../logger.js'
import type { Channel, ServerReply } from './channel.js'
import { probe } from './commands/probe.js'
import { abortError, checkTimeout, monotonicNow, sleep, withDeadline } from './deadline.js'
import { Endpoint, type EndpointHandlers, type EndpointOptions } from './endpoint.js'
import type { PendingCall } from './pending-call.js'
import { isRetryableResponse, ResponseCode, responseName } from './response-code.js'
import { safeEmit } from './safe-emit.js'

export interface RemotingClientOptions {
  readonly requestTimeout: number
  readonly connectTimeout: number
  readonly serializeType: SerializeType
  readonly maxFrameSize: number
  readonly sendBufferSize: number
  readonly addressMap: (address: string) => string
  readonly logger: Logger
}

export interface InvokeOptions {
  /** Not copied above 8 KiB: it must not change until the call settles. */
  readonly body?: Uint8Array | undefined
  /** For connect, write and answer together, in milliseconds. Default: `requestTimeout`. */
  readonly timeout?: number | undefined
  readonly signal?: AbortSignal | undefined
}

export interface RemotingResponse<S> {
  readonly code: number
  readonly header: S
  readonly body: Buffer
  readonly address: string
  /** The frame itself, for fields that no definition names. */
  readonly command: RemotingCommand
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
const PROBE_TIMEOUT = 1_000
/** How much later than a new connection an old one may answer before it counts as dead. */
const PROBE_GRACE = 250

/** Speaks commands with any number of addresses: one channel each, opened on first use. */
export class RemotingClient extends EventEmitter<RemotingEvents> {
  readonly #options: RemotingClientOptions
  readonly #endpoints = new Map<string, Endpoint>()
  readonly #processors = new Map<number, RequestProcessor>()
  readonly #handlers: EndpointHandlers
  readonly #endpointOptions: EndpointOptions
  /** Every channel that is not closed, retired ones included. */
  readonly #channels = new Set<Channel>()
  /** Connections that only ask whether somebody is there: no event tells of them. */
  readonly #probes = new Set<Channel>()
  readonly #probing = new Set<string>()
  #idleTimer: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(options: RemotingClientOptions) {
    super()
    this.#options = options
    this.#endpointOptions = options
    this.#handlers = {
      onConnect: (channel) => this.#onConnect(channel),
      onConnectFailed: (address, error) => this.#emit('connectFailed', { address, error }),
      onClose: (channel, error) => this.#onClose(channel, error),
      onTimeout: (channel, call) => void this.#onTimeout(channel, call),
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
   * @throws {@link ClientError} `ABORTED`, `CLOSED`, `INVALID_ARGUMENT`.
   * @see NettyRemotingAbstract.invokeSyncImpl
   */
  async invoke<Q, S>(
    address: string,
    command: Command<Q, S>,
    header: Q,
    options: InvokeOptions = {},
  ): Promise<RemotingResponse<S>> {
    const timeout = options.timeout ?? this.#options.requestTimeout
    checkTimeout(timeout)
    const deadline = monotonicNow() + timeout
    const endpoint = this.#endpoint(address)
    const open = endpoint.channel
    let channel = open ?? (await this.#connected(endpoint, command.name, timeout, options.signal))
    let response = await channel.invoke(
      command,
      header,
      options.body,
      open ? timeout : deadline - monotonicNow(),
      options.signal,
    )
    if (response.code === ResponseCode.GO_AWAY && endpoint.retire(channel)) {
      // The server is stopping: what is in flight may finish there, the request goes out once more on a new connection.
      channel = await this.#connected(endpoint, command.name, deadline - monotonicNow(), options.signal)
      response = await channel.invoke(command, header, options.body, deadline - monotonicNow(), options.signal)
    }
    return this.#read(address, command, response)
  }

  /** Sends a command that has no answer; resolves when it was handed to the socket. */
  async invokeOneway<Q, S>(
    address: string,
    command: Command<Q, S>,
    header: Q,
    options: InvokeOptions = {},
  ): Promise<void> {
    const timeout = options.timeout ?? this.#options.requestTimeout
    checkTimeout(timeout)
    const endpoint = this.#endpoint(address)
    const channel = endpoint.channel ?? (await this.#connected(endpoint, command.name, timeout, options.signal))
    return channel.invokeOneway(command, header, options.body, timeout, options.signal)
  }

  /** Closes every connection and forgets what could not be reached; the next call opens a new one. */
  closeConnections(): void {
    for (const endpoint of this.#endpoints.values()) endpoint.close()
    this.#endpoints.clear()
    for (const channel of [...this.#channels, ...this.#probes]) channel.close()
    clearInterval(this.#idleTimer)
    this.#idleTimer = undefined
  }

  /** Closes every connection; calls in flight fail. No socket and no timer is left when it resolves. */
  async shutdown(): Promise<void> {
    this.#isClosed = true
    const channels = [...this.#channels, ...this.#probes]
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
    const onTimeout = () =>
      new RemotingError('TIMEOUT', `${what}: not connected within ${Math.round(timeout)} ms`, {
        address: endpoint.address,
      })
    return withDeadline(endpoint.connect(), timeout, signal, what, onTimeout)
  }

  #read<Q, S>(address: string, command: Command<Q, S>, response: RemotingCommand): RemotingResponse<S> {
    const { code } = response
    if (!command.ok.includes(code)) throw brokerError(address, command.name, response)
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
    if (this.#probes.delete(channel)) return
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

  /**
   * A call found no answer. If nothing at all has come since it was sent, the connection may be half open: its peer gone without a word. Both this connection
   * and a second one are asked something that any server answers at once. Only when the second answers and this one stays silent, the second takes its place: a
   * server that is merely stopped answers on neither, and one that holds a long poll answers on both.
   */
  async #onTimeout(channel: Channel, call: PendingCall): Promise<void> {
    const { address } = channel
    const endpoint = this.#endpoints.get(address)
    if (channel.lastReadAt > call.startedAt || endpoint?.channel !== channel || this.#probing.has(address)) return
    this.#probing.add(address)
    const readAt = channel.lastReadAt
    let second: Channel | undefined
    try {
      const first = channel.invoke(probe, {}, undefined, PROBE_TIMEOUT, undefined).catch(() => undefined)
      second = await endpoint.openProbe()
      this.#probes.add(second)
      await second.invoke(probe, {}, undefined, PROBE_TIMEOUT, undefined)
      await Promise.race([first, sleep(PROBE_GRACE, undefined, 'probe')])
      if (channel.lastReadAt > readAt || endpoint.channel !== channel || this.#isClosed) {
        second.close()
        return
      }
      this.#probes.delete(second)
      endpoint.adopt(second)
      const problem = `${address}: the connection was half open: a new one is answered, the old one was silent`
      channel.close(new RemotingError('CONNECTION_CLOSED', problem, { address }))
    } catch (error) {
      second?.close()
      this.#options.logger.debug('probe was not answered', { address, error })
    } finally {
      this.#probing.delete(address)
    }
  }

  #closeIdle(): void {
    const oldest = monotonicNow() - IDLE_SPAN
    for (const channel of this.#channels) {
      if (channel.inFlight === 0 && channel.lastUsedAt < oldest) channel.close()
    }
  }

  #emit<E extends keyof RemotingEvents>(event: E, payload: RemotingEvents[E][0]): void {
    safeEmit(this, this.#options.logger, event, payload)
  }
}

const MAX_REMARK = 4096

function brokerError(address: string, name: string, response: RemotingCommand): BrokerError {
  const { code } = response
  const remark = (response.remark ?? '').slice(0, MAX_REMARK)
  const said = remark === '' ? '' : `: ${remark}`
  return new BrokerError(`${name} was refused by ${address} with ${code} ${responseName(code)}${said}`, {
    address,
    responseCode: code,
    responseName: responseName(code),
    remark,
    retryable: isRetryableResponse(code),
  })
}
