import type { StoredMessage } from '../codec/stored-message.js'
import { monotonicNow } from '../remoting/deadline.js'
import type { ConsumeOutcome } from './consume-observer.js'
import type { ConsumedQueue, ConsumeRun } from './consumed-queue.js'
import { Consumption } from './consumption.js'
import type { ConsumptionHost } from './consumption-host.js'
import type { ProcessQueue } from './process-queue.js'

export interface ConcurrentConsumptionHost extends ConsumptionHost {
  /** Gives a message back to a broker; undefined: where messages are broadcast, nobody takes them back. Rejects when no broker takes it. */
  sendBack: ((message: StoredMessage, delayLevel: number) => Promise<void>) | undefined
  /** Handlers failed on messages that nobody takes back. Must not throw. */
  onDropped(queue: ConsumedQueue, messages: readonly StoredMessage[]): void
}

/** Messages that wait for another try, because no broker took them back. */
interface LocalRetry {
  readonly queue: ConsumedQueue
  readonly processQueue: ProcessQueue
  readonly messages: readonly StoredMessage[]
  /** Monotonic, in milliseconds. */
  readonly dueAt: number
}

/** Of messages whose handler's time is over: 10 seconds, unless the broker has other levels. */
const TIMEOUT_DELAY_LEVEL = 3
const LOCAL_RETRY_DELAY = 5_000

/**
 * Hands out messages as they come, those of one queue too: whatever one of them takes, it holds up no other. Messages on which a handler failed are given back to their
 * broker. An offset is committed only when all before it are consumed, or a broker has taken them back.
 *
 * @see ConsumeMessageConcurrentlyService
 */
export class ConcurrentConsumption extends Consumption<ConcurrentConsumptionHost> {
  readonly #localRetries = new Set<LocalRetry>()

  protected override take(queue: ConsumedQueue, max: number): StoredMessage[] {
    return queue.processQueue.take(max)
  }

  protected override hasMore(queue: ConsumedQueue): boolean {
    return queue.processQueue.waitingCount > 0
  }

  protected override settle(run: ConsumeRun, outcome: ConsumeOutcome): Promise<void> | undefined {
    const { queue, messages } = run
    const consumed = outcome.isSuccess ? run.consumedCount : 0
    queue.statistics.consumed(consumed, messages.length - consumed, monotonicNow())
    if (consumed < messages.length) return this.#settleFailed(run, consumed, outcome)
    this.#finish(run, messages)
    return undefined
  }

  protected override forget(queue: ConsumedQueue): void {
    for (const retry of this.#localRetries) if (retry.queue === queue) this.#localRetries.delete(retry)
  }

  protected override onSweep(now: number): void {
    for (const retry of this.#localRetries) {
      if (retry.dueAt > now) continue
      this.#localRetries.delete(retry)
      if (retry.processQueue !== retry.queue.processQueue) continue
      retry.processQueue.putBack(retry.messages)
      this.wake(retry.queue)
    }
  }

  async #settleFailed(run: ConsumeRun, consumed: number, outcome: ConsumeOutcome): Promise<void> {
    const { queue, messages } = run
    if (consumed > 0) this.#finish(run, messages.slice(0, consumed))
    const failed = messages.slice(consumed)
    // The queue's offset was set meanwhile: whether they come again is decided by that.
    if (!run.isCurrent) return
    const { sendBack } = this.host
    if (sendBack === undefined) {
      this.host.onDropped(queue, failed)
      this.#finish(run, failed)
      return
    }
    const delayLevel = outcome.type === 'TIME_OUT' ? TIMEOUT_DELAY_LEVEL : delayLevelOf(run)
    const refused: StoredMessage[] = []
    await Promise.all(failed.map((message) => this.#sendBackOne(message, delayLevel, refused)))
    if (refused.length > 0) this.#retryLocally(run, refused)
    this.#finish(run, refused.length === 0 ? failed : failed.filter((message) => !refused.includes(message)))
  }

  async #sendBackOne(message: StoredMessage, delayLevel: number, refused: StoredMessage[]): Promise<void> {
    try {
      await this.host.sendBack?.(message, delayLevel)
    } catch (error) {
      refused.push(message)
      this.host.report(error, `no broker takes message ${message.msgId} back; it is consumed again in 5 seconds`)
    }
  }

  #retryLocally({ queue, processQueue }: ConsumeRun, refused: readonly StoredMessage[]): void {
    if (queue.isClosed) return
    const messages = refused.map((message) => {
      return message.derive({ reconsumeTimes: message.reconsumeTimes + 1 }, message.body)
    })
    this.#localRetries.add({ queue, processQueue, messages, dueAt: monotonicNow() + LOCAL_RETRY_DELAY })
  }

  #finish({ queue, processQueue }: ConsumeRun, messages: readonly StoredMessage[]): void {
    processQueue.finish(messages)
    queue.progressed()
  }
}

function delayLevelOf({ context }: ConsumeRun): number {
  const { delayLevelWhenNextConsume: level } = context
  return Number.isInteger(level) && level >= -1 ? level : 0
}
