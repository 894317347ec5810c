import { isIPv4, isIPv6 } from 'node:net'
import type { HostAndPort } from './address.js'

export interface SocksCredentials {
  readonly username: string
  readonly password: string
}

const VERSION = 5
const CONNECT = 1
const NO_AUTHENTICATION = 0
const USERNAME_PASSWORD = 2
const NO_METHOD = 0xff
/** Of the negotiation of user name and password (RFC 1929). */
const AUTHENTICATION_VERSION = 1
const IPV4 = 1
const NAME = 3
const IPV6 = 4
/** The length of a text is one byte. */
const MAX_COUNTED = 255

/** RFC 1928, 6. */
const REFUSALS: Readonly<Record<number, string>> = {
  1: 'general failure',
  2: 'its rules do not allow that address',
  3: 'it has no way to that network',
  4: 'it has no way to that host, or can not resolve its name',
  5: 'the connection was refused there: nothing listens',
  6: 'the host does not answer it',
  7: 'it does not know CONNECT',
  8: 'it does not know that kind of address',
}

/** What the proxy's bytes ask for: to be read on, to be answered, or nothing more, because the way is open. */
export type HandshakeStep = 'READ' | 'OPEN' | Buffer

/**
 * Asks a SOCKS5 proxy for a connection (RFC 1928), with a user name and password where it wants them (RFC 1929). Bytes in, bytes out: the socket is the caller's, which
 * reads to slabs of its own.
 */
export class Socks5Handshake {
  readonly #target: HostAndPort
  readonly #credentials: SocksCredentials | undefined
  #stage: 'METHOD' | 'AUTHENTICATION' | 'REPLY' = 'METHOD'
  #received = Buffer.alloc(0)

  constructor(target: HostAndPort, credentials: SocksCredentials | undefined) {
    this.#target = target
    this.#credentials = credentials
  }

  /** The first bytes to send. */
  greeting(): Buffer {
    return this.#credentials === undefined
      ? Buffer.of(VERSION, 1, NO_AUTHENTICATION)
      : Buffer.of(VERSION, 2, NO_AUTHENTICATION, USERNAME_PASSWORD)
  }

  /**
   * Takes the next bytes of the proxy.
   *
   * @throws Error that says what the proxy has against it.
   */
  receive(chunk: Buffer): HandshakeStep {
    this.#received = Buffer.concat([this.#received, chunk])
    if (this.#stage === 'AUTHENTICATION') return this.#readAuthentication()
    const [version = VERSION] = this.#received
    if (version !== VERSION) throw new Error('what answers there is no SOCKS5 proxy')
    return this.#stage === 'METHOD' ? this.#readMethod() : this.#readReply()
  }

  #readMethod(): HandshakeStep {
    const answer = this.#take(2)
    if (answer === undefined) return 'READ'
    const method = answer[1]
    if (method === NO_AUTHENTICATION) return this.#request()
    if (method === USERNAME_PASSWORD && this.#credentials !== undefined) {
      this.#stage = 'AUTHENTICATION'
      const { username, password } = this.#credentials
      return Buffer.concat([Buffer.of(AUTHENTICATION_VERSION), counted(username), counted(password)])
    }
    if (method !== NO_METHOD) throw new Error(`it chose the way of authentication ${method}, which was not offered`)
    const wanted = this.#credentials === undefined ? ' without a user name (socksProxy.username)' : ''
    throw new Error(`it takes no connection${wanted}: no way of authentication that was offered suits it`)
  }

  #readAuthentication(): HandshakeStep {
    const answer = this.#take(2)
    if (answer === undefined) return 'READ'
    if (answer[1] !== 0) throw new Error('it refused the user name or the password')
    return this.#request()
  }

  #readReply(): HandshakeStep {
    const [, reply = 0, , kind = NAME, nameLength = 0] = this.#received
    if (reply !== 0) throw new Error(`${REFUSALS[reply] ?? 'refused'} (reply ${reply})`)
    if (this.#received.length < 5) return 'READ'
    const addressLength = kind === IPV4 ? 4 : kind === IPV6 ? 16 : 1 + nameLength
    if (this.#take(4 + addressLength + 2) === undefined) return 'READ'
    return 'OPEN'
  }

  #request(): Buffer {
    this.#stage = 'REPLY'
    const { host, port } = this.#target
    return Buffer.concat([Buffer.of(VERSION, CONNECT, 0), addressOf(host), Buffer.of(port >> 8, port & 0xff)])
  }

  /** So many bytes; undefined where they are not there yet. Whoever sends more speaks before it was spoken to. */
  #take(length: number): Buffer | undefined {
    if (this.#received.length < length) return undefined
    const taken = this.#received
    if (taken.length > length) throw new Error('it sent more than its answer')
    this.#received = Buffer.alloc(0)
    return taken
  }
}

function counted(text: string): Buffer {
  const bytes = Buffer.from(text)
  if (bytes.length > MAX_COUNTED) throw new Error(`it takes names of up to ${MAX_COUNTED} bytes`)
  return Buffer.concat([Buffer.of(bytes.length), bytes])
}

/** A name goes to the proxy as it is: where it is resolved, it may be another host than here. */
function addressOf(host: string): Buffer {
  if (isIPv4(host)) return Buffer.of(IPV4, ...host.split('.').map(Number))
  if (isIPv6(host)) return Buffer.concat([Buffer.of(IPV6), ipv6Bytes(host)])
  return Buffer.concat([Buffer.of(NAME), counted(host)])
}

function ipv6Bytes(host: string): Buffer {
  const [address = ''] = host.split('%')
  // A URL has it in one form: hexadecimal groups, and at most one gap.
  const [head = '', tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::')
  const groupsOf = (text = '') => (text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16)))
  const [first, last] = [groupsOf(head), groupsOf(tail)]
  const groups = [...first, ...Array.from({ length: 8 - first.length - last.length }, () => 0), ...last]
  return Buffer.from(groups.flatMap((group) => [group >> 8, group & 0xff]))
}
