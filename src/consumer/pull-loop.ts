import { BrokerError, ClientError, type MessageError, RocketMQError } from '../errors.js'
import type { MessageQueue } from '../message/message.js'
import { monotonicNow, withDeadline } from '../remoting/deadline.js'
import { CallSignal } from './call-signal.js'
import { LoopPause } from './loop-pause.js'
import { ProcessQueue } from './process-queue.js'
import { delayAfter, PullBackOff } from './pull-back-off.js'
import { OFFSET_RESET, type PullLoopHost, type PullLoopOptions } from './pull-loop-host.js'
import type { PullAnswer } from './pull-request.js'
import { pullRoom } from './pull-room.js'
import type { QueueRequests } from './queue-requests.js'
import type { ReadAheadLoop } from './read-ahead.js'

/** The broker has not heard what the group wants, or not the newest of it. */
const UNKNOWN_SUBSCRIPTION_CODES: ReadonlySet<string> = new Set([
  'SUBSCRIPTION_NOT_EXIST',
  'SUBSCRIPTION_NOT_LATEST',
  'FILTER_DATA_NOT_EXIST',
  'FILTER_DATA_NOT_LATEST',
])
const FLOW_CONTROL_DELAY = 20
/** What is aborted ends at once, in milliseconds. */
const CLOSE_TIMEOUT = 1_000

/**
 * Pulls one queue without end: while there is room, one pull after the other, each waiting at the broker until there are messages.
 *
 * Whatever goes wrong, it goes on after a while, and never past a message that was not delivered.
 *
 * A loop that may not pull now rests: it runs no more, and begins anew when it is told to. A wait for that would keep promises and closures, which of a thousand queues
 * have become old by the time that it ends, and cost the garbage collector more than everything that is young.
 *
 * @see DefaultMQPushConsumerImpl.pullMessage
 */
export class PullLoop implements ReadAheadLoop {
  readonly queue: MessageQueue
  admittedIn = 0
  readonly #requests: QueueRequests
  readonly #host: PullLoopHost
  readonly #options: PullLoopOptions
  readonly #backOff: PullBackOff
  #processQueue: ProcessQueue
  #maxOffset: number | undefined
  #lastPullTimestamp = 0
  #lastAnswerTimestamp = 0
  #fault: Error | undefined
  /** When the pull under way began; monotonic. */
  #pulledAt: number | undefined
  #isClosed = false
  #isBroken = false
  /** Undefined before the start, after the end and while it rests. */
  #running: Promise<void> | undefined
  /** Whether it waits until there is room, or until it is its turn. */
  #isResting = false
  /** Ends what is under way when the loop is closed or goes on elsewhere. */
  #turn = new CallSignal()
  readonly #pause = new LoopPause()
  /** Whether it waits for its turn to read ahead, and whether it has got it. */
  #isParked = false
  #isAdmitted = false
  /** Of failures in a row, one is reported. */
  #isReported = false

  constructor(
    queue: MessageQueue,
    nextOffset: number,
    requests: QueueRequests,
    host: PullLoopHost,
    options: PullLoopOptions,
  ) {
    this.queue = queue
    this.#requests = requests
    this.#host = host
    this.#options = options
    this.#backOff = new PullBackOff(options.pullTimeDelayMillsWhenException)
    this.#processQueue = new ProcessQueue(nextOffset, host.readAhead)
  }

  /** What was pulled. Another one after the queue went on elsewhere: what was taken from the one before is no business of it. */
  get processQueue(): ProcessQueue {
    return this.#processQueue
  }

  /** Of the last answer: the offset that the queue's next message will have. */
  get maxOffset(): number | undefined {
    return this.#maxOffset
  }

  /** When the last pull began, in ms since the epoch; now, while it is not meant to pull. 0: never. */
  get lastPullTimestamp(): number {
    return this.#isResting ? Date.now() : this.#lastPullTimestamp
  }

  /** In ms since the epoch; 0: never. */
  get lastAnswerTimestamp(): number {
    return this.#lastAnswerTimestamp
  }

  /** Why the last pull brought nothing, until one does. A broker that holds the next one for some time has taken it, which will do. */
  get fault(): Error | undefined {
    if (this.#fault === undefined || this.#pulledAt === undefined) return this.#fault
    const isHeld = monotonicNow() - this.#pulledAt > this.#options.pullTimeDelayMillsWhenException
    return isHeld ? undefined : this.#fault
  }

  start(): void {
    this.#running ??= this.#run()
  }

  /** Whether a pull is under way. */
  get isFetching(): boolean {
    return this.#pulledAt !== undefined
  }

  /** Whether it ended by an error that nobody foresaw: the queue has to be opened anew. */
  get isBroken(): boolean {
    return this.#isBroken
  }

  /** Ends pulling. From now on nothing is added to the process queue any more. A pull that does not end is left to itself. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#unpark()
    this.#pause.end()
    this.#turn.abort(ended())
    await this.#ended()
    this.#leaveTally()
    this.#requests.forget(this.queue)
  }

  /** There may be room now, or it may be allowed to pull. Cheap: called for every message that is finished. */
  wake(): void {
    if (this.#isResting && !this.#isParked && this.#room() > 0) this.#goOn()
  }

  admit(): void {
    this.#isParked = false
    this.#isAdmitted = true
    this.#goOn()
  }

  /** Goes on elsewhere. What was pulled and not taken is dropped; what was taken is no business of the queue any more. */
  seek(offset: number): void {
    this.#replace(offset)
    this.#interrupt()
  }

  /** Ends a rest. */
  #goOn(): void {
    if (!this.#isResting || this.#isClosed) return
    this.#isResting = false
    this.#running = this.#run()
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    try {
      // Whoever says that it may go on is in the middle of something.
      await undefined
      while (!this.#isClosed) {
        const room = this.#room()
        if (room <= 0) this.#endTurn()
        if (room <= 0 || !this.#mayReadAhead()) {
          this.#isResting = true
          this.#running = undefined
          return
        }
        const delay = await this.#tryPull(room)
        this.#endTurn()
        if (delay > 0 && !this.#isClosed) await this.#pause.wait(delay)
      }
    } catch (error) {
      this.#onBroken(error)
    }
    this.#endTurn()
  }

  /** Where it is known that there are more messages, the turn of this queue has to come. */
  #mayReadAhead(): boolean {
    const { readAhead } = this.#host
    if (readAhead === undefined || this.#isAdmitted) return true
    if (this.#maxOffset === undefined || this.#processQueue.nextOffset >= this.#maxOffset) {
      this.#unpark()
      return true
    }
    this.#isAdmitted = readAhead.enter(this)
    this.#isParked = !this.#isAdmitted
    return this.#isAdmitted
  }

  #endTurn(): void {
    if (!this.#isAdmitted) return
    this.#isAdmitted = false
    this.#host.readAhead?.leave(this)
  }

  #unpark(): void {
    if (!this.#isParked) return
    this.#isParked = false
    this.#host.readAhead?.forget(this)
  }

  #room(): number {
    if (!this.#host.mayPull()) return 0
    return pullRoom(this.#processQueue, this.#options, this.#host.ownQueues())
  }

  /** One pull. Gives back how long to wait before the next one, in milliseconds. */
  async #tryPull(maxNums: number): Promise<number> {
    const signal = this.#turn
    try {
      return await this.#pull(maxNums, signal)
    } catch (error) {
      this.#pulledAt = undefined
      return signal.aborted || this.#isClosed ? 0 : await this.#onError(error)
    }
  }

  async #pull(maxNums: number, signal: AbortSignal): Promise<number> {
    const subscription = this.#host.subscription()
    if (subscription === undefined) return this.#options.pullTimeDelayMillsWhenException
    const processQueue = this.#processQueue
    const startedAt = monotonicNow()
    this.#pulledAt = startedAt
    this.#lastPullTimestamp = Date.now()
    const answer = await this.#requests.pullOnce({
      consumerGroup: this.#requests.consumerGroup,
      queue: this.queue,
      subscription,
      subVersion: subscription.subVersion,
      postSubscription: this.#options.postSubscriptionWhenPull,
      offset: processQueue.nextOffset,
      maxNums,
      suspendTimeoutMillis: this.#options.brokerSuspendMaxTimeMillis,
      timeout: this.#options.consumerTimeoutMillisWhenSuspend,
      signal,
      maxBodySize: this.#options.maxMessageSize,
      isLite: this.#options.isLite,
    })
    this.#pulledAt = undefined
    if (signal.aborted || this.#isClosed) return 0
    this.#lastAnswerTimestamp = Date.now()
    this.#maxOffset = answer.result.maxOffset
    this.#backOff.answered()
    this.#isReported = false
    return this.#onAnswer(answer, processQueue, monotonicNow() - startedAt)
  }

  #onAnswer(answer: PullAnswer, processQueue: ProcessQueue, elapsed: number): number | Promise<number> {
    const { result } = answer
    if (answer.skipTo !== undefined) return this.#onUnreadable(result.fault as MessageError, answer.skipTo)
    this.#fault = undefined
    this.#backOff.read()
    if (result.pullStatus === 'OFFSET_ILLEGAL') return this.#correct(result.nextBeginOffset, answer.remark)
    const { messages, nextBeginOffset } = result
    const hasMoved = nextBeginOffset !== processQueue.nextOffset
    if (result.pullStatus === 'FOUND') this.#host.statistics.pulled(messages.length, elapsed, monotonicNow())
    processQueue.add(this.#host.transform?.(messages) ?? messages, nextBeginOffset)
    this.#host.onAnswer()
    return Math.max(
      this.#backOff.answeredRight(hasMoved, elapsed),
      messages.length > 0 ? this.#options.pullInterval : 0,
    )
  }

  /** Pulls it some more times, and then does what was asked for: waits, longer and longer, or gives it up. */
  #onUnreadable(fault: MessageError, skipTo: number): number {
    const { delay, isHopeless } = this.#backOff.unreadable()
    this.#fault = fault
    if (!isHopeless) {
      this.#host.report(fault, 'a message can not be read; it is pulled again')
      return delay
    }
    if (this.#options.undecodableMessagePolicy === 'skip') {
      this.#host.report(fault, `a message that can not be read is skipped; its queue goes on at ${skipTo}`)
      this.#backOff.read()
      this.#fault = undefined
      this.#processQueue.skipTo(skipTo)
      this.#host.onAnswer()
      return 0
    }
    this.#host.report(
      fault,
      'a message can not be read; its queue stands still until it can (undecodableMessagePolicy)',
    )
    return delay
  }

  /**
   * The offset lies outside the queue. Where messages are gone that were not pulled yet, pulling goes on behind them. Where the queue itself became another one,
   * or somebody wants it to be read from elsewhere, what was pulled before counts no more.
   */
  async #correct(to: number, remark: string): Promise<number> {
    const from = this.#processQueue.nextOffset
    if (remark === OFFSET_RESET || to < from) this.#replace(to)
    else this.#processQueue.skipTo(to)
    await this.#host.onOffsetCorrected({ from, to, reason: remark === '' ? 'OFFSET_ILLEGAL' : remark })
    return this.#backOff.corrected()
  }

  async #onError(error: unknown): Promise<number> {
    const code = error instanceof RocketMQError ? error.code : ''
    if (code === 'FLOW_CONTROL') return FLOW_CONTROL_DELAY
    this.#fault = error instanceof Error ? error : new Error(String(error))
    const isFirst = this.#backOff.failed() === 1
    // A new connection may do at once.
    if (code === 'CONNECTION_CLOSED' && isFirst) return 0
    if (error instanceof BrokerError && UNKNOWN_SUBSCRIPTION_CODES.has(code)) {
      const isNews = this.#backOff.refused() === 1
      await this.#host.register(error.address, !isNews)
      // At first that is no fault: its broker had only not heard of us, perhaps because the connection is new.
      if (isNews) return 0
    }
    if (!this.#isReported) {
      this.#isReported = true
      const { topic, brokerName, queueId } = this.queue
      this.#host.report(error, `pulling ${topic} ${brokerName}[${queueId}] failed; it is tried again`)
    }
    return delayAfter(error, this.#options.pullTimeDelayMillsWhenException)
  }

  #onBroken(error: unknown): void {
    this.#isBroken = true
    this.#host.report(error, 'pulling a queue ended')
  }

  #replace(offset: number): void {
    this.#leaveTally()
    this.#processQueue = new ProcessQueue(offset, this.#host.readAhead)
  }

  /** What waits here keeps no other queue from being pulled any more. */
  #leaveTally(): void {
    this.#processQueue.leaveTally()
    this.#host.readAhead?.admitNext()
  }

  #interrupt(): void {
    this.#turn.abort(ended())
    if (!this.#isClosed) this.#turn = new CallSignal()
    this.#pause.end()
    this.#goOn()
  }

  /** Resolves when the loop has ended, or when it takes too long. */
  async #ended(): Promise<void> {
    if (this.#running === undefined) return
    await withDeadline(this.#running, CLOSE_TIMEOUT, undefined, 'closing a queue', ended).catch(() => undefined)
  }
}

function ended(): ClientError {
  return new ClientError('CLOSED', 'pulling has ended')
}
