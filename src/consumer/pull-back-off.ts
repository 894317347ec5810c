import { isDenied } from '../remoting/refusal.js'

const MAX_REPULLS = 3
const MAX_UNREADABLE_DELAY = 60_000
/** An answer without progress that comes sooner than this was no long poll. In milliseconds. */
const QUICK_ANSWER = 50
const MAX_QUICK_ANSWERS = 3
const MAX_QUICK_DELAY = 1_000
const MAX_DOUBLINGS = 10
/** What a broker's access control refused is allowed when an administrator comes, and not before. In milliseconds. */
const DENIED_DELAY = 10_000

/** How long to wait after a pull that failed. @param delay - As a rule, in milliseconds. */
export function delayAfter(error: unknown, delay: number): number {
  return isDenied(error) ? Math.max(delay, DENIED_DELAY) : delay
}

/** What went wrong with pulling a queue, one time after the other, and how long to wait therefore. Times are in milliseconds. */
export class PullBackOff {
  readonly #delay: number
  #failures = 0
  #refusals = 0
  #corrections = 0
  #unreadable = 0
  #quickAnswers = 0

  /** @param delay - After a pull that failed. */
  constructor(delay: number) {
    this.#delay = delay
  }

  /** A broker answered. */
  answered(): void {
    this.#failures = 0
    this.#refusals = 0
  }

  /** A pull failed. @returns how often in a row. */
  failed(): number {
    return ++this.#failures
  }

  /** A broker does not know the subscription. @returns how often so, since the last answer. */
  refused(): number {
    return ++this.#refusals
  }

  /** Messages could be read, or there were none. */
  read(): void {
    this.#unreadable = 0
  }

  /** The next message could not be read. @returns how long to wait, and whether it was tried often enough. */
  unreadable(): { delay: number; isHopeless: boolean } {
    const tooOften = ++this.#unreadable - MAX_REPULLS
    if (tooOften <= 0) return { delay: this.#delay, isHopeless: false }
    const delay = Math.min(MAX_UNREADABLE_DELAY, this.#delay * 2 ** Math.min(tooOften, MAX_DOUBLINGS))
    return { delay, isHopeless: true }
  }

  /** An offset was corrected: a broker that is never content must not be asked in a loop. */
  corrected(): number {
    return ++this.#corrections > 1 ? this.#delay : 0
  }

  /** An offset was right. A broker that says at once that there is nothing, time and again, must not be asked in a loop. */
  answeredRight(hasMoved: boolean, elapsed: number): number {
    this.#corrections = 0
    if (hasMoved || elapsed >= QUICK_ANSWER) this.#quickAnswers = 0
    else this.#quickAnswers++
    const tooMany = this.#quickAnswers - MAX_QUICK_ANSWERS
    return tooMany <= 0 ? 0 : Math.min(MAX_QUICK_DELAY, QUICK_ANSWER * 2 ** Math.min(tooMany, MAX_DOUBLINGS))
  }
}
