import { DrainWaiters } from '../client/drain-waiters.js'
import type { StoredMessage } from '../codec/stored-message.js'
import { monotonicNow } from '../remoting/deadline.js'
import type { ConsumedQueue, ConsumeRun } from './consumed-queue.js'
import { KeyLanes } from './key-lanes.js'
import { OrderedConsumption } from './ordered-consumption.js'

/** A queue's lanes, and when to look at those that wait. */
interface QueueLanes {
  lanes: KeyLanes
  timer: NodeJS.Timeout | undefined
  /** Monotonic, in milliseconds. */
  timerAt: number
  isClosing: boolean
  /** Who waits until the lanes are closed. */
  readonly closing: DrainWaiters
}

/** How long a lane waits that fails while it is closed, in milliseconds. */
const CLOSING_DELAY = 10

/**
 * Hands out the messages of a queue many at a time, but those of one sharding key one after the other. A message on which the handler fails comes again after a while;
 * only those of its key wait for it. Messages without a key wait for nothing. An offset is committed only when all before it are consumed.
 */
export class KeyOrderedConsumption extends OrderedConsumption {
  readonly #queues = new Map<ConsumedQueue, QueueLanes>()

  /**
   * What was consumed behind a message that failed can't be committed, and would come again. So the messages before it are handed out still, at once: those that failed
   * have another try.
   */
  override async close(queue: ConsumedQueue, timeout: number): Promise<void> {
    const startedAt = monotonicNow()
    const own = this.#queues.get(queue)
    if (own?.lanes.processQueue === queue.processQueue) {
      own.isClosing = true
      own.lanes.close()
      this.wake(queue)
      if (!own.lanes.isClosed && this.#mayHandOut(queue)) await own.closing.wait(timeout)
    }
    await super.close(queue, Math.max(0, timeout - (monotonicNow() - startedAt)))
  }

  protected override take(queue: ConsumedQueue, max: number): StoredMessage[] {
    return this.hasMore(queue) ? this.#of(queue).lanes.take(max) : []
  }

  protected override hasMore(queue: ConsumedQueue): boolean {
    if (!queue.isOpen || queue.isClosed) return false
    // Handlers that began before the queue went on elsewhere may have messages of any key. They are the oldest.
    if (queue.oldestRun?.isCurrent === false) return false
    const { lanes } = this.#of(queue)
    lanes.sort()
    return lanes.hasReady
  }

  protected override goOn(
    { queue, messages, processQueue }: ConsumeRun,
    again: readonly StoredMessage[],
    delay: number,
  ): void {
    const own = this.#queues.get(queue)
    if (own?.lanes.processQueue !== processQueue) return
    own.lanes.settle(messages, again, monotonicNow() + (own.isClosing ? CLOSING_DELAY : delay))
    if (own.isClosing && (own.lanes.isClosed || !queue.isOpen)) own.closing.tell()
    else this.#setTimer(queue, own)
  }

  protected override forget(queue: ConsumedQueue): void {
    const own = this.#queues.get(queue)
    if (own === undefined) return
    clearTimeout(own.timer)
    own.closing.tell()
    this.#queues.delete(queue)
  }

  protected override onSweep(): void {
    for (const [queue, { closing }] of this.#queues) if (!this.#mayHandOut(queue)) closing.tell()
  }

  /** Tries that came sooner than they should say little. */
  protected override isHurried(queue: ConsumedQueue): boolean {
    return this.#queues.get(queue)?.isClosing === true
  }

  #mayHandOut(queue: ConsumedQueue): boolean {
    return queue.isOpen && !this.isSuspended && this.consumeConcurrency > 0
  }

  #of(queue: ConsumedQueue): QueueLanes {
    const known = this.#queues.get(queue)
    if (known?.lanes.processQueue === queue.processQueue) return known
    this.forget(queue)
    const lanes = new KeyLanes(queue.processQueue)
    const own = { lanes, timer: undefined, timerAt: 0, isClosing: false, closing: new DrainWaiters() }
    this.#queues.set(queue, own)
    return own
  }

  /** One timer for a queue, whatever the number of its keys that wait. */
  #setTimer(queue: ConsumedQueue, own: QueueLanes): void {
    const { nextDue } = own.lanes
    if (nextDue === undefined || (own.timer !== undefined && own.timerAt <= nextDue)) return
    clearTimeout(own.timer)
    own.timerAt = nextDue
    own.timer = setTimeout(
      () => {
        own.timer = undefined
        own.lanes.resume(monotonicNow())
        this.#setTimer(queue, own)
        this.wake(queue)
      },
      Math.max(0, Math.ceil(nextDue - monotonicNow())),
    )
  }
}
