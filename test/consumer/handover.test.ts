import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { handover } from '../../src/consumer/handover.js'
import type { MessageQueue } from '../../src/message/message.js'
import { rejectionOf } from '../support/until.js'

const QUEUES: MessageQueue[] = [0, 1].map((queueId) => ({ topic: 'T', brokerName: 'a', queueId }))

/** A handover, and whether it is over. Offsets are told by the time since its begin. */
function begun(offsetOf: (elapsed: number, queueId: number) => number | Promise<number>, isRequested = () => false) {
  const startedAt = Date.now()
  const stopping = new AbortController()
  const readOffset = vi.fn(async ({ queueId }: MessageQueue) => offsetOf(Date.now() - startedAt, queueId))
  let isOver = false
  const over = handover(QUEUES, { readOffset, isRequested, signal: stopping.signal }).then((free) => {
    isOver = true
    return free
  })
  const isOverAt = async (elapsed: number) => {
    await vi.advanceTimersByTimeAsync(startedAt + elapsed - Date.now())
    return isOver
  }
  return { over, isOverAt, readOffset, stopping }
}

describe('handover', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('leaves other members half a second where offsets stand still', async () => {
    const { isOverAt } = begun(() => 7)
    expect(await isOverAt(499)).toBe(false)
    expect(await isOverAt(500)).toBe(true)
  })

  it('goes on until the offset of the last queue stands still', async () => {
    const { isOverAt, readOffset } = begun((elapsed, queueId) => (queueId === 1 ? Math.min(elapsed, 1_100) : 7))
    expect(await isOverAt(1_499)).toBe(false)
    expect(await isOverAt(1_500)).toBe(true)
    expect(readOffset.mock.calls.filter(([{ queueId }]) => queueId === 0)).toHaveLength(2)
  })

  it('ends though offsets move', async () => {
    const { over, isOverAt } = begun((elapsed) => elapsed)
    expect(await isOverAt(2_499)).toBe(false)
    expect(await isOverAt(2_750)).toBe(true)
    expect(await over).toEqual(QUEUES)
  })

  it('leaves queues whose offsets move to the next division when one is asked for', async () => {
    const { over, isOverAt } = begun(
      (elapsed, queueId) => queueId * elapsed,
      () => true,
    )
    expect(await isOverAt(499)).toBe(false)
    expect(await isOverAt(500)).toBe(true)
    expect(await over).toEqual([QUEUES[0]])
  })

  it.each<[string, () => Promise<number>]>([
    ['can not be read', () => Promise.reject(new Error('no broker'))],
    ['are not answered', () => new Promise<number>(() => undefined)],
  ])('waits for no offsets that %s', async (_what, read) => {
    const { isOverAt } = begun(read)
    expect(await isOverAt(499)).toBe(false)
    expect(await isOverAt(500)).toBe(true)
  })

  it('ends at once when the consumer is shut down', async () => {
    const { over, stopping } = begun((elapsed) => elapsed)
    const rejection = rejectionOf(over)
    await vi.advanceTimersByTimeAsync(600)
    stopping.abort()
    expect(await rejection).toMatchObject({ code: 'ABORTED' })
  })
})
