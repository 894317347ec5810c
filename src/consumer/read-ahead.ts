/** Counts the messages that wait in several process queues. */
export interface WaitingTally {
  waiting: number
}

/** What pulls a queue that has more messages, and waits until it may. */
export interface ReadAheadLoop {
  /** The round in which it was admitted; {@link ReadAhead} sets it. */
  admittedIn: number
  /** It may pull once. Must not throw. */
  admit(): void
}

/** Loops are admitted so many at a time, so that their requests go out with one write, and the answers come with one read. */
const PULLS_AT_ONCE = 8
/** Pulls of queues with a backlog are answered at once. When none is for so long, in milliseconds, those under way may be at a broker that hangs. */
const HANG_TIME = 1_000

/**
 * How far all queues of a consumer together are pulled ahead of its handlers.
 *
 * Of many queues with a backlog, some are pulled at a time, each for one answer, and the others come next in their order: so what was pulled is handled while it is
 * young. All at once they would gain no speed, but the garbage collector would move about what lies long, and that took half of the time of a thousand queues.
 *
 * Queues that may be empty are none of its business: their pulls wait at the broker, however many there are. A broker that hangs holds up the queues of other brokers for
 * a second at a time, until all of its own are under way.
 */
export class ReadAhead implements WaitingTally {
  /** Messages that were pulled and that no handler has taken. Kept by the process queues. */
  waiting = 0
  /** Messages that may come with the pulls under way of this round. */
  #expected = 0
  /** Of the pulls of rounds before nothing is expected any more. */
  #round = 1
  #hasAnswers = false
  /** Runs while loops are parked. */
  #hangTimer: NodeJS.Timeout | undefined
  readonly #limit: number
  /** No more than so many: some loops come next. */
  readonly #refillAt: number
  readonly #pullBatchSize: number
  readonly #parked = new Set<ReadAheadLoop>()

  /** @param limit - In messages. More than all queues of a consumer with few queues pull ahead, so that these are never held up here. */
  constructor(limit: number, pullBatchSize: number) {
    this.#limit = limit
    this.#refillAt = limit - Math.min(limit / 2, PULLS_AT_ONCE * pullBatchSize)
    this.#pullBatchSize = pullBatchSize
  }

  /** Whether a loop may pull now: then it has to {@link ReadAhead.leave} afterwards. Else it is admitted in its turn. */
  enter(loop: ReadAheadLoop): boolean {
    if (this.#parked.size === 0 && this.#hasRoom()) {
      this.#expect(loop)
      return true
    }
    this.#parked.add(loop)
    this.#hangTimer ??= setInterval(() => this.#onTick(), HANG_TIME)
    return false
  }

  /** The pull of a loop that was admitted is over; what it brought waits, or it is not made. */
  leave(loop: ReadAheadLoop): void {
    this.#hasAnswers = true
    if (loop.admittedIn === this.#round) this.#expected -= this.#pullBatchSize
    this.admitNext()
  }

  /** A loop does not wait for its turn any more. */
  forget(loop: ReadAheadLoop): void {
    this.#parked.delete(loop)
    if (this.#parked.size > 0) return
    clearInterval(this.#hangTimer)
    this.#hangTimer = undefined
  }

  /** Fewer messages may wait than before. Cheap: called for every message that is taken. */
  admitNext(): void {
    if (this.waiting + this.#expected <= this.#refillAt && this.#parked.size > 0) this.#admitSome()
  }

  #admitSome(): void {
    for (const loop of this.#parked) {
      if (!this.#hasRoom()) return
      this.forget(loop)
      this.#expect(loop)
      loop.admit()
    }
  }

  #expect(loop: ReadAheadLoop): void {
    loop.admittedIn = this.#round
    this.#expected += this.#pullBatchSize
  }

  #onTick(): void {
    if (!this.#hasAnswers) {
      this.#round++
      this.#expected = 0
    }
    this.#hasAnswers = false
    this.admitNext()
  }

  #hasRoom(): boolean {
    return this.waiting + this.#expected < this.#limit
  }
}
