import type { StoredMessage } from '../codec/stored-message.js'
import { ClientError } from '../errors.js'
import { monotonicNow } from '../remoting/deadline.js'
import type { ConsumeOutcome } from './consume-observer.js'
import type { ConsumedQueue, ConsumeRun } from './consumed-queue.js'
import { Consumption } from './consumption.js'
import type { ConsumptionHost, ConsumptionOptions } from './consumption-host.js'

export interface OrderedConsumptionHost extends ConsumptionHost {
  /** Has a broker put a message into the group's dead-letter topic. Rejects when none does. */
  sendToDeadLetters(message: StoredMessage): Promise<void>
}

export interface OrderedConsumptionOptions extends ConsumptionOptions {
  /** How often a message comes again before it goes to the dead-letter topic; −1: without end. */
  readonly maxReconsumeTimes: number
  /** How long those behind a message wait after its handler failed, in milliseconds. */
  readonly suspendCurrentQueueTimeMillis: number
}

/** Most handlers succeed. */
const NONE: readonly StoredMessage[] = []
const MIN_SUSPEND_TIME = 10
const MAX_SUSPEND_TIME = 30_000

/**
 * Hands out messages so that those which belong together keep their order: one that fails holds up those behind it until it is consumed, or the dead-letter topic has
 * it. Nothing is given back to brokers, and nothing is taken from a handler because it takes long: both would let others overtake.
 *
 * @see ConsumeMessageOrderlyService
 */
export abstract class OrderedConsumption extends Consumption<OrderedConsumptionHost> {
  readonly #options: OrderedConsumptionOptions

  constructor(host: OrderedConsumptionHost, options: OrderedConsumptionOptions) {
    super(host, options)
    this.#options = options
  }

  /**
   * The messages of a handler that has ended are finished, or put back.
   *
   * @param again - Those that were put back, in their order.
   * @param delay - How long they, and all that must not overtake them, are to wait, in milliseconds.
   */
  protected abstract goOn(run: ConsumeRun, again: readonly StoredMessage[], delay: number): void

  /** Whether messages of a queue come again so soon that none may be given up for how often it came. */
  protected isHurried(_queue: ConsumedQueue): boolean {
    return false
  }

  protected override settle(run: ConsumeRun, outcome: ConsumeOutcome): Promise<void> | undefined {
    const { queue, messages } = run
    const consumed = outcome.isSuccess ? run.consumedCount : 0
    queue.statistics.consumed(consumed, messages.length - consumed, monotonicNow())
    // The queue's offset was set meanwhile: what comes again is decided by that.
    if (!run.isCurrent) return undefined
    const failed = consumed === messages.length ? NONE : messages.slice(consumed)
    if (failed.length > 0 && failed.some((message) => this.#isOver(message, run))) return this.#settleDead(run, failed)
    this.#settleNow(run, failed)
    return undefined
  }

  /** It is told, and its signal fires; but those behind it have to wait. */
  protected override timeOut(run: ConsumeRun, elapsed: number): void {
    if (run.isOverdue) return
    run.isOverdue = true
    this.host.onTimeout(run, elapsed)
    const what = `the handler has had ${run.messages[0]?.msgId} for ${Math.round(elapsed)} ms (consumeTimeout)`
    run.context.abort(new ClientError('CONSUME_TIMEOUT', what))
  }

  /** Whether a message does not come again. Where the lock is gone, whoever has it decides. */
  #isOver({ reconsumeTimes }: StoredMessage, { context, queue }: ConsumeRun): boolean {
    const { maxReconsumeTimes } = this.#options
    const isLast = maxReconsumeTimes >= 0 && reconsumeTimes >= maxReconsumeTimes && !this.isHurried(queue)
    return (isLast || context.delayLevelWhenNextConsume === -1) && queue.isOpen && !queue.isClosed
  }

  async #settleDead(run: ConsumeRun, failed: readonly StoredMessage[]): Promise<void> {
    const again: StoredMessage[] = []
    // One after the other, so that they keep their order in the dead-letter topic where it has one queue.
    for (const message of failed) {
      if (!this.#isOver(message, run) || !(await this.#isTaken(message))) again.push(message)
    }
    if (run.isCurrent) this.#settleNow(run, again)
  }

  async #isTaken(message: StoredMessage): Promise<boolean> {
    try {
      await this.host.sendToDeadLetters(message)
      return true
    } catch (error) {
      this.host.report(error, `no broker takes message ${message.msgId} as a dead letter; it is consumed again`)
      return false
    }
  }

  #settleNow(run: ConsumeRun, failed: readonly StoredMessage[]): void {
    const { queue, messages, processQueue } = run
    const again = failed.length === 0 ? NONE : failed.map(onceMore)
    if (again.length > 0) processQueue.putBack(again)
    // What waits again is passed over.
    processQueue.finish(messages)
    if (!queue.isClosed) this.goOn(run, again, this.#delayOf(run))
    queue.progressed()
  }

  #delayOf({ context }: ConsumeRun): number {
    const { suspendCurrentQueueTimeMillis: wanted } = context
    const isGiven = Number.isFinite(wanted) && wanted !== -1
    const delay = isGiven ? wanted : this.#options.suspendCurrentQueueTimeMillis
    return Math.max(MIN_SUSPEND_TIME, Math.min(MAX_SUSPEND_TIME, delay))
  }
}

function onceMore(message: StoredMessage): StoredMessage {
  return message.derive({ reconsumeTimes: message.reconsumeTimes + 1 }, message.body)
}
