import { DrainWaiters } from '../client/drain-waiters.js'
import type { StoredMessage } from '../codec/stored-message.js'
import type { MessageQueue } from '../message/message.js'
import { HandlerContext } from './consume-context.js'
import type { TopicStatistics } from './consume-statistics.js'
import type { ProcessQueue } from './process-queue.js'
import { RunSet } from './run-set.js'

/** A queue whose messages are handed to handlers, as its {@link Consumption} sees it. */
export class ConsumedQueue {
  /** As servers know it. */
  readonly queue: MessageQueue
  /** As the user knows it. */
  readonly messageQueue: MessageQueue
  readonly statistics: TopicStatistics
  /** Another one after the queue went on elsewhere: what was taken from the one before is settled no more. */
  processQueue: ProcessQueue
  /** The handlers that have messages of it. */
  readonly runs = new RunSet<ConsumeRun>('placeInQueue')
  /** In ms since the epoch; 0: never. */
  lastConsumeTimestamp = 0
  /** Whether it stands in the row of queues that have something to take. */
  isReady = false
  isClosed = false
  /** Told when messages were taken: fewer wait, so that more may be fetched, however long handlers take for those. Must not throw. */
  onTaken: (() => void) | undefined
  /** Shut while another member may work on the queue; undefined: nothing has to keep others away. */
  gate: { readonly isOpen: boolean } | undefined
  readonly #onProgress: () => void
  readonly #drained = new DrainWaiters()
  readonly #left: string[] = []

  /** @param onProgress - Messages were finished: there is room, and there may be another offset to commit. Must not throw. */
  constructor(
    queue: MessageQueue,
    messageQueue: MessageQueue,
    processQueue: ProcessQueue,
    statistics: TopicStatistics,
    onProgress: () => void,
  ) {
    this.queue = queue
    this.messageQueue = messageQueue
    this.processQueue = processQueue
    this.statistics = statistics
    this.#onProgress = onProgress
  }

  get isOpen(): boolean {
    return this.gate === undefined || this.gate.isOpen
  }

  /** Messages of it were finished or put back. */
  progressed(): void {
    this.#onProgress()
  }

  /** A handler has messages of it no more. */
  leave(run: ConsumeRun): void {
    this.runs.delete(run)
    if (this.runs.size === 0) this.#drained.tell()
  }

  /** Resolves when no handler has messages of it, or when the time is over. */
  async drain(timeout: number): Promise<void> {
    if (this.runs.size > 0) await this.#drained.wait(timeout)
  }

  /** Takes down messages whose handler nobody waits for any more. */
  leaveBehind(run: ConsumeRun): void {
    for (const { msgId } of run.messages) this.#left.push(msgId)
  }

  /** Ids of the messages that handlers have and have not finished, those that nobody waits for any more too. */
  unfinished(): string[] {
    const ids = [...this.#left]
    for (const { messages } of this.runs.values()) for (const { msgId } of messages) ids.push(msgId)
    return ids
  }

  get oldestRun(): ConsumeRun | undefined {
    let oldest: ConsumeRun | undefined
    for (const run of this.runs.values()) if (oldest === undefined || run.startedAt < oldest.startedAt) oldest = run
    return oldest
  }
}

/** One call of the handler, with the messages that it has. */
export class ConsumeRun {
  readonly queue: ConsumedQueue
  /** That they were taken from. */
  readonly processQueue: ProcessQueue
  readonly messages: StoredMessage[]
  readonly context: HandlerContext
  /** Monotonic, in milliseconds. */
  readonly startedAt: number
  /** In ms since the epoch. */
  readonly startTimestamp: number
  /** Its places in the sets of runs of its consumer and its queue. */
  place = -1
  placeInQueue = -1
  /** Whether the handler has ended; what is left is to settle its messages. */
  isHandled = false
  /** Whether nobody waits for the handler any more: what comes of it is passed over. */
  isAbandoned = false
  /** Whether it was told of that it takes long. */
  isSlow = false
  /** Whether it was told of that its time is over, and is waited for all the same. */
  isOverdue = false

  constructor(queue: ConsumedQueue, messages: StoredMessage[], startedAt: number, startTimestamp: number) {
    this.queue = queue
    this.processQueue = queue.processQueue
    this.messages = messages
    this.context = new HandlerContext(queue.messageQueue)
    this.startedAt = startedAt
    this.startTimestamp = startTimestamp
  }

  /** How many of its messages a handler that succeeded has consumed. */
  get consumedCount(): number {
    const { ackIndex } = this.context
    const { length } = this.messages
    return Number.isInteger(ackIndex) ? Math.max(0, Math.min(length, ackIndex + 1)) : length
  }

  /** Whether its messages are still the queue's: its offset has not been set from outside meanwhile. */
  get isCurrent(): boolean {
    return this.processQueue === this.queue.processQueue
  }
}
