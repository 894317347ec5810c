import { deflateSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { encodeBatch } from '../../src/codec/batch-codec.js'
import type { StoredMessage } from '../../src/codec/stored-message.js'
import { fromHex, golden } from './golden.js'
import { crc32Of, decode, decodeAll, decodeFault, MAGIC_V2, storedBytes } from './stored-bytes.js'

interface JavaMessage {
  readonly topic: string
  readonly queueId: number
  readonly queueOffset: number | string
  readonly commitLogOffset: number | string
  readonly storeSize: number
  readonly msgId: string | null
  readonly offsetMsgId: string | null
  readonly tags: string | null
  readonly keys: string | null
  readonly properties: Readonly<Record<string, string>>
  readonly bodyLength: number
  readonly bodyCRC: number
  readonly sysFlag: number
  readonly flag: number
  readonly bornTimestamp: number
  readonly bornHost: string
  readonly storeTimestamp: number
  readonly storeHost: string
  readonly reconsumeTimes: number
  readonly preparedTransactionOffset: number
  readonly bodyHex: string | null
}

interface MessageCase {
  readonly name: string
  readonly hex: string
  readonly storedSysFlag: number
  readonly decoded: readonly JavaMessage[]
}

interface InnerBatchCase {
  readonly name: string
  readonly storedHex?: string
  readonly unwrapped?: readonly JavaMessage[]
}

const INNER_BATCH = 0x40 | 0x80
const isUnsafe = ({ decoded }: MessageCase) => decoded.some(({ queueOffset }) => typeof queueOffset === 'string')

const cases = golden<MessageCase>('messages')
const readable = cases.filter((one) => !isUnsafe(one))
const unsafe = cases.filter(isUnsafe)
const innerBatches = golden<InnerBatchCase>('batch').flatMap(({ name, storedHex, unwrapped }) =>
  storedHex === undefined || unwrapped === undefined ? [] : [{ name, hex: storedHex, decoded: unwrapped }],
)

/** Java prints all groups of an IPv6 address. */
function longHost(host: string): string {
  const [, ip = '', port] = /^\[(.*)\]:(\d+)$/.exec(host) ?? []
  if (ip === '') return host
  const [head = '', tail] = ip.split('::')
  const groups = (part: string) => (part === '' ? [] : part.split(':'))
  const missing = tail === undefined ? 0 : 8 - groups(head).length - groups(tail).length
  return `[${[...groups(head), ...Array<string>(missing).fill('0'), ...groups(tail ?? '')].join(':')}]:${port}`
}

function asJava(message: StoredMessage): JavaMessage {
  return {
    topic: message.topic,
    queueId: message.queueId,
    queueOffset: message.queueOffset,
    commitLogOffset: message.commitLogOffset,
    storeSize: message.storeSize,
    msgId: message.msgId,
    offsetMsgId: message.offsetMsgId,
    tags: message.tags ?? null,
    keys: message.keys.length === 0 ? null : message.keys.join(' '),
    properties: { ...message.properties },
    bodyLength: message.body.length,
    bodyCRC: message.bodyCRC,
    sysFlag: message.sysFlag,
    flag: message.flag,
    bornTimestamp: message.bornTimestamp,
    bornHost: longHost(message.bornHost),
    storeTimestamp: message.storeTimestamp,
    storeHost: longHost(message.storeHost),
    reconsumeTimes: message.reconsumeTimes,
    preparedTransactionOffset: message.preparedTransactionOffset,
    bodyHex: message.body.toString('hex'),
  }
}

/**
 * A part of an inner batch has here what the batch was stored with; Java leaves these at 0 and null.
 * And Java gives each part a WAIT of its own, because its setter writes a property.
 */
function withoutDifferences(own: JavaMessage, java: JavaMessage): JavaMessage {
  if ((own.sysFlag & INNER_BATCH) !== INNER_BATCH) return own
  expect([java.storeSize, java.bodyCRC, java.offsetMsgId]).toEqual([0, 0, null])
  expect(own.storeSize).toBeGreaterThan(own.bodyLength)
  return {
    ...own,
    storeSize: 0,
    bodyCRC: 0,
    offsetMsgId: null,
    msgId: own.msgId === own.offsetMsgId ? null : own.msgId,
    properties: { WAIT: 'true', ...own.properties },
  }
}

describe('messages that Java stored', () => {
  it.each([...readable, ...innerBatches])(
    'are read field by field as Java reads them: $name',
    async ({ hex, decoded }) => {
      const messages = await decodeAll(fromHex(hex))
      expect(messages).toHaveLength(decoded.length)
      decoded.forEach((java, index) => {
        const own = messages[index]
        if (own === undefined) throw new Error('not reached')
        expect(own.brokerName).toBe('broker-a')
        expect(withoutDifferences(asJava(own), java)).toEqual({ ...java, bodyHex: java.bodyHex ?? '' })
      })
    },
  )

  it.each(unsafe)('are refused, not rounded: $name', async ({ hex, decoded }) => {
    const fault = await decodeFault(fromHex(hex))
    expect(fault.code).toBe('INTEGER_OUT_OF_RANGE')
    expect(fault.message).toContain(`queue offset at byte 20 is ${decoded[0]?.queueOffset}`)
  })

  it('are read one after the other when all stand in one body', async () => {
    const messages = await decodeAll(Buffer.concat(readable.map(({ hex }) => fromHex(hex))))
    const java = readable.flatMap(({ decoded }) => decoded)
    expect(messages.map(({ topic, queueOffset }) => [topic, queueOffset])).toEqual(
      java.map(({ topic, queueOffset }) => [topic, queueOffset]),
    )
  })

  it('are read the same when the body is a view into a larger buffer', async () => {
    for (const { hex } of readable) {
      const bytes = fromHex(hex)
      const inside = Buffer.concat([Buffer.alloc(13, 0xff), bytes, Buffer.alloc(7, 0xff)]).subarray(
        13,
        13 + bytes.length,
      )
      expect((await decodeAll(inside)).map(asJava)).toEqual((await decodeAll(bytes)).map(asJava))
    }
  })
})

describe('decodeMessages', () => {
  it('gives no messages for an empty body', async () => {
    expect(await decode(Buffer.alloc(0))).toEqual({ messages: [], fault: undefined })
  })

  it.each([0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32, Number.MAX_SAFE_INTEGER, -1])(
    'reads 64-bit fields of %d',
    async (value) => {
      const [message] = await decodeAll(
        storedBytes({
          queueOffset: value,
          commitLogOffset: value,
          bornTimestamp: value,
          storeTimestamp: value,
          preparedTransactionOffset: value,
        }),
      )
      expect(message).toMatchObject({
        queueOffset: value,
        commitLogOffset: value,
        bornTimestamp: value,
        storeTimestamp: value,
        preparedTransactionOffset: value,
      })
    },
  )

  it('adds the offset of a static topic to every queue offset, also inside a batch', async () => {
    const batch = encodeBatch([
      { flag: 0, body: Buffer.from('a'), properties: '' },
      { flag: 0, body: Buffer.from('b'), properties: '' },
    ])
    const body = Buffer.concat([
      storedBytes({ queueOffset: 5 }),
      storedBytes({ queueOffset: 6, body: batch, sysFlag: INNER_BATCH }),
    ])
    const messages = await decodeAll(body, { offsetDelta: 2 ** 40 })
    expect(messages.map(({ queueOffset }) => queueOffset - 2 ** 40)).toEqual([5, 6, 7])
    expect((await decodeAll(body, { offsetDelta: -5 })).map(({ queueOffset }) => queueOffset)).toEqual([0, 1, 2])
  })

  it('reads a topic of 2-byte length after the V2 magic, however short it is', async () => {
    const topics = ['t', 'x'.repeat(127), 'x'.repeat(255), 'x'.repeat(32_767)]
    const bodies = topics.map((topic) => storedBytes({ topic, magic: MAGIC_V2 }))
    expect((await decodeAll(Buffer.concat(bodies))).map(({ topic }) => topic)).toEqual(topics)
  })

  it('steps by the total size, past fields that a newer server may have appended', async () => {
    const body = Buffer.concat([
      storedBytes({ queueOffset: 1, tail: Buffer.alloc(50, 0xff) }),
      storedBytes({ queueOffset: 2 }),
    ])
    expect((await decodeAll(body)).map(({ queueOffset }) => queueOffset)).toEqual([1, 2])
  })

  it('unwraps an inner batch that was compressed as a whole', async () => {
    const batch = encodeBatch([0, 1, 2].map((flag) => ({ flag, body: Buffer.from(`part ${flag}`), properties: '' })))
    const body = storedBytes({ body: deflateSync(batch), sysFlag: INNER_BATCH | 1, queueOffset: 40 })
    const messages = await decodeAll(body)
    expect(messages.map(({ queueOffset, body }) => `${queueOffset} ${body}`)).toEqual([
      '40 part 0',
      '41 part 1',
      '42 part 2',
    ])
    expect(messages.map(({ sysFlag }) => sysFlag)).toEqual([INNER_BATCH, INNER_BATCH, INNER_BATCH])
  })

  it('decompresses bodies beyond what one tick may hold, in the order in which they stand', async () => {
    const large = Buffer.alloc(1_000_000, 'large')
    const spread = Buffer.from(Array.from({ length: 60_000 }, (_, index) => (index * 7919) % 251))
    const plain = ['small', large, spread, 'last'].map((body) => Buffer.from(body as string))
    const body = Buffer.concat(
      plain.map((bytes, index) => storedBytes({ body: deflateSync(bytes), sysFlag: 1, queueOffset: index })),
    )
    const messages = await decodeAll(body)
    expect(messages.map(({ queueOffset }) => queueOffset)).toEqual([0, 1, 2, 3])
    expect(messages.map((message, index) => message.body.equals(plain[index] ?? Buffer.alloc(0)))).toEqual([
      true,
      true,
      true,
      true,
    ])
  })

  it('keeps the CRC of the body as it was stored', async () => {
    const compressed = deflateSync('hello')
    const [message] = await decodeAll(storedBytes({ body: compressed, sysFlag: 1 }))
    expect(message?.bodyCRC).toBe(crc32Of(compressed))
    expect(message?.body.toString()).toBe('hello')
  })
})
