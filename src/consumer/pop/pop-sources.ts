import { randomUUID } from 'node:crypto'
import type { Client } from '../../client/client.js'
import { DrainWaiters } from '../../client/drain-waiters.js'
import type { SubscriptionData } from '../../client/subscription-data.js'
import { ClientError } from '../../errors.js'
import { ALL_QUEUES } from '../../remoting/commands/pop.js'
import { monotonicNow, type WaitOptions, withDeadline } from '../../remoting/deadline.js'
import type { PoppedMessage, PopRequest, PopRequests } from './pop-requests.js'
import type { PopSource } from './pop-source.js'
import { PopTopics } from './pop-topics.js'
import { WorkUnderWay } from './work-under-way.js'

export interface PopSourcesOptions {
  readonly initMode: PopRequest['initMode']
  readonly isOrder: boolean
  readonly maxBodySize: number
  /** For a request that does not wait at the broker, in milliseconds. */
  readonly requestTimeout: number
}

export interface PopSourcesHost {
  subscriptions(): readonly SubscriptionData[]
  report(error: unknown, what: string): void
  warn(what: string, fields: object): void
}

/** What a `receive` wants. */
export interface ReceiveRequest {
  readonly maxMessages: number
  readonly invisibleDuration: number
  /** How long to wait when there is nothing, in milliseconds. */
  readonly timeout: number
  readonly signal: AbortSignal | undefined
  /** Whether there are messages already, so that none need be popped. */
  readonly hasOthers: () => boolean
  /** What was popped when nobody waited for it any more. */
  readonly onLate: (messages: PoppedMessage[], subscription: SubscriptionData) => void
}

/** What was popped of a topic. */
export interface Reception {
  readonly messages: PoppedMessage[]
  readonly subscription: SubscriptionData
}

/**
 * The longest that one question waits at a broker. Who waits there may be told of a message that he does not want any more, so that others who wait are not: they ask
 * again when theirs is over.
 */
const MAX_POLL_TIME = 5_000
/** Nobody waits for less: a timer may end a little early. */
const MIN_PAUSE = 1

/**
 * All brokers of all topics that a simple consumer pops. A broker that has messages is popped, the others are asked meanwhile to say when they have some: so it gets what
 * comes first, wherever it comes, and nothing is popped that nobody has asked for.
 */
export class PopSources {
  readonly #client: Client
  readonly #requests: PopRequests
  readonly #options: PopSourcesOptions
  readonly #host: PopSourcesHost
  readonly #topics: PopTopics
  readonly #changes = new DrainWaiters()
  readonly #pops = new WorkUnderWay()
  #cursor = 0
  #isEnded = false

  constructor(client: Client, requests: PopRequests, options: PopSourcesOptions, host: PopSourcesHost) {
    this.#client = client
    this.#requests = requests
    this.#options = options
    this.#host = host
    this.#topics = new PopTopics(client, () => this.wake())
  }

  /** Brokers that can't be popped now. */
  get faults(): { topic: string; brokerName: string; error: Error }[] {
    const { namespace } = this.#client
    return this.#all.flatMap(({ origin: { topic, brokerName }, fault: error }) => {
      return error === undefined ? [] : [{ topic: namespace.unwrap(topic), brokerName, error }]
    })
  }

  /**
   * Has brokers take down where the group begins with queues of which it has no offset: what is sent from now on it gets. Resolves when they have, or can't.
   *
   * @throws {@link ClientError} `ABORTED`.
   */
  async introduce(wait: WaitOptions): Promise<void> {
    const late = () => new ClientError('NOT_STARTED', 'brokers take long', { retryable: true })
    await this.#refresh(wait.signal)
    await this.#topics.settled(wait, late)
    const work = Promise.all(this.#all.map((source) => (source.isIntroduced ? undefined : this.#look(source, 0))))
    await withDeadline(work, wait.timeout, wait.signal, 'receive', late)
  }

  /**
   * Up to so many messages of one broker and topic; undefined when the time is over, or others are there.
   *
   * @throws {@link ClientError} `ABORTED`, `CLOSED`, `NOT_SUBSCRIBED`; what brokers answered, when none can be popped.
   */
  async receive(request: ReceiveRequest): Promise<Reception | undefined> {
    const { timeout, signal } = request
    const startedAt = monotonicNow()
    const deadline = startedAt + timeout
    while (!this.#isEnded) {
      await this.#refresh(signal)
      const found = request.hasOthers() ? undefined : await this.#popHot(request)
      if (found !== undefined || request.hasOthers()) return found
      this.#throwWhenAllFail(startedAt)
      const now = monotonicNow()
      if (now >= deadline && (this.#isLookedAt(startedAt) || now >= deadline + this.#options.requestTimeout))
        return undefined
      const rest = Math.max(0, deadline - now)
      const pause = this.#watch(Math.min(MAX_POLL_TIME, Math.ceil(rest)))
      const longest = rest > 0 ? rest : this.#options.requestTimeout
      await this.#pause(Math.min(pause, longest), signal)
    }
    throw new ClientError('CLOSED', 'receive: this consumer is shut down')
  }

  /** Ends what is waited for: nobody receives anything any more. */
  end(): void {
    this.#isEnded = true
    this.#changes.tell()
  }

  /** After {@link PopSources.end}: resolves when no pop is under way any more that could bring messages, or when the time is over. */
  drain(timeout: number): Promise<void> {
    return this.#pops.drain(timeout)
  }

  /** Ends the waits of those who receive: they look again. */
  wake(): void {
    this.#changes.tell()
  }

  async #popHot(request: ReceiveRequest): Promise<Reception | undefined> {
    for (let source = this.#nextHot(); source !== undefined && !this.#isEnded; source = this.#nextHot()) {
      const subscription = this.#subscriptionOf(source)
      if (subscription === undefined) return undefined
      const popping = this.#pop(source, subscription, request)
      this.#pops.add(popping)
      const messages = await withDeadline(popping, undefined, request.signal, 'receive', unused).catch(
        (error: unknown) => {
          // Brokers don't take a request back: what it brings is somebody else's.
          void popping.then((late) => request.onLate(late, subscription))
          throw error
        },
      )
      if (messages.length > 0) return { messages, subscription }
    }
    return undefined
  }

  /** Never rejects. What comes after the end is handed over as late. */
  async #pop(
    source: PopSource,
    subscription: SubscriptionData,
    { maxMessages, invisibleDuration, onLate }: ReceiveRequest,
  ): Promise<PoppedMessage[]> {
    // It is for one pop alone: two would get the same messages.
    const attemptId = this.#options.isOrder ? (source.lostAttempt ?? randomUUID()) : undefined
    source.lostAttempt = undefined
    try {
      const { messages, faults, status } = await this.#requests.pop(
        this.#popRequest(source, subscription, maxMessages, invisibleDuration, attemptId),
      )
      for (const fault of faults) this.#host.report(fault, 'a popped message can not be read; it comes again')
      source.popped(status === 'FOUND')
      if (!this.#isEnded) return messages
      onLate(messages, subscription)
      return []
    } catch (error) {
      source.lostAttempt = attemptId
      this.#onFailed(source, error)
      return []
    }
  }

  /** In turn, so that a broker or topic with many messages does not keep the others waiting. */
  #nextHot(): PopSource | undefined {
    const count = this.#all.length
    for (let i = 0; i < count; i++) {
      const source = this.#all[(this.#cursor + i) % count] as PopSource
      if (!source.isHot) continue
      this.#cursor = (this.#cursor + i + 1) % count
      return source
    }
    return undefined
  }

  /** Asks all others to say when they have messages. @returns when to look again at the latest, in milliseconds from now. */
  #watch(pollTime: number): number {
    const now = monotonicNow()
    let pause = Number.POSITIVE_INFINITY
    for (const source of this.#all) {
      if (source.watchedSince !== undefined) continue
      if (source.notBefore > now) pause = Math.min(pause, source.notBefore - now)
      else void this.#look(source, source.pollTime(pollTime))
    }
    return pause
  }

  /** Never rejects. */
  async #look(source: PopSource, pollTime: number): Promise<void> {
    const startedAt = monotonicNow()
    source.watchedSince = startedAt
    try {
      if (!source.isIntroduced) await this.#introduce(source)
      else {
        const timeout = pollTime + this.#options.requestTimeout
        const { origin, lostAttempt: attemptId } = source
        const request = { ...origin, pollTime, isOrder: this.#options.isOrder, attemptId, timeout }
        source.told(await this.#requests.hasMessages(request), pollTime, monotonicNow() - startedAt)
      }
    } catch (error) {
      this.#onFailed(source, error)
    }
    source.watchedSince = undefined
    this.#changes.tell()
  }

  /** A pop of no messages: it makes the broker take down where the group begins, and tells whether there is something. */
  async #introduce(source: PopSource): Promise<void> {
    const subscription = this.#subscriptionOf(source)
    if (subscription === undefined) return
    const { restNum } = await this.#requests.pop(this.#popRequest(source, subscription, 0, 1_000, undefined))
    source.isIntroduced = true
    source.told(restNum > 0, 0, 0)
  }

  #popRequest(
    { origin }: PopSource,
    subscription: SubscriptionData,
    maxMsgNums: number,
    invisibleTime: number,
    attemptId: string | undefined,
  ): PopRequest {
    const { initMode, isOrder, maxBodySize, requestTimeout: timeout } = this.#options
    const queueId = ALL_QUEUES
    return {
      ...origin,
      queueId,
      subscription,
      maxMsgNums,
      invisibleTime,
      pollTime: 0,
      initMode,
      isOrder,
      attemptId,
      timeout,
      maxBodySize,
    }
  }

  #subscriptionOf({ origin }: PopSource): SubscriptionData | undefined {
    return this.#host.subscriptions().find(({ topic }) => topic === origin.topic)
  }

  #onFailed(source: PopSource, error: unknown): void {
    // Those that wait at a broker when the consumer is shut down fail, too.
    if (!source.failed(error) || this.#isEnded) return
    const { topic, brokerName } = source.origin
    this.#host.warn(`broker ${brokerName} can't be popped now; it is tried again every second`, { topic, error })
    this.#client.routes.refreshSoon(topic)
  }

  #isLookedAt(since: number): boolean {
    return this.#all.every((source) => source.isLookedAt(since))
  }

  /** Who waits for messages shall not wait in vain. */
  #throwWhenAllFail(startedAt: number): void {
    const faults = this.#all.map((source) => (source.isLookedAt(startedAt) ? source.fault : undefined))
    const [first] = [...faults, ...this.#topics.faults]
    if (first !== undefined && faults.every((fault) => fault !== undefined)) throw first
    if (this.#host.subscriptions().length > 0) return
    throw new ClientError('NOT_SUBSCRIBED', 'receive: there is no topic to receive from; call subscribe() first')
  }

  /** Resolves when something is known that was not, or when the time is over. */
  async #pause(delay: number, signal: AbortSignal | undefined): Promise<void> {
    const changed = this.#changes.wait(Math.max(MIN_PAUSE, delay))
    await withDeadline(changed, undefined, signal, 'receive', unused)
  }

  #refresh(signal: AbortSignal | undefined): Promise<void> {
    const topics = this.#host.subscriptions().map(({ topic }) => topic)
    return this.#topics.refresh(topics, signal)
  }

  get #all(): readonly PopSource[] {
    return this.#topics.sources
  }
}

function unused(): Error {
  return new ClientError('ABORTED', 'receive')
}
