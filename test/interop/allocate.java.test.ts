import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Oracle, startOracle } from '../support/oracle.js'
import type { JavaStrategy } from '../support/oracle-consumer-verbs.js'
import { strategyOf } from '../support/strategy-of.js'

const { ROCKETMQ_VERSION = '5.5.0' } = process.env
const RUNS = 150

let oracle: Oracle

beforeAll(async () => {
  oracle = await startOracle(ROCKETMQ_VERSION)
})

afterAll(() => oracle?.stop())

const rooms = ['r1', 'r2', 'r3'] as const

const anyTopic = fc.constantFrom('T', '%RETRY%group', 'ns%topic_1-a|b')

/** Some brokers have a machine room in their names, or two of them, or half of one. */
const anyBroker = fc.oneof(
  fc
    .tuple(fc.constantFrom(...rooms), fc.constantFrom('a', 'b', 'B', '10', '9'))
    .map(([room, name]) => `${room}@${name}`),
  fc.constantFrom('broker-a', 'broker-b', 'r1@a@b', 'r1@', '@a'),
)

/** In any order: the official client sorts them, and so do we, before a strategy sees them. */
function queuesOf(anyName: fc.Arbitrary<string>) {
  const anyQueue = fc.record({ topic: anyTopic, brokerName: anyName, queueId: fc.nat(40) })
  const queues = fc.uniqueArray(anyQueue, {
    minLength: 1,
    maxLength: 40,
    selector: ({ brokerName, queueId }) => `${brokerName} ${queueId}`,
  })
  return fc.tuple(anyTopic, queues).map(([topic, list]) => list.map((queue) => ({ ...queue, topic })))
}

const anyClientId = fc
  .tuple(fc.ipV4(), fc.oneof(fc.nat(), fc.string({ maxLength: 5 })), fc.constantFrom(...rooms))
  .map(([ip, instance, room]) => `${ip}@${instance}-${room}`)

const anyMembers = fc.uniqueArray(anyClientId, { minLength: 1, maxLength: 12 })

const AVG: JavaStrategy = { name: 'AVG' }
const CIRCLE: JavaStrategy = { name: 'AVG_BY_CIRCLE' }
const HASH: JavaStrategy = { name: 'CONSISTENT_HASH' }
const NEARBY = { name: 'MACHINE_ROOM_NEARBY', brokerRoom: '^(r\\d)@', consumerRoom: '-(r\\d)$' } as const

const inRooms = anyBroker.filter((name) => /^r\d@/.test(name))

/** Gives each member what Java gives it, in Java's order; also one that isn't in the list. */
async function expectSameAsJava(
  strategy: JavaStrategy,
  queues: readonly { topic: string; brokerName: string; queueId: number }[],
  clientIds: readonly string[],
): Promise<void> {
  const allocate = strategyOf(strategy)
  for (const clientId of [...clientIds, '10.9.9.9@stranger-r1']) {
    const java = await oracle.call('allocate', { strategy, group: 'group', clientId, queues, clientIds })
    expect(allocate('group', clientId, queues, clientIds), `for ${clientId}`).toEqual(java.queues)
  }
}

test.each<JavaStrategy>([AVG, CIRCLE, HASH])(
  '$name gives every member of any group what Java gives it',
  async (strategy) => {
    const check = (queues: Parameters<typeof expectSameAsJava>[1], clientIds: readonly string[]) =>
      expectSameAsJava(strategy, queues, clientIds)
    await fc.assert(fc.asyncProperty(queuesOf(anyBroker), anyMembers, check), { numRuns: RUNS })
  },
)

test('CONSISTENT_HASH does so with any number of virtual nodes', async () => {
  const property = fc.asyncProperty(
    queuesOf(anyBroker),
    anyMembers,
    fc.integer({ min: 1, max: 300 }),
    (queues, members, n) => expectSameAsJava({ name: 'CONSISTENT_HASH', virtualNodeCnt: n }, queues, members),
  )
  await fc.assert(property, { numRuns: RUNS })
})

test('CONFIG gives what is configured, as Java does', async () => {
  const anyPart = queuesOf(anyBroker).chain((queues) => fc.tuple(fc.constant(queues), fc.subarray(queues)))
  const property = fc.asyncProperty(anyPart, anyMembers, ([queues, messageQueueList], members) =>
    expectSameAsJava({ name: 'CONFIG', messageQueueList }, queues, members),
  )
  await fc.assert(property, { numRuns: RUNS })
})

test('MACHINE_ROOM gives the queues of the same rooms as Java', async () => {
  const property = fc.asyncProperty(queuesOf(anyBroker), anyMembers, fc.subarray([...rooms]), (queues, members, some) =>
    expectSameAsJava({ name: 'MACHINE_ROOM', consumeridcs: some }, queues, members),
  )
  await fc.assert(property, { numRuns: RUNS })
})

test.each<JavaStrategy>([AVG, CIRCLE, HASH])(
  'MACHINE_ROOM_NEARBY divides each room by $name as Java does, and rooms without a member among all',
  async (inner) => {
    const property = fc.asyncProperty(queuesOf(inRooms), anyMembers, (queues, members) =>
      expectSameAsJava({ ...NEARBY, inner }, queues, members),
    )
    await fc.assert(property, { numRuns: RUNS })
  },
)
