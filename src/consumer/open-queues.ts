import type { MessageQueue } from '../message/message.js'

/** A queue that is pulled. */
export interface PulledQueue {
  readonly queue: MessageQueue
  /** There may be room, or it may be allowed to pull. */
  wake(): void
}

/** The queues that a consumer pulls, counted by topic: those of one topic share its limits. */
export class OpenQueues {
  readonly #queues = new Set<PulledQueue>()
  readonly #counts = new Map<string, number>()
  /** Topics that have fewer queues than before, whose others were not told yet. */
  readonly #shrunk = new Set<string>()

  add(queue: PulledQueue): void {
    if (this.#queues.has(queue)) return
    this.#queues.add(queue)
    this.#count(queue.queue.topic, 1)
  }

  delete(queue: PulledQueue): void {
    if (!this.#queues.delete(queue)) return
    const { topic } = queue.queue
    this.#count(topic, -1)
    // Those that are left may have more. They are told once of many that go together: each time would be work for the square of their number.
    if (this.#shrunk.size === 0) setImmediate(() => this.#wakeShrunk())
    this.#shrunk.add(topic)
  }

  #wakeShrunk(): void {
    for (const other of this.#queues) if (this.#shrunk.has(other.queue.topic)) other.wake()
    this.#shrunk.clear()
  }

  /** How many of a topic there are. */
  count(topic: string): number {
    return this.#counts.get(topic) ?? 0
  }

  wakeAll(): void {
    for (const queue of this.#queues) queue.wake()
  }

  #count(topic: string, change: number): void {
    const count = this.count(topic) + change
    if (count === 0) this.#counts.delete(topic)
    else this.#counts.set(topic, count)
  }
}
