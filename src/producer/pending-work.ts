import { DrainWaiters } from '../client/drain-waiters.js'

/** Counts what has not settled, so that a shutdown can wait for it. */
export class PendingWork {
  #count = 0
  readonly #waiters = new DrainWaiters()

  readonly #onSettled = (): void => {
    this.#count--
    if (this.#count === 0) this.#waiters.tell()
  }

  track<T>(work: Promise<T>): Promise<T> {
    this.#count++
    work.then(this.#onSettled, this.#onSettled)
    return work
  }

  /** Resolves with how much is left: 0, unless `timeout` ends first. */
  async drained(timeout: number | undefined): Promise<number> {
    if (this.#count > 0) await this.#waiters.wait(timeout)
    return this.#count
  }
}
