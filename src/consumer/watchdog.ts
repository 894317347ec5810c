import type { MessageQueue } from '../message/message.js'
import { messageQueueKey } from '../message/message-queue.js'
import { monotonicNow } from '../remoting/deadline.js'
import type { AssignedQueue, QueueState } from './assigned-queue.js'

/**
 * Why a queue stands still. `NO_PULL`: it is not pulled any more. `NO_ANSWER`: it is, and its broker gives no answer. `NO_PROGRESS`: it has messages that no handler
 * gets, though there are handlers that are free.
 */
export type StallReason = 'NO_PULL' | 'NO_ANSWER' | 'NO_PROGRESS'

/** A queue that stands still. */
export interface QueueStall {
  readonly queue: MessageQueue
  readonly reason: StallReason
  /** Since when, in ms since the epoch. */
  readonly since: number
}

export interface WatchdogOptions {
  /** How long a pull takes at the most, in milliseconds. */
  readonly pullTimeout: number
  /** How often to look, in milliseconds. */
  readonly interval: number
}

/** What the watchdog asks of its consumer, and tells it. None of these may throw or reject. */
export interface WatchdogHost {
  queues(): readonly AssignedQueue[]
  /** Whether the consumer has all queues that it shall have. */
  isBalanced(): boolean
  /** Closes the queue and opens it again. */
  reopen(assigned: AssignedQueue): Promise<void>
  /** Has brokers told again what they have not heard. */
  remindBrokers(): void
  onStalled(stall: QueueStall): void
  /** @param elapsed - How long it stood still, in milliseconds. */
  onRepaired(stall: QueueStall, elapsed: number): void
}

/** What was seen of a queue last, and when (monotonic, in milliseconds) it was found to have changed. */
interface Watched {
  readonly assigned: AssignedQueue
  lastPullTimestamp: number
  pulledAt: number
  lastAnswerTimestamp: number
  /** Since when pulls have been waiting for an answer. */
  waitingSince: number
  lastConsumeTimestamp: number
  commitOffset: number
  inFlight: number
  progressedAt: number
}

interface Stalled extends QueueStall {
  /** Monotonic, in milliseconds. */
  readonly at: number
}

const MARGIN = 10_000
/** The longest that a queue waits on purpose between two pulls. */
const LONGEST_PAUSE = 60_000
const PROGRESS_TIMEOUT = 60_000

/**
 * Looks after the queues of a consumer, and repairs those that stand still: whatever the reason, none may be forgotten.
 *
 * A queue without pulls or without progress is closed and opened again, as Java's rebalance does after two minutes. One whose broker does not answer is left to go on
 * trying: it keeps what it has. What was found is told, and again when the queue goes on.
 *
 * @see RebalanceImpl.updateProcessQueueTableInRebalance
 */
export class Watchdog {
  readonly #host: WatchdogHost
  readonly #options: WatchdogOptions
  readonly #watched = new Map<string, Watched>()
  readonly #stalled = new Map<string, Stalled>()
  #timer: NodeJS.Timeout | undefined
  #lastCheckAt = 0

  constructor(host: WatchdogHost, options: WatchdogOptions) {
    this.#host = host
    this.#options = options
  }

  start(): void {
    this.#lastCheckAt = monotonicNow()
    this.#timer ??= setInterval(() => this.#check(), this.#options.interval).unref()
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  /** The queues that stand still now, those included that could not be opened again yet. */
  get stalled(): readonly QueueStall[] {
    return [...this.#stalled.values()].map(plain)
  }

  #check(): void {
    const now = monotonicNow()
    this.#forgive(now)
    this.#host.remindBrokers()
    const open = new Set<string>()
    for (const assigned of this.#host.queues()) {
      const key = messageQueueKey(assigned.queue)
      open.add(key)
      this.#checkQueue(key, assigned, now)
    }
    for (const key of this.#watched.keys()) if (!open.has(key)) this.#watched.delete(key)
    for (const key of this.#stalled.keys()) if (!open.has(key) && this.#host.isBalanced()) this.#stalled.delete(key)
  }

  /** A process that stood still itself could not see what happened meanwhile: that time does not count. */
  #forgive(now: number): void {
    const late = now - this.#lastCheckAt - this.#options.interval
    this.#lastCheckAt = now
    if (late < this.#options.interval) return
    for (const watched of this.#watched.values()) {
      watched.pulledAt += late
      watched.waitingSince += late
      watched.progressedAt += late
    }
  }

  #checkQueue(key: string, assigned: AssignedQueue, now: number): void {
    const wallNow = Date.now()
    const state = assigned.state()
    let watched = this.#watched.get(key)
    if (watched?.assigned !== assigned) {
      watched = firstSight(assigned, state, now)
      this.#watched.set(key, watched)
    }
    const isResting = state.lastPullTimestamp >= wallNow
    const isAnswered = state.lastAnswerTimestamp !== watched.lastAnswerTimestamp
    const isProgress = this.#look(watched, state, isResting || isAnswered, now)
    const reason = this.#reasonOf(watched, state, now)
    const before = this.#stalled.get(key)
    if (reason !== undefined) this.#onStill(key, watched, reason, now)
    else if (before !== undefined && (before.reason === 'NO_PROGRESS' ? isProgress : isAnswered || isResting)) {
      this.#stalled.delete(key)
      this.#host.onRepaired(plain(before), now - before.at)
    }
  }

  /** Takes down what is new. @returns whether messages of the queue are handed out, or none has to be. */
  #look(watched: Watched, state: QueueState, isWellFetched: boolean, now: number): boolean {
    if (state.lastPullTimestamp !== watched.lastPullTimestamp) watched.pulledAt = now
    // Between an answer and the next pull there is nothing to wait for.
    if (isWellFetched || !isWaiting(state)) watched.waitingSince = now
    const isProgress =
      state.lastConsumeTimestamp !== watched.lastConsumeTimestamp ||
      state.commitOffset !== watched.commitOffset ||
      state.inFlight !== watched.inFlight ||
      state.isReady !== true
    if (isProgress) watched.progressedAt = now
    watched.lastPullTimestamp = state.lastPullTimestamp
    watched.lastAnswerTimestamp = state.lastAnswerTimestamp
    watched.lastConsumeTimestamp = state.lastConsumeTimestamp
    watched.commitOffset = state.commitOffset
    watched.inFlight = state.inFlight
    return isProgress
  }

  #reasonOf(watched: Watched, state: QueueState, now: number): StallReason | undefined {
    const { pullTimeout, interval } = this.#options
    const timeout = pullTimeout + MARGIN
    if (state.isBroken) return 'NO_PULL'
    if (now - watched.pulledAt > (isWaiting(state) ? timeout : timeout + LONGEST_PAUSE)) return 'NO_PULL'
    // A little later: a pull that does not end is found by then.
    if (now - watched.waitingSince > timeout + 2 * interval) return 'NO_ANSWER'
    if (now - watched.progressedAt > PROGRESS_TIMEOUT) return 'NO_PROGRESS'
    return undefined
  }

  #onStill(key: string, watched: Watched, reason: StallReason, now: number): void {
    const { assigned } = watched
    if (this.#stalled.get(key)?.reason !== reason) {
      const at =
        reason === 'NO_PULL' ? watched.pulledAt : reason === 'NO_ANSWER' ? watched.waitingSince : watched.progressedAt
      const stalled = { queue: assigned.queue, reason, since: Math.round(Date.now() - (now - at)), at }
      this.#stalled.set(key, stalled)
      this.#host.onStalled(plain(stalled))
    }
    if (reason === 'NO_ANSWER') return
    watched.pulledAt = now
    watched.progressedAt = now
    void this.#host.reopen(assigned)
  }
}

function firstSight(assigned: AssignedQueue, state: QueueState, now: number): Watched {
  const { lastPullTimestamp, lastConsumeTimestamp, commitOffset, inFlight } = state
  return {
    assigned,
    lastPullTimestamp,
    pulledAt: now,
    lastAnswerTimestamp: 0,
    waitingSince: now,
    lastConsumeTimestamp,
    commitOffset,
    inFlight,
    progressedAt: now,
  }
}

/** Whether a pull is under way, or the last ones have failed. */
function isWaiting({ isFetching = false, lastPullTimestamp, lastAnswerTimestamp }: QueueState): boolean {
  return isFetching || lastPullTimestamp > lastAnswerTimestamp
}

function plain({ queue, reason, since }: QueueStall): QueueStall {
  return { queue, reason, since }
}
