import { DrainWaiters } from '../../client/drain-waiters.js'
import type { SubscriptionData } from '../../client/subscription-data.js'
import { RocketMQError } from '../../errors.js'
import type { MessageQueue } from '../../message/message.js'
import { monotonicNow } from '../../remoting/deadline.js'
import type { TopicStatistics } from '../consume-statistics.js'
import { LoopPause } from '../loop-pause.js'
import { delayAfter } from '../pull-back-off.js'
import { pollTime } from './poll-time.js'
import type { PoppedMessage, PopRequest, PopRequests, PopResult } from './pop-requests.js'

export interface PopLoopOptions {
  /** Messages of one pop. */
  readonly popBatchNums: number
  /** For so long, in milliseconds, a message is ours. */
  readonly popInvisibleTime: number
  /** No pop begins while more messages than that are not acknowledged. */
  readonly popThresholdForQueue: number
  readonly initMode: PopRequest['initMode']
  /** How long brokers hold a pop that finds nothing, at most. */
  readonly brokerSuspendMaxTimeMillis: number
  /** For one pop altogether. */
  readonly consumerTimeoutMillisWhenSuspend: number
  /** After a pop that failed. */
  readonly pullTimeDelayMillsWhenException: number
  readonly maxMessageSize: number
}

/** What a pop loop asks of its queue, and tells it. None of these may throw. */
export interface PopLoopHost {
  /** Undefined: the topic was unsubscribed. */
  subscription(): SubscriptionData | undefined
  /** Whether it may pop now; after a no, {@link PopLoop.wake} tells of a change. */
  mayPop(): boolean
  /** Messages that were popped and are not acknowledged. */
  unackedCount(): number
  /** May be called once more after the loop was closed: a pop under way can't be called back. */
  onPopped(messages: PoppedMessage[], subscription: SubscriptionData): void
  report(error: unknown, what: string): void
  readonly statistics: TopicStatistics
}

const FLOW_CONTROL_DELAY = 20
const POLLING_FULL_DELAY = 1_000
/** A pop that finds nothing and comes sooner than this was not held by the broker. In milliseconds. */
const QUICK_ANSWER = 50
const MAX_QUICK_DELAY = 1_000
const MAX_DOUBLINGS = 10
/** A pop that has been under way for longer has found nothing yet: its broker holds it. In milliseconds. */
const ANSWER_TIME = 250

/**
 * Pops one queue, or all of a topic that a broker has, without end: while there is room, one pop after the other, each waiting at the broker until there are messages.
 *
 * @see DefaultMQPushConsumerImpl.popMessage
 */
export class PopLoop {
  readonly #queue: MessageQueue
  readonly #requests: Pick<PopRequests, 'pop'>
  readonly #host: PopLoopHost
  readonly #options: PopLoopOptions
  readonly #answered = new DrainWaiters()
  #lastPopTimestamp = 0
  /** Monotonic, in milliseconds. */
  #poppingSince = 0
  #lastAnswerTimestamp = 0
  #fault: Error | undefined
  #isFetching = false
  #isClosed = false
  #isBroken = false
  #isStarted = false
  readonly #pause = new LoopPause()
  #failures = 0
  #quickAnswers = 0
  /** Those in a row that brought nothing. */
  #emptyAnswers = 0
  /** Of failures in a row, one is reported. */
  #isReported = false

  constructor(queue: MessageQueue, requests: Pick<PopRequests, 'pop'>, host: PopLoopHost, options: PopLoopOptions) {
    this.#queue = queue
    this.#requests = requests
    this.#host = host
    this.#options = options
  }

  /** When the last pop began; now, while none has to. In ms since the epoch, 0 for never. */
  get lastPopTimestamp(): number {
    return this.#pause.isForRoom ? Date.now() : this.#lastPopTimestamp
  }

  get lastAnswerTimestamp(): number {
    return this.#lastAnswerTimestamp
  }

  /** Why the last pop failed, as long as none succeeds. */
  get fault(): Error | undefined {
    return this.#fault
  }

  get isFetching(): boolean {
    return this.#isFetching
  }

  /** Whether it ended by an error that nobody foresaw: the queue has to be opened anew. */
  get isBroken(): boolean {
    return this.#isBroken
  }

  start(): void {
    if (this.#isStarted) return
    this.#isStarted = true
    this.#run().catch((error: unknown) => {
      this.#isBroken = true
      this.#host.report(error, 'popping a queue ended')
    })
  }

  /** Begins no pop any more. The one under way goes on: messages that it brings are handed over all the same. */
  close(): void {
    this.#isClosed = true
    this.#pause.end()
  }

  /**
   * After {@link PopLoop.close}: resolves when the pop under way has brought what it brings at once. One that its broker holds is not waited for.
   *
   * @param timeout - In milliseconds.
   */
  async settled(timeout: number): Promise<void> {
    const rest = Math.min(timeout, this.#poppingSince + ANSWER_TIME - monotonicNow())
    if (this.#isFetching && rest > 0) await this.#answered.wait(rest)
  }

  /** There may be room now, or it may be allowed to pop. */
  wake(): void {
    if (this.#pause.isForRoom && this.#hasRoom()) this.#pause.end()
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      if (!this.#hasRoom()) {
        await this.#pause.wait(undefined)
        continue
      }
      const delay = await this.#tryPop()
      if (delay > 0 && !this.#isClosed) await this.#pause.wait(delay)
    }
  }

  #hasRoom(): boolean {
    return this.#host.mayPop() && this.#host.unackedCount() <= this.#options.popThresholdForQueue
  }

  /** @returns how long to wait before the next one, in milliseconds. Never rejects. */
  async #tryPop(): Promise<number> {
    const subscription = this.#host.subscription()
    if (subscription === undefined) return this.#options.pullTimeDelayMillsWhenException
    this.#lastPopTimestamp = Date.now()
    this.#isFetching = true
    const startedAt = monotonicNow()
    this.#poppingSince = startedAt
    try {
      const result = await this.#requests.pop(this.#request(subscription))
      this.#lastAnswerTimestamp = Date.now()
      this.#fault = undefined
      this.#failures = 0
      this.#isReported = false
      return this.#onResult(result, subscription, monotonicNow() - startedAt)
    } catch (error) {
      return this.#onError(error)
    } finally {
      this.#isFetching = false
      this.#answered.tell()
    }
  }

  #request(subscription: SubscriptionData): PopRequest {
    const { topic, brokerName, queueId } = this.#queue
    const options = this.#options
    return {
      topic,
      brokerName,
      queueId,
      subscription,
      maxMsgNums: options.popBatchNums,
      invisibleTime: options.popInvisibleTime,
      pollTime: pollTime(this.#emptyAnswers, options.brokerSuspendMaxTimeMillis),
      initMode: options.initMode,
      isOrder: false,
      attemptId: undefined,
      timeout: options.consumerTimeoutMillisWhenSuspend,
      maxBodySize: options.maxMessageSize,
    }
  }

  #onResult({ status, messages, faults }: PopResult, subscription: SubscriptionData, elapsed: number): number {
    for (const fault of faults) {
      this.#host.report(fault, 'a popped message can not be read; it comes again')
    }
    if (status === 'FOUND') {
      this.#quickAnswers = 0
      this.#emptyAnswers = 0
      this.#host.statistics.pulled(messages.length, elapsed, monotonicNow())
      this.#host.onPopped(messages, subscription)
      return 0
    }
    if (status === 'POLLING_FULL') return POLLING_FULL_DELAY
    this.#emptyAnswers++
    // A broker that says at once that there is nothing, time and again, must not be asked in a loop.
    if (elapsed >= QUICK_ANSWER) this.#quickAnswers = 0
    else this.#quickAnswers++
    if (this.#quickAnswers <= 1) return 0
    return Math.min(MAX_QUICK_DELAY, QUICK_ANSWER * 2 ** Math.min(this.#quickAnswers, MAX_DOUBLINGS))
  }

  #onError(error: unknown): number {
    const code = error instanceof RocketMQError ? error.code : ''
    if (code === 'FLOW_CONTROL') return FLOW_CONTROL_DELAY
    this.#fault = error instanceof Error ? error : new Error(String(error))
    this.#failures++
    // A new connection may do at once.
    if (code === 'CONNECTION_CLOSED' && this.#failures === 1) return 0
    if (!this.#isReported && !this.#isClosed) {
      this.#isReported = true
      const { topic, brokerName, queueId } = this.#queue
      this.#host.report(error, `popping ${topic} ${brokerName}[${queueId}] failed; it is tried again`)
    }
    return delayAfter(error, this.#options.pullTimeDelayMillsWhenException)
  }
}
