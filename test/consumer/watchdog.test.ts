import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { AssignedQueue, QueueState } from '../../src/consumer/assigned-queue.js'
import { type QueueStall, Watchdog, type WatchdogHost } from '../../src/consumer/watchdog.js'
import { FakeQueue } from '../support/group-consumer-under-test.js'

const PULL_TIMEOUT = 30_000
const INTERVAL = 5_000
const NEVER = 600_000
const queue = (queueId = 0) => ({ topic: 'T', brokerName: 'a', queueId })

/** A queue whose pulls and answers go by the fake clock, as long as the test lets them. */
class WatchedQueue extends FakeQueue {
  isPulled = true
  isAnswered = true
  isFull = false
  #pulledAt = Date.now()
  #answeredAt = Date.now()

  /** A pull every few seconds, answered a little later. */
  turn(): void {
    if (!this.isPulled) return
    this.#pulledAt = Date.now()
    if (this.isAnswered && !this.isFull) this.#answeredAt = Date.now() - 1
  }

  answer(at = Date.now()): void {
    this.#answeredAt = at
  }

  set(parts: Partial<QueueState>): void {
    this.stateParts = { ...this.stateParts, ...parts }
  }

  override state() {
    return {
      ...super.state(),
      lastPullTimestamp: this.isFull ? Date.now() : this.#pulledAt,
      lastAnswerTimestamp: this.#answeredAt,
    }
  }
}

class Host implements WatchdogHost {
  readonly open: WatchedQueue[]
  readonly reopened: AssignedQueue[] = []
  readonly events: [string, QueueStall['reason'], number][] = []
  readonly since: number[] = []
  isComplete = true
  reminders = 0
  /** What is opened in the place of a closed queue. */
  next: () => WatchedQueue | undefined = () => new WatchedQueue(queue())

  constructor(...open: WatchedQueue[]) {
    this.open = open
  }

  queues = () => this.open
  isBalanced = () => this.isComplete
  remindBrokers = () => {
    this.reminders++
  }
  reopen = async (assigned: AssignedQueue) => {
    this.reopened.push(assigned)
    this.open.splice(this.open.indexOf(assigned as WatchedQueue), 1)
    const next = this.next()
    if (next !== undefined) this.open.push(next)
  }
  onStalled = ({ reason, queue, since }: QueueStall) => {
    this.events.push(['stalled', reason, queue.queueId])
    this.since.push(since)
  }
  onRepaired = ({ reason, queue }: QueueStall, elapsed: number) => {
    expect(elapsed).toBeGreaterThan(0)
    this.events.push(['repaired', reason, queue.queueId])
  }
}

let watchdog: Watchdog | undefined

function watching(...open: WatchedQueue[]): Host {
  const host = new Host(...open)
  watchdog = new Watchdog(host, { pullTimeout: PULL_TIMEOUT, interval: INTERVAL })
  watchdog.start()
  return host
}

/** Lets time pass, in which queues are pulled every second. */
async function pass(host: Host, time: number): Promise<void> {
  for (let t = 0; t < time; t += 1_000) {
    for (const one of host.open) one.turn()
    await vi.advanceTimersByTimeAsync(1_000)
  }
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'Date', 'performance'] })
})

afterEach(() => {
  watchdog?.stop()
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

describe('a watchdog', () => {
  it('lets queues alone that are pulled and answered, and reminds brokers of what they have not heard', async () => {
    const host = watching(new WatchedQueue(queue(0)), new WatchedQueue(queue(1)))
    await pass(host, NEVER)
    expect(host.events).toEqual([])
    expect(host.reopened).toEqual([])
    expect(host.reminders).toBe(NEVER / INTERVAL)
  })

  it('opens a queue anew that is not pulled any more, sooner than Java does, and tells when it goes on', async () => {
    const still = new WatchedQueue(queue(3))
    const host = watching(still, new WatchedQueue(queue(1)))
    await pass(host, 20_000)
    still.turn()
    still.isPulled = false
    const stoppedAt = Date.now()
    host.next = () => new WatchedQueue(queue(3))
    await pass(host, 110_000)
    expect(host.events).toEqual([
      ['stalled', 'NO_PULL', 3],
      ['repaired', 'NO_PULL', 3],
    ])
    expect(host.reopened).toEqual([still])
    expect(Math.abs((host.since[0] ?? 0) - stoppedAt)).toBeLessThanOrEqual(INTERVAL)
    expect(watchdog?.stalled).toEqual([])
  })

  it('opens a queue anew at once whose pull loop has ended', async () => {
    const broken = new WatchedQueue(queue())
    broken.stateParts = { isBroken: true }
    const host = watching(broken)
    await pass(host, 2 * INTERVAL)
    expect(host.reopened).toEqual([broken])
    expect(host.events).toEqual([
      ['stalled', 'NO_PULL', 0],
      ['repaired', 'NO_PULL', 0],
    ])
  })

  it('opens a queue anew whose pull does not end', async () => {
    const still = new WatchedQueue(queue())
    const host = watching(still)
    await pass(host, 10_000)
    still.isAnswered = false
    still.turn()
    await vi.advanceTimersByTimeAsync(1)
    still.turn()
    still.isPulled = false
    await pass(host, PULL_TIMEOUT + 20_000)
    expect(host.reopened).toEqual([still])
    expect(host.events[0]).toEqual(['stalled', 'NO_PULL', 0])
  })

  it('opens a queue anew whose pull began in the moment of the last answer and does not end', async () => {
    const still = new WatchedQueue(queue())
    const host = watching(still)
    await pass(host, 10_000)
    still.turn()
    still.answer()
    still.set({ isFetching: true })
    still.isPulled = false
    await pass(host, PULL_TIMEOUT + 20_000)
    expect(host.reopened).toEqual([still])
  })

  it('tries again and again where the new one does not go on either, and tells of it once', async () => {
    const still = new WatchedQueue(queue())
    still.isPulled = false
    const host = watching(still)
    host.next = () => {
      const next = new WatchedQueue(queue())
      next.isPulled = host.reopened.length > 2
      next.answer(0)
      return next
    }
    await pass(host, 400_000)
    expect(host.reopened).toHaveLength(3)
    expect(host.events).toEqual([
      ['stalled', 'NO_PULL', 0],
      ['repaired', 'NO_PULL', 0],
    ])
  })

  it('keeps a queue stalled that can not be opened again yet, and forgets it when it belongs to another member', async () => {
    const still = new WatchedQueue(queue())
    still.isPulled = false
    const host = watching(still)
    host.next = () => undefined
    host.isComplete = false
    await pass(host, 200_000)
    expect(watchdog?.stalled).toMatchObject([{ queue: queue(), reason: 'NO_PULL' }])
    host.isComplete = true
    await pass(host, INTERVAL)
    expect(watchdog?.stalled).toEqual([])
    expect(host.events).toEqual([['stalled', 'NO_PULL', 0]])
  })

  it('tells of a queue whose broker does not answer, and lets it go on trying with what it has', async () => {
    const silent = new WatchedQueue(queue())
    const host = watching(silent)
    silent.isAnswered = false
    await pass(host, NEVER)
    expect(host.events).toEqual([['stalled', 'NO_ANSWER', 0]])
    expect(watchdog?.stalled).toHaveLength(1)
    expect(host.reopened).toEqual([])
    silent.isAnswered = true
    await pass(host, 2 * INTERVAL)
    expect(host.events[1]).toEqual(['repaired', 'NO_ANSWER', 0])
    expect(watchdog?.stalled).toEqual([])
  })

  it('does not mind a queue that is full or paused', async () => {
    const full = new WatchedQueue(queue())
    full.isFull = true
    const host = watching(full)
    full.stateParts = { cachedCount: 1_000, inFlight: 20 }
    await pass(host, NEVER)
    expect(host.events).toEqual([])
  })

  it('does not mind a queue that waits a minute before it pulls a message again that it can not read', async () => {
    const waiting = new WatchedQueue(queue())
    const host = watching(waiting)
    for (let i = 0; i < 5; i++) {
      await pass(host, 2_000)
      waiting.answer()
      waiting.isPulled = false
      await pass(host, 60_000)
      waiting.isPulled = true
    }
    expect(host.events).toEqual([])
  })

  it('opens a queue anew whose messages no handler gets, though handlers are free', async () => {
    const still = new WatchedQueue(queue())
    still.isFull = true
    still.stateParts = { cachedCount: 5, inFlight: 1, isReady: true }
    const host = watching(still)
    await pass(host, 80_000)
    expect(host.events).toEqual([
      ['stalled', 'NO_PROGRESS', 0],
      ['repaired', 'NO_PROGRESS', 0],
    ])
    expect(host.reopened).toEqual([still])
  })

  it.each([
    ['handlers are busy now and then', (one: WatchedQueue, i: number) => one.set({ isReady: i % 50 !== 4 })],
    ['some are consumed', (one: WatchedQueue, i: number) => one.set({ lastConsumeTimestamp: i })],
    ['its offset moves', (one: WatchedQueue, i: number) => one.set({ commitOffset: i })],
  ])('does not mind messages that wait while %s', async (_what, change) => {
    const waiting = new WatchedQueue(queue())
    waiting.isFull = true
    waiting.set({ cachedCount: 5, inFlight: 1, isReady: true })
    const host = watching(waiting)
    for (let i = 0; i < NEVER / 1_000; i++) {
      change(waiting, i)
      await pass(host, 1_000)
    }
    expect(host.events).toEqual([])
  })

  it('does not count the time in which the process itself stood still', async () => {
    const host = watching(new WatchedQueue(queue()))
    await pass(host, 20_000)
    // The clock goes on, and no timer fires.
    vi.setSystemTime(Date.now() + NEVER)
    const now = performance.now.bind(performance)
    vi.spyOn(performance, 'now').mockImplementation(() => now() + NEVER)
    await pass(host, 20_000)
    expect(host.events).toEqual([])
  })

  it('goes by no clock that somebody sets', async () => {
    const host = watching(new WatchedQueue(queue()))
    await pass(host, 20_000)
    vi.setSystemTime(Date.now() + NEVER)
    await pass(host, 60_000)
    vi.setSystemTime(Date.now() - 2 * NEVER)
    await pass(host, 60_000)
    expect(host.events).toEqual([])
  })
})
