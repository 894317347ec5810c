import pRetry, { AbortError } from 'p-retry'
import { type RemotingError, shown } from '../errors.js'
import { parseAddress } from './address.js'
import { Channel, type ChannelHandlers, type ChannelOptions } from './channel.js'
import { monotonicNow } from './deadline.js'
import { type ConnectErrorCode, connectError, Dialling, type DialTarget } from './dialling.js'
import type { SocksRoutes } from './socks-proxy.js'
import type { SecureConnection, TlsDialler } from './tls-dialler.js'

/** After so long without a call for it, an address that can't be reached is given up until somebody asks again. */
const INTEREST_SPAN = 30_000
const MIN_BACK_OFF = 100
const MAX_BACK_OFF = 5_000
/** However long the back-off is by then, a call need not wait longer than this after a failed try for another one. */
const MAX_CALL_BACK_OFF = 1_000

/** Where an address comes from. */
export interface AddressOrigin {
  /** For error messages. */
  readonly text: string
  /** Whether a server says that it is there, and not the user. */
  readonly isAdvertised: boolean
}

/** The end of an error message. @param hasHint - Whether the address may be one that this host can't reach. */
export function originNote(origin: AddressOrigin | undefined, hasHint: boolean): string {
  if (origin === undefined) return ''
  const hint = hasHint && origin.isAdvertised ? ": if this host can't reach it, see the option addressMap" : ''
  return `; ${origin.text}${hint}`
}

interface Target extends DialTarget {
  /** Where else it is dialled, for error messages; empty where it is not. */
  readonly mapped: string
}

export interface EndpointOptions extends ChannelOptions {
  readonly connectTimeout: number
  /** Bytes of the slabs that a connection reads to. */
  readonly receiveBufferSize: number
  /** Where to dial for an address that a route names. */
  readonly addressMap: (address: string) => string
  /** Encrypts connections; undefined: they are not. */
  readonly tls?: TlsDialler | undefined
  /** By which proxies servers are dialled; undefined: by none. */
  readonly socksProxy?: SocksRoutes | undefined
  /** Asked when a connect fails. */
  readonly originOf?: ((address: string) => AddressOrigin | undefined) | undefined
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
  /** Connects under way, a probe's too. */
  readonly #dialling = new Set<Dialling<Channel>>()
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

  /** Nothing is open or under way, and nobody has asked for it since then. */
  isUnusedSince(time: number): boolean {
    const isIdle = this.channel === undefined && this.#connecting === undefined && this.#retry === undefined
    return isIdle && this.#dialling.size === 0 && this.#wantedAt < time
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
    for (const dialling of this.#dialling) dialling.abort()
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

  /** Gives the connection up without failing its calls, and tries no more to get one. A later call opens another. */
  release(): void {
    this.#wantedAt = Number.NEGATIVE_INFINITY
    this.#retry?.abort()
    this.#giveUpChannel()
    // Those who wait for a connect under way send what they have first.
    const later = () => setImmediate(() => this.#giveUpChannel())
    this.#connecting?.then(later, () => undefined)
  }

  #giveUpChannel(): void {
    const channel = this.#channel
    this.#channel = undefined
    channel?.closeWhenIdle()
  }

  async #openChannel(): Promise<Channel> {
    const target = this.#target()
    const { tls } = this.#options
    if (tls === undefined) return this.#dial(target, undefined)
    let secure: SecureConnection
    try {
      secure = await tls.prepare(this.address, target.host)
    } catch (cause) {
      throw this.#fault(target, 'TLS_FAILED', cause instanceof Error ? cause.message : String(cause), cause)
    }
    if (this.#isClosed) throw this.#error('CONNECT_FAILED', 'this client was shut down while connecting')
    return this.#dial(target, secure)
  }

  #dial(target: Target, secure: SecureConnection | undefined): Promise<Channel> {
    const dialling = new Dialling<Channel>(target, this.#options, secure)
    this.#dialling.add(dialling)
    return dialling
      .open(
        (dialled) => new Channel(dialled, this.address, this.#options, this.#handlers),
        (code, problem, cause) => this.#fault(target, code, problem, cause),
      )
      .finally(() => this.#dialling.delete(dialling))
  }

  /** Where to dial, by what the user's `addressMap` and `socksProxy` say. */
  #target(): Target {
    const { address } = this
    let target: unknown
    try {
      target = this.#options.addressMap(address)
    } catch (cause) {
      throw this.#error('CONNECT_FAILED', `addressMap threw for this address: ${shown(cause)}`, cause)
    }
    const dialled = typeof target === 'string' ? target : shown(target)
    const mapped = target === address ? '' : ` (dialled as ${dialled} by addressMap)`
    try {
      const place = parseAddress(dialled, target === address ? undefined : 'what addressMap gave,')
      return { address, ...place, mapped, proxy: this.#options.socksProxy?.to(dialled) }
    } catch (cause) {
      throw this.#fault({ mapped }, 'CONNECT_FAILED', cause instanceof Error ? cause.message : String(cause), cause)
    }
  }

  /** A connect that failed, with where the address comes from. */
  #fault({ mapped }: Pick<Target, 'mapped'>, code: ConnectErrorCode, problem: string, cause?: unknown): RemotingError {
    const origin = originNote(this.#options.originOf?.(this.address), mapped === '' && code !== 'TLS_FAILED')
    return this.#error(code, `${problem}${mapped}${origin}`, cause)
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

  #error(code: ConnectErrorCode, problem: string, cause?: unknown): RemotingError {
    return connectError(this.address, code, problem, cause)
  }
}
