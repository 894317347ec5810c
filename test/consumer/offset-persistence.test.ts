import { describe, expect, it, onTestFinished, vi } from 'vitest'
import type { AssignedQueue } from '../../src/consumer/assigned-queue.js'
import { OffsetPersistence } from '../../src/consumer/offset-persistence.js'
import type { OffsetStore } from '../../src/consumer/offset-store.js'

/** So many queues whose offsets have moved each time somebody looks, and when they were stored, in milliseconds. */
function persisting(queueCount: number, persist: () => Promise<void> = async () => undefined) {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  const startedAt = Date.now()
  const storedAt: number[] = []
  const offsetStore: Pick<OffsetStore, 'persist'> = {
    persist() {
      storedAt.push(Date.now() - startedAt)
      return persist()
    },
  }
  const queues: Partial<AssignedQueue>[] = Array.from({ length: queueCount }, () => ({ saveOffset: () => true }))
  const reports: string[] = []
  const persistence = new OffsetPersistence(
    offsetStore as OffsetStore,
    () => queues as AssignedQueue[],
    (_error, what) => reports.push(what),
  )
  onTestFinished(() => persistence.stop())
  return { persistence, storedAt, reports, queues }
}

describe('the storing of offsets', () => {
  it('is done once each interval', async () => {
    const { persistence, storedAt } = persisting(100)
    persistence.start(100)
    await vi.advanceTimersByTimeAsync(350)
    expect(storedAt).toEqual([100, 200, 300])
  })

  it('leaves a millisecond for each queue where very many move', async () => {
    const { persistence, storedAt } = persisting(1_024)
    persistence.start(100)
    await vi.advanceTimersByTimeAsync(3_000)
    expect(storedAt).toEqual([100, 1_124, 2_148])
  })

  it('ends for good when it is stopped by somebody who hears of a fault', async () => {
    const { persistence, storedAt, queues } = persisting(1)
    queues.push({
      saveOffset() {
        persistence.stop()
        return true
      },
    })
    persistence.start(100)
    await vi.advanceTimersByTimeAsync(1_000)
    expect(storedAt).toEqual([])
    expect(vi.getTimerCount()).toBe(0)
  })

  it('goes on beside one that does not end, and after one that fails', async () => {
    let count = 0
    const { persistence, storedAt, reports } = persisting(1, () =>
      count++ === 0 ? new Promise<void>(() => undefined) : Promise.reject(new Error('no')),
    )
    persistence.start(100)
    await vi.advanceTimersByTimeAsync(350)
    expect(storedAt).toEqual([100, 200, 300])
    expect(reports).toHaveLength(2)
    persistence.stop()
    await vi.advanceTimersByTimeAsync(350)
    expect(storedAt).toHaveLength(3)
  })
})
