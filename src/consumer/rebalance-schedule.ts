import { monotonicNow } from '../remoting/deadline.js'

/** Between two rebalances that follow each other for any reason, on the average of two: membership changes often come in pairs. */
const MIN_GAP = 1_000
const SMALLEST_GAP = 200

/**
 * When to divide the queues: on a period, soon after a request, and never more than two times in a second, one at a time.
 *
 * @see RebalanceService
 */
export class RebalanceSchedule {
  readonly #rebalance: () => Promise<number>
  #timer: NodeJS.Timeout | undefined
  #state: 'created' | 'running' | 'stopped' = 'created'
  #underWay: Promise<void> | undefined
  #isRequested = false
  #waiting: (() => void)[] = []
  #lastAt = Number.NEGATIVE_INFINITY
  #lastButOneAt = Number.NEGATIVE_INFINITY
  #nextAt = Number.POSITIVE_INFINITY

  /** @param rebalance - Never rejects. Gives the time until the next one at the latest, in milliseconds. */
  constructor(rebalance: () => Promise<number>) {
    this.#rebalance = rebalance
  }

  /** The first rebalance begins at once. */
  start(): void {
    if (this.#state !== 'created') return
    this.#state = 'running'
    this.request()
  }

  /** Whether something changed since the last rebalance began. */
  get isRequested(): boolean {
    return this.#isRequested
  }

  /** Something changed: rebalance as soon as the last times allow it. */
  request(): void {
    this.#isRequested = true
    this.#arm()
  }

  /** {@link RebalanceSchedule.request}, and waits until a rebalance that began after this call is done. Without one to come it resolves at once. */
  run(): Promise<void> {
    if (this.#state !== 'running') return Promise.resolve()
    const done = new Promise<void>((resolve) => this.#waiting.push(resolve))
    this.request()
    return done
  }

  /** No rebalance begins any more. Resolves when the one under way is done. */
  async stop(): Promise<void> {
    this.#state = 'stopped'
    clearTimeout(this.#timer)
    const waiting = this.#waiting
    this.#waiting = []
    await this.#underWay
    for (const resolve of waiting) resolve()
  }

  #arm(): void {
    if (this.#state !== 'running' || this.#underWay !== undefined) return
    clearTimeout(this.#timer)
    const at = this.#isRequested ? Math.max(this.#lastAt + SMALLEST_GAP, this.#lastButOneAt + MIN_GAP) : this.#nextAt
    this.#timer = setTimeout(() => this.#begin(), Math.max(0, at - monotonicNow()))
  }

  #begin(): void {
    this.#isRequested = false
    this.#lastButOneAt = this.#lastAt
    this.#lastAt = monotonicNow()
    const waiting = this.#waiting
    this.#waiting = []
    this.#underWay = this.#rebalance().then((delay) => {
      this.#underWay = undefined
      this.#nextAt = monotonicNow() + delay
      for (const resolve of waiting) resolve()
      this.#arm()
    })
  }
}
