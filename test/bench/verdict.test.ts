import { describe, expect, it } from 'vitest'
import { isLook, judge, mostRounds, type Verdict } from '../../bench/compare/verdict.js'
import { seededRandom } from '../../bench/statistics.js'

describe('the verdict of a comparison', () => {
  it('finds a slow-down of 10 % in noise of 4 %', () => {
    expect(shareOf('slower', { factor: 1.1, noise: 0.04, rounds: 9 })).toBeGreaterThan(0.95)
  })

  it('hardly ever calls noise a slow-down', () => {
    for (const noise of [0.03, 0.15]) {
      expect(shareOf('slower', { factor: 1, noise, rounds: 9 })).toBeLessThanOrEqual(0.05)
    }
  })

  it('hardly ever does so either when rounds are added until it is clear', () => {
    const random = seededRandom(1)
    let found = 0
    for (let trial = 0; trial < TRIALS; trial++) {
      const ratios: number[] = []
      for (let round = 1; round <= mostRounds(9); round++) {
        ratios.push(Math.exp(0.12 * gauss(random)))
        if (!isLook(round, 9)) continue
        const { verdict } = judge(ratios)
        if (verdict === 'slower') found++
        if (verdict !== 'unclear') break
      }
    }
    expect(found / TRIALS).toBeLessThan(0.1)
  })

  it('calls an unchanged client the same when the noise lets it', () => {
    expect(shareOf('same', { factor: 1, noise: 0.03, rounds: 9 })).toBeGreaterThan(0.95)
  })

  it('asks for more rounds where noise may hide a slow-down, and finds it then', () => {
    expect(shareOf('unclear', { factor: 1.1, noise: 0.15, rounds: 9 })).toBeGreaterThan(0.5)
    expect(shareOf('slower', { factor: 1.1, noise: 0.15, rounds: 36 })).toBeGreaterThan(0.6)
  })

  it('tells an improvement', () => {
    expect(shareOf('faster', { factor: 0.9, noise: 0.03, rounds: 9 })).toBeGreaterThan(0.95)
  })

  it('leaves a certain but small change alone', () => {
    expect(judge([1.01, 1.011, 1.012, 1.01, 1.013]).verdict).toBe('same')
  })

  it('is unclear after a few rounds, however much they agree', () => {
    expect(judge([1.5, 1.5, 1.5]).verdict).toBe('unclear')
  })

  it('is refused without rounds', () => {
    expect(() => judge([])).toThrow('no round has both builds')
  })
})

interface Rounds {
  readonly factor: number
  /** Standard deviation of a round's ratio. */
  readonly noise: number
  readonly rounds: number
}

const TRIALS = 30

/** How often that is the verdict, over simulated comparisons. */
function shareOf(verdict: Verdict, { factor, noise, rounds }: Rounds): number {
  const random = seededRandom(Math.round(factor * 1000 + noise * 100 + rounds))
  let count = 0
  for (let trial = 0; trial < TRIALS; trial++) {
    const ratios = Array.from({ length: rounds }, () => factor * Math.exp(noise * gauss(random)))
    if (judge(ratios).verdict === verdict) count++
  }
  return count / TRIALS
}

/** A number of the normal distribution (Box and Muller). */
function gauss(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
}
