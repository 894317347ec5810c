import { ClientError, shown } from '../../errors.js'
import type { MessageQueue } from '../../message/message.js'
import { type AllocateMessageQueueStrategy, named } from './allocate-message-queue-strategy.js'

/** Says in which machine room something is. */
export interface MachineRoomResolver {
  /** The room of the broker that has a queue: any name that is not empty. Names of topics have their namespace. */
  brokerDeployIn(queue: MessageQueue): string
  /** The room of a member. */
  consumerDeployIn(clientId: string): string
}

/**
 * The queues of a machine room to the members in it; those of rooms without a member to all. Within that, `strategy` divides.
 *
 * @throws {@link ClientError} `INVALID_ARGUMENT` for what is no strategy or no resolver.
 * @see AllocateMachineRoomNearby
 */
export function allocateMachineRoomNearby(
  strategy: AllocateMessageQueueStrategy,
  resolver: MachineRoomResolver,
): AllocateMessageQueueStrategy {
  if (typeof strategy !== 'function')
    throw new ClientError('INVALID_ARGUMENT', `strategy is ${shown(strategy)}, a function expected`)
  if (typeof resolver?.brokerDeployIn !== 'function' || typeof resolver.consumerDeployIn !== 'function') {
    const problem = `resolver is ${shown(resolver)}, an object with brokerDeployIn and consumerDeployIn expected`
    throw new ClientError('INVALID_ARGUMENT', problem)
  }
  const name = `MACHINE_ROOM_NEARBY-${strategy.strategyName ?? strategy.name}`
  return named(name, (group, currentClientId, queues, clientIds): MessageQueue[] => {
    if (!clientIds.includes(currentClientId)) return []
    const queuesByRoom = groupBy(queues, (queue) => resolver.brokerDeployIn(queue))
    const clientIdsByRoom = groupBy(clientIds, (clientId) => resolver.consumerDeployIn(clientId))
    const ownRoom = resolver.consumerDeployIn(currentClientId)
    const near = queuesByRoom.get(ownRoom) ?? []
    const neighbours = clientIdsByRoom.get(ownRoom) ?? []
    const result = near.length === 0 ? [] : [...strategy(group, currentClientId, near, neighbours)]
    for (const room of [...queuesByRoom.keys()].sort()) {
      if (room === ownRoom || clientIdsByRoom.has(room)) continue
      result.push(...strategy(group, currentClientId, queuesByRoom.get(room) ?? [], clientIds))
    }
    return result
  })
}

function groupBy<T>(values: readonly T[], roomOf: (value: T) => unknown): Map<string, T[]> {
  const byRoom = new Map<string, T[]>()
  for (const value of values) {
    const room = roomOf(value)
    if (typeof room !== 'string' || room === '') {
      throw new ClientError(
        'INVALID_ARGUMENT',
        `the machine room of ${shown(value)} is ${shown(room)}, a name expected`,
      )
    }
    const known = byRoom.get(room)
    if (known === undefined) byRoom.set(room, [value])
    else known.push(value)
  }
  return byRoom
}
