import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { RemotingError } from '../errors.js'
import type { HostAndPort } from './address.js'
import { explainConnectFault } from './connect-fault.js'
import { monotonicNow } from './deadline.js'
import { type Dialled, dial, encrypt } from './receive-buffer.js'
import type { SocksRoute } from './socks-proxy.js'
import type { SecureConnection } from './tls-dialler.js'
import { explainTlsFault } from './tls-fault.js'

export type ConnectErrorCode = 'CONNECT_FAILED' | 'CONNECT_TIMEOUT' | 'TLS_FAILED'

export interface DialTarget extends HostAndPort {
  /** By which callers know the server. */
  readonly address: string
  /** By which proxy; undefined: none. */
  readonly proxy: SocksRoute | undefined
}

export interface DialOptions {
  readonly connectTimeout: number
  /** Bytes of the slabs that a connection reads to. */
  readonly receiveBufferSize: number
}

/** Tells of a connect that failed. */
export type ConnectFault = (code: ConnectErrorCode, problem: string, cause?: unknown) => RemotingError

const NO_CONNECTION = 'the host does not answer, or a firewall drops packets'
const NO_HANDSHAKE = 'it is reached, but says nothing of TLS: it may be a port without TLS'
/** Of the time for a connect, how much one of several addresses of a name may take before the next is tried; Node's own quarter of a second is too short for far hosts. */
const ATTEMPT_SHARE = 1 / 4
const MIN_ATTEMPT = 250

/** One connect under way, with its way through a proxy and its TLS handshake where there are any. */
export class Dialling<T> {
  readonly #target: DialTarget
  readonly #options: DialOptions
  readonly #secure: SecureConnection | undefined
  readonly #startedAt = monotonicNow()
  #dialled: Dialled
  /** What is being waited for. */
  #stage: 'CONNECT' | 'PROXY' | 'TLS' = 'CONNECT'

  constructor(target: DialTarget, options: DialOptions, secure: SecureConnection | undefined) {
    this.#target = target
    this.#options = options
    this.#secure = secure
    const { connectTimeout, receiveBufferSize } = options
    const { host, port } = target.proxy ?? target
    // A name with several addresses: one after the other is tried.
    const autoSelectFamilyAttemptTimeout = Math.max(MIN_ATTEMPT, Math.round(connectTimeout * ATTEMPT_SHARE))
    const place = { host, port, autoSelectFamily: true, autoSelectFamilyAttemptTimeout }
    const own = target.proxy === undefined ? secure?.options : undefined
    this.#dialled = dial(place, receiveBufferSize, own)
  }

  get #socket(): Socket {
    return this.#dialled.socket
  }

  abort(): void {
    this.#socket.destroy()
  }

  /**
   * Waits for the connection.
   *
   * @param onOpen - Called in the event itself, so that no byte that comes is missed.
   * @param fault - Makes the error to reject with: `CONNECT_FAILED`, `CONNECT_TIMEOUT`, `TLS_FAILED`.
   */
  open(onOpen: (dialled: Dialled) => T, fault: ConnectFault): Promise<T> {
    return new Promise((resolve, reject) => {
      const fail = (code: ConnectErrorCode, problem: string, cause?: unknown) => {
        clearTimeout(timer)
        this.#socket.destroy()
        reject(fault(code, problem, cause))
      }
      const timer = setTimeout(() => fail('CONNECT_TIMEOUT', this.#lateness()), this.#options.connectTimeout)
      const onError = (cause: NodeJS.ErrnoException) => {
        if (this.#stage === 'TLS') fail('TLS_FAILED', explainHandshake(cause), cause)
        else fail('CONNECT_FAILED', this.#byProxy(explainConnectFault(cause)), cause)
      }
      const onClose = () => fail('CONNECT_FAILED', this.#byProxy('the connection was closed before it was open'))
      const unwatch = () => void this.#socket.off('error', onError).off('close', onClose)
      const watch = () => void this.#socket.once('error', onError).once('close', onClose)
      const opened = () => {
        const problem = this.#secure?.verify(this.#socket as TLSSocket)
        if (problem !== undefined) {
          fail('TLS_FAILED', problem)
          return
        }
        clearTimeout(timer)
        unwatch()
        resolve(onOpen(this.#dialled))
      }
      watch()
      const { proxy } = this.#target
      if (proxy === undefined) {
        this.#onOpen(opened)
        return
      }
      const openInside = () => {
        if (this.#secure === undefined) {
          opened()
          return
        }
        unwatch()
        this.#encrypt(this.#secure)
        watch()
        this.#socket.once('secureConnect', opened)
      }
      const refused = (problem: string) => fail('CONNECT_FAILED', `the SOCKS5 proxy ${proxy.address}: ${problem}`)
      this.#throughProxy(proxy, openInside, refused)
    })
  }

  #onOpen(opened: () => void): void {
    if (this.#secure === undefined) {
      this.#socket.once('connect', opened)
      return
    }
    this.#socket.once('connect', () => {
      this.#stage = 'TLS'
    })
    this.#socket.once('secureConnect', opened)
  }

  #throughProxy(proxy: SocksRoute, opened: () => void, refused: (problem: string) => void): void {
    const { socket } = this.#dialled
    const handshake = proxy.handshake(this.#target)
    socket.once('connect', () => {
      this.#stage = 'PROXY'
      socket.write(handshake.greeting())
    })
    this.#dialled.onData((chunk) => {
      try {
        const step = handshake.receive(chunk)
        if (step === 'OPEN') opened()
        else if (step !== 'READ') socket.write(step)
      } catch (error) {
        refused(error instanceof Error ? error.message : String(error))
      }
    })
  }

  /** Goes on in the way that the proxy has opened. */
  #encrypt(secure: SecureConnection): void {
    const { socket } = this.#dialled
    this.#stage = 'TLS'
    this.#dialled = encrypt(socket, secure.options)
    // The encrypted socket tells of what befalls this one.
    socket.on('error', () => undefined)
    this.#socket.once('close', () => socket.destroy())
  }

  #byProxy(problem: string): string {
    const { proxy } = this.#target
    if (proxy === undefined || this.#stage === 'TLS') return problem
    return this.#stage === 'CONNECT'
      ? `the SOCKS5 proxy ${proxy.address} is not reached: ${problem}`
      : `the SOCKS5 proxy ${proxy.address}, before it answered: ${problem}`
  }

  #lateness(): string {
    const late = `no connection within ${Math.round(monotonicNow() - this.#startedAt)} ms`
    if (this.#stage === 'TLS') return `${late}: ${NO_HANDSHAKE}`
    const { proxy } = this.#target
    if (proxy === undefined) return `${late}: ${NO_CONNECTION}`
    if (this.#stage === 'CONNECT') return `${late}: the SOCKS5 proxy ${proxy.address} is not reached: ${NO_CONNECTION}`
    return `${late}: the SOCKS5 proxy ${proxy.address} is reached, but has not opened the way: it hangs, or the host behind it does not answer`
  }
}

export function connectError(address: string, code: ConnectErrorCode, problem: string, cause?: unknown): RemotingError {
  return new RemotingError(code, `connect to ${address}: ${problem}`, { address, cause })
}

function explainHandshake(error: NodeJS.ErrnoException): string {
  const known = explainTlsFault(error)
  if (known !== undefined) return known
  const hint =
    error.code === 'ECONNRESET'
      ? ': it may be a port without TLS, or the server wants a client certificate (tls.cert)'
      : ''
  return `the TLS handshake failed: ${error.message}${hint}`
}
