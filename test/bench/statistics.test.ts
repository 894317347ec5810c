import { describe, expect, it } from 'vitest'
import { ratioInterval, seededRandom, summarize } from '../../bench/statistics.js'

describe('a summary', () => {
  it('has the middle value of an odd count, and the mean of the two middle ones of an even count', () => {
    expect(summarize([3, 1, 2])).toEqual({ median: 2, min: 1, max: 3 })
    expect(summarize([4, 1, 2, 3])).toEqual({ median: 2.5, min: 1, max: 4 })
  })

  it('of nothing is refused', () => {
    expect(() => summarize([])).toThrow('nothing was measured')
  })
})

describe('the interval of ratios', () => {
  it('closes on the ratio when every round says the same', () => {
    const { estimate, low, high } = ratioInterval([1.1, 1.1, 1.1], 0.99)
    for (const value of [estimate, low, high]) expect(value).toBeCloseTo(1.1, 10)
  })

  it('holds the estimate and grows with the confidence', () => {
    const ratios = [0.94, 1.07, 1.01, 0.98, 1.03, 0.99, 1.02]
    const narrow = ratioInterval(ratios, 0.5)
    const wide = ratioInterval(ratios, 0.99)
    expect(wide.low).toBeLessThan(narrow.low)
    expect(wide.high).toBeGreaterThan(narrow.high)
    expect(wide.estimate).toBeGreaterThan(wide.low)
    expect(wide.estimate).toBeLessThan(wide.high)
  })

  it('is not moved by one wild round', () => {
    const { estimate } = ratioInterval([1, 1.01, 0.99, 1, 1.02, 0.98, 9], 0.99)
    expect(estimate).toBeCloseTo(1, 1)
  })

  it('turns around when the two change places', () => {
    const ratios = [0.9, 1.05, 1.2, 0.97, 1.1]
    const there = ratioInterval(ratios, 0.9)
    const back = ratioInterval(
      ratios.map((ratio) => 1 / ratio),
      0.9,
    )
    expect(back.estimate).toBeCloseTo(1 / there.estimate, 10)
  })

  it('is the same in every run', () => {
    const ratios = [1.2, 0.9, 1.05, 1.01]
    expect(ratioInterval(ratios, 0.95)).toEqual(ratioInterval(ratios, 0.95))
  })
})

it('seeded random numbers spread from 0 to below 1', () => {
  const random = seededRandom(7)
  const values = Array.from({ length: 10_000 }, random)
  expect(Math.min(...values)).toBeGreaterThanOrEqual(0)
  expect(Math.max(...values)).toBeLessThan(1)
  expect(values.reduce((sum, value) => sum + value, 0) / values.length).toBeCloseTo(0.5, 1)
})
