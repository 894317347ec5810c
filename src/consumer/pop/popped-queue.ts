import type { StoredMessage } from '../../codec/stored-message.js'
import type { MessageQueue } from '../../message/message.js'
import { monotonicNow } from '../../remoting/deadline.js'
import type { ConsumeOutcome } from '../consume-observer.js'
import type { TopicStatistics } from '../consume-statistics.js'
import { ConsumedQueue, type ConsumeRun } from '../consumed-queue.js'
import { ProcessQueue } from '../process-queue.js'
import type { Lease } from './lease.js'
import type { PoppedMessage } from './pop-requests.js'

/** What becomes of messages. None of these may throw. */
export interface PoppedQueueHost {
  onConsumed(popped: PoppedMessage): void
  /** @param delayLevel - As the handler has chosen it; 0: by how often the message came. */
  onFailed(popped: PoppedMessage, delayLevel: number): void
  /** Nobody has the message any more: its time was over before its handler had begun, or before it had ended. */
  onExpired(popped: PoppedMessage): void
}

/** A queue whose messages are popped, as its {@link Consumption} sees it: there is no order among them, and each is settled for itself. */
export class PoppedQueue extends ConsumedQueue {
  readonly #host: PoppedQueueHost
  #waiting: PoppedMessage[] = []
  /** Those that handlers have. */
  readonly #inFlight = new Map<StoredMessage, Lease>()
  #bytes = 0

  constructor(queue: MessageQueue, messageQueue: MessageQueue, statistics: TopicStatistics, host: PoppedQueueHost) {
    super(queue, messageQueue, new ProcessQueue(0), statistics, () => undefined)
    this.#host = host
  }

  get waitingCount(): number {
    return this.#waiting.length
  }

  get inFlightCount(): number {
    return this.#inFlight.size
  }

  /** Of the bodies of all these messages. */
  get bytes(): number {
    return this.#bytes
  }

  /** When the oldest of those that wait was stored, in ms since the epoch. */
  get oldestStoreTimestamp(): number | undefined {
    return this.#waiting[0]?.message.storeTimestamp
  }

  add(popped: readonly PoppedMessage[]): void {
    for (const one of popped) {
      this.#waiting.push(one)
      this.#bytes += one.message.body.length
    }
  }

  /** Up to `max` of the messages that wait, without those whose time is over: the group gets these again. */
  take(max: number): StoredMessage[] {
    const taken: StoredMessage[] = []
    const now = monotonicNow()
    while (taken.length < max) {
      const popped = this.#waiting.shift()
      if (popped === undefined) break
      const { message, lease } = popped
      if (lease.isExpired(now)) this.#expire(popped)
      else {
        this.#inFlight.set(message, lease)
        taken.push(message)
      }
    }
    return taken
  }

  /** A handler has ended. */
  settle(run: ConsumeRun, outcome: ConsumeOutcome): void {
    const { messages, context } = run
    const consumed = outcome.isSuccess ? run.consumedCount : 0
    const now = monotonicNow()
    this.statistics.consumed(consumed, messages.length - consumed, now)
    const { delayLevelWhenNextConsume: level } = context
    const delayLevel = Number.isInteger(level) && level >= -1 ? level : 0
    for (let i = 0; i < messages.length; i++) {
      const message = messages[i] as StoredMessage
      const lease = this.#inFlight.get(message)
      if (lease !== undefined) this.#settleOne({ message, lease }, i < consumed, delayLevel, now)
    }
  }

  /** Hands over those that no handler has had. */
  dropWaiting(): PoppedMessage[] {
    const waiting = this.#waiting
    this.#waiting = []
    return waiting
  }

  /** Hands over those that handlers have: nobody waits for these handlers any more. */
  dropInFlight(): Lease[] {
    const leases = [...this.#inFlight.values()]
    this.#inFlight.clear()
    return leases
  }

  #settleOne(popped: PoppedMessage, isConsumed: boolean, delayLevel: number, now: number): void {
    const { message, lease } = popped
    this.#inFlight.delete(message)
    if (lease.isExpired(now)) {
      this.#expire(popped)
      return
    }
    this.#bytes -= message.body.length
    if (isConsumed) this.#host.onConsumed(popped)
    else this.#host.onFailed(popped, delayLevel)
  }

  #expire(popped: PoppedMessage): void {
    this.#bytes -= popped.message.body.length
    this.#host.onExpired(popped)
  }
}
