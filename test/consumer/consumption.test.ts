import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { StoredMessage } from '../../src/codec/stored-message.js'
import { ProcessQueue } from '../../src/consumer/process-queue.js'
import { turns, until } from '../support/until.js'
import { ConsumptionUnderTest } from './consumption-under-test.js'
import { messagesAt, offsetsOf } from './stored-messages.js'

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i)

describe('handlers', () => {
  it('get messages one by one, so many at a time, and commit what is finished', async () => {
    const host = new ConsumptionUnderTest({ consumeConcurrency: 2 })
    const queue = host.queue(0, 5, 6, 7)
    expect(host.calls.map((call) => call.offsets)).toEqual([[5], [6]])
    host.call(1).succeed()
    await until(() => host.calls.length === 3)
    expect(queue.processQueue.commitOffset).toBe(5)
    expect(host.progress).toBe(1)
    host.call(0).succeed()
    host.call(2).succeed()
    await until(() => queue.processQueue.count === 0)
    expect(queue.processQueue.commitOffset).toBe(8)
    expect(queue.lastConsumeTimestamp).toBeGreaterThan(0)
  })

  it('get batches up to the size that is wanted', async () => {
    const host = new ConsumptionUnderTest({ consumeMessageBatchMaxSize: 3 })
    host.queue(0, 0, 1, 2, 3)
    expect(host.calls.map((call) => call.offsets)).toEqual([[0, 1, 2], [3]])
  })

  it('are told the queue as the user knows it, and the time at which they began', () => {
    const host = new ConsumptionUnderTest()
    const before = Date.now()
    host.queue(3, 0)
    const { context, messages } = host.call(0)
    expect(context.messageQueue).toEqual({ topic: 'T', brokerName: 'broker-a', queueId: 3 })
    expect(Number(messages[0]?.properties.CONSUME_START_TIME)).toBeGreaterThanOrEqual(before)
  })

  it('have a list of their own: what they do to it changes nothing', async () => {
    const host = new ConsumptionUnderTest({ consumeMessageBatchMaxSize: 2 })
    const queue = host.queue(0, 0, 1)
    host.call(0).messages.length = 0
    host.call(0).succeed()
    await until(() => queue.processQueue.commitOffset === 2)
  })

  it('may be synchronous; their queues and the sockets have turns all the same', async () => {
    const host = new ConsumptionUnderTest({ consumeConcurrency: 1 })
    let handled = 0
    host.handler = () => handled++
    const queue = host.queue(0, ...range(0, 1000))
    expect(handled).toBeLessThanOrEqual(32)
    await until(() => queue.processQueue.count === 0)
    expect(handled).toBe(1000)
  })

  it('that are asynchronous but have nothing to wait for leave turns to others too', async () => {
    const host = new ConsumptionUnderTest({ consumeConcurrency: 1 })
    let handled = 0
    host.handler = async () => {
      handled++
    }
    host.queue(0, ...range(0, 1000))
    for (let i = 0; i < 500; i++) await undefined
    expect(handled).toBeLessThanOrEqual(32)
    await until(() => handled === 1000)
  })

  it('may give back what only looks like a promise', async () => {
    const host = new ConsumptionUnderTest()
    host.handler = (messages) => ({
      // biome-ignore lint/suspicious/noThenProperty: that is what it is about
      then: (resolve: () => void, reject: (error: Error) => void) =>
        messages[0]?.queueOffset === 0 ? resolve() : reject(new Error('no')),
    })
    const queue = host.queue(0, 0, 1)
    await until(() => queue.processQueue.count === 0)
    expect(host.sentBack).toEqual([{ queueOffset: 1, delayLevel: 0 }])
  })

  it('are told of by observers, before and after', async () => {
    const host = new ConsumptionUnderTest()
    const seen: unknown[] = []
    host.observers.push({
      before: (run) => seen.push(['before', ...offsetsOf(run.messages)]),
      after: (run, { isSuccess, type, error }) => seen.push([...offsetsOf(run.messages), isSuccess, type, error]),
    })
    host.queue(0, 0, 1)
    host.call(0).succeed()
    host.call(1).fail('why')
    await until(() => seen.length === 4)
    expect(seen).toEqual([
      ['before', 0],
      ['before', 1],
      [0, true, 'SUCCESS', undefined],
      [1, false, 'EXCEPTION', 'why'],
    ])
  })

  it('are counted', async () => {
    const host = new ConsumptionUnderTest()
    const queue = host.queue(0, 0, 1, 2)
    host.call(0).succeed()
    host.call(1).fail(new Error('no'))
    host.call(2).succeed()
    await until(() => queue.processQueue.count === 0)
    const status = host.statistics.status(performance.now())
    expect(status.consumeFailedMsgs).toBe(1)
    expect(status.consumeOKTPS).toBeGreaterThan(status.consumeFailedTPS)
  })
})

describe('several queues', () => {
  it('have their turns one after the other, each for up to 32 messages', async () => {
    const host = new ConsumptionUnderTest({ consumeConcurrency: 1 })
    const offsets = Array.from({ length: 40 }, (_, offset) => offset)
    host.queue(0, ...offsets)
    host.queue(1, ...offsets)
    host.queue(2, 0)
    for (let i = 0; i < 81; i++) {
      await until(() => host.calls.length === i + 1)
      host.call(i).succeed()
    }
    await turns()
    const turn = (queueId: number, length: number) => new Array<number>(length).fill(queueId)
    const expected = [...turn(0, 32), ...turn(1, 32), 2, ...turn(0, 8), ...turn(1, 8)]
    expect(host.calls.map((call) => call.queueId)).toEqual(expected)
  })

  it('do not wait for a message that hangs, nor do the others of its own queue', async () => {
    const host = new ConsumptionUnderTest({ consumeConcurrency: 2 })
    const stuck = host.queue(0, ...range(0, 100))
    const other = host.queue(1, ...range(0, 100))
    for (let i = 1; i < 200; i++) {
      await until(() => host.calls.length > i)
      host.call(i).succeed()
    }
    await until(() => other.processQueue.count === 0 && stuck.processQueue.count === 1)
    expect([stuck, other].map(({ processQueue }) => processQueue.commitOffset)).toEqual([0, 100])
    host.call(0).succeed()
    await until(() => stuck.processQueue.commitOffset === 100)
  })
})

describe('concurrency', () => {
  it('can be raised and lowered while handlers are at work', async () => {
    const host = new ConsumptionUnderTest({ consumeConcurrency: 2 })
    host.queue(0, ...range(0, 20))
    expect(host.calls).toHaveLength(2)
    host.consumption.updateConsumeConcurrency(5)
    expect(host.calls).toHaveLength(5)
    expect(host.consumption.consumeConcurrency).toBe(5)
    host.consumption.updateConsumeConcurrency(1)
    for (const call of host.calls) call.succeed()
    await until(() => host.calls.length === 6)
    await turns()
    expect(host.calls).toHaveLength(6)
    host.call(5).succeed()
    await until(() => host.calls.length === 7)
  })

  it('is not exceeded while messages are sent back', async () => {
    const host = new ConsumptionUnderTest({ consumeConcurrency: 1 })
    let taken = () => {}
    host.takeBack = () => new Promise((resolve) => (taken = resolve))
    host.queue(0, 0, 1)
    host.call(0).fail(new Error('no'))
    await turns()
    expect(host.calls).toHaveLength(1)
    taken()
    await until(() => host.calls.length === 2)
  })
})

describe('suspending', () => {
  it('hands out nothing until resumed; what handlers have goes on', async () => {
    const host = new ConsumptionUnderTest({ consumeConcurrency: 1 })
    const queue = host.queue(0, 0, 1)
    host.consumption.suspend()
    expect(host.consumption.isSuspended).toBe(true)
    host.call(0).succeed()
    await until(() => queue.processQueue.commitOffset === 1)
    host.queue(1, 0)
    await turns()
    expect(host.calls).toHaveLength(1)
    host.consumption.resume()
    await until(() => host.calls.length === 2)
  })
})

describe('a rate limit', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance', 'Date'] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('hands out so many messages in a second, and a tenth of it at once', async () => {
    const host = new ConsumptionUnderTest({ consumeRateLimit: 100 })
    host.handler = () => undefined
    const queue = host.queue(0, ...range(0, 1000))
    expect(queue.processQueue.commitOffset).toBe(10)
    for (let second = 1; second <= 5; second++) {
      await vi.advanceTimersByTimeAsync(1_000)
      expect(queue.processQueue.commitOffset).toBe(10 + 100 * second)
    }
  })

  it('counts each message of a batch', async () => {
    const host = new ConsumptionUnderTest({ consumeRateLimit: 20, consumeMessageBatchMaxSize: 10 })
    const sizes: number[] = []
    host.handler = (messages) => sizes.push(messages.length)
    const queue = host.queue(0, ...range(0, 1000))
    await vi.advanceTimersByTimeAsync(10_000)
    expect(queue.processQueue.commitOffset).toBe(202)
    expect(sizes[0]).toBe(2)
  })

  it('of less than one message in a second is kept too', async () => {
    const host = new ConsumptionUnderTest({ consumeRateLimit: 0.5 })
    host.handler = () => undefined
    const queue = host.queue(0, ...range(0, 10))
    expect(queue.processQueue.commitOffset).toBe(1)
    await vi.advanceTimersByTimeAsync(6_000)
    expect(queue.processQueue.commitOffset).toBe(4)
  })
})

describe('messages on which a handler failed', () => {
  it.each([
    ['throws', true],
    ['rejects', false],
  ])(
    'are given back to their broker when it %s, and count as finished when the broker has them',
    async (_how, isSync) => {
      const host = new ConsumptionUnderTest()
      const error = new Error('no')
      host.handler = () => {
        if (isSync) throw error
        return Promise.reject(error)
      }
      let taken = () => {}
      host.takeBack = () => new Promise((resolve) => (taken = resolve))
      const queue = host.queue(0, 7)
      await turns()
      expect(host.failures).toEqual([error])
      expect(queue.processQueue.commitOffset).toBe(7)
      taken()
      await until(() => queue.processQueue.commitOffset === 8)
      expect(host.sentBack).toEqual([{ queueOffset: 7, delayLevel: 0 }])
    },
  )

  it('come again when the handler wants them', async () => {
    const host = new ConsumptionUnderTest()
    host.queue(0, 0, 1, 2)
    for (const [i, level] of [5, -1, 0.5].entries()) {
      host.call(i).context.delayLevelWhenNextConsume = level
      host.call(i).fail(new Error('no'))
    }
    await until(() => host.sentBack.length === 3)
    expect(host.sentBack.map(({ delayLevel }) => delayLevel)).toEqual([5, -1, 0])
  })

  it.each([
    [0, [1, 2]],
    [1, [2]],
    [-1, [0, 1, 2]],
    [2, []],
    [99, []],
    [Number.NaN, []],
  ])('are those behind ackIndex %d where it succeeded', async (ackIndex, expected) => {
    const host = new ConsumptionUnderTest({ consumeMessageBatchMaxSize: 3 })
    const queue = host.queue(0, 0, 1, 2)
    host.call(0).context.ackIndex = ackIndex
    host.call(0).succeed()
    await until(() => queue.processQueue.commitOffset === 3)
    expect(offsetsOf(host.sentBack)).toEqual(expected)
    expect(host.failures).toEqual([])
  })

  it('are all of a batch, whatever ackIndex says', async () => {
    const host = new ConsumptionUnderTest({ consumeMessageBatchMaxSize: 2 })
    host.queue(0, 0, 1)
    host.call(0).context.ackIndex = 0
    host.call(0).fail(new Error('no'))
    await until(() => host.sentBack.length === 2)
  })

  it('are dropped, and told of, where nobody takes them back', async () => {
    const host = new ConsumptionUnderTest()
    host.sendBack = undefined
    const queue = host.queue(0, 0, 1)
    host.call(0).fail(new Error('no'))
    host.call(1).succeed()
    await until(() => queue.processQueue.commitOffset === 2)
    expect(host.dropped).toEqual([0])
  })

  it('are consumed again in five seconds, counted once more, when no broker takes them', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'] })
    try {
      const host = new ConsumptionUnderTest({ consumeMessageBatchMaxSize: 3 })
      const isRefused = (message: StoredMessage) => message.queueOffset !== 1
      host.takeBack = async (message) => {
        if (isRefused(message)) throw new Error('no broker')
      }
      const queue = host.queue(0, 0, 1, 2)
      host.call(0).fail(new Error('no'))
      await vi.advanceTimersByTimeAsync(4_999)
      expect(host.calls).toHaveLength(1)
      expect(host.reports).toHaveLength(2)
      expect(queue.processQueue).toMatchObject({ commitOffset: 0, count: 2 })
      await vi.advanceTimersByTimeAsync(1_001)
      expect(host.calls.map((call) => call.offsets)).toEqual([
        [0, 1, 2],
        [0, 2],
      ])
      expect(host.call(1).messages.map((message) => message.reconsumeTimes)).toEqual([1, 1])
      host.call(1).succeed()
      await vi.advanceTimersByTimeAsync(0)
      expect(queue.processQueue.commitOffset).toBe(3)
    } finally {
      vi.useRealTimers()
    }
  })

  it('are no business of a queue that went on elsewhere meanwhile', async () => {
    const host = new ConsumptionUnderTest()
    const queue = host.queue(0, 0, 1)
    const before = queue.processQueue
    queue.processQueue = new ProcessQueue(500)
    host.call(0).fail(new Error('no'))
    host.call(1).succeed()
    await until(() => queue.runs.size === 0)
    expect(host.sentBack).toEqual([])
    expect(before.commitOffset).toBe(0)
    expect(queue.processQueue.commitOffset).toBe(500)
  })
})

describe('a handler that takes long', () => {
  it('is told of, and when its time is over its messages are given back and its place is free', async () => {
    const host = new ConsumptionUnderTest({ consumeConcurrency: 1, consumeTimeout: 1_000 })
    const queue = host.queue(0, 0, 1)
    const { signal } = host.call(0).context
    await until(() => host.slow.length === 1)
    expect(host.slow[0]?.run.messages[0]?.queueOffset).toBe(0)
    expect(host.timedOut).toEqual([])
    await until(() => host.calls.length === 2)
    expect(host.timedOut.map(({ run }) => offsetsOf(run.messages))).toEqual([[0]])
    expect(host.timedOut[0]?.elapsed).toBeGreaterThanOrEqual(1_000)
    expect(signal.aborted).toBe(true)
    expect(signal.reason).toMatchObject({ code: 'CONSUME_TIMEOUT' })
    expect(signal.reason.message).toContain(host.call(0).messages[0]?.msgId)
    expect(host.sentBack).toEqual([{ queueOffset: 0, delayLevel: 3 }])
    host.call(1).succeed()
    await until(() => queue.processQueue.commitOffset === 2)
    expect(host.failures).toEqual([])
  })

  it.each(['succeeds', 'fails'])('changes nothing when it %s after all', async (how) => {
    const host = new ConsumptionUnderTest({ consumeConcurrency: 1, consumeTimeout: 20 })
    const queue = host.queue(0, 0)
    await until(() => host.sentBack.length === 1)
    if (how === 'succeeds') host.call(0).succeed()
    else host.call(0).fail(new Error('late'))
    await turns()
    expect(host.sentBack).toHaveLength(1)
    expect(host.failures).toEqual([])
    expect(queue.processQueue.commitOffset).toBe(1)
    host.add(queue, 1, 2)
    expect(host.calls).toHaveLength(2)
  })

  it('finds its signal fired also when it asks for it late', async () => {
    const host = new ConsumptionUnderTest({ consumeTimeout: 20 })
    host.queue(0, 0)
    await until(() => host.sentBack.length === 1)
    expect(host.call(0).context.signal.aborted).toBe(true)
  })

  it('is told of once, and not while its messages are on their way back', async () => {
    const host = new ConsumptionUnderTest({ consumeTimeout: 60 })
    host.takeBack = () => new Promise(() => undefined)
    host.queue(0, 0)
    await until(() => host.timedOut.length === 1)
    await turns(60)
    expect(host.slow).toHaveLength(1)
    expect(host.timedOut).toHaveLength(1)
  })
})

describe('a queue that is closed', () => {
  it('waits for its handlers and hands out nothing more', async () => {
    const host = new ConsumptionUnderTest({ consumeConcurrency: 2 })
    const queue = host.queue(0, 0, 1, 2, 3)
    let isClosed = false
    const closing = host.consumption.close(queue, 60_000).then(() => {
      isClosed = true
    })
    host.call(0).succeed()
    await turns()
    expect(isClosed).toBe(false)
    host.call(1).fail(new Error('no'))
    await closing
    expect(host.calls).toHaveLength(2)
    expect(queue.processQueue.commitOffset).toBe(2)
    expect(queue.unfinished()).toEqual([])
    host.add(queue, 4)
    await turns()
    expect(host.calls).toHaveLength(2)
  })

  it('gives up on handlers when the time is over: their signals fire, their places are free, and it says what they have', async () => {
    const host = new ConsumptionUnderTest({ consumeConcurrency: 1 })
    const queue = host.queue(0, 0)
    const other = host.queue(1, 7)
    const { signal, messageQueue } = host.call(0).context
    expect(messageQueue.queueId).toBe(0)
    await host.consumption.close(queue, 10)
    expect(signal.reason).toMatchObject({ code: 'QUEUE_REVOKED' })
    expect(queue.unfinished()).toEqual([host.call(0).messages[0]?.msgId])
    expect(queue.processQueue.commitOffset).toBe(0)
    await until(() => host.calls.length === 2)
    host.call(0).succeed()
    host.call(1).succeed()
    await until(() => other.processQueue.commitOffset === 8)
    expect(queue.processQueue.commitOffset).toBe(0)
  })

  it('does not hand out again what no broker took back', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'] })
    try {
      const host = new ConsumptionUnderTest()
      host.takeBack = () => Promise.reject(new Error('no broker'))
      const queue = host.queue(0, 0)
      host.call(0).fail(new Error('no'))
      await vi.advanceTimersByTimeAsync(100)
      await host.consumption.close(queue, 1_000)
      await vi.advanceTimersByTimeAsync(10_000)
      expect(host.calls).toHaveLength(1)
      expect(queue.processQueue.commitOffset).toBe(0)
    } finally {
      vi.useRealTimers()
    }
  })
})

describe('whether a queue has messages that could be handed out', () => {
  it('is true only where a handler is free and nothing forbids it', async () => {
    const host = new ConsumptionUnderTest({ consumeConcurrency: 1 })
    const { consumption } = host
    const queue = host.queue(0)
    expect(consumption.canHandOut(queue)).toBe(false)
    consumption.suspend()
    host.add(queue, 0, 1)
    expect(consumption.canHandOut(queue)).toBe(false)
    consumption.resume()
    expect(consumption.canHandOut(queue)).toBe(false)
    host.call(0).succeed()
    await until(() => host.calls.length === 2)
    host.call(1).succeed()
    await until(() => queue.processQueue.commitOffset === 2 && queue.runs.size === 0)
    // As if nobody had been told of these.
    queue.processQueue.add(messagesAt(2), 3)
    expect(consumption.canHandOut(queue)).toBe(true)
    await consumption.close(queue, 0)
    expect(consumption.canHandOut(queue)).toBe(false)
  })
})

describe('a message for the handler alone', () => {
  it('goes by no queue, and its outcome is told', async () => {
    const host = new ConsumptionUnderTest({ consumeConcurrency: 1 })
    const queue = host.queue(0, 0)
    const run = host.consumption.handleDirectly(messagesAt(7), queue, 10_000)
    expect(host.call(1).offsets).toEqual([7])
    host.call(1).succeed()
    expect(await run).toMatchObject({ isSuccess: true, type: 'SUCCESS' })
    const error = new Error('no')
    host.handler = () => {
      throw error
    }
    expect(await host.consumption.handleDirectly([], queue, 10_000)).toMatchObject({ isSuccess: false, error })
    expect(host.sentBack).toEqual([])
  })

  it('is not waited for after its time, and its signal fires', async () => {
    const host = new ConsumptionUnderTest()
    const queue = host.queue(0)
    const outcome = await host.consumption.handleDirectly(messagesAt(7), queue, 5)
    expect(outcome).toMatchObject({ isSuccess: false, error: { code: 'CONSUME_TIMEOUT' } })
    expect(host.call(0).context.signal.reason).toBe(outcome.error)
  })
})
