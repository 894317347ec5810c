import type { WaitOptions } from '../remoting/deadline.js'
import type { Outcome } from '../remoting/outcome.js'

/**
 * What is done in a place in flight; the place is told when it is over, which gives it back. What it throws counts as told.
 *
 * @param now - On the monotonic clock: what is done at once need not look again.
 * @param waited - So much of its timeout has been used up by waiting, in milliseconds.
 * @param subject - What it is done with: handed on, since a function that remembers it would be one more object for each send that waits.
 */
export type Work<Options, Subject, T> = (
  now: number,
  waited: number,
  options: Options,
  subject: Subject,
  place: Outcome<T>,
) => void

/** One that waits for its place. There may be very many, so it has nothing that it could do without. */
export class Waiter {
  readonly bytes: number
  readonly options: WaitOptions
  readonly work: Work<WaitOptions, unknown, unknown>
  readonly subject: unknown
  readonly resolve: (result: unknown) => void
  /** When the wait began, on the monotonic clock; 0 for one that has no timeout. */
  readonly since: number
  previous: Waiter | undefined = undefined
  next: Waiter | undefined = undefined

  constructor(
    bytes: number,
    options: WaitOptions,
    work: Work<WaitOptions, unknown, unknown>,
    subject: unknown,
    resolve: (result: unknown) => void,
    since: number,
  ) {
    this.bytes = bytes
    this.options = options
    this.work = work
    this.subject = subject
    this.resolve = resolve
    this.since = since
  }

  get deadline(): number {
    const { timeout } = this.options
    return timeout === undefined ? Number.POSITIVE_INFINITY : this.since + timeout
  }
}

/** A queue whose members can leave from anywhere, at no cost that grows with its length. */
export class WaitingLine {
  first: Waiter | undefined
  length = 0
  #last: Waiter | undefined

  append(waiter: Waiter): void {
    waiter.previous = this.#last
    if (this.#last === undefined) this.first = waiter
    else this.#last.next = waiter
    this.#last = waiter
    this.length++
  }

  remove({ previous, next }: Waiter): void {
    if (previous === undefined) this.first = next
    else previous.next = next
    if (next === undefined) this.#last = previous
    else next.previous = previous
    this.length--
  }
}
