import { describe, expect, it, onTestFinished, vi } from 'vitest'
import type { PullConsumer } from '../../src/consumer/pull-consumer.js'
import type { PullResult } from '../../src/consumer/pull-result.js'
import { MessageError } from '../../src/errors.js'
import { silentLogger } from '../../src/logger.js'
import { startedConsumer } from '../support/members-under-test.js'
import { Code, type ScriptedCluster, scriptedCluster } from '../support/scripted-cluster.js'
import { answerPull, pullAnswer, storedMessage } from '../support/stored-message-bytes.js'
import { rejectionOf } from '../support/until.js'

const queue = { topic: 'T', brokerName: 'broker-a', queueId: 0 }
const SUCCESS = 0
const first = storedMessage({ queueOffset: 10, body: 'first' })
const second = storedMessage({ queueOffset: 11, body: 'second', properties: { a: 'b' } })

/** Pulls at 10 what the broker answers with these bytes; it says that the queue goes on at 12. */
async function pull(body: Uint8Array, nextBeginOffset = 12): Promise<PullResult & { errors: unknown[] }> {
  const { cluster, consumer } = await setUp()
  cluster.broker().scripts.set(Code.PULL, answerPull(SUCCESS, { nextBeginOffset }, body))
  const errors: unknown[] = []
  consumer.on('error', (event) => errors.push(event))
  return { ...(await consumer.pull(queue, { offset: 10 })), errors }
}

async function setUp(): Promise<{ cluster: ScriptedCluster; consumer: PullConsumer }> {
  const cluster = await scriptedCluster()
  return { cluster, consumer: await startedConsumer(cluster) }
}

/** A copy with other bytes at one place. */
function changed(message: Buffer, position: number, bytes: readonly number[]): Buffer {
  const copy = Buffer.from(message)
  copy.set(bytes, position)
  return copy
}

const BODY_LENGTH_AT = 84
const bodyEnd = (body: string) => BODY_LENGTH_AT + 4 + body.length
const BAD_MESSAGES: [string, Buffer][] = [
  ['a total size of 0', changed(second, 0, [0, 0, 0, 0])],
  ['a negative total size', changed(second, 0, [255, 255, 255, 255])],
  ['a total size beyond the end', changed(second, 0, [0, 0, 255, 255])],
  ['a total size that is too small', changed(second, 0, [0, 0, 0, 40])],
  ['an unknown magic code', changed(second, 4, [1, 2, 3, 4])],
  ['a wrong CRC', changed(second, 8, [1, 2, 3, 4])],
  ['a damaged body', changed(second, BODY_LENGTH_AT + 5, [0])],
  ['a negative body length', changed(second, BODY_LENGTH_AT, [255, 0, 0, 0])],
  ['a body length beyond the end', changed(second, BODY_LENGTH_AT, [0, 0, 9, 0])],
  ['a topic length beyond the end', changed(second, bodyEnd('second'), [200])],
  ['a negative property length', changed(second, bodyEnd('second') + 2, [255, 255])],
  ['a property length beyond the end', changed(second, bodyEnd('second') + 2, [1, 0])],
  ['an offset beyond 2^53', changed(second, 20, [0, 0x20, 0, 0, 0, 0, 0, 0])],
  ['a body that is no ZLIB', storedMessage({ queueOffset: 11, body: 'not compressed', sysFlag: 0x1 })],
  ['an unknown compression', storedMessage({ queueOffset: 11, body: 'x', sysFlag: 0x701 })],
  ['bytes that are no message', Buffer.from('trailing bytes')],
]

describe('a pulled message that can not be read', () => {
  it.each(BAD_MESSAGES)('ends the result before it, and the offset stays there: %s', async (_what, bad) => {
    const result = await pull(Buffer.concat([first, bad]))
    expect(result.messages.map((message) => message.body.toString())).toEqual(['first'])
    expect(result).toMatchObject({ pullStatus: 'FOUND', nextBeginOffset: 11 })
    expect(result.fault).toBeInstanceOf(MessageError)
    expect(result.fault?.message).toContain('pulling T broker-a[0] at 10 from 127.0.0.1')
    expect(result.errors).toEqual([{ error: result.fault, what: 'a pulled message can not be read' }])
  })

  it.each(BAD_MESSAGES)('makes the call reject when it is the first one: %s', async (_what, bad) => {
    const error = await rejectionOf(pull(Buffer.concat([bad, second])))
    expect(error).toBeInstanceOf(MessageError)
    expect(error).toMatchObject({ retryable: true })
    expect(error.message).toContain('pulling T broker-a[0] at 10')
  })

  it('may be cut off at any byte: what came before it is delivered, and nothing is skipped', async () => {
    const { cluster, consumer } = await setUp()
    const body = Buffer.concat([first, second])
    let cut = 0
    cluster
      .broker()
      .scripts.set(Code.PULL, (request, connection) =>
        connection.answer(request, pullAnswer(SUCCESS, { nextBeginOffset: 12 }, body.subarray(0, cut))),
      )
    const delivered: number[] = []
    // Cut between the two, it is a whole answer, as of a broker that filtered the second one out.
    const isWhole = () => cut === first.length || cut === body.length
    for (cut = 0; cut <= body.length; cut++) {
      const result = await consumer.pull(queue, { offset: 10 }).catch((error: unknown) => error)
      if (result instanceof MessageError) {
        delivered.push(0)
        continue
      }
      const { messages, nextBeginOffset, fault } = result as PullResult
      delivered.push(messages.length)
      expect(nextBeginOffset).toBe(isWhole() ? 12 : 11)
      expect(fault === undefined).toBe(isWhole())
    }
    const expected = Array.from({ length: body.length + 1 }, (_, at) =>
      at < first.length ? 0 : at < body.length ? 1 : 2,
    )
    expect(delivered).toEqual(expected)
  })

  it('goes to the logger when nobody listens', async () => {
    const error = vi.fn()
    const cluster = await scriptedCluster()
    const consumer = await startedConsumer(cluster, { logger: { ...silentLogger, error } })
    cluster
      .broker()
      .scripts.set(Code.PULL, answerPull(SUCCESS, { nextBeginOffset: 12 }, Buffer.concat([first, Buffer.alloc(9)])))
    const { fault } = await consumer.pull(queue, { offset: 10 })
    expect(error).toHaveBeenCalledWith('a pulled message can not be read', { error: fault })
  })

  it('is found again at the same offset, until it can be read', async () => {
    const { cluster, consumer } = await setUp()
    const bad = changed(second, 8, [1, 2, 3, 4])
    cluster.broker().scripts.set(Code.PULL, answerPull(SUCCESS, { nextBeginOffset: 12 }, Buffer.concat([first, bad])))
    const { nextBeginOffset } = await consumer.pull(queue, { offset: 10 })
    cluster.broker().scripts.set(Code.PULL, answerPull(SUCCESS, { nextBeginOffset: 12 }, bad))
    await rejectionOf(consumer.pull(queue, { offset: nextBeginOffset }))
    cluster.broker().scripts.set(Code.PULL, answerPull(SUCCESS, { nextBeginOffset: 12 }, second))
    const result = await consumer.pull(queue, { offset: nextBeginOffset })
    expect(result.messages.map((message) => message.queueOffset)).toEqual([11])
  })

  it('does not cost the connection', async () => {
    const { cluster, consumer } = await setUp()
    cluster.broker().scripts.set(Code.PULL, answerPull(SUCCESS, { nextBeginOffset: 12 }, Buffer.alloc(100)))
    for (let i = 0; i < 5; i++) await rejectionOf(consumer.pull(queue, { offset: 10 }))
    expect(cluster.broker().server.connections).toHaveLength(1)
  })
})

describe('an answer whose next offset does not fit its messages', () => {
  const both = Buffer.concat([first, second])

  it.each([
    ['at the last one', 11],
    ['before the first one', 9],
    ['at 0', 0],
    ['below 0', -1],
  ])('delivers them and goes on behind the last one: it says %s', async (_what, nextBeginOffset) => {
    const result = await pull(both, nextBeginOffset)
    expect(result.messages).toHaveLength(2)
    expect(result.nextBeginOffset).toBe(12)
    expect(result.fault?.message).toContain(`ending at 11 says that queue 0 goes on from 10 at ${nextBeginOffset}`)
    expect(result.errors).toHaveLength(1)
  })

  it('rejects when there is no message at all: nothing may be skipped', async () => {
    const error = await rejectionOf(pull(Buffer.alloc(0)))
    expect(error).toBeInstanceOf(MessageError)
    expect(error.message).toContain('without a message')
  })

  it('rejects when all messages lie before the offset that was asked for', async () => {
    const old = storedMessage({ queueOffset: 3 })
    for (const next of [4, 12]) {
      const error = await rejectionOf(pull(old, next))
      expect(error).toBeInstanceOf(MessageError)
      expect(error.message).toContain('ending at 3')
    }
  })
})

describe('a hostile body', () => {
  it('that would blow up when it is decompressed is refused at maxMessageSize', async () => {
    const { deflateSync } = await import('node:zlib')
    const bomb = deflateSync(Buffer.alloc(64 * 1024 * 1024))
    const message = storedMessage({ queueOffset: 11, body: bomb, sysFlag: 0x1 })
    const before = process.memoryUsage().arrayBuffers
    const result = await pull(Buffer.concat([first, message]))
    expect(result.fault).toMatchObject({ code: 'BODY_TOO_LARGE' })
    expect(result.nextBeginOffset).toBe(11)
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(32 * 1024 * 1024)
  })

  it('may have property names such as __proto__: they are plain data', async () => {
    onTestFinished(() => expect(Object.keys(Object.prototype)).toEqual([]))
    const body = storedMessage({ queueOffset: 10, properties: JSON.parse('{"__proto__":"a","constructor":"b"}') })
    const result = await pull(body, 11)
    expect(Object.entries(result.messages[0]?.properties ?? {})).toEqual(
      expect.arrayContaining([
        ['__proto__', 'a'],
        ['constructor', 'b'],
      ]),
    )
  })
})
