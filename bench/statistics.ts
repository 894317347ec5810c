/** A figure over the rounds. */
export interface Summary {
  readonly median: number
  readonly min: number
  readonly max: number
}

/** @throws Error for an empty list. */
export function summarize(values: readonly number[]): Summary {
  const sorted = [...values].sort((a, b) => a - b)
  const median = medianOfSorted(sorted)
  return { median, min: sorted[0] ?? median, max: sorted[sorted.length - 1] ?? median }
}

/** @throws Error for an empty list. */
export function median(values: readonly number[]): number {
  return medianOfSorted([...values].sort((a, b) => a - b))
}

function medianOfSorted(sorted: readonly number[]): number {
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle]
  if (upper === undefined) throw new Error('nothing was measured')
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2
}

/** An estimate with the range that holds the true value, at the given confidence. */
export interface Interval {
  readonly estimate: number
  readonly low: number
  readonly high: number
}

const RESAMPLES = 4_000
/** Of the sorted values, this share is left out at either end. */
const TRIM = 0.2

/**
 * The typical ratio of pairs, with a bootstrap interval.
 *
 * The estimate is a trimmed geometric mean: it stands single wild rounds nearly as a median does and wastes less of few rounds. Each resample draws as many ratios as
 * there are, with replacement; the interval holds the middle share of their estimates. The draws are the same in every run.
 *
 * @param ratios - One for each round, all above 0.
 * @param confidence - Below 1, for example 0.95.
 * @throws Error for an empty list.
 */
export function ratioInterval(ratios: readonly number[], confidence: number): Interval {
  const logs = Float64Array.from(ratios, Math.log)
  const estimate = trimmedMean(logs.slice())
  const random = seededRandom(logs.length)
  const draw = new Float64Array(logs.length)
  const estimates = Float64Array.from({ length: RESAMPLES }, () => {
    for (let index = 0; index < draw.length; index++) draw[index] = logs[Math.floor(random() * logs.length)] ?? 0
    return trimmedMean(draw)
  }).sort()
  const tail = (1 - confidence) / 2
  const at = (share: number): number => estimates[Math.min(RESAMPLES - 1, Math.floor(share * RESAMPLES))] ?? 0
  return { estimate: Math.exp(estimate), low: Math.exp(at(tail)), high: Math.exp(at(1 - tail)) }
}

/** Sorts the values. */
function trimmedMean(values: Float64Array): number {
  if (values.length === 0) throw new Error('nothing was measured')
  values.sort()
  const cut = Math.floor(values.length * TRIM)
  let sum = 0
  for (let index = cut; index < values.length - cut; index++) sum += values[index] ?? 0
  return sum / (values.length - 2 * cut)
}

/** Numbers from 0 to below 1, the same for the same seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
