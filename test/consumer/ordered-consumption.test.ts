import { describe, expect, it, vi } from 'vitest'
import type { ConsumedQueue } from '../../src/consumer/consumed-queue.js'
import { ProcessQueue } from '../../src/consumer/process-queue.js'
import { turns, until } from '../support/until.js'
import {
  fakeTimers,
  keyedMessage,
  OrderedConsumptionUnderTest,
  type OrderedMode,
} from './ordered-consumption-under-test.js'

const MODES: readonly OrderedMode[] = ['orderly', 'keyOrdered']
const [a, b] = ['a', 'b']

describe.each(MODES)('a message on which the handler failed, in mode %s', (mode) => {
  it.each([
    ['throws', true],
    ['rejects', false],
  ])('comes again after a second when it %s, counted once more, before those behind it', async (_how, isSync) => {
    fakeTimers()
    const host = new OrderedConsumptionUnderTest(mode)
    const error = new Error('no')
    const handle = host.handler
    host.handler = () => {
      host.handler = handle
      if (isSync) throw error
      return Promise.reject(error)
    }
    const queue = host.queue(0, [0, a], [1, a])
    await vi.advanceTimersByTimeAsync(999)
    expect(host.given).toEqual([])
    expect(host.failures).toEqual([error])
    expect(queue.processQueue).toMatchObject({ commitOffset: 0, count: 2 })
    await vi.advanceTimersByTimeAsync(2)
    expect(host.given).toEqual([[0]])
    expect(host.call(0).messages[0]?.reconsumeTimes).toBe(1)
    host.call(0).succeed()
    await vi.advanceTimersByTimeAsync(0)
    expect(host.given).toEqual([[0], [1]])
    expect(host.call(1).messages[0]?.reconsumeTimes).toBe(0)
    expect(queue.processQueue.commitOffset).toBe(1)
  })

  it.each([
    [-1, 1_000],
    [5, 10],
    [0, 10],
    [250, 250],
    [99_999, 30_000],
    [Number.NaN, 1_000],
  ])('comes again after the time that the handler wants: %d', async (wanted, expected) => {
    fakeTimers()
    const host = new OrderedConsumptionUnderTest(mode)
    host.queue(0, [0, a])
    host.call(0).context.suspendCurrentQueueTimeMillis = wanted
    host.call(0).fail(new Error('no'))
    await vi.advanceTimersByTimeAsync(expected - 1)
    expect(host.calls).toHaveLength(1)
    await vi.advanceTimersByTimeAsync(2)
    expect(host.calls).toHaveLength(2)
  })

  it('comes again as often as it takes, where no limit is set', async () => {
    fakeTimers()
    const host = new OrderedConsumptionUnderTest(mode)
    host.queue(0, [0, a])
    for (let times = 0; times < 50; times++) {
      expect(host.lastCall.messages[0]?.reconsumeTimes).toBe(times)
      host.lastCall.fail(new Error('no'))
      await vi.advanceTimersByTimeAsync(1_001)
    }
    expect(host.calls).toHaveLength(51)
    expect(host.deadLetters).toEqual([])
  })

  it('goes to the dead-letter topic after so many times; only then those behind it come', async () => {
    fakeTimers()
    const host = new OrderedConsumptionUnderTest(mode, { maxReconsumeTimes: 2 })
    let take = () => {}
    host.takeDeadLetter = () => new Promise((resolve) => (take = resolve))
    const queue = host.queue(0, [0, a], [1, a])
    for (let times = 0; times < 2; times++) {
      host.lastCall.fail(new Error('no'))
      await vi.advanceTimersByTimeAsync(1_001)
    }
    host.lastCall.fail(new Error('no'))
    await vi.advanceTimersByTimeAsync(60_000)
    expect(host.given).toEqual([[0], [0], [0]])
    expect(queue.processQueue.commitOffset).toBe(0)
    take()
    await vi.advanceTimersByTimeAsync(0)
    expect(host.deadLetters).toEqual([{ offset: 0, reconsumeTimes: 2 }])
    expect(host.given).toEqual([[0], [0], [0], [1]])
    expect(queue.processQueue.commitOffset).toBe(1)
  })

  it('comes again when no broker takes it as a dead letter, until one does', async () => {
    fakeTimers()
    const host = new OrderedConsumptionUnderTest(mode, { maxReconsumeTimes: 0 })
    host.takeDeadLetter = async ({ reconsumeTimes }) => {
      if (reconsumeTimes < 2) throw new Error('no broker')
    }
    const queue = host.queue(0, [0, a], [1, a])
    for (let times = 0; times < 3; times++) {
      host.lastCall.fail(new Error('no'))
      await vi.advanceTimersByTimeAsync(1_001)
    }
    expect(host.given).toEqual([[0], [0], [0], [1]])
    expect(host.reports).toHaveLength(2)
    expect(host.deadLetters).toEqual([{ offset: 0, reconsumeTimes: 2 }])
    expect(queue.processQueue.commitOffset).toBe(1)
  })

  it('goes there at once when the handler wants that', async () => {
    const host = new OrderedConsumptionUnderTest(mode)
    const queue = host.queue(0, [0, a])
    host.call(0).context.delayLevelWhenNextConsume = -1
    host.call(0).fail(new Error('no'))
    await until(() => queue.processQueue.commitOffset === 1)
    expect(host.deadLetters).toEqual([{ offset: 0, reconsumeTimes: 0 }])
  })

  it('does not go there while another member has the lock, which decides about it', async () => {
    fakeTimers()
    const host = new OrderedConsumptionUnderTest(mode, { maxReconsumeTimes: 0 })
    const queue = host.queue(0, [0, a])
    queue.gate = { isOpen: false }
    host.call(0).fail(new Error('no'))
    await vi.advanceTimersByTimeAsync(60_000)
    expect(host.deadLetters).toEqual([])
    expect(host.given).toEqual([[0]])
    queue.gate = undefined
    host.consumption.wake(queue)
    expect(host.given).toEqual([[0], [0]])
  })

  it('is one of those behind ackIndex where it succeeded', async () => {
    fakeTimers()
    const host = new OrderedConsumptionUnderTest(mode, { consumeMessageBatchMaxSize: 3 })
    const queue = host.queue(0)
    host.add(queue, [0, a], [1, a], [2, a], [3, a])
    expect(host.given).toEqual([[0, 1, 2]])
    host.call(0).context.ackIndex = 0
    host.call(0).succeed()
    await vi.advanceTimersByTimeAsync(999)
    expect(queue.processQueue.commitOffset).toBe(1)
    expect(host.calls).toHaveLength(1)
    await vi.advanceTimersByTimeAsync(2)
    expect(host.given).toEqual([
      [0, 1, 2],
      [1, 2, 3],
    ])
    expect(host.call(1).messages.map(({ reconsumeTimes }) => reconsumeTimes)).toEqual([1, 1, 0])
    expect(host.failures).toEqual([])
  })

  it('takes those of its batch with it that may come again, and none that may not', async () => {
    fakeTimers()
    const host = new OrderedConsumptionUnderTest(mode, { consumeMessageBatchMaxSize: 3, maxReconsumeTimes: 1 })
    const queue = host.queue(0)
    host.add(queue, [0, a], [1, a])
    host.lastCall.fail(new Error('no'))
    await vi.advanceTimersByTimeAsync(500)
    host.add(queue, [2, a])
    await vi.advanceTimersByTimeAsync(501)
    expect(host.given).toEqual([
      [0, 1],
      [0, 1, 2],
    ])
    host.lastCall.fail(new Error('no'))
    await vi.advanceTimersByTimeAsync(1_001)
    expect(host.deadLetters.map(({ offset }) => offset)).toEqual([0, 1])
    expect(host.lastCall.offsets).toEqual([2])
    expect(queue.processQueue.commitOffset).toBe(2)
  })
})

describe.each(MODES)('a batch, in mode %s', (mode) => {
  it('of which some messages are taken as dead letters comes again without those, in order', async () => {
    fakeTimers()
    const host = new OrderedConsumptionUnderTest(mode, { consumeMessageBatchMaxSize: 4, maxReconsumeTimes: 0 })
    host.takeDeadLetter = async ({ queueOffset }) => {
      if (queueOffset % 2 === 0) throw new Error('no broker')
    }
    const queue = host.queue(0)
    host.add(queue, [0, a], [1, a], [2, a], [3, a], [4, a])
    host.call(0).fail(new Error('no'))
    await vi.advanceTimersByTimeAsync(1_001)
    expect(host.given).toEqual([
      [0, 1, 2, 3],
      [0, 2, 4],
    ])
    expect(host.deadLetters.map(({ offset }) => offset)).toEqual([1, 3])
    expect(queue.processQueue).toMatchObject({ commitOffset: 0, count: 3 })
    host.call(1).succeed()
    await vi.advanceTimersByTimeAsync(0)
    expect(queue.processQueue.commitOffset).toBe(5)
  })
})

describe.each(MODES)('a handler that takes too long, in mode %s', (mode) => {
  it('is told of once, its signal fires, and those behind it wait on', async () => {
    fakeTimers()
    const host = new OrderedConsumptionUnderTest(mode, { consumeTimeout: 1_000 })
    const queue = host.queue(0, [0, a], [1, a])
    const { signal } = host.call(0).context
    await vi.advanceTimersByTimeAsync(999)
    expect(host.slow).toEqual([0])
    expect(signal.aborted).toBe(false)
    await vi.advanceTimersByTimeAsync(60_000)
    expect(host.timedOut).toEqual([0])
    expect(signal).toMatchObject({ aborted: true, reason: { code: 'CONSUME_TIMEOUT' } })
    expect(host.calls).toHaveLength(1)
    expect(queue.processQueue.commitOffset).toBe(0)
    host.call(0).succeed()
    await vi.advanceTimersByTimeAsync(0)
    expect(host.given).toEqual([[0], [1]])
    expect(queue.processQueue.commitOffset).toBe(1)
  })

  it('holds up no other queue', async () => {
    fakeTimers()
    const host = new OrderedConsumptionUnderTest(mode, { consumeTimeout: 1_000, consumeConcurrency: 2 })
    host.queue(0, [0, a], [1, a])
    const other = host.queue(1, ...Array.from({ length: 50 }, (_, i) => [i, b] as const))
    for (let i = 0; i < 50; i++) {
      await until(() => host.calls.length === i + 2)
      host.lastCall.succeed()
    }
    await until(() => other.processQueue.commitOffset === 50)
  })
})

describe.each(MODES)('a queue in mode %s', (mode) => {
  it('hands out nothing while its gate is shut', async () => {
    const host = new OrderedConsumptionUnderTest(mode)
    const queue = host.queue(0)
    queue.gate = { isOpen: false }
    host.add(queue, [0, a])
    await turns()
    expect(host.calls).toEqual([])
    expect(host.consumption.canHandOut(queue)).toBe(false)
    queue.gate = { isOpen: true }
    host.consumption.wake(queue)
    expect(host.given).toEqual([[0]])
  })

  it('that is closed waits for its handler, finishes what that has, and hands out nothing more', async () => {
    fakeTimers()
    const host = new OrderedConsumptionUnderTest(mode)
    const queue = host.queue(0, [0, a], [1, a])
    let isClosed = false
    void host.consumption.close(queue, 1_000).then(() => {
      isClosed = true
    })
    await vi.advanceTimersByTimeAsync(500)
    expect(isClosed).toBe(false)
    host.call(0).succeed()
    await vi.advanceTimersByTimeAsync(0)
    expect(isClosed).toBe(true)
    expect(queue.processQueue.commitOffset).toBe(1)
    await vi.advanceTimersByTimeAsync(60_000)
    expect(host.given).toEqual([[0]])
  })

  it('that is closed while messages wait to come again hands them out no more, and leaves no timer', async () => {
    fakeTimers()
    const host = new OrderedConsumptionUnderTest(mode)
    const queue = host.queue(0, [0, a], [1, a])
    host.call(0).fail(new Error('no'))
    await vi.advanceTimersByTimeAsync(0)
    const timers = vi.getTimerCount()
    await host.consumption.close(queue, 0)
    expect(vi.getTimerCount()).toBe(timers - 1)
    await vi.advanceTimersByTimeAsync(60_000)
    expect(host.calls).toHaveLength(1)
  })

  it('that is closed while its handler is about to fail sets no timer', async () => {
    fakeTimers()
    const host = new OrderedConsumptionUnderTest(mode)
    const queue = host.queue(0, [0, a])
    const timers = vi.getTimerCount()
    const closed = host.consumption.close(queue, 1_000)
    host.call(0).fail(new Error('no'))
    await closed
    expect(vi.getTimerCount()).toBe(timers)
    expect(queue.processQueue.commitOffset).toBe(0)
  })

  it('that goes on elsewhere waits for the handlers of before, whose end counts no more', async () => {
    fakeTimers()
    const host = new OrderedConsumptionUnderTest(mode, { maxReconsumeTimes: 0 })
    const queue = host.queue(0, [5, a], [6, a])
    queue.processQueue = new ProcessQueue(0)
    host.add(queue, [0, a], [1, b])
    await vi.advanceTimersByTimeAsync(1_000)
    expect(host.given).toEqual([[5]])
    host.call(0).fail(new Error('no'))
    await vi.advanceTimersByTimeAsync(0)
    expect(host.deadLetters).toEqual([])
    expect(host.call(1).offsets).toEqual([0])
    expect(queue.processQueue.commitOffset).toBe(0)
  })

  it('that goes on elsewhere while messages wait to come again gives those of the new place', async () => {
    fakeTimers()
    const host = new OrderedConsumptionUnderTest(mode)
    const queue = host.queue(0, [5, a], [6, a])
    host.call(0).fail(new Error('no'))
    await vi.advanceTimersByTimeAsync(100)
    queue.processQueue = new ProcessQueue(0)
    host.add(queue, [0, a], [1, a])
    await vi.advanceTimersByTimeAsync(1_000)
    host.call(1).succeed()
    await vi.advanceTimersByTimeAsync(0)
    expect(host.given).toEqual([[5], [0], [1]])
    expect(host.call(1).messages[0]?.reconsumeTimes).toBe(0)
  })

  it('is counted', async () => {
    const host = new OrderedConsumptionUnderTest(mode)
    host.queue(0, [0, a], [1, a])
    host.call(0).succeed()
    await until(() => host.calls.length === 2)
    host.call(1).fail(new Error('no'))
    await until(() => host.failures.length === 1)
    expect(host.statistics.status(performance.now()).consumeFailedMsgs).toBe(1)
  })
})

describe('orderly', () => {
  it('hands out one batch of a queue at a time, and several queues side by side', async () => {
    const host = new OrderedConsumptionUnderTest('orderly', { consumeMessageBatchMaxSize: 2 })
    const first = host.queue(0)
    const second = host.queue(1)
    host.add(first, 0, 1, 2)
    host.add(second, 0, 1, 2)
    await turns()
    expect(host.calls.map(({ queueId, offsets }) => [queueId, ...offsets])).toEqual([
      [0, 0, 1],
      [1, 0, 1],
    ])
    host.call(1).succeed()
    await until(() => host.calls.length === 3)
    expect(host.lastCall).toMatchObject({ queueId: 1, offsets: [2] })
    expect([first, second].map(({ processQueue }) => processQueue.commitOffset)).toEqual([0, 2])
  })

  it('works on no more queues at a time than there may be handlers', async () => {
    const host = new OrderedConsumptionUnderTest('orderly', { consumeConcurrency: 2 })
    for (let queueId = 0; queueId < 4; queueId++) host.queue(queueId, 0, 1)
    await turns()
    expect(host.calls).toHaveLength(2)
    host.call(0).succeed()
    await until(() => host.calls.length === 3)
    expect(host.lastCall.queueId).toBe(2)
  })

  it('keeps the whole order where there are no keys', async () => {
    const host = new OrderedConsumptionUnderTest('orderly')
    const handled: number[] = []
    host.handler = async ([message]) => {
      await undefined
      handled.push(message?.queueOffset ?? -1)
    }
    const offsets = Array.from({ length: 500 }, (_, i) => i)
    const queue = host.queue(0, ...offsets)
    await until(() => queue.processQueue.commitOffset === 500)
    expect(handled).toEqual(offsets)
  })
})

describe('keyOrdered', () => {
  it('hands out messages of different keys, and those without one, side by side', async () => {
    const host = new OrderedConsumptionUnderTest('keyOrdered')
    const queue = host.queue(0, [0, a], [1, a], [2, b], [3, undefined], [4, undefined], [5, b])
    expect(host.given).toEqual([[0], [2], [3], [4]])
    host.callOf(2).succeed()
    await until(() => host.calls.length === 5)
    expect(host.lastCall.offsets).toEqual([5])
    expect(queue.processQueue.commitOffset).toBe(0)
    for (const offset of [3, 4, 5, 0]) host.callOf(offset).succeed()
    await until(() => host.calls.length === 6)
    host.callOf(1).succeed()
    await until(() => queue.processQueue.commitOffset === 6)
  })

  it('lets only the key of a message wait on which the handler failed', async () => {
    fakeTimers()
    const host = new OrderedConsumptionUnderTest('keyOrdered')
    const queue = host.queue(0, [0, a], [1, a], [2, b], [3, b], [4, undefined], [5, undefined])
    host.callOf(0).fail(new Error('no'))
    host.callOf(4).fail(new Error('no'))
    host.callOf(2).succeed()
    await vi.advanceTimersByTimeAsync(0)
    host.callOf(3).succeed()
    host.callOf(5).succeed()
    await vi.advanceTimersByTimeAsync(999)
    expect(host.given).toEqual([[0], [2], [4], [5], [3]])
    await vi.advanceTimersByTimeAsync(2)
    expect(host.given.slice(5)).toEqual([[0], [4]])
    expect(queue.processQueue).toMatchObject({ commitOffset: 0, count: 3 })
  })

  it('lets each key wait as long as its handler wants', async () => {
    fakeTimers()
    const host = new OrderedConsumptionUnderTest('keyOrdered')
    host.queue(0, [0, a], [1, b], [2, 'c'])
    for (const [offset, delay] of [
      [0, 5_000],
      [1, 100],
      [2, 2_000],
    ] as const) {
      host.callOf(offset).context.suspendCurrentQueueTimeMillis = delay
      host.callOf(offset).fail(new Error('no'))
      await vi.advanceTimersByTimeAsync(0)
    }
    await vi.advanceTimersByTimeAsync(101)
    expect(host.given.slice(3)).toEqual([[1]])
    await vi.advanceTimersByTimeAsync(1_900)
    expect(host.given.slice(3)).toEqual([[1], [2]])
    await vi.advanceTimersByTimeAsync(3_000)
    expect(host.given.slice(3)).toEqual([[1], [2], [0]])
  })

  it('hands out the oldest first', async () => {
    const host = new OrderedConsumptionUnderTest('keyOrdered', { consumeConcurrency: 1 })
    host.queue(0, [0, a], [1, a], [2, b], [3, a], [4, undefined])
    for (let i = 0; i < 4; i++) {
      host.lastCall.succeed()
      await until(() => host.calls.length === i + 2)
    }
    expect(host.given).toEqual([[0], [1], [2], [3], [4]])
  })

  it('gives in one batch messages of several keys, and of one key what follows', async () => {
    const host = new OrderedConsumptionUnderTest('keyOrdered', { consumeMessageBatchMaxSize: 3 })
    const queue = host.queue(0)
    host.add(queue, [0, a], [1, b], [2, a], [3, undefined], [4, b], [5, a])
    expect(host.given).toEqual([
      [0, 2, 5],
      [1, 3, 4],
    ])
    host.call(1).succeed()
    await until(() => queue.processQueue.count === 3)
    host.call(0).succeed()
    await until(() => queue.processQueue.commitOffset === 6)
  })

  it('hands out no message of a key while a batch with one of it is under way', async () => {
    const host = new OrderedConsumptionUnderTest('keyOrdered', { consumeMessageBatchMaxSize: 2 })
    const queue = host.queue(0)
    host.add(queue, [0, a], [1, a], [2, a])
    host.add(queue, [3, a], [4, b])
    expect(host.given).toEqual([[0, 1], [4]])
    host.call(0).succeed()
    await until(() => host.calls.length === 3)
    expect(host.lastCall.offsets).toEqual([2, 3])
  })

  it('keeps nothing of a key whose messages are finished', async () => {
    const host = new OrderedConsumptionUnderTest('keyOrdered')
    host.handler = () => undefined
    const queue = host.queue(0, ...Array.from({ length: 1_000 }, (_, i) => [i, `key ${i % 7}`] as const))
    await until(() => queue.processQueue.commitOffset === 1_000)
    queue.processQueue.add([keyedMessage(1_000, 'key 0')], 1_001)
    host.consumption.wake(queue)
    await until(() => queue.processQueue.commitOffset === 1_001)
  })

  describe('closing a queue', () => {
    /** A closing queue, and whether it is closed. */
    function closing(host: OrderedConsumptionUnderTest, queue: ConsumedQueue, timeout = 1_000) {
      const state = { isClosed: false }
      void host.consumption.close(queue, timeout).then(() => {
        state.isClosed = true
      })
      return state
    }

    it('has messages consumed first that lie before others which are, so that none of these comes again', async () => {
      fakeTimers()
      const host = new OrderedConsumptionUnderTest('keyOrdered')
      const queue = host.queue(0, [0, a], [1, b], [2, a], [3, b], [4, a], [5, 'c'])
      host.callOf(0).fail(new Error('no'))
      host.callOf(1).succeed()
      await vi.advanceTimersByTimeAsync(0)
      host.callOf(3).succeed()
      await vi.advanceTimersByTimeAsync(0)
      expect(host.given).toEqual([[0], [1], [5], [3]])
      const state = closing(host, queue)
      host.callOf(5).fail(new Error('no'))
      await vi.advanceTimersByTimeAsync(0)
      expect(host.lastCall.offsets).toEqual([0])
      expect(host.lastCall.messages[0]?.reconsumeTimes).toBe(1)
      host.lastCall.succeed()
      await vi.advanceTimersByTimeAsync(0)
      expect(host.lastCall.offsets).toEqual([2])
      expect(state.isClosed).toBe(false)
      host.lastCall.succeed()
      await vi.advanceTimersByTimeAsync(0)
      expect(state.isClosed).toBe(true)
      expect(queue.processQueue.commitOffset).toBe(4)
      await vi.advanceTimersByTimeAsync(60_000)
      expect(host.calls).toHaveLength(6)
    })

    it('tries so no more than three times more, soon one after the other', async () => {
      fakeTimers()
      const host = new OrderedConsumptionUnderTest('keyOrdered')
      const queue = host.queue(0, [0, a], [1, b])
      host.callOf(1).succeed()
      host.callOf(0).fail(new Error('no'))
      await vi.advanceTimersByTimeAsync(0)
      const state = closing(host, queue)
      for (let times = 1; times <= 4; times++) {
        expect(host.calls).toHaveLength(2 + times)
        expect(state.isClosed).toBe(false)
        host.lastCall.fail(new Error('no'))
        await vi.advanceTimersByTimeAsync(11)
      }
      expect(state.isClosed).toBe(true)
      expect(host.calls).toHaveLength(6)
      expect(queue.processQueue.commitOffset).toBe(0)
    })

    it('takes no message as a dead letter for tries that came so soon', async () => {
      fakeTimers()
      const host = new OrderedConsumptionUnderTest('keyOrdered', { maxReconsumeTimes: 2 })
      const queue = host.queue(0, [0, a], [1, b])
      host.callOf(1).succeed()
      host.callOf(0).fail(new Error('no'))
      await vi.advanceTimersByTimeAsync(0)
      const state = closing(host, queue)
      for (let times = 1; times <= 4; times++) {
        host.lastCall.fail(new Error('no'))
        await vi.advanceTimersByTimeAsync(11)
      }
      expect(state.isClosed).toBe(true)
      expect(host.deadLetters).toEqual([])
      expect(queue.processQueue.commitOffset).toBe(0)
    })

    it('hands nothing out, and does not wait, where there are no places for handlers', async () => {
      fakeTimers()
      const host = new OrderedConsumptionUnderTest('keyOrdered')
      const [before, meanwhile] = [host.queue(0, [0, a], [1, b]), host.queue(1, [0, a], [1, b])]
      for (const call of [...host.calls]) {
        if (call.offsets[0] === 0) call.fail(new Error('no'))
        else call.succeed()
      }
      await vi.advanceTimersByTimeAsync(0)
      // Handlers are busy with another queue.
      host.consumption.updateConsumeConcurrency(1)
      host.queue(2, 0)
      const states = [closing(host, meanwhile, 60_000)]
      await vi.advanceTimersByTimeAsync(0)
      host.consumption.updateConsumeConcurrency(0)
      host.lastCall.succeed()
      states.push(closing(host, before, 60_000))
      await vi.advanceTimersByTimeAsync(1_001)
      expect(states).toEqual([{ isClosed: true }, { isClosed: true }])
      expect(host.calls).toHaveLength(5)
      expect([before, meanwhile].map(({ processQueue }) => processQueue.commitOffset)).toEqual([0, 0])
    })

    it('does not wait for a handler any longer than it may', async () => {
      fakeTimers()
      const host = new OrderedConsumptionUnderTest('keyOrdered')
      const queue = host.queue(0, [0, a], [1, b])
      host.callOf(1).succeed()
      const state = closing(host, queue)
      await vi.advanceTimersByTimeAsync(999)
      expect(state.isClosed).toBe(false)
      await vi.advanceTimersByTimeAsync(2)
      expect(state.isClosed).toBe(true)
      expect(host.callOf(0).context.signal.aborted).toBe(true)
    })

    it.each(['its lock is lost', 'the consumer is suspended'])('hands nothing out when %s', async (why) => {
      fakeTimers()
      const host = new OrderedConsumptionUnderTest('keyOrdered', { consumeConcurrency: 1 })
      const queue = host.queue(0, [0, a], [1, b])
      host.callOf(0).fail(new Error('no'))
      await vi.advanceTimersByTimeAsync(0)
      host.callOf(1).succeed()
      await vi.advanceTimersByTimeAsync(0)
      // Its handler is busy with another queue.
      host.queue(1, 0)
      const state = closing(host, queue, 10_000)
      await vi.advanceTimersByTimeAsync(0)
      if (why === 'its lock is lost') queue.gate = { isOpen: false }
      else host.consumption.suspend()
      host.lastCall.succeed()
      await vi.advanceTimersByTimeAsync(1_001)
      expect(state.isClosed).toBe(true)
      expect(host.calls).toHaveLength(3)
      expect(queue.processQueue.commitOffset).toBe(0)
    })
  })
})
