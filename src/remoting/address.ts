import { ClientError, shown } from '../errors.js'

/** How far a broker's second port lies below its first. */
const VIP_OFFSET = 2
/** Of a damaged route: Node throws at once for a byte 0, and U+FFFD stands for bytes that were no text. */
const NOT_IN_A_HOST = /[\s/@\p{Cc}\ufffd]/u

export interface HostAndPort {
  readonly host: string
  readonly port: number
}

/**
 * Splits `host:port` at the last colon. IPv6 comes in brackets from users and without them from brokers (`::1:10911`).
 *
 * @param from - What the address was read from, for the error message.
 * @throws {@link ClientError} `INVALID_ADDRESS`.
 */
export function parseAddress(address: string, from = 'address'): HostAndPort {
  const colon = address.lastIndexOf(':')
  const port = Number(address.slice(colon + 1))
  let host = address.slice(0, Math.max(colon, 0))
  if (host.startsWith('[') && host.endsWith(']')) host = host.slice(1, -1)
  const isPort = /^\d{1,5}$/.test(address.slice(colon + 1)) && port > 0 && port < 65536
  if (!isPort || host === '' || NOT_IN_A_HOST.test(host)) {
    throw new ClientError('INVALID_ADDRESS', `${from} ${shown(address)} is no host:port (IPv6 as [::1]:9876)`)
  }
  return { host, port }
}

/**
 * The broker's second port, which takes everything but pulls.
 *
 * @see MixAll.brokerVIPChannel
 */
export function vipAddress(address: string): string {
  const colon = address.lastIndexOf(':')
  return `${address.slice(0, colon)}:${Number(address.slice(colon + 1)) - VIP_OFFSET}`
}

/** The address of the broker whose second port this is. */
export function addressOfVip(address: string): string {
  const colon = address.lastIndexOf(':')
  return `${address.slice(0, colon)}:${Number(address.slice(colon + 1)) + VIP_OFFSET}`
}
