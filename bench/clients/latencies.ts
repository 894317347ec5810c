import type { Latency } from './job.js'

/** Keeps the latencies of a window and tells their percentiles. */
export class Latencies {
  readonly #values: Float64Array
  #count = 0

  /** @param capacity - Further ones are left out. */
  constructor(capacity: number) {
    this.#values = new Float64Array(capacity)
  }

  /** @param milliseconds - As differences of `performance.now()`. */
  record(milliseconds: number): void {
    if (this.#count < this.#values.length) this.#values[this.#count++] = milliseconds
  }

  /** Undefined when there is none. */
  summary(): Latency | undefined {
    if (this.#count === 0) return undefined
    const sorted = this.#values.subarray(0, this.#count).sort()
    const at = (share: number): number =>
      (sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? 0) * 1000
    return { p50: at(0.5), p99: at(0.99), p999: at(0.999) }
  }
}
