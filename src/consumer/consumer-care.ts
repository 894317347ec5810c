import type { Client } from '../client/client.js'
import type { ConsumerRequestHandlers } from '../client/consumer-requests.js'
import type { ConsumeType, SubscriptionData } from '../client/subscription-data.js'
import type { MessageQueue } from '../message/message.js'
import type { ConsumerRunningInfo, QueueOffset } from '../remoting/commands/console.js'
import type { WaitOptions } from '../remoting/deadline.js'
import type { AssignedQueue } from './assigned-queue.js'
import { ConsoleRequests, type DirectConsumption } from './console-requests.js'
import type { ConsumeStatus } from './consume-statistics.js'
import type { ConsumerEvents } from './consumer-events.js'
import type { ResolvedGroupConsumerOptions } from './group-consumer-options.js'
import { groupJavaOptions, type JavaOptions } from './java-options.js'
import { type ConsumerLag, consumerLag, type LagSource } from './lag.js'
import type { OffsetStore } from './offset-store.js'
import { OFFSET_RESET } from './pull-loop-host.js'
import type { QueueRequests } from './queue-requests.js'
import type { QueueTable } from './queue-table.js'
import { runningInfo } from './running-info.js'
import type { Subscriptions } from './subscriptions.js'
import { type QueueStall, Watchdog } from './watchdog.js'

/** What a kind of consumer brings along for consoles and for the watchdog. */
export interface ConsumerParts {
  /** Largest body after decompression, in bytes. */
  readonly maxMessageSize: number
  /** How long a pull takes at the most, in milliseconds. */
  readonly pullTimeout: number
  /** Handlers at a time; undefined for who has none. */
  readonly consumeConcurrency: number | undefined
  /** Options by the names that they have in Java, beside those of every consumer of a group. */
  readonly options: JavaOptions
  /** Undefined: it has no handler. A text: it does not hand messages of a console to its handler, for this reason. */
  readonly consumeDirectly: DirectConsumption | string | undefined
  status(topic: string): ConsumeStatus | undefined
}

export const DEFAULT_PARTS: ConsumerParts = {
  maxMessageSize: 4 * 1024 * 1024,
  pullTimeout: 30_000,
  consumeConcurrency: undefined,
  options: {},
  consumeDirectly: undefined,
  status: () => undefined,
}

type CareEvents = Pick<ConsumerEvents, 'offsetsReset' | 'queueStalled' | 'queueRepaired' | 'lag'>

/** The consumer that is looked after. None of the functions may throw or reject. */
export interface CaredConsumer {
  readonly client: Client
  /** With its namespace. */
  readonly wireGroup: string
  readonly consumeType: ConsumeType
  readonly isOrderly: boolean
  readonly options: ResolvedGroupConsumerOptions
  readonly table: QueueTable
  readonly requests: QueueRequests
  readonly offsets: OffsetStore
  readonly subscriptions: Subscriptions
  /** What it wants of a topic now. */
  subscription(topic: string): SubscriptionData | undefined
  parts(): ConsumerParts
  isBalanced(): boolean
  /** Closes a queue and opens it again. */
  reopen(assigned: AssignedQueue): Promise<void>
  /** Divides the queues anew, and opens those that are missing. */
  rebalance(): Promise<void>
  emit<K extends keyof CareEvents>(event: K, payload: CareEvents[K][0]): void
  report(error: unknown, what: string): void
}

const WATCHDOG_INTERVAL = 5_000
/** Java waits so long for the handlers of queues whose offsets are reset. */
const RESET_TIMEOUT = 10_000

/** Looks after a consumer: answers consoles, has a watchdog, knows the lag. */
export class ConsumerCare {
  readonly #consumer: CaredConsumer
  readonly #console: ConsoleRequests
  readonly #lagSource: LagSource
  readonly #stopping = new AbortController()
  #watchdog: Watchdog | undefined
  #lagTimer: NodeJS.Timeout | undefined
  #isReporting = false
  #startTimestamp = 0

  constructor(consumer: CaredConsumer) {
    this.#consumer = consumer
    this.#console = this.#consoleRequests()
    this.#lagSource = this.#makeLagSource()
  }

  /** Answers to consoles, by request code. */
  handlers(): ConsumerRequestHandlers {
    return this.#console.handlers()
  }

  start(): void {
    const { lagReportInterval } = this.#consumer.options
    this.#startTimestamp = Date.now()
    this.#watchdog = this.#makeWatchdog()
    this.#watchdog.start()
    if (lagReportInterval > 0) this.#lagTimer = setInterval(() => void this.#reportLag(), lagReportInterval).unref()
  }

  /** Ends timers. */
  stop(): void {
    this.#stopping.abort()
    this.#watchdog?.stop()
    clearInterval(this.#lagTimer)
  }

  /** The queues that stand still now, with the names that servers know. */
  get stalled(): readonly QueueStall[] {
    return this.#watchdog?.stalled ?? []
  }

  lag(wait: WaitOptions): Promise<ConsumerLag> {
    return consumerLag(this.#lagSource, wait)
  }

  async #reportLag(): Promise<void> {
    if (this.#isReporting) return
    this.#isReporting = true
    const { signal } = this.#stopping
    try {
      this.#consumer.emit('lag', await this.lag({ signal }))
    } catch (error) {
      if (!signal.aborted) this.#consumer.report(error, 'the lag is not known')
    } finally {
      this.#isReporting = false
    }
  }

  #consoleRequests(): ConsoleRequests {
    const consumer = this.#consumer
    return new ConsoleRequests({
      namespace: consumer.client.namespace,
      logger: consumer.client.logger,
      isOrderly: consumer.isOrderly,
      get maxMessageSize() {
        return consumer.parts().maxMessageSize
      },
      get consumeDirectly() {
        return consumer.parts().consumeDirectly
      },
      queues: () => consumer.table.values(),
      resetOffsets: (offsets) => this.#resetOffsets(offsets),
      runningInfo: (isInFlightWanted) => this.#runningInfo(isInFlightWanted),
    })
  }

  /** The queues are closed first, so that no message has two handlers at a time. */
  async #resetOffsets(offsets: readonly QueueOffset[]): Promise<void> {
    const resets = offsets.map((one) => this.#resetOffset(one))
    const isDone = await Promise.all(resets)
    if (isDone.includes(true)) await this.#consumer.rebalance()
  }

  async #resetOffset({ queue, offset: to }: QueueOffset): Promise<boolean> {
    const { table, offsets, report } = this.#consumer
    const assigned = table.get(queue)
    if (assigned === undefined || assigned.mode === 'POP' || assigned.state().commitOffset === to) return false
    await table.revoke(assigned, RESET_TIMEOUT, async () => {
      const from = assigned.state().commitOffset
      try {
        offsets.update(queue, to)
        await offsets.persist([queue])
      } catch (error) {
        report(error, `the offset store failed: the reset of ${queue.topic} to ${to} was not stored`)
      }
      this.#consumer.emit('offsetsReset', { queue: this.#toUser(queue), from, to })
    })
    return true
  }

  #runningInfo(isInFlightWanted: boolean): ConsumerRunningInfo {
    const { client, consumeType, isOrderly, options, subscriptions, table } = this.#consumer
    const parts = this.#consumer.parts()
    const source = {
      nameServers: client.nameServers.addresses,
      consumeType,
      isOrderly,
      startTimestamp: this.#startTimestamp,
      options: { ...groupJavaOptions(options), ...parts.options },
      consumeConcurrency: parts.consumeConcurrency,
      subscriptions: subscriptions.values(),
      queues: table.values(),
      status: (topic: string) => parts.status(topic),
    }
    return runningInfo(source, isInFlightWanted)
  }

  #makeWatchdog(): Watchdog {
    const consumer = this.#consumer
    const host = {
      queues: () => consumer.table.values(),
      isBalanced: () => consumer.isBalanced(),
      reopen: (assigned: AssignedQueue) => consumer.reopen(assigned),
      remindBrokers: () => consumer.client.heartbeat.remind(),
      onStalled: (stall: QueueStall) => this.#onStalled(stall),
      onRepaired: (stall: QueueStall, elapsed: number) => this.#onRepaired(stall, elapsed),
    }
    return new Watchdog(host, { pullTimeout: consumer.parts().pullTimeout, interval: WATCHDOG_INTERVAL })
  }

  #onStalled({ queue, reason, since }: QueueStall): void {
    const stall = { queue: this.#toUser(queue), reason, since }
    this.#consumer.client.logger.warn('a queue stands still', stall)
    this.#consumer.emit('queueStalled', stall)
  }

  #onRepaired({ queue, reason, since }: QueueStall, elapsed: number): void {
    const stall = { queue: this.#toUser(queue), reason, since, elapsed: Math.round(elapsed) }
    this.#consumer.client.logger.info('a queue that stood still goes on', stall)
    this.#consumer.emit('queueRepaired', stall)
  }

  #makeLagSource(): LagSource {
    const { client, wireGroup: consumerGroup, table, requests, offsets } = this.#consumer
    return {
      namespace: client.namespace,
      queues: () => table.values(),
      subscription: (topic) => this.#consumer.subscription(topic),
      queuesOf: (topic, brokerName) =>
        (client.routes.cached(topic)?.subscribeQueues ?? []).filter((queue) => queue.brokerName === brokerName),
      maxOffset: (queue, wait) => requests.maxOffset(queue, wait),
      consumerOffset: (queue, wait) => offsets.read(queue, wait),
      peek: async (queue, subscription, offset, { timeout = client.options.requestTimeout, signal }) => {
        const { result, remark } = await requests.pullOnce({
          consumerGroup,
          queue,
          subscription,
          subVersion: 0,
          postSubscription: true,
          offset,
          maxNums: 1,
          suspendTimeoutMillis: 0,
          timeout,
          signal,
          maxBodySize: this.#consumer.parts().maxMessageSize,
          isLite: false,
        })
        // Brokers tell of a reset once, whoever pulls next.
        if (result.pullStatus === 'OFFSET_ILLEGAL' && remark === OFFSET_RESET) {
          this.#console.reset([{ queue, offset: result.nextBeginOffset }])
        }
        return result
      },
    }
  }

  #toUser(queue: MessageQueue): MessageQueue {
    return this.#consumer.client.namespace.unwrapQueue(queue)
  }
}
