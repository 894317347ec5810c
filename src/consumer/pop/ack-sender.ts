import { DrainWaiters } from '../../client/drain-waiters.js'
import { isRocketMQError } from '../../errors.js'
import { monotonicNow } from '../../remoting/deadline.js'
import type { Lease } from './lease.js'

export interface AckSenderHost {
  /** Acknowledges messages of one broker; rejects when it did not take all of them. */
  ack(leases: readonly Lease[]): Promise<void>
  /** Messages are acknowledged, or it was given up: what is held of them is needed no more. Must not throw. */
  onDone(leases: readonly Lease[]): void
  report(error: unknown, what: string): void
}

const RETRY_DELAY = 500

/** Of one broker. */
interface Lane {
  waiting: Lease[]
  isSending: boolean
  retryTimer: NodeJS.Timeout | undefined
}

/**
 * Acknowledges messages for those who don't wait for it: together, what comes while a request is under way, and again until a broker has taken it or the message's time
 * is over, which brings it back.
 */
export class AckSender {
  readonly #host: AckSenderHost
  readonly #lanes = new Map<string, Lane>()
  readonly #drained = new DrainWaiters()
  #count = 0
  #isStopped = false

  constructor(host: AckSenderHost) {
    this.#host = host
  }

  /** Acknowledgements that are not done. */
  get count(): number {
    return this.#count
  }

  add(lease: Lease): void {
    if (this.#isStopped) return
    const { brokerName } = lease.origin
    let lane = this.#lanes.get(brokerName)
    if (lane === undefined) {
      lane = { waiting: [], isSending: false, retryTimer: undefined }
      this.#lanes.set(brokerName, lane)
    }
    lane.waiting.push(lease)
    this.#count++
    if (!lane.isSending && lane.retryTimer === undefined) void this.#send(lane)
  }

  /** Resolves when all are done, or when the time is over. */
  async drain(timeout: number): Promise<void> {
    if (this.#count > 0) await this.#drained.wait(timeout)
  }

  /** Ends timers. What is not done by now comes back, which is told. */
  stop(): void {
    if (this.#isStopped) return
    this.#isStopped = true
    for (const lane of this.#lanes.values()) clearTimeout(lane.retryTimer)
    if (this.#count === 0) return
    const error = new Error('no broker had taken it when the time of the shutdown was over')
    this.#host.report(error, `${this.#count} messages are not acknowledged: they come again`)
  }

  /** Never rejects. */
  async #send(lane: Lane): Promise<void> {
    lane.isSending = true
    // What is finished in this turn of the event loop goes along.
    await new Promise<void>((resolve) => setImmediate(resolve))
    while (lane.waiting.length > 0 && lane.retryTimer === undefined && !this.#isStopped) {
      const leases = this.#takeLive(lane)
      if (leases.length > 0) await this.#sendSome(lane, leases)
    }
    lane.isSending = false
  }

  async #sendSome(lane: Lane, leases: readonly Lease[]): Promise<void> {
    try {
      await this.#host.ack(leases)
      this.#done(leases)
    } catch (error) {
      const open = leases.filter((lease) => !lease.isSettled)
      this.#done(leases.filter((lease) => lease.isSettled))
      if (this.#isStopped) return
      if (isRocketMQError(error) && !error.retryable) {
        this.#host.report(error, `${open.length} messages are not acknowledged: they come again (${open[0]?.title})`)
        this.#done(open)
      } else this.#sendLater(lane, open)
    }
  }

  #sendLater(lane: Lane, leases: readonly Lease[]): void {
    lane.waiting.unshift(...leases)
    lane.retryTimer = setTimeout(() => {
      lane.retryTimer = undefined
      void this.#send(lane)
    }, RETRY_DELAY)
  }

  /** All that wait, without those whose time is over. */
  #takeLive(lane: Lane): Lease[] {
    const all = lane.waiting
    lane.waiting = []
    const now = monotonicNow()
    const late = all.filter((lease) => lease.isExpired(now))
    if (late.length === 0) return all
    const error = new Error('their invisible time was over before a broker took it')
    this.#host.report(error, `${late.length} messages are not acknowledged: they come again (${late[0]?.title})`)
    this.#done(late)
    return all.filter((lease) => !lease.isExpired(now))
  }

  #done(leases: readonly Lease[]): void {
    if (leases.length === 0) return
    this.#count -= leases.length
    this.#host.onDone(leases)
    if (this.#count === 0) this.#drained.tell()
  }
}
