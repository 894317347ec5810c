import type { Namespace } from '../client/namespace.js'
import type { SubscriptionData } from '../client/subscription-data.js'
import { ClientError } from '../errors.js'
import type { MessageQueue } from '../message/message.js'
import { abortError, checkTimeout, monotonicNow, type WaitOptions } from '../remoting/deadline.js'
import { inParallel } from '../route/in-parallel.js'
import type { AssignedQueue } from './assigned-queue.js'
import type { PullResult } from './pull-result.js'

/** How far a consumer is behind with one of its queues. */
export interface QueueLag {
  readonly queue: MessageQueue
  /** The offset that the queue's next message will have. */
  readonly brokerOffset: number
  /** The offset before which everything is consumed. */
  readonly consumerOffset: number
  /** Messages that are not consumed, those included that the subscription does not want. */
  readonly diff: number
  /** When the oldest of them was stored, in ms since the epoch. Undefined when there is none, and when that can't be said. */
  readonly oldestUnconsumedTimestamp: number | undefined
  /** For how long that one has been waiting, in milliseconds by the clock of this host. */
  readonly age: number | undefined
}

/** How far a consumer is behind. */
export interface ConsumerLag {
  /** In RocketMQ's order. */
  readonly queues: readonly QueueLag[]
  /** Of all these queues. */
  readonly diff: number
  /** Of the message that has been waiting for the longest time; 0 when there is none. */
  readonly age: number
  /** Queues that are missing in the sums, because their brokers did not answer. */
  readonly failures: readonly { readonly queue: MessageQueue; readonly error: Error }[]
}

/** What the lag is made of. Queues are as servers know them. */
export interface LagSource {
  readonly namespace: Namespace
  queues(): readonly AssignedQueue[]
  subscription(topic: string): SubscriptionData | undefined
  /** The queues of a topic on a broker. */
  queuesOf(topic: string, brokerName: string): readonly MessageQueue[]
  maxOffset(queue: MessageQueue, wait: WaitOptions): Promise<number>
  /** The group's offset of a queue that is popped; −1 for none. */
  consumerOffset(queue: MessageQueue, wait: WaitOptions): Promise<number>
  /** Up to one message at this offset or behind it, as it is wanted; nothing is waited for. */
  peek(queue: MessageQueue, subscription: SubscriptionData, offset: number, wait: WaitOptions): Promise<PullResult>
}

const QUEUES_AT_ONCE = 16

/** A queue to look at; the brokers know how far a group is with one that is popped. */
interface Candidate {
  readonly queue: MessageQueue
  readonly assigned: AssignedQueue | undefined
}

/**
 * Asks the brokers where the queues end, and compares.
 *
 * @param wait - `timeout`: for all of it. What is not answered by then is among the failures.
 * @throws {@link ClientError} `ABORTED`.
 */
export async function consumerLag(source: LagSource, wait: WaitOptions): Promise<ConsumerLag> {
  checkTimeout(wait.timeout)
  const startedAt = monotonicNow()
  const queues = new Map<Candidate, QueueLag>()
  const failures: { queue: MessageQueue; error: Error }[] = []
  const candidates = source.queues().flatMap((assigned) => candidatesOf(assigned, source))
  await inParallel(candidates, QUEUES_AT_ONCE, async (candidate) => {
    try {
      queues.set(candidate, await queueLag(candidate, source, () => remaining(wait, startedAt)))
    } catch (error) {
      if (wait.signal?.aborted) throw abortError('lag', wait.signal)
      const fault = error instanceof Error ? error : new Error(String(error))
      failures.push({ queue: source.namespace.unwrapQueue(candidate.queue), error: fault })
    }
  })
  const known = candidates.flatMap((candidate) => queues.get(candidate) ?? [])
  return {
    queues: known,
    diff: known.reduce((sum, { diff }) => sum + diff, 0),
    age: known.reduce((most, { age = 0 }) => Math.max(most, age), 0),
    failures,
  }
}

function candidatesOf(assigned: AssignedQueue, source: LagSource): Candidate[] {
  const { queue, mode } = assigned
  if (mode === 'PULL') return [{ queue, assigned }]
  // Popped together, as brokers divide them.
  const queues = queue.queueId >= 0 ? [queue] : source.queuesOf(queue.topic, queue.brokerName)
  return queues.map((one) => ({ queue: one, assigned: undefined }))
}

function remaining({ timeout, signal }: WaitOptions, startedAt: number): WaitOptions {
  if (timeout === undefined) return { signal }
  const left = timeout - (monotonicNow() - startedAt)
  if (left > 0) return { timeout: left, signal }
  throw new ClientError('LAG_UNKNOWN', `lag: no answer within ${timeout} ms`, { retryable: true })
}

async function queueLag(candidate: Candidate, source: LagSource, wait: () => WaitOptions): Promise<QueueLag> {
  const { queue, assigned } = candidate
  const maxOffset = await source.maxOffset(queue, wait())
  // Read after the end of the queue, so that it is not ahead of it; yet consuming goes on.
  const state = assigned?.state()
  const consumerOffset = state?.commitOffset ?? (await source.consumerOffset(queue, wait()))
  const offset = consumerOffset < 0 ? maxOffset : consumerOffset
  const brokerOffset = Math.max(maxOffset, offset)
  const diff = brokerOffset - offset
  const oldest =
    diff === 0 ? undefined : (state?.oldestStoreTimestamp ?? (await oldestAt(queue, offset, source, wait())))
  return {
    queue: source.namespace.unwrapQueue(queue),
    brokerOffset,
    consumerOffset: offset,
    diff,
    oldestUnconsumedTimestamp: oldest,
    age: oldest === undefined ? undefined : Math.max(0, Date.now() - oldest),
  }
}

async function oldestAt(
  queue: MessageQueue,
  offset: number,
  source: LagSource,
  wait: WaitOptions,
): Promise<number | undefined> {
  const subscription = source.subscription(queue.topic)
  if (subscription === undefined) return undefined
  try {
    const { messages } = await source.peek(queue, subscription, offset, wait)
    return messages[0]?.storeTimestamp
  } catch (error) {
    if (wait.signal?.aborted) throw error
    // How many there are is known all the same.
    return undefined
  }
}
