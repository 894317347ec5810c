import { Member } from '../client/member.js'
import { checkGroup, checkTopic } from '../client/name-check.js'
import {
  buildSubscriptionData,
  type ConsumerData,
  type FilterExpression,
  type SubscriptionData,
} from '../client/subscription-data.js'
import { ClientError, RemotingError, shown } from '../errors.js'
import type { MessageExt, MessageQueue } from '../message/message.js'
import { checkTimeout, monotonicNow, type WaitOptions } from '../remoting/deadline.js'
import { makeOffsetStore } from './make-offset-store.js'
import { MessageStream } from './message-stream.js'
import type { OffsetStore } from './offset-store.js'
import {
  type PullConsumerOptions,
  type ResolvedPullConsumerOptions,
  resolvePullConsumerOptions,
} from './pull-consumer-options.js'
import { type PullMessagesHost, type PullMessagesOptions, pullMessages } from './pull-messages.js'
import type { PullRequest } from './pull-request.js'
import type { PullResult } from './pull-result.js'
import { checkMessageQueue, checkOffset, checkTimestamp } from './queue-arguments.js'
import type { QueueLoopSource } from './queue-loop-source.js'
import { QueueRequests } from './queue-requests.js'
import { waitForYoungTopic } from './young-topic.js'

/** What to pull. */
export interface PullOptions {
  /** The queue offset of the first message wanted. */
  offset: number
  /** `'TagA || TagB'`, `'*'` for all, which is the default, or `sql('a > 5')`. */
  expression?: FilterExpression
  /** Messages at most, 1 to 1024. Default 32, which brokers give at most unless they are configured otherwise. */
  maxNums?: number
  /** In milliseconds. Default 10000; 30000 for `pullBlockIfNotFound`. */
  timeout?: number
  signal?: AbortSignal
}

/** How a message is given back. */
export interface SendMessageBackOptions extends WaitOptions {
  /** After so many returns the message goes to the dead-letter topic. Default 16. */
  maxReconsumeTimes?: number
}

/**
 * Reads queues by offset: you say which queue and where, and you keep the progress.
 *
 * @see DefaultMQPullConsumer
 */
export class PullConsumer extends Member {
  readonly #options: ResolvedPullConsumerOptions
  /** The group as servers know it, with its namespace. */
  readonly #wireGroup: string
  readonly #requests: QueueRequests
  readonly #offsets: OffsetStore
  readonly #subscriptions = new Map<string, SubscriptionData>()
  /** Queues that loops are at work on. */
  readonly #loops = new Set<QueueLoopSource>()
  #persistTimer: NodeJS.Timeout | undefined

  /** @throws {@link ClientError} `INVALID_OPTION`, `INVALID_ARGUMENT` (the group's name), `NO_NAME_SERVER`, `INVALID_ADDRESS`. */
  constructor(options: PullConsumerOptions) {
    const resolved = resolvePullConsumerOptions(options, 'PullConsumer')
    super(options)
    this.#options = resolved
    this.#wireGroup = checkGroup(this.client.namespace.wrap(resolved.consumerGroup), 'consumerGroup')
    const report = (error: unknown, what: string) => this.report(error, what)
    this.#requests = new QueueRequests(this.client, this.#wireGroup, report)
    this.#offsets = makeOffsetStore(this.client, this.#requests, resolved, report)
  }

  get consumerGroup(): string {
    return this.#options.consumerGroup
  }

  /**
   * The queues of a topic that can be read.
   *
   * @throws {@link ClientError} `TOPIC_NOT_FOUND`.
   * @see DefaultMQPullConsumer.fetchSubscribeMessageQueues
   */
  async fetchSubscribeMessageQueues(topic: string, options: WaitOptions = {}): Promise<MessageQueue[]> {
    this.checkRunning('fetchSubscribeMessageQueues')
    const { namespace, routes } = this.client
    const route = await routes.refresh(checkTopic(namespace.wrap(checkTopic(topic))), options)
    return route.subscribeQueues.map((queue) => namespace.unwrapQueue(queue))
  }

  /**
   * Reads messages from an offset on. Answers at once, also when there is nothing.
   *
   * Go on at the result's `nextBeginOffset`. When a message can't be decoded, the result ends before it and has a `fault`; when it is already the first one, the
   * call rejects.
   *
   * @throws {@link BrokerError}, {@link RemotingError}, {@link MessageError}, {@link ClientError}.
   */
  async pull(queue: MessageQueue, options: PullOptions): Promise<PullResult> {
    this.checkRunning('pull')
    return this.#requests.pull(this.#pullRequest(queue, options, this.#options.consumerPullTimeoutMillis))
  }

  /**
   * Reads messages from an offset on, and waits for one when there is none: up to `timeout`, when it answers `NO_NEW_MSG`. Three seconds of it may pass until a
   * topic is known that was created a moment ago.
   *
   * @throws as {@link PullConsumer.pull}.
   */
  async pullBlockIfNotFound(queue: MessageQueue, options: PullOptions): Promise<PullResult> {
    this.checkRunning('pullBlockIfNotFound')
    const request = this.#pullRequest(queue, options, this.#options.consumerTimeoutMillisWhenSuspend)
    const startedAt = monotonicNow()
    await waitForYoungTopic(this.client.routes, request.queue.topic, request.timeout, request.signal)
    // Brokers look after waiting requests every few seconds only. What the caller's time leaves no room for is asked once more without waiting.
    const reserve = Math.min(LAST_LOOK_TIME, request.timeout / 4)
    const timeout = request.timeout - (monotonicNow() - startedAt) - reserve
    try {
      const suspendTimeoutMillis = Math.ceil(Math.min(this.#options.brokerSuspendMaxTimeMillis, timeout))
      return await this.#requests.pull({ ...request, timeout, suspendTimeoutMillis })
    } catch (error) {
      if (!(error instanceof RemotingError) || error.code !== 'TIMEOUT') throw error
      return this.#requests.pull({ ...request, timeout: request.timeout - (monotonicNow() - startedAt) })
    }
  }

  /**
   * The messages of a queue from an offset on, for loops, which wait for more at its end. A message is consumed when its loop asks for the next one.
   *
   * A pull that fails is an `error` event, and is tried again. Where the offset lies outside the queue, the loop goes on inside it, with a word to the logger.
   *
   * @throws {@link ClientError} `INVALID_ARGUMENT`. Loops throw `NOT_STARTED`, `CLOSED`, and what is thrown when the group's offset can't be read.
   */
  messages(queue: MessageQueue, options: PullMessagesOptions = {}): MessageStream {
    return new MessageStream(pullMessages(this.#toWire(queue), options, this.#messagesHost()), options)
  }

  /** The group's offset of a queue: the next message to read; −1 when the group has none. Brokers of 4.x answer 0 then for a queue that still has its first message. */
  async fetchConsumeOffset(queue: MessageQueue, options: WaitOptions = {}): Promise<number> {
    this.checkRunning('fetchConsumeOffset')
    return this.#offsets.read(this.#toWire(queue), options)
  }

  /** Sets the group's offset of a queue in memory. It is stored every `persistConsumerOffsetInterval` and at shutdown. */
  updateConsumeOffset(queue: MessageQueue, offset: number): void {
    this.checkRunning('updateConsumeOffset')
    this.#offsets.update(this.#toWire(queue), checkOffset(offset))
  }

  /** Stores the group's offset of a queue: it is stored when this resolves. */
  async commitOffset(queue: MessageQueue, offset: number, options: WaitOptions = {}): Promise<void> {
    this.checkRunning('commitOffset')
    await this.#offsets.commit(this.#toWire(queue), checkOffset(offset), options)
  }

  /** The offset of the oldest message that is still there. */
  async minOffset(queue: MessageQueue, options: WaitOptions = {}): Promise<number> {
    this.checkRunning('minOffset')
    return this.#requests.minOffset(this.#toWire(queue), options)
  }

  /** The offset that the next message of the queue will have. */
  async maxOffset(queue: MessageQueue, options: WaitOptions = {}): Promise<number> {
    this.checkRunning('maxOffset')
    return this.#requests.maxOffset(this.#toWire(queue), options)
  }

  /** The offset of the first message stored at a time (ms since the epoch) or after it. */
  async searchOffset(queue: MessageQueue, timestamp: number, options: WaitOptions = {}): Promise<number> {
    this.checkRunning('searchOffset')
    return this.#requests.searchOffset(this.#toWire(queue), checkTimestamp(timestamp), options)
  }

  /** When the oldest message of the queue was stored, in ms since the epoch; −1 when it has none. */
  async earliestMsgStoreTime(queue: MessageQueue, options: WaitOptions = {}): Promise<number> {
    this.checkRunning('earliestMsgStoreTime')
    return this.#requests.earliestMsgStoreTime(this.#toWire(queue), options)
  }

  /**
   * Gives a message back: the group gets it again by its retry topic after a delay.
   *
   * @param delayLevel - 0: the broker chooses by how often the message came back; −1: to the dead-letter topic at once; else a delay level.
   * @see DefaultMQPullConsumerImpl.sendMessageBack
   */
  async sendMessageBack(message: MessageExt, delayLevel: number, options: SendMessageBackOptions = {}): Promise<void> {
    this.checkRunning('sendMessageBack')
    if (!Number.isInteger(delayLevel))
      throw new ClientError('INVALID_ARGUMENT', `delayLevel is ${shown(delayLevel)}, a whole number expected`)
    const { maxReconsumeTimes = DEFAULT_MAX_RECONSUME_TIMES, timeout, signal } = options
    const topic = this.client.namespace.wrap(message.topic)
    await this.#requests.sendMessageBack(message, topic, { delayLevel, maxReconsumeTimes, timeout, signal })
  }

  protected override async onStart(): Promise<void> {
    const { heartbeat } = this.client
    heartbeat.checkConsumer(this.#wireGroup)
    await this.#offsets.load()
    heartbeat.addConsumer(this.#wireGroup, () => this.#consumerData())
    this.#persistTimer = setInterval(() => void this.#persist(), this.#options.persistConsumerOffsetInterval)
  }

  protected override async onShutdown(timeout: number = DEFAULT_SHUTDOWN_TIMEOUT): Promise<void> {
    clearInterval(this.#persistTimer)
    await Promise.all([...this.#loops].map((loop) => loop.end(timeout)))
    await this.#offsets.persist()
    await this.client.heartbeat.removeConsumer(this.#wireGroup)
  }

  async #persist(): Promise<void> {
    for (const loop of this.#loops) loop.saveOffset()
    await (this.#offsets.persistDue?.() ?? this.#offsets.persist())
  }

  #messagesHost(): PullMessagesHost {
    return {
      client: this.client,
      requests: this.#requests,
      offsets: this.#offsets,
      options: this.#options,
      loops: this.#loops,
      subscribe: (topic, expression) => this.#subscribe(topic, expression),
      checkRunning: (what) => this.checkRunning(what),
      report: (error, what) => this.report(error, what),
    }
  }

  #consumerData(): ConsumerData {
    return {
      groupName: this.#wireGroup,
      consumeType: 'CONSUME_ACTIVELY',
      messageModel: this.#options.messageModel,
      consumeFromWhere: 'CONSUME_FROM_LAST_OFFSET',
      subscriptionDataSet: [...this.#subscriptions.values()],
    }
  }

  /** The queue that the user gave, as servers know it. All that is private here speaks of such queues. */
  #toWire(queue: MessageQueue): MessageQueue {
    return this.client.namespace.wrapQueue(checkMessageQueue(queue))
  }

  #pullRequest(given: MessageQueue, options: PullOptions, defaultTimeout: number): PullRequest {
    const queue = this.#toWire(given)
    const { maxNums = DEFAULT_MAX_NUMS, timeout = defaultTimeout, signal } = options
    checkTimeout(timeout)
    if (!Number.isInteger(maxNums) || maxNums < 1 || maxNums > 1024) {
      throw new ClientError('INVALID_ARGUMENT', `maxNums is ${shown(maxNums)}, 1 to 1024 expected`)
    }
    return {
      consumerGroup: this.#wireGroup,
      queue,
      subscription: this.#subscribe(queue.topic, options.expression),
      subVersion: 0,
      postSubscription: true,
      offset: checkOffset(options.offset),
      maxNums,
      suspendTimeoutMillis: 0,
      timeout,
      signal,
      maxBodySize: this.#options.maxMessageSize,
      isLite: false,
    }
  }

  /** Remembers what is read, because brokers and consoles want to know it. */
  #subscribe(topic: string, expression: FilterExpression | undefined): SubscriptionData {
    const known = this.#subscriptions.get(topic)
    const subscription = buildSubscriptionData(topic, expression, Date.now())
    const { subString, expressionType } = subscription
    if (known?.subString === subString && known.expressionType === expressionType) return known
    this.#subscriptions.set(topic, subscription)
    this.client.heartbeat.announce()
    return subscription
  }
}

const DEFAULT_SHUTDOWN_TIMEOUT = 30_000
const DEFAULT_MAX_NUMS = 32
const DEFAULT_MAX_RECONSUME_TIMES = 16
/** What a long poll keeps back of its time for one last look. */
const LAST_LOOK_TIME = 1_000
