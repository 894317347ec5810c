import { monotonicNow } from './deadline.js'
import type { PendingCall } from './pending-call.js'

const MAX_OPAQUE = 0x7fff_ffff

/**
 * The calls of one channel by their opaque, and their deadlines.
 *
 * One timer serves all: it sleeps until the earliest deadline known and then looks at every call. Calls that were answered in time don't touch it, so that
 * a busy channel pays for one look at its calls per timeout, and nothing per call.
 */
export class InFlight {
  readonly #calls = new Map<number, PendingCall>()
  readonly #onExpired: (call: PendingCall) => void
  readonly #maxOpaque: number
  #nextOpaque: number
  #timer: NodeJS.Timeout | undefined
  #wakeAt = Number.POSITIVE_INFINITY

  /** @param maxOpaque - The one after which they begin again at 0; only tests have a reason to change it. */
  constructor(onExpired: (call: PendingCall) => void, firstOpaque = 0, maxOpaque = MAX_OPAQUE) {
    this.#onExpired = onExpired
    this.#nextOpaque = firstOpaque
    this.#maxOpaque = maxOpaque
  }

  get size(): number {
    return this.#calls.size
  }

  /** Gives the call an opaque that no other pending call has, and watches its deadline. */
  add(call: PendingCall): void {
    call.opaque = this.nextOpaque()
    this.#calls.set(call.opaque, call)
    if (call.deadline < this.#wakeAt) this.#wake(call.deadline)
  }

  /** An opaque that no pending call has. */
  nextOpaque(): number {
    let opaque: number
    do {
      opaque = this.#nextOpaque
      this.#nextOpaque = opaque === this.#maxOpaque ? 0 : opaque + 1
    } while (this.#calls.has(opaque))
    return opaque
  }

  /** The call with this opaque, which is then no longer pending. */
  take(opaque: number): PendingCall | undefined {
    const call = this.#calls.get(opaque)
    if (call !== undefined) this.#calls.delete(opaque)
    return call
  }

  remove(call: PendingCall): void {
    if (this.#calls.get(call.opaque) === call) this.#calls.delete(call.opaque)
  }

  /** Ends every call, and the timer. */
  close(errorOf: (call: PendingCall) => Error): void {
    clearTimeout(this.#timer)
    this.#wakeAt = Number.POSITIVE_INFINITY
    const calls = [...this.#calls.values()]
    this.#calls.clear()
    for (const call of calls) call.reject(errorOf(call))
  }

  #wake(at: number): void {
    clearTimeout(this.#timer)
    this.#wakeAt = at
    this.#timer = setTimeout(() => this.#sweep(), Math.max(1, Math.ceil(at - monotonicNow())))
  }

  #sweep(): void {
    const now = monotonicNow()
    let next = Number.POSITIVE_INFINITY
    for (const call of this.#calls.values()) {
      if (call.deadline > now) {
        if (call.deadline < next) next = call.deadline
        continue
      }
      this.#calls.delete(call.opaque)
      call.expire()
      this.#onExpired(call)
    }
    this.#wakeAt = Number.POSITIVE_INFINITY
    if (next < Number.POSITIVE_INFINITY) this.#wake(next)
  }
}
