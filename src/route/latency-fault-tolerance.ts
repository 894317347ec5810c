import { BrokerError, RemotingError } from '../errors.js'
import type { Logger } from '../logger.js'
import { monotonicNow } from '../remoting/deadline.js'

/** How latencies are judged. Times are in milliseconds. */
export interface LatencyFaultSettings {
  /** Ascending. A send that takes at least as long as an entry makes its broker unavailable for the entry of `notAvailableDuration` at the same place. */
  readonly latencyMax: readonly number[]
  readonly notAvailableDuration: readonly number[]
  /** Whether brokers that are unreachable are probed. */
  readonly startDetector: boolean
  /** Between two probes of one broker. */
  readonly detectInterval: number
  /** For one probe. */
  readonly detectTimeout: number
}

/** How the detector reaches a broker. */
export interface ServiceDetector {
  /** Where a broker is now; undefined when no route has it any more: then it is forgotten. */
  addressOf(brokerName: string): string | undefined
  /** Asks the broker something harmless. Whether it gave the answer; a rejection counts as no. */
  detect(brokerName: string, address: string, timeout: number): Promise<boolean>
}

interface FaultItem {
  /** On the monotonic clock. */
  availableFrom: number
  isReachable: boolean
  nextProbeAt: number
  isProbed: boolean
}

/** What a failed attempt counts as, in milliseconds of latency. */
const ISOLATION_LATENCY = 10_000
const DETECTOR_ROUND = 3_000
/** The others have their turn in the next round. */
const MAX_PROBES = 16

/**
 * Remembers which brokers answered slowly or not at all, and for how long they are to be left out.
 *
 * Only brokers about which there is something bad to say are remembered.
 *
 * @see MQFaultStrategy, LatencyFaultToleranceImpl
 */
export class LatencyFaultTolerance {
  readonly #settings: LatencyFaultSettings
  readonly #detector: ServiceDetector
  readonly #logger: Logger
  readonly #items = new Map<string, FaultItem>()
  #timer: NodeJS.Timeout | undefined

  constructor(settings: LatencyFaultSettings, detector: ServiceDetector, logger: Logger) {
    this.#settings = settings
    this.#detector = detector
    this.#logger = logger
  }

  /** False as long as every broker has been quick and well: then there is nothing to ask. */
  get hasFaults(): boolean {
    return this.#items.size > 0
  }

  /** Starts the detector, where it is wanted. Its timer does not keep the process alive. */
  start(): void {
    if (!this.#settings.startDetector) return
    this.#timer ??= setInterval(() => this.#detectByOneRound(), DETECTOR_ROUND).unref()
  }

  /** Ends the detector. A probe under way ends by its own timeout and changes nothing any more. */
  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  /**
   * Takes note of how an attempt to send ended.
   *
   * A broker that gave no answer, or refused what it may take later, is isolated. A refusal that every broker would give is the message's fault, so only
   * its latency counts; Java isolates the broker for that too.
   *
   * @param latency - How long the attempt took, in milliseconds.
   * @param error - Of an attempt that failed.
   */
  record(brokerName: string, latency: number, error?: unknown): void {
    if (error instanceof RemotingError) this.update(brokerName, latency, true, !this.#settings.startDetector)
    else if (error instanceof BrokerError && error.retryable) this.update(brokerName, latency, true, false)
    else this.update(brokerName, latency, false, true)
  }

  /**
   * Takes note of an attempt's latency.
   *
   * @param latency - In milliseconds.
   * @param isolation - The attempt failed: counts as 10 seconds.
   * @param isReachable - Whether the broker may be used, while it is unavailable, before others that are not reachable.
   * @see MQFaultStrategy.updateFaultItem
   */
  update(brokerName: string, latency: number, isolation: boolean, isReachable: boolean): void {
    const item = this.#items.get(brokerName)
    const duration = this.#notAvailableDuration(isolation ? ISOLATION_LATENCY : latency)
    if (item === undefined && duration === 0 && isReachable) return
    const now = monotonicNow()
    const isNews = duration > 0 && this.isAvailable(brokerName, now)
    if (item === undefined) {
      this.#items.set(brokerName, { availableFrom: now + duration, isReachable, nextProbeAt: now, isProbed: false })
    } else {
      item.isReachable = isReachable
      // A quick answer does not end a time that is running; a longer time extends it.
      if (duration > 0) item.availableFrom = Math.max(item.availableFrom, now + duration)
      if (isReachable && item.availableFrom <= now) this.#items.delete(brokerName)
    }
    if (isNews) this.#logger.info(`broker ${brokerName} is avoided for ${duration} ms`, { latency, isolation })
  }

  /** @param now - By `monotonicNow()`. */
  isAvailable(brokerName: string, now: number): boolean {
    const item = this.#items.get(brokerName)
    return item === undefined || now >= item.availableFrom
  }

  isReachable(brokerName: string): boolean {
    return this.#items.get(brokerName)?.isReachable ?? true
  }

  #notAvailableDuration(latency: number): number {
    const { latencyMax, notAvailableDuration } = this.#settings
    for (let i = latencyMax.length - 1; i >= 0; i--) {
      if (latency >= (latencyMax[i] ?? 0)) return notAvailableDuration[i] ?? 0
    }
    return 0
  }

  /** @see LatencyFaultToleranceImpl.detectByOneRound */
  #detectByOneRound(): void {
    const now = monotonicNow()
    let probes = 0
    for (const [brokerName, item] of this.#items) {
      if (probes === MAX_PROBES) return
      if (item.isReachable || item.isProbed || now < item.nextProbeAt) continue
      this.#items.delete(brokerName)
      const address = this.#detector.addressOf(brokerName)
      if (address === undefined) continue
      // Behind the others, so that none of many waits for ever.
      item.nextProbeAt = now + this.#settings.detectInterval
      this.#items.set(brokerName, item)
      probes++
      void this.#probe(brokerName, address, item)
    }
  }

  async #probe(brokerName: string, address: string, item: FaultItem): Promise<void> {
    item.isProbed = true
    const isServiceOk = await this.#detector
      .detect(brokerName, address, this.#settings.detectTimeout)
      .catch(() => false)
    item.isProbed = false
    if (!isServiceOk || item.isReachable || this.#timer === undefined) return
    item.isReachable = true
    this.#logger.info(`broker ${brokerName} is reachable again`, { address })
  }
}
