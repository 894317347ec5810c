import type { MessageQueue } from '../../message/message.js'
import { named } from './allocate-message-queue-strategy.js'

/**
 * Queues dealt out like cards: the first to the first member, the second to the second.
 *
 * @see AllocateMessageQueueAveragelyByCircle
 */
export const allocateAveragelyByCircle = named(
  'AVG_BY_CIRCLE',
  (_group, currentClientId, queues, clientIds): MessageQueue[] => {
    const index = clientIds.indexOf(currentClientId)
    if (index < 0) return []
    return queues.filter((_queue, i) => i % clientIds.length === index)
  },
)
