import type { ProcessQueue } from './process-queue.js'

/** How much may be pulled ahead of what handlers finish. @see DefaultMQPushConsumer */
export interface PullLimits {
  /** Messages of one pull. */
  readonly pullBatchSize: number
  /** Messages of one queue. */
  readonly pullThresholdForQueue: number
  /** Bytes of bodies of one queue. */
  readonly pullThresholdSizeForQueue: number
  /** Messages of all queues of one topic; −1: no such limit. */
  readonly pullThresholdForTopic: number
  /** Bytes of bodies of all queues of one topic; −1: no such limit. */
  readonly pullThresholdSizeForTopic: number
  /** Offsets from a queue's oldest unfinished message to its newest one; undefined: no such limit. */
  readonly consumeConcurrentlyMaxSpan: number | undefined
  /**
   * Messages of all queues of one topic that wait for a handler; undefined: no such limit. Who has more of them gains no speed, but what lies long is moved about by
   * the garbage collector: that was half of all that a message costs.
   */
  readonly readAhead: number | undefined
}

/**
 * How many messages the next pull may ask for; 0: it has to wait.
 *
 * A queue that was full waits until there is room for a whole pull, so that a slow handler doesn't cause a pull for each message.
 *
 * @param ownQueues - How many queues of the topic this consumer has: they share the topic's limits.
 */
export function pullRoom(processQueue: ProcessQueue, limits: PullLimits, ownQueues: number): number {
  const { count } = processQueue
  const limit = shareOf(limits.pullThresholdForTopic, limits.pullThresholdForQueue, ownQueues)
  const room = limit - count
  if (count > 0) {
    if (room < Math.min(limits.pullBatchSize, Math.max(1, limit >> 1))) return 0
    if (processQueue.bytes >= shareOf(limits.pullThresholdSizeForTopic, limits.pullThresholdSizeForQueue, ownQueues))
      return 0
    const { consumeConcurrentlyMaxSpan: maxSpan, readAhead } = limits
    if (readAhead !== undefined) {
      const ahead = Math.max(limits.pullBatchSize, Math.floor(readAhead / Math.max(1, ownQueues)))
      if (processQueue.waitingCount >= ahead) return 0
    }
    if (maxSpan !== undefined && processQueue.span > maxSpan) return 0
  }
  return Math.min(limits.pullBatchSize, room)
}

/** @see RebalancePushImpl.messageQueueChanged */
function shareOf(ofTopic: number, ofQueue: number, ownQueues: number): number {
  return ofTopic < 0 ? ofQueue : Math.max(1, Math.floor(ofTopic / Math.max(1, ownQueues)))
}
