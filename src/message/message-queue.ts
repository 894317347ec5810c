import type { MessageQueue } from './message.js'

/** The text that Java's `MessageQueue.toString` gives: unique per queue, and what the consistent hash hashes. */
export function messageQueueKey(queue: MessageQueue): string {
  return `MessageQueue [topic=${queue.topic}, brokerName=${queue.brokerName}, queueId=${queue.queueId}]`
}

/** RocketMQ's order of queues: topic, broker name, queue id (`MessageQueue.compareTo`). */
export function compareMessageQueues(a: MessageQueue, b: MessageQueue): number {
  if (a.topic !== b.topic) return a.topic < b.topic ? -1 : 1
  if (a.brokerName !== b.brokerName) return a.brokerName < b.brokerName ? -1 : 1
  return a.queueId - b.queueId
}

export function isSameMessageQueue(a: MessageQueue, b: MessageQueue): boolean {
  return a.queueId === b.queueId && a.brokerName === b.brokerName && a.topic === b.topic
}
