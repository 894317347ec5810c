import { monotonicNow } from '../remoting/deadline.js'
import type { ConsumeObserver } from './consume-observer.js'
import { type ConsumedQueue, ConsumeRun } from './consumed-queue.js'

/** Who waits for messages. */
export interface MessageTaker {
  /** Messages that it takes at most. */
  readonly max: number
  /** Called once: with what it waited for, or with undefined when nothing comes any more. */
  give(run: ConsumeRun | undefined): void
}

export interface MessageSupplyOptions {
  readonly observers: readonly ConsumeObserver[]
  /** Of all queues, messages that were pulled and are not consumed: beyond that none is pulled. */
  readonly pullThresholdForAll: number
}

/** Messages that are handed out in one turn of the event loop; the sockets have theirs after that. */
const MESSAGES_PER_TURN = 32

/**
 * Hands the messages of all queues to those who ask for them, the queues in turn. What somebody has taken is consumed when he says so, and until then holds up the
 * offset of its queue.
 */
export class MessageSupply {
  readonly #options: MessageSupplyOptions
  readonly #queues = new Set<ConsumedQueue>()
  readonly #ready: ConsumedQueue[] = []
  /** Those who wait, in the order in which they came. */
  readonly #takers = new Set<MessageTaker>()
  #leftInTurn = MESSAGES_PER_TURN
  #turn: NodeJS.Immediate | undefined
  /** Whether a queue was told that there is no room, and not yet that there is some again. */
  #isFull = false
  #isEnded = false

  constructor(options: MessageSupplyOptions) {
    this.#options = options
  }

  /** Whether nothing is handed out any more. */
  get isEnded(): boolean {
    return this.#isEnded
  }

  add(queue: ConsumedQueue): void {
    this.#queues.add(queue)
  }

  /** Whether messages may be pulled. After a no, all queues are told when they may be again. */
  hasRoom(): boolean {
    let count = 0
    for (const { processQueue } of this.#queues) count += processQueue.count
    const isFull = count >= this.#options.pullThresholdForAll
    // A yes for one queue does not take back the no that others have had: these still wait to be told.
    if (isFull) this.#isFull = true
    return !isFull
  }

  /** A queue may have messages to hand out. */
  wake(queue: ConsumedQueue): void {
    this.#enqueue(queue)
    this.#serve()
    this.#tellRoom()
  }

  /** Messages of one queue; undefined when there are none now. So it is, too, when this turn of the event loop has had enough: those who wait get theirs in the next one. */
  take(max: number): ConsumeRun | undefined {
    if (this.#leftInTurn > 0) return this.takeAnyway(max)
    this.#turn ??= setImmediate(() => {
      this.#turn = undefined
      this.#leftInTurn = MESSAGES_PER_TURN
      this.#serve()
    })
    return undefined
  }

  /** {@link MessageSupply.take} for who can't wait. */
  takeAnyway(max: number): ConsumeRun | undefined {
    while (this.#ready.length > 0 && !this.#isEnded) {
      const queue = this.#ready.shift() as ConsumedQueue
      queue.isReady = false
      if (queue.isClosed || !queue.isOpen) continue
      const messages = queue.processQueue.take(max)
      if (messages.length === 0) continue
      this.#enqueue(queue)
      this.#leftInTurn -= messages.length
      const run = new ConsumeRun(queue, messages, monotonicNow(), Date.now())
      queue.runs.add(run)
      for (const observer of this.#options.observers) observer.before(run)
      return run
    }
    return undefined
  }

  /** Has somebody get messages when there are any. */
  wait(taker: MessageTaker): void {
    if (this.#isEnded) taker.give(undefined)
    else this.#takers.add(taker)
  }

  /** Somebody waits no longer. */
  cancel(taker: MessageTaker): void {
    this.#takers.delete(taker)
  }

  /** What was taken is consumed. What its queue does not wait for any more is passed over. */
  consumed(run: ConsumeRun): void {
    if (!run.queue.runs.has(run)) return
    run.processQueue.finish(run.messages)
    this.#settled(run, true)
    this.#tellRoom()
  }

  /** What was taken was not consumed: it is the first of its queue to be handed out again. */
  giveBack(run: ConsumeRun): void {
    const { queue } = run
    if (!queue.runs.has(run)) return
    // The queue's offset was set meanwhile: whether they come again is decided by that.
    if (run.isCurrent) run.processQueue.putBack(run.messages)
    this.#settled(run, false)
    this.wake(queue)
  }

  /** Nobody waits for what was taken to be consumed. It is not, and comes again. */
  abandon(run: ConsumeRun): void {
    const { queue } = run
    if (!queue.runs.has(run)) return
    queue.leaveBehind(run)
    queue.leave(run)
  }

  /**
   * Hands out no more messages of a queue. Resolves when nobody has messages of it.
   *
   * @param timeout - After so many milliseconds those that have are not waited for any longer.
   */
  async close(queue: ConsumedQueue, timeout: number): Promise<void> {
    queue.isClosed = true
    this.#queues.delete(queue)
    this.#tellRoom()
    await queue.drain(timeout)
    for (const run of queue.runs.values()) this.abandon(run)
  }

  /** Hands out nothing any more: those who wait are told. */
  end(): void {
    this.#isEnded = true
    clearImmediate(this.#turn)
    const takers = [...this.#takers]
    this.#takers.clear()
    for (const taker of takers) taker.give(undefined)
  }

  #enqueue(queue: ConsumedQueue): void {
    if (queue.isReady || queue.isClosed || !queue.isOpen || queue.processQueue.waitingCount === 0) return
    queue.isReady = true
    this.#ready.push(queue)
  }

  #serve(): void {
    for (const taker of this.#takers) {
      const run = this.take(taker.max)
      if (run === undefined) return
      this.#takers.delete(taker)
      taker.give(run)
    }
  }

  #settled(run: ConsumeRun, isSuccess: boolean): void {
    const { queue, messages, startedAt } = run
    const now = monotonicNow()
    const elapsed = now - startedAt
    queue.lastConsumeTimestamp = Date.now()
    queue.statistics.handled(elapsed, now)
    queue.statistics.consumed(isSuccess ? messages.length : 0, isSuccess ? 0 : messages.length, now)
    if (this.#options.observers.length > 0) {
      const outcome = { isSuccess, type: isSuccess ? 'SUCCESS' : 'FAILED', elapsed, error: undefined } as const
      for (const observer of this.#options.observers) observer.after(run, outcome)
    }
    queue.leave(run)
    queue.progressed()
  }

  #tellRoom(): void {
    if (!this.#isFull || !this.hasRoom()) return
    this.#isFull = false
    for (const queue of this.#queues) queue.progressed()
  }
}
