import { ClientError, shown } from '../../errors.js'
import type { MessageQueue } from '../../message/message.js'
import { type AllocateMessageQueueStrategy, named } from './allocate-message-queue-strategy.js'

/**
 * Only the queues of brokers in the given machine rooms: those named `room@broker`. What can't be divided evenly goes to the first members, from the end of the list.
 *
 * @throws {@link ClientError} `INVALID_ARGUMENT` for what is no list of names.
 * @see AllocateMessageQueueByMachineRoom
 */
export function allocateByMachineRoom(rooms: readonly string[]): AllocateMessageQueueStrategy {
  if (!Array.isArray(rooms) || !rooms.every((room) => typeof room === 'string')) {
    throw new ClientError('INVALID_ARGUMENT', `rooms is ${shown(rooms)}, a list of names expected`)
  }
  const wanted = new Set<string | undefined>(rooms)
  return named('MACHINE_ROOM', (_group, currentClientId, queues, clientIds): MessageQueue[] => {
    const index = clientIds.indexOf(currentClientId)
    if (index < 0) return []
    const near = queues.filter(({ brokerName }) => wanted.has(roomOf(brokerName)))
    const share = Math.floor(near.length / clientIds.length)
    const rest = near.slice(share * clientIds.length)
    return [...near.slice(share * index, share * (index + 1)), ...rest.slice(index, index + 1)]
  })
}

/** What stands before the only `@` of a name; undefined for a name of another form. */
function roomOf(brokerName: string): string | undefined {
  let end = brokerName.length
  while (brokerName[end - 1] === '@') end--
  const [room, broker, more] = brokerName.slice(0, end).split('@', 3)
  return broker === undefined || more !== undefined ? undefined : room
}
