import type { MessageQueue } from '../../message/message.js'
import { named } from './allocate-message-queue-strategy.js'

/**
 * Neighbouring queues to each member, the remaining ones to the first members. The default.
 *
 * @see AllocateMessageQueueAveragely
 */
export const allocateAveragely = named('AVG', (_group, currentClientId, queues, clientIds): MessageQueue[] => {
  const index = clientIds.indexOf(currentClientId)
  if (index < 0) return []
  const rest = queues.length % clientIds.length
  const share = Math.floor(queues.length / clientIds.length)
  const start = index * share + Math.min(index, rest)
  return queues.slice(start, start + share + (index < rest ? 1 : 0))
})
