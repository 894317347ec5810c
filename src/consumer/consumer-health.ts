import type { ClientHealth } from '../client/client.js'
import type { MessageQueue } from '../message/message.js'
import { messageQueueKey } from '../message/message-queue.js'
import type { AssignedQueue, QueueState } from './assigned-queue.js'

/** How a consumer is with one of its queues. Times are ms since the epoch, 0 for never. */
export interface QueueHealth {
  readonly queue: MessageQueue
  /** What would be committed now: before it, everything is consumed. */
  readonly commitOffset: number
  /** Messages that are not consumed yet, as of the last answer; undefined before the first. */
  readonly lag: number | undefined
  /** Messages that were fetched and are not consumed, those included that handlers have. */
  readonly cachedCount: number
  /** Messages that handlers have. */
  readonly inFlight: number
  /** When a pull or pop last began. */
  readonly lastPullTimestamp: number
  /** When a broker last answered one. */
  readonly lastAnswerTimestamp: number
  /** When a handler last ended, or messages of a poll or a loop were last consumed. */
  readonly lastConsumeTimestamp: number
  /** Why no messages can be fetched now. */
  readonly fault: Error | undefined
  /** The watchdog found that it stands still; or nothing was fetched, answered or consumed for two minutes, and no handler is at work. */
  readonly isStalled: boolean
}

/** The state of a consumer; for a readiness probe. */
export interface ConsumerHealth extends ClientHealth {
  /** Whether this member has all queues that its group's last division gave it. */
  readonly isBalanced: boolean
  readonly queues: readonly QueueHealth[]
  /** Those of them that stand still, and those that did and could not be opened again yet: none in a healthy consumer. */
  readonly stalled: readonly MessageQueue[]
  /** The message that a handler has had for the longest time. */
  readonly oldestInFlight: { readonly queue: MessageQueue; readonly msgId: string; readonly since: number } | undefined
  /** Of all queues. */
  readonly lag: number
  readonly cachedCount: number
  readonly inFlight: number
}

/** Java gives up a queue that was not pulled for so long. @see ProcessQueue.isPullExpired */
const STALLED_AFTER = 120_000

/**
 * @param client - Whether the client below is healthy, and the consumer runs.
 * @param toUser - Takes the namespace off a queue.
 * @param openedAt - Of a queue, in ms since the epoch.
 * @param found - Queues that stand still, as the watchdog has it.
 */
export function consumerHealth(
  client: ClientHealth,
  isBalanced: boolean,
  assigned: readonly AssignedQueue[],
  toUser: (queue: MessageQueue) => MessageQueue,
  openedAt: (assigned: AssignedQueue) => number,
  found: readonly MessageQueue[],
): ConsumerHealth {
  const now = Date.now()
  const states = assigned.map((one) => ({ state: one.state(), openedAt: openedAt(one) }))
  const foundKeys = new Set(found.map(messageQueueKey))
  const queues = states.map(({ state, openedAt }) => {
    const isFound = foundKeys.delete(messageQueueKey(state.queue))
    return queueHealth(state, toUser(state.queue), openedAt, now, isFound)
  })
  const missing = found.filter((queue) => foundKeys.has(messageQueueKey(queue)))
  const stalled = [...queues.filter(({ isStalled }) => isStalled).map(({ queue }) => queue), ...missing.map(toUser)]
  return {
    ...client,
    isHealthy: client.isHealthy && stalled.length === 0 && queues.every(({ fault }) => fault === undefined),
    isBalanced,
    queues,
    stalled,
    oldestInFlight: oldestOf(
      states.map(({ state }) => state),
      toUser,
    ),
    lag: sum(queues, (queue) => queue.lag ?? 0),
    cachedCount: sum(queues, (queue) => queue.cachedCount),
    inFlight: sum(queues, (queue) => queue.inFlight),
  }
}

function queueHealth(
  state: QueueState,
  queue: MessageQueue,
  openedAt: number,
  now: number,
  isFound: boolean,
): QueueHealth {
  const { commitOffset, maxOffset, cachedCount, inFlight } = state
  const { lastPullTimestamp, lastAnswerTimestamp, lastConsumeTimestamp } = state
  const lastSign = Math.max(openedAt, lastPullTimestamp, lastAnswerTimestamp, lastConsumeTimestamp)
  return {
    queue,
    commitOffset,
    lag: maxOffset === undefined ? undefined : Math.max(0, maxOffset - commitOffset),
    cachedCount,
    inFlight,
    lastPullTimestamp,
    lastAnswerTimestamp,
    lastConsumeTimestamp,
    fault: state.fault,
    isStalled: isFound || (inFlight === 0 && now - lastSign > STALLED_AFTER),
  }
}

function oldestOf(
  states: readonly QueueState[],
  toUser: (queue: MessageQueue) => MessageQueue,
): ConsumerHealth['oldestInFlight'] {
  let oldest: ConsumerHealth['oldestInFlight']
  for (const { queue, oldestInFlight } of states) {
    if (oldestInFlight === undefined || (oldest !== undefined && oldest.since <= oldestInFlight.since)) continue
    oldest = { queue: toUser(queue), ...oldestInFlight }
  }
  return oldest
}

function sum(queues: readonly QueueHealth[], of: (queue: QueueHealth) => number): number {
  return queues.reduce((total, queue) => total + of(queue), 0)
}
