import type { Client } from '../../client/client.js'
import type { SubscriptionData } from '../../client/subscription-data.js'
import type { MessageQueue } from '../../message/message.js'
import { monotonicNow } from '../../remoting/deadline.js'
import { inParallel } from '../../route/in-parallel.js'
import type { AssignedQueue, QueueState } from '../assigned-queue.js'
import type { ConsumeHookRunner } from '../consume-hook-runner.js'
import type { TopicStatistics } from '../consume-statistics.js'
import type { Consumption } from '../consumption.js'
import type { OpenQueues } from '../open-queues.js'
import type { QueueRequests } from '../queue-requests.js'
import { AckSender } from './ack-sender.js'
import type { Lease } from './lease.js'
import type { LeaseRenewal } from './lease-renewal.js'
import type { LeaseRequests } from './lease-requests.js'
import { popDelay } from './pop-delay.js'
import { PopIntake } from './pop-intake.js'
import { PopLoop, type PopLoopHost, type PopLoopOptions } from './pop-loop.js'
import type { PoppedMessage, PopRequests } from './pop-requests.js'
import { PoppedQueue, type PoppedQueueHost } from './popped-queue.js'
import { WorkUnderWay } from './work-under-way.js'

/** What all popped queues of a consumer have in common, and what they tell it. None of the functions may throw. */
export interface PopQueueContext {
  readonly client: Client
  readonly requests: QueueRequests
  readonly popRequests: PopRequests
  readonly leaseRequests: LeaseRequests
  readonly consumption: Consumption
  readonly openQueues: OpenQueues
  readonly popOptions: PopLoopOptions
  readonly maxReconsumeTimes: number
  /** Keeps messages for as long as handlers have them; undefined: they have `popInvisibleTime`. */
  readonly renewal: LeaseRenewal | undefined
  /** How long a message is kept altogether, in milliseconds. */
  readonly maxHoldTime: number
  /** Where there are hooks that filter. */
  readonly filter: ConsumeHookRunner | undefined
  subscription(topic: string): SubscriptionData | undefined
  report(error: unknown, what: string): void
}

/** What is given back comes again as soon as its broker gets to it. */
const AT_ONCE = 1
const GIVEN_BACK_AT_ONCE = 16
/** For the last requests of a queue that is closed, in milliseconds, when its handlers took all the time that there was. */
const CLOSE_TIMEOUT = 1_000

/** A queue of a push consumer in POP mode, or all that a broker has of a topic: it is popped, what was popped goes to handlers, and what they have consumed is acknowledged. */
export class PopQueue implements AssignedQueue, PopLoopHost, PoppedQueueHost {
  readonly queue: MessageQueue
  readonly mode = 'POP'
  readonly statistics: TopicStatistics
  readonly #context: PopQueueContext
  readonly #loop: PopLoop
  readonly #consumed: PoppedQueue
  readonly #acks: AckSender
  readonly #intake: PopIntake
  /** Messages that are on their way to a dead-letter topic, or get another invisible time. */
  readonly #settling = new WorkUnderWay()
  #isClosed = false

  constructor(queue: MessageQueue, statistics: TopicStatistics, context: PopQueueContext) {
    this.queue = queue
    this.statistics = statistics
    this.#context = context
    const { client, leaseRequests, requests, maxReconsumeTimes } = context
    this.#loop = new PopLoop(queue, context.popRequests, this, context.popOptions)
    this.#consumed = new PoppedQueue(queue, client.namespace.unwrapQueue(queue), statistics, this)
    const report = (error: unknown, what: string) => context.report(error, what)
    this.#acks = new AckSender({
      ack: (leases) => leaseRequests.ack(leases, {}),
      onDone: () => this.#loop.wake(),
      report,
    })
    const acknowledge = (lease: Lease) => this.#acks.add(lease)
    const onWork = (work: Promise<void>) => this.#settle(work)
    this.#intake = new PopIntake(client, requests, maxReconsumeTimes, { acknowledge, onWork, report })
  }

  start(): void {
    this.#context.openQueues.add(this)
    this.#loop.start()
  }

  async close(timeout: number): Promise<void> {
    const deadline = monotonicNow() + timeout
    const rest = () => Math.max(CLOSE_TIMEOUT, deadline - monotonicNow())
    this.#isClosed = true
    this.#loop.close()
    this.#context.openQueues.delete(this)
    const handlersEnded = this.#context.consumption.close(this.#consumed, timeout)
    // Others need not wait for these until the handlers have ended.
    this.#settle(this.#giveBack(this.#consumed.dropWaiting()))
    await Promise.all([handlersEnded, this.#loop.settled(timeout)])
    for (const lease of this.#consumed.dropInFlight()) this.#context.renewal?.delete(lease)
    await this.#settling.drain(rest())
    await this.#acks.drain(rest())
    this.#acks.stop()
  }

  /** There may be room, or it may be allowed to pop. */
  wake(): void {
    this.#loop.wake()
  }

  unfinished(): readonly string[] {
    return this.#consumed.unfinished()
  }

  state(): QueueState {
    const consumed = this.#consumed
    const oldest = consumed.oldestRun
    const msgId = oldest?.messages[0]?.msgId
    return {
      queue: this.queue,
      // Brokers keep the offsets.
      commitOffset: 0,
      nextOffset: 0,
      maxOffset: undefined,
      cachedCount: this.unackedCount(),
      cachedBytes: consumed.bytes,
      cachedMinOffset: undefined,
      cachedMaxOffset: undefined,
      inFlight: consumed.inFlightCount,
      oldestInFlight: oldest === undefined || msgId === undefined ? undefined : { msgId, since: oldest.startTimestamp },
      isLocked: false,
      lastLockTimestamp: 0,
      lastPullTimestamp: this.#loop.lastPopTimestamp,
      lastAnswerTimestamp: this.#loop.lastAnswerTimestamp,
      lastConsumeTimestamp: consumed.lastConsumeTimestamp,
      oldestStoreTimestamp: consumed.oldestStoreTimestamp,
      isReady: this.#context.consumption.canHandOut(consumed),
      fault: this.#loop.fault,
      isFetching: this.#loop.isFetching,
      isBroken: this.#loop.isBroken,
    }
  }

  subscription(): SubscriptionData | undefined {
    return this.#context.subscription(this.queue.topic)
  }

  mayPop(): boolean {
    return !this.#context.consumption.isSuspended
  }

  unackedCount(): number {
    const { waitingCount, inFlightCount } = this.#consumed
    return waitingCount + inFlightCount + this.#settling.count + this.#acks.count
  }

  onPopped(messages: PoppedMessage[], subscription: SubscriptionData): void {
    if (this.#isClosed) {
      this.#settle(this.#giveBack(messages))
      return
    }
    const wanted = this.#filtered(this.#intake.wanted(messages, subscription))
    const { renewal, popOptions, maxHoldTime, consumption } = this.#context
    for (const { lease } of wanted) renewal?.add(lease, popOptions.popInvisibleTime, maxHoldTime)
    this.#consumed.add(wanted)
    consumption.wake(this.#consumed)
  }

  onConsumed({ lease }: PoppedMessage): void {
    this.#context.renewal?.delete(lease)
    this.#acks.add(lease)
  }

  onFailed(popped: PoppedMessage, delayLevel: number): void {
    const { message, lease } = popped
    this.#context.renewal?.delete(lease)
    if (delayLevel === -1 || this.#intake.isLast(popped)) this.#settle(this.#intake.deadLetter(popped))
    else this.#settle(this.#hide(popped, popDelay(delayLevel, message.reconsumeTimes)))
  }

  onExpired({ message, lease }: PoppedMessage): void {
    const { client, renewal } = this.#context
    renewal?.delete(lease)
    client.logger.warn(`the invisible time of message ${message.msgId} was over before it was consumed`, {
      message: lease.title,
    })
    this.#loop.wake()
  }

  report(error: unknown, what: string): void {
    this.#context.report(error, what)
  }

  /** What hooks have sorted out counts as consumed. */
  #filtered(popped: PoppedMessage[]): PoppedMessage[] {
    const { filter } = this.#context
    if (filter === undefined) return popped
    const { messageQueue } = this.#consumed
    const left = new Set(
      filter.filter(
        popped.map(({ message }) => message),
        messageQueue,
      ),
    )
    return popped.filter((one) => {
      const isWanted = left.has(one.message)
      if (!isWanted) this.#acks.add(one.lease)
      return isWanted
    })
  }

  /** @param work - Must not reject. */
  #settle(work: Promise<void>): void {
    this.#settling.add(work)
    void work.then(() => this.#loop.wake())
  }

  /** Has a message come again after a time. When that fails, it comes again when its time is over. Never rejects. */
  async #hide({ message, lease }: PoppedMessage, invisibleTime: number): Promise<void> {
    try {
      await this.#context.leaseRequests.changeInvisibleTime(lease, invisibleTime, {})
    } catch (error) {
      const { logger } = this.#context.client
      logger.warn(`message ${message.msgId} comes again when its invisible time is over: it can't be changed`, {
        error,
      })
    }
  }

  async #giveBack(popped: readonly PoppedMessage[]): Promise<void> {
    const now = monotonicNow()
    await inParallel(popped, GIVEN_BACK_AT_ONCE, async (one) => {
      this.#context.renewal?.delete(one.lease)
      if (!one.lease.isExpired(now)) await this.#hide(one, AT_ONCE)
    })
  }
}
