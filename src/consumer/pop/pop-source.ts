import { monotonicNow } from '../../remoting/deadline.js'
import type { PopOrigin } from './lease.js'
import { pollTime } from './poll-time.js'

/** After a request that failed. In milliseconds, as all times here. */
const FAULT_DELAY = 1_000
/** A broker that says at once that there is nothing did not wait, and one whose messages can't be had is not to be asked in a loop. */
const QUICK_ANSWER = 50
const MAX_QUICK_DELAY = 1_000
const MAX_DOUBLINGS = 10
/** So many answers in a row without a message come as it may be. */
const FREE_MISSES = 2

/** What a broker has of a topic, for those who pop it: whether there is something, as far as is known. */
export class PopSource {
  readonly origin: PopOrigin
  /** Whether the broker knows where the group begins with its queues. */
  isIntroduced = false
  /** Whether there may be messages. */
  isHot = false
  /** Since when somebody waits at the broker for messages; monotonic. */
  watchedSince: number | undefined
  /** Not asked again before; monotonic. */
  notBefore = 0
  /** Of a pop in order that failed: whoever asks again by it gets what that one may have brought, and does not wait until its invisible time is over. */
  lostAttempt: string | undefined
  #lookedAt = 0
  #fault: Error | undefined
  #misses = 0
  /** Those in a row that said that there is nothing. */
  #emptyAnswers = 0

  constructor(origin: PopOrigin) {
    this.origin = origin
  }

  /** Why the last request failed, as long as none succeeds. */
  get fault(): Error | undefined {
    return this.#fault
  }

  /** How long somebody may wait at the broker, when that is to be no longer than `max`. In milliseconds. */
  pollTime(max: number): number {
    return pollTime(this.#emptyAnswers, max)
  }

  /** Whether it is known what there was at this time, or since. */
  isLookedAt(since: number): boolean {
    return this.#lookedAt >= since || (this.watchedSince !== undefined && this.watchedSince < since)
  }

  /**
   * The broker says whether there are messages.
   *
   * @param pollTime - How long it should have waited for them.
   */
  told(isHot: boolean, pollTime: number, elapsed: number): void {
    this.#answered()
    this.isHot = isHot
    if (!isHot && pollTime > 0) this.#emptyAnswers++
    if (!isHot && elapsed < Math.min(QUICK_ANSWER, pollTime / 2)) this.#missed()
  }

  /** Messages were wanted. */
  popped(isFound: boolean): void {
    this.#answered()
    this.isHot = isFound
    if (isFound) {
      this.#misses = 0
      this.#emptyAnswers = 0
    } else this.#missed()
  }

  /** @returns whether it is the first failure in a row. */
  failed(error: unknown): boolean {
    const isFirst = this.#fault === undefined
    this.isHot = false
    this.#fault = error instanceof Error ? error : new Error(String(error))
    this.#lookedAt = monotonicNow()
    this.notBefore = this.#lookedAt + FAULT_DELAY
    return isFirst
  }

  #answered(): void {
    this.#fault = undefined
    this.#lookedAt = monotonicNow()
  }

  #missed(): void {
    this.#misses++
    const tooMany = Math.min(MAX_DOUBLINGS, this.#misses - FREE_MISSES)
    if (tooMany > 0) this.notBefore = monotonicNow() + Math.min(MAX_QUICK_DELAY, QUICK_ANSWER * 2 ** tooMany)
  }
}
