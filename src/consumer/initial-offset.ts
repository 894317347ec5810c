import { ClientError, shown } from '../errors.js'
import type { MessageQueue } from '../message/message.js'
import { messageQueueKey } from '../message/message-queue.js'
import { RETRY_TOPIC_PREFIX } from '../message/names.js'
import type { WaitOptions } from '../remoting/deadline.js'
import type { ConsumeFromWhere } from './group-consumer-options.js'
import type { OffsetStore } from './offset-store.js'

/** What brokers are asked for a queue of which the group has no offset. */
export interface OffsetRequests {
  maxOffset(queue: MessageQueue, options: WaitOptions): Promise<number>
  searchOffset(queue: MessageQueue, timestamp: number, options: WaitOptions): Promise<number>
}

export interface InitialOffsetOptions {
  readonly consumeFromWhere: ConsumeFromWhere
  /** In ms since the epoch. */
  readonly consumeTimestamp: number
}

/**
 * Where a member begins with a queue that it got: at the group's offset. Without one, `consumeFromWhere` says where; a retry topic is read from its beginning, so that no
 * message is lost that was given back before its first reader came. `FIRST` gives 0 also where older messages are gone: the first pull corrects it.
 *
 * Before all that, as Java's consumers do, the broker is let answer 0 for a queue so young that its first message is still in memory.
 *
 * @throws what the store or the broker throws: the queue can't be consumed then.
 * @see RebalancePushImpl.computePullFromWhereWithException
 */
export async function initialOffset(
  queue: MessageQueue,
  store: OffsetStore,
  requests: OffsetRequests,
  { consumeFromWhere, consumeTimestamp }: InitialOffsetOptions,
  wait: WaitOptions = {},
): Promise<number> {
  const stored = await store.read(queue, { ...wait, setZeroIfNotFound: true })
  if (!Number.isSafeInteger(stored)) {
    throw new ClientError('INVALID_OFFSET', `the offset store gave ${shown(stored)} for ${messageQueueKey(queue)}`)
  }
  if (stored >= 0) return stored
  const offset = await firstOffset(queue, requests, { consumeFromWhere, consumeTimestamp }, wait)
  // From now on the group has one: whoever gets the queue next misses nothing that comes meanwhile.
  store.update(queue, offset)
  return offset
}

async function firstOffset(
  queue: MessageQueue,
  requests: OffsetRequests,
  { consumeFromWhere, consumeTimestamp }: InitialOffsetOptions,
  wait: WaitOptions,
): Promise<number> {
  const isRetry = queue.topic.startsWith(RETRY_TOPIC_PREFIX)
  switch (consumeFromWhere) {
    case 'FIRST':
      return 0
    case 'LAST':
      return isRetry ? 0 : requests.maxOffset(queue, wait)
    case 'TIMESTAMP':
      return isRetry ? requests.maxOffset(queue, wait) : requests.searchOffset(queue, consumeTimestamp, wait)
  }
}
