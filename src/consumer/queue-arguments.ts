import { ClientError, shown } from '../errors.js'
import type { MessageQueue } from '../message/message.js'

/** A queue that a user gave. @throws {@link ClientError} `INVALID_ARGUMENT`. */
export function checkMessageQueue(queue: unknown): MessageQueue {
  const { topic, brokerName, queueId } = (queue ?? {}) as Partial<MessageQueue>
  const hasNames = typeof topic === 'string' && typeof brokerName === 'string'
  if (hasNames && Number.isInteger(queueId) && Number(queueId) >= 0) return queue as MessageQueue
  throw new ClientError('INVALID_ARGUMENT', `queue is ${shown(queue)}, { topic, brokerName, queueId } expected`)
}

/** A queue offset that a user gave. @throws {@link ClientError} `INVALID_ARGUMENT`. */
export function checkOffset(offset: unknown): number {
  if (typeof offset === 'number' && Number.isSafeInteger(offset) && offset >= 0) return offset
  throw new ClientError('INVALID_ARGUMENT', `offset is ${shown(offset)}, a whole number from 0 on expected`)
}

/** A time that a user gave. @throws {@link ClientError} `INVALID_ARGUMENT`. */
export function checkTimestamp(timestamp: unknown): number {
  if (typeof timestamp === 'number' && Number.isSafeInteger(timestamp)) return timestamp
  throw new ClientError('INVALID_ARGUMENT', `timestamp is ${shown(timestamp)}, ms since the epoch expected`)
}
