import { describe, expect, it } from 'vitest'
import type { ClientWarning } from '../../src/client/member.js'
import { allocateAveragelyByCircle } from '../../src/consumer/allocate/allocate-averagely-by-circle.js'
import { groupConsumer } from '../support/group-consumer-under-test.js'
import { scriptedCluster } from '../support/scripted-cluster.js'
import { GroupCode, ScriptedGroup } from '../support/scripted-group.js'
import { turns, until } from '../support/until.js'

interface Assignment {
  readonly queueId: number
  readonly mode?: 'PULL' | 'POP'
  readonly topic?: string
}

/** A cluster whose broker divides the queues of T: a list, null for not knowing now. */
async function setUp(first: readonly Assignment[] | null) {
  const cluster = await scriptedCluster(['a'])
  const group = new ScriptedGroup(cluster)
  let assignments = first
  const bodies: Record<string, unknown>[] = []
  cluster.broker().scripts.set(GroupCode.QUERY_ASSIGNMENT, (request, connection) => {
    const body = JSON.parse(request.body.toString())
    bodies.push(body)
    const list = assignments?.map(({ queueId, mode, topic = 'T' }) => ({
      messageQueue: { topic, brokerName: 'a', queueId },
      mode: mode ?? 'PULL',
    }))
    const messageQueueAssignments = body.topic === 'T' ? (list ?? null) : []
    connection.answer(request, { body: Buffer.from(JSON.stringify({ messageQueueAssignments })) })
  })
  const assign = (next: readonly Assignment[] | null) => {
    assignments = next
    group.notify()
  }
  return { cluster, group, assign, bodies }
}

describe('queues that brokers divide', () => {
  it('are asked for by the strategy’s name, and taken and given up as the broker says', async () => {
    const { cluster, assign, bodies } = await setUp([{ queueId: 1 }, { queueId: 3 }])
    const consumer = groupConsumer(cluster, {
      clientRebalance: false,
      allocateMessageQueueStrategy: allocateAveragelyByCircle,
    })
    await consumer.subscribe('T')
    await consumer.start()
    await until(() => consumer.has.length === 2)
    expect(consumer.has).toEqual(['a:1', 'a:3'])
    expect(bodies[0]).toEqual({
      topic: 'T',
      consumerGroup: 'g',
      clientId: consumer.clientId,
      strategyName: 'AVG_BY_CIRCLE',
      messageModel: 'CLUSTERING',
    })
    expect(cluster.broker().server.requestsOf(GroupCode.CONSUMER_LIST)).toHaveLength(0)
    assign([{ queueId: 3 }])
    await until(() => consumer.has.length === 1)
    assign([])
    await until(() => consumer.has.length === 0)
  })

  it('stay as they are while the broker does not know, and are asked for again', async () => {
    const { cluster, assign, bodies } = await setUp([{ queueId: 1 }])
    const consumer = groupConsumer(cluster, { clientRebalance: false })
    await consumer.subscribe('T')
    await consumer.start()
    await until(() => consumer.has.length === 1)
    const count = bodies.length
    assign(null)
    await until(() => bodies.length >= count + 2)
    expect(consumer.has).toEqual(['a:1'])
  })

  it('are opened to be popped or pulled as the broker says, and opened anew when it says something else', async () => {
    const { cluster, assign } = await setUp([{ queueId: -1, mode: 'POP' }])
    const consumer = groupConsumer(cluster, { clientRebalance: false })
    await consumer.subscribe('T')
    await consumer.start()
    await until(() => consumer.has.length === 1)
    assign([{ queueId: 0 }])
    await until(() => consumer.has.join() === 'a:0')
    assign([{ queueId: 0, mode: 'POP' }])
    await until(() => consumer.opened.at(-1)?.mode === 'POP' && consumer.opened.length === 3)
    expect(consumer.opened.map(({ queue, mode }) => `${queue.queueId} ${mode}`)).toEqual(['-1 POP', '0 PULL', '0 POP'])
    await until(() => consumer.opened[1]?.isClosed)
  })

  it('that are pulled bring along the topic of what was popped before and not acknowledged, and popped ones don’t', async () => {
    const { cluster, assign } = await setUp([{ queueId: 0 }])
    const consumer = groupConsumer(cluster, { clientRebalance: false })
    const topics = () => {
      const last = cluster.broker().server.requestsOf(GroupCode.HEARTBEAT).at(-1)
      const data = JSON.parse(last?.body.toString() ?? '{}').consumerDataSet?.[0]
      return (data?.subscriptionDataSet ?? []).map(({ topic }: { topic: string }) => topic).sort()
    }
    const warnings: ClientWarning[] = []
    consumer.on('warning', (warning) => warnings.push(warning))
    await consumer.subscribe('T')
    await consumer.start()
    await until(() => topics().join() === '%RETRY%g_T,T')
    await consumer.unsubscribe('T')
    await until(() => topics().join() === '')
    await consumer.subscribe('T')
    await until(() => topics().join() === '%RETRY%g_T,T')
    assign([{ queueId: -1, mode: 'POP' }])
    await until(() => topics().join() === 'T')
    expect(warnings).toEqual([])
  })

  it('of another topic than was asked for are not taken', async () => {
    const { cluster } = await setUp([{ queueId: 0, topic: 'other' }, { queueId: 2 }])
    const consumer = groupConsumer(cluster, { clientRebalance: false })
    await consumer.subscribe('T')
    await consumer.start()
    await until(() => consumer.has.length > 0)
    expect(consumer.assignment()).toEqual([{ topic: 'T', brokerName: 'a', queueId: 2 }])
  })

  it('are divided by the members where the brokers can’t, with one warning', async () => {
    const { cluster, group } = await setUp([])
    cluster.broker().scripts.set(GroupCode.QUERY_ASSIGNMENT, (request, connection) => {
      connection.answer(request, { code: 3, remark: 'request type 400 not supported' })
    })
    const consumer = groupConsumer(cluster, { clientRebalance: false })
    const warnings: ClientWarning[] = []
    consumer.on('warning', (warning) => warnings.push(warning))
    await consumer.subscribe('T')
    await consumer.start()
    await until(() => consumer.has.length === 4)
    group.others = ['zzz']
    group.notify()
    await until(() => consumer.has.length === 2)
    expect(warnings.map(({ code }) => code)).toEqual(['SERVER_ASSIGNMENT_UNSUPPORTED'])
    expect(cluster.broker().server.requestsOf(GroupCode.QUERY_ASSIGNMENT)).toHaveLength(1)
  })

  it('stay as they are when the broker answers nonsense', async () => {
    const { cluster, group } = await setUp([{ queueId: 1 }])
    const consumer = groupConsumer(cluster, { clientRebalance: false })
    await consumer.subscribe('T')
    await consumer.start()
    await until(() => consumer.has.length === 1)
    let count = 0
    cluster.broker().scripts.set(GroupCode.QUERY_ASSIGNMENT, (request, connection) => {
      count++
      connection.answer(request, { body: Buffer.from('{"messageQueueAssignments":[{"messageQueue":5}]}') })
    })
    group.notify()
    await until(() => count > 0)
    await turns(5)
    expect(consumer.has).toEqual(['a:1'])
  })

  it('are divided by the members all the same when messages are consumed orderly', async () => {
    const { cluster, bodies } = await setUp([])
    const consumer = groupConsumer(cluster, { clientRebalance: false }, { isOrderly: true })
    await consumer.subscribe('T')
    await consumer.start()
    await until(() => consumer.has.length === 4)
    expect(bodies).toEqual([])
  })
})
