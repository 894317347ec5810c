import type { ClientHealth } from '../client/client.js'
import { Member } from '../client/member.js'
import { checkGroup, checkTopic } from '../client/name-check.js'
import type { ConsumerData, FilterExpression, SubscriptionData } from '../client/subscription-data.js'
import { buildSubscriptionData } from '../client/subscription-data.js'
import { ClientError, shown } from '../errors.js'
import type { MessageExt } from '../message/message.js'
import { ConsumeInitMode } from '../remoting/commands/pop.js'
import { checkTimeout, monotonicNow, type WaitOptions } from '../remoting/deadline.js'
import { isDenied } from '../remoting/refusal.js'
import { isTopicNotFound } from '../route/route-cache.js'
import { BalanceWait } from './balance-wait.js'
import { checkFilter } from './filter-check.js'
import { joinGroup } from './join-group.js'
import { MessageStream, type MessagesOptions } from './message-stream.js'
import { checkPopTopic } from './pop/pop-broker.js'
import { PopLoopSource } from './pop/pop-loop-source.js'
import { PopReceiver } from './pop/pop-receiver.js'
import type { PoppedMessage } from './pop/pop-requests.js'
import { QueueRequests } from './queue-requests.js'
import { SimpleConsole } from './simple-console.js'
import {
  MAX_INVISIBLE_DURATION,
  MAX_MESSAGES,
  MIN_INVISIBLE_DURATION,
  type ResolvedSimpleConsumerOptions,
  resolveSimpleConsumerOptions,
  type SimpleConsumerOptions,
} from './simple-consumer-options.js'
import { SubscriptionGuard } from './subscription-guard.js'
import { Subscriptions } from './subscriptions.js'

/** What to receive. */
export interface ReceiveOptions {
  /** Messages at most, 1 to 32. Default: `maxMessages` of the consumer. */
  maxMessages?: number
  /** For how long the messages are this consumer's, in milliseconds. Default: `invisibleDuration` of the consumer. */
  invisibleDuration?: number
  /** How long to wait when there is nothing, in milliseconds. Default: `awaitDuration` of the consumer. */
  timeout?: number
  signal?: AbortSignal
}

/** The state of a simple consumer; for a readiness probe. */
export interface SimpleConsumerHealth extends ClientHealth {
  /** Brokers that can't be popped now: none in a healthy consumer. */
  readonly faults: readonly { readonly topic: string; readonly brokerName: string; readonly error: Error }[]
}

const DEFAULT_SHUTDOWN_TIMEOUT = 30_000

/**
 * Takes messages when you ask for them, each for a while: acknowledge it within that time, or its group gets it again. Brokers hand out the messages one by one (POP), so
 * no queues are divided, and members come and go as they like. Brokers from 5.0 on can do that.
 *
 * ```ts
 * await using consumer = new SimpleConsumer({ consumerGroup: 'orders', namesrvAddr: 'localhost:9876' })
 * await consumer.subscribe('Orders')
 * await consumer.start()
 * for (const message of await consumer.receive()) {
 *   await handle(message)
 *   await consumer.ack(message)
 * }
 * ```
 *
 * @see SimpleConsumer
 */
export class SimpleConsumer extends Member implements AsyncIterable<MessageExt> {
  readonly #options: ResolvedSimpleConsumerOptions
  /** The group as servers know it, with its namespace. */
  readonly #wireGroup: string
  readonly #subscriptions = new Subscriptions()
  readonly #receiver: PopReceiver
  readonly #loopSource: PopLoopSource
  readonly #guard: SubscriptionGuard
  readonly #console: SimpleConsole
  readonly #onRouteChange = () => this.#receiver.wake()

  /** @throws {@link ClientError} `INVALID_OPTION`, `INVALID_ARGUMENT` (the group's name), `NO_NAME_SERVER`, `INVALID_ADDRESS`. */
  constructor(options: SimpleConsumerOptions) {
    const resolved = resolveSimpleConsumerOptions(options, 'SimpleConsumer')
    super(options)
    this.#options = resolved
    this.#wireGroup = checkGroup(this.client.namespace.wrap(resolved.consumerGroup), 'consumerGroup')
    const warn = (warning: Parameters<Member['warn']>[0]) => this.warn(warning)
    this.#guard = new SubscriptionGuard(this.client, this.#wireGroup, this.#subscriptions, warn)
    this.#receiver = this.#makeReceiver()
    this.#loopSource = this.#makeLoopSource()
    this.#console = new SimpleConsole(this.client, resolved, this.#subscriptions, () => void this.#guard.check())
  }

  get consumerGroup(): string {
    return this.#options.consumerGroup
  }

  /**
   * Wants the messages of a topic, from `start` on or from now on. A topic that has one already gets the new expression.
   *
   * @param expression - Tags as in `'TagA || TagB'`, `'*'` for all, which is the default, or `sql('a > 5')`.
   * @param options - End this call's wait. What was not subscribed to by then is not.
   * @throws {@link ClientError} `INVALID_ARGUMENT`, `ABORTED`, `NOT_BALANCED` when the timeout is over; after `start` `UNSUPPORTED_BY_BROKER`, and {@link BrokerError} when
   * brokers can't filter by the expression, and with `denial` when a proxy or NameServer does not allow the topic.
   */
  async subscribe(topic: string, expression?: FilterExpression, options: WaitOptions = {}): Promise<void> {
    const wireTopic = this.#wireTopic(topic)
    // Checks it.
    const wanted = buildSubscriptionData(wireTopic, expression)
    if (this.state === 'created') {
      this.#subscriptions.set(wireTopic, expression)
      return
    }
    const wait = new BalanceWait('subscribe', options)
    await wait.until(this.start())
    await wait.until(this.#prepare(wanted, wait.rest))
    this.checkRunning('subscribe')
    this.#subscriptions.set(wireTopic, expression)
    this.client.heartbeat.announce()
    this.#receiver.wake()
    await wait.until(this.#introduce())
  }

  /** Wants no more messages of a topic. What was received of it can still be acknowledged. */
  async unsubscribe(topic: string): Promise<void> {
    const isKnown = this.#subscriptions.delete(this.#wireTopic(topic))
    if (!isKnown || this.state !== 'running') return
    this.client.heartbeat.announce()
    this.#receiver.wake()
  }

  /**
   * Some messages, of one broker and topic, as soon as there are any. They are this consumer's for `invisibleDuration`: acknowledge them by then.
   *
   * @returns an empty list when nothing came within `timeout`.
   * @throws {@link ClientError} `NOT_STARTED`, `INVALID_ARGUMENT`, `NOT_SUBSCRIBED`, `TOPIC_NOT_FOUND`, `UNSUPPORTED_BY_BROKER`, `ABORTED`, `CLOSED`; {@link BrokerError},
   *   {@link RemotingError} when no broker can be asked. Where some can, the others are told of by `health()` and the logger.
   */
  async receive(options: ReceiveOptions = {}): Promise<MessageExt[]> {
    this.checkRunning('receive')
    const popped = await this.#receive(options)
    if (this.#options.renewInvisibleDuration) {
      const { invisibleDuration = this.#options.invisibleDuration } = options
      for (const { lease } of popped) this.#receiver.hold(lease, invisibleDuration)
    }
    return popped.map(({ message }) => message)
  }

  /**
   * Says that messages are consumed. They do not come again. For a message that is acknowledged already nothing happens.
   *
   * @param messages - One or several, of whatever brokers and topics.
   * @throws {@link ClientError} `RECEIPT_EXPIRED` when the invisible time of some is over: these come again, all others are acknowledged; `INVALID_ARGUMENT` for what was not
   *   received; {@link BrokerError}, {@link RemotingError} when a broker did not take it: call it again with the same messages.
   */
  async ack(messages: MessageExt | readonly MessageExt[], options: WaitOptions = {}): Promise<void> {
    this.checkRunning('ack')
    checkTimeout(options.timeout)
    const list = Array.isArray(messages) ? (messages as readonly MessageExt[]) : [messages as MessageExt]
    await this.#receiver.book.ack(list, options)
  }

  /**
   * Sets anew for how long a message is this consumer's, from now on: more, when it takes longer; little, when it shall come again soon.
   *
   * @param invisibleDuration - In milliseconds.
   * @throws {@link ClientError} `RECEIPT_EXPIRED`, `INVALID_ARGUMENT`; {@link BrokerError}, {@link RemotingError}.
   */
  async changeInvisibleDuration(
    message: MessageExt,
    invisibleDuration: number,
    options: WaitOptions = {},
  ): Promise<void> {
    this.checkRunning('changeInvisibleDuration')
    checkTimeout(options.timeout)
    checkNumber('invisibleDuration', invisibleDuration, 1, MAX_INVISIBLE_DURATION)
    await this.#receiver.book.change(message, invisibleDuration, options)
  }

  /**
   * Messages for a loop. Each is acknowledged when the loop asks for the next, and kept from others until then, for `consumeTimeout` at most. One that a loop has when it ends by
   * `break`, `return` or an error comes again at once. A few are received ahead. Loops start the consumer where that was not done.
   */
  messages(options: MessagesOptions = {}): MessageStream {
    return new MessageStream(this.#loopSource, options)
  }

  /** As {@link SimpleConsumer.messages}. */
  [Symbol.asyncIterator](): AsyncIterableIterator<MessageExt> {
    return this.messages()[Symbol.asyncIterator]()
  }

  override health(): SimpleConsumerHealth {
    const health = super.health()
    const { faults } = this.#receiver
    return { ...health, isHealthy: health.isHealthy && faults.length === 0, faults }
  }

  protected override async onStart(): Promise<void> {
    this.client.heartbeat.checkConsumer(this.#wireGroup)
    await Promise.all(this.#subscriptions.values().map((subscription) => this.#prepare(subscription, {})))
    // Before the brokers have this member's subscriptions: theirs are those of the others still.
    await this.#guard.check()
    await joinGroup(this.client, this.#wireGroup, () => this.#consumerData(), this.#console.handlers())
    this.client.routes.on('routeChange', this.#onRouteChange)
    await this.#introduce()
  }

  protected override async onShutdown(timeout: number = DEFAULT_SHUTDOWN_TIMEOUT): Promise<void> {
    const { consumerRequests, heartbeat } = this.client
    consumerRequests.unregister(this.#wireGroup)
    this.client.routes.off('routeChange', this.#onRouteChange)
    const deadline = monotonicNow() + timeout
    const ended = this.#loopSource.end(timeout)
    this.#receiver.end()
    await ended
    await this.#receiver.stop(deadline - monotonicNow())
    await heartbeat.removeConsumer(this.#wireGroup)
  }

  async #receive({ maxMessages, invisibleDuration, timeout, signal }: ReceiveOptions): Promise<PoppedMessage[]> {
    const options = this.#options
    checkTimeout(timeout)
    const request = {
      maxMessages: checkNumber('maxMessages', maxMessages ?? options.maxMessages, 1, MAX_MESSAGES),
      invisibleDuration: checkNumber(
        'invisibleDuration',
        invisibleDuration ?? options.invisibleDuration,
        MIN_INVISIBLE_DURATION,
        MAX_INVISIBLE_DURATION,
      ),
      timeout: timeout ?? options.awaitDuration,
    }
    return this.#receiver.receive({ ...request, signal })
  }

  /** Has brokers take down where the group begins. Those that can't be reached now do it later. */
  async #introduce(): Promise<void> {
    const { requestTimeout: timeout } = this.client.options
    try {
      await this.#receiver.introduce({ timeout })
    } catch (error) {
      this.logger.debug('not all brokers know where the group begins yet', { error })
    }
  }

  /** Learns a topic's brokers, and whether they can do what is wanted. */
  async #prepare(subscription: SubscriptionData, wait: WaitOptions): Promise<void> {
    const { topic } = subscription
    try {
      await this.client.routes.route(topic, wait)
    } catch (error) {
      if (wait.signal?.aborted || isDenied(error)) throw error
      const what = isTopicNotFound(error) ? 'does not exist' : 'can not be looked up'
      this.logger.warn(`topic ${this.client.namespace.unwrap(topic)} ${what} yet; it is tried again`, { error })
      return
    }
    await checkPopTopic(this.client, topic)
    await checkFilter(this.client, this.#wireGroup, subscription, wait, (warning) => this.warn(warning))
  }

  #makeReceiver(): PopReceiver {
    const { consumeFromWhere, order, maxMessageSize, maxReconsumeTimes, consumeTimeout } = this.#options
    const report = (error: unknown, what: string) => this.report(error, what)
    const options = {
      initMode: consumeFromWhere === 'FIRST' ? ConsumeInitMode.MIN : ConsumeInitMode.MAX,
      isOrder: order,
      maxBodySize: maxMessageSize,
      requestTimeout: this.client.options.requestTimeout,
      maxReconsumeTimes,
      maxHoldTime: consumeTimeout,
    }
    return new PopReceiver(this.client, new QueueRequests(this.client, this.#wireGroup, report), options, {
      subscriptions: () => this.#subscriptions.values(),
      warn: (what, fields) => this.logger.warn(what, fields),
      report,
    })
  }

  #makeLoopSource(): PopLoopSource {
    const receiver = this.#receiver
    const { invisibleDuration, maxMessages } = this.#options
    const host = {
      start: () => this.start(),
      receive: (signal: AbortSignal) => this.#receive({ signal }),
      acknowledge: receiver.acknowledge.bind(receiver),
      ackCount: () => receiver.ackCount,
      hold: (lease: PoppedMessage['lease']) => receiver.hold(lease, invisibleDuration),
      giveBack: receiver.giveBack.bind(receiver),
      report: (error: unknown, what: string) => this.report(error, what),
    }
    return new PopLoopSource(host, maxMessages)
  }

  #consumerData(): ConsumerData {
    const { consumeFromWhere } = this.#options
    return {
      groupName: this.#wireGroup,
      consumeType: 'CONSUME_POP',
      messageModel: 'CLUSTERING',
      consumeFromWhere: consumeFromWhere === 'FIRST' ? 'CONSUME_FROM_FIRST_OFFSET' : 'CONSUME_FROM_LAST_OFFSET',
      subscriptionDataSet: this.#subscriptions.values(),
    }
  }

  #wireTopic(topic: string): string {
    return checkTopic(this.client.namespace.wrap(checkTopic(topic)))
  }
}

function checkNumber(name: string, value: unknown, min: number, max: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value
  throw new ClientError('INVALID_ARGUMENT', `${name} is ${shown(value)}, a whole number from ${min} to ${max} expected`)
}
