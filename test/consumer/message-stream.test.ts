import { Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { describe, expect, it } from 'vitest'
import type { MessageExt } from '../../src/message/message.js'
import { litePullConsumer, litePullSetUp, positionOf, QUEUE } from '../support/lite-pull-under-test.js'
import { startedConsumer } from '../support/members-under-test.js'
import { pushConsumer, pushSetUp } from '../support/push-consumer-under-test.js'
import { Code } from '../support/scripted-cluster.js'
import { GroupCode } from '../support/scripted-group.js'
import { staySilent } from '../support/scripted-server.js'
import { rejectionOf, turns, until } from '../support/until.js'
import { offsetsOf } from './stored-messages.js'

const SYSTEM_ERROR = 1
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i)

/** The offsets of messages, up to one that has this offset. */
async function read(messages: AsyncIterable<MessageExt>, last: number): Promise<number[]> {
  const offsets: number[] = []
  for await (const { queueOffset } of messages) {
    offsets.push(queueOffset)
    if (queueOffset === last) break
  }
  return offsets
}

describe('a loop over a lite pull consumer', () => {
  async function subscribed(options: Parameters<typeof litePullSetUp>[0] = {}, queueCount = 1) {
    const setUp = await litePullSetUp(options, queueCount)
    await setUp.consumer.subscribe('T')
    return setUp
  }

  it('starts it, gets one message after the other, and waits for more', async () => {
    const { consumer, queue } = await subscribed()
    queue.fill(50)
    const offsets = read(consumer, 59)
    await until(() => positionOf(consumer) === 50)
    queue.fill(10)
    expect(await offsets).toEqual(range(0, 60))
  })

  it('has consumed what it asked beyond: that is stored, and the next loop goes on with what it had', async () => {
    const { consumer, queue, offsets } = await subscribed()
    queue.fill(10)
    expect(await read(consumer, 3)).toEqual([0, 1, 2, 3])
    expect(offsets.stored.get('T-0')).toBe(3)
    expect(await read(consumer, 5)).toEqual([3, 4, 5])
    expect(offsetsOf(await consumer.poll())).toEqual([5, 6, 7, 8, 9])
  })

  it('goes on behind a message that was committed or acknowledged before it was left', async () => {
    const { consumer, queue, offsets } = await subscribed()
    queue.fill(10)
    for await (const { queueOffset } of consumer) {
      if (queueOffset < 2) continue
      await consumer.commit()
      break
    }
    expect(offsets.stored.get('T-0')).toBe(3)
    const messages = consumer.messages()
    for await (const message of messages) {
      expect(message.queueOffset).toBe(3)
      messages.ack(message)
      break
    }
    expect(await read(consumer, 5)).toEqual([4, 5])
  })

  it('has its message again when its body threw', async () => {
    const { consumer, queue } = await subscribed()
    queue.fill(3)
    const run = async () => {
      for await (const { queueOffset } of consumer) if (queueOffset === 1) throw new Error('no')
    }
    expect(await rejectionOf(run())).toMatchObject({ message: 'no' })
    expect(await read(consumer, 2)).toEqual([1, 2])
  })

  it('ends when the consumer is shut down, which waits for it and stores what it consumed', async () => {
    const { consumer, queue, offsets } = await subscribed()
    queue.fill(10)
    const seen: number[] = []
    let shutdown: Promise<void> | undefined
    for await (const { queueOffset } of consumer) {
      seen.push(queueOffset)
      if (queueOffset !== 4) continue
      shutdown = consumer.shutdown()
      await turns()
      expect(offsets.stored.get('T-0')).not.toBe(5)
    }
    await shutdown
    expect(seen).toEqual(range(0, 5))
    expect(offsets.stored.get('T-0')).toBe(5)
    const late = async () => {
      for await (const _ of consumer) throw new Error('nothing is expected')
    }
    expect(await rejectionOf(late())).toMatchObject({ code: 'CLOSED' })
  })

  it('ends when the consumer is shut down while it begins', async () => {
    const { consumer, broker } = await subscribed()
    broker.scripts.set(GroupCode.CONSUMER_LIST, staySilent)
    const next = consumer[Symbol.asyncIterator]().next()
    await until(() => broker.server.requestsOf(GroupCode.CONSUMER_LIST).length > 0)
    await consumer.shutdown()
    expect(await next).toEqual({ done: true, value: undefined })
  })

  it('is not waited for without end, and what it had is told of', async () => {
    const { consumer, queue, offsets } = await subscribed()
    queue.fill(3)
    const left: unknown[] = []
    consumer.on('left', ({ queues }) => left.push(...queues))
    const loop = consumer[Symbol.asyncIterator]()
    const { value } = await loop.next()
    await consumer.shutdown({ timeout: 20 })
    expect(left).toEqual([{ queue: QUEUE, msgIds: [value.msgId] }])
    expect(await loop.next()).toEqual({ done: true, value: undefined })
    expect(offsets.stored.get('T-0')).toBe(0)
  })

  it('stores nothing where autoCommit is false, but what is committed', async () => {
    const { consumer, queue, offsets } = await subscribed({ autoCommit: false })
    queue.fill(5)
    await read(consumer, 3)
    expect(offsets.stored.get('T-0') ?? 0).toBe(0)
    await consumer.commit()
    expect(offsets.stored.get('T-0')).toBe(3)
  })

  it('shares the messages with other loops, none twice', async () => {
    const { consumer, queues } = await subscribed({}, 3)
    for (const queue of queues) queue.fill(20)
    const seen: string[] = []
    const abort = new AbortController()
    const worker = async () => {
      for await (const { queueId, queueOffset } of consumer.messages({ signal: abort.signal })) {
        seen.push(`${queueId}:${queueOffset}`)
        await turns(1)
        if (seen.length >= 60) abort.abort()
      }
    }
    await Promise.all([worker(), worker(), worker(), worker()])
    expect(seen.toSorted()).toEqual(
      range(0, 3)
        .flatMap((id) => range(0, 20).map((offset) => `${id}:${offset}`))
        .toSorted(),
    )
    expect(consumer.health().queues.map(({ commitOffset }) => commitOffset)).toEqual([20, 20, 20])
  })

  it('holds up the offset for a message that another loop still has', async () => {
    const { consumer, queue } = await subscribed()
    queue.fill(10)
    const slow = consumer[Symbol.asyncIterator]()
    await slow.next()
    expect(await read(consumer, 9)).toEqual(range(1, 10))
    expect(positionOf(consumer)).toBe(0)
    await slow.next()
    expect(positionOf(consumer)).toBe(9)
  })

  it('gets nothing older after a seek', async () => {
    const { consumer, queue } = await subscribed()
    queue.fill(50)
    const seen: number[] = []
    for await (const { queueOffset } of consumer) {
      seen.push(queueOffset)
      if (queueOffset === 2 && seen.length === 3) await consumer.seek(QUEUE, 40)
      if (queueOffset === 44) break
    }
    expect(seen).toEqual([0, 1, 2, ...range(40, 45)])
  })

  it('reads no further ahead than the limits allow, however slow it is', async () => {
    const { consumer, queue } = await subscribed({ pullBatchSize: 4, pullThresholdForQueue: 8 })
    queue.fill(100)
    let most = 0
    for await (const { queueOffset } of consumer) {
      await turns(1)
      most = Math.max(most, consumer.health().cachedCount)
      if (queueOffset === 60) break
    }
    expect(most).toBe(8)
  })

  it('lets timers and sockets go on while there are always messages', async () => {
    const { consumer, queue } = await subscribed({ pullBatchSize: 1024 })
    await consumer.start()
    queue.fill(900)
    await until(() => consumer.health().cachedCount === 900)
    let turnsInLoop = 0
    const count = () => {
      turnsInLoop++
      immediate = setImmediate(count)
    }
    let immediate = setImmediate(count)
    expect(await read(consumer, 899)).toHaveLength(900)
    clearImmediate(immediate)
    expect(turnsInLoop).toBeGreaterThan(20)
  })

  it('throws what its start throws', async () => {
    const consumer = litePullConsumer({ namesrvAddr: '127.0.0.1:1' })
    expect(await rejectionOf(read(consumer, 0))).toMatchObject({ code: 'CONNECT_FAILED' })
  })
})

describe('a stream of node over a lite pull consumer', () => {
  it('has the messages, asks for them as it can take them, and is destroyed without losing one', async () => {
    const { consumer, queue, offsets } = await litePullSetUp()
    await consumer.subscribe('T')
    queue.fill(100)
    const stream = Readable.from(consumer)
    const seen: number[] = []
    for await (const message of stream as AsyncIterable<MessageExt>) {
      seen.push(message.queueOffset)
      await turns(1)
      // Those that the stream has in its own buffer count as consumed: it has asked beyond them.
      expect(positionOf(consumer)).toBeLessThanOrEqual(message.queueOffset + 3)
      if (message.queueOffset === 20) break
    }
    expect(stream.destroyed).toBe(true)
    await until(() => consumer.health().inFlight === 0)
    expect(seen).toEqual(range(0, 21))
    expect(positionOf(consumer)).toBeLessThanOrEqual(23)
    await consumer.shutdown()
    expect(offsets.stored.get('T-0')).toBeLessThanOrEqual(23)
  })

  it('is part of a pipeline, which it ends when the consumer is shut down', async () => {
    const { consumer, queue } = await litePullSetUp()
    await consumer.subscribe('T')
    queue.fill(10)
    const bodies: string[] = []
    const bodyOf = new Transform({
      objectMode: true,
      transform: (message: MessageExt, _, done) => done(null, message.body.toString()),
    })
    await pipeline(Readable.from(consumer), bodyOf, async (lines: AsyncIterable<string>) => {
      for await (const line of lines) {
        bodies.push(line)
        if (bodies.length === 10) void consumer.shutdown()
      }
    })
    expect(bodies).toEqual(range(0, 10).map((i) => `body ${i}`))
  })

  it('that is destroyed by an error gives back what it has', async () => {
    const { consumer, queue } = await litePullSetUp()
    await consumer.subscribe('T')
    const stream = Readable.from(consumer)
    const failed = new Promise((resolve) => stream.once('error', resolve))
    stream.once('data', () => stream.destroy(new Error('broken')))
    queue.fill(1)
    expect(await failed).toMatchObject({ message: 'broken' })
    await until(() => consumer.health().inFlight === 0)
  })
})

describe('a loop over a push consumer', () => {
  async function subscribed(options: Parameters<typeof pushConsumer>[1] = {}, queueCount = 1) {
    const setUp = await pushSetUp(queueCount)
    const consumer = pushConsumer(setUp.cluster, { persistConsumerOffsetInterval: 20, ...options })
    await consumer.subscribe('T')
    const sentBack: number[] = []
    setUp.broker.scripts.set(Code.SEND_BACK, (request, connection) => {
      sentBack.push(Number(request.field('offset')) / 1_000)
      connection.answer(request)
    })
    return { ...setUp, consumer, sentBack }
  }

  it('starts it and consumes message after message; the one that it is left with comes again', async () => {
    const { consumer, queue, offsets, sentBack } = await subscribed()
    queue.fill(50)
    const failures: unknown[] = []
    consumer.on('consumeFailed', ({ error }) => failures.push(error))
    expect(await read(consumer, 40)).toEqual(range(0, 41))
    await until(() => sentBack.length === 1)
    expect(sentBack).toEqual([40])
    expect(failures).toEqual([expect.objectContaining({ code: 'NOT_ACKNOWLEDGED' })])
    await until(() => offsets.stored.get('T-0') === 41)
    await turns()
    expect(consumer.health()).toMatchObject({ inFlight: 0, cachedCount: 9 })
    expect(await read(consumer, 44)).toEqual(range(41, 45))
  })

  it('is left without a message that comes again when that was acknowledged', async () => {
    const { consumer, queue, sentBack } = await subscribed()
    queue.fill(3)
    const messages = consumer.messages()
    for await (const message of messages) {
      messages.ack(message)
      break
    }
    expect(await read(consumer, 1)).toEqual([1])
    await until(() => sentBack.length === 1)
    expect(sentBack).toEqual([1])
  })

  it('has one message at a time, and as many loops as there may be handlers have some', async () => {
    const { consumer, queue, offsets } = await subscribed({ consumeConcurrency: 2 })
    queue.fill(10)
    const loops = [1, 2, 3].map(() => consumer[Symbol.asyncIterator]())
    const nexts = loops.map((loop) => loop.next())
    await until(() => consumer.health().inFlight === 2)
    await turns()
    expect(consumer.health().inFlight).toBe(2)
    expect(await Promise.all(nexts.slice(0, 2))).toMatchObject([
      { value: { queueOffset: 0 } },
      { value: { queueOffset: 1 } },
    ])
    expect(consumer.consumeConcurrency).toBe(2)
    consumer.updateConsumeConcurrency(3)
    expect(await nexts[2]).toMatchObject({ value: { queueOffset: 2 } })
    expect(await loops[1]?.next()).toMatchObject({ value: { queueOffset: 3 } })
    await turns()
    expect(offsets.stored.get('T-0') ?? 0).toBe(0)
    expect(await loops[0]?.next()).toMatchObject({ value: { queueOffset: 4 } })
    await until(() => offsets.stored.get('T-0') === 2)
  })

  it('ends when the consumer is shut down, which waits for it', async () => {
    const { consumer, queue, offsets, sentBack } = await subscribed()
    queue.fill(10)
    let shutdown: Promise<void> | undefined
    const seen: number[] = []
    const waiting = consumer[Symbol.asyncIterator]()
    for await (const { queueOffset } of consumer) {
      seen.push(queueOffset)
      if (queueOffset !== 4) continue
      shutdown = consumer.shutdown()
      await turns()
    }
    await shutdown
    expect(seen).toEqual(range(0, 5))
    expect([offsets.stored.get('T-0'), sentBack.length]).toEqual([5, 0])
    expect(await rejectionOf(waiting.next())).toMatchObject({ code: 'CLOSED' })
  })

  it('ends when the consumer is shut down while it begins', async () => {
    const { cluster, broker } = await pushSetUp()
    const consumer = pushConsumer(cluster)
    await consumer.subscribe('T')
    broker.scripts.set(GroupCode.CONSUMER_LIST, staySilent)
    const next = consumer.messages()[Symbol.asyncIterator]().next()
    await until(() => broker.server.requestsOf(GroupCode.CONSUMER_LIST).length > 0)
    await consumer.shutdown()
    expect(await next).toEqual({ done: true, value: undefined })
  })

  it('ends when its signal fires, and nothing is handed out then', async () => {
    const { consumer, queue, offsets } = await subscribed()
    const abort = new AbortController()
    queue.fill(10)
    const seen: number[] = []
    for await (const { queueOffset } of consumer.messages({ signal: abort.signal })) {
      seen.push(queueOffset)
      if (queueOffset === 2) abort.abort()
    }
    await until(() => offsets.stored.get('T-0') === 3)
    await turns()
    expect([seen, consumer.health().inFlight]).toEqual([[0, 1, 2], 0])
  })

  it('goes on with another message when its time for one was over, and that comes again', async () => {
    const { consumer, queue, sentBack } = await subscribed({ consumeTimeout: 30 })
    queue.fill(3)
    const loop = consumer[Symbol.asyncIterator]()
    expect(await loop.next()).toMatchObject({ value: { queueOffset: 0 } })
    await until(() => sentBack.includes(0))
    const next = (await loop.next()).value?.queueOffset
    expect([1, 2]).toContain(next)
  })

  it('keeps the order of a queue where messages are consumed orderly, and has one again that it left', async () => {
    const { consumer, queue, broker } = await subscribed({ consumeMode: 'orderly', suspendCurrentQueueTimeMillis: 10 })
    broker.scripts.set(41, (request, connection) => {
      const { mqSet } = JSON.parse(request.body.toString())
      connection.answer(request, { body: Buffer.from(JSON.stringify({ lockOKMQSet: mqSet })) })
    })
    queue.fill(5)
    expect(await read(consumer, 2)).toEqual([0, 1, 2])
    expect(await read(consumer, 4)).toEqual([2, 3, 4])
  })

  it('takes the place of a handler, and no handler takes its', async () => {
    const { cluster } = await pushSetUp()
    const looped = pushConsumer(cluster)
    looped.messages()
    looped.messages()
    expect(() => looped.onMessage(() => undefined)).toThrow(expect.objectContaining({ code: 'HANDLER_EXISTS' }))
    await looped.start()
    const handled = pushConsumer(cluster).onMessage(() => undefined)
    expect(() => handled.messages()).toThrow(expect.objectContaining({ code: 'HANDLER_EXISTS' }))
    const batches = pushConsumer(cluster, { consumeMessageBatchMaxSize: 2 })
    expect(() => batches.messages()).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }))
  })

  it('makes a stream of node that asks for messages as it can take them', async () => {
    const { consumer, queue, sentBack } = await subscribed()
    queue.fill(30)
    const seen: number[] = []
    for await (const message of Readable.from(consumer) as AsyncIterable<MessageExt>) {
      seen.push(message.queueOffset)
      if (seen.length === 20) break
    }
    expect(seen).toEqual(range(0, 20))
    await until(() => consumer.health().inFlight === 0)
    expect(sentBack.length).toBeLessThanOrEqual(1)
  })
})

describe('a loop over a queue of a pull consumer', () => {
  async function pulled(options: Parameters<typeof startedConsumer>[1] = {}) {
    const setUp = await pushSetUp(1, 'c')
    const consumer = await startedConsumer(setUp.cluster, options)
    return { ...setUp, consumer }
  }

  it('reads from an offset on, and waits for more', async () => {
    const { consumer, queue } = await pulled()
    queue.fill(20)
    const offsets = read(consumer.messages(QUEUE, { offset: 5, maxNums: 4 }), 29)
    await until(() => queue.waitingCount === 1)
    queue.fill(10)
    expect(await offsets).toEqual(range(5, 30))
    expect(queue.lastPull.code).toBe(Code.PULL)
    expect(queue.lastPull.extFields).toMatchObject({ sysFlag: '6', subscription: '*' })
  })

  it('begins at the offset of its group, or at the oldest message, and leaves the offset alone', async () => {
    const { consumer, queue, offsets, broker } = await pulled()
    broker.scripts.set(Code.MIN_OFFSET, (request, connection) => connection.answer(request, { fields: { offset: 3 } }))
    queue.fill(10)
    expect(await read(consumer.messages(QUEUE), 5)).toEqual([3, 4, 5])
    offsets.stored.set('T-0', 7)
    expect(await read(consumer.messages(QUEUE), 8)).toEqual([7, 8])
    await consumer.shutdown()
    expect(offsets.history).toEqual([])
  })

  it('stores what it consumed where that is wanted: on the interval, at its end, and at a shutdown', async () => {
    const { consumer, queue, offsets } = await pulled({ persistConsumerOffsetInterval: 10 })
    queue.fill(10)
    const messages = consumer.messages(QUEUE, { offset: 0, commit: true })
    for await (const { queueOffset } of messages) {
      if (queueOffset === 2) await until(() => offsets.stored.get('T-0') === 2)
      if (queueOffset === 5) break
    }
    expect(offsets.stored.get('T-0')).toBe(5)
    let shutdown: Promise<void> | undefined
    for await (const { queueOffset } of messages) if (queueOffset === 8) shutdown = consumer.shutdown()
    await shutdown
    expect(offsets.stored.get('T-0')).toBe(9)
  })

  it('goes on where the loop before it left off, and pulls nothing between both', async () => {
    const { consumer, queue } = await pulled()
    queue.fill(20)
    const messages = consumer.messages(QUEUE, { offset: 0, maxNums: 4, highWaterMark: 8 })
    expect(await read(messages, 9)).toEqual(range(0, 10))
    await turns()
    const { length } = queue.pulls
    await turns()
    expect(queue.pulls).toHaveLength(length)
    expect(await read(messages, 19)).toEqual(range(9, 20))
  })

  it('reads no further ahead than its high-water mark', async () => {
    const { consumer, queue } = await pulled()
    queue.fill(100)
    const loop = consumer.messages(QUEUE, { offset: 0, maxNums: 4, highWaterMark: 8 })[Symbol.asyncIterator]()
    await loop.next()
    await until(() => queue.pulls.length === 2)
    await turns()
    expect(queue.pulls).toHaveLength(2)
    await loop.return?.()
  })

  it('shares the queue with other loops over the same messages, and has it to itself otherwise', async () => {
    const { consumer, queue } = await pulled()
    queue.fill(2)
    const messages = consumer.messages(QUEUE, { offset: 0 })
    const [a, b] = [messages[Symbol.asyncIterator](), messages[Symbol.asyncIterator]()]
    const other = consumer.messages(QUEUE, { offset: 0 })[Symbol.asyncIterator]()
    const results = await Promise.all([a.next(), b.next(), other.next()])
    expect(results.map(({ value }) => value.queueOffset)).toEqual([0, 1, 0])
    for (const loop of [a, b, other]) await loop.return?.()
  })

  it('gets over a broker that fails for a while, and says so', async () => {
    const { consumer, queue, broker } = await pulled()
    queue.fill(3)
    const answer = broker.scripts.get(Code.PULL)
    broker.scripts.set(Code.PULL, (request, connection) => {
      connection.answer(request, { code: SYSTEM_ERROR, remark: 'no' })
      if (answer !== undefined) broker.scripts.set(Code.PULL, answer)
    })
    const errors: string[] = []
    consumer.on('error', ({ what }) => errors.push(what))
    expect(await read(consumer.messages(QUEUE, { offset: 0 }), 2)).toEqual([0, 1, 2])
    expect(errors).toEqual([expect.stringContaining('pulling T broker-a[0] failed')])
  })

  it('throws where nobody can say where to begin, after the shutdown, and before the start', async () => {
    const { consumer, broker, offsets } = await pulled()
    const query = broker.scripts.get(Code.QUERY_OFFSET)
    broker.scripts.set(Code.QUERY_OFFSET, (request, connection) => {
      connection.answer(request, { code: SYSTEM_ERROR, remark: 'no' })
    })
    const messages = consumer.messages(QUEUE)
    expect(await rejectionOf(read(messages, 0))).toMatchObject({ responseCode: SYSTEM_ERROR })
    if (query !== undefined) broker.scripts.set(Code.QUERY_OFFSET, query)
    offsets.stored.set('T-0', 0)
    await consumer.shutdown()
    expect(await rejectionOf(read(messages, 0))).toMatchObject({ code: 'CLOSED' })
    expect(await rejectionOf(read(consumer.messages(QUEUE, { offset: 0 }), 0))).toMatchObject({ code: 'CLOSED' })
  })

  it.each([
    [{ offset: -1 }],
    [{ maxNums: 0 }],
    [{ maxNums: 1025 }],
    [{ highWaterMark: 0 }],
    [{ expression: ' || ' }],
    [{ commit: 'yes' as never }],
  ])('is refused with %j', async (options) => {
    const { consumer } = await pulled()
    expect(() => consumer.messages(QUEUE, options)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
    expect(() => consumer.messages({ topic: 'T' } as never)).toThrow('queue is')
  })
})

describe('await using', () => {
  it('shuts consumers of every kind down', async () => {
    const { cluster, queue, offsets } = await pushSetUp()
    queue.fill(4)
    {
      await using consumer = litePullConsumer(cluster)
      await consumer.subscribe('T')
      expect(await read(consumer, 2)).toEqual([0, 1, 2])
    }
    expect(offsets.stored.get('T-0')).toBe(2)
    {
      await using consumer = pushConsumer(cluster)
      await consumer.subscribe('T')
      expect(await read(consumer, 3)).toEqual([2, 3])
    }
    const closed = await (async () => {
      await using consumer = await startedConsumer(cluster)
      await consumer.pull(QUEUE, { offset: 0 })
      return consumer
    })()
    expect(await rejectionOf(closed.pull(QUEUE, { offset: 0 }))).toMatchObject({ code: 'CLOSED' })
  })
})
