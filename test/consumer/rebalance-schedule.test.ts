import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { RebalanceSchedule } from '../../src/consumer/rebalance-schedule.js'

function fakeTime(): void {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  onTestFinished(() => void vi.useRealTimers())
}

/** A schedule whose rebalances take no time, with the times at which they began. */
function scheduled(delay = 20_000): { schedule: RebalanceSchedule; times: number[]; setDelay(next: number): void } {
  fakeTime()
  const times: number[] = []
  let nextDelay = delay
  const start = performance.now()
  const schedule = new RebalanceSchedule(async () => {
    times.push(Math.round(performance.now() - start))
    return nextDelay
  })
  onTestFinished(() => schedule.stop())
  return {
    schedule,
    times,
    setDelay: (next) => {
      nextDelay = next
    },
  }
}

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms)

describe('RebalanceSchedule', () => {
  it('rebalances at the start, and again when the time is over that the last one said', async () => {
    const { schedule, times, setDelay } = scheduled()
    await pass(5_000)
    expect(times).toEqual([])
    schedule.start()
    await pass(0)
    expect(times).toEqual([5_000])
    setDelay(1_000)
    await pass(20_000)
    expect(times).toEqual([5_000, 25_000])
    await pass(1_000)
    expect(times).toEqual([5_000, 25_000, 26_000])
  })

  it('rebalances at once on a request, and begins a new period with it', async () => {
    const { schedule, times } = scheduled()
    schedule.start()
    await pass(5_000)
    schedule.request()
    await pass(0)
    expect(times).toEqual([0, 5_000])
    await pass(19_999)
    expect(times).toEqual([0, 5_000])
    await pass(1)
    expect(times).toEqual([0, 5_000, 25_000])
  })

  it('rebalances no more than two times in a second, however many requests come, and none is forgotten', async () => {
    const { schedule, times } = scheduled()
    schedule.start()
    for (let i = 0; i < 30; i++) {
      schedule.request()
      await pass(100)
    }
    await pass(10_000)
    expect(times).toEqual([0, 200, 1_000, 1_200, 2_000, 2_200, 3_000])
  })

  it('runs one at a time: a request while one runs is served after it', async () => {
    fakeTime()
    let ends: (() => void) | undefined
    let running = 0
    let count = 0
    const schedule = new RebalanceSchedule(async () => {
      count++
      expect(++running).toBe(1)
      await new Promise<void>((resolve) => {
        ends = resolve
      })
      running--
      return 20_000
    })
    schedule.start()
    await pass(3_000)
    schedule.request()
    await pass(3_000)
    expect(count).toBe(1)
    ends?.()
    await pass(0)
    expect(count).toBe(2)
    ends?.()
    await schedule.stop()
  })

  it('lets a caller wait for a rebalance that began after its call', async () => {
    const { schedule, times } = scheduled()
    schedule.start()
    await pass(5_000)
    const done = vi.fn()
    void schedule.run().then(done)
    await pass(0)
    expect(times).toEqual([0, 5_000])
    expect(done).toHaveBeenCalledOnce()
  })

  it('leaves no caller waiting when it is not started or is stopped', async () => {
    const { schedule, times } = scheduled()
    await schedule.run()
    schedule.start()
    const waiting = schedule.run()
    await schedule.stop()
    await waiting
    await schedule.run()
    schedule.request()
    await pass(60_000)
    expect(times).toEqual([])
    expect(vi.getTimerCount()).toBe(0)
  })

  it('is stopped when the rebalance under way has ended', async () => {
    fakeTime()
    let end: (() => void) | undefined
    const schedule = new RebalanceSchedule(async () => {
      await new Promise<void>((resolve) => {
        end = resolve
      })
      return 1
    })
    schedule.start()
    await pass(0)
    const stopped = vi.fn()
    void schedule.stop().then(stopped)
    await pass(1_000)
    expect(stopped).not.toHaveBeenCalled()
    end?.()
    await pass(1_000)
    expect(stopped).toHaveBeenCalledOnce()
    expect(vi.getTimerCount()).toBe(0)
  })
})
