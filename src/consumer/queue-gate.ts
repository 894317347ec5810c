import type { LockLoss, QueueLock, QueueLockListener } from './queue-lock.js'

/** The queue behind a gate. None of the functions may throw. */
export interface GatedQueue {
  /** What would be committed now. */
  readonly commitOffset: number
  /** The group's offset as its store has it; −1: there is none. May reject. */
  readOffset(): Promise<number>
  /** Goes on elsewhere. */
  seek(offset: number): void
  onShut(loss: LockLoss): void
  onOpened(): void
  report(error: unknown, what: string): void
}

const RETRY_DELAY = 1_000

/**
 * Lets a queue be worked on while its lock is there. When the lock was lost and is back, another member may have worked on the queue meanwhile: then it goes on where
 * that one left off.
 *
 * @see DefaultMQPushConsumerImpl.pullMessage, ProcessQueue.isLocked
 */
export class QueueGate implements QueueLockListener {
  readonly lock: QueueLock
  readonly #queue: GatedQueue
  #isOpen = true
  /** Counts losses: what was begun before one is void. */
  #turn = 0
  #timer: NodeJS.Timeout | undefined

  constructor(lock: QueueLock, queue: GatedQueue) {
    this.lock = lock
    this.#queue = queue
    lock.listener = this
  }

  get isOpen(): boolean {
    return this.#isOpen && this.lock.isHeld
  }

  onLockLost(loss: LockLoss): void {
    this.#isOpen = false
    this.#nextTurn()
    this.#queue.onShut(loss)
  }

  onLockTaken(): void {
    void this.#open(this.#nextTurn())
  }

  /** It does not open any more, and nothing is told any more. */
  close(): void {
    this.lock.listener = undefined
    this.#nextTurn()
  }

  async #open(turn: number): Promise<void> {
    let offset: number
    try {
      offset = await this.#queue.readOffset()
    } catch (error) {
      if (turn !== this.#turn) return
      this.#queue.report(error, 'a queue whose lock was lost goes on when its offset is known; it is tried again')
      this.#timer = setTimeout(() => void this.#open(turn), RETRY_DELAY)
      return
    }
    if (turn !== this.#turn) return
    if (offset > this.#queue.commitOffset) this.#queue.seek(offset)
    this.#isOpen = true
    this.#queue.onOpened()
  }

  #nextTurn(): number {
    clearTimeout(this.#timer)
    this.#turn++
    return this.#turn
  }
}
