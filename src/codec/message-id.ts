import { randomBytes } from 'node:crypto'
import { isIPv4, isIPv6 } from 'node:net'
import { networkInterfaces } from 'node:os'
import { ClientError, shown } from '../errors.js'
import { readInt64, writeInt64 } from './int64.js'

const MAX_PORT = 65_535

/** `a.b.c.d:port`, or `[v6]:port`. */
export function formatHost(ip: Buffer, port: number): string {
  return ip.length === 4 ? `${ip[0]}.${ip[1]}.${ip[2]}.${ip[3]}:${port}` : `[${formatIPv6(ip)}]:${port}`
}

function formatIPv6(ip: Buffer): string {
  const groups: number[] = []
  for (let i = 0; i < 16; i += 2) groups.push(ip.readUInt16BE(i))
  let bestStart = -1
  let bestLength = 1
  for (let i = 0; i < 8; i++) {
    let length = 0
    while (groups[i + length] === 0) length++
    if (length > bestLength) {
      bestStart = i
      bestLength = length
    }
  }
  const hex = (from: number, to: number) =>
    groups
      .slice(from, to)
      .map((group) => group.toString(16))
      .join(':')
  return bestStart < 0 ? hex(0, 8) : `${hex(0, bestStart)}::${hex(bestStart + bestLength, 8)}`
}

/** The id of a stored message: host, port and commit-log offset in hex (`MessageDecoder.createMessageId`). */
export function formatOffsetMsgId(host: Buffer, commitLogOffset: number): string {
  const bytes = Buffer.allocUnsafe(host.length + 8)
  host.copy(bytes)
  writeInt64(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), host.length, commitLogOffset)
  return bytes.toString('hex').toUpperCase()
}

/**
 * Where the message with this offset id is stored (`MessageDecoder.decodeMessageId`).
 *
 * @throws {@link ClientError} `INVALID_ARGUMENT` for a text that is no offset id.
 * @throws {@link MessageError} `INTEGER_OUT_OF_RANGE` for an offset beyond 2^53 - 1.
 */
export function parseOffsetMsgId(offsetMsgId: string): { address: string; commitLogOffset: number } {
  const bytes = Buffer.from(offsetMsgId, 'hex')
  if ((bytes.length !== 16 && bytes.length !== 28) || bytes.length * 2 !== offsetMsgId.length) {
    throw new ClientError(
      'INVALID_ARGUMENT',
      `offsetMsgId ${shown(offsetMsgId)} is no offset id: 32 hex digits (IPv4) or 56 (IPv6) are expected`,
    )
  }
  const ipLength = bytes.length === 16 ? 4 : 16
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const port = view.getUint32(ipLength)
  if (port > MAX_PORT) {
    throw new ClientError(
      'INVALID_ARGUMENT',
      `offsetMsgId ${shown(offsetMsgId)} is no offset id: it names port ${port}`,
    )
  }
  return {
    address: formatHost(bytes.subarray(0, ipLength), port),
    commitLogOffset: readInt64(view, ipLength + 4, 'commitLogOffset'),
  }
}

/** This host's first address that is not a loopback or link-local one; IPv4 before IPv6, 127.0.0.1 where there is none. */
export function localAddress(): string {
  const found = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter((address) => !address.internal && !/^(fe80:|169\.254\.)/i.test(address.address))
  const first = found.find((address) => isIPv4(address.address)) ?? found.find((address) => isIPv6(address.address))
  return first?.address ?? '127.0.0.1'
}

const HEX = '0123456789ABCDEF'

/**
 * Makes the unique ids of messages (`MessageClientIDSetter`): address, pid, a random word for the process, milliseconds since the start of the month, counter.
 */
export class UniqueIdGenerator {
  readonly #prefix: string
  #counter = 0
  #monthStart = 0
  #nextMonthStart = 0
  #lastTime = -1
  #lastText = ''

  constructor(address: string = localAddress(), pid: number = process.pid) {
    const ip = isIPv4(address) ? Buffer.from(address.split('.').map(Number)) : randomBytes(4)
    const tail = Buffer.alloc(2)
    tail.writeUInt16BE(pid & 0xffff)
    this.#prefix = Buffer.concat([ip, tail, randomBytes(4)])
      .toString('hex')
      .toUpperCase()
  }

  next(now: number = Date.now()): string {
    if (now !== this.#lastTime) this.#setTime(now)
    const c = this.#counter
    this.#counter = (c + 1) & 0xffff
    return (
      this.#lastText + HEX.charAt(c >> 12) + HEX.charAt((c >> 8) & 15) + HEX.charAt((c >> 4) & 15) + HEX.charAt(c & 15)
    )
  }

  #setTime(now: number): void {
    if (now >= this.#nextMonthStart) {
      const date = new Date(now)
      this.#monthStart = new Date(date.getFullYear(), date.getMonth(), 1).getTime()
      this.#nextMonthStart = new Date(date.getFullYear(), date.getMonth() + 1, 1).getTime()
    }
    // A clock that was set back a little must not give a negative difference.
    const difference = Math.max(0, now - this.#monthStart)
    this.#lastTime = now
    this.#lastText = this.#prefix + (difference >>> 0).toString(16).toUpperCase().padStart(8, '0')
  }
}
