import { homedir } from 'node:os'
import { join } from 'node:path'
import { Member } from '../client/member.js'
import { checkTopic } from '../client/name-check.js'
import { type ConsumerData, type SubscriptionData, tagSubscription } from '../client/subscription-data.js'
import type { Command } from '../codec/command.js'
import { ClientError, RemotingError, RocketMQError, shown } from '../errors.js'
import type { MessageExt, MessageQueue } from '../message/message.js'
import { messageQueueKey } from '../message/message-queue.js'
import {
  getEarliestMsgStoreTime,
  getMaxOffset,
  getMinOffset,
  searchOffsetByTimestamp,
} from '../remoting/commands/offset.js'
import { consumerSendMsgBack } from '../remoting/commands/send.js'
import { checkTimeout, monotonicNow, type WaitOptions } from '../remoting/deadline.js'
import { MASTER_ID } from '../route/topic-route-data.js'
import { LocalOffsetStore } from './local-offset-store.js'
import type { OffsetStore } from './offset-store.js'
import {
  type PullConsumerOptions,
  type ResolvedPullConsumerOptions,
  resolvePullConsumerOptions,
} from './pull-consumer-options.js'
import { type PullRequest, pullFrom } from './pull-request.js'
import type { PullResult } from './pull-result.js'
import { RemoteOffsetStore } from './remote-offset-store.js'

export interface PullOptions {
  /** The queue offset of the first message wanted. */
  offset: number
  /** `'TagA || TagB'`, or `'*'` for all, which is the default. */
  expression?: string
  /** Messages at most, 1 to 1024. Default 32, which brokers give at most unless they are configured otherwise. */
  maxNums?: number
  /** In milliseconds. Default 10000; 30000 for `pullBlockIfNotFound`. */
  timeout?: number
  signal?: AbortSignal
}

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
  readonly #offsets: OffsetStore
  readonly #subscriptions = new Map<string, SubscriptionData>()
  /** Which broker id to ask for a queue, where the last answer suggested another than the master. */
  readonly #suggestedBrokerIds = new Map<string, number>()
  #persistTimer: NodeJS.Timeout | undefined

  /** @throws {@link ClientError} `INVALID_OPTION`, `INVALID_ARGUMENT` (the group's name), `NO_NAME_SERVER`, `INVALID_ADDRESS`. */
  constructor(options: PullConsumerOptions) {
    const resolved = resolvePullConsumerOptions(options, 'PullConsumer')
    super(options)
    this.#options = resolved
    this.#offsets = this.#makeOffsetStore()
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
    const route = await this.client.routes.refresh(checkTopic(topic), options)
    return [...route.subscribeQueues]
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
    const request = this.#pullRequest(queue, options, this.#options.consumerPullTimeoutMillis)
    return this.#pull(request)
  }

  /**
   * Reads messages from an offset on, and waits for one when there is none: up to `timeout`, when it answers `NO_NEW_MSG`.
   *
   * @throws as {@link PullConsumer.pull}.
   */
  async pullBlockIfNotFound(queue: MessageQueue, options: PullOptions): Promise<PullResult> {
    this.checkRunning('pullBlockIfNotFound')
    const request = this.#pullRequest(queue, options, this.#options.consumerTimeoutMillisWhenSuspend)
    const startedAt = monotonicNow()
    // Brokers look after waiting requests every few seconds only. What the caller's time leaves no room for is asked once more without waiting.
    const reserve = Math.min(LAST_LOOK_TIME, request.timeout / 4)
    const timeout = request.timeout - reserve
    try {
      const suspendTimeoutMillis = Math.ceil(Math.min(this.#options.brokerSuspendMaxTimeMillis, timeout))
      return await this.#pull({ ...request, timeout, suspendTimeoutMillis })
    } catch (error) {
      if (!(error instanceof RemotingError) || error.code !== 'TIMEOUT') throw error
      return this.#pull({ ...request, timeout: request.timeout - (monotonicNow() - startedAt) })
    }
  }

  /** The group's offset of a queue: the next message to read; −1 when the group has none. Brokers of 4.x answer 0 then for a queue that still has its first message. */
  async fetchConsumeOffset(queue: MessageQueue, options: WaitOptions = {}): Promise<number> {
    this.checkRunning('fetchConsumeOffset')
    return this.#offsets.read(checkMessageQueue(queue), options)
  }

  /** Sets the group's offset of a queue in memory. It is stored every `persistConsumerOffsetInterval` and at shutdown. */
  updateConsumeOffset(queue: MessageQueue, offset: number): void {
    this.checkRunning('updateConsumeOffset')
    this.#offsets.update(checkMessageQueue(queue), checkOffset(offset))
  }

  /** Stores the group's offset of a queue: it is stored when this resolves. */
  async commitOffset(queue: MessageQueue, offset: number, options: WaitOptions = {}): Promise<void> {
    this.checkRunning('commitOffset')
    await this.#offsets.commit(checkMessageQueue(queue), checkOffset(offset), options)
  }

  /** The offset of the oldest message that is still there. */
  async minOffset(queue: MessageQueue, options: WaitOptions = {}): Promise<number> {
    return (await this.#ask('minOffset', getMinOffset, queue, {}, options)).offset
  }

  /** The offset that the next message of the queue will have. */
  async maxOffset(queue: MessageQueue, options: WaitOptions = {}): Promise<number> {
    return (await this.#ask('maxOffset', getMaxOffset, queue, {}, options)).offset
  }

  /** The offset of the first message stored at a time (ms since the epoch) or after it. */
  async searchOffset(queue: MessageQueue, timestamp: number, options: WaitOptions = {}): Promise<number> {
    if (!Number.isSafeInteger(timestamp))
      throw new ClientError('INVALID_ARGUMENT', `timestamp is ${shown(timestamp)}, ms since the epoch expected`)
    return (await this.#ask('searchOffset', searchOffsetByTimestamp, queue, { timestamp }, options)).offset
  }

  /** When the oldest message of the queue was stored, in ms since the epoch; −1 when it has none. */
  async earliestMsgStoreTime(queue: MessageQueue, options: WaitOptions = {}): Promise<number> {
    return (await this.#ask('earliestMsgStoreTime', getEarliestMsgStoreTime, queue, {}, options)).timestamp
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
    const { topic, brokerName, queueId } = message
    const address = await this.#brokerAddress({ topic, brokerName, queueId }, options)
    const header = {
      offset: message.commitLogOffset,
      group: this.consumerGroup,
      delayLevel,
      originMsgId: message.msgId,
      originTopic: topic,
      unitMode: false,
      maxReconsumeTimes: options.maxReconsumeTimes ?? DEFAULT_MAX_RECONSUME_TIMES,
      brokerName,
    }
    await this.client.remoting.invoke(address, consumerSendMsgBack, header, options)
  }

  protected override async onStart(): Promise<void> {
    const { heartbeat } = this.client
    heartbeat.checkConsumer(this.consumerGroup)
    await this.#offsets.load()
    heartbeat.addConsumer(this.consumerGroup, () => this.#consumerData())
    this.#persistTimer = setInterval(() => void this.#offsets.persist(), this.#options.persistConsumerOffsetInterval)
  }

  protected override async onShutdown(): Promise<void> {
    clearInterval(this.#persistTimer)
    await this.#offsets.persist()
    await this.client.heartbeat.removeConsumer(this.consumerGroup)
  }

  #makeOffsetStore(): OffsetStore {
    const report = (error: unknown, what: string) => this.report(error, what)
    const { consumerGroup, messageModel, localOffsetStoreDir } = this.#options
    if (messageModel === 'CLUSTERING') {
      return new RemoteOffsetStore(
        this.client,
        consumerGroup,
        (queue, options) => this.#brokerAddress(queue, options),
        report,
      )
    }
    const directory = localOffsetStoreDir ?? join(homedir(), '.rocketmq_offsets')
    return new LocalOffsetStore(directory, this.client.stableId, consumerGroup, report)
  }

  #consumerData(): ConsumerData {
    return {
      groupName: this.consumerGroup,
      consumeType: 'CONSUME_ACTIVELY',
      messageModel: this.#options.messageModel,
      consumeFromWhere: 'CONSUME_FROM_LAST_OFFSET',
      subscriptionDataSet: [...this.#subscriptions.values()],
    }
  }

  #pullRequest(queue: MessageQueue, options: PullOptions, defaultTimeout: number): PullRequest {
    checkMessageQueue(queue)
    const { maxNums = DEFAULT_MAX_NUMS, timeout = defaultTimeout, signal } = options
    checkTimeout(timeout)
    if (!Number.isInteger(maxNums) || maxNums < 1 || maxNums > 1024) {
      throw new ClientError('INVALID_ARGUMENT', `maxNums is ${shown(maxNums)}, 1 to 1024 expected`)
    }
    return {
      consumerGroup: this.consumerGroup,
      queue,
      subscription: this.#subscribe(queue.topic, options.expression),
      offset: checkOffset(options.offset),
      maxNums,
      suspendTimeoutMillis: 0,
      timeout,
      signal,
      maxBodySize: this.#options.maxMessageSize,
    }
  }

  /** Remembers what is read, because brokers and consoles want to know it. */
  #subscribe(topic: string, expression: string | undefined): SubscriptionData {
    const known = this.#subscriptions.get(topic)
    const subscription = tagSubscription(topic, expression, Date.now())
    if (known?.subString === subscription.subString) return known
    this.#subscriptions.set(topic, subscription)
    this.client.heartbeat.beatAll()
    return subscription
  }

  async #pull(request: PullRequest): Promise<PullResult> {
    const { queue } = request
    const startedAt = monotonicNow()
    const address = await this.#pullAddress(queue, request)
    try {
      const timeout = request.timeout - (monotonicNow() - startedAt)
      const { result, suggestWhichBrokerId } = await pullFrom(this.client, address, { ...request, timeout })
      this.#follow(queue, suggestWhichBrokerId)
      if (result.fault !== undefined) this.report(result.fault, 'a pulled message can not be read')
      return result
    } catch (error) {
      if (error instanceof RemotingError || STALE_ROUTE_CODES.has(codeOf(error))) this.#onStaleRoute(queue)
      throw error
    }
  }

  #follow(queue: MessageQueue, brokerId: number): void {
    const key = messageQueueKey(queue)
    if (brokerId === MASTER_ID) this.#suggestedBrokerIds.delete(key)
    else this.#suggestedBrokerIds.set(key, brokerId)
  }

  #onStaleRoute(queue: MessageQueue): void {
    this.#suggestedBrokerIds.delete(messageQueueKey(queue))
    this.client.routes.refreshSoon(queue.topic)
  }

  /** The suggested broker for reading messages. */
  #pullAddress(queue: MessageQueue, options: WaitOptions): Promise<string> {
    return this.#brokerAddress(queue, options, this.#suggestedBrokerIds.get(messageQueueKey(queue)))
  }

  /** The broker with this id; else the master; else any replica that is left. @see MQClientInstance.findBrokerAddressInSubscribe */
  async #brokerAddress(queue: MessageQueue, options: WaitOptions, brokerId: number = MASTER_ID): Promise<string> {
    await this.client.routes.route(queue.topic, options)
    const addresses = this.client.routes.brokers.get(queue.brokerName)?.brokerAddrs
    const address = addresses?.get(brokerId) ?? addresses?.get(MASTER_ID) ?? addresses?.values().next().value
    return address ?? this.#noBroker(queue)
  }

  #noBroker(queue: MessageQueue): never {
    this.client.routes.refreshSoon(queue.topic)
    throw new ClientError(
      'NO_BROKER',
      `The broker[${queue.brokerName}] not exist: no route names an address for it now (topic ${queue.topic})`,
      {
        retryable: true,
      },
    )
  }

  async #ask<Q extends { topic: string; queueId: number; brokerName?: string | undefined }, S>(
    what: string,
    command: Command<Q, S>,
    queue: MessageQueue,
    more: Omit<Q, 'topic' | 'queueId' | 'brokerName'>,
    options: WaitOptions,
  ): Promise<S> {
    this.checkRunning(what)
    checkMessageQueue(queue)
    const route = await this.client.routes.route(queue.topic, options)
    // A broker answers 0 for a queue that it does not have.
    if (
      !route.subscribeQueues.some((known) => known.brokerName === queue.brokerName && known.queueId === queue.queueId)
    ) {
      throw new ClientError(
        'INVALID_ARGUMENT',
        `topic ${queue.topic} has no readable queue ${queue.brokerName}[${queue.queueId}]`,
      )
    }
    const address = await this.#brokerAddress(queue, options)
    const { topic, queueId, brokerName } = queue
    const response = await this.client.remoting.invoke(
      address,
      command,
      { ...more, topic, queueId, brokerName } as Q,
      options,
    )
    return response.header
  }
}

/** Answers that a broker gives when the route by which it was asked is out of date. */
const STALE_ROUTE_CODES: ReadonlySet<string> = new Set(['TOPIC_NOT_EXIST', 'NO_PERMISSION', 'NOT_LEADER_FOR_QUEUE'])
const DEFAULT_MAX_NUMS = 32
const DEFAULT_MAX_RECONSUME_TIMES = 16
/** What a long poll keeps back of its time for one last look. */
const LAST_LOOK_TIME = 1_000

function codeOf(error: unknown): string {
  return error instanceof RocketMQError ? error.code : ''
}

function checkMessageQueue(queue: unknown): MessageQueue {
  const { topic, brokerName, queueId } = (queue ?? {}) as Partial<MessageQueue>
  if (
    typeof topic !== 'string' ||
    typeof brokerName !== 'string' ||
    !Number.isInteger(queueId) ||
    Number(queueId) < 0
  ) {
    throw new ClientError('INVALID_ARGUMENT', `queue is ${shown(queue)}, { topic, brokerName, queueId } expected`)
  }
  return queue as MessageQueue
}

function checkOffset(offset: unknown): number {
  if (typeof offset !== 'number' || !Number.isSafeInteger(offset) || offset < 0) {
    throw new ClientError('INVALID_ARGUMENT', `offset is ${shown(offset)}, a whole number from 0 on expected`)
  }
  return offset
}
