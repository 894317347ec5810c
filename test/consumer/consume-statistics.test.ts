import { describe, expect, it } from 'vitest'
import { ConsumeStatistics } from '../../src/consumer/consume-statistics.js'

const NOW = 1_700_000_000_000
const MINUTE = 60_000
const HOUR = 60 * MINUTE

describe('the statistics of a topic', () => {
  it('are 0 where nothing was counted', () => {
    expect(new ConsumeStatistics().status('T', NOW)).toEqual({
      pullRT: 0,
      pullTPS: 0,
      consumeRT: 0,
      consumeOKTPS: 0,
      consumeFailedTPS: 0,
      consumeFailedMsgs: 0,
    })
  })

  it('give averages and messages in a second of the last minute', () => {
    const statistics = new ConsumeStatistics()
    const topic = statistics.topic('T')
    topic.pulled(90, 10, NOW)
    topic.pulled(30, 30, NOW + 30_000)
    topic.handled(100, NOW)
    topic.handled(50, NOW + 30_000)
    topic.consumed(60, 0, NOW)
    topic.consumed(54, 6, NOW + 30_000)
    // A slot of ten seconds begins at NOW: seven of them, the present one just begun, are one minute.
    const status = statistics.status('T', NOW + MINUTE)
    expect(status).toMatchObject({ pullRT: 20, pullTPS: 2, consumeRT: 75, consumeFailedMsgs: 6 })
    expect(status.consumeOKTPS).toBeCloseTo(1.9)
    expect(status.consumeFailedTPS).toBeCloseTo(0.1)
  })

  it('forget after a minute, but for failures, which stay an hour, and the time of handlers', () => {
    const statistics = new ConsumeStatistics()
    const topic = statistics.topic('T')
    topic.pulled(10, 10, NOW)
    topic.handled(8, NOW)
    topic.consumed(9, 1, NOW)
    expect(statistics.status('T', NOW + 2 * MINUTE)).toEqual({
      pullRT: 0,
      pullTPS: 0,
      consumeRT: 8,
      consumeOKTPS: 0,
      consumeFailedTPS: 0,
      consumeFailedMsgs: 1,
    })
    expect(statistics.status('T', NOW + 2 * HOUR)).toMatchObject({ consumeRT: 0, consumeFailedMsgs: 0 })
  })

  it('are apart for each topic', () => {
    const statistics = new ConsumeStatistics()
    statistics.topic('T').consumed(0, 5, NOW)
    expect(statistics.status('U', NOW).consumeFailedMsgs).toBe(0)
    expect(statistics.status('T', NOW).consumeFailedMsgs).toBe(5)
  })
})
