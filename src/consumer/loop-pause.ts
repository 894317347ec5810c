/** How a loop over one queue waits: for some time, or until there is room. Either ends when it is told to go on. */
export class LoopPause {
  #goOn: (() => void) | undefined
  #isForRoom = false

  /** Whether it waits until there is room. */
  get isForRoom(): boolean {
    return this.#isForRoom
  }

  /** Ends the wait, if there is one. */
  end(): void {
    this.#goOn?.()
  }

  /** @param delay - In milliseconds; undefined: until there is room. */
  wait(delay: number | undefined): Promise<void> {
    return new Promise((resolve) => {
      const timer = delay === undefined ? undefined : setTimeout(() => this.end(), delay)
      this.#isForRoom = delay === undefined
      this.#goOn = () => {
        clearTimeout(timer)
        this.#isForRoom = false
        this.#goOn = undefined
        resolve()
      }
    })
  }
}
