import { ClientError } from '../errors.js'
import type { MessageQueue } from '../message/message.js'
import type { QueueState } from './assigned-queue.js'
import type { TopicStatistics } from './consume-statistics.js'
import type { Consumption } from './consumption.js'
import { PulledQueue, type PulledQueueContext } from './pulled-queue.js'
import { type GatedQueue, QueueGate } from './queue-gate.js'
import type { LockLoss, QueueLock } from './queue-lock.js'
import type { QueueLocks } from './queue-locks.js'

/** What all queues of a push consumer have in common, and what they tell it. None of the functions may throw. */
export interface PushQueueContext extends PulledQueueContext {
  readonly consumption: Consumption
  /** Where queues are worked on under locks. */
  readonly locks: QueueLocks | undefined
  onLockLost(queue: MessageQueue, loss: LockLoss): void
  onLockTaken(queue: MessageQueue): void
}

/** A queue of a push consumer: it is pulled, and what was pulled goes to handlers. */
export class PushQueue extends PulledQueue implements GatedQueue {
  readonly #context: PushQueueContext
  readonly #gate: QueueGate | undefined

  /**
   * @param offset - Where to begin.
   * @param lock - Of the queue, where it needs one. It was taken before the offset was read.
   */
  constructor(
    queue: MessageQueue,
    offset: number,
    statistics: TopicStatistics,
    context: PushQueueContext,
    lock: QueueLock | undefined,
  ) {
    super(queue, offset, statistics, context)
    this.#context = context
    this.#gate = lock === undefined ? undefined : new QueueGate(lock, this)
    this.consumed.gate = this.#gate
  }

  override async close(timeout: number): Promise<void> {
    await super.close(timeout)
    // Not before: whoever has it next reads the offset.
    if (this.#gate !== undefined) await this.#giveUpLock(this.#gate)
  }

  override state(): QueueState {
    const state = super.state()
    if (this.#gate === undefined) return state
    const { isHeld, lastLockTimestamp } = this.#gate.lock
    return { ...state, isLocked: isHeld, lastLockTimestamp }
  }

  mayPull(): boolean {
    return !this.#context.consumption.isSuspended && this.consumed.isOpen
  }

  onAnswer(): void {
    this.#context.consumption.wake(this.consumed)
  }

  readOffset(): Promise<number> {
    return this.#context.offsets.read(this.queue, {})
  }

  onShut(loss: LockLoss): void {
    const { messageQueue, runs } = this.consumed
    this.#context.onLockLost(messageQueue, loss)
    // What was to be stored might undo what another member stores.
    this.forgetOffset()
    if (loss !== 'REFUSED') return
    const { topic, brokerName, queueId } = messageQueue
    const lost = new ClientError('LOCK_LOST', `another member has the lock of ${topic} ${brokerName}[${queueId}] now`)
    for (const { context } of runs.values()) context.abort(lost)
  }

  onOpened(): void {
    this.#context.onLockTaken(this.consumed.messageQueue)
    this.#context.consumption.wake(this.consumed)
    this.loop.wake()
  }

  protected get mayStoreOffset(): boolean {
    // While it is shut, another member may have stored a later one.
    return this.consumed.isOpen
  }

  protected get isReady(): boolean {
    return this.#context.consumption.canHandOut(this.consumed)
  }

  protected endConsuming(timeout: number): Promise<void> {
    return this.#context.consumption.close(this.consumed, timeout)
  }

  async #giveUpLock(gate: QueueGate): Promise<void> {
    gate.close()
    await this.#context.locks?.release(gate.lock)
  }
}
