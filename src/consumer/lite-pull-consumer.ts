import type { ClientWarning } from '../client/member.js'
import { checkTopic } from '../client/name-check.js'
import type { SubscriptionData } from '../client/subscription-data.js'
import { ClientError } from '../errors.js'
import type { MessageExt, MessageQueue } from '../message/message.js'
import { messageQueueKey } from '../message/message-queue.js'
import { checkTimeout, type WaitOptions } from '../remoting/deadline.js'
import { inParallel } from '../route/in-parallel.js'
import type { AssignedQueue, MessageRequestMode } from './assigned-queue.js'
import { BalanceWait } from './balance-wait.js'
import { ConsumeObservers } from './consume-observers.js'
import { ConsumeStatistics } from './consume-statistics.js'
import type { ConsumeRun } from './consumed-queue.js'
import type { ConsumerParts } from './consumer-care.js'
import { checkFilter } from './filter-check.js'
import { GroupConsumer } from './group-consumer.js'
import { litePullJavaOptions } from './java-options.js'
import { LitePullLoopSource } from './lite-pull-loop-source.js'
import {
  type LitePullConsumerOptions,
  type ResolvedLitePullConsumerOptions,
  resolveLitePullConsumerOptions,
} from './lite-pull-options.js'
import { LitePullQueue, type LitePullQueueContext } from './lite-pull-queue.js'
import { type AssignOptions, ManualAssignment } from './manual-assignment.js'
import { takeInTime } from './message-poll.js'
import { MessageStream, type MessagesOptions } from './message-stream.js'
import { MessageSupply } from './message-supply.js'
import { tellOfCorrection } from './offset-correction.js'
import { OpenQueues } from './open-queues.js'
import { checkMessageQueue, checkOffset, checkTimestamp } from './queue-arguments.js'

const COMMITS_AT_ONCE = 32

/**
 * Gets messages when you ask for them: by `poll`, or by a loop over the consumer. Nothing is fetched far beyond what you have taken. The queues are this member's share of
 * the topics that it subscribes to, or those that you assign.
 *
 * ```ts
 * await using consumer = new LitePullConsumer({ consumerGroup: 'orders', namesrvAddr: 'localhost:9876' })
 * await consumer.subscribe('Orders', 'created || paid')
 * for await (const message of consumer) await handle(message)
 * ```
 *
 * Each message comes at least once. A message of a loop is consumed when the loop asks for the next one; messages of a poll are when `poll` or `commit` is called next.
 *
 * @see DefaultLitePullConsumer
 */
export class LitePullConsumer extends GroupConsumer implements AsyncIterable<MessageExt> {
  readonly #options: ResolvedLitePullConsumerOptions
  readonly #statistics = new ConsumeStatistics()
  readonly #supply: MessageSupply
  readonly #source: LitePullLoopSource
  readonly #context: LitePullQueueContext
  readonly #observers: ConsumeObservers
  /** What polls gave that is not known to be consumed. */
  #polled: ConsumeRun[] = []
  readonly #paused = new Set<string>()
  /** Undefined: it subscribes to topics. */
  #assigned: ManualAssignment | undefined

  /** @throws {@link ClientError} `INVALID_OPTION`, `INVALID_ARGUMENT` (the group's name), `NO_NAME_SERVER`, `INVALID_ADDRESS`. */
  constructor(options: LitePullConsumerOptions) {
    const resolved = resolveLitePullConsumerOptions(options, 'LitePullConsumer')
    super(options, resolved, { consumeType: 'CONSUME_ACTIVELY', isOrderly: false, hasRetryTopic: false })
    this.#options = resolved
    this.#observers = new ConsumeObservers(this.client, resolved)
    const { pullThresholdForAll } = resolved
    this.#supply = new MessageSupply({ observers: this.#observers.list, pullThresholdForAll })
    this.#source = new LitePullLoopSource(this.#supply, {
      start: () => this.start(),
      storeOffsets: () => this.persistence.persist(),
    })
    this.#context = this.#queueContext()
  }

  /** Wants no more messages of a topic, whether it was subscribed to or queues of it were assigned. See {@link GroupConsumer.unsubscribe}. */
  override async unsubscribe(topic: string, options: WaitOptions = {}): Promise<void> {
    const assigned = this.#assigned
    if (assigned === undefined) return super.unsubscribe(topic, options)
    const wireTopic = this.client.namespace.wrap(checkTopic(topic))
    await new BalanceWait('unsubscribe', options).until(this.#assign(assigned.without(wireTopic)))
  }

  /**
   * Consumes exactly these queues, whoever else does, instead of a share of topics. Those of an earlier call that are not among them are given up; an empty list gives up
   * all. While queues are assigned, `subscribe` rejects with `SUBSCRIPTION_CONFLICT`.
   *
   * @param options - Its `timeout` and `signal` end this call's wait. What was not assigned by then is not; else the queues are opened all the same.
   * @returns a promise that resolves, after `start`, when they are open; those that can't be opened now are tried again every second.
   * @throws {@link ClientError} `SUBSCRIPTION_CONFLICT` after {@link LitePullConsumer.subscribe}, `INVALID_ARGUMENT`, `ABORTED`, `NOT_BALANCED` when the timeout is over;
   * {@link BrokerError} when brokers can't filter by an expression.
   * @see DefaultLitePullConsumer.assign, DefaultLitePullConsumer.setSubExpressionForAssign
   */
  async assign(queues: readonly MessageQueue[], options: AssignOptions = {}): Promise<void> {
    this.#checkAssigning()
    const assigned = ManualAssignment.of(queues, options, this.client.namespace)
    await this.change(
      'assign',
      options,
      (wait) => this.#checkFilters(assigned, wait),
      () => {
        this.#checkAssigning()
        return this.#assign(assigned)
      },
    )
  }

  /**
   * Messages of one queue: the next ones that were pulled, up to `pullBatchSize`. Waits for some when there are none; an empty list when none came in time, and when
   * the consumer is shut down meanwhile.
   *
   * What earlier calls gave counts as consumed. At a shutdown it does not: after the last messages call {@link LitePullConsumer.commit}, or they come again. Several calls may
   * wait at a time; but workers that go on independently of each other had better use a loop each, where messages are consumed one by one.
   *
   * @param options - `timeout`: in milliseconds, default `pollTimeoutMillis`; 0: don't wait.
   * @throws {@link ClientError} `NOT_STARTED`, `CLOSED`, `ABORTED`.
   * @see DefaultLitePullConsumer.poll
   */
  async poll(options: WaitOptions = {}): Promise<MessageExt[]> {
    this.checkRunning('poll')
    const { timeout = this.#options.pollTimeoutMillis, signal } = options
    checkTimeout(timeout)
    this.#consumePolled()
    const run = await takeInTime(this.#supply, this.#options.pullBatchSize, timeout, signal)
    if (run === undefined) return []
    this.#polled.push(run)
    return run.messages.slice()
  }

  /** The messages, for loops, which start the consumer where that was not done. */
  messages(options: MessagesOptions = {}): MessageStream {
    return new MessageStream(this.#source, options)
  }

  /** A loop over all messages; see {@link LitePullConsumer.messages}. */
  [Symbol.asyncIterator](): AsyncIterableIterator<MessageExt> {
    return this.messages()[Symbol.asyncIterator]()
  }

  /**
   * Goes on with a queue at this offset. When it resolves, what was fetched before is dropped: the next message of the queue is the one at the offset, or behind it.
   *
   * @throws {@link ClientError} `QUEUE_NOT_ASSIGNED` when this member does not have the queue, or not yet; `INVALID_ARGUMENT` when the offset lies outside it.
   */
  async seek(queue: MessageQueue, offset: number, options: WaitOptions = {}): Promise<void> {
    const to = checkOffset(offset)
    await this.#seek(queue, async (wireQueue) => {
      const [min, max] = await Promise.all([
        this.requests.minOffset(wireQueue, options),
        this.requests.maxOffset(wireQueue, options),
      ])
      if (to >= min && to <= max) return to
      throw new ClientError(
        'INVALID_ARGUMENT',
        `seek offset ${to} of ${nameOf(queue)} is illegal: it has ${min} to ${max}`,
      )
    })
  }

  /** Goes on with a queue at its oldest message. @throws as {@link LitePullConsumer.seek}. */
  async seekToBegin(queue: MessageQueue, options: WaitOptions = {}): Promise<void> {
    await this.#seek(queue, (wireQueue) => this.requests.minOffset(wireQueue, options))
  }

  /** Goes on with a queue behind its newest message. @throws as {@link LitePullConsumer.seek}. */
  async seekToEnd(queue: MessageQueue, options: WaitOptions = {}): Promise<void> {
    await this.#seek(queue, (wireQueue) => this.requests.maxOffset(wireQueue, options))
  }

  /** Hands out and pulls nothing of these queues until {@link LitePullConsumer.resume}, whether this member has them already or gets them later. */
  pause(queues: readonly MessageQueue[]): void {
    for (const queue of queues.map((one) => this.#toWire(one))) this.#paused.add(messageQueueKey(queue))
  }

  /** Goes on with queues that were paused. Others are passed over. */
  resume(queues: readonly MessageQueue[]): void {
    for (const queue of queues.map((one) => this.#toWire(one))) {
      this.#paused.delete(messageQueueKey(queue))
      this.#find(queue)?.resume()
    }
  }

  /** The offset of the first message stored at a time (ms since the epoch) or after it. */
  async offsetForTimestamp(queue: MessageQueue, timestamp: number, options: WaitOptions = {}): Promise<number> {
    this.checkRunning('offsetForTimestamp')
    return this.requests.searchOffset(this.#toWire(queue), checkTimestamp(timestamp), options)
  }

  /** The group's offset of a queue: the next message to consume; −1 when the group has none. */
  async committed(queue: MessageQueue, options: WaitOptions = {}): Promise<number> {
    this.checkRunning('committed')
    return this.offsets.read(this.#toWire(queue), options)
  }

  /**
   * Stores how far this member is with its queues: everything that polls and loops were given counts as consumed. It is stored when this resolves.
   *
   * @param offsets - Stores these instead, of queues that this member has; where it is with them does not change.
   * @throws {@link ClientError} `QUEUE_NOT_ASSIGNED`; {@link RemotingError} or {@link BrokerError} when an offset could not be stored: others may be.
   */
  async commit(offsets?: ReadonlyMap<MessageQueue, number>, options: WaitOptions = {}): Promise<void> {
    this.checkRunning('commit')
    const commits = offsets === undefined ? this.#positions() : this.#given(offsets)
    await inParallel(commits, COMMITS_AT_ONCE, async ([queue, offset]) => {
      // It may have been given up meanwhile; whoever has it now may be further.
      if (offsets !== undefined) this.#opened(queue.queue)
      else if (this.#find(queue.queue) !== queue) return
      await this.offsets.commit(queue.queue, offset, options)
      queue.onCommitted(offset)
    })
  }

  /**
   * The queues of a topic that can be read. When they change later, `routeChange` tells it.
   *
   * @throws {@link ClientError} `TOPIC_NOT_FOUND`.
   */
  async fetchMessageQueues(topic: string, options: WaitOptions = {}): Promise<MessageQueue[]> {
    this.checkRunning('fetchMessageQueues')
    const { namespace, routes } = this.client
    const route = await routes.refresh(checkTopic(namespace.wrap(checkTopic(topic))), options)
    return route.subscribeQueues.map((queue) => namespace.unwrapQueue(queue))
  }

  protected override async onStart(): Promise<void> {
    const assigned = this.#assigned
    if (assigned !== undefined) await this.#checkFilters(assigned, {})
    await super.onStart()
  }

  protected override async onShutdown(timeout: number | undefined): Promise<void> {
    // Nobody can say whether they are consumed: no further poll or commit comes.
    for (const run of this.#polled) this.#supply.abandon(run)
    this.#supply.end()
    await super.onShutdown(timeout)
    await this.#observers.stop(timeout)
  }

  protected override async openQueue(
    queue: MessageQueue,
    mode: MessageRequestMode,
  ): Promise<AssignedQueue | undefined> {
    if (mode === 'POP') return undefined
    const offset = await this.initialOffset(queue)
    return new LitePullQueue(queue, offset, this.#statistics.topic(queue.topic), this.#context)
  }

  protected override consumerParts(): ConsumerParts {
    const { maxMessageSize, consumerTimeoutMillisWhenSuspend } = this.#options
    return {
      ...super.consumerParts(),
      maxMessageSize,
      pullTimeout: consumerTimeoutMillisWhenSuspend,
      options: litePullJavaOptions(this.#options),
      status: (topic) => this.#statistics.status(topic),
    }
  }

  #queueContext(): LitePullQueueContext {
    const { client, requests, offsets } = this
    const { autoCommit, consumeMaxSpan } = this.#options
    const pullOptions = {
      ...this.#options,
      consumeConcurrentlyMaxSpan: consumeMaxSpan,
      readAhead: undefined,
      pullThresholdForTopic: -1,
      pullThresholdSizeForTopic: -1,
      pullInterval: 0,
      postSubscriptionWhenPull: true,
      isLite: true,
    }
    return {
      client,
      requests,
      offsets,
      supply: this.#supply,
      openQueues: new OpenQueues(),
      pullOptions,
      readAhead: undefined,
      autoCommit,
      isPaused: (queueKey) => this.#paused.has(queueKey),
      filter: this.#observers.filter,
      subscription: (topic) => this.subscriptionOf(topic),
      onOffsetCorrected: (queue, correction) => tellOfCorrection(this, this.logger, queue, correction),
      report: (error, what) => this.report(error, what),
    }
  }

  protected override subscriptionOf(topic: string): SubscriptionData | undefined {
    return this.#assigned === undefined ? super.subscriptionOf(topic) : this.#assigned.subscription(topic)
  }

  protected override checkSubscribing(): void {
    if (this.#assigned !== undefined) throw conflict('subscribe', 'queues are assigned')
  }

  #checkAssigning(): void {
    if (this.subscriptions.topics.length > 0) throw conflict('assign', 'topics are subscribed to')
  }

  async #checkFilters(assigned: ManualAssignment, wait: WaitOptions): Promise<void> {
    const warn = (warning: ClientWarning) => this.warn(warning)
    await Promise.all(assigned.subscriptions().map((one) => checkFilter(this.client, this.wireGroup, one, wait, warn)))
  }

  async #assign(assigned: ManualAssignment): Promise<void> {
    const isNone = assigned.queues.length === 0
    this.#assigned = isNone ? undefined : assigned
    await this.setFixedQueues(isNone ? undefined : assigned.queues)
  }

  #consumePolled(): void {
    for (const run of this.#polled) this.#supply.consumed(run)
    this.#polled = []
  }

  async #seek(given: MessageQueue, find: (wireQueue: MessageQueue) => Promise<number>): Promise<void> {
    this.checkRunning('seek')
    const queue = this.#toWire(given)
    this.#opened(queue)
    const offset = await find(queue)
    // It may have been given up meanwhile.
    this.#opened(queue).seek(offset)
  }

  /** What is worth storing. */
  #positions(): [LitePullQueue, number][] {
    const positions: [LitePullQueue, number][] = []
    for (const queue of this.#openQueues()) {
      queue.consumeAll()
      const offset = queue.offsetToCommit
      if (offset !== undefined) positions.push([queue, offset])
    }
    return positions
  }

  #given(offsets: ReadonlyMap<MessageQueue, number>): [LitePullQueue, number][] {
    return [...offsets].map(([queue, offset]) => [this.#opened(this.#toWire(queue)), checkOffset(offset)])
  }

  #openQueues(): LitePullQueue[] {
    return this.table.values().filter((assigned) => assigned instanceof LitePullQueue)
  }

  #find(wireQueue: MessageQueue): LitePullQueue | undefined {
    const assigned = this.table.get(wireQueue)
    return assigned instanceof LitePullQueue ? assigned : undefined
  }

  /** @throws {@link ClientError} `QUEUE_NOT_ASSIGNED`. */
  #opened(wireQueue: MessageQueue): LitePullQueue {
    const queue = this.#find(wireQueue)
    if (queue !== undefined) return queue
    const name = nameOf(this.client.namespace.unwrapQueue(wireQueue))
    throw new ClientError(
      'QUEUE_NOT_ASSIGNED',
      `queue ${name} is not among those that this member has now (assignment()); the group's queues may be being divided`,
      { retryable: true },
    )
  }

  #toWire(queue: MessageQueue): MessageQueue {
    return this.client.namespace.wrapQueue(checkMessageQueue(queue))
  }
}

function conflict(call: string, reason: string): ClientError {
  return new ClientError('SUBSCRIPTION_CONFLICT', `${call}: ${reason}; subscribe and assign are mutually exclusive`)
}

function nameOf({ topic, brokerName, queueId }: MessageQueue): string {
  return `${topic} ${brokerName}[${queueId}]`
}
