import { setImmediate as turn } from 'node:timers/promises'
import { deflateSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { decodeBatch } from '../../src/codec/batch-codec.js'
import { type CompressionType, compressionTypeOf, decompressSync, isZstdWritable } from '../../src/codec/compression.js'
import { UniqueIdGenerator } from '../../src/codec/message-id.js'
import type { RemotingCommand } from '../../src/codec/remoting-command.js'
import { ClientError } from '../../src/errors.js'
import type { Message } from '../../src/message/message.js'
import { MessageSysFlag } from '../../src/message/sys-flag.js'
import { BodyCompression } from '../../src/producer/body-compression.js'
import { DefaultProducer } from '../../src/producer/default-producer.js'
import { toOutgoingMessage } from '../../src/producer/outgoing-message.js'
import { type ProducerOptions, resolveProducerOptions } from '../../src/producer/producer-options.js'
import { bodies, jsonText, noise } from '../support/compressed-bodies.js'
import { connected, startedProducer } from '../support/members-under-test.js'
import { Code, type ScriptedBroker, scriptedCluster } from '../support/scripted-cluster.js'
import { rejectionOf, until } from '../support/until.js'

const MIB = 1024 * 1024
const TYPES: readonly CompressionType[] = ['ZLIB', 'LZ4', 'ZSTD']
const WRITABLE = TYPES.filter((type) => type !== 'ZSTD' || isZstdWritable())
const FLAGS = { ZLIB: 0x301, LZ4: 0x101, ZSTD: 0x201 } as const
const SYSTEM_BUSY = 2
const PLAIN = 0

const sysFlagOf = (request: RemotingCommand) => Number(request.field('f'))

/** The body as it was given, whether it came compressed or not. */
function bodyOf(request: RemotingCommand): Buffer {
  const sysFlag = sysFlagOf(request)
  if ((sysFlag & MessageSysFlag.COMPRESSED) === 0) return request.body
  const type = compressionTypeOf(sysFlag)
  if (type === undefined) throw new Error(`sysFlag ${sysFlag} names no compression`)
  return decompressSync(type, request.body, 16 * MIB)
}

async function setUp(options: Partial<ProducerOptions> = {}): Promise<{
  broker: ScriptedBroker
  producer: DefaultProducer
}> {
  const cluster = await scriptedCluster()
  return { broker: cluster.broker(), producer: await connected(await startedProducer(cluster, options)) }
}

/** Sends one message and answers with the request that came. */
async function sent(message: Omit<Message, 'topic'>, options: Partial<ProducerOptions> = {}): Promise<RemotingCommand> {
  const { broker, producer } = await setUp(options)
  await producer.send({ topic: 'T', ...message })
  return until(() => broker.sends[0])
}

describe('a body', () => {
  it.each([
    [4095, PLAIN],
    [4096, FLAGS.ZLIB],
    [4097, FLAGS.ZLIB],
  ])('of %d bytes has the sysFlag %d', async (size, sysFlag) => {
    const body = Buffer.alloc(size, 'abcdefg')
    const request = await sent({ body })
    expect(sysFlagOf(request)).toBe(sysFlag)
    expect(request.body.length < size).toBe(sysFlag !== PLAIN)
    expect(bodyOf(request).equals(body)).toBe(true)
  })

  it('that is a text is measured in bytes', async () => {
    expect(sysFlagOf(await sent({ body: 'ä'.repeat(2047) }))).toBe(PLAIN)
    const request = await sent({ body: 'ä'.repeat(2048) })
    expect(sysFlagOf(request)).toBe(FLAGS.ZLIB)
    expect(bodyOf(request).toString()).toBe('ä'.repeat(2048))
  })

  it.each([
    [99, PLAIN],
    [100, FLAGS.ZLIB],
  ])('of %d bytes has the sysFlag %d where compressBodyOver is 100', async (size, sysFlag) => {
    expect(sysFlagOf(await sent({ body: 'x'.repeat(size) }, { compressBodyOver: 100 }))).toBe(sysFlag)
  })

  it.each(WRITABLE)('is compressed with %s where that is wanted', async (compressType) => {
    const body = jsonText(100_000)
    const request = await sent({ body }, { compressType })
    expect(sysFlagOf(request)).toBe(FLAGS[compressType])
    expect(request.body.length).toBeLessThan(body.length / 2)
    expect(bodyOf(request).equals(body)).toBe(true)
  })

  it.each(WRITABLE)('that %s would not make smaller is sent as it is', async (compressType) => {
    const body = noise(8192)
    const request = await sent({ body }, { compressType })
    expect(sysFlagOf(request)).toBe(PLAIN)
    expect(request.body.equals(body)).toBe(true)
  })

  it.each([10_000, 50_000])('of %d bytes has the level that is wanted', async (size) => {
    const body = jsonText(size)
    for (const [options, level] of [
      [{ compressLevel: 1 }, 1] as const,
      [{ compressLevel: 9 }, 9] as const,
      [{}, 5] as const,
    ]) {
      const request = await sent({ body }, options)
      expect(request.body.equals(deflateSync(body, { level }))).toBe(true)
    }
    expect(deflateSync(body, { level: 1 }).length).toBeGreaterThan(deflateSync(body, { level: 9 }).length)
    // Nothing gets smaller on level 0.
    expect(sysFlagOf(await sent({ body }, { compressLevel: 0 }))).toBe(PLAIN)
    expect(sysFlagOf(await sent({ body }, { compressType: 'LZ4', compressLevel: 7 }))).toBe(FLAGS.LZ4)
  })

  it.each(WRITABLE.filter((type) => type === 'ZSTD'))('has the level that is wanted of %s', async (compressType) => {
    for (const size of [10_000, 50_000]) {
      const low = await sent({ body: jsonText(size) }, { compressType, compressLevel: 1 })
      const high = await sent({ body: jsonText(size) }, { compressType, compressLevel: 19 })
      expect(low.body.length).toBeGreaterThan(high.body.length)
      expect(bodyOf(high).equals(jsonText(size))).toBe(true)
    }
  })

  it('keeps the other bits and fields of its message', async () => {
    const message = { topic: 'T', body: jsonText(5000), tags: 'A', keys: ['k'], flag: 7, properties: { own: 'x' } }
    const request = await sent(message)
    expect(request.field('h')).toBe('7')
    expect(request.field('i')).toMatch(/TAGS.A.KEYS.k.WAIT.true.own.x.$/s)
  })

  it('that is sent oneway is compressed too', async () => {
    const { broker, producer } = await setUp()
    await producer.sendOneway({ topic: 'T', body: jsonText(5000) })
    const request = await until(() => broker.sends[0])
    expect(sysFlagOf(request)).toBe(FLAGS.ZLIB)
    expect(bodyOf(request).equals(jsonText(5000))).toBe(true)
  })

  it('is never compressed in a batch, which brokers could not split then', async () => {
    const { broker, producer } = await setUp()
    const body = jsonText(100_000)
    await producer.sendBatch([
      { topic: 'T', body },
      { topic: 'T', body: 'x' },
    ])
    const request = await until(() => broker.sends[0])
    expect(sysFlagOf(request)).toBe(PLAIN)
    expect(decodeBatch(request.body).map((part) => part.body.length)).toEqual([body.length, 1])
  })

  test.each(WRITABLE)('of any size and content comes back from %s as it was', async (compressType) => {
    const { broker, producer } = await setUp({ compressType, compressBodyOver: 1 })
    const samples = fc.sample(bodies(20_000), { numRuns: 60, seed: 7 }).filter((body) => body.length > 0)
    for (const body of samples) await producer.send({ topic: 'T', body })
    const received = broker.sends.map(bodyOf)
    expect(received.map((body, i) => body.equals(samples[i] as Buffer))).toEqual(samples.map(() => true))
    expect(broker.sends.some((request) => sysFlagOf(request) === FLAGS[compressType])).toBe(true)
  })
})

describe("the caller's message", () => {
  it.each(WRITABLE)('is not touched by %s, nor are its bytes', async (compressType) => {
    const { broker, producer } = await setUp({ compressType })
    // Views in the middle of other bytes.
    const slab = jsonText(30_000)
    const copy = Buffer.from(slab)
    const message = Object.freeze({ topic: 'T', body: slab.subarray(5_000, 25_000), tags: 'A' })
    await producer.send(message)
    await producer.send(message)
    expect(slab.equals(copy)).toBe(true)
    expect(message).toEqual({ topic: 'T', body: copy.subarray(5_000, 25_000), tags: 'A' })
    const [first, second] = broker.sends
    expect(first?.body.equals(second?.body ?? Buffer.alloc(0))).toBe(true)
    expect(first && bodyOf(first).equals(message.body)).toBe(true)
  })

  it('may change as soon as the send has begun: what is compressed is the body as it was', async () => {
    const { broker, producer } = await setUp({ compressType: 'LZ4' })
    const body = jsonText(3 * MIB)
    const copy = Buffer.from(body)
    const sending = producer.send({ topic: 'T', body })
    body.fill(0)
    await sending
    expect(broker.sends.map((request) => bodyOf(request).equals(copy))).toEqual([true])
  })

  it.each(WRITABLE)('is sent again byte for byte, compressed once by %s', async (compressType) => {
    const { broker, producer } = await setUp({ compressType })
    let attempts = 0
    broker.scripts.set(Code.SEND, (request, connection) => {
      if (++attempts <= 2) connection.answer(request, { code: SYSTEM_BUSY })
      else broker.store(request, connection)
    })
    const body = jsonText(50_000)
    await producer.send({ topic: 'T', body })
    const [first, ...others] = broker.sends
    expect(others).toHaveLength(2)
    for (const other of others) {
      expect(other.body.equals(first?.body ?? Buffer.alloc(0))).toBe(true)
      expect([other.field('f'), other.field('i')]).toEqual([first?.field('f'), first?.field('i')])
    }
    expect(first && bodyOf(first).equals(body)).toBe(true)
  })
})

describe('a body of 4 MiB', () => {
  /** What happens in which order while a body is compressed: turns of the event loop, and the end. */
  async function eventsDuring(compressType: CompressionType): Promise<string[]> {
    const options = resolveProducerOptions({ producerGroup: 'p', compressType }, 'Test')
    const compression = new BodyCompression(options)
    const outgoing = toOutgoingMessage(
      { topic: 'T', body: jsonText(4 * MIB).subarray(0, 4 * MIB) },
      4 * MIB,
      new UniqueIdGenerator(),
    )
    const events: string[] = []
    let isDone = false
    const compressing = compression.apply(outgoing).then(({ body }) => {
      events.push(body.length < outgoing.body.length ? 'compressed' : 'not compressed')
      isDone = true
    })
    events.push('begun')
    while (!isDone) {
      await turn()
      events.push('turn')
    }
    await compressing
    return events
  }

  it.each(WRITABLE)('lets the event loop turn while %s works', async (compressType) => {
    const events = await eventsDuring(compressType)
    expect(events.slice(0, 3)).toEqual(['begun', 'turn', 'turn'])
    expect(events).toContain('compressed')
  })

  it.each(WRITABLE)('is overtaken by a small one that is sent after it, while %s works', async (compressType) => {
    const { broker, producer } = await setUp({ compressType })
    const large = producer.send({ topic: 'T', body: jsonText(4 * MIB).subarray(0, 4 * MIB) }, { timeout: 20_000 })
    const small = producer.send({ topic: 'T', body: 'small' })
    await Promise.all([large, small])
    expect(broker.sends.map((request) => bodyOf(request).length)).toEqual([5, 4 * MIB])
  })
})

describe('many bodies at once', () => {
  it.each(WRITABLE.flatMap((type) => [[type, 4096, 1_000] as const, [type, 100_000, 40] as const]))(
    'are compressed by %s, each as if it were alone, and the event loop turns meanwhile: %d bytes, %d times',
    async (compressType, size, count) => {
      const compression = new BodyCompression(resolveProducerOptions({ producerGroup: 'p', compressType }, 'Test'))
      const ids = new UniqueIdGenerator()
      const text = jsonText(size + count)
      let done = 0
      const compressing = Array.from({ length: count }, async (_, i) => {
        const body = text.subarray(i, i + size)
        const compressed = await compression.apply(toOutgoingMessage({ topic: 'T', body }, 4 * MIB, ids))
        done++
        return decompressSync(compressType, Buffer.from(compressed.body), size).equals(body)
      })
      const seen = new Set<number>()
      while (done < count) {
        seen.add(done)
        await turn()
      }
      expect((await Promise.all(compressing)).every((isSame) => isSame)).toBe(true)
      expect(seen.size).toBeGreaterThan(2)
    },
  )

  it('keep no more memory than they have bytes', async () => {
    const compression = new BodyCompression(resolveProducerOptions({ producerGroup: 'p' }, 'Test'))
    const ids = new UniqueIdGenerator()
    for (const size of [4096, 100_000]) {
      const outgoing = toOutgoingMessage({ topic: 'T', body: jsonText(size) }, 4 * MIB, ids)
      const { body } = await compression.apply(outgoing)
      expect(body.buffer.byteLength).toBeLessThanOrEqual(2 * body.length)
    }
  })
})

describe('the options of compression', () => {
  const make = (options: object) => () => new DefaultProducer({ producerGroup: 'p', namesrvAddr: 'h:1', ...options })

  if (isZstdWritable()) {
    it('may name ZSTD, which this Node writes', () => {
      expect(make({ compressType: 'ZSTD' })).not.toThrow()
    })
  } else {
    it('may not name ZSTD, which this Node does not write: COMPRESSION_UNSUPPORTED says what to do', () => {
      const error = expect.objectContaining({
        name: 'ClientError',
        code: 'COMPRESSION_UNSUPPORTED',
        message: expect.stringMatching(/Node 2\d\.\d+\.\d+ can't write.*22\.15 or later, or 'ZLIB' or 'LZ4'/),
      })
      expect(make({ compressType: 'ZSTD' })).toThrow(error as unknown as Error)
    })
  }

  it.each([
    { compressType: 'GZIP' },
    { compressLevel: 10 },
    { compressLevel: -1 },
    { compressLevel: 2.5 },
    { compressType: 'ZSTD', compressLevel: 0 },
    { compressType: 'ZSTD', compressLevel: 23 },
    { compressBodyOver: 0 },
    { compressBodyOver: '4k' },
  ])('are refused when they are %j', (options) => {
    expect(make(options)).toThrow(ClientError)
    expect(make(options)).toThrow(/INVALID_OPTION|compress/)
  })

  it('leave maxMessageSize to the plain body: what would fit only compressed is refused', async () => {
    const { broker, producer } = await setUp({ maxMessageSize: 10_000 })
    const error = await rejectionOf(producer.send({ topic: 'T', body: 'x'.repeat(10_001) }))
    expect(error).toMatchObject({ code: 'MESSAGE_TOO_LARGE' })
    expect(broker.sends).toEqual([])
  })
})
