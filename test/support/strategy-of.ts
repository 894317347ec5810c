import { allocateAveragely } from '../../src/consumer/allocate/allocate-averagely.js'
import { allocateAveragelyByCircle } from '../../src/consumer/allocate/allocate-averagely-by-circle.js'
import { allocateByConfig } from '../../src/consumer/allocate/allocate-by-config.js'
import {
  allocateByConsistentHash,
  consistentHashAllocation,
} from '../../src/consumer/allocate/allocate-by-consistent-hash.js'
import { allocateByMachineRoom } from '../../src/consumer/allocate/allocate-by-machine-room.js'
import { allocateMachineRoomNearby } from '../../src/consumer/allocate/allocate-machine-room-nearby.js'
import type { AllocateMessageQueueStrategy } from '../../src/consumer/allocate/allocate-message-queue-strategy.js'
import type { JavaStrategy } from './oracle-consumer-verbs.js'

/** Our counterpart of an official strategy. */
export function strategyOf(strategy: JavaStrategy): AllocateMessageQueueStrategy {
  switch (strategy.name) {
    case 'AVG':
      return allocateAveragely
    case 'AVG_BY_CIRCLE':
      return allocateAveragelyByCircle
    case 'CONSISTENT_HASH': {
      const { virtualNodeCnt } = strategy
      return virtualNodeCnt === undefined ? allocateByConsistentHash : consistentHashAllocation(virtualNodeCnt)
    }
    case 'CONFIG':
      return allocateByConfig(strategy.messageQueueList)
    case 'MACHINE_ROOM':
      return allocateByMachineRoom(strategy.consumeridcs)
    case 'MACHINE_ROOM_NEARBY':
      return allocateMachineRoomNearby(strategyOf(strategy.inner), {
        brokerDeployIn: ({ brokerName }) => roomOf(strategy.brokerRoom, brokerName),
        consumerDeployIn: (clientId) => roomOf(strategy.consumerRoom, clientId),
      })
  }
}

function roomOf(pattern: string, text: string): string {
  return new RegExp(pattern).exec(text)?.[1] ?? ''
}
