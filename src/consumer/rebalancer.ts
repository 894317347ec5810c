import type { Client } from '../client/client.js'
import type { ClientWarning } from '../client/member.js'
import type { MessageModel } from '../client/subscription-data.js'
import { ClientError } from '../errors.js'
import type { MessageQueue } from '../message/message.js'
import { compareMessageQueues, messageQueueKey } from '../message/message-queue.js'
import { RETRY_TOPIC_PREFIX } from '../message/names.js'
import { monotonicNow, withDeadline } from '../remoting/deadline.js'
import { isDenied } from '../remoting/refusal.js'
import { inParallel } from '../route/in-parallel.js'
import { isTopicNotFound } from '../route/route-cache.js'
import type { TopicRoute } from '../route/topic-route.js'
import type { AllocateMessageQueueStrategy } from './allocate/allocate-message-queue-strategy.js'
import { checkAllocation } from './allocate/check-allocation.js'
import { GroupMembers } from './group-members.js'
import { handover } from './handover.js'
import type { QueueTable, WantedQueue } from './queue-table.js'
import { RebalanceSchedule } from './rebalance-schedule.js'
import type { ServerAssignment } from './server-assignment.js'

export interface RebalancerOptions {
  /** With its namespace. */
  readonly consumerGroup: string
  readonly messageModel: MessageModel
  /** Between two rebalances that nothing asks for, in milliseconds. */
  readonly interval: number
  readonly strategy: AllocateMessageQueueStrategy
  /** Where brokers divide the queues. */
  readonly serverAssignment: ServerAssignment | undefined
}

/** What a rebalance needs of its consumer. Topics have the names that servers know. */
export interface RebalancerHost {
  /** The topics subscribed to. */
  topics(): readonly string[]
  /** This member's queues of a topic are others now. */
  queuesChanged(topic: string, added: readonly MessageQueue[], removed: readonly MessageQueue[]): void
  /** A rebalance that changed something is over: brokers are to be told. */
  changed(topics: readonly string[]): void
  /** A rebalance that changed nothing is over. */
  unchanged(): void
  /** The group's offset of a queue as its store has it now. May reject. */
  storedOffset(queue: MessageQueue, timeout: number): Promise<number>
  /** How a topic's messages are fetched where brokers say it. */
  modesKnown(topic: string, modes: ReadonlySet<WantedQueue['mode']>): void
  report(error: unknown, what: string): void
  warn(warning: ClientWarning): void
}

/** After a rebalance that could not be finished, in milliseconds. */
const RETRY_DELAY = 1_000
const TOPICS_AT_ONCE = 8

/**
 * Divides the queues of the topics that a consumer subscribes to among the members of its group, and opens and closes this member's queues accordingly. Every member
 * does so for itself; all come to the same division, because they sort alike and use the same strategy.
 *
 * @see RebalanceImpl, RebalanceService
 */
export class Rebalancer {
  readonly #client: Client
  readonly #options: RebalancerOptions
  readonly #table: QueueTable
  readonly #host: RebalancerHost
  readonly #schedule = new RebalanceSchedule(() => this.#rebalance())
  readonly #groupMembers: GroupMembers
  readonly #stopping = new AbortController()
  /** By topic: since when it is looked for in vain. */
  readonly #missingSince = new Map<string, number>()
  /** What was said already, until it is right again. */
  readonly #told = new Set<string>()
  /** Topics whose brokers said last that no other member is in the group. */
  readonly #aloneIn = new Set<string>()
  #fixedQueues: readonly MessageQueue[] | undefined
  #isBalanced = false

  constructor(client: Client, options: RebalancerOptions, table: QueueTable, host: RebalancerHost) {
    this.#client = client
    this.#options = options
    this.#table = table
    this.#host = host
    this.#groupMembers = new GroupMembers(client, options.consumerGroup)
  }

  /** Whether the last rebalance could open all queues that this member shall have. */
  get isBalanced(): boolean {
    return this.#isBalanced
  }

  start(): void {
    this.#schedule.start()
  }

  /** Something changed: rebalance soon. */
  request(): void {
    this.#schedule.request()
  }

  /** Rebalances, and waits for the end of it. */
  run(): Promise<void> {
    return this.#schedule.run()
  }

  /** Opens and closes nothing any more. Resolves when the rebalance under way has ended. */
  stop(): Promise<void> {
    this.#stopping.abort()
    return this.#schedule.stop()
  }

  /** Has this member consume these queues, whoever else does; undefined: those that the group's division gives it. Resolves when it does. */
  setFixedQueues(queues: readonly MessageQueue[] | undefined): Promise<void> {
    this.#fixedQueues = queues
    return this.run()
  }

  /** Never rejects. */
  async #rebalance(): Promise<number> {
    const changed: string[] = []
    let delay = this.#options.interval
    const topics = this.#topics()
    await inParallel(topics, TOPICS_AT_ONCE, async (topic) => {
      const topicDelay = await this.#rebalanceTopic(topic, changed).catch((error: unknown) =>
        this.#onFailed(topic, error),
      )
      delay = Math.min(delay, topicDelay)
    })
    for (const topic of this.#table.topics) {
      if (!topics.includes(topic) && !this.#topics().includes(topic)) await this.#settle(topic, [], changed)
    }
    this.#isBalanced = delay === this.#options.interval
    if (changed.length > 0) this.#host.changed(changed)
    else this.#host.unchanged()
    return delay
  }

  #topics(): readonly string[] {
    const fixed = this.#fixedQueues
    return fixed === undefined ? this.#host.topics() : [...new Set(fixed.map(({ topic }) => topic))]
  }

  #onFailed(topic: string, error: unknown): number {
    if (this.#stopping.signal.aborted) return RETRY_DELAY
    const what = `the queues of topic ${topic} were not divided anew; this member keeps those that it has`
    if (isDenied(error)) {
      const key = `denied ${topic}`
      if (!this.#told.has(key)) this.#host.report(error, what)
      this.#told.add(key)
      return this.#options.interval / 2
    }
    this.#client.logger.warn(what, { error })
    return RETRY_DELAY
  }

  /** @returns in how many milliseconds to do it again at the latest. */
  async #rebalanceTopic(topic: string, changed: string[]): Promise<number> {
    const { interval } = this.#options
    const route = await this.#route(topic)
    if (route === undefined) return Math.min(interval, Math.max(RETRY_DELAY, this.#missingFor(topic)))
    const wanted = await this.#wanted(topic, route)
    this.#told.delete(`denied ${topic}`)
    if (wanted === undefined) return RETRY_DELAY
    if (wanted === 'KEEP') return interval
    // Static topics may have queues that no broker has now. They come by a change of the route.
    const reachable = wanted.filter(({ queue }) => route.brokerNameOf(queue) !== undefined)
    const isComplete = await this.#settle(topic, reachable, changed, route)
    return isComplete ? interval : RETRY_DELAY
  }

  /** @param route - None for a topic of which nothing is wanted any more. */
  async #settle(
    topic: string,
    wanted: readonly WantedQueue[],
    changed: string[],
    route?: TopicRoute,
  ): Promise<boolean> {
    const isWanted = () => route === undefined || this.#topics().includes(topic)
    const beforeOpening = async (missing: readonly WantedQueue[]) => {
      const free = await this.#handover(missing, topic)
      // While this waited, members may have come or gone.
      const isDoubtful = route !== undefined && this.#schedule.isRequested
      return isDoubtful ? await this.#stillWanted(free, topic, route) : free
    }
    const { added, removed, isComplete } = await this.#table.settle(topic, wanted, beforeOpening, isWanted)
    if (added.length + removed.length > 0) {
      changed.push(topic)
      this.#host.queuesChanged(topic, added, removed)
    }
    return isComplete
  }

  /** The topic's route; undefined while there is none. */
  async #route(topic: string): Promise<TopicRoute | undefined> {
    try {
      const route = await this.#untilStopped(this.#client.routes.route(topic))
      this.#missingSince.delete(topic)
      this.#told.delete(`missing ${topic}`)
      return route
    } catch (error) {
      if (!isTopicNotFound(error)) throw error
      if (!this.#missingSince.has(topic)) this.#missingSince.set(topic, monotonicNow())
      // Brokers make retry topics when they need them.
      if (!topic.startsWith(RETRY_TOPIC_PREFIX)) {
        const name = this.#client.namespace.unwrap(topic)
        const message = `topic ${name} does not exist, or no broker that has it is alive: nothing of it is consumed until it does`
        this.#tellOnce(`missing ${topic}`, { code: 'TOPIC_NOT_FOUND', topic: name, message })
      }
      return undefined
    }
  }

  #missingFor(topic: string): number {
    const now = monotonicNow()
    return now - (this.#missingSince.get(topic) ?? now)
  }

  /** The queues that this member shall have; undefined when that can't be said now, `'KEEP'` when it can't be said at all. */
  async #wanted(topic: string, route: TopicRoute): Promise<readonly WantedQueue[] | 'KEEP' | undefined> {
    const fixed = this.#fixedQueues
    if (fixed !== undefined) return pulled(fixed.filter((queue) => queue.topic === topic))
    if (this.#options.messageModel === 'BROADCASTING') return pulled(route.subscribeQueues)
    const { serverAssignment } = this.#options
    if (serverAssignment?.isSupported) {
      const assigned = await this.#untilStopped(serverAssignment.query(topic))
      if (serverAssignment.isSupported) {
        if (assigned === undefined) return undefined
        this.#host.modesKnown(topic, new Set(assigned.map(({ mode }) => mode)))
        return assigned
      }
      const name = this.#client.namespace.unwrap(topic)
      const message =
        'the brokers are too old to divide queues among consumers, or behind a proxy: the members do it themselves'
      this.#tellOnce('unsupported', { code: 'SERVER_ASSIGNMENT_UNSUPPORTED', topic: name, message })
    }
    return this.#allocate(topic, route)
  }

  async #allocate(topic: string, route: TopicRoute): Promise<readonly WantedQueue[] | 'KEEP' | undefined> {
    if (route.subscribeQueues.length === 0) return []
    const clientIds = await this.#untilStopped(this.#groupMembers.list(topic))
    this.#checkMembership(topic, clientIds)
    if (clientIds.length === 0) return undefined
    const { strategy, consumerGroup } = this.#options
    const { clientId, namespace } = this.#client
    const queues = [...route.subscribeQueues].sort(compareMessageQueues)
    try {
      return pulled(checkAllocation(strategy(consumerGroup, clientId, queues, clientIds), queues, namespace))
    } catch (error) {
      const what = `the strategy ${nameOf(strategy)} did not divide the queues of topic ${topic}; this member keeps those that it has`
      this.#host.report(error, what)
      return 'KEEP'
    }
  }

  #checkMembership(topic: string, clientIds: readonly string[]): void {
    const { clientId: own } = this.#client
    if (clientIds.length === 1 && clientIds[0] === own) this.#aloneIn.add(topic)
    else this.#aloneIn.delete(topic)
    if (clientIds.includes(own)) {
      this.#told.delete('not a member')
      return
    }
    const group = this.#client.namespace.unwrap(this.#options.consumerGroup)
    const name = this.#client.namespace.unwrap(topic)
    const message = `brokers take the heartbeats of this consumer, but do not count it among the group ${group}, so that it gets no queues of topic ${name}: if brokers create no groups (autoCreateSubscriptionGroup), create it there`
    this.#tellOnce('not a member', { code: 'NOT_A_MEMBER', topic: name, message })
  }

  /** Other members may have the topic's queues still. A member that is alone need not wait. */
  async #handover(missing: readonly WantedQueue[], topic: string): Promise<readonly WantedQueue[]> {
    const isShared = this.#options.messageModel === 'CLUSTERING' && this.#fixedQueues === undefined
    if (!isShared || this.#aloneIn.has(topic)) return missing
    // Members pop queues together.
    const shared = missing.filter(({ mode }) => mode === 'PULL').map(({ queue }) => queue)
    if (shared.length === 0) return missing
    const taken = await handover(shared, {
      readOffset: (queue, timeout) => this.#host.storedOffset(queue, timeout),
      isRequested: () => this.#schedule.isRequested,
      signal: this.#stopping.signal,
    })
    const free = new Set(taken)
    return missing.filter(({ queue, mode }) => mode === 'POP' || free.has(queue))
  }

  async #stillWanted(
    missing: readonly WantedQueue[],
    topic: string,
    route: TopicRoute,
  ): Promise<readonly WantedQueue[]> {
    const wanted = await this.#wanted(topic, route)
    if (wanted === 'KEEP') return missing
    const keys = new Set(wanted?.map(({ queue }) => messageQueueKey(queue)))
    return missing.filter(({ queue }) => keys.has(messageQueueKey(queue)))
  }

  #untilStopped<T>(promise: Promise<T>): Promise<T> {
    const stopped = () => new ClientError('CLOSED', 'rebalance')
    return withDeadline(promise, undefined, this.#stopping.signal, 'rebalance', stopped)
  }

  #tellOnce(key: string, warning: ClientWarning): void {
    if (this.#told.has(key)) return
    this.#told.add(key)
    this.#host.warn(warning)
  }
}

function pulled(queues: readonly MessageQueue[]): WantedQueue[] {
  return queues.map((queue) => ({ queue, mode: 'PULL' }))
}

function nameOf(strategy: AllocateMessageQueueStrategy): string {
  return strategy.strategyName ?? (strategy.name || 'allocateMessageQueueStrategy')
}
