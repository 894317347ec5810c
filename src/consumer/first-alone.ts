/**
 * Lets a first piece of work run alone, and others beside each other when one has succeeded.
 *
 * A broker that stores the first offsets of a group and a topic makes its table for them without a lock (`ConsumerOffsetManager.commitOffset`): of two that it stores at once, it
 * may answer both and lose one.
 */
export class FirstAlone {
  /** What some work has succeeded for. */
  readonly #succeeded = new Set<string>()
  /** Work that runs alone. It never rejects. */
  readonly #alone = new Map<string, Promise<void>>()

  /**
   * @param key - Work of other keys is not waited for.
   * @param wait - Waits for the one that runs alone, as long as this piece of work may. When it rejects, the work is not done.
   * @param work - Resolves with whether anything was done.
   */
  async run(key: string, wait: (other: Promise<void>) => Promise<void>, work: () => Promise<boolean>): Promise<void> {
    while (!this.#succeeded.has(key)) {
      const other = this.#alone.get(key)
      if (other === undefined) return this.#runAlone(key, work())
      await wait(other)
    }
    await work()
  }

  async #runAlone(key: string, work: Promise<boolean>): Promise<void> {
    const over = () => void this.#alone.delete(key)
    this.#alone.set(key, work.then(over, over))
    if (await work) this.#succeeded.add(key)
  }
}
