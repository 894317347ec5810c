import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { encodeBatch } from '../../src/codec/batch-codec.js'
import { ByteReader } from '../../src/codec/byte-reader.js'
import { readStoredMessage } from '../../src/codec/message-codec.js'
import { fromHex, golden } from './golden.js'
import { watchPrototypes } from './pollution-canary.js'
import {
  AT,
  crc32Of,
  decode,
  decodeAll,
  decodeFault,
  MAGIC_V1,
  MAGIC_V2,
  type StoredSpec,
  storedBytes,
} from './stored-bytes.js'

watchPrototypes()

const BEFORE = [storedBytes({ queueOffset: 1 }), storedBytes({ queueOffset: 2, topic: 'x'.repeat(200) })]
const AFTER = storedBytes({ queueOffset: 9 })
const PROPERTIES_LENGTH = 'TAGS\u0001TagA\u0002'.length

/** The fault of a message that stands between sound ones: those before it are delivered, and nothing behind it. */
async function faultBetween(bad: Buffer, options?: { readonly maxBodySize: number }) {
  const { messages, fault } = await decode(Buffer.concat([...BEFORE, bad, AFTER]), options)
  expect(messages.map(({ queueOffset }) => queueOffset)).toEqual([1, 2])
  if (fault === undefined) throw new Error('no fault')
  return fault
}

function patched(patch: (bytes: Buffer) => unknown, spec: StoredSpec = {}): Buffer {
  const bytes = storedBytes({ queueOffset: 3, ...spec })
  patch(bytes)
  return bytes
}

/** A message whose topic and properties are these bytes, with whatever lengths they have inside. */
function withEnd(end: Buffer, magic = MAGIC_V1): Buffer {
  const whole = storedBytes({ queueOffset: 3, magic })
  const bytes = Buffer.concat([whole.subarray(0, AT.body + 'hello'.length), end])
  bytes.writeInt32BE(bytes.length, 0)
  return bytes
}

describe('a stored message', () => {
  it('that is cut off at any byte is a fault, and the ones before it are delivered', async () => {
    const last = storedBytes({ queueOffset: 3 })
    const whole = Buffer.concat([...BEFORE, last])
    expect((await decodeAll(whole)).length).toBe(3)
    for (let cut = 1; cut < last.length; cut++) {
      const { messages, fault } = await decode(whole.subarray(0, whole.length - cut))
      expect(messages.map(({ queueOffset }) => queueOffset)).toEqual([1, 2])
      expect(fault?.code).toBe('MESSAGE_MALFORMED')
    }
  })

  it('whose total size cuts it off at any field is a fault', async () => {
    const whole = storedBytes({ queueOffset: 3 })
    for (let size = 4; size < whole.length; size++) {
      const fault = await faultBetween(patched((bytes) => bytes.writeInt32BE(size, 0)))
      expect(fault.code, `size ${size}`).toBe('MESSAGE_MALFORMED')
    }
  })

  it.each([0, 1, 3, -1, -2_147_483_648, 2_147_483_647, 100_000])('with a total size of %d is a fault', async (size) => {
    const fault = await faultBetween(patched((bytes) => bytes.writeInt32BE(size, 0)))
    expect(fault.code).toBe('MESSAGE_MALFORMED')
    expect(fault.message).toContain(`total size is ${size}`)
    expect(fault.position).toBe(Buffer.concat(BEFORE).length)
  })

  it.each([
    ['zero', 0],
    ['the end of a commit-log file', 0xcbd43194],
    ['one off', MAGIC_V1 + 1],
  ])('with an unknown magic code (%s) is a fault', async (_, magic) => {
    const fault = await faultBetween(patched((bytes) => bytes.writeUInt32BE(magic, AT.magic)))
    expect(fault.message).toContain(`unknown magic code ${magic | 0}`)
    expect(fault.position).toBe(Buffer.concat(BEFORE).length + AT.magic)
  })

  it.each([-1, -2_147_483_648, 1000, 2_147_483_647])('with a body length of %d is a fault', async (length) => {
    const fault = await faultBetween(patched((bytes) => bytes.writeInt32BE(length, AT.bodyLength)))
    expect(fault.message).toContain(`body has length ${length}`)
  })

  it.each([
    ['beyond its end', Buffer.from([200, 0x54])],
    ['that leaves no room for properties', Buffer.from([1, 0x54])],
    ['missing', Buffer.alloc(0)],
  ])('with a topic length %s is a fault', async (_, end) => {
    expect((await faultBetween(withEnd(end))).code).toBe('MESSAGE_MALFORMED')
  })

  it.each([
    ['negative', fromHex('ffff')],
    ['beyond its end', fromHex('7fff54')],
    ['of one byte only', fromHex('00')],
  ])('with a V2 topic length %s is a fault', async (_, end) => {
    const fault = await faultBetween(withEnd(end, MAGIC_V2))
    expect(fault.code).toBe('MESSAGE_MALFORMED')
    expect(fault.message).toContain('topic')
  })

  it('with a topic length of more than 127 after the V1 magic reads it as unsigned', async () => {
    const [message] = await decodeAll(storedBytes({ topic: 'x'.repeat(255), magic: MAGIC_V1 }))
    expect(message?.topic).toHaveLength(255)
  })

  it.each([-1, -32_768, PROPERTIES_LENGTH + 1, 32_767])('with a properties length of %d is a fault', async (length) => {
    const fault = await faultBetween(
      patched((bytes) => bytes.writeInt16BE(length, bytes.length - PROPERTIES_LENGTH - 2)),
    )
    expect(fault.code).toBe('MESSAGE_MALFORMED')
    expect(fault.message).toContain(`properties has length ${length}`)
  })

  it('with bytes behind it that are no message is delivered before the fault', async () => {
    for (const tail of ['00', '000000', 'ffffffff', '0000005b', 'daa320a7daa320a7']) {
      const { messages, fault } = await decode(Buffer.concat([...BEFORE, fromHex(tail)]))
      expect(messages).toHaveLength(2)
      expect(fault?.code).toBe('MESSAGE_MALFORMED')
    }
  })

  it('of nothing but zeros is a fault', async () => {
    expect((await decodeFault(Buffer.alloc(1000))).message).toContain('total size is 0')
  })

  const BIG_FIELDS = {
    'queue offset': AT.queueOffset,
    'commit-log offset': AT.commitLogOffset,
    'born timestamp': AT.bornTimestamp,
    'store timestamp': AT.storeTimestamp,
    'prepared transaction offset': AT.preparedTransactionOffset,
  }
  const TOO_BIG = [2n ** 53n, 2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 53n), -(2n ** 63n)]

  it.each(Object.entries(BIG_FIELDS).flatMap(([field, at]) => TOO_BIG.map((value) => ({ field, at, value }))))(
    'with a $field of $value is a fault that says it exactly',
    async ({ field, at, value }) => {
      const fault = await faultBetween(patched((bytes) => bytes.writeBigInt64BE(value, at)))
      expect(fault.code).toBe('INTEGER_OUT_OF_RANGE')
      expect(fault.message).toContain(field)
      expect(fault.message).toContain(` is ${value},`)
    },
  )

  it('is a fault when its queue offset passes 2^53 by the offset of a static topic', async () => {
    const fault = await decodeFault(storedBytes({ queueOffset: Number.MAX_SAFE_INTEGER }), { offsetDelta: 2 })
    expect(fault.code).toBe('INTEGER_OUT_OF_RANGE')
    expect(fault.message).toContain('queue offset is 9007199254740993')
  })

  it.each([
    ['a bit of the body', (bytes: Buffer) => bytes.writeUInt8(bytes.readUInt8(AT.body) ^ 1, AT.body)],
    ['the CRC', (bytes: Buffer) => bytes.writeInt32BE(bytes.readInt32BE(AT.bodyCRC) ^ 1, AT.bodyCRC)],
    ['the top bit of the CRC', (bytes: Buffer) => bytes.writeUInt8(bytes.readUInt8(AT.bodyCRC) | 0x80, AT.bodyCRC)],
  ])('of which %s has changed is a fault that names topic and offset', async (_, patch) => {
    const fault = await faultBetween(patched(patch))
    expect(fault.code).toBe('BODY_CRC_MISMATCH')
    expect(fault.message).toContain('queue offset 3 of TopicTest')
    expect(fault.position).toBe(Buffer.concat(BEFORE).length)
  })

  it('without a body has nothing that a CRC could be wrong about', async () => {
    const [message] = await decodeAll(storedBytes({ body: '', bodyCRC: 12_345 }))
    expect(message?.body).toHaveLength(0)
  })
})

describe('host flags', () => {
  const V6 = '20010db80000000000000000000000010000d431'
  const V4 = 'c000020a0000d431'

  it.each([
    ['neither', 0, V4, V4, '192.0.2.10:54321', '192.0.2.10:54321'],
    ['the born host only', 0x10, V6, V4, '[2001:db8::1]:54321', '192.0.2.10:54321'],
    ['the store host only', 0x20, V4, V6, '192.0.2.10:54321', '[2001:db8::1]:54321'],
    ['both', 0x30, V6, V6, '[2001:db8::1]:54321', '[2001:db8::1]:54321'],
  ])('say that %s is IPv6', async (_, sysFlag, bornHost, storeHost, born, store) => {
    const [message] = await decodeAll(storedBytes({ sysFlag, bornHost, storeHost }))
    expect([message?.bornHost, message?.storeHost]).toEqual([born, store])
    expect(message?.offsetMsgId).toBe(`${storeHost}00000000000003e8`.toUpperCase())
  })

  it.each([0x10, 0x20, 0x30])('that are wrong (0x%s) are a fault, for all behind them is shifted', async (sysFlag) => {
    expect((await faultBetween(storedBytes({ sysFlag }))).code).toMatch(
      /MESSAGE_MALFORMED|INTEGER_OUT_OF_RANGE|BODY_CRC_MISMATCH/,
    )
  })

  it('that are missing for IPv6 hosts are a fault', async () => {
    expect((await faultBetween(storedBytes({ bornHost: V6, storeHost: V6 }))).code).toMatch(
      /MESSAGE_MALFORMED|INTEGER_OUT_OF_RANGE|BODY_CRC_MISMATCH/,
    )
  })

  it('may come with a port that is none, which is shown as it is', async () => {
    const [message] = await decodeAll(storedBytes({ storeHost: 'c000020affffffff' }))
    expect(message?.storeHost).toBe('192.0.2.10:-1')
  })
})

describe('an inner batch', () => {
  const FLAGS = 0x40 | 0x80
  const parts = encodeBatch([
    { flag: 1, body: Buffer.from('first'), properties: '' },
    { flag: 2, body: Buffer.from('second'), properties: '' },
  ])

  function batchOf(patch: (bytes: Buffer) => unknown, spec: StoredSpec = {}): Buffer {
    const body = Buffer.from(parts)
    patch(body)
    return storedBytes({ queueOffset: 3, sysFlag: FLAGS, body, ...spec })
  }

  it.each<[string, (bytes: Buffer) => unknown]>([
    ['a size of 0', (bytes) => bytes.writeInt32BE(0, 0)],
    ['a negative size', (bytes) => bytes.writeInt32BE(-22, 0)],
    ['a size beyond its body', (bytes) => bytes.writeInt32BE(bytes.length + 1, 0)],
    ['a size that leaves a rest', (bytes) => bytes.writeInt32BE(28, 0)],
    ['a body length beyond its part', (bytes) => bytes.writeInt32BE(10, 16)],
    ['a negative body length', (bytes) => bytes.writeInt32BE(-1, 16)],
    ['a properties length beyond its part', (bytes) => bytes.writeInt16BE(1, 25)],
    ['a negative properties length', (bytes) => bytes.writeInt16BE(-1, 25)],
    ['a bad second part', (bytes) => bytes.writeInt32BE(5, 27)],
  ])('with %s in it is a fault, and none of its parts is delivered', async (_, patch) => {
    expect((await faultBetween(batchOf(patch))).code).toBe('MESSAGE_MALFORMED')
  })

  it('that is cut off inside its body is a fault', async () => {
    const body = parts.subarray(0, -3)
    expect((await faultBetween(storedBytes({ sysFlag: FLAGS, body }))).code).toBe('MESSAGE_MALFORMED')
  })

  it('of other bytes altogether is a fault', async () => {
    expect((await faultBetween(storedBytes({ sysFlag: FLAGS, body: 'no batch at all' }))).code).toBe(
      'MESSAGE_MALFORMED',
    )
  })

  it('without parts gives no messages', async () => {
    expect(await decodeAll(storedBytes({ sysFlag: FLAGS, body: '' }))).toEqual([])
  })

  it.each([0x40, 0x80])('needs both of its flags: with 0x%s alone the body is handed on as it is', async (sysFlag) => {
    const [message] = await decodeAll(storedBytes({ sysFlag, body: parts }))
    expect(message?.body.equals(parts)).toBe(true)
  })

  it('whose last offset would pass 2^53 is a fault, and none of its parts is delivered', async () => {
    const fault = await faultBetween(batchOf(() => {}, { queueOffset: Number.MAX_SAFE_INTEGER }))
    expect(fault.code).toBe('INTEGER_OUT_OF_RANGE')
    expect(fault.message).toContain('9007199254740993')
  })
})

describe('a compressed body', () => {
  const ZLIB = 0x1
  const TYPES = [
    ['ZLIB', 0x301],
    ['ZLIB of old senders', 0x1],
    ['LZ4', 0x101],
    ['ZSTD', 0x201],
  ] as const

  it.each(TYPES)('that says %s and is plain is a fault', async (_, sysFlag) => {
    expect((await faultBetween(storedBytes({ sysFlag, body: 'plain text, never compressed' }))).code).toBe(
      'DECOMPRESS_FAILED',
    )
  })

  it.each(TYPES)('that says %s and is empty is a fault', async (_, sysFlag) => {
    expect((await faultBetween(storedBytes({ sysFlag, body: '' }))).code).toBe('DECOMPRESS_FAILED')
  })

  it.each([
    ['gzip', gzipSync('text'.repeat(50))],
    ['raw deflate', deflateRawSync('text'.repeat(50))],
    ['brotli', brotliCompressSync('text'.repeat(50))],
    ['zlib that is cut off', deflateSync('text'.repeat(50)).subarray(0, -3)],
    [
      'zlib with its check sum changed',
      Buffer.concat([deflateSync('text'.repeat(50)).subarray(0, -1), Buffer.from([0])]),
    ],
    ['zlib with bytes behind it', Buffer.concat([deflateSync('text'.repeat(50)), Buffer.from('more')])],
  ])('that says ZLIB and is %s is a fault', async (_, body) => {
    expect((await faultBetween(storedBytes({ sysFlag: ZLIB, body }))).code).toBe('DECOMPRESS_FAILED')
  })

  interface Compressed {
    readonly type: string
    readonly name: string
    readonly base64: string
    readonly inputSize: number
    readonly sysFlag: number
  }
  const compressed = golden<Compressed>('compression').filter(({ name }) => name === 'a short text')
  const mixed = compressed.flatMap(({ type, base64, sysFlag }) =>
    compressed
      .filter((other) => other.type !== type)
      .map((other) => ({ type, body: Buffer.from(base64, 'base64'), said: other.type, flag: other.sysFlag, sysFlag })),
  )

  it.each(mixed)('of $type that says $said is a fault', async ({ body, flag, sysFlag }) => {
    expect((await decodeAll(storedBytes({ sysFlag, body })))[0]?.body.toString()).toBe('hello hello hello hello')
    expect((await faultBetween(storedBytes({ sysFlag: flag, body }))).code).toBe('DECOMPRESS_FAILED')
  })

  it.each([0x401, 0x501, 0x601, 0x701])(
    'of a type that is not known (0x%s) is a fault that says so',
    async (sysFlag) => {
      const fault = await faultBetween(storedBytes({ queueOffset: 3, sysFlag, body: deflateSync('text') }))
      expect(fault.code).toBe('COMPRESSION_UNSUPPORTED')
      expect(fault.message).toContain('queue offset 3 of TopicTest')
      expect(fault.message).toContain(sysFlag.toString(16))
    },
  )

  it('with a wrong CRC is a fault before anything is decompressed', async () => {
    const bad = patched((bytes) => bytes.writeInt32BE(1, AT.bodyCRC), { sysFlag: ZLIB, body: deflateSync('text') })
    expect((await faultBetween(bad)).code).toBe('BODY_CRC_MISMATCH')
  })

  it.each([1000, 200_000])('may come out as large as maxBodySize (%d), and not one byte larger', async (size) => {
    const body = storedBytes({ sysFlag: ZLIB, body: deflateSync(Buffer.alloc(size)) })
    expect((await decodeAll(body, { maxBodySize: size }))[0]?.body).toHaveLength(size)
    expect((await faultBetween(body, { maxBodySize: size - 1 })).code).toBe('BODY_TOO_LARGE')
  })

  const bombs = golden<Compressed>('compression').filter(({ name }) => name.startsWith('4 MiB'))

  it.each(bombs)('that is a bomb of $type stops at maxBodySize', async ({ base64, sysFlag, inputSize }) => {
    const body = storedBytes({ sysFlag, body: Buffer.from(base64, 'base64') })
    const fault = await faultBetween(body, { maxBodySize: inputSize - 1 })
    expect(fault.code).toBe('BODY_TOO_LARGE')
    expect(fault.message).toContain(String(inputSize - 1))
  })

  it('that would come out as a gigabyte takes little memory', async () => {
    const bomb = deflateSync(Buffer.alloc(64 * 1024 * 1024))
    const before = process.memoryUsage().arrayBuffers
    const faults = await Promise.all(
      Array.from({ length: 16 }, () =>
        decodeFault(storedBytes({ sysFlag: ZLIB, body: bomb }), { maxBodySize: 100_000 }),
      ),
    )
    expect(new Set(faults.map(({ code }) => code))).toEqual(new Set(['BODY_TOO_LARGE']))
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * 1024 * 1024)
  })

  it('can still be read as it was stored', () => {
    const body = storedBytes({ sysFlag: ZLIB, body: 'plain' })
    const raw = readStoredMessage(new ByteReader(body, 'MESSAGE_MALFORMED'), { brokerName: 'b', maxBodySize: 10 })
    expect(raw.body.toString()).toBe('plain')
    expect(raw.bodyCRC).toBe(crc32Of(raw.body))
  })
})

describe('properties', () => {
  it.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty'])('named %s are plain data', async (name) => {
    const [message] = await decodeAll(storedBytes({ properties: `${name}\u0001mine\u0002` }))
    expect(message?.property(name)).toBe('mine')
    expect(Object.entries(message?.properties ?? {})).toEqual([[name, 'mine']])
    expect(JSON.parse(JSON.stringify(message))).toHaveProperty('topic', 'TopicTest')
  })

  it('that are no UTF-8 are shown with replacement characters, and do not stop the message', async () => {
    const bytes = storedBytes({ properties: 'TAGS\u0001TagA\u0002' })
    bytes.writeUInt8(0xff, bytes.length - 2)
    expect((await decodeAll(bytes))[0]?.tags).toBe('Tag\ufffd')
  })
})
