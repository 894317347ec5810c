/** Of what a second allows, so much may come at once. */
const BURST = 0.1

/** So many messages in a second, evenly: a token bucket. Times are monotonic, in milliseconds. */
export class RateLimit {
  readonly #perMillisecond: number
  readonly #capacity: number
  #tokens: number
  #filledAt: number

  constructor(perSecond: number, now: number) {
    this.#perMillisecond = perSecond / 1_000
    this.#capacity = Math.max(1, perSecond * BURST)
    this.#tokens = this.#capacity
    this.#filledAt = now
  }

  /** How many messages are allowed now. */
  available(now: number): number {
    this.#tokens = Math.min(this.#capacity, this.#tokens + (now - this.#filledAt) * this.#perMillisecond)
    this.#filledAt = now
    return Math.floor(this.#tokens)
  }

  take(count: number): void {
    this.#tokens -= count
  }

  /** How long until the next message is allowed, in milliseconds. */
  delay(now: number): number {
    return this.available(now) >= 1 ? 0 : Math.ceil((1 - this.#tokens) / this.#perMillisecond)
  }
}
