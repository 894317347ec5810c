/** Counts the sends that have not settled, so that a shutdown can wait for them. */
export class InFlightSends {
  #count = 0
  #onEmpty: (() => void)[] = []

  async track<T>(send: Promise<T>): Promise<T> {
    this.#count++
    try {
      return await send
    } finally {
      this.#count--
      if (this.#count === 0) {
        for (const resolve of this.#onEmpty) resolve()
        this.#onEmpty = []
      }
    }
  }

  /** Resolves with the number of sends that are left: 0, unless `timeout` ends first. */
  async drained(timeout: number | undefined): Promise<number> {
    if (this.#count === 0) return 0
    let timer: NodeJS.Timeout | undefined
    await new Promise<void>((resolve) => {
      this.#onEmpty.push(resolve)
      if (timeout !== undefined) timer = setTimeout(resolve, timeout)
    })
    clearTimeout(timer)
    return this.#count
  }
}
