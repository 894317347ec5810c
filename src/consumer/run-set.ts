/** Where members write down their place: each can be in one set of the consumer's and one of its queue's. */
export interface Placed {
  place: number
  placeInQueue: number
}

/**
 * The handlers at work, in no order. Adding and removing takes the same time, however many there are.
 *
 * It is no `Set`, because one that always changes makes itself a new table every few additions, and the old one points to the new one. When the garbage collector
 * once takes a table for long-lived, it keeps all that follow, with the messages in them, until its next full round. That was a fifth of all that a message costs.
 */
export class RunSet<Run extends Placed> {
  readonly #place: keyof Placed
  readonly #runs: Run[] = []

  constructor(place: keyof Placed) {
    this.#place = place
  }

  get size(): number {
    return this.#runs.length
  }

  /** As they are now: whoever goes through them may remove some. */
  values(): Run[] {
    return this.#runs.slice()
  }

  has(run: Run): boolean {
    return this.#runs[run[this.#place]] === run
  }

  add(run: Run): void {
    run[this.#place] = this.#runs.length
    this.#runs.push(run)
  }

  /** Its place goes to the last one. One that is not there is passed over. */
  delete(run: Run): void {
    if (!this.has(run)) return
    const last = this.#runs.pop() as Run
    if (last === run) return
    const place = run[this.#place]
    this.#runs[place] = last
    last[this.#place] = place
  }
}
