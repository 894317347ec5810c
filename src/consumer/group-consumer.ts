import type { ClientWarning } from '../client/member.js'
import { Member } from '../client/member.js'
import type { ClientOptions } from '../client/member-options.js'
import { checkGroup, checkTopic } from '../client/name-check.js'
import type { ConsumerData, ConsumeType, FilterExpression, SubscriptionData } from '../client/subscription-data.js'
import { buildSubscriptionData } from '../client/subscription-data.js'
import { ClientError } from '../errors.js'
import type { MessageQueue } from '../message/message.js'
import { RETRY_TOPIC_PREFIX } from '../message/names.js'
import { notifyConsumerIdsChanged } from '../remoting/commands/group.js'
import { monotonicNow, type WaitOptions, withDeadline } from '../remoting/deadline.js'
import { isDenied } from '../remoting/refusal.js'
import type { RequestProcessor } from '../remoting/remoting-client.js'
import { safeEmit } from '../remoting/safe-emit.js'
import { isTopicNotFound } from '../route/route-cache.js'
import type { AssignedQueue, MessageRequestMode } from './assigned-queue.js'
import { BalanceWait } from './balance-wait.js'
import { ConsumerCare, type ConsumerParts, DEFAULT_PARTS } from './consumer-care.js'
import type { ConsumerEvents, LeftMessages } from './consumer-events.js'
import { type ConsumerHealth, consumerHealth } from './consumer-health.js'
import { checkFilter } from './filter-check.js'
import type { ResolvedGroupConsumerOptions } from './group-consumer-options.js'
import { initialOffset } from './initial-offset.js'
import { WIRE_CONSUME_FROM_WHERE } from './java-options.js'
import { joinGroup } from './join-group.js'
import type { ConsumerLag } from './lag.js'
import { makeOffsetStore } from './make-offset-store.js'
import { OffsetPersistence } from './offset-persistence.js'
import type { OffsetStore } from './offset-store.js'
import { QueueRequests } from './queue-requests.js'
import { QueueTable } from './queue-table.js'
import { Rebalancer, type RebalancerHost } from './rebalancer.js'
import { SERVER_STRATEGIES, ServerAssignment } from './server-assignment.js'
import { SubscriptionGuard } from './subscription-guard.js'
import { Subscriptions } from './subscriptions.js'

/** What kind of consumer a subclass is. */
export interface GroupConsumerTraits {
  readonly consumeType: ConsumeType
  /** Whether handlers have the messages of a queue one after the other, under a lock of the broker. Then members divide the queues themselves, as in Java. */
  readonly isOrderly: boolean
  /** Whether messages that were given back come again by the group's retry topic. */
  readonly hasRetryTopic: boolean
  /** Where the group pops its topics: of how many other members each one pops the queues, 0 for all. */
  readonly popShareQueueNum?: number | undefined
}

const DEFAULT_SHUTDOWN_TIMEOUT = 30_000
/** How long `start` waits for this member's queues, in milliseconds: a broker that does not answer must not hold up the others. */
const FIRST_QUEUES_TIMEOUT = 3_000
/** How long a queue that goes to another member waits for its handlers: less than the other one waits for the queue, so that what they finish is not handed out again. */
const REVOKE_TIMEOUT = 400
/** Of one whose lock keeps others away until its handler has finished. */
const ORDERLY_REVOKE_TIMEOUT = 20_000

/**
 * A member of a consumer group: it subscribes to topics, gets its share of their queues, and keeps its offsets. What it does with a queue is the subclass's.
 *
 * @see DefaultMQPushConsumerImpl, DefaultLitePullConsumerImpl
 */
export abstract class GroupConsumer<E extends ConsumerEvents = ConsumerEvents> extends Member<E> {
  protected readonly groupOptions: ResolvedGroupConsumerOptions
  /** The group as servers know it, with its namespace. */
  protected readonly wireGroup: string
  /** Their topics are as servers know them. */
  protected readonly subscriptions = new Subscriptions()
  protected readonly requests: QueueRequests
  protected readonly offsets: OffsetStore
  protected readonly persistence: OffsetPersistence
  protected readonly table: QueueTable
  readonly #traits: GroupConsumerTraits
  readonly #rebalancer: Rebalancer
  readonly #guard: SubscriptionGuard
  readonly #care: ConsumerCare
  readonly #onRouteChange = ({ topic }: { topic: string }) => {
    if (this.subscriptions.has(topic)) this.#rebalancer.request()
  }
  /** Ends questions to brokers of which a shutdown must not wait for the answer. */
  readonly #stopping = new AbortController()
  #firstRebalance: Promise<void> | undefined

  /**
   * @param options - As the user gave them.
   * @param resolved - The same, resolved by the subclass.
   */
  constructor(options: ClientOptions, resolved: ResolvedGroupConsumerOptions, traits: GroupConsumerTraits) {
    super(options)
    this.groupOptions = resolved
    this.#traits = traits
    this.wireGroup = checkGroup(this.client.namespace.wrap(resolved.consumerGroup), 'consumerGroup')
    const report = (error: unknown, what: string) => this.report(error, what)
    this.requests = new QueueRequests(this.client, this.wireGroup, report)
    this.offsets = resolved.offsetStore ?? makeOffsetStore(this.client, this.requests, resolved, report)
    this.persistence = new OffsetPersistence(this.offsets, () => this.table.values(), report)
    this.table = new QueueTable({
      open: (queue, mode) => this.openQueue(queue, mode),
      revokeTimeout: traits.isOrderly ? ORDERLY_REVOKE_TIMEOUT : REVOKE_TIMEOUT,
      onRevoked: (queue) => {
        this.requests.forget(queue)
        this.persistence.forget(queue)
      },
      report,
      logger: this.logger,
    })
    this.#rebalancer = this.#makeRebalancer()
    const warn = (warning: ClientWarning) => this.warn(warning)
    this.#guard = new SubscriptionGuard(this.client, this.wireGroup, this.subscriptions, warn)
    this.#care = this.#makeCare()
    if (traits.hasRetryTopic && resolved.messageModel === 'CLUSTERING') {
      this.subscriptions.set(RETRY_TOPIC_PREFIX + this.wireGroup)
    }
  }

  /** Without its namespace. */
  get consumerGroup(): string {
    return this.groupOptions.consumerGroup
  }

  /**
   * As {@link Member.start}; and it resolves when this member has its queues, so that it gets what is sent from then on. Queues whose brokers don't answer within 3
   * seconds, or which another member has to give up first, come later.
   *
   * @param options - Ends this call's wait; the start itself goes on, until `shutdown`.
   * @throws as {@link Member.start}.
   */
  override async start(options: WaitOptions = {}): Promise<void> {
    const startedAt = monotonicNow()
    await super.start(options)
    const { timeout = FIRST_QUEUES_TIMEOUT, signal } = options
    const rest = Math.min(FIRST_QUEUES_TIMEOUT, startedAt + timeout - monotonicNow())
    if (rest > 0) await this.#firstQueues(rest, signal)
    // A shutdown may have come meanwhile.
    this.checkRunning('start')
  }

  /**
   * Wants the messages of a topic, from `start` on or from now on. A topic that has one already gets the new expression; messages fetched before may still be handed out.
   *
   * A topic that does not exist yet is waited for, with a `warning`.
   *
   * @param expression - Tags as in `'TagA || TagB'`, `'*'` for all, which is the default, or `sql('a > 5')`.
   * @param options - End this call's wait. What was not subscribed to by then is not; else the division of the queues goes on.
   * @returns a promise that resolves, after `start`, when the topic's queues are divided anew.
   * @throws {@link ClientError} `INVALID_ARGUMENT`, `ABORTED`, `NOT_BALANCED` when the timeout is over; after `start` {@link BrokerError} when brokers can't filter by the
   * expression, and with `denial` when a proxy or NameServer does not allow the topic.
   */
  async subscribe(topic: string, expression?: FilterExpression, options: WaitOptions = {}): Promise<void> {
    const wireTopic = this.#wireTopic(topic)
    // Checks it.
    const wanted = buildSubscriptionData(wireTopic, expression)
    this.checkSubscribing()
    await this.change(
      'subscribe',
      options,
      (wait) => this.#prepare(wanted, wait),
      () => {
        this.checkSubscribing()
        this.subscriptions.set(wireTopic, expression)
        return this.#rebalanced()
      },
    )
  }

  /**
   * Wants no more messages of a topic.
   *
   * @param options - End this call's wait; the queues are given up all the same.
   * @returns a promise that resolves, after `start`, when its queues are given up: no handler gets another message of it.
   * @throws {@link ClientError} `INVALID_ARGUMENT`, `NOT_BALANCED` when the timeout is over, `ABORTED`; when the signal has fired before, nothing is done.
   */
  async unsubscribe(topic: string, options: WaitOptions = {}): Promise<void> {
    const wireTopic = this.#wireTopic(topic)
    const wait = new BalanceWait('unsubscribe', options)
    if (!this.subscriptions.delete(wireTopic)) return
    this.subscriptions.delete(this.#popRetryTopic(wireTopic))
    await wait.until(this.#rebalanced())
  }

  /** The queues that this member consumes now, those of the group's retry topic included, in RocketMQ's order. */
  assignment(): MessageQueue[] {
    return this.table.values().map(({ queue }) => this.client.namespace.unwrapQueue(queue))
  }

  /**
   * How far this consumer is behind with each of its queues: the brokers are asked where they end.
   *
   * @param options - `timeout`: for all of it; by default each request has its own.
   * @throws {@link ClientError} `NOT_STARTED`, `CLOSED`, `ABORTED`. Brokers that don't answer are told of in the result.
   */
  async lag(options: WaitOptions = {}): Promise<ConsumerLag> {
    this.checkRunning('lag')
    return this.#care.lag(options)
  }

  /** The state of this consumer and of its queues; for a readiness probe. */
  override health(): ConsumerHealth {
    const toUser = (queue: MessageQueue) => this.client.namespace.unwrapQueue(queue)
    const { isBalanced } = this.#rebalancer
    const openedAt = (assigned: AssignedQueue) => this.table.openedAt(assigned)
    const found = this.#care.stalled.map(({ queue }) => queue)
    return consumerHealth(super.health(), isBalanced, this.table.values(), toUser, openedAt, found)
  }

  /**
   * Makes what consumes a queue that this member got, without starting it.
   *
   * @param queue - As servers know it.
   * @returns undefined when that is not possible now, for example because its lock was refused: it is tried again a second later. So it is when it rejects.
   */
  protected abstract openQueue(queue: MessageQueue, mode: MessageRequestMode): Promise<AssignedQueue | undefined>

  /** What this kind of consumer brings along for consoles and for the watchdog. Asked each time. */
  protected consumerParts(): ConsumerParts {
    return DEFAULT_PARTS
  }

  /** What this member wants of a topic now; undefined: nothing. @param topic - As servers know it. */
  protected subscriptionOf(topic: string): SubscriptionData | undefined {
    return this.subscriptions.get(topic)
  }

  /** Answers to what brokers and consoles ask of this consumer, by request code; subclasses add theirs. */
  protected requestHandlers(): Map<number, RequestProcessor> {
    const notified: RequestProcessor = () => this.#onMembersNotified()
    return new Map([...this.#care.handlers(), [notifyConsumerIdsChanged.code, notified]])
  }

  /** Where to begin with a queue that this member got. @throws when neither the offset store nor the broker can say, and at a shutdown. */
  protected initialOffset(queue: MessageQueue): Promise<number> {
    const { signal } = this.#stopping
    const offset = initialOffset(queue, this.offsets, this.requests, this.groupOptions, { signal })
    // A user's store may not look at the signal.
    return withDeadline(offset, undefined, signal, 'the first offset', () => new Error('has no timeout'))
  }

  /** Closes a queue and opens it again, for one that stands still or whose offset was changed from outside. */
  protected async reopen(assigned: AssignedQueue): Promise<void> {
    if (this.table.get(assigned.queue) !== assigned) return
    await this.table.revoke(assigned)
    await this.#rebalancer.run()
  }

  /** @throws when topics can't be subscribed to now. */
  protected checkSubscribing(): void {}

  /**
   * Changes what this member consumes: before the start at once, else when that was prepared. What was not changed when the time is over, or when the signal fires, is not.
   *
   * @param apply - Makes the change. Its promise resolves when the queues are divided accordingly; it must not reject.
   */
  protected async change(
    what: string,
    options: WaitOptions,
    prepare: (wait: WaitOptions) => Promise<void>,
    apply: () => Promise<void>,
  ): Promise<void> {
    const wait = new BalanceWait(what, options)
    if (this.state !== 'created') {
      await wait.until(super.start())
      await wait.until(prepare(wait.rest))
      this.checkRunning(what)
    }
    await wait.until(apply())
  }

  /** Consumes these queues, whoever else does, instead of a share of the topics subscribed to; undefined goes back to that. @param queues - As servers know them. */
  protected setFixedQueues(queues: readonly MessageQueue[] | undefined): Promise<void> {
    return this.#rebalancer.setFixedQueues(queues)
  }

  protected override async onStart(): Promise<void> {
    const { heartbeat, routes } = this.client
    heartbeat.checkConsumer(this.wireGroup)
    await this.offsets.load()
    await Promise.all(this.subscriptions.values().map((subscription) => this.#prepare(subscription, {})))
    // Before the brokers have this member's subscriptions: theirs are those of the others still.
    await this.#guard.check()
    await joinGroup(this.client, this.wireGroup, () => this.#consumerData(), this.requestHandlers())
    routes.on('routeChange', this.#onRouteChange)
    this.persistence.start(this.groupOptions.persistConsumerOffsetInterval)
    this.#rebalancer.start()
    this.#firstRebalance = this.#rebalancer.run()
    this.#care.start()
  }

  protected override async onShutdown(timeout: number = DEFAULT_SHUTDOWN_TIMEOUT): Promise<void> {
    const { consumerRequests, heartbeat, routes } = this.client
    consumerRequests.unregister(this.wireGroup)
    routes.off('routeChange', this.#onRouteChange)
    this.persistence.stop()
    const startedAt = monotonicNow()
    this.#care.stop()
    this.#stopping.abort()
    const stopped = this.#rebalancer.stop()
    const left = await this.table.closeAll(timeout)
    await stopped
    await this.persistence.persistInTime(timeout + this.client.options.requestTimeout)
    await heartbeat.removeConsumer(this.wireGroup)
    if (left.length > 0) this.#tellLeft(left, monotonicNow() - startedAt)
  }

  /** @throws {@link ClientError} `ABORTED`. */
  async #firstQueues(timeout: number, signal: AbortSignal | undefined): Promise<void> {
    if (this.#firstRebalance === undefined) return
    const late = new ClientError('NOT_STARTED', 'start: the queues are not divided yet')
    try {
      await withDeadline(this.#firstRebalance, timeout, signal, 'start', () => late)
    } catch (error) {
      if (error !== late) throw error
      this.logger.info('the first queues come later: brokers or other members take their time', { timeout })
    }
  }

  /** Tells brokers what is subscribed to now, and divides the queues accordingly, unless the start will do so. */
  async #rebalanced(): Promise<void> {
    if (this.state !== 'running') return
    this.client.heartbeat.announce()
    await this.#rebalancer.run()
  }

  /** Learns a topic's brokers, and whether they can filter as is wanted. */
  async #prepare(subscription: SubscriptionData, options: WaitOptions): Promise<void> {
    const { topic } = subscription
    try {
      await this.client.routes.route(topic, options)
    } catch (error) {
      if (isDenied(error)) throw error
      // The rebalance looks for it again, and warns.
      if (!isTopicNotFound(error)) this.logger.warn(`the route of topic ${topic} is not known yet`, { error })
      return
    }
    await checkFilter(this.client, this.wireGroup, subscription, options, (warning) => this.warn(warning))
  }

  #makeCare(): ConsumerCare {
    const { client, wireGroup, table, requests, offsets, subscriptions } = this
    return new ConsumerCare({
      client,
      wireGroup,
      consumeType: this.#traits.consumeType,
      isOrderly: this.#traits.isOrderly,
      options: this.groupOptions,
      table,
      requests,
      offsets,
      subscriptions,
      subscription: (topic) => this.subscriptionOf(topic),
      parts: () => this.consumerParts(),
      isBalanced: () => this.#rebalancer.isBalanced,
      reopen: (assigned) => this.reopen(assigned),
      rebalance: () => this.#rebalancer.run(),
      emit: (event, payload) => void safeEmit(this, this.logger, event, payload),
      report: (error, what) => this.report(error, what),
    })
  }

  #makeRebalancer(): Rebalancer {
    const { messageModel, rebalanceInterval, allocateMessageQueueStrategy, clientRebalance } = this.groupOptions
    const isServerSide = !clientRebalance && !this.#traits.isOrderly && messageModel === 'CLUSTERING'
    const options = {
      consumerGroup: this.wireGroup,
      messageModel,
      interval: rebalanceInterval,
      strategy: allocateMessageQueueStrategy,
      serverAssignment: isServerSide ? this.#serverAssignment() : undefined,
    }
    return new Rebalancer(this.client, options, this.table, this.#rebalancerHost())
  }

  #serverAssignment(): ServerAssignment {
    const { strategyName = 'the given function' } = this.groupOptions.allocateMessageQueueStrategy
    if (!SERVER_STRATEGIES.has(strategyName)) {
      const problem = `with clientRebalance: false the brokers divide the queues, and they have ${[...SERVER_STRATEGIES].join(' and ')} only, not ${strategyName}`
      throw new ClientError('INVALID_OPTION', problem)
    }
    const { messageModel } = this.groupOptions
    const { popShareQueueNum } = this.#traits
    const options = { consumerGroup: this.wireGroup, strategyName, messageModel, popShareQueueNum }
    return new ServerAssignment(this.client, options)
  }

  #rebalancerHost(): RebalancerHost {
    return {
      topics: () => this.subscriptions.topics,
      queuesChanged: (topic, added, removed) => this.#onQueuesChanged(topic, added, removed),
      changed: (topics) => {
        for (const topic of topics) this.subscriptions.renew(topic)
        this.client.heartbeat.announce()
      },
      unchanged: () => void this.#guard.check(),
      storedOffset: (queue, timeout) => this.offsets.read(queue, { timeout }),
      modesKnown: (topic, modes) => this.#onModesKnown(topic, modes),
      report: (error, what) => this.report(error, what),
      warn: (warning) => this.warn(warning),
    }
  }

  #onMembersNotified(): undefined {
    void this.#guard.check()
    this.#rebalancer.request()
  }

  #onQueuesChanged(wireTopic: string, added: readonly MessageQueue[], removed: readonly MessageQueue[]): void {
    const { namespace } = this.client
    const toUser = (queue: MessageQueue) => namespace.unwrapQueue(queue)
    const queues = this.table.ofTopic(wireTopic).map(({ queue }) => toUser(queue))
    const topic = namespace.unwrap(wireTopic)
    const change = { topic, added: added.map(toUser), removed: removed.map(toUser), queues }
    this.logger.info(`queues of topic ${topic} changed`, { group: this.consumerGroup, ...change })
    safeEmit(this, this.logger, 'queuesChanged', change)
  }

  /** A group that pulls where it popped before finds in this retry topic what it had not acknowledged. @see RebalanceImpl.updateMessageQueueAssignment */
  #onModesKnown(topic: string, modes: ReadonlySet<MessageRequestMode>): void {
    if (topic.startsWith(RETRY_TOPIC_PREFIX) || modes.size !== 1) return
    const retryTopic = this.#popRetryTopic(topic)
    const isWanted = modes.has('PULL') && this.subscriptions.has(topic)
    if (isWanted === this.subscriptions.has(retryTopic)) return
    if (isWanted) this.subscriptions.set(retryTopic)
    else this.subscriptions.delete(retryTopic)
    this.client.heartbeat.announce()
    this.#rebalancer.request()
  }

  #popRetryTopic(topic: string): string {
    return `${RETRY_TOPIC_PREFIX}${this.wireGroup}_${topic}`
  }

  #tellLeft(left: readonly LeftMessages[], elapsed: number): void {
    const queues = left.map(({ queue, msgIds }) => ({ queue: this.client.namespace.unwrapQueue(queue), msgIds }))
    const count = left.reduce((total, { msgIds }) => total + msgIds.length, 0)
    this.logger.warn(
      `the consumer of the group ${this.consumerGroup} left after ${Math.round(elapsed)} ms, while handlers had ${count} messages: the group gets them again`,
      { queues },
    )
    safeEmit(this, this.logger, 'left', { queues })
  }

  #consumerData(): ConsumerData {
    const { messageModel, consumeFromWhere, unitMode } = this.groupOptions
    return {
      groupName: this.wireGroup,
      consumeType: this.#traits.consumeType,
      messageModel,
      consumeFromWhere: WIRE_CONSUME_FROM_WHERE[consumeFromWhere],
      subscriptionDataSet: this.subscriptions.values(),
      unitMode,
    }
  }

  #wireTopic(topic: string): string {
    return checkTopic(this.client.namespace.wrap(checkTopic(topic)))
  }
}
