import { ClientError, shown } from '../errors.js'
import { type HostAndPort, parseAddress } from './address.js'
import { Socks5Handshake } from './socks5-handshake.js'

/** A SOCKS5 proxy. Its names are those of Java's `SocksProxyConfig`. */
export interface SocksProxy {
  /** `host:port`; IPv6 as `[::1]:1080`. */
  addr: string
  /** For a proxy that wants to know who asks. It stands in no error, log line or inspected object, nor does the password. */
  username?: string
  password?: string
}

/** Chooses the proxy for an address that is to be dialled (`host:port`); undefined: none. */
export type SocksProxySelector = (address: string) => SocksProxy | undefined

/** What is longer does not fit into its field. */
const MAX_TEXT = 255

/** A proxy whose options were checked. Keeps its secrets to itself. */
export class SocksRoute implements HostAndPort {
  readonly address: string
  readonly host: string
  readonly port: number
  readonly #username: string | undefined
  readonly #password: string

  /** @throws {@link ClientError} `INVALID_OPTION`, `INVALID_ADDRESS`, which show no user and no password. */
  constructor(given: unknown, name: string) {
    const { addr, username, password } = checked(given, name)
    const { host, port } = parseAddress(addr, `${name}.addr`)
    this.address = addr
    this.host = host
    this.port = port
    this.#username = username
    this.#password = password ?? ''
  }

  handshake(target: HostAndPort): Socks5Handshake {
    const username = this.#username
    return new Socks5Handshake(target, username === undefined ? undefined : { username, password: this.#password })
  }
}

/** Says by which proxy an address is dialled. */
export class SocksRoutes {
  readonly #select: SocksProxySelector | undefined
  readonly #fixed: SocksRoute | undefined

  /** @throws as {@link SocksRoute}. */
  constructor(given: unknown, name: string) {
    if (typeof given === 'function') this.#select = given as SocksProxySelector
    else this.#fixed = new SocksRoute(given, name)
  }

  /** @throws Error when the user's function throws, or gives what is no proxy. */
  to(address: string): SocksRoute | undefined {
    if (this.#select === undefined) return this.#fixed
    let chosen: unknown
    try {
      chosen = this.#select(address)
    } catch (cause) {
      const problem = cause instanceof Error ? cause.message : typeof cause
      throw new Error(`socksProxy threw for ${address}: ${problem}`, { cause })
    }
    return chosen === undefined || chosen === null ? undefined : new SocksRoute(chosen, 'what socksProxy gave')
  }
}

function checked(given: unknown, name: string): SocksProxy {
  const shape = '{ addr, username?, password? }'
  if (typeof given !== 'object' || given === null)
    throw new ClientError('INVALID_OPTION', `${name} is ${typeof given}, ${shape} or a function that gives it expected`)
  const unknown = Object.keys(given).find((key) => !['addr', 'username', 'password'].includes(key))
  if (unknown !== undefined)
    throw new ClientError('INVALID_OPTION', `${name} has no ${shown(unknown)}, ${shape} expected`)
  const { addr, username, password } = given as Record<string, unknown>
  if (typeof addr !== 'string')
    throw new ClientError('INVALID_OPTION', `${name}.addr is ${typeof addr}, 'host:port' expected`)
  const isFit = (text: unknown) => text === undefined || (typeof text === 'string' && isShort(text))
  if (!isFit(username) || !isFit(password) || username === '')
    throw new ClientError('INVALID_OPTION', `${name}: username and password are texts of up to ${MAX_TEXT} bytes`)
  if (password !== undefined && username === undefined)
    throw new ClientError('INVALID_OPTION', `${name} has a password and no username`)
  return given as SocksProxy
}

function isShort(text: string): boolean {
  return Buffer.byteLength(text) <= MAX_TEXT
}
