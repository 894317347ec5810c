/** Gives back first what has the smallest number. Of equal ones, any. */
export class MinHeap<T> {
  /** Two columns of one table. */
  readonly #ranks: number[] = []
  readonly #values: T[] = []

  get size(): number {
    return this.#ranks.length
  }

  /** The smallest number; undefined when it is empty. */
  get minRank(): number | undefined {
    return this.#ranks[0]
  }

  push(rank: number, value: T): void {
    let at = this.#ranks.length
    while (at > 0) {
      const parent = (at - 1) >> 1
      if ((this.#ranks[parent] as number) <= rank) break
      this.#put(at, this.#ranks[parent] as number, this.#values[parent] as T)
      at = parent
    }
    this.#put(at, rank, value)
  }

  pop(): T | undefined {
    const first = this.#values[0]
    const rank = this.#ranks.pop()
    const value = this.#values.pop()
    if (rank !== undefined && this.#ranks.length > 0) this.#sink(rank, value as T)
    return first
  }

  /** Lets it sink from the top to its place. */
  #sink(rank: number, value: T): void {
    const size = this.#ranks.length
    let at = 0
    for (let child = 1; child < size; child = 2 * at + 1) {
      if (child + 1 < size && (this.#ranks[child + 1] as number) < (this.#ranks[child] as number)) child++
      if (rank <= (this.#ranks[child] as number)) break
      this.#put(at, this.#ranks[child] as number, this.#values[child] as T)
      at = child
    }
    this.#put(at, rank, value)
  }

  #put(at: number, rank: number, value: T): void {
    this.#ranks[at] = rank
    this.#values[at] = value
  }
}
