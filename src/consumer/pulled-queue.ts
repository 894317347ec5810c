import type { Client } from '../client/client.js'
import type { SubscriptionData } from '../client/subscription-data.js'
import type { StoredMessage } from '../codec/stored-message.js'
import type { MessageQueue } from '../message/message.js'
import type { AssignedQueue, QueueState } from './assigned-queue.js'
import type { ConsumeHookRunner } from './consume-hook-runner.js'
import type { TopicStatistics } from './consume-statistics.js'
import { ConsumedQueue } from './consumed-queue.js'
import type { OffsetStore } from './offset-store.js'
import type { OpenQueues } from './open-queues.js'
import { PullLoop } from './pull-loop.js'
import type { OffsetCorrection, PullLoopHost, PullLoopOptions } from './pull-loop-host.js'
import type { QueueRequests } from './queue-requests.js'
import type { ReadAhead } from './read-ahead.js'
import { isRetryTopic, withOriginalTopics } from './retry-topic.js'

/** What all queues of a consumer have in common, and what they tell it. None of the functions may throw. */
export interface PulledQueueContext {
  readonly client: Client
  readonly requests: QueueRequests
  readonly offsets: OffsetStore
  readonly openQueues: OpenQueues
  readonly pullOptions: PullLoopOptions
  /** What all queues with a backlog share; undefined: nothing. */
  readonly readAhead: ReadAhead | undefined
  /** Where there are hooks that filter. */
  readonly filter: ConsumeHookRunner | undefined
  subscription(topic: string): SubscriptionData | undefined
  onOffsetCorrected(queue: MessageQueue, correction: OffsetCorrection): void
  report(error: unknown, what: string): void
}

/** A queue that is pulled, and whose offset follows what is consumed. Who consumes it is the subclass's. */
export abstract class PulledQueue implements AssignedQueue, PullLoopHost {
  readonly queue: MessageQueue
  readonly mode = 'PULL'
  readonly statistics: TopicStatistics
  readonly readAhead: ReadAhead | undefined
  readonly transform?: (messages: StoredMessage[]) => StoredMessage[]
  protected readonly loop: PullLoop
  protected readonly consumed: ConsumedQueue
  readonly #context: PulledQueueContext
  /** What the offset store has heard of. */
  #savedOffset = -1

  /** @param offset - Where to begin. */
  constructor(queue: MessageQueue, offset: number, statistics: TopicStatistics, context: PulledQueueContext) {
    this.queue = queue
    this.statistics = statistics
    this.readAhead = context.readAhead
    this.#context = context
    const messageQueue = context.client.namespace.unwrapQueue(queue)
    this.loop = new PullLoop(queue, offset, context.requests, this, context.pullOptions)
    this.consumed = new ConsumedQueue(queue, messageQueue, this.loop.processQueue, statistics, () => this.loop.wake())
    this.consumed.onTaken = () => {
      this.readAhead?.admitNext()
      this.loop.wake()
    }
    if (isRetryTopic(queue.topic) || context.filter !== undefined)
      this.transform = (messages) => this.#transform(messages)
  }

  abstract mayPull(): boolean

  abstract onAnswer(): void

  /** Whether the offset is to be stored as it is now, without anybody asking for it. */
  protected abstract readonly mayStoreOffset: boolean

  /** Whether it has messages that a handler could have now, though none does. */
  protected abstract readonly isReady: boolean

  /** No message is handed out any more. Resolves when those that were are settled, or when the time is over. Must not reject. */
  protected abstract endConsuming(timeout: number): Promise<void>

  start(): void {
    this.#context.openQueues.add(this)
    this.loop.start()
  }

  async close(timeout: number): Promise<void> {
    const pulled = this.loop.close()
    this.#context.openQueues.delete(this)
    await this.endConsuming(timeout)
    await pulled
    this.saveOffset()
    try {
      await this.#context.offsets.persist([this.queue])
    } catch (error) {
      this.#context.report(error, 'the offset store failed: an offset was not stored')
    }
  }

  /** What would be committed now. */
  get commitOffset(): number {
    return this.loop.processQueue.commitOffset
  }

  saveOffset(): boolean {
    // Before the first answer nobody knows whether the offset lies in the queue.
    if (this.loop.lastAnswerTimestamp === 0 || !this.mayStoreOffset) return false
    const { commitOffset } = this
    if (commitOffset === this.#savedOffset) return false
    try {
      this.#context.offsets.update(this.queue, commitOffset)
      this.#savedOffset = commitOffset
    } catch (error) {
      this.#context.report(error, 'the offset store failed')
    }
    return true
  }

  /** There may be room, or it may be allowed to pull. */
  wake(): void {
    this.loop.wake()
  }

  /** Goes on elsewhere at once. What was handed out before is settled no more. */
  seek(offset: number): void {
    this.loop.seek(offset)
    this.consumed.processQueue = this.loop.processQueue
  }

  unfinished(): readonly string[] {
    return this.consumed.unfinished()
  }

  state(): QueueState {
    const { loop, consumed } = this
    const { processQueue } = loop
    const oldest = consumed.oldestRun
    const msgId = oldest?.messages[0]?.msgId
    return {
      queue: this.queue,
      commitOffset: processQueue.commitOffset,
      nextOffset: processQueue.nextOffset,
      maxOffset: loop.maxOffset,
      cachedCount: processQueue.count,
      cachedBytes: processQueue.bytes,
      cachedMinOffset: processQueue.firstOffset,
      cachedMaxOffset: processQueue.lastOffset,
      inFlight: processQueue.inFlightCount,
      oldestInFlight: oldest === undefined || msgId === undefined ? undefined : { msgId, since: oldest.startTimestamp },
      isLocked: false,
      lastLockTimestamp: 0,
      lastPullTimestamp: loop.lastPullTimestamp,
      lastAnswerTimestamp: loop.lastAnswerTimestamp,
      lastConsumeTimestamp: consumed.lastConsumeTimestamp,
      oldestStoreTimestamp: processQueue.oldestStoreTimestamp,
      isReady: this.isReady,
      fault: loop.fault,
      isFetching: loop.isFetching,
      isBroken: loop.isBroken,
    }
  }

  subscription(): SubscriptionData | undefined {
    return this.#context.subscription(this.queue.topic)
  }

  ownQueues(): number {
    return this.#context.openQueues.count(this.queue.topic)
  }

  async onOffsetCorrected(correction: OffsetCorrection): Promise<void> {
    const { processQueue } = this.loop
    this.consumed.processQueue = processQueue
    this.#context.onOffsetCorrected(this.consumed.messageQueue, correction)
    if (!this.mayStoreOffset) return
    const { commitOffset } = processQueue
    try {
      await this.#context.offsets.commit(this.queue, commitOffset, {})
      this.#savedOffset = commitOffset
    } catch (error) {
      this.#context.report(error, `the corrected offset ${commitOffset} was not stored; it is tried again`)
    }
  }

  async register(address: string, isAgain: boolean): Promise<void> {
    const { heartbeat, logger } = this.#context.client
    try {
      await (isAgain ? heartbeat.beat(address) : heartbeat.ensure(address))
    } catch (error) {
      logger.debug(`heartbeat to broker ${address} failed`, { error })
    }
  }

  report(error: unknown, what: string): void {
    this.#context.report(error, what)
  }

  /** What was to be stored is no more. */
  protected forgetOffset(): void {
    try {
      this.#context.offsets.remove(this.queue)
      this.#savedOffset = -1
    } catch (error) {
      this.#context.report(error, 'the offset store failed')
    }
  }

  #transform(messages: StoredMessage[]): StoredMessage[] {
    const { filter } = this.#context
    const original = isRetryTopic(this.queue.topic) ? this.#withOriginalTopics(messages) : messages
    return filter === undefined ? original : filter.filter(original, this.consumed.messageQueue)
  }

  #withOriginalTopics(messages: StoredMessage[]): StoredMessage[] {
    const { client, requests } = this.#context
    return withOriginalTopics(messages, client.namespace, client.namespace.unwrap(requests.consumerGroup))
  }
}
