import { monotonicNow } from '../remoting/deadline.js'
import { RateLimit } from './rate-limit.js'

/** Messages that are handed out in one turn of the event loop; the sockets have theirs after that. */
const MESSAGES_PER_TURN = 32

/** How fast messages are handed out: a few in one turn of the event loop, and no more in a second than is wanted. */
export class ConsumptionPace {
  readonly #limit: RateLimit | undefined
  readonly #onMore: () => void
  #leftInTurn = MESSAGES_PER_TURN
  #turn: NodeJS.Immediate | undefined
  #timer: NodeJS.Timeout | undefined
  #isStopped = false

  /**
   * @param perSecond - Messages in a second; undefined: no limit.
   * @param onMore - Called when more messages are allowed, after a no.
   */
  constructor(perSecond: number | undefined, onMore: () => void) {
    this.#limit = perSecond === undefined ? undefined : new RateLimit(perSecond, monotonicNow())
    this.#onMore = onMore
  }

  /** How many messages may be handed out now, up to `max`; 0: it is told when there may be more. */
  allowed(max: number): number {
    if (this.#isStopped) return 0
    if (this.#leftInTurn <= 0) {
      this.#turn ??= setImmediate(() => {
        this.#turn = undefined
        this.#leftInTurn = MESSAGES_PER_TURN
        this.#onMore()
      })
      return 0
    }
    if (this.#limit === undefined) return max
    const now = monotonicNow()
    const allowed = this.#limit.available(now)
    if (allowed === 0) {
      this.#timer ??= setTimeout(() => {
        this.#timer = undefined
        this.#onMore()
      }, this.#limit.delay(now))
    }
    return Math.min(max, allowed)
  }

  take(count: number): void {
    this.#leftInTurn -= count
    this.#limit?.take(count)
  }

  /** Allows nothing any more. */
  stop(): void {
    this.#isStopped = true
    clearTimeout(this.#timer)
    clearImmediate(this.#turn)
  }
}
