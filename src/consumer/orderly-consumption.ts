import type { StoredMessage } from '../codec/stored-message.js'
import type { ConsumedQueue, ConsumeRun } from './consumed-queue.js'
import { OrderedConsumption } from './ordered-consumption.js'

/**
 * Hands out the messages of a queue one batch after the other, those of different queues side by side. A batch on which the handler fails comes again after a while,
 * and its queue waits for it.
 *
 * @see ConsumeMessageOrderlyService
 */
export class OrderlyConsumption extends OrderedConsumption {
  /** Queues that wait after a failure. */
  readonly #suspended = new Map<ConsumedQueue, NodeJS.Timeout>()

  protected override take(queue: ConsumedQueue, max: number): StoredMessage[] {
    return this.hasMore(queue) ? queue.processQueue.take(max) : []
  }

  protected override hasMore(queue: ConsumedQueue): boolean {
    const { processQueue, runs } = queue
    if (processQueue.waitingCount === 0 || processQueue.inFlightCount > 0) return false
    // Also of one that began before the queue went on elsewhere.
    return runs.size === 0 && queue.isOpen && !this.#suspended.has(queue)
  }

  protected override goOn({ queue }: ConsumeRun, again: readonly StoredMessage[], delay: number): void {
    if (again.length === 0) return
    this.forget(queue)
    const end = () => {
      this.#suspended.delete(queue)
      this.wake(queue)
    }
    this.#suspended.set(queue, setTimeout(end, delay))
  }

  protected override forget(queue: ConsumedQueue): void {
    clearTimeout(this.#suspended.get(queue))
    this.#suspended.delete(queue)
  }
}
