import type { Client } from '../../client/client.js'
import type { SubscriptionData } from '../../client/subscription-data.js'
import { monotonicNow, type WaitOptions } from '../../remoting/deadline.js'
import { inParallel } from '../../route/in-parallel.js'
import type { QueueRequests } from '../queue-requests.js'
import { AckSender } from './ack-sender.js'
import type { Lease } from './lease.js'
import { LeaseBook } from './lease-book.js'
import { LeaseRenewal } from './lease-renewal.js'
import { LeaseRequests } from './lease-requests.js'
import { PopIntake } from './pop-intake.js'
import { type PoppedMessage, PopRequests } from './pop-requests.js'
import { PopSources, type PopSourcesHost, type PopSourcesOptions } from './pop-sources.js'
import { WorkUnderWay } from './work-under-way.js'

export interface PopReceiverOptions extends PopSourcesOptions {
  readonly maxReconsumeTimes: number
  /** How long messages are kept by prolonging their invisible time, in milliseconds. */
  readonly maxHoldTime: number
}

export interface PopReceiveRequest {
  readonly maxMessages: number
  readonly invisibleDuration: number
  readonly timeout: number
  readonly signal: AbortSignal | undefined
}

/** What is given back comes again as soon as its broker gets to it. */
const AT_ONCE = 1
const REQUESTS_AT_ONCE = 16
/** So long, in milliseconds, what came when nobody waited for it any more is kept for the next who asks; then others get it. */
const LATE_TIME = 1_000
/** For the last requests, in milliseconds. */
const STOP_TIMEOUT = 3_000

/** Pops messages for those who ask for them, and does with them what is wanted then. */
export class PopReceiver {
  readonly book: LeaseBook
  readonly #client: Client
  readonly #options: PopReceiverOptions
  readonly #requests: LeaseRequests
  readonly #sources: PopSources
  readonly #acks: AckSender
  readonly #renewal: LeaseRenewal
  readonly #intake: PopIntake
  readonly #settling = new WorkUnderWay()
  /** What came when nobody waited for it any more: the next who asks gets it. */
  #late: PoppedMessage[] = []
  #lateTimer: NodeJS.Timeout | undefined
  #isEnded = false

  constructor(client: Client, requests: QueueRequests, options: PopReceiverOptions, host: PopSourcesHost) {
    this.#client = client
    this.#options = options
    const popRequests = new PopRequests(client, requests.consumerGroup)
    this.#requests = new LeaseRequests(client, popRequests)
    this.#sources = new PopSources(client, popRequests, options, host)
    const report = (error: unknown, what: string) => host.report(error, what)
    const ack = (leases: readonly Lease[]) => this.#requests.ack(leases, {})
    this.#acks = new AckSender({ ack, onDone: () => undefined, report })
    this.#renewal = new LeaseRenewal({
      renew: (lease, invisibleTime) => this.#requests.changeInvisibleTime(lease, invisibleTime, {}),
      onFailed: (lease, error) =>
        client.logger.warn('an invisible time could not be prolonged', { message: lease.title, error }),
    })
    const acknowledge = (lease: Lease) => this.acknowledge(lease)
    const onWork = (work: Promise<void>) => this.#settling.add(work)
    this.#intake = new PopIntake(client, requests, options.maxReconsumeTimes, { acknowledge, onWork, report })
    this.book = new LeaseBook(client.namespace, this.#requests, this.#renewal)
  }

  /** Brokers that can't be popped now. */
  get faults(): PopSources['faults'] {
    return this.#sources.faults
  }

  /** Acknowledgements that are not done. */
  get ackCount(): number {
    return this.#acks.count
  }

  /** Has brokers take down where the group begins. @throws {@link ClientError} `ABORTED`, or when the time is over. */
  introduce(wait: WaitOptions): Promise<void> {
    return this.#sources.introduce(wait)
  }

  /** Subscriptions or routes changed. */
  wake(): void {
    this.#sources.wake()
  }

  /**
   * Up to so many messages, as soon as there are any; an empty list when the time is over.
   *
   * @throws as {@link PopSources.receive}.
   */
  async receive(request: PopReceiveRequest): Promise<PoppedMessage[]> {
    const deadline = monotonicNow() + request.timeout
    const onLate = (messages: PoppedMessage[], subscription: SubscriptionData) => this.#onLate(messages, subscription)
    const hasOthers = () => this.#late.length > 0
    for (;;) {
      const late = await this.#takeLate(request)
      if (late.length > 0) return late
      const timeout = Math.max(0, deadline - monotonicNow())
      const reception = await this.#sources.receive({ ...request, timeout, hasOthers, onLate })
      if (reception === undefined && hasOthers()) continue
      if (reception === undefined) return []
      const wanted = this.#intake.wanted(reception.messages, reception.subscription)
      for (const one of wanted) this.book.add(one)
      if (wanted.length > 0) return wanted
    }
  }

  /** Acknowledges a message, without anybody waiting for it. */
  acknowledge(lease: Lease): void {
    this.#renewal.delete(lease)
    this.#acks.add(lease)
  }

  /** Prolongs the invisible time of a message until it is acknowledged. */
  hold(lease: Lease, invisibleTime: number): void {
    this.#renewal.add(lease, invisibleTime, this.#options.maxHoldTime)
  }

  /** Has messages come again at once. Never rejects. */
  async giveBack(popped: readonly PoppedMessage[]): Promise<void> {
    if (popped.length === 0) return
    const work = inParallel(popped, REQUESTS_AT_ONCE, async ({ lease }) => {
      this.#renewal.delete(lease)
      if (!lease.isSettled && !lease.isAcking && !lease.isExpired()) await this.#change(lease, AT_ONCE)
    })
    this.#settling.add(work)
    await work
  }

  /** Whoever waits for messages gets none any more. What was received before can still be settled. */
  end(): void {
    this.#isEnded = true
    this.#sources.end()
  }

  /**
   * After {@link PopReceiver.end}: gives back what nobody has, waits for the requests that are under way, and ends timers.
   *
   * @param timeout - For these requests, in milliseconds; some seconds at least.
   */
  async stop(timeout: number): Promise<void> {
    const deadline = monotonicNow() + Math.max(STOP_TIMEOUT, timeout)
    const rest = () => Math.max(0, deadline - monotonicNow())
    void this.#giveBackLate()
    await this.#sources.drain(rest())
    await this.#settling.drain(rest())
    await this.#acks.drain(rest())
    this.#acks.stop()
    this.#renewal.stop()
  }

  #onLate(messages: PoppedMessage[], subscription: SubscriptionData): void {
    const wanted = this.#intake.wanted(messages, subscription)
    if (this.#isEnded) void this.giveBack(wanted)
    else if (wanted.length > 0) {
      this.#late.push(...wanted)
      this.#lateTimer ??= setTimeout(() => void this.#giveBackLate(), LATE_TIME).unref()
      this.wake()
    }
  }

  #giveBackLate(): Promise<void> {
    clearTimeout(this.#lateTimer)
    this.#lateTimer = undefined
    const late = this.#late
    this.#late = []
    return this.giveBack(late)
  }

  /** Their time has gone by already, so they get the time that is wanted now. Those for which that fails come again. */
  async #takeLate({ maxMessages, invisibleDuration }: PopReceiveRequest): Promise<PoppedMessage[]> {
    if (this.#late.length === 0) return []
    const taken = this.#late.splice(0, maxMessages)
    const kept = new Set<PoppedMessage>()
    const work = inParallel(taken, REQUESTS_AT_ONCE, async (one) => {
      if (!one.lease.isExpired() && (await this.#change(one.lease, invisibleDuration))) kept.add(one)
    })
    this.#settling.add(work)
    await work
    if (this.#isEnded) {
      void this.giveBack([...kept])
      return []
    }
    for (const one of kept) this.book.addRenewed(one)
    return taken.filter((one) => kept.has(one))
  }

  async #change(lease: Lease, invisibleTime: number): Promise<boolean> {
    try {
      await this.#requests.changeInvisibleTime(lease, invisibleTime, {})
      return true
    } catch (error) {
      this.#client.logger.debug('an invisible time could not be changed: the message comes again when it is over', {
        message: lease.title,
        error,
      })
      return false
    }
  }
}
