import type { StoredMessage } from '../codec/stored-message.js'
import type { WaitingTally } from './read-ahead.js'

const WAITING = 0
const IN_FLIGHT = 1
const DONE = 2
/** What is done is cleared away when there is so much of it, and more than of the rest. */
const MIN_CLEARING = 64

/**
 * The messages of one queue that were pulled and are not finished, in the order of their offsets. From them follows what may be committed: an offset below which
 * everything is finished.
 *
 * @see ProcessQueue
 */
export class ProcessQueue {
  /** Three columns of one table, in the order of offsets. Rows before `#head` are gone. */
  readonly #messages: (StoredMessage | undefined)[] = []
  readonly #offsets: number[] = []
  readonly #states: number[] = []
  #head = 0
  /** No row before this one waits. */
  #cursor = 0
  #done = 0
  #waiting = 0
  #inFlight = 0
  #bytes = 0
  #nextOffset: number
  #tally: WaitingTally | undefined

  /**
   * @param nextOffset - Of the first message that will be added, or before it.
   * @param tally - Of several queues, until {@link ProcessQueue.leaveTally}.
   */
  constructor(nextOffset: number, tally?: WaitingTally) {
    this.#nextOffset = nextOffset
    this.#tally = tally
  }

  /** What waits here is taken by nobody any more. */
  leaveTally(): void {
    if (this.#tally !== undefined) this.#tally.waiting -= this.#waiting
    this.#tally = undefined
  }

  /** Where the next pull begins. */
  get nextOffset(): number {
    return this.#nextOffset
  }

  /** The offset of the oldest message that is not finished; where there is none, that of the next pull. It never goes back. */
  get commitOffset(): number {
    return this.firstOffset ?? this.#nextOffset
  }

  /** Messages that are not finished. */
  get count(): number {
    return this.#waiting + this.#inFlight
  }

  /** Of the bodies of these messages. */
  get bytes(): number {
    return this.#bytes
  }

  /** Messages that can be taken. */
  get waitingCount(): number {
    return this.#waiting
  }

  get inFlightCount(): number {
    return this.#inFlight
  }

  /** How far the newest unfinished message is from the oldest one, in offsets. */
  get span(): number {
    return this.count === 0 ? 0 : (this.lastOffset as number) - (this.firstOffset as number)
  }

  get firstOffset(): number | undefined {
    return this.count === 0 ? undefined : this.#offsets[this.#head]
  }

  get lastOffset(): number | undefined {
    return this.count === 0 ? undefined : this.#offsets[this.#offsets.length - 1]
  }

  /** When the oldest unfinished message was stored, in ms since the epoch. */
  get oldestStoreTimestamp(): number | undefined {
    return this.count === 0 ? undefined : this.#messages[this.#head]?.storeTimestamp
  }

  /**
   * Adds what a pull brought: messages of rising offsets, none below {@link ProcessQueue.nextOffset}.
   *
   * @param nextOffset - Behind the last of them, or behind more that were filtered out.
   */
  add(messages: readonly StoredMessage[], nextOffset: number): void {
    for (const message of messages) {
      this.#messages.push(message)
      this.#offsets.push(message.queueOffset)
      this.#states.push(WAITING)
      this.#bytes += message.body.length
    }
    this.#changeWaiting(messages.length)
    this.#nextOffset = nextOffset
  }

  /** Up to `max` of the oldest messages that wait. They are in flight then. */
  take(max: number): StoredMessage[] {
    const taken: StoredMessage[] = []
    const wanted = Math.min(max, this.#waiting)
    let row = this.#cursor
    while (taken.length < wanted) {
      if (this.#states[row] === WAITING) {
        this.#states[row] = IN_FLIGHT
        taken.push(this.#messages[row] as StoredMessage)
      }
      row++
    }
    this.#cursor = row
    this.#changeWaiting(-taken.length)
    this.#inFlight += taken.length
    return taken
  }

  /** Adds to `list` the messages from an offset on that wait. Looks only at those, from the end. */
  waitingFrom(offset: number, list: StoredMessage[]): void {
    let row = this.#offsets.length
    while (row > this.#head && (this.#offsets[row - 1] as number) >= offset) row--
    for (; row < this.#offsets.length; row++) {
      if (this.#states[row] === WAITING) list.push(this.#messages[row] as StoredMessage)
    }
  }

  /** Has messages that wait be in flight, whatever waits before them. */
  takeThese(messages: readonly StoredMessage[]): void {
    for (const { queueOffset } of messages) {
      const row = this.#rowOf(queueOffset)
      if (row < 0 || this.#states[row] !== WAITING) continue
      this.#states[row] = IN_FLIGHT
      this.#changeWaiting(-1)
      this.#inFlight++
    }
  }

  /** Takes messages off that were in flight. Others are passed over: what was finished once stays so. */
  finish(messages: readonly StoredMessage[]): void {
    for (const message of messages) this.#finishOne(message)
    this.#clear()
  }

  /**
   * Has messages wait again that were in flight, each at its place.
   *
   * @param messages - May be other objects than those that were taken: they replace what has their offset.
   */
  putBack(messages: readonly StoredMessage[]): void {
    for (const message of messages) {
      const row = this.#rowInFlight(message)
      if (row < 0) continue
      this.#messages[row] = message
      this.#states[row] = WAITING
      this.#inFlight--
      this.#changeWaiting(1)
      if (row < this.#cursor) this.#cursor = row
    }
  }

  /** Whether a message was taken and is neither finished nor put back. */
  isInFlight(message: StoredMessage): boolean {
    return this.#rowInFlight(message) >= 0
  }

  /** Goes on with pulling further ahead: what lies between is not there any more. */
  skipTo(nextOffset: number): void {
    this.#nextOffset = Math.max(this.#nextOffset, nextOffset)
  }

  #changeWaiting(change: number): void {
    this.#waiting += change
    if (this.#tally !== undefined) this.#tally.waiting += change
  }

  #finishOne(message: StoredMessage): void {
    const row = this.#rowInFlight(message)
    if (row < 0) return
    this.#bytes -= (this.#messages[row] as StoredMessage).body.length
    // Those behind a slow one must not keep their bodies.
    this.#messages[row] = undefined
    this.#states[row] = DONE
    this.#inFlight--
    this.#done++
  }

  #rowInFlight(message: StoredMessage): number {
    const row = this.#rowOf(message.queueOffset)
    return row >= 0 && this.#states[row] === IN_FLIGHT ? row : -1
  }

  /** Where a queue has no gaps, the row follows from the offset; else it is searched. */
  #rowOf(offset: number): number {
    const offsets = this.#offsets
    let low = this.#head
    let high = offsets.length - 1
    if (low > high) return -1
    const guess = low + offset - (offsets[low] as number)
    if (offsets[guess] === offset && guess >= low) return guess
    while (low <= high) {
      const middle = (low + high) >>> 1
      const found = offsets[middle] as number
      if (found === offset) return middle
      if (found < offset) low = middle + 1
      else high = middle - 1
    }
    return -1
  }

  /** Drops rows that are done: at both ends at once, those between when they have become many. */
  #clear(): void {
    const states = this.#states
    while (this.#head < states.length && states[this.#head] === DONE) {
      this.#head++
      this.#done--
    }
    while (states.length > this.#head && states[states.length - 1] === DONE) {
      this.#truncate(states.length - 1)
      this.#done--
    }
    if (this.#head === states.length) {
      this.#truncate(0)
      this.#head = 0
    }
    this.#cursor = Math.min(Math.max(this.#cursor, this.#head), states.length)
    const cleared = this.#head + this.#done
    if (cleared >= MIN_CLEARING && cleared > this.count) this.#compact()
  }

  #truncate(length: number): void {
    this.#messages.length = length
    this.#offsets.length = length
    this.#states.length = length
  }

  #compact(): void {
    let to = 0
    let cursor = 0
    for (let row = this.#head; row < this.#states.length; row++) {
      if (this.#states[row] === DONE) continue
      if (row < this.#cursor) cursor++
      this.#messages[to] = this.#messages[row]
      this.#offsets[to] = this.#offsets[row] as number
      this.#states[to] = this.#states[row] as number
      to++
    }
    this.#truncate(to)
    this.#head = 0
    this.#done = 0
    this.#cursor = cursor
  }
}
