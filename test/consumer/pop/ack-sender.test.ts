import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { AckSender } from '../../../src/consumer/pop/ack-sender.js'
import type { Lease } from '../../../src/consumer/pop/lease.js'
import { RemotingError } from '../../../src/errors.js'
import { newLease } from './new-lease.js'

const HOUR = 3_600_000

/** A sender whose requests end as the test wants. */
function sending() {
  const requests: { leases: readonly Lease[]; succeed: () => void; fail: () => void }[] = []
  const done: Lease[] = []
  const reports: string[] = []
  const sender = new AckSender({
    ack: (leases) =>
      new Promise((resolve, reject) => {
        requests.push({
          leases,
          succeed: resolve,
          fail: () => reject(new RemotingError('TIMEOUT', 'no answer', { address: '' })),
        })
      }),
    onDone: (leases) => done.push(...leases),
    report: (_error, what) => reports.push(what),
  })
  return { sender, requests, done, reports }
}

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  vi.useRealTimers()
})

describe('acknowledgements that nobody waits for', () => {
  it('go together, and again a while after they failed', async () => {
    const { sender, requests, done } = sending()
    const leases = [newLease(0, HOUR), newLease(1, HOUR)]
    for (const lease of leases) sender.add(lease)
    await vi.advanceTimersByTimeAsync(1)
    requests[0]?.fail()
    await vi.advanceTimersByTimeAsync(1)
    expect([requests.length, sender.count]).toEqual([1, 2])
    await vi.advanceTimersByTimeAsync(1_000)
    expect(requests[1]?.leases).toEqual(leases)
    requests[1]?.succeed()
    await vi.advanceTimersByTimeAsync(1)
    expect([done, sender.count]).toEqual([leases, 0])
  })

  it('are told of when they are not done at the end', async () => {
    const { sender, reports } = sending()
    sender.add(newLease(0, HOUR))
    sender.add(newLease(1, HOUR))
    await vi.advanceTimersByTimeAsync(1)
    sender.stop()
    sender.stop()
    expect(reports).toEqual(['2 messages are not acknowledged: they come again'])
  })

  it('that fail after the end are not tried again, and leave no timer', async () => {
    const { sender, requests } = sending()
    sender.add(newLease(0, HOUR))
    await vi.advanceTimersByTimeAsync(1)
    sender.stop()
    requests[0]?.fail()
    await vi.advanceTimersByTimeAsync(0)
    expect(vi.getTimerCount()).toBe(0)
    sender.add(newLease(1, HOUR))
    await vi.advanceTimersByTimeAsync(10_000)
    expect(requests).toHaveLength(1)
  })
})
