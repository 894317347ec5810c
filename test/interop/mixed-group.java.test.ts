import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { randomOf } from '../codec/mutation.js'
import { type Cluster, startCluster } from '../support/cluster.js'
import { DeliveryHistory, type QueuePlace } from '../support/delivery-history.js'
import {
  type GroupMember,
  joinJava,
  joinNode,
  keepSendingTo,
  type MixedGroup,
  newMixedGroup,
  settle,
  untilCommitted,
} from '../support/mixed-group.js'
import { uniqueName } from '../support/names.js'
import { type Oracle, startOracle } from '../support/oracle.js'
import type { JavaStrategy } from '../support/oracle-consumer-verbs.js'
import { until } from '../support/until.js'

/** What `npm run test:mixed-group` asks for. */
const IS_LONG = process.env.MIXED_GROUP === 'long'
const { messages, changes, timeout } = IS_LONG
  ? { messages: 200_000, changes: 50, timeout: 3_600_000 }
  : { messages: 20_000, changes: 10, timeout: 600_000 }
const SEED = 1
const NODE_MEMBERS = 4
const JAVA_MEMBERS = 2
/** On each of the two brokers. */
const QUEUES = 8
const HANDLER_TIME = 2

let cluster: Cluster
let oracle: Oracle

beforeAll(async () => {
  cluster = await startCluster({
    route: 'java',
    // Machine rooms are parts of brokers' names.
    brokers: [{ name: 'room1@broker-a' }, { name: 'room2@broker-b' }],
    config: { osPageCacheBusyTimeOutMills: '10000' },
    log: () => {},
  })
  oracle = await startOracle(cluster.version)
})

afterAll(async () => {
  await oracle?.stop()
  await cluster?.stop()
})

function newGroup(): Promise<MixedGroup> {
  return newMixedGroup(oracle, cluster, QUEUES, HANDLER_TIME)
}

test(`${NODE_MEMBERS} members of this client and ${JAVA_MEMBERS} of Java's come and go ${changes} times under load: no message is lost, each queue has one owner after every change, and only moved queues repeat messages`, {
  timeout,
}, async () => {
  const mixed = await newGroup()
  const history = new DeliveryHistory()
  const random = randomOf(SEED)
  const present: GroupMember[] = []
  const past: GroupMember[] = []
  onTestFinished(async () => {
    await Promise.all(present.map((member) => member.leave()))
  })
  const join = async (kind: GroupMember['kind']) => {
    history.begin(`${kind} member ${past.length + present.length} joins`)
    present.push(await (kind === 'Node' ? joinNode : joinJava)(mixed))
    history.settle(await settle(mixed, present))
  }
  const leave = async (index: number) => {
    const [member] = present.splice(index, 1)
    if (member === undefined) throw new Error(`there is no member ${index}`)
    history.begin(`${member.kind} member ${member.clientId} leaves`)
    past.push(member)
    await member.leave()
    history.settle(await settle(mixed, present))
  }
  const countOf = (kind: GroupMember['kind']) => present.filter((member) => member.kind === kind).length

  const { sent, end } = await keepSendingTo(mixed)
  for (let i = 0; i < NODE_MEMBERS; i++) await join('Node')
  for (let i = 0; i < JAVA_MEMBERS; i++) await join('Java')
  for (let i = 0; i < changes; i++) {
    const absent: GroupMember['kind'][] = []
    if (countOf('Node') < NODE_MEMBERS) absent.push('Node')
    if (countOf('Java') < JAVA_MEMBERS) absent.push('Java')
    const kind = absent[random(absent.length)]
    const isToJoin = kind !== undefined && (present.length <= 2 || random(2) === 0)
    if (isToJoin) await join(kind)
    else await leave(random(present.length))
  }
  await until(() => sent.length >= messages, timeout)
  await end()

  await untilCommitted(mixed)
  await Promise.all(present.map((member) => member.leave()))
  for (const member of [...past, ...present]) for (const delivery of await member.deliveries()) history.add(delivery)

  report(sent.length, history, [...past, ...present])
  expect(history.missing(sent)).toEqual([])
  expect(history.retries()).toEqual([])
  expect(history.duplicates().filter(({ change }) => change === undefined)).toEqual([])
  expect(history.changes()).toHaveLength(NODE_MEMBERS + JAVA_MEMBERS + changes)
})

/** What the run found: duplicates are counted, not forbidden. */
function report(sent: number, history: DeliveryHistory, members: readonly GroupMember[]): void {
  const kinds = new Map(members.map(({ clientId, kind }) => [clientId, kind]))
  const ways = new Map<string, number>()
  for (const { earlier, later } of history.duplicates()) {
    const way = `from ${kinds.get(earlier.member)} to ${kinds.get(later.member)}`
    ways.set(way, (ways.get(way) ?? 0) + 1)
  }
  const moves = history.changes()
  const duplicates = [...ways].map(([way, count]) => `, ${count} duplicates ${way}`).join('')
  console.log(`mixed group: ${sent} messages, ${history.count} deliveries, ${moves.length} changes${duplicates}`)
  if (!IS_LONG) return
  for (const { what, begunAt, settledAt, moved, duplicates } of moves) {
    console.log(`${what}: ${moved} queues moved in ${settledAt - begunAt} ms, ${duplicates} duplicates`)
  }
}

const inRooms = { brokerRoom: '^(.+)@', consumerRoom: '-(room\\d)$' } as const

test.each<[string, JavaStrategy]>([
  ['AVG_BY_CIRCLE', { name: 'AVG_BY_CIRCLE' }],
  ['CONSISTENT_HASH', { name: 'CONSISTENT_HASH' }],
  ['MACHINE_ROOM', { name: 'MACHINE_ROOM', consumeridcs: ['room1', 'room2'] }],
  ['MACHINE_ROOM_NEARBY-AVG', { name: 'MACHINE_ROOM_NEARBY', inner: { name: 'AVG' }, ...inRooms }],
  [
    'MACHINE_ROOM_NEARBY-CONSISTENT_HASH',
    { name: 'MACHINE_ROOM_NEARBY', inner: { name: 'CONSISTENT_HASH' }, ...inRooms },
  ],
])(
  'members of both kinds divide all queues by %s, and divide them again when one of either kind leaves',
  async (_name, strategy) => {
    const mixed = await newGroup()
    const options = (name: string, room: number) => ({ strategy, instanceName: `${uniqueName(name)}-room${room}` })
    const members = [
      await joinNode(mixed, options('node', 1)),
      await joinNode(mixed, options('node', 2)),
      await joinJava(mixed, options('java', 1)),
      await joinJava(mixed, options('java', 2)),
    ]
    onTestFinished(async () => {
      await Promise.all(members.map((member) => member.leave()))
    })
    await settle(mixed, members)
    for (const kind of ['Node', 'Java'] as const) {
      const index = members.findIndex((member) => member.kind === kind)
      await members.splice(index, 1)[0]?.leave()
      await settle(mixed, members)
    }
  },
)

test('members of both kinds have what CONFIG gives to each', async () => {
  const mixed = await newGroup()
  const parts: QueuePlace[][] = [[], [], []]
  for (const [i, queue] of mixed.queues.entries()) parts[i % 3]?.push(queue)
  const strategies = parts.map((part): JavaStrategy => {
    const messageQueueList = part.map((queue) => ({ topic: mixed.topic, ...queue }))
    return { name: 'CONFIG', messageQueueList }
  })
  const members: GroupMember[] = []
  onTestFinished(async () => {
    await Promise.all(members.map((member) => member.leave()))
  })
  for (const [i, strategy] of strategies.entries()) {
    members.push(await (i === 0 ? joinJava : joinNode)(mixed, { strategy }))
  }
  await settle(mixed, members)
})
