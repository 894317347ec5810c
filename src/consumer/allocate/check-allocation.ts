import type { Namespace } from '../../client/namespace.js'
import { ClientError, shown } from '../../errors.js'
import type { MessageQueue } from '../../message/message.js'
import { messageQueueKey } from '../../message/message-queue.js'

/**
 * A strategy's result as queues of the route, each once. Its queues may have their topic with or without the namespace.
 *
 * @throws {@link ClientError} `INVALID_ALLOCATION` for anything else: strategies may be users'.
 */
export function checkAllocation(
  allocated: unknown,
  queues: readonly MessageQueue[],
  namespace: Namespace,
): MessageQueue[] {
  if (!Array.isArray(allocated)) throw invalidAllocation(allocated)
  const known = new Map(queues.map((queue) => [messageQueueKey(queue), queue]))
  const checked = new Set<MessageQueue>()
  for (const queue of allocated) {
    if (typeof queue?.topic !== 'string') throw invalidAllocation(queue)
    const found = known.get(messageQueueKey(queue)) ?? known.get(messageQueueKey(namespace.wrapQueue(queue)))
    if (found === undefined) throw invalidAllocation(queue)
    checked.add(found)
  }
  return [...checked]
}

function invalidAllocation(value: unknown): ClientError {
  const problem = `it gave ${shown(value)}: a list of queues out of those that it was given is expected`
  return new ClientError('INVALID_ALLOCATION', problem)
}
