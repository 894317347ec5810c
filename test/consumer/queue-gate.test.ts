import { describe, expect, it, vi } from 'vitest'
import { type GatedQueue, QueueGate } from '../../src/consumer/queue-gate.js'
import { type LockLoss, QueueLock } from '../../src/consumer/queue-lock.js'
import { fakeTimers } from './ordered-consumption-under-test.js'

const ADDRESS = '192.0.2.1:10911'

/** A gate whose queue stands at offset 10, and what the queue is told. */
function gated(stored: () => Promise<number>) {
  const lock = new QueueLock({ topic: 'T', brokerName: 'a', queueId: 0 }, ADDRESS, performance.now())
  const told: string[] = []
  const queue: GatedQueue = {
    commitOffset: 10,
    readOffset: stored,
    seek: (offset) => told.push(`seek ${offset}`),
    onShut: (loss) => told.push(`shut ${loss}`),
    onOpened: () => told.push('opened'),
    report: (error) => told.push(`report ${error}`),
  }
  const gate = new QueueGate(lock, queue)
  const retake = () => lock.take(ADDRESS, performance.now())
  return { lock, gate, told, retake }
}

async function settled(): Promise<void> {
  for (let i = 0; i < 5; i++) await undefined
}

describe('a gate', () => {
  it('is open from the beginning, since the offset was read under the lock', () => {
    expect(gated(async () => 0).gate.isOpen).toBe(true)
  })

  it.each<LockLoss>(['REFUSED', 'EXPIRED', 'DISCONNECTED', 'MOVED'])(
    'shuts at once when the lock is lost: %s',
    (loss) => {
      const { lock, gate, told } = gated(async () => 0)
      lock.lose(loss)
      expect(gate.isOpen).toBe(false)
      expect(told).toEqual([`shut ${loss}`])
    },
  )

  it('shuts when the time of the lock is over, before anybody notices', () => {
    fakeTimers()
    const { gate, told } = gated(async () => 0)
    vi.advanceTimersByTime(29_999)
    expect(gate.isOpen).toBe(true)
    vi.advanceTimersByTime(1)
    expect(gate.isOpen).toBe(false)
    expect(told).toEqual([])
  })

  it('opens not before it knows the offset, and goes on where another member left off', async () => {
    let answer = (_offset: number) => {}
    const { lock, gate, told, retake } = gated(() => new Promise((resolve) => (answer = resolve)))
    lock.lose('REFUSED')
    retake()
    await settled()
    expect(gate.isOpen).toBe(false)
    answer(15)
    await settled()
    expect(gate.isOpen).toBe(true)
    expect(told).toEqual(['shut REFUSED', 'seek 15', 'opened'])
  })

  it.each([10, 9, 0, -1])('goes on where it was when the stored offset is %d, not above its own', async (offset) => {
    const { lock, gate, told, retake } = gated(async () => offset)
    lock.lose('DISCONNECTED')
    retake()
    await settled()
    expect(gate.isOpen).toBe(true)
    expect(told).toEqual(['shut DISCONNECTED', 'opened'])
  })

  it('stays shut while the offset can not be read, and asks every second', async () => {
    fakeTimers()
    let asked = 0
    const { lock, gate, told, retake } = gated(async () => {
      asked++
      if (asked < 3) throw new Error('no broker')
      return 12
    })
    lock.lose('EXPIRED')
    retake()
    await vi.advanceTimersByTimeAsync(1_000)
    expect(asked).toBe(2)
    expect(gate.isOpen).toBe(false)
    await vi.advanceTimersByTimeAsync(1_000)
    expect(gate.isOpen).toBe(true)
    expect(told).toEqual(['shut EXPIRED', 'report Error: no broker', 'report Error: no broker', 'seek 12', 'opened'])
  })

  it('passes over an offset that was asked for before the lock was lost again', async () => {
    const answers: ((offset: number) => void)[] = []
    const { lock, gate, told, retake } = gated(() => new Promise((resolve) => answers.push(resolve)))
    lock.lose('REFUSED')
    retake()
    lock.lose('DISCONNECTED')
    retake()
    answers[0]?.(99)
    await settled()
    expect(gate.isOpen).toBe(false)
    answers[1]?.(11)
    await settled()
    expect(gate.isOpen).toBe(true)
    expect(told).toEqual(['shut REFUSED', 'shut DISCONNECTED', 'seek 11', 'opened'])
  })

  it('tells nothing after it was closed, and leaves no timer', async () => {
    fakeTimers()
    const { lock, gate, told, retake } = gated(async () => {
      throw new Error('no broker')
    })
    lock.lose('REFUSED')
    retake()
    await vi.advanceTimersByTimeAsync(0)
    gate.close()
    expect(vi.getTimerCount()).toBe(0)
    lock.lose('DISCONNECTED')
    retake()
    await vi.advanceTimersByTimeAsync(5_000)
    expect(told).toEqual(['shut REFUSED', 'report Error: no broker'])
  })
})
