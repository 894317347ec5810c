import { describe, expect, it } from 'vitest'
import { SendStatistics } from '../../src/producer/send-statistics.js'

describe('the statistics of a producer', () => {
  it('are empty before the first send', () => {
    expect(new SendStatistics().snapshot()).toEqual({ sent: 0, failed: 0, retried: 0, failures: {}, byBroker: [] })
  })

  it('count what was confirmed, by broker in the order of names, with the latencies of each', () => {
    const statistics = new SendStatistics()
    for (const latency of [3, 4, 5]) statistics.recordSuccess('broker-b', latency)
    statistics.recordSuccess('broker-a', 700)
    const { sent, byBroker } = statistics.snapshot()
    expect(sent).toBe(4)
    expect(byBroker).toMatchObject([
      { brokerName: 'broker-a', sent: 1, failed: 0, latency: { count: 1, min: 700, max: 700 } },
      { brokerName: 'broker-b', sent: 3, failed: 0, latency: { count: 3, min: 3, max: 5, mean: 4 } },
    ])
  })

  it('tell an attempt that failed at a broker from a send that failed', () => {
    const statistics = new SendStatistics()
    statistics.recordFailedAttempt('broker-a')
    statistics.recordRetry()
    statistics.recordSuccess('broker-b', 1)
    const { sent, failed, retried, failures, byBroker } = statistics.snapshot()
    expect({ sent, failed, retried, failures }).toEqual({ sent: 1, failed: 0, retried: 1, failures: {} })
    expect(byBroker).toMatchObject([
      { brokerName: 'broker-a', sent: 0, failed: 1, latency: { count: 0, p99: 0 } },
      { brokerName: 'broker-b', sent: 1, failed: 0 },
    ])
  })

  it('count the sends that failed by code', () => {
    const statistics = new SendStatistics()
    for (const code of ['TIMEOUT', 'SYSTEM_BUSY', 'TIMEOUT']) statistics.recordFailure(code)
    expect(statistics.snapshot()).toMatchObject({ sent: 0, failed: 3, failures: { TIMEOUT: 2, SYSTEM_BUSY: 1 } })
  })

  it('are a plain object: JSON holds all of it, and later sends do not change it', () => {
    const statistics = new SendStatistics()
    statistics.recordSuccess('broker-a', 2)
    statistics.recordFailure('TIMEOUT')
    const snapshot = statistics.snapshot()
    const text = JSON.stringify(snapshot)
    statistics.recordSuccess('broker-a', 3)
    statistics.recordFailure('TIMEOUT')
    expect(JSON.stringify(snapshot)).toBe(text)
    expect(JSON.parse(text)).toEqual(snapshot)
  })
})
