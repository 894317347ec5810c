import { isThenable } from '../client/user-hooks.js'
import type { StoredMessage } from '../codec/stored-message.js'
import { ClientError } from '../errors.js'
import { monotonicNow, withDeadline } from '../remoting/deadline.js'
import type { ConsumeOutcome } from './consume-observer.js'
import { type ConsumedQueue, ConsumeRun } from './consumed-queue.js'
import type { ConsumptionHost, ConsumptionOptions } from './consumption-host.js'
import { ConsumptionPace } from './consumption-pace.js'
import { RunSet } from './run-set.js'

const MAX_SWEEP_INTERVAL = 1_000
const MIN_SWEEP_INTERVAL = 5
/** Sweeps within `consumeTimeout`. */
const SWEEPS = 20
/** Of `consumeTimeout`, after which a handler is told of as slow. */
const SLOW_PART = 0.1
/**
 * So many messages of a queue are handed out before it is the next one's turn: about what one pull brings, as Java hands them out. One by one, each message would
 * find nothing of its queue in the processor's caches, which cost about a tenth of all work with a thousand queues.
 */
const QUEUE_TURN = 32

/**
 * Hands the messages of all queues to handlers: so many at a time, and a few of each queue in turn, so that none has to wait for another one. What is handed out together, and
 * what becomes of it, is the subclass's.
 *
 * @typeParam H - What the subclass asks of its consumer.
 */
export abstract class Consumption<H extends ConsumptionHost = ConsumptionHost> {
  protected readonly host: H
  protected readonly options: ConsumptionOptions
  readonly #ready: ConsumedQueue[] = []
  /** Of the first queue that is ready. */
  #leftInTurn = QUEUE_TURN
  readonly #runs = new RunSet<ConsumeRun>('place')
  readonly #pace: ConsumptionPace
  #concurrency: number
  /** Handlers at work, those included whose messages are being settled. */
  #active = 0
  #sweepTimer: NodeJS.Timeout | undefined
  #isSuspended = false

  constructor(host: H, options: ConsumptionOptions) {
    this.host = host
    this.options = options
    this.#concurrency = options.consumeConcurrency
    this.#pace = new ConsumptionPace(options.consumeRateLimit, () => this.#dispatch())
  }

  /** Messages of a queue to hand out together, up to `max`; an empty list: none can be now. */
  protected abstract take(queue: ConsumedQueue, max: number): StoredMessage[]

  /** Whether {@link Consumption.take} would give something. */
  protected abstract hasMore(queue: ConsumedQueue): boolean

  /**
   * Does with the messages of a handler that has ended, or whose time is over, what is to be done with them. Must neither throw nor reject. Until it is done, the
   * handler's place is not free. It is not called for queues that were given up.
   */
  protected abstract settle(run: ConsumeRun, outcome: ConsumeOutcome): Promise<void> | undefined

  /** A queue is given up: no message of it is handed out any more. */
  protected forget(_queue: ConsumedQueue): void {}

  /** Called some times within `consumeTimeout`, and every second at least. @param now - Monotonic, in milliseconds. */
  protected onSweep(_now: number): void {}

  start(): void {
    const interval = Math.max(MIN_SWEEP_INTERVAL, Math.min(MAX_SWEEP_INTERVAL, this.options.consumeTimeout / SWEEPS))
    this.#sweepTimer ??= setInterval(() => this.#sweep(), interval)
  }

  /** Ends timers. Queues have to be closed before. */
  stop(): void {
    clearInterval(this.#sweepTimer)
    this.#pace.stop()
  }

  get consumeConcurrency(): number {
    return this.#concurrency
  }

  /** Handlers at work now go on, whatever their number. */
  updateConsumeConcurrency(consumeConcurrency: number): void {
    this.#concurrency = consumeConcurrency
    this.#dispatch()
  }

  get isSuspended(): boolean {
    return this.#isSuspended
  }

  /** Whether a queue has messages that could be handed out now. */
  canHandOut(queue: ConsumedQueue): boolean {
    const isFree = !this.#isSuspended && this.#active < this.#concurrency
    return isFree && !queue.isClosed && this.hasMore(queue) && this.#pace.allowed(1) > 0
  }

  /** Hands nothing out until {@link Consumption.resume}. */
  suspend(): void {
    this.#isSuspended = true
  }

  resume(): void {
    this.#isSuspended = false
    this.#dispatch()
  }

  /** A queue may have messages to hand out. */
  wake(queue: ConsumedQueue): void {
    this.#enqueue(queue)
    this.#dispatch()
  }

  /**
   * Hands out no more messages of a queue. Resolves when no handler has messages of it.
   *
   * @param timeout - After so many milliseconds those that have are not waited for any longer; their signal fires.
   */
  async close(queue: ConsumedQueue, timeout: number): Promise<void> {
    queue.isClosed = true
    this.forget(queue)
    await queue.drain(timeout)
    for (const run of queue.runs.values()) {
      queue.leaveBehind(run)
      if (!run.isHandled) this.#giveUp(run)
    }
  }

  /**
   * Hands messages to the handler beside all queues, for a console. Resolves with how it ended.
   *
   * @param timeout - After so many milliseconds it is not waited for any longer; its signal fires.
   */
  async handleDirectly(messages: StoredMessage[], queue: ConsumedQueue, timeout: number): Promise<ConsumeOutcome> {
    const run = this.#newRun(queue, messages)
    const onTimeout = () => {
      const what = `the handler has not ended within ${timeout} ms`
      const error = new ClientError('CONSUME_TIMEOUT', what)
      run.context.abort(error)
      return error
    }
    try {
      const handled = Promise.resolve(this.host.handler(messages.slice(), run.context))
      await withDeadline(handled, timeout, undefined, 'consuming directly', onTimeout)
    } catch (error) {
      return this.#outcomeOf(run, false, error)
    }
    return this.#outcomeOf(run, true, undefined)
  }

  /** A handler's time is over: what it has is settled without it, and its place goes to another one. */
  protected timeOut(run: ConsumeRun, elapsed: number): void {
    run.isAbandoned = true
    run.isHandled = true
    const what = `the handler has had ${run.messages[0]?.msgId} of ${queueName(run.queue)} for ${Math.round(elapsed)} ms (consumeTimeout)`
    const error = new ClientError('CONSUME_TIMEOUT', what)
    this.host.onTimeout(run, elapsed)
    run.context.abort(error)
    void this.#settleWithoutHandler(run, { isSuccess: false, type: 'TIME_OUT', elapsed, error })
  }

  #enqueue(queue: ConsumedQueue): void {
    if (queue.isReady || queue.isClosed || !this.hasMore(queue)) return
    queue.isReady = true
    this.#ready.push(queue)
  }

  #dispatch(): void {
    while (this.#active < this.#concurrency) {
      const run = this.#next()
      if (run === undefined) return
      void this.#work(run)
    }
  }

  /** The messages that are next in turn, as long as there are any that may be handed out. */
  #next(): ConsumeRun | undefined {
    for (let queue = this.#ready[0]; queue !== undefined && !this.#isSuspended; queue = this.#ready[0]) {
      const max = this.#pace.allowed(this.options.consumeMessageBatchMaxSize)
      if (max <= 0) return undefined
      const messages = queue.isClosed ? [] : this.take(queue, max)
      this.#leftInTurn -= messages.length
      if (messages.length > 0) queue.onTaken?.()
      if (this.#leftInTurn <= 0 || queue.isClosed || !this.hasMore(queue)) this.#endTurn(queue)
      if (messages.length === 0) continue
      this.#pace.take(messages.length)
      return this.#newRun(queue, messages)
    }
    return undefined
  }

  /** The next queue is first. This one comes again when all others had their turns, if it has more. */
  #endTurn(queue: ConsumedQueue): void {
    this.#ready.shift()
    this.#leftInTurn = QUEUE_TURN
    queue.isReady = false
    this.#enqueue(queue)
  }

  #newRun(queue: ConsumedQueue, messages: StoredMessage[]): ConsumeRun {
    const now = Date.now()
    for (const message of messages) message.startConsume(now)
    return new ConsumeRun(queue, messages, monotonicNow(), now)
  }

  /** Handles one batch after the other, as long as there are any. Never rejects. */
  async #work(first: ConsumeRun): Promise<void> {
    this.#active++
    let run: ConsumeRun | undefined = first
    while (run !== undefined) {
      this.#runs.add(run)
      run.queue.runs.add(run)
      let isSuccess = true
      let error: unknown
      try {
        const result = this.#call(run)
        // Most handlers are asynchronous, but one that is not need not wait for a turn.
        if (isThenable(result)) await result
      } catch (caught) {
        isSuccess = false
        error = caught
      }
      // Then its place was given to another one.
      if (run.isAbandoned) return
      run.isHandled = true
      const settled = this.#end(run, this.#outcomeOf(run, isSuccess, error))
      if (settled !== undefined) await settled
      this.#leave(run)
      run = this.#active > this.#concurrency ? undefined : this.#next()
    }
    this.#active--
  }

  #call(run: ConsumeRun): unknown {
    for (const observer of this.host.observers) observer.before(run)
    // The user's own list: what becomes of it is no business of ours.
    return this.host.handler(run.messages.slice(), run.context)
  }

  #outcomeOf(run: ConsumeRun, isSuccess: boolean, error: unknown): ConsumeOutcome {
    const elapsed = monotonicNow() - run.startedAt
    const type = !isSuccess ? 'EXCEPTION' : elapsed >= this.options.consumeTimeout ? 'TIME_OUT' : 'SUCCESS'
    return { isSuccess, type, elapsed, error }
  }

  #end(run: ConsumeRun, outcome: ConsumeOutcome): Promise<void> | undefined {
    const { queue } = run
    queue.lastConsumeTimestamp = Date.now()
    queue.statistics.handled(outcome.elapsed, monotonicNow())
    for (const observer of this.host.observers) observer.after(run, outcome)
    if (outcome.type === 'EXCEPTION') this.host.onFailed(run, outcome.error)
    return this.settle(run, outcome)
  }

  #leave(run: ConsumeRun): void {
    this.#runs.delete(run)
    run.queue.leave(run)
    this.#enqueue(run.queue)
  }

  async #settleWithoutHandler(run: ConsumeRun, outcome: ConsumeOutcome): Promise<void> {
    await this.#end(run, outcome)
    this.#leave(run)
    this.#active--
    this.#dispatch()
  }

  #giveUp(run: ConsumeRun): void {
    run.isAbandoned = true
    run.isHandled = true
    const what = `${queueName(run.queue)} was given up while the handler had ${run.messages[0]?.msgId}`
    run.context.abort(new ClientError('QUEUE_REVOKED', what))
    this.#leave(run)
    this.#active--
    this.#dispatch()
  }

  #sweep(): void {
    const now = monotonicNow()
    const { consumeTimeout } = this.options
    for (const run of this.#runs.values()) {
      const elapsed = now - run.startedAt
      if (run.isHandled || elapsed < consumeTimeout * SLOW_PART) continue
      if (!run.isSlow) {
        run.isSlow = true
        this.host.onSlow(run, elapsed)
      }
      if (elapsed >= consumeTimeout) this.timeOut(run, elapsed)
    }
    this.onSweep(now)
  }
}

function queueName({ messageQueue }: ConsumedQueue): string {
  return `${messageQueue.topic} ${messageQueue.brokerName}[${messageQueue.queueId}]`
}
