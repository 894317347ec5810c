import { ClientError } from '../errors.js'
import type { Logger } from '../logger.js'
import type { MessageQueue } from '../message/message.js'
import { compareMessageQueues, messageQueueKey } from '../message/message-queue.js'
import { monotonicNow, withDeadline } from '../remoting/deadline.js'
import { inParallel } from '../route/in-parallel.js'
import type { AssignedQueue, MessageRequestMode } from './assigned-queue.js'
import type { LeftMessages } from './consumer-events.js'

/** A queue that this member shall have. */
export interface WantedQueue {
  readonly queue: MessageQueue
  readonly mode: MessageRequestMode
}

/** What came of {@link QueueTable.settle}. */
export interface Settlement {
  readonly added: readonly MessageQueue[]
  readonly removed: readonly MessageQueue[]
  /** False when a queue could not be opened yet. */
  readonly isComplete: boolean
}

export interface QueueTableOptions {
  /** Starts nothing yet. Undefined: not possible now. */
  readonly open: (queue: MessageQueue, mode: MessageRequestMode) => Promise<AssignedQueue | undefined>
  /** How long a queue that was given up waits for its handlers, in milliseconds. */
  readonly revokeTimeout: number
  /** A queue that was given up is closed. */
  readonly onRevoked: (queue: MessageQueue) => void
  readonly report: (error: unknown, what: string) => void
  readonly logger: Logger
}

/** A queue that was given up. */
interface ClosingQueue {
  readonly assigned: AssignedQueue
  readonly closed: Promise<void>
  /** When its handlers are not waited for any longer; monotonic, in milliseconds. */
  readonly until: number
}

const OPENED_AT_ONCE = 32
/** What a queue that shall close within a time may take longer before it is left to itself. */
const CLOSE_SLACK = 1_000

/** The queues that a consumer has, from opening to the end of closing. */
export class QueueTable {
  readonly #options: QueueTableOptions
  readonly #open = new Map<string, AssignedQueue>()
  readonly #openedAt = new WeakMap<AssignedQueue, number>()
  /** Given up, and not closed yet: opened again only after that. */
  readonly #closing = new Map<string, ClosingQueue>()
  /** Queues that could not be opened, so that it is reported once. */
  readonly #failed = new Set<string>()
  #isClosed = false

  constructor(options: QueueTableOptions) {
    this.#options = options
  }

  get(queue: MessageQueue): AssignedQueue | undefined {
    return this.#open.get(messageQueueKey(queue))
  }

  /** All that are open, in RocketMQ's order. */
  values(): AssignedQueue[] {
    return [...this.#open.values()].sort((a, b) => compareMessageQueues(a.queue, b.queue))
  }

  ofTopic(topic: string): AssignedQueue[] {
    return this.values().filter(({ queue }) => queue.topic === topic)
  }

  /** In ms since the epoch. */
  openedAt(assigned: AssignedQueue): number {
    return this.#openedAt.get(assigned) ?? 0
  }

  get topics(): string[] {
    return [...new Set([...this.#open.values()].map(({ queue }) => queue.topic))]
  }

  get size(): number {
    return this.#open.size
  }

  /**
   * Closes the topic's queues that are not wanted any more, and opens those that are new.
   *
   * @param beforeOpening - Waited for between both. Gives those of the queues that are to be opened still.
   * @param isWanted - Asked when a queue is open: whether to keep it all the same.
   */
  async settle(
    topic: string,
    wanted: readonly WantedQueue[],
    beforeOpening: (queues: readonly WantedQueue[]) => Promise<readonly WantedQueue[]>,
    isWanted: () => boolean,
  ): Promise<Settlement> {
    const byKey = new Map(wanted.map((one) => [messageQueueKey(one.queue), one]))
    const removed = this.ofTopic(topic).filter(
      (assigned) => byKey.get(messageQueueKey(assigned.queue))?.mode !== assigned.mode,
    )
    await Promise.all(removed.map((assigned) => this.revoke(assigned)))
    const missing = [...byKey.values()].filter(({ queue }) => this.get(queue) === undefined)
    const added: MessageQueue[] = []
    if (missing.length > 0) {
      await inParallel(await beforeOpening(missing), OPENED_AT_ONCE, async (one) => {
        if (isWanted() && (await this.#openOne(one, isWanted))) added.push(one.queue)
      })
    }
    return {
      added: added.sort(compareMessageQueues),
      removed: removed.map(({ queue }) => queue),
      isComplete: added.length === missing.length,
    }
  }

  /**
   * Closes a queue that this member gives up, for now or for good. Resolves when it is closed, or at the latest a second after it should be.
   *
   * @param timeout - How long it waits for its handlers, in milliseconds.
   * @param whenClosed - Waited for before the queue can be opened again. Must not reject.
   */
  async revoke(
    assigned: AssignedQueue,
    timeout: number = this.#options.revokeTimeout,
    whenClosed: () => Promise<void> = async () => undefined,
  ): Promise<void> {
    const closed = this.#close(assigned, timeout, () => {
      this.#options.onRevoked(assigned.queue)
      return whenClosed()
    })
    await this.#inTime(closed, timeout, assigned.queue)
  }

  /**
   * Closes all, for good. Those that were given up before have no more time than the others.
   *
   * @param timeout - How long handlers that run are waited for, in milliseconds.
   * @returns what they did not finish.
   */
  async closeAll(timeout: number): Promise<LeftMessages[]> {
    this.#isClosed = true
    const before = [...this.#closing.values()]
    const open = this.values()
    const closing = [
      ...before.map(({ assigned, closed, until }) => {
        // It had more time.
        if (monotonicNow() + timeout < until) void this.#closeNow(assigned, timeout, messageQueueKey(assigned.queue))
        return this.#inTime(closed, timeout, assigned.queue)
      }),
      ...open.map((assigned) => this.#inTime(this.#close(assigned, timeout), timeout, assigned.queue)),
    ]
    await Promise.all(closing)
    const all = [...before.map(({ assigned }) => assigned), ...open]
    return all
      .map((assigned) => ({ queue: assigned.queue, msgIds: assigned.unfinished() }))
      .filter(({ msgIds }) => msgIds.length > 0)
  }

  async #openOne({ queue, mode }: WantedQueue, isWanted: () => boolean): Promise<boolean> {
    const key = messageQueueKey(queue)
    if (this.#isClosed || this.#closing.has(key) || this.#open.has(key)) return false
    let assigned: AssignedQueue | undefined
    try {
      assigned = await this.#options.open(queue, mode)
      if (assigned === undefined) return false
      this.#failed.delete(key)
      this.#open.set(key, assigned)
      this.#openedAt.set(assigned, Date.now())
      if (!this.#isClosed && isWanted()) {
        assigned.start()
        return true
      }
    } catch (error) {
      if (!this.#isClosed) this.#onOpenFailed(key, error)
    }
    if (assigned !== undefined) await this.revoke(assigned)
    return false
  }

  #onOpenFailed(key: string, error: unknown): void {
    const what = `${key} can't be consumed now; it is tried again every second`
    if (this.#failed.has(key)) this.#options.logger.warn(what, { error })
    else this.#options.report(error, what)
    this.#failed.add(key)
  }

  /** Never rejects. */
  #close(assigned: AssignedQueue, timeout: number, whenClosed?: () => Promise<void>): Promise<void> {
    const key = messageQueueKey(assigned.queue)
    if (this.#open.get(key) === assigned) this.#open.delete(key)
    const closed = this.#closeNow(assigned, timeout, key)
      .then(whenClosed)
      .finally(() => {
        if (this.#closing.get(key)?.closed === closed) this.#closing.delete(key)
      })
    this.#closing.set(key, { assigned, closed, until: monotonicNow() + timeout })
    return closed
  }

  async #closeNow(assigned: AssignedQueue, timeout: number, key: string): Promise<void> {
    try {
      await assigned.close(timeout)
    } catch (error) {
      this.#options.report(error, `${key} was not closed orderly`)
    }
  }

  async #inTime(closed: Promise<void>, timeout: number, queue: MessageQueue): Promise<void> {
    const what = `closing ${messageQueueKey(queue)}`
    const late = () => new ClientError('NOT_CLOSED', `${what} takes longer than ${timeout} ms`)
    await withDeadline(closed, timeout + CLOSE_SLACK, undefined, what, late).catch((error: unknown) => {
      this.#options.logger.warn(`${what} is not waited for any longer`, { error })
    })
  }
}
