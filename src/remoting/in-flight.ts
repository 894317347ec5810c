import { monotonicNow } from './deadline.js'
import type { PendingCall } from './pending-call.js'

const MAX_OPAQUE = 0x7fff_ffff
/** Of the table at first; a power of two, as all later ones. */
const MIN_CAPACITY = 64

/**
 * The calls of one channel by their opaque, and their deadlines.
 *
 * One timer serves all: it sleeps until the earliest deadline known and then looks at every call. Calls that were answered in time don't touch it, so that
 * a busy channel pays for one look at its calls per timeout, and nothing per call.
 *
 * Opaques follow each other, so that their last bits are a call's place in a table. A `Map` makes itself a new table every so many calls, which the old one points to:
 * when the garbage collector once takes one for long-lived, it keeps all that follow, with their calls and answers, until its next full round.
 */
export class InFlight {
  #calls: (PendingCall | undefined)[] = new Array(MIN_CAPACITY).fill(undefined)
  #size = 0
  readonly #onExpired: (call: PendingCall) => void
  readonly #maxOpaque: number
  #nextOpaque: number
  #timer: NodeJS.Timeout | undefined
  #lastLook: NodeJS.Immediate | undefined
  #wakeAt = Number.POSITIVE_INFINITY

  /** @param maxOpaque - The one after which they begin again at 0; only tests have a reason to change it. */
  constructor(onExpired: (call: PendingCall) => void, firstOpaque = 0, maxOpaque = MAX_OPAQUE) {
    this.#onExpired = onExpired
    this.#nextOpaque = firstOpaque
    this.#maxOpaque = maxOpaque
  }

  get size(): number {
    return this.#size
  }

  /** Gives the call an opaque that no other pending call has, and watches its deadline. */
  add(call: PendingCall): void {
    call.opaque = this.nextOpaque()
    this.#calls[this.#placeOf(call.opaque)] = call
    this.#size++
    if (call.deadline < this.#wakeAt) this.#wake(call.deadline)
  }

  /** An opaque that no pending call has. One whose place is taken by a call that waits long is passed over. */
  nextOpaque(): number {
    if (this.#size * 2 >= this.#calls.length) this.#grow()
    let opaque: number
    do {
      opaque = this.#nextOpaque
      this.#nextOpaque = opaque === this.#maxOpaque ? 0 : opaque + 1
    } while (this.#calls[this.#placeOf(opaque)] !== undefined)
    return opaque
  }

  /** The call with this opaque, which is then no longer pending. */
  take(opaque: number): PendingCall | undefined {
    const call = this.#calls[this.#placeOf(opaque)]
    if (call === undefined || call.opaque !== opaque) return undefined
    this.remove(call)
    return call
  }

  remove(call: PendingCall): void {
    const place = this.#placeOf(call.opaque)
    if (this.#calls[place] !== call) return
    this.#calls[place] = undefined
    this.#size--
  }

  /** Ends every call, and the timer. */
  close(errorOf: (call: PendingCall) => Error): void {
    clearTimeout(this.#timer)
    clearImmediate(this.#lastLook)
    this.#wakeAt = Number.POSITIVE_INFINITY
    for (const call of this.#pending()) {
      this.remove(call)
      call.reject(errorOf(call))
    }
  }

  #placeOf(opaque: number): number {
    return opaque & (this.#calls.length - 1)
  }

  #grow(): void {
    const calls = this.#pending()
    this.#calls = new Array(this.#calls.length * 2).fill(undefined)
    for (const call of calls) this.#calls[this.#placeOf(call.opaque)] = call
  }

  #pending(): PendingCall[] {
    return this.#calls.filter((call) => call !== undefined)
  }

  #wake(at: number): void {
    clearTimeout(this.#timer)
    this.#wakeAt = at
    this.#timer = setTimeout(() => this.#onDue(), Math.max(1, Math.ceil(at - monotonicNow())))
  }

  /** After a time in which this process stood still, timers come first: an answer that is there already is read before its call is given up. */
  #onDue(): void {
    clearImmediate(this.#lastLook)
    this.#lastLook = setImmediate(() => this.#sweep())
  }

  /** A call that ends may have another one begin at once, or this channel close. */
  #sweep(): void {
    const now = monotonicNow()
    let next = Number.POSITIVE_INFINITY
    this.#wakeAt = next
    for (const call of this.#pending()) {
      if (call.isSettled) continue
      if (call.deadline > now) {
        if (call.deadline < next) next = call.deadline
        continue
      }
      this.remove(call)
      call.expire()
      this.#onExpired(call)
    }
    if (next < this.#wakeAt) this.#wake(next)
  }
}
