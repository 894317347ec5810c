import { monotonicNow } from '../remoting/deadline.js'

/** How a group does with one topic. @see ConsumeStatus */
export interface ConsumeStatus {
  /** How long a pull took on average, in milliseconds, waiting for messages included. */
  readonly pullRT: number
  /** Messages pulled in a second. */
  readonly pullTPS: number
  /** How long a handler took on average, in milliseconds. */
  readonly consumeRT: number
  /** Messages in a second that handlers took. */
  readonly consumeOKTPS: number
  /** Messages in a second on which handlers failed. */
  readonly consumeFailedTPS: number
  /** Messages on which handlers failed in the last hour. */
  readonly consumeFailedMsgs: number
}

const MINUTE_SLOT = 10_000
const HOUR_SLOT = 600_000
/** Slots of a window; one more is being filled. */
const SLOTS = 6

/**
 * What was counted in the last six spans of time, and in the present one.
 *
 * A slot is thrown away when something is counted in a later one, so that no timer is needed.
 */
class Window {
  readonly #span: number
  readonly #sums: number[]
  readonly #times: number[]
  #slot = 0

  constructor(span: number) {
    this.#span = span
    this.#sums = new Array(SLOTS + 1).fill(0)
    this.#times = new Array(SLOTS + 1).fill(0)
  }

  /** @param value - What is summed up. @param times - How many values that is. */
  add(now: number, value: number, times: number): void {
    this.#turn(now)
    const at = this.#slot % (SLOTS + 1)
    this.#sums[at] = (this.#sums[at] as number) + value
    this.#times[at] = (this.#times[at] as number) + times
  }

  sum(now: number): number {
    this.#turn(now)
    return total(this.#sums)
  }

  perSecond(now: number): number {
    return this.sum(now) / ((SLOTS * this.#span + (now % this.#span)) / 1_000)
  }

  average(now: number): number {
    const sum = this.sum(now)
    const times = total(this.#times)
    return times === 0 ? 0 : sum / times
  }

  #turn(now: number): void {
    const slot = Math.floor(now / this.#span)
    if (slot === this.#slot) return
    const steps = Math.min(SLOTS + 1, slot - this.#slot)
    for (let i = 0; i < steps; i++) {
      const at = (slot - i) % (SLOTS + 1)
      this.#sums[at] = 0
      this.#times[at] = 0
    }
    this.#slot = slot
  }
}

function total(values: readonly number[]): number {
  let sum = 0
  for (const value of values) sum += value
  return sum
}

/** Counts for one topic. Times are monotonic. */
export class TopicStatistics {
  readonly #pullRT = new Window(MINUTE_SLOT)
  readonly #pulled = new Window(MINUTE_SLOT)
  readonly #consumeRT = new Window(MINUTE_SLOT)
  readonly #consumeRTInHour = new Window(HOUR_SLOT)
  readonly #ok = new Window(MINUTE_SLOT)
  readonly #failed = new Window(MINUTE_SLOT)
  readonly #failedInHour = new Window(HOUR_SLOT)

  /** A pull found messages. @param elapsed - In milliseconds. */
  pulled(count: number, elapsed: number, now: number): void {
    this.#pullRT.add(now, elapsed, 1)
    if (count > 0) this.#pulled.add(now, count, 1)
  }

  /** A handler ended. @param elapsed - In milliseconds. */
  handled(elapsed: number, now: number): void {
    this.#consumeRT.add(now, elapsed, 1)
    this.#consumeRTInHour.add(now, elapsed, 1)
  }

  /** What became of a handler's messages. */
  consumed(ok: number, failed: number, now: number): void {
    if (ok > 0) this.#ok.add(now, ok, 1)
    if (failed === 0) return
    this.#failed.add(now, failed, 1)
    this.#failedInHour.add(now, failed, 1)
  }

  /** @see ConsumerStatsManager.consumeStatus */
  status(now: number): ConsumeStatus {
    return {
      pullRT: this.#pullRT.average(now),
      pullTPS: this.#pulled.perSecond(now),
      consumeRT: this.#consumeRT.average(now) || this.#consumeRTInHour.average(now),
      consumeOKTPS: this.#ok.perSecond(now),
      consumeFailedTPS: this.#failed.perSecond(now),
      consumeFailedMsgs: this.#failedInHour.sum(now),
    }
  }
}

/** Counts what a consumer does, topic by topic. Topics have the names that servers know. */
export class ConsumeStatistics {
  readonly #topics = new Map<string, TopicStatistics>()

  /** The counts of a topic; kept by who counts, so that nothing is looked up for each message. */
  topic(topic: string): TopicStatistics {
    let statistics = this.#topics.get(topic)
    if (statistics === undefined) {
      statistics = new TopicStatistics()
      this.#topics.set(topic, statistics)
    }
    return statistics
  }

  status(topic: string, now = monotonicNow()): ConsumeStatus {
    return this.topic(topic).status(now)
  }
}
