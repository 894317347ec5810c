/** Counts the messages that wait in several process queues. */
export interface WaitingTally {
  waiting: number
}

/** What pulls a queue that has more messages, and waits until it may. */
export interface ReadAheadLoop {
  /** It may pull once. Must not throw. */
  admit(): void
}

/**
 * How far all queues of a consumer together are pulled ahead of its handlers.
 *
 * Of many queues with a backlog, some are pulled at a time, each for one answer, and the others come next in their order: so what was pulled is handled while it is
 * young. All at once they would gain no speed, but the garbage collector would move about what lies long, and that took half of the time of a thousand queues.
 *
 * Queues that may be empty are none of its business: their pulls wait at the broker, however many there are.
 */
export class ReadAhead implements WaitingTally {
  /** Messages that were pulled and that no handler has taken. Kept by the process queues. */
  waiting = 0
  /** Messages that may come with the pulls under way. */
  #expected = 0
  readonly #limit: number
  readonly #pullBatchSize: number
  readonly #parked = new Set<ReadAheadLoop>()

  /** @param limit - In messages. More than all queues of a consumer with few queues pull ahead, so that these are never held up here. */
  constructor(limit: number, pullBatchSize: number) {
    this.#limit = limit
    this.#pullBatchSize = pullBatchSize
  }

  /** Whether a loop may pull now: then it has to {@link ReadAhead.leave} afterwards. Else it is admitted in its turn. */
  enter(loop: ReadAheadLoop): boolean {
    if (this.#parked.size === 0 && this.#hasRoom()) {
      this.#expected += this.#pullBatchSize
      return true
    }
    this.#parked.add(loop)
    return false
  }

  /** The pull of a loop that was admitted is over; what it brought waits, or it is not made. */
  leave(): void {
    this.#expected -= this.#pullBatchSize
    this.admitNext()
  }

  /** A loop does not wait for its turn any more. */
  forget(loop: ReadAheadLoop): void {
    this.#parked.delete(loop)
  }

  /** Fewer messages may wait than before. Cheap: called for every message that is taken. */
  admitNext(): void {
    while (this.#parked.size > 0 && this.#hasRoom()) {
      const [loop] = this.#parked
      if (loop === undefined) return
      this.#parked.delete(loop)
      this.#expected += this.#pullBatchSize
      loop.admit()
    }
  }

  #hasRoom(): boolean {
    return this.waiting + this.#expected < this.#limit
  }
}
