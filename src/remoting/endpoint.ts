import { connect as netConnect, type Socket } from 'node:net'
import pRetry, { AbortError } from 'p-retry'
import { RemotingError, shown } from '../errors.js'
import { type HostAndPort, parseAddress } from './address.js'
import { Channel, type ChannelHandlers, type ChannelOptions } from './channel.js'
import { monotonicNow } from './deadline.js'

/** After so long without a call for it, an address that can't be reached is given up until somebody asks again. */
const INTEREST_SPAN = 30_000
const MIN_BACK_OFF = 100
const MAX_BACK_OFF = 5_000
/** However long the back-off is by then, a call need not wait longer than this after a failed try for another one. */
const MAX_CALL_BACK_OFF = 1_000

export interface EndpointOptions extends ChannelOptions {
  readonly connectTimeout: number
  /** Where to dial for an address that a route names. */
  readonly addressMap: (address: string) => string
}

export interface EndpointHandlers extends ChannelHandlers {
  onConnect(channel: Channel): void
  onConnectFailed(address: string, error: RemotingError): void
}

/**
 * One address: at most one channel, at most one connect under way.
 *
 * After a failed connect the next ones are tried in the background, with back-off and jitter, as long as calls keep coming. Between two tries
 * calls fail at once with the last reason, so that a send can go to another broker; one that comes a second after the last try makes the next.
 */
export class Endpoint {
  readonly address: string
  readonly #options: EndpointOptions
  readonly #handlers: EndpointHandlers
  #channel: Channel | undefined
  #connecting: Promise<Channel> | undefined
  /** The sockets of connects under way, a probe's too. */
  readonly #dialling = new Set<Socket>()
  #retry: AbortController | undefined
  #lastError: RemotingError | undefined
  #wantedAt = 0
  #failedAt = Number.NEGATIVE_INFINITY
  #retiredAt = Number.NEGATIVE_INFINITY
  /** Connections in a row that broke before they gave one answer. */
  #useless = 0
  #isClosed = false

  constructor(address: string, options: EndpointOptions, handlers: EndpointHandlers) {
    this.address = address
    this.#options = options
    this.#handlers = handlers
  }

  /** The channel, where one is open. */
  get channel(): Channel | undefined {
    return this.#channel?.isOpen ? this.#channel : undefined
  }

  /** True from a failed connect until one succeeds: who has another address to go to does better there. */
  get isBackingOff(): boolean {
    return this.#retry !== undefined
  }

  /**
   * The open channel, or the one that the connect under way gives. Callers share that connect.
   *
   * @throws {@link RemotingError} `CONNECT_FAILED` or `CONNECT_TIMEOUT`; at once while the next background try is not due.
   */
  connect(): Promise<Channel> {
    const channel = this.channel
    if (channel !== undefined) return Promise.resolve(channel)
    this.#wantedAt = monotonicNow()
    if (this.#connecting !== undefined) return this.#connecting
    if (this.#isClosed) return Promise.reject(this.#error('CONNECT_FAILED', 'this client is shut down'))
    const isTooEarly = monotonicNow() - this.#failedAt < MAX_CALL_BACK_OFF
    if (this.#retry !== undefined && isTooEarly) return Promise.reject(this.#backingOffError())
    const attempt = this.#attempt()
    attempt.catch(() => this.#retryInBackground())
    return attempt
  }

  /**
   * Gives up the channel without failing its calls: they may still be answered; new calls open another one.
   *
   * @returns false when one was given up only just now: a server that turns every connection away must not be dialled in a loop.
   */
  retire(channel: Channel): boolean {
    if (this.#channel !== channel) return true
    const now = monotonicNow()
    if (now - this.#retiredAt < MIN_BACK_OFF) return false
    this.#retiredAt = now
    this.#channel = undefined
    channel.closeWhenIdle()
    return true
  }

  /**
   * Takes note that a channel is gone. A connection that breaks is opened again at once; when the next one breaks too before it gave an answer, whoever
   * listens there is no server of use, and a back-off keeps us from dialling in a loop.
   */
  closed(channel: Channel, error: RemotingError | undefined): void {
    if (this.#channel !== channel) return
    this.#channel = undefined
    this.#useless = channel.hasAnswered || error === undefined ? 0 : this.#useless + 1
    if (this.#useless < 2) return
    this.#lastError = error
    this.#failedAt = monotonicNow()
    this.#retryInBackground()
  }

  /** Opens a second connection beside the first, to see whether the server is there. */
  async openProbe(): Promise<Channel> {
    return this.#openChannel()
  }

  /** Makes a probe the channel of this address. */
  adopt(channel: Channel): void {
    this.#channel = channel
    this.#handlers.onConnect(channel)
  }

  close(): void {
    this.#isClosed = true
    this.#retry?.abort()
    for (const socket of this.#dialling) socket.destroy()
    this.#channel?.close()
    this.#channel = undefined
  }

  #attempt(): Promise<Channel> {
    const attempt = this.#openChannel().then((channel) => {
      if (this.#isClosed) {
        channel.destroy()
        throw this.#error('CONNECT_FAILED', 'this client was shut down while connecting')
      }
      this.#channel = channel
      this.#lastError = undefined
      this.#retry?.abort()
      this.#retry = undefined
      this.#handlers.onConnect(channel)
      return channel
    })
    this.#connecting = attempt
    const done = () => {
      if (this.#connecting === attempt) this.#connecting = undefined
    }
    attempt.then(done, (error: RemotingError) => {
      this.#lastError = error
      this.#failedAt = monotonicNow()
      done()
    })
    return attempt
  }

  #retryInBackground(): void {
    if (this.#isClosed || this.#retry !== undefined) return
    const retry = new AbortController()
    this.#retry = retry
    const options = {
      retries: Number.POSITIVE_INFINITY,
      minTimeout: Math.min(MAX_BACK_OFF, MIN_BACK_OFF * 2 ** Math.max(0, this.#useless - 2)),
      maxTimeout: MAX_BACK_OFF,
      randomize: true,
      signal: retry.signal,
      onFailedAttempt: () => this.#handlers.onConnectFailed(this.address, this.#reason()),
    }
    // The first "try" is the one that has just failed.
    let isFirst = true
    pRetry(async () => {
      if (isFirst) {
        isFirst = false
        throw this.#reason()
      }
      if (monotonicNow() - this.#wantedAt > INTEREST_SPAN) throw new AbortError('nobody asks for it any more')
      await (this.#connecting ?? this.#attempt())
    }, options)
      .catch(() => undefined)
      .finally(() => {
        if (this.#retry === retry) this.#retry = undefined
      })
  }

  #openChannel(): Promise<Channel> {
    return new Promise((resolve, reject) => {
      const { host, port, dialled } = this.#target()
      const startedAt = monotonicNow()
      const socket = netConnect({ host, port, noDelay: true })
      this.#dialling.add(socket)
      const done = () => {
        clearTimeout(timer)
        this.#dialling.delete(socket)
      }
      const fail = (code: 'CONNECT_FAILED' | 'CONNECT_TIMEOUT', problem: string, cause?: unknown) => {
        done()
        socket.destroy()
        reject(this.#error(code, `${problem}${dialled}`, cause))
      }
      const timer = setTimeout(() => {
        const elapsed = Math.round(monotonicNow() - startedAt)
        fail(
          'CONNECT_TIMEOUT',
          `no connection within ${elapsed} ms: the host does not answer, or a firewall drops packets`,
        )
      }, this.#options.connectTimeout)
      socket.once('error', (cause: NodeJS.ErrnoException) => fail('CONNECT_FAILED', explain(cause), cause))
      socket.once('close', () => fail('CONNECT_FAILED', 'the connection was closed before it was open'))
      socket.once('connect', () => {
        done()
        socket.removeAllListeners('error')
        socket.removeAllListeners('close')
        resolve(new Channel(socket, this.address, this.#options, this.#handlers))
      })
    })
  }

  /** Where to dial, by what the user's `addressMap` says. */
  #target(): HostAndPort & { dialled: string } {
    const { address } = this
    let target: unknown
    try {
      target = this.#options.addressMap(address)
    } catch (cause) {
      throw this.#error('CONNECT_FAILED', `addressMap threw for this address: ${shown(cause)}`, cause)
    }
    try {
      if (target === address) return { ...parseAddress(address), dialled: '' }
      return {
        ...parseAddress(String(target), 'what addressMap gave,'),
        dialled: ` (dialled as ${target} by addressMap)`,
      }
    } catch (cause) {
      throw this.#error('CONNECT_FAILED', cause instanceof Error ? cause.message : String(cause), cause)
    }
  }

  #backingOffError(): RemotingError {
    const last = this.#reason()
    return this.#error(
      'CONNECT_FAILED',
      `not reachable, it is tried again in the background; the last try: ${last.message}`,
      last,
    )
  }

  #reason(): RemotingError {
    return this.#lastError ?? this.#error('CONNECT_FAILED', 'the connection failed')
  }

  #error(code: 'CONNECT_FAILED' | 'CONNECT_TIMEOUT', problem: string, cause?: unknown): RemotingError {
    return new RemotingError(code, `connect to ${this.address}: ${problem}`, { address: this.address, cause })
  }
}

/** What an operating system's error means for someone who runs a cluster. */
function explain(error: NodeJS.ErrnoException): string {
  switch (error.code) {
    case 'ECONNREFUSED':
      return 'refused (ECONNREFUSED): nothing listens there'
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `the host name can't be resolved (${error.code})`
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return `no way to that address (${error.code}); if a broker advertises an address that this host can't reach, see the option addressMap`
    default:
      return error.message || String(error.code)
  }
}
