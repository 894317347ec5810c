import { randomBytes } from 'node:crypto'
import { isIPv4, isIPv6 } from 'node:net'
import { networkInterfaces } from 'node:os'
import { ClientError, shown } from '../errors.js'
import { readInt64, writeInt64 } from './int64.js'

const MAX_PORT = 65_535

/** A host as text, and as it begins an offset id. */
interface HostTexts {
  readonly address: string
  readonly idPrefix: string
}

/** IPv4 hosts that were seen lately: messages come from few, and making the texts for each of them costs more than all its numbers. */
const recentHosts = new Map<number, HostTexts>()
const MAX_RECENT_HOSTS = 1024

/** IP and port, as they stand side by side in `bytes`: `a.b.c.d:port`, or `[v6]:port`. */
export function formatHost(bytes: Buffer, start: number, ipLength: 4 | 16): string {
  if (ipLength === 4) return hostTexts(bytes, start).address
  return `[${formatIPv6(bytes, start)}]:${bytes.readInt32BE(start + ipLength)}`
}

function hostTexts(bytes: Buffer, start: number): HostTexts {
  const ip = bytes.readUInt32BE(start)
  const port = bytes.readInt32BE(start + 4)
  const isPort = port >= 0 && port <= MAX_PORT
  const key = ip * (MAX_PORT + 1) + port
  const known = isPort ? recentHosts.get(key) : undefined
  if (known !== undefined) return known
  const address = `${ip >>> 24}.${(ip >>> 16) & 0xff}.${(ip >>> 8) & 0xff}.${ip & 0xff}:${port}`
  const texts = { address, idPrefix: bytes.toString('hex', start, start + 8).toUpperCase() }
  if (recentHosts.size >= MAX_RECENT_HOSTS) recentHosts.clear()
  if (isPort) recentHosts.set(key, texts)
  return texts
}

function formatIPv6(bytes: Buffer, start: number): string {
  const groups: number[] = []
  for (let i = 0; i < 16; i += 2) groups.push(bytes.readUInt16BE(start + i))
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

/** Where an offset's digits are made, whose bytes are needed no longer than that takes. */
const offsetBytes = Buffer.alloc(8)
const offsetView = new DataView(offsetBytes.buffer, offsetBytes.byteOffset, offsetBytes.length)

/** The id of a stored message: host and port as they stand in `bytes`, and commit-log offset, in hex (`MessageDecoder.createMessageId`). */
export function formatOffsetMsgId(bytes: Buffer, start: number, ipLength: 4 | 16, commitLogOffset: number): string {
  writeInt64(offsetView, 0, commitLogOffset)
  const offset = offsetBytes.toString('hex').toUpperCase()
  if (ipLength === 4) return hostTexts(bytes, start).idPrefix + offset
  return bytes.toString('hex', start, start + ipLength + 4).toUpperCase() + offset
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
    address: formatHost(bytes, 0, ipLength),
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

/** The two digits of each byte. */
const HEX_BYTES: readonly string[] = Array.from({ length: 256 }, (_, byte) =>
  byte.toString(16).toUpperCase().padStart(2, '0'),
)

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
    // The short texts first: each addition to a long one is kept as an object of its own.
    return this.#lastText + (hexByte(c >> 8) + hexByte(c & 0xff))
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

function hexByte(byte: number): string {
  return HEX_BYTES[byte] ?? ''
}
