import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Lease } from '../../../src/consumer/pop/lease.js'
import { LeaseRenewal } from '../../../src/consumer/pop/lease-renewal.js'
import { newLease } from './new-lease.js'

const INVISIBLE_TIME = 10_000
const HOUR = 3_600_000
const AT_ONCE = 64

/** A renewal whose requests the test answers. */
function renewing() {
  const requests: { lease: Lease; succeed: () => void; fail: () => void }[] = []
  const failed: Lease[] = []
  const renewal = new LeaseRenewal({
    renew: (lease, invisibleTime) =>
      new Promise((resolve, reject) => {
        const succeed = () => {
          lease.renew(lease.receipt, lease.expiresAt + invisibleTime)
          resolve()
        }
        requests.push({ lease, succeed, fail: () => reject(new Error('no')) })
      }),
    onFailed: (lease) => failed.push(lease),
  })
  const add = (count: number, brokerName?: string) => {
    const leases = Array.from({ length: count }, (_, i) => newLease(i, INVISIBLE_TIME, brokerName))
    for (const lease of leases) renewal.add(lease, INVISIBLE_TIME, HOUR)
    return leases
  }
  return { renewal, requests, failed, add }
}

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  vi.useRealTimers()
})

describe('the invisible time of a message that is held', () => {
  it('is prolonged when half of it is over, again and again', async () => {
    const { requests, add } = renewing()
    add(1)
    await vi.advanceTimersByTimeAsync(4_000)
    expect(requests).toHaveLength(0)
    for (let i = 1; i <= 3; i++) {
      await vi.advanceTimersByTimeAsync(1_500)
      expect(requests).toHaveLength(i)
      requests.at(-1)?.succeed()
      await vi.advanceTimersByTimeAsync(8_500)
      expect(requests).toHaveLength(i)
    }
  })

  it('is tried again to be prolonged when that failed, but no more after it is over', async () => {
    const { requests, failed, add } = renewing()
    const [lease] = add(1)
    await vi.advanceTimersByTimeAsync(5_000)
    requests[0]?.fail()
    await vi.advanceTimersByTimeAsync(2_000)
    expect(failed).toEqual([lease])
    expect(requests.length).toBeGreaterThan(1)
    requests[1]?.fail()
    await vi.advanceTimersByTimeAsync(4_000)
    const before = requests.length
    await vi.advanceTimersByTimeAsync(60_000)
    expect(requests.length).toBe(before)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('is not prolonged while it is acknowledged', async () => {
    const { requests, add } = renewing()
    const [lease] = add(1) as [Lease]
    lease.acksUnderWay = 2
    await vi.advanceTimersByTimeAsync(6_000)
    lease.acksUnderWay = 1
    await vi.advanceTimersByTimeAsync(2_000)
    expect(requests).toHaveLength(0)
    lease.acksUnderWay = 0
    await vi.advanceTimersByTimeAsync(1_000)
    expect(requests).toHaveLength(1)
  })

  it('is prolonged for a few of many messages at a time, the others follow at once; those of another broker do not wait', async () => {
    const { requests, add } = renewing()
    add(1_000, 'broker-a')
    add(10, 'broker-b')
    await vi.advanceTimersByTimeAsync(5_000)
    const of = (brokerName: string) => requests.filter(({ lease }) => lease.origin.brokerName === brokerName)
    expect([of('broker-a').length, of('broker-b').length]).toEqual([AT_ONCE, 10])
    for (let i = 0; i < requests.length; i++) {
      requests[i]?.succeed()
      await Promise.resolve()
      await Promise.resolve()
      const open = requests.length - (i + 1)
      expect(open).toBeLessThanOrEqual(AT_ONCE + 10)
    }
    expect(new Set(requests.map(({ lease }) => lease)).size).toBe(1_010)
    expect(requests).toHaveLength(1_010)
  })

  it('is prolonged no more after the end, and no timer is left', async () => {
    const { renewal, requests, add } = renewing()
    add(1)
    renewal.stop()
    add(1)
    expect(vi.getTimerCount()).toBe(0)
    await vi.advanceTimersByTimeAsync(60_000)
    expect(requests).toEqual([])
  })
})
