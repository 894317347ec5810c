import { DrainWaiters } from '../../client/drain-waiters.js'

/** Requests that nobody waits for now, so that an end can. */
export class WorkUnderWay {
  readonly #drained = new DrainWaiters()
  #count = 0

  get count(): number {
    return this.#count
  }

  /** @param work - Must not reject. */
  add(work: Promise<unknown>): void {
    this.#count++
    void work.then(() => {
      this.#count--
      if (this.#count === 0) this.#drained.tell()
    })
  }

  /** Resolves when all is done, what comes in the meantime included, or when the time is over. */
  async drain(timeout: number): Promise<void> {
    if (this.#count > 0) await this.#drained.wait(timeout)
  }
}
