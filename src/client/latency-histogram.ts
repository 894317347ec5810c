/** What a histogram holds. Times are in milliseconds. */
export interface LatencySnapshot {
  /** How many latencies were recorded. All other figures are 0 when there is none. */
  readonly count: number
  readonly min: number
  readonly max: number
  readonly mean: number
  /** Half of the latencies are not above this. Percentiles are upper bounds of buckets: at most an eighth too high from 0.05 ms on, and never above `max`. */
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly p999: number
  /** Those that are not empty, ascending. */
  readonly buckets: readonly LatencyBucket[]
}

export interface LatencyBucket {
  /** In milliseconds: below this, and at or above the bound of the bucket before it. The bucket of all that took a minute or more ends at `max`. */
  readonly upperBound: number
  readonly count: number
}

/** The first bucket ends at 0.05 ms, 8 units. From there on each power of two has 8 buckets of one width, up to a minute. */
const UNITS_PER_MS = 160
const SUB_BUCKET_BITS = 3
const SUB_BUCKETS = 1 << SUB_BUCKET_BITS
const LONGEST = 60_000
const OVERFLOW = bucketOf(LONGEST * UNITS_PER_MS - 1) + 1

/** Counts latencies in fixed buckets: 1.3 KiB however many there are, and nothing is allocated per latency. */
export class LatencyHistogram {
  readonly #counts = new Float64Array(OVERFLOW + 1)
  #count = 0
  #sum = 0
  #min = Number.POSITIVE_INFINITY
  #max = 0

  /** @param latency - In milliseconds, fractions included. What is below 0 or no number counts as 0. */
  record(latency: number): void {
    const time = latency > 0 ? latency : 0
    const bucket = time < LONGEST ? bucketOf((time * UNITS_PER_MS) | 0) : OVERFLOW
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1
    this.#count++
    this.#sum += time
    if (time < this.#min) this.#min = time
    if (time > this.#max) this.#max = time
  }

  /** The figures as they are now; a plain object that JSON can hold. */
  snapshot(): LatencySnapshot {
    const buckets: LatencyBucket[] = []
    for (const [bucket, count] of this.#counts.entries()) {
      if (count > 0) buckets.push({ upperBound: this.#upperBoundOf(bucket), count })
    }
    return {
      count: this.#count,
      min: this.#count === 0 ? 0 : this.#min,
      max: this.#max,
      mean: this.#count === 0 ? 0 : this.#sum / this.#count,
      p50: this.#percentile(buckets, 0.5),
      p90: this.#percentile(buckets, 0.9),
      p99: this.#percentile(buckets, 0.99),
      p999: this.#percentile(buckets, 0.999),
      buckets,
    }
  }

  #percentile(buckets: readonly LatencyBucket[], share: number): number {
    let missing = Math.ceil(this.#count * share)
    for (const { upperBound, count } of buckets) {
      missing -= count
      if (missing <= 0) return Math.min(upperBound, this.#max)
    }
    return 0
  }

  #upperBoundOf(bucket: number): number {
    if (bucket === OVERFLOW) return this.#max
    if (bucket === 0) return SUB_BUCKETS / UNITS_PER_MS
    const doublings = (bucket - 1) >> SUB_BUCKET_BITS
    const units = (SUB_BUCKETS + ((bucket - 1) & (SUB_BUCKETS - 1)) + 1) * 2 ** doublings
    return Math.min(LONGEST, units / UNITS_PER_MS)
  }
}

/** @param units - A whole number. */
function bucketOf(units: number): number {
  if (units < SUB_BUCKETS) return 0
  const doublings = 31 - Math.clz32(units) - SUB_BUCKET_BITS
  return doublings * SUB_BUCKETS + (units >> doublings) - SUB_BUCKETS + 1
}
