import { monotonicNow } from '../../remoting/deadline.js'
import type { Lease } from './lease.js'

export interface LeaseRenewalHost {
  /** Gives the message this invisible time, from now on. */
  renew(lease: Lease, invisibleTime: number): Promise<void>
  /** Must not throw. */
  onFailed(lease: Lease, error: unknown): void
}

interface Renewed {
  /** Of each renewal, in milliseconds. */
  readonly invisibleTime: number
  /** Renewed no more then. Monotonic, in milliseconds. */
  readonly until: number
  /** Not tried again before; monotonic. */
  notBefore: number
}

/** Looked at so often within the shortest time. */
const SWEEPS = 10
const MIN_INTERVAL = 50
const MAX_INTERVAL = 1_000
/** Of its time, what is left of a lease when it is renewed. */
const RENEWAL_PART = 0.5
/** Of one broker. Messages that were popped together are due together, and may be thousands. */
const RENEWALS_AT_ONCE = 64

/** Keeps messages from others for longer than was asked for: whoever has them has not finished yet. */
export class LeaseRenewal {
  readonly #host: LeaseRenewalHost
  readonly #leases = new Map<Lease, Renewed>()
  #timer: NodeJS.Timeout | undefined
  #interval = MAX_INTERVAL
  /** Renewals under way, by broker. */
  readonly #underWay = new Map<string, number>()
  /** Whether some are due that have to wait for those under way. */
  #isBehind = false
  #isStopped = false

  constructor(host: LeaseRenewalHost) {
    this.#host = host
  }

  /**
   * @param invisibleTime - Of each renewal, in milliseconds.
   * @param maxTime - How long to renew it altogether, in milliseconds.
   */
  add(lease: Lease, invisibleTime: number, maxTime: number): void {
    if (this.#isStopped) return
    this.#leases.set(lease, { invisibleTime, until: monotonicNow() + maxTime, notBefore: 0 })
    const interval = Math.max(MIN_INTERVAL, Math.min(MAX_INTERVAL, invisibleTime / SWEEPS))
    if (this.#timer !== undefined && interval >= this.#interval) return
    clearInterval(this.#timer)
    this.#interval = interval
    this.#timer = setInterval(() => this.#sweep(), interval).unref()
  }

  delete(lease: Lease): void {
    this.#leases.delete(lease)
  }

  /** Renews nothing any more, and ends the timer. */
  stop(): void {
    this.#isStopped = true
    clearInterval(this.#timer)
    this.#leases.clear()
  }

  #sweep(): void {
    const now = monotonicNow()
    this.#isBehind = false
    for (const [lease, renewed] of this.#leases) {
      if (lease.isSettled || lease.isExpired(now) || now >= renewed.until) this.#leases.delete(lease)
      else if (lease.isAcking || lease.changing !== undefined) continue
      else if (now >= renewed.notBefore && lease.expiresAt - now <= renewed.invisibleTime * RENEWAL_PART) {
        this.#renewOrWait(lease, renewed, now)
      }
    }
    if (this.#leases.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#interval = MAX_INTERVAL
  }

  #renewOrWait(lease: Lease, renewed: Renewed, now: number): void {
    const { brokerName } = lease.origin
    const count = this.#underWay.get(brokerName) ?? 0
    if (count >= RENEWALS_AT_ONCE) {
      this.#isBehind = true
      return
    }
    this.#underWay.set(brokerName, count + 1)
    renewed.notBefore = now + renewed.invisibleTime / SWEEPS
    void this.#renew(lease, renewed)
  }

  /** Never rejects. */
  async #renew(lease: Lease, { invisibleTime }: Renewed): Promise<void> {
    try {
      await this.#host.renew(lease, invisibleTime)
    } catch (error) {
      if (this.#leases.has(lease)) this.#host.onFailed(lease, error)
    }
    const { brokerName } = lease.origin
    const count = (this.#underWay.get(brokerName) ?? 1) - 1
    this.#underWay.set(brokerName, count)
    // Not at each one that ends: all messages are looked at.
    if (this.#isBehind && count <= RENEWALS_AT_ONCE / 2) this.#sweep()
  }
}
