import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest'
import { type CompressionType, isZstdWritable } from '../../src/codec/compression.js'
import { crc32 } from '../../src/codec/crc32.js'
import { DefaultProducer, type MessageExt, type ProducerOptions, PullConsumer } from '../../src/index.js'
import { jsonText, noise } from '../support/compressed-bodies.js'
import { uniqueName } from '../support/names.js'
import { PATIENCE } from '../support/patience.js'
import { readTopic } from '../support/read-topic.js'

const MIB = 1024 * 1024
const TYPES: readonly CompressionType[] = ['ZLIB', 'LZ4', 'ZSTD']
const WRITABLE = TYPES.filter((type) => type !== 'ZSTD' || isZstdWritable())
const TYPE_BITS = { ZLIB: 0x300, LZ4: 0x100, ZSTD: 0x200 } as const

/** The checksum is of the bytes as they are stored. */
const isStoredCompressed = (message: MessageExt) => crc32(message.body) !== message.bodyCRC

describe('compressed bodies and a real broker', () => {
  const namesrvAddr = inject('namesrvAddr')
  const consumer = new PullConsumer({ consumerGroup: uniqueName('cg'), namesrvAddr })

  beforeAll(() => consumer.start())
  afterAll(() => consumer.shutdown())

  async function startProducer(options: Partial<ProducerOptions>): Promise<DefaultProducer> {
    const producer = new DefaultProducer({ producerGroup: uniqueName('pg'), namesrvAddr, ...options })
    onTestFinished(() => producer.shutdown())
    await producer.start()
    return producer
  }

  it.each(WRITABLE)('are stored as %s from 4,096 bytes on, and read as they were', async (compressType) => {
    const producer = await startProducer({ compressType, ...PATIENCE })
    const topic = uniqueName('compressed')
    const bodies = [4095, 4096, 10_000, MIB, 4 * MIB].map((size) => jsonText(size).subarray(0, size))
    // In one queue, so that they come back in their order.
    for (const body of bodies) await producer.send({ topic, body, tags: 'A', shardingKey: 'one queue' })
    const messages = await readTopic(consumer, topic, bodies.length)
    expect(messages.map((message, i) => message.body.equals(bodies[i] as Buffer))).toEqual(bodies.map(() => true))
    expect(messages.map(isStoredCompressed)).toEqual([false, true, true, true, true])
    for (const message of messages.slice(1)) {
      expect(message.storeSize).toBeLessThan(message.body.length)
      expect(message.sysFlag & 0x700).toBe(TYPE_BITS[compressType])
      expect(message.tags).toBe('A')
    }
  })

  it('are not compressed where that makes them no smaller, nor in a batch', async () => {
    const producer = await startProducer({})
    const topic = uniqueName('plain')
    const bodies = [noise(50_000), jsonText(50_000), jsonText(5_000)]
    const [hard, ...easy] = bodies as [Buffer, Buffer, Buffer]
    await producer.send({ topic, body: hard })
    await producer.sendBatch(easy.map((body) => ({ topic, body })))
    const messages = await readTopic(consumer, topic, 3)
    expect(messages.map(isStoredCompressed)).toEqual([false, false, false])
    const lengths = messages.map(({ body }) => body.length).sort()
    expect(lengths).toEqual(bodies.map(({ length }) => length).sort())
  })

  it('are the same in the store for a message that is sent twice, and the message is as it was', async () => {
    const producer = await startProducer({ compressType: 'LZ4' })
    const message = Object.freeze({ topic: uniqueName('twice'), body: jsonText(20_000), shardingKey: 'one queue' })
    const copy = Buffer.from(message.body)
    await producer.send(message)
    await producer.send(message)
    expect(message.body.equals(copy)).toBe(true)
    const [first, second] = await readTopic(consumer, message.topic, 2)
    expect(first?.body.equals(copy)).toBe(true)
    expect([second?.bodyCRC, second?.storeSize]).toEqual([first?.bodyCRC, first?.storeSize])
  })

  it('sends 1,000 of them at once', async () => {
    const producer = await startProducer(PATIENCE)
    const topic = uniqueName('many')
    await producer.send({ topic, body: 'first' })
    const text = jsonText(20_000)
    const bodies = Array.from({ length: 1_000 }, (_, i) => text.subarray(i, 9_000 + (i % 7) * 1_000))
    await Promise.all(bodies.map((body, i) => producer.send({ topic, body, keys: String(i) })))
    const messages = await readTopic(consumer, topic, 1_001)
    const compressed = messages.filter(isStoredCompressed)
    expect(new Set(compressed.map(({ keys }) => keys[0])).size).toBe(1_000)
    for (const { keys, body } of compressed) expect(body.equals(bodies[Number(keys[0])] ?? Buffer.alloc(0))).toBe(true)
  })
})
