import { isIPv4 } from 'node:net'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  formatHost,
  formatOffsetMsgId,
  localAddress,
  parseOffsetMsgId,
  UniqueIdGenerator,
} from '../../src/codec/message-id.js'
import { ClientError } from '../../src/errors.js'
import { fromHex, golden } from './golden.js'
import { faultOf } from './wire.js'

type IdCase =
  | { readonly kind: 'unique'; readonly msgId: string; readonly ip: string; readonly pid: number }
  | {
      readonly kind: 'time'
      readonly msgId: string
      readonly now: number
      readonly time: number
      readonly timeZone: string
    }
  | {
      readonly kind: 'offset'
      readonly msgId: string
      readonly address: string
      readonly port: number
      readonly offset: number | string
    }

const cases = golden<IdCase>('ids')
const offsets = cases.filter((one) => one.kind === 'offset')
const uniques = cases.filter((one) => one.kind === 'unique')
const times = cases.filter((one) => one.kind === 'time')

/** An IPv6 address as its eight groups: Java writes them all, here and there with leading zeros. */
function groupsOf(ip: string): string {
  if (isIPv4(ip)) return ip
  const [head = '', tail] = ip.split('::')
  const groups = (part: string) =>
    part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16).toString(16))
  const missing = tail === undefined ? 0 : 8 - groups(head).length - groups(tail).length
  return [...groups(head), ...Array<string>(missing).fill('0'), ...groups(tail ?? '')].join(':')
}

/** Of a host of so many bytes, its port included. */
function ipLengthOf(hostLength: number): 4 | 16 {
  return hostLength === 8 ? 4 : 16
}

/** What a unique id says, by the layout that Java reads. */
function readUniqueId(id: string) {
  const bytes = fromHex(id)
  const ipLength = bytes.length === 28 ? 16 : 4
  return {
    ip: groupsOf(
      formatHost(bytes, 0, ipLength)
        .replace(/:-?\d+$/, '')
        .replace(/^\[|\]$/g, ''),
    ),
    pid: bytes.readUInt16BE(ipLength),
    time: bytes.readUInt32BE(ipLength + 6),
    counter: bytes.readUInt16BE(ipLength + 10),
  }
}

describe('offset ids that Java made', () => {
  const safe = offsets.filter(({ offset }) => typeof offset === 'number')
  const unsafe = offsets.filter(({ offset }) => typeof offset === 'string')

  it.each(safe)('are read and written as Java does: $msgId', ({ msgId, address, port, offset }) => {
    const parsed = parseOffsetMsgId(msgId)
    expect(parsed.commitLogOffset).toBe(offset)
    const [, ip = '', ownPort] = /^\[?(.*?)\]?:(\d+)$/.exec(parsed.address) ?? []
    expect([groupsOf(ip), Number(ownPort)]).toEqual([address, port])
    const bytes = fromHex(msgId)
    expect(formatOffsetMsgId(bytes, 0, ipLengthOf(bytes.length - 8), offset as number)).toBe(msgId)
    expect(parseOffsetMsgId(msgId.toLowerCase())).toEqual(parsed)
  })

  it.each(unsafe)('are refused when the offset is beyond 2^53: $msgId', ({ msgId, offset }) => {
    const fault = faultOf(() => parseOffsetMsgId(msgId))
    expect(fault.code).toBe('INTEGER_OUT_OF_RANGE')
    expect(fault.message).toContain(String(offset))
  })
})

describe('parseOffsetMsgId', () => {
  it.each([
    '',
    'x',
    '7F00000100002A9F0000001CBE991A1',
    '7F00000100002A9F0000001CBE991A14FF',
    'zz00000100002A9F0000001CBE991A14',
    '7F0000010BB8070DEA4E23A1B2C3000G',
    '7F000001FFFFFFFF0000001CBE991A14',
    '7F000001000100000000001CBE991A14',
  ])('refuses %j', (id) => {
    expect(() => parseOffsetMsgId(id)).toThrow(ClientError)
    expect(() => parseOffsetMsgId(id)).toThrow('is no offset id')
  })

  it('reads back what formatOffsetMsgId wrote, for both kinds of addresses', () => {
    const ip = fc.oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.uint8Array({ minLength: 16, maxLength: 16 }))
    fc.assert(
      fc.property(ip, fc.integer({ min: 0, max: 65_535 }), fc.maxSafeInteger(), (bytes, port, offset) => {
        const start = 3
        const host = Buffer.alloc(start + bytes.length + 4)
        host.set(bytes, start)
        host.writeInt32BE(port, start + bytes.length)
        const ipLength = ipLengthOf(bytes.length + 4)
        expect(parseOffsetMsgId(formatOffsetMsgId(host, start, ipLength, offset))).toEqual({
          address: formatHost(host, start, ipLength),
          commitLogOffset: offset,
        })
      }),
    )
  })
})

describe('formatHost', () => {
  it.each([
    ['7f000001', '127.0.0.1:10911'],
    ['ffffffff', '255.255.255.255:10911'],
    ['00000000000000000000000000000000', '[::]:10911'],
    ['00000000000000000000000000000001', '[::1]:10911'],
    ['20010db8000000000000000000000001', '[2001:db8::1]:10911'],
    ['20010db8000000010000000000000001', '[2001:db8:0:1::1]:10911'],
    ['20010db8000100000001000000000001', '[2001:db8:1:0:1::1]:10911'],
    ['20010000000000010000000000000000', '[2001:0:0:1::]:10911'],
    ['20010000000000010001000000000001', '[2001::1:1:0:0:1]:10911'],
    ['20010db8000000010001000100010001', '[2001:db8:0:1:1:1:1:1]:10911'],
    ['00010002000300040005000600070008', '[1:2:3:4:5:6:7:8]:10911'],
    ['fe80000000000000000000000000abcd', '[fe80::abcd]:10911'],
  ])('writes %s as %s', (hex, text) => {
    const bytes = fromHex(`ff${hex}00002a9f`)
    expect(formatHost(bytes, 1, ipLengthOf(bytes.length - 1))).toBe(text)
  })
})

describe('unique ids that Java made', () => {
  it.each(uniques)('have the address and the pid where they are looked for here: $msgId', ({ msgId, ip, pid }) => {
    const fields = readUniqueId(msgId)
    expect(fields.ip).toBe(groupsOf(ip))
    // Java reads the pid as a short, and makes an int of it that may be negative.
    expect(fields.pid).toBe(pid & 0xffff)
  })

  it.each(times)('say the milliseconds since the start of the month: $msgId', ({ msgId, now, time, timeZone }) => {
    expect(timeZone).toBe('UTC')
    const month = new Date(now)
    expect(readUniqueId(msgId).time).toBe(time - Date.UTC(month.getUTCFullYear(), month.getUTCMonth(), 1))
  })
})

describe('UniqueIdGenerator', () => {
  const now = new Date(2024, 1, 29, 23, 59, 59, 999).getTime()
  const monthStart = new Date(2024, 1, 1).getTime()

  it('makes ids that are read by the same layout', () => {
    const generator = new UniqueIdGenerator('192.0.2.7', 70_000)
    const id = generator.next(now)
    expect(id).toMatch(/^[0-9A-F]{32}$/)
    expect(readUniqueId(id)).toEqual({ ip: '192.0.2.7', pid: 70_000 & 0xffff, time: now - monthStart, counter: 0 })
    expect(readUniqueId(generator.next(now)).counter).toBe(1)
  })

  it('begins again with each month', () => {
    const generator = new UniqueIdGenerator('192.0.2.7', 1)
    expect(readUniqueId(generator.next(now)).time).toBe(now - monthStart)
    expect(readUniqueId(generator.next(now + 1)).time).toBe(0)
    expect(readUniqueId(generator.next(now + 1001)).time).toBe(1000)
  })

  it('gives no negative time when the clock was set back into the month before', () => {
    const generator = new UniqueIdGenerator('192.0.2.7', 1)
    generator.next(now + 5000)
    expect(readUniqueId(generator.next(now)).time).toBe(0)
  })

  it('gives 65536 different ids within a millisecond, then begins again', () => {
    const generator = new UniqueIdGenerator('192.0.2.7', 1)
    const first = generator.next(now)
    const ids = new Set([first])
    for (let count = 1; count < 65_536; count++) ids.add(generator.next(now))
    expect(ids.size).toBe(65_536)
    expect(generator.next(now)).toBe(first)
  })

  it('makes other ids in another process with the same address and pid', () => {
    expect(new UniqueIdGenerator('192.0.2.7', 1).next(now)).not.toBe(new UniqueIdGenerator('192.0.2.7', 1).next(now))
  })

  it('makes no id twice, in eight processes with the same address and pid at full speed', () => {
    const generators = Array.from({ length: 8 }, () => new UniqueIdGenerator('10.1.2.3', 7))
    const ids = new Set<string>()
    for (let i = 0; i < 50_000; i++) for (const generator of generators) ids.add(generator.next())
    expect(ids.size).toBe(400_000)
  })

  it('makes ids of the same length where there is only an IPv6 address', () => {
    expect(new UniqueIdGenerator('2001:db8::1', 1).next(now)).toMatch(/^[0-9A-F]{32}$/)
  })

  it('uses an address of this host and the present time unless told otherwise', () => {
    const before = Date.now()
    const { ip, pid, time } = readUniqueId(new UniqueIdGenerator().next())
    const start = new Date(before)
    const elapsed = time + new Date(start.getFullYear(), start.getMonth(), 1).getTime()
    if (isIPv4(localAddress())) expect(ip).toBe(localAddress())
    expect(pid).toBe(process.pid & 0xffff)
    // At the turn of a month the clock may pass it between the two looks.
    expect(elapsed >= before || time < 60_000).toBe(true)
  })
})
