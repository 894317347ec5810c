import { ClientError, shown } from '../../errors.js'
import type { MessageQueue } from '../../message/message.js'
import { type AllocateMessageQueueStrategy, named } from './allocate-message-queue-strategy.js'

/**
 * Always these queues, whoever else is in the group. Topics may be given without their namespace.
 *
 * @throws {@link ClientError} `INVALID_ARGUMENT` for what is no list of queues.
 * @see AllocateMessageQueueByConfig
 */
export function allocateByConfig(queues: readonly MessageQueue[]): AllocateMessageQueueStrategy {
  if (!Array.isArray(queues) || !queues.every(isMessageQueue)) {
    throw new ClientError('INVALID_ARGUMENT', `queues is ${shown(queues)}, a list of queues expected`)
  }
  const configured: readonly MessageQueue[] = queues.map(({ topic, brokerName, queueId }) => ({
    topic,
    brokerName,
    queueId,
  }))
  return named('CONFIG', (_group, _currentClientId, known): MessageQueue[] => {
    const topic = known[0]?.topic
    return configured.filter((queue) => queue.topic === topic || topic?.endsWith(`%${queue.topic}`))
  })
}

function isMessageQueue(value: unknown): value is MessageQueue {
  if (typeof value !== 'object' || value === null) return false
  const { topic, brokerName, queueId } = value as Partial<MessageQueue>
  return typeof topic === 'string' && typeof brokerName === 'string' && Number.isInteger(queueId)
}
