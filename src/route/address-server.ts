import { ClientError, shown } from '../errors.js'
import { parseAddress } from '../remoting/address.js'
import { getText } from './http-get.js'

/** As Java's. */
const TIMEOUT = 3_000
const MAX_BYTES = 64 * 1024

/**
 * Splits a list of NameServers: `host:port;host:port`. Each is named once.
 *
 * @param from - What the list was read from, for the error message.
 * @throws {@link ClientError} `INVALID_ADDRESS`.
 */
export function splitAddresses(list: string, from: string): readonly string[] {
  const addresses = new Set<string>()
  for (const item of list.split(/[;,]/)) {
    const address = item.trim()
    if (address === '') continue
    parseAddress(address, from)
    addresses.add(address)
  }
  return [...addresses]
}

/**
 * A web server that knows the NameServers.
 *
 * @see DefaultTopAddressing
 */
export class AddressServer {
  /** The URL without what may be secret in it: user, password and query. */
  readonly name: string
  readonly #url: URL

  /** @param unitName - Asks for the NameServers of this unit, as Java does. */
  constructor(url: URL, unitName: string | undefined) {
    this.#url = new URL(url)
    if (unitName !== undefined) {
      this.#url.pathname += `-${unitName}`
      this.#url.searchParams.append('nofix', '1')
    }
    this.name = `${this.#url.origin}${this.#url.pathname}`
  }

  /**
   * Asks for the list.
   *
   * @throws {@link ClientError} `NAME_SERVER_URL_FAILED` when there is no answer, and when it is no list of addresses.
   */
  async fetch(signal: AbortSignal): Promise<readonly string[]> {
    try {
      const text = await getText(this.#url, { timeout: TIMEOUT, maxBytes: MAX_BYTES, signal })
      // What follows the first line is not the list, as in Java.
      const [list = ''] = text.trim().split(/[\r\n]/)
      const addresses = splitAddresses(list, 'its answer')
      if (addresses.length > 0) return addresses
      throw new Error(`its answer ${shown(text)} names no NameServer`)
    } catch (cause) {
      const problem = cause instanceof Error ? cause.message : String(cause)
      throw new ClientError('NAME_SERVER_URL_FAILED', `no NameServers from nameServerUrl ${this.name}: ${problem}`, {
        cause,
        retryable: true,
      })
    }
  }
}
