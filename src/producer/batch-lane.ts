import type { AccumulatedBatch } from './accumulated-batch.js'

/** The batches of one key that wait, in the order in which they leave. Only the last one still takes messages. */
export class BatchLane {
  readonly key: string
  /** All go to one queue, and none may overtake: the next one leaves when the one before it has its outcome. */
  readonly isOrdered: boolean
  inFlight = 0
  #head: AccumulatedBatch | undefined
  #tail: AccumulatedBatch | undefined

  constructor(key: string, isOrdered: boolean) {
    this.key = key
    this.isOrdered = isOrdered
  }

  get head(): AccumulatedBatch | undefined {
    return this.#head
  }

  get tail(): AccumulatedBatch | undefined {
    return this.#tail
  }

  get isBlocked(): boolean {
    return this.isOrdered && this.inFlight > 0
  }

  get isIdle(): boolean {
    return this.#head === undefined && this.inFlight === 0
  }

  push(batch: AccumulatedBatch): void {
    if (this.#tail === undefined) this.#head = batch
    else this.#tail.next = batch
    this.#tail = batch
  }

  shift(): void {
    this.#head = this.#head?.next
    if (this.#head === undefined) this.#tail = undefined
  }
}
