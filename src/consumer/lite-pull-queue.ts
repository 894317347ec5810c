import type { MessageQueue } from '../message/message.js'
import { messageQueueKey } from '../message/message-queue.js'
import type { TopicStatistics } from './consume-statistics.js'
import type { MessageSupply } from './message-supply.js'
import type { OffsetCorrection } from './pull-loop-host.js'
import { PulledQueue, type PulledQueueContext } from './pulled-queue.js'

/** What all queues of a lite pull consumer have in common, and what they tell it. None of the functions may throw. */
export interface LitePullQueueContext extends PulledQueueContext {
  readonly supply: MessageSupply
  /** Whether offsets are stored without anybody asking for it. */
  readonly autoCommit: boolean
  /** Whether messages of a queue are neither pulled nor handed out now. After a yes, {@link LitePullQueue.resume} tells of a change. */
  isPaused(queueKey: string): boolean
}

/** A queue of a lite pull consumer: it is pulled, and what was pulled waits for somebody who asks for it. */
export class LitePullQueue extends PulledQueue {
  readonly #context: LitePullQueueContext
  /** Where it went on because somebody said so: a place in the queue. */
  #soughtOffset: number | undefined
  /** What was stored because somebody asked for it, unless something else may have been stored since. */
  #committedOffset: number | undefined

  /** @param offset - Where to begin. */
  constructor(queue: MessageQueue, offset: number, statistics: TopicStatistics, context: LitePullQueueContext) {
    super(queue, offset, statistics, context)
    this.#context = context
    const key = messageQueueKey(queue)
    this.consumed.gate = {
      get isOpen() {
        return !context.isPaused(key)
      },
    }
  }

  override start(): void {
    this.#context.supply.add(this.consumed)
    super.start()
  }

  override saveOffset(): boolean {
    this.#committedOffset = undefined
    return super.saveOffset()
  }

  override seek(offset: number): void {
    super.seek(offset)
    this.#soughtOffset = offset
    // There may be room for others now.
    this.#context.supply.wake(this.consumed)
  }

  override onOffsetCorrected(correction: OffsetCorrection): Promise<void> {
    this.#committedOffset = undefined
    return super.onOffsetCorrected(correction)
  }

  /** It is not paused any more. */
  resume(): void {
    this.#context.supply.wake(this.consumed)
    this.loop.wake()
  }

  /** Everything that was handed out is consumed. */
  consumeAll(): void {
    for (const run of this.consumed.runs.values()) this.#context.supply.consumed(run)
  }

  /** The offset that is worth storing; undefined when it is stored, or when nobody knows whether it lies in the queue. */
  get offsetToCommit(): number | undefined {
    const { commitOffset } = this
    const isKnown = this.loop.lastAnswerTimestamp !== 0 || commitOffset === this.#soughtOffset
    return isKnown && commitOffset !== this.#committedOffset ? commitOffset : undefined
  }

  /** This offset is stored. */
  onCommitted(offset: number): void {
    this.#committedOffset = offset
  }

  mayPull(): boolean {
    return this.consumed.isOpen && this.#context.supply.hasRoom()
  }

  onAnswer(): void {
    this.#context.supply.wake(this.consumed)
  }

  protected get mayStoreOffset(): boolean {
    return this.#context.autoCommit
  }

  /** Nobody is to blame when nobody asks. */
  protected get isReady(): boolean {
    return false
  }

  protected endConsuming(timeout: number): Promise<void> {
    return this.#context.supply.close(this.consumed, timeout)
  }
}
