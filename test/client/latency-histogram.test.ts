import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LatencyHistogram } from '../../src/client/latency-histogram.js'

function histogramOf(latencies: Iterable<number>): LatencyHistogram {
  const histogram = new LatencyHistogram()
  for (const latency of latencies) histogram.record(latency)
  return histogram
}

/** The upper bound of the bucket that a latency falls in. A second, longer one keeps the bound from being cut to the maximum. */
function boundOf(latency: number): number | undefined {
  return histogramOf([latency, 1e9]).snapshot().buckets[0]?.upperBound
}

describe('a latency histogram', () => {
  it('is all zeros before anything is recorded', () => {
    expect(new LatencyHistogram().snapshot()).toEqual({
      count: 0,
      min: 0,
      max: 0,
      mean: 0,
      p50: 0,
      p90: 0,
      p99: 0,
      p999: 0,
      buckets: [],
    })
  })

  it('keeps count, least, greatest and mean exactly', () => {
    const snapshot = histogramOf([0.3, 12, 1.7, 900]).snapshot()
    expect(snapshot).toMatchObject({ count: 4, min: 0.3, max: 900 })
    expect(snapshot.mean).toBeCloseTo(228.5, 10)
  })

  it.each([
    [0, 0.05],
    [0.049, 0.05],
    [0.05, 0.056_25],
    [0.0562, 0.056_25],
    [0.0563, 0.0625],
    [0.0999, 0.1],
    [0.1, 0.1125],
    [1, 1.1],
    [200, 204.8],
    [59_999, 60_000],
  ])('counts %d ms in the bucket that ends at %d ms', (latency, bound) => {
    expect(boundOf(latency)).toBeCloseTo(bound, 10)
  })

  it('has one bucket for all that took a minute or more, which ends at the greatest', () => {
    const { buckets, p50, p999 } = histogramOf([60_000, 75_000, 3_600_000]).snapshot()
    expect(buckets).toEqual([{ upperBound: 3_600_000, count: 3 }])
    expect([p50, p999]).toEqual([3_600_000, 3_600_000])
  })

  it('gives percentiles that are not below the true one, nor more than an eighth above it', () => {
    const latencies = Array.from({ length: 10_000 }, (_, i) => (i + 1) / 10)
    const { p50, p90, p99, p999 } = histogramOf(latencies).snapshot()
    for (const [found, wanted] of [
      [p50, 500],
      [p90, 900],
      [p99, 990],
      [p999, 999],
    ] as const) {
      expect(found).toBeGreaterThanOrEqual(wanted)
      expect(found).toBeLessThanOrEqual(Math.min(wanted * 1.125, 1_000))
    }
  })

  it('tells the one slow latency among a thousand from the others', () => {
    const { p50, p99, p999, max } = histogramOf([...Array.from({ length: 999 }, () => 2), 5_000]).snapshot()
    expect([p50, p99, p999]).toEqual([2.2, 2.2, 2.2])
    expect(max).toBe(5_000)
    const withTwo = histogramOf([...Array.from({ length: 998 }, () => 2), 5_000, 5_000]).snapshot()
    expect(withTwo.p999).toBe(5_000)
  })

  it('takes what is no duration for 0', () => {
    expect(histogramOf([-1, Number.NaN, Number.NEGATIVE_INFINITY]).snapshot()).toMatchObject({
      count: 3,
      min: 0,
      max: 0,
      mean: 0,
      buckets: [{ upperBound: 0.05, count: 3 }],
    })
  })

  it('has fewer than 200 buckets over the whole range', () => {
    const histogram = new LatencyHistogram()
    for (let latency = 0.001; latency < 100_000; latency *= 1.01) histogram.record(latency)
    const { buckets } = histogram.snapshot()
    expect(buckets.length).toBeGreaterThan(150)
    expect(buckets.length).toBeLessThan(200)
  })

  it('puts every latency into the first bucket whose bound lies above it, and loses none', () => {
    const latency = fc.oneof(
      fc.double({ min: 0, max: 70_000, noNaN: true }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.integer({ min: 0, max: 61_000 }),
    )
    fc.assert(
      fc.property(fc.array(latency, { minLength: 1, maxLength: 50 }), (latencies) => {
        const { buckets, count, min, max } = histogramOf(latencies).snapshot()
        expect([count, min, max]).toEqual([latencies.length, Math.min(...latencies), Math.max(...latencies)])
        const bounds = buckets.map(({ upperBound }) => upperBound)
        expect(bounds).toEqual([...bounds].sort((a, b) => a - b))
        for (const [i, { upperBound, count: expected }] of buckets.entries()) {
          const isLast = i === buckets.length - 1
          const lower = bounds[i - 1] ?? 0
          const inside = latencies.filter((each) => each >= lower && (each < upperBound || isLast))
          expect(inside).toHaveLength(expected)
        }
      }),
    )
  })

  it('is not changed by later latencies once it is a snapshot, which JSON can hold', () => {
    const histogram = histogramOf([1, 2, 70_000])
    const snapshot = histogram.snapshot()
    const text = JSON.stringify(snapshot)
    histogram.record(3)
    expect(snapshot.count).toBe(3)
    expect(JSON.parse(text)).toEqual(snapshot)
  })
})
