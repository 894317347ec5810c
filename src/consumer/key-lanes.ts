import type { StoredMessage } from '../codec/stored-message.js'
import { MessageProperty } from '../message/message-properties.js'
import { MinHeap } from './min-heap.js'
import type { ProcessQueue } from './process-queue.js'

/** A message that is not finished, and the next one of its lane. */
interface Place {
  message: StoredMessage
  next: Place | undefined
  readonly lane: Lane
  isFinished: boolean
}

/** The messages of one key, in their order. A message without a key has a lane of its own. */
interface Lane {
  readonly key: string | undefined
  first: Place | undefined
  last: Place | undefined
  /** How many of the first ones a handler has. */
  taken: number
  /** How often handlers failed on it since the lanes are being closed. */
  closingFailures: number
}

/** More failures than that on one lane end the closing. */
const MAX_CLOSING_FAILURES = 3

/**
 * The messages of one queue, sorted into lanes: of each key one message after the other, of all keys many at a time. What is oldest is handed out first, so that little
 * lies behind the offset to commit.
 */
export class KeyLanes {
  readonly processQueue: ProcessQueue
  /** Of the keys that have messages. */
  readonly #lanes = new Map<string, Lane>()
  /** Lanes whose first message can be handed out, by its offset. */
  readonly #ready = new MinHeap<Lane>()
  /** Lanes that wait after a failure, by the time at which that ends. */
  readonly #waiting = new MinHeap<Lane>()
  /** By offset, what handlers have. */
  readonly #taken = new Map<number, Place>()
  readonly #fresh: StoredMessage[] = []
  #sortedTo = 0
  #lastFinished = -1
  #isClosing = false
  /** While closing: nothing behind this offset is handed out. */
  #limit = Number.POSITIVE_INFINITY
  #isStuck = false

  constructor(processQueue: ProcessQueue) {
    this.processQueue = processQueue
  }

  get hasReady(): boolean {
    const { minRank } = this.#ready
    return minRank !== undefined && minRank <= this.#limit
  }

  /** Whether nothing is left of what {@link KeyLanes.close} waits for. */
  get isClosed(): boolean {
    const { firstOffset } = this.processQueue
    return this.#isStuck || firstOffset === undefined || firstOffset > this.#limit
  }

  /** When the first lane that waits is due: monotonic, in milliseconds. */
  get nextDue(): number | undefined {
    return this.#waiting.minRank
  }

  /** Sorts in what was pulled since the last time. */
  sort(): void {
    const { nextOffset } = this.processQueue
    if (nextOffset === this.#sortedTo) return
    this.processQueue.waitingFrom(this.#sortedTo, this.#fresh)
    for (const message of this.#fresh) this.#add(message)
    this.#fresh.length = 0
    this.#sortedTo = nextOffset
  }

  /** Up to `max` messages that can be handed out together, in the order of their offsets; of one key also several that follow each other. */
  take(max: number): StoredMessage[] {
    const taken: StoredMessage[] = []
    while (taken.length < max && this.hasReady) {
      const lane = this.#ready.pop() as Lane
      for (let place = lane.first; place !== undefined && taken.length < max; place = place.next) {
        const { queueOffset } = place.message
        if (queueOffset > this.#limit) break
        lane.taken++
        this.#taken.set(queueOffset, place)
        taken.push(place.message)
      }
    }
    if (taken.length > 1) taken.sort(byOffset)
    this.processQueue.takeThese(taken)
    return taken
  }

  /**
   * A handler has ended.
   *
   * @param messages - All that it had.
   * @param again - Those of them that come again, with the changes that they come with.
   * @param dueAt - When they do: monotonic, in milliseconds. Their keys wait so long.
   */
  settle(messages: readonly StoredMessage[], again: readonly StoredMessage[], dueAt: number): void {
    for (const { queueOffset } of messages) {
      const place = this.#taken.get(queueOffset)
      if (place !== undefined) place.isFinished = true
    }
    for (const message of again) {
      const place = this.#taken.get(message.queueOffset)
      if (place === undefined) continue
      place.isFinished = false
      place.message = message
    }
    for (const { queueOffset } of messages) {
      const place = this.#taken.get(queueOffset)
      if (place === undefined) continue
      this.#taken.delete(queueOffset)
      if (place.isFinished && queueOffset > this.#lastFinished) this.#lastFinished = queueOffset
      if (place.lane.taken > 0) this.#goOn(place.lane, dueAt)
    }
    if (this.#isClosing) this.#setLimit()
  }

  /**
   * Hands out only what lies before messages that are finished, or that handlers have, so that all of these can be committed, and has no lane wait for that. It is over
   * when {@link KeyLanes.isClosed}; also when handlers fail on a message time and again.
   */
  close(): void {
    this.#isClosing = true
    this.#setLimit()
    this.resume(Number.POSITIVE_INFINITY)
  }

  /** Has lanes go on whose time has come. */
  resume(now: number): void {
    for (let due = this.nextDue; due !== undefined && due <= now; due = this.nextDue) {
      const lane = this.#waiting.pop() as Lane
      this.#ready.push((lane.first as Place).message.queueOffset, lane)
    }
  }

  #add(message: StoredMessage): void {
    const key = message.property(MessageProperty.SHARDING_KEY)
    const known = key === undefined ? undefined : this.#lanes.get(key)
    const lane = known ?? { key, first: undefined, last: undefined, taken: 0, closingFailures: 0 }
    const place = { message, next: undefined, lane, isFinished: false }
    if (lane.last !== undefined) lane.last.next = place
    lane.last = place
    if (known !== undefined) return
    lane.first = place
    if (key !== undefined) this.#lanes.set(key, lane)
    this.#ready.push(message.queueOffset, lane)
  }

  /** Takes off what is finished of the messages that a handler had, and lets the lane go on: later, if some come again. */
  #goOn(lane: Lane, dueAt: number): void {
    let kept: Place | undefined
    let place = lane.first
    lane.first = undefined
    for (let left = lane.taken; left > 0 && place !== undefined; left--, place = place.next) {
      if (place.isFinished) continue
      if (kept === undefined) lane.first = place
      else kept.next = place
      kept = place
    }
    lane.taken = 0
    if (kept === undefined) lane.first = place
    else kept.next = place
    if (lane.first === undefined) {
      if (lane.key !== undefined) this.#lanes.delete(lane.key)
      return
    }
    if (place === undefined) lane.last = kept
    if (kept === undefined) {
      this.#ready.push(lane.first.message.queueOffset, lane)
      return
    }
    this.#waiting.push(dueAt, lane)
    if (!this.#isClosing) return
    lane.closingFailures++
    if (lane.closingFailures > MAX_CLOSING_FAILURES) this.#isStuck = true
  }

  #setLimit(): void {
    this.#limit = this.#lastFinished
    for (const offset of this.#taken.keys()) if (offset > this.#limit) this.#limit = offset
  }
}

function byOffset(a: StoredMessage, b: StoredMessage): number {
  return a.queueOffset - b.queueOffset
}
