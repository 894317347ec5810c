/** Who waits until something is empty, each for a time of its own. */
export class DrainWaiters {
  readonly #ends = new Set<() => void>()

  /** Resolves at the next {@link DrainWaiters.tell}, or when the time is over. Without a timeout there is only the one. */
  wait(timeout: number | undefined): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer)
        this.#ends.delete(end)
        resolve()
      }
      const timer = timeout === undefined ? undefined : setTimeout(end, timeout)
      this.#ends.add(end)
    })
  }

  /** It is empty now. */
  tell(): void {
    for (const end of this.#ends) end()
  }
}
