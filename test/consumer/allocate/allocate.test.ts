import { describe, expect, it } from 'vitest'
import { allocateAveragely } from '../../../src/consumer/allocate/allocate-averagely.js'
import { allocateAveragelyByCircle } from '../../../src/consumer/allocate/allocate-averagely-by-circle.js'
import { allocateByConfig } from '../../../src/consumer/allocate/allocate-by-config.js'
import {
  allocateByConsistentHash,
  consistentHashAllocation,
} from '../../../src/consumer/allocate/allocate-by-consistent-hash.js'
import { allocateByMachineRoom } from '../../../src/consumer/allocate/allocate-by-machine-room.js'
import { allocateMachineRoomNearby } from '../../../src/consumer/allocate/allocate-machine-room-nearby.js'
import type { AllocateMessageQueueStrategy } from '../../../src/consumer/allocate/allocate-message-queue-strategy.js'
import { ClientError } from '../../../src/errors.js'
import type { MessageQueue } from '../../../src/message/message.js'
import { compareMessageQueues, messageQueueKey } from '../../../src/message/message-queue.js'
import { golden } from '../../codec/golden.js'
import type { JavaStrategy } from '../../support/oracle-consumer-verbs.js'
import { strategyOf } from '../../support/strategy-of.js'

interface AllocateCase {
  readonly strategy: JavaStrategy
  readonly name: string
  readonly topic: string
  readonly layout: Readonly<Record<string, number>>
  readonly clientIds: readonly string[]
  readonly results: readonly (readonly number[])[]
  readonly resultOfStranger: readonly number[]
}

const cases = golden<AllocateCase>('allocate')

function queuesOf(topic: string, layout: Readonly<Record<string, number>>): MessageQueue[] {
  const queues = Object.entries(layout).flatMap(([brokerName, count]) =>
    Array.from({ length: count }, (_, queueId) => ({ topic, brokerName, queueId })),
  )
  return queues.sort(compareMessageQueues)
}

/** Queues as places in the list of all. */
function places(allocated: readonly MessageQueue[], queues: readonly MessageQueue[]): number[] {
  const keys = queues.map(messageQueueKey)
  return allocated.map((queue) => keys.indexOf(messageQueueKey(queue)))
}

describe('the allocation strategies', () => {
  const names = [...new Set(cases.map(({ name }) => name))]

  it.each(names)('give each member the queues that Java gives it, in the same order: %s', (name) => {
    const ofName = cases.filter((one) => one.name === name)
    for (const { strategy, topic, layout, clientIds, results, resultOfStranger } of ofName) {
      const queues = queuesOf(topic, layout)
      const allocate = strategyOf(strategy)
      expect(allocate.strategyName).toBe(name)
      const own = clientIds.map((clientId) => places(allocate('group', clientId, queues, clientIds), queues))
      expect(own, JSON.stringify({ strategy, layout, clientIds })).toEqual(results)
      expect(places(allocate('group', '10.9.9.9@stranger', queues, clientIds), queues)).toEqual(resultOfStranger)
    }
    expect(ofName.length).toBeGreaterThan(40)
  })

  it('were compared for six kinds of strategies', () => {
    expect(names.sort()).toEqual([
      'AVG',
      'AVG_BY_CIRCLE',
      'CONSISTENT_HASH',
      'MACHINE_ROOM',
      'MACHINE_ROOM_NEARBY-AVG',
      'MACHINE_ROOM_NEARBY-AVG_BY_CIRCLE',
      'MACHINE_ROOM_NEARBY-CONSISTENT_HASH',
    ])
  })

  const dividing: readonly AllocateMessageQueueStrategy[] = [
    allocateAveragely,
    allocateAveragelyByCircle,
    allocateByConsistentHash,
    allocateByMachineRoom(['a', 'b', 'c']),
    allocateMachineRoomNearby(allocateAveragely, {
      brokerDeployIn: ({ brokerName }) => brokerName.slice(0, 1),
      consumerDeployIn: (clientId) => clientId.slice(-1),
    }),
  ]

  it.each(dividing)('give every queue to exactly one member, however many there are: $strategyName', (allocate) => {
    for (let members = 1; members <= 21; members += 4) {
      for (let queuesEach = 1; queuesEach <= 37; queuesEach += 6) {
        const queues = queuesOf('T', { 'a@1': queuesEach, 'b@1': queuesEach + 1, 'c@2': 2 })
        const clientIds = Array.from({ length: members }, (_, i) => `10.0.0.1@${i}-${'abcd'[i % 4]}`).sort()
        const all = clientIds.flatMap((clientId) => allocate('group', clientId, queues, clientIds))
        expect([...all].sort(compareMessageQueues), `${members} members, ${queues.length} queues`).toEqual(queues)
      }
    }
  })

  it('change nothing of what they are given', () => {
    const queues = Object.freeze(queuesOf('T', { 'a@1': 5 }))
    const clientIds = Object.freeze(['1-a', '2-b'])
    for (const allocate of dividing) allocate('group', '1-a', queues, clientIds)
    expect(queues).toHaveLength(5)
  })
})

describe('allocateByConfig', () => {
  const queues = queuesOf('T', { a: 4 })
  const some = [
    { topic: 'T', brokerName: 'a', queueId: 1 },
    { topic: 'U', brokerName: 'a', queueId: 0 },
    { topic: 'T', brokerName: 'a', queueId: 3 },
  ]

  it('gives the configured queues of the topic, whoever asks and whoever else is there', () => {
    const allocate = allocateByConfig(some)
    expect(places(allocate('group', 'x', queues, ['x', 'y']), queues)).toEqual([1, 3])
    expect(places(allocate('group', 'z', queues, ['x', 'y']), queues)).toEqual([1, 3])
    expect(allocate.strategyName).toBe('CONFIG')
  })

  it('finds a topic by its name without the namespace', () => {
    const allocate = allocateByConfig(some)
    expect(allocate('group', 'x', queuesOf('ns%T', { a: 4 }), ['x'])).toEqual([some[0], some[2]])
    expect(allocate('group', 'x', queuesOf('nsT', { a: 4 }), ['x'])).toEqual([])
  })

  it('is not changed by a change of the list that it was given', () => {
    const list = [{ topic: 'T', brokerName: 'a', queueId: 1 }]
    const allocate = allocateByConfig(list)
    list.pop()
    expect(allocate('group', 'x', queues, ['x'])).toHaveLength(1)
  })
})

describe('strategies with arguments', () => {
  it.each([
    ['queues that are no list', () => allocateByConfig('q' as never)],
    ['queues that are none', () => allocateByConfig([{ topic: 'T' }] as never)],
    ['rooms that are no list', () => allocateByMachineRoom('room' as never)],
    ['no inner strategy', () => allocateMachineRoomNearby(undefined as never, {} as never)],
    ['no resolver', () => allocateMachineRoomNearby(allocateAveragely, {} as never)],
    ['no virtual node', () => consistentHashAllocation(0)],
    ['half a virtual node', () => consistentHashAllocation(1.5)],
  ])('refuse %s', (_what, make) => {
    expect(make).toThrowError(ClientError)
  })

  it('read a name of very many @ once', () => {
    const hostile = { topic: 'T', brokerName: `${'@'.repeat(400_000)}x`, queueId: 0 }
    const near = { topic: 'T', brokerName: 'room@b@@', queueId: 0 }
    expect(allocateByMachineRoom(['room'])('g', 'x', [hostile, near], ['x'])).toEqual([near])
  })

  it('say which queue or member has no machine room', () => {
    const queues = queuesOf('T', { a: 1 })
    const nowhere = { brokerDeployIn: () => '', consumerDeployIn: () => 'r' }
    const allocate = allocateMachineRoomNearby(allocateAveragely, nowhere)
    expect(() => allocate('group', 'x', queues, ['x'])).toThrowError(/machine room of \{ topic: 'T'.* is ''/)
  })
})
