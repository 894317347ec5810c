import type { MessageQueue } from '../message/message.js'
import { monotonicNow } from '../remoting/deadline.js'

/** After so long a lock that was not renewed does not count any more, in milliseconds: half of the time after which brokers give it to another member. @see ProcessQueue */
export const LOCK_LIFE = 30_000

/**
 * Why a queue's lock is lost. `REFUSED`: another member has it. `EXPIRED`: it could not be renewed in time. `DISCONNECTED`: the connection to its broker was cut, which
 * may have been restarted, and would then not know of the lock. `MOVED`: another broker has the queue now.
 */
export type LockLoss = 'REFUSED' | 'EXPIRED' | 'DISCONNECTED' | 'MOVED'

/** Is told of what becomes of a lock. Must not throw. */
export interface QueueLockListener {
  /** The queue must not be worked on. It may be told once more, with another reason. */
  onLockLost(loss: LockLoss): void
  /** It is there again. Others may have had it meanwhile. */
  onLockTaken(): void
}

/** The lock of one queue: who has it is the only member of its group that works on the queue. */
export class QueueLock {
  readonly queue: MessageQueue
  listener: QueueLockListener | undefined
  #address: string
  /** Monotonic, in milliseconds. */
  #expiresAt = 0
  #lastLockTimestamp = 0
  #loss: LockLoss | undefined

  /** @param takenAt - Monotonic, in milliseconds: when the broker was asked. */
  constructor(queue: MessageQueue, address: string, takenAt: number) {
    this.queue = queue
    this.#address = address
    this.#take(takenAt)
  }

  get isHeld(): boolean {
    return this.#loss === undefined && monotonicNow() < this.#expiresAt
  }

  get loss(): LockLoss | undefined {
    return this.#loss
  }

  /** Of the broker that gave it. */
  get address(): string {
    return this.#address
  }

  /** In ms since the epoch. */
  get lastLockTimestamp(): number {
    return this.#lastLockTimestamp
  }

  /** A broker gave it, or renewed it. */
  take(address: string, takenAt: number): void {
    if (!this.isHeld && this.#loss === undefined) this.lose('EXPIRED')
    this.#address = address
    this.#take(takenAt)
    if (this.#loss === undefined) return
    this.#loss = undefined
    this.listener?.onLockTaken()
  }

  lose(loss: LockLoss): void {
    if (this.#loss === loss) return
    // Only that another member has it is worth to be told after any other reason.
    if (this.#loss !== undefined && loss !== 'REFUSED') return
    this.#loss = loss
    this.listener?.onLockLost(loss)
  }

  #take(takenAt: number): void {
    this.#expiresAt = takenAt + LOCK_LIFE
    this.#lastLockTimestamp = Date.now()
  }
}
