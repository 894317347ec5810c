import { ClientError } from '../errors.js'
import { abortError, checkTimeout, monotonicNow, restOf, type WaitOptions, withDeadline } from '../remoting/deadline.js'

/** The time that a call has which changes what a member consumes, over all of its steps. */
export class BalanceWait {
  readonly #what: string
  readonly #options: WaitOptions
  readonly #startedAt = monotonicNow()

  /**
   * @param what - The call, for errors.
   * @throws {@link ClientError} `INVALID_ARGUMENT`; `ABORTED` when the signal has fired already.
   */
  constructor(what: string, options: WaitOptions) {
    checkTimeout(options.timeout)
    if (options.signal?.aborted) throw abortError(what, options.signal)
    this.#what = what
    this.#options = options
  }

  /** What is left of it. */
  get rest(): WaitOptions {
    return restOf(this.#options, this.#startedAt)
  }

  /**
   * Waits for a step, which goes on when the time is over.
   *
   * @throws what it rejects with; {@link ClientError} `NOT_BALANCED`, `ABORTED`.
   */
  until(step: Promise<void>): Promise<void> {
    const { timeout, signal } = this.rest
    return withDeadline(step, timeout, signal, this.#what, () => {
      const problem = `${this.#what}: not in effect within ${this.#options.timeout} ms`
      return new ClientError('NOT_BALANCED', problem, { retryable: true })
    })
  }
}
