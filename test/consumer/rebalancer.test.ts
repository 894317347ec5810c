import { describe, expect, it, vi } from 'vitest'
import type { ClientWarning } from '../../src/client/member.js'
import { allocateAveragelyByCircle } from '../../src/consumer/allocate/allocate-averagely-by-circle.js'
import type { QueuesChanged } from '../../src/consumer/consumer-events.js'
import type { MessageQueue } from '../../src/message/message.js'
import { FakeQueue, type GroupConsumerUnderTest, groupConsumer } from '../support/group-consumer-under-test.js'
import {
  brokerData,
  Code,
  queueData,
  routeBody,
  type ScriptedBroker,
  scriptedCluster,
} from '../support/scripted-cluster.js'
import { GroupCode, ScriptedGroup } from '../support/scripted-group.js'
import { turns, until } from '../support/until.js'

async function groupOf(brokerNames: readonly string[] = ['a'], queues = 4) {
  const cluster = await scriptedCluster(brokerNames)
  cluster.addTopic('T', queues)
  return { cluster, group: new ScriptedGroup(cluster) }
}

function warningsOf(consumer: GroupConsumerUnderTest): ClientWarning[] {
  const warnings: ClientWarning[] = []
  consumer.on('warning', (warning) => warnings.push(warning))
  return warnings
}

function errorsOf(consumer: GroupConsumerUnderTest): string[] {
  const errors: string[] = []
  consumer.on('error', ({ error, what }) => errors.push(`${what}: ${error.message}`))
  return errors
}

const QUERY_CONSUMER_OFFSET = 14
const ALL = ['a:0', 'a:1', 'a:2', 'a:3']

describe('a member of a consumer group', () => {
  it('has all queues while it is alone', async () => {
    const { cluster } = await groupOf(['a', 'b'], 2)
    const consumer = groupConsumer(cluster)
    await consumer.subscribe('T')
    await consumer.start()
    await until(() => consumer.has.length === 4)
    expect(consumer.has).toEqual(['a:0', 'a:1', 'b:0', 'b:1'])
    expect(consumer.opened.every(({ isStarted }) => isStarted)).toBe(true)
  })

  it('asks for the other members only after the broker has its heartbeat', async () => {
    const { cluster, group } = await groupOf()
    const consumer = groupConsumer(cluster)
    await consumer.subscribe('T')
    await consumer.start()
    await until(() => consumer.has.length === 4)
    const codes = cluster.broker().server.requests.map(({ code }) => code)
    expect(codes.indexOf(GroupCode.HEARTBEAT)).toBeGreaterThanOrEqual(0)
    expect(codes.indexOf(GroupCode.CONSUMER_LIST)).toBeGreaterThan(codes.indexOf(GroupCode.HEARTBEAT))
    expect(group.membersAt(cluster.broker())).toEqual([consumer.clientId])
  })

  it('shares the queues with the others by the order of all ids, and sorts what the broker answers', async () => {
    const { cluster, group } = await groupOf()
    group.others = ['zzz', '!first']
    const consumer = groupConsumer(cluster, { allocateMessageQueueStrategy: allocateAveragelyByCircle })
    await consumer.subscribe('T')
    await consumer.start()
    await until(() => consumer.has.length > 0)
    expect(consumer.has).toEqual(['a:1'])
  })

  it('gives queues up and takes them as soon as a broker tells that members came or went', async () => {
    const { cluster, group } = await groupOf()
    const consumer = groupConsumer(cluster)
    await consumer.subscribe('T')
    await consumer.start()
    await until(() => consumer.has.length === 4)
    group.others = ['zzz']
    group.notify()
    await until(() => consumer.has.length === 2)
    expect(consumer.has).toEqual(['a:0', 'a:1'])
    group.others = []
    group.notify()
    await until(() => consumer.has.length === 4)
  })

  it('takes no queue that went to another member while it was waiting for the one before to let go of it', async () => {
    const { cluster, group } = await groupOf()
    group.others = ['zzz']
    const consumer = groupConsumer(cluster)
    await consumer.subscribe('T')
    const started = consumer.start()
    const asked = () => cluster.broker().server.requestsOf(QUERY_CONSUMER_OFFSET).length
    await until(() => asked() > 0)
    group.others = ['!first']
    group.notify()
    await started
    await until(() => consumer.has.length === 2)
    expect(consumer.has).toEqual(['a:2', 'a:3'])
    expect(consumer.opened).toHaveLength(2)
  })

  it('takes a queue of another member only when its offset stands still', async () => {
    const { cluster, group } = await groupOf()
    group.others = ['zzz']
    const reads = new Map<string, number>()
    cluster.broker().scripts.set(QUERY_CONSUMER_OFFSET, (request, connection) => {
      const id = request.field('queueId') ?? ''
      const count = (reads.get(id) ?? 0) + 1
      reads.set(id, count)
      connection.answer(request, { fields: { offset: String(id === '1' ? Math.min(count, 4) : 7) } })
    })
    const consumer = groupConsumer(cluster)
    await consumer.subscribe('T')
    await consumer.start()
    await until(() => consumer.has.length === 2)
    expect(Object.fromEntries(reads)).toEqual({ 0: 2, 1: 5 })
  })

  it('leaves a queue whose offset moves to the next division when members come or go', async () => {
    const { cluster, group } = await groupOf()
    group.others = ['zzz']
    let offset = 0
    let isMoving = true
    cluster.broker().scripts.set(QUERY_CONSUMER_OFFSET, (request, connection) => {
      const isFirst = request.field('queueId') === '0'
      connection.answer(request, { fields: { offset: String(isFirst && isMoving ? offset++ : 7) } })
    })
    const consumer = groupConsumer(cluster)
    const opened: number[] = []
    consumer.onOpen = async (queue) => {
      if (queue.queueId === 0) expect(isMoving).toBe(false)
      opened.push(queue.queueId)
      return new FakeQueue(queue)
    }
    await consumer.subscribe('T')
    const started = consumer.start()
    await until(() => offset > 0)
    group.notify()
    await until(() => opened.length === 1)
    isMoving = false
    await started
    await until(() => consumer.has.length === 2)
    expect(opened).toEqual([1, 0])
  })

  it('divides the queues with a second one so that each has one owner, also after one has left', async () => {
    const { cluster, group } = await groupOf(['a', 'b'], 3)
    const consumers = [groupConsumer(cluster), groupConsumer(cluster), groupConsumer(cluster)]
    for (const consumer of consumers) {
      await consumer.subscribe('T')
      await consumer.start()
    }
    await until(() => [...cluster.brokers].every((broker) => group.membersAt(broker).length === 3))
    group.notify()
    const owned = () => consumers.flatMap(({ has }) => has).sort()
    const all = ['a:0', 'a:1', 'a:2', 'b:0', 'b:1', 'b:2']
    await until(() => consumers.every(({ has }) => has.length === 2))
    expect(owned()).toEqual(all)
    await consumers[0]?.shutdown()
    group.notify()
    await until(() => owned().length === 6 && consumers[1]?.has.length === 3)
    expect(owned()).toEqual(all)
  })

  it('asks another broker when one does not say who is in the group', async () => {
    const { cluster } = await groupOf(['a', 'b'])
    for (const broker of cluster.brokers) {
      const list = broker.scripts.get(GroupCode.CONSUMER_LIST)
      let count = 0
      broker.scripts.set(GroupCode.CONSUMER_LIST, (request, connection) => {
        if (count++ === 0) connection.answer(request, { code: 14, remark: 'not now' })
        else list?.(request, connection)
      })
    }
    const consumer = groupConsumer(cluster)
    await consumer.subscribe('T')
    await consumer.start()
    await until(() => consumer.has.length === 8)
  })

  it('keeps its queues while no broker says who is in the group, and divides them when one does again', async () => {
    const { cluster, group } = await groupOf()
    const consumer = groupConsumer(cluster)
    await consumer.subscribe('T')
    await consumer.start()
    await until(() => consumer.has.length === 4)
    const list = cluster.broker().scripts.get(GroupCode.CONSUMER_LIST)
    let isAsked = false
    cluster.broker().scripts.set(GroupCode.CONSUMER_LIST, (request, connection) => {
      isAsked = true
      connection.answer(request, { code: 14, remark: 'not now' })
    })
    group.others = ['zzz']
    group.notify()
    await until(() => isAsked)
    await turns()
    expect(consumer.has).toEqual(ALL)
    if (list !== undefined) cluster.broker().scripts.set(GroupCode.CONSUMER_LIST, list)
    // Without a further notification: it is tried again by itself.
    await until(() => consumer.has.length === 2)
  })

  it('keeps its queues when a broker has forgotten the whole group, and tells it again', async () => {
    const { cluster, group } = await groupOf()
    const consumer = groupConsumer(cluster)
    await consumer.subscribe('T')
    await consumer.start()
    await until(() => consumer.has.length === 4)
    const members = group.registered.get('a') as Set<string>
    members.clear()
    group.notify()
    await until(() => members.has(consumer.clientId))
    await turns()
    expect(consumer.has).toEqual(ALL)
    expect(consumer.opened).toHaveLength(4)
  })

  it('gets no queues where brokers count others but not it, and warns of that once', async () => {
    const { cluster, group } = await groupOf()
    cluster.broker().scripts.set(GroupCode.HEARTBEAT, (request, connection) => connection.answer(request))
    group.others = ['!first']
    const consumer = groupConsumer(cluster)
    const warnings = warningsOf(consumer)
    await consumer.subscribe('T')
    await consumer.start()
    await until(() => warnings.length > 0)
    group.notify()
    await until(() => cluster.broker().server.requestsOf(GroupCode.CONSUMER_LIST).length >= 4)
    expect(consumer.has).toEqual([])
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toMatchObject({ code: 'NOT_A_MEMBER', topic: 'T' })
    expect(warnings[0]?.message).toContain('autoCreateSubscriptionGroup')
  })

  it('has all queues when messages are broadcast, without a question for the others', async () => {
    const { cluster, group } = await groupOf()
    group.others = ['zzz']
    const consumer = groupConsumer(cluster, { messageModel: 'BROADCASTING', localOffsetStoreDir: '/nonexistent' })
    await consumer.subscribe('T')
    await consumer.start()
    await until(() => consumer.has.length === 4)
    expect(cluster.broker().server.requestsOf(GroupCode.CONSUMER_LIST)).toHaveLength(0)
  })

  it('takes queues that are added to a topic, and gives up those that are gone', async () => {
    const { cluster } = await groupOf()
    const consumer = groupConsumer(cluster, { pollNameServerInterval: 10 })
    const changes: QueuesChanged[] = []
    consumer.on('queuesChanged', (change) => changes.push(change))
    await consumer.subscribe('T')
    await consumer.start()
    await until(() => consumer.has.length === 4)
    cluster.addTopic('T', 6)
    await until(() => consumer.has.length === 6)
    cluster.addTopic('T', 1)
    await until(() => consumer.has.length === 1)
    const ids = (queues: readonly MessageQueue[]) => queues.map(({ queueId }) => queueId)
    expect(changes.map(({ added, removed, queues }) => [ids(added), ids(removed), ids(queues)])).toEqual([
      [[0, 1, 2, 3], [], [0, 1, 2, 3]],
      [[4, 5], [], [0, 1, 2, 3, 4, 5]],
      [[], [1, 2, 3, 4, 5], [0]],
    ])
  })

  it('opens a queue again a second later when it could not be opened, without closing the others', async () => {
    const { cluster } = await groupOf()
    const consumer = groupConsumer(cluster)
    const errors = errorsOf(consumer)
    const tries = new Map<number, number>()
    consumer.onOpen = async (queue) => {
      const count = (tries.get(queue.queueId) ?? 0) + 1
      tries.set(queue.queueId, count)
      if (queue.queueId === 1 && count === 1) return undefined
      if (queue.queueId === 2 && count === 1) throw new Error('offset unknown')
      return new FakeQueue(queue)
    }
    await consumer.subscribe('T')
    await consumer.start()
    await until(() => consumer.has.length === 2)
    expect(consumer.health().isBalanced).toBe(false)
    await until(() => consumer.has.length === 4)
    await until(() => consumer.health().isBalanced)
    expect(Object.fromEntries(tries)).toEqual({ 0: 1, 1: 2, 2: 2, 3: 1 })
    expect(errors).toHaveLength(1)
    expect(errors[0]).toContain('queueId=2')
  })

  it('waits for a topic that does not exist, warns of it once, and consumes it when it does', async () => {
    const { cluster } = await groupOf()
    const consumer = groupConsumer(cluster, { rebalanceInterval: 20 })
    const warnings = warningsOf(consumer)
    await consumer.subscribe('T')
    await consumer.subscribe('later')
    await consumer.start()
    await until(() => consumer.has.length === 4)
    await until(() => cluster.nameServer.asked('later') >= 5)
    expect(warnings.map(({ code, topic }) => [code, topic])).toEqual([['TOPIC_NOT_FOUND', 'later']])
    cluster.addTopic('later', 1)
    await until(() => consumer.assignment().some(({ topic }) => topic === 'later'))
  })

  it('says nothing of a retry topic that does not exist yet', async () => {
    const { cluster } = await groupOf()
    const consumer = groupConsumer(cluster, { rebalanceInterval: 20 }, { hasRetryTopic: true })
    const warnings = warningsOf(consumer)
    await consumer.subscribe('T')
    await consumer.start()
    await until(() => cluster.nameServer.asked('%RETRY%g') >= 5)
    expect(warnings).toEqual([])
    cluster.addTopic('%RETRY%g', 1)
    await until(() => consumer.assignment().some(({ topic }) => topic === '%RETRY%g'))
  })

  it('makes its subscription the newest of the group after a rebalance that changed something, and tells brokers so', async () => {
    const { cluster } = await groupOf()
    const consumer = groupConsumer(cluster)
    await consumer.subscribe('T', 'TagA')
    await consumer.start()
    await until(() => consumer.has.length === 4)
    const versions = () =>
      cluster
        .broker()
        .server.requestsOf(GroupCode.HEARTBEAT)
        .map(({ body }) => JSON.parse(body.toString()).consumerDataSet[0]?.subscriptionDataSet[0]?.subVersion as number)
    await until(() => versions().length >= 2)
    expect(versions().at(-1)).toBeGreaterThan(versions()[0] as number)
  })

  it('leaves alone queues of a static topic that no broker has, and takes one when a broker has it', async () => {
    const { cluster } = await groupOf()
    const info = { bname: 'a', scope: '__global__', totalQueues: 3, epoch: 1, currIdMap: { 0: 0, 2: 1 } }
    const addStatic = (more: object) => {
      const topicQueueMappingByBroker = { a: { ...info, ...more } }
      const brokerDatas = [brokerData('a', { 0: cluster.broker().address })]
      const parts = { queueDatas: [queueData('a', 2)], brokerDatas, topicQueueMappingByBroker }
      cluster.nameServer.routes.set('T', routeBody(parts))
    }
    addStatic({})
    const consumer = groupConsumer(cluster, { pollNameServerInterval: 10 })
    await consumer.subscribe('T')
    await consumer.start()
    await until(() => consumer.has.length === 2)
    expect(consumer.has).toEqual(['__syslo__global__:0', '__syslo__global__:2'])
    expect(consumer.health().isBalanced).toBe(true)
    addStatic({ epoch: 2, currIdMap: { 0: 0, 1: 2, 2: 1 } })
    await until(() => consumer.has.length === 3)
  })
})

describe("a user's strategy", () => {
  it('is given the group, the own id, sorted queues and sorted ids, with the names that servers know', async () => {
    const cluster = await scriptedCluster(['b', 'a'])
    cluster.addTopic('ns%T', 2)
    const group = new ScriptedGroup(cluster, 'ns%g')
    group.others = ['zzz', '!']
    const strategy = vi.fn((_group: string, _id: string, queues: readonly MessageQueue[]) => queues.slice(0, 1))
    const consumer = groupConsumer(cluster, { namespace: 'ns', allocateMessageQueueStrategy: strategy })
    await consumer.subscribe('T')
    await consumer.start()
    await until(() => consumer.has.length === 1)
    const queue = (brokerName: string, queueId: number) => ({ topic: 'ns%T', brokerName, queueId })
    const queues = [queue('a', 0), queue('a', 1), queue('b', 0), queue('b', 1)]
    expect(strategy.mock.calls[0]).toEqual(['ns%g', consumer.clientId, queues, ['!', consumer.clientId, 'zzz']])
    expect(consumer.assignment()).toEqual([{ topic: 'T', brokerName: 'a', queueId: 0 }])
  })

  it('may name queues without the namespace, and a queue twice', async () => {
    const cluster = await scriptedCluster(['a'])
    cluster.addTopic('ns%T', 2)
    new ScriptedGroup(cluster, 'ns%g')
    const queue = { topic: 'T', brokerName: 'a', queueId: 1 }
    const consumer = groupConsumer(cluster, { namespace: 'ns', allocateMessageQueueStrategy: () => [queue, queue] })
    await consumer.subscribe('T')
    await consumer.start()
    await until(() => consumer.has.length === 1)
    expect(consumer.assignment()).toEqual([queue])
  })

  it.each<[string, () => unknown]>([
    [
      'throws',
      () => {
        throw new Error('no idea')
      },
    ],
    ['gives nothing', () => undefined],
    ['gives what is no queue', () => [{ topic: 'T' }]],
    ['gives null for a queue', () => [null]],
    ['gives a queue that is not there', () => [{ topic: 'T', brokerName: 'a', queueId: 9 }]],
    ['gives a promise', async () => []],
  ])('that %s is reported, and the member keeps its queues', async (_what, fail) => {
    const { cluster, group } = await groupOf()
    let isFailing = false
    const strategy = (_group: string, _id: string, queues: readonly MessageQueue[]) =>
      (isFailing ? fail() : queues) as MessageQueue[]
    const consumer = groupConsumer(cluster, { allocateMessageQueueStrategy: strategy })
    const errors = errorsOf(consumer)
    await consumer.subscribe('T')
    await consumer.start()
    await until(() => consumer.has.length === 4)
    isFailing = true
    group.notify()
    await until(() => errors.length > 0)
    expect(errors[0]).toContain('the strategy strategy did not divide the queues of topic T')
    expect(consumer.has).toEqual(ALL)
  })
})

describe('topics whose brokers differ about who is in the group', () => {
  it('are handed over where there are other members, also while a broker says of another topic that there are none', async () => {
    const { cluster, group } = await groupOf(['a', 'b'])
    const [a, b] = cluster.brokers as [ScriptedBroker, ScriptedBroker]
    cluster.addTopic('T', 1, [a])
    cluster.addTopic('U', 2, [b])
    b.scripts.set(GroupCode.CONSUMER_LIST, (request, connection) => {
      const consumerIdList = [...group.membersAt(b), 'other']
      connection.answer(request, { body: Buffer.from(JSON.stringify({ consumerIdList })) })
    })
    let wanted = 0
    const strategy = (_group: string, _id: string, queues: readonly MessageQueue[]) =>
      queues.filter(({ topic, queueId }) => topic === 'T' || queueId === wanted)
    const consumer = groupConsumer(cluster, { allocateMessageQueueStrategy: strategy })
    await consumer.subscribe('T')
    await consumer.subscribe('U')
    await consumer.start()
    await until(() => consumer.has.length === 2)
    const given = consumer.openOf({ topic: 'U', brokerName: 'b', queueId: 0 })
    let close: () => void = () => undefined
    given.closing = new Promise((resolve) => {
      close = resolve
    })
    wanted = 1
    const answer = a.scripts.get(GroupCode.CONSUMER_LIST)
    const held: (() => void)[] = []
    a.scripts.set(GroupCode.CONSUMER_LIST, (request, connection) => held.push(() => answer?.(request, connection)))
    group.notify()
    await until(() => given.closeTimeout !== undefined && held.length > 0)
    for (const say of held) say()
    await turns()
    expect(b.server.requestsOf(Code.QUERY_OFFSET).filter((request) => request.field('queueId') === '1')).toEqual([])
    close()
    await until(() => consumer.has.includes('b:1'))
    expect(b.server.requestsOf(Code.QUERY_OFFSET).some((request) => request.field('queueId') === '1')).toBe(true)
  })
})

describe('queues that are fixed by hand', () => {
  it('are consumed whoever else is in the group, and given up for the group’s division again', async () => {
    const { cluster, group } = await groupOf()
    group.others = ['!first']
    const consumer = groupConsumer(cluster)
    await consumer.subscribe('T')
    await consumer.start()
    await until(() => consumer.has.length === 2)
    expect(consumer.has).toEqual(['a:2', 'a:3'])
    await consumer.fix([
      { topic: 'T', brokerName: 'a', queueId: 0 },
      { topic: 'T', brokerName: 'a', queueId: 3 },
    ])
    expect(consumer.has).toEqual(['a:0', 'a:3'])
    await consumer.fix([])
    expect(consumer.has).toEqual([])
    await consumer.fix(undefined)
    expect(consumer.has).toEqual(['a:2', 'a:3'])
  })
})

describe('a queue that is opened again', () => {
  it('is closed before, and the others go on', async () => {
    const { cluster } = await groupOf()
    const consumer = groupConsumer(cluster)
    await consumer.subscribe('T')
    await consumer.start()
    await until(() => consumer.has.length === 4)
    const queue = { topic: 'T', brokerName: 'a', queueId: 2 }
    const first = consumer.openOf(queue)
    await consumer.reopenQueue(queue)
    expect(first.isClosed).toBe(true)
    expect(consumer.openOf(queue)).not.toBe(first)
    expect(consumer.opened).toHaveLength(5)
    expect(consumer.has).toEqual(ALL)
  })
})
