import type { Namespace } from '../client/namespace.js'
import { ClientError, shown } from '../errors.js'
import { javaHashCode } from '../message/java-hash.js'
import type { Message, MessageQueue } from '../message/message.js'
import { isSameMessageQueue } from '../message/message-queue.js'
import type { TopicRoute } from '../route/topic-route.js'

/** Chooses one of the topic's queues for a message. The list is in the order of broker name and queue id. */
export type MessageQueueSelector = (queues: readonly MessageQueue[], message: Message) => MessageQueue

/** How the caller of a send chooses its queue; without any of them, queues take turns. */
export interface QueueChoice {
  /** Send to this queue and no other. */
  queue?: MessageQueue
  /** Chooses the queue; then no other is tried. */
  selector?: MessageQueueSelector
  /** Chooses the queue by Java's hash of this key; the message's own `shardingKey` does too. */
  shardingKey?: string
}

/**
 * The queue that the caller chose; undefined when queues are to take turns.
 *
 * @param messageShardingKey - Of the message, used where the options have none.
 * @throws {@link ClientError} `INVALID_ARGUMENT`.
 */
export function chooseQueue(
  route: TopicRoute,
  message: Message,
  messageShardingKey: string | undefined,
  choice: QueueChoice,
  namespace: Namespace,
): MessageQueue | undefined {
  const { queue, selector, shardingKey = messageShardingKey } = choice
  if (queue !== undefined) return checkQueue(inNamespace(queue, namespace), route.publishQueues, 'option queue')
  if (selector !== undefined) {
    const { publishQueues } = route
    const queues =
      namespace.name === undefined ? publishQueues : publishQueues.map((each) => namespace.unwrapQueue(each))
    const chosen = callSelector(selector, queues, message)
    return publishQueues[queues.indexOf(chosen)]
  }
  return shardingKey === undefined ? undefined : selectByHash(route.publishQueues, shardingKey)
}

/** What the user gives is not checked yet. */
function inNamespace(queue: MessageQueue, namespace: Namespace): MessageQueue {
  const isQueue = typeof queue === 'object' && queue !== null && typeof queue.topic === 'string'
  return isQueue ? namespace.wrapQueue(queue) : queue
}

/**
 * The queue that Java chooses for the same key, so that producers in both languages keep one order.
 *
 * @throws {@link ClientError} `INVALID_ARGUMENT` for a key that is no text: a number would have the hash of nothing.
 * @see SelectMessageQueueByHash
 */
export function selectByHash(queues: readonly MessageQueue[], key: string): MessageQueue | undefined {
  if (typeof key !== 'string' || key === '') {
    throw new ClientError('INVALID_ARGUMENT', `shardingKey is ${shown(key)}, a text is expected`)
  }
  return queues[Math.abs(javaHashCode(key) % queues.length)]
}

/**
 * Calls a selector of the user and holds it to the topic's queues.
 *
 * @throws {@link ClientError} `INVALID_ARGUMENT` when it returns something else; what it throws is the cause of the error.
 */
export function callSelector(
  selector: MessageQueueSelector,
  queues: readonly MessageQueue[],
  message: Message,
): MessageQueue {
  let chosen: unknown
  try {
    chosen = selector(queues, message)
  } catch (cause) {
    throw new ClientError('INVALID_ARGUMENT', `the queue selector threw: ${shown(cause)}`, { cause })
  }
  return checkQueue(chosen as MessageQueue, queues, 'the queue that the selector returned')
}

/** @throws {@link ClientError} `INVALID_ARGUMENT` when the queue is none of the topic's. */
export function checkQueue(queue: MessageQueue, queues: readonly MessageQueue[], what: string): MessageQueue {
  const found =
    typeof queue === 'object' && queue !== null ? queues.find((known) => isSameMessageQueue(known, queue)) : undefined
  if (found !== undefined) return found
  const known = queues.slice(0, 8).map((each) => `${each.brokerName}:${each.queueId}`)
  const more = queues.length > 8 ? `, ... (${queues.length})` : ''
  throw new ClientError(
    'INVALID_ARGUMENT',
    `${what}, ${shown(queue)}, is no queue that this topic can be sent to; it has ${known.join(', ')}${more}`,
  )
}
