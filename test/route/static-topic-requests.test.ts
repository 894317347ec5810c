import { describe, expect, it } from 'vitest'
import { startedConsumer, startedProducer } from '../support/members-under-test.js'
import { brokerData, Code, queueData, routeBody, scriptedCluster } from '../support/scripted-cluster.js'
import { answerPull, storedMessage } from '../support/stored-message-bytes.js'
import { rejectionOf, until } from '../support/until.js'

const MOCK_BROKER = '__syslo__global__'
const NOT_LEADER_FOR_QUEUE = 501

/** A static topic of three queues: 0 lies on broker-a, 1 on broker-b or where a test says, 2 nowhere. */
async function staticTopic() {
  const cluster = await scriptedCluster(['broker-a', 'broker-b'])
  const move = (ofA: readonly number[], ofB: readonly number[], epoch: number) => {
    const info = (bname: string, ids: readonly number[]) => ({
      bname,
      scope: '__global__',
      totalQueues: 3,
      epoch,
      currIdMap: Object.fromEntries(ids.map((id, i) => [id, i])),
    })
    const parts = {
      queueDatas: cluster.brokers.map(({ name }) => queueData(name, 2)),
      brokerDatas: cluster.brokers.map(({ name, address }) => brokerData(name, { 0: address })),
      topicQueueMappingByBroker: { 'broker-a': info('broker-a', ofA), 'broker-b': info('broker-b', ofB) },
    }
    cluster.nameServer.routes.set('T', routeBody(parts))
  }
  move([0], [1], 1)
  return { cluster, move, first: cluster.broker(0), second: cluster.broker(1) }
}

const queue = (queueId: number) => ({ topic: 'T', brokerName: MOCK_BROKER, queueId })

describe('requests for a queue of a static topic', () => {
  it('go to the broker that has it, with its logic id, and messages come with that id', async () => {
    const { cluster, first, second } = await staticTopic()
    const body = storedMessage({ queueId: 5, queueOffset: 7 })
    second.scripts.set(Code.PULL, answerPull(0, { nextBeginOffset: 1_008, offsetDelta: 1_000 }, body))
    const consumer = await startedConsumer(cluster)
    const { messages } = await consumer.pull(queue(1), { offset: 1_007 })
    expect(messages).toMatchObject([{ brokerName: MOCK_BROKER, queueId: 1, queueOffset: 1_007 }])
    const [request] = second.server.requestsOf(Code.PULL)
    expect([request?.field('queueId'), request?.field('bname')]).toEqual(['1', MOCK_BROKER])
    expect(first.server.requestsOf(Code.PULL)).toHaveLength(0)
  })

  it('go to another broker when the queue has moved there, as soon as the old one refuses', async () => {
    const { cluster, move, first, second } = await staticTopic()
    second.scripts.set(Code.MAX_OFFSET, (request, connection) => connection.answer(request, { fields: { offset: 9 } }))
    second.scripts.set(Code.PULL, (request, connection) => connection.answer(request, { code: NOT_LEADER_FOR_QUEUE }))
    first.scripts.set(Code.PULL, answerPull(0, { nextBeginOffset: 8 }, storedMessage({ queueOffset: 7 })))
    const consumer = await startedConsumer(cluster)
    expect(await consumer.maxOffset(queue(1))).toBe(9)
    move([0, 1], [], 2)
    expect(await rejectionOf(consumer.pull(queue(1), { offset: 7 }))).toMatchObject({ code: 'NOT_LEADER_FOR_QUEUE' })
    const result = await until(() => consumer.pull(queue(1), { offset: 7 }).catch(() => undefined))
    expect(result.messages).toHaveLength(1)
  })

  it('are refused while no broker has it', async () => {
    const { cluster } = await staticTopic()
    const consumer = await startedConsumer(cluster)
    expect(await rejectionOf(consumer.pull(queue(2), { offset: 0 }))).toMatchObject({ code: 'NO_BROKER' })
  })
})

describe('sends to a static topic', () => {
  it('go to the broker that has the queue, and to no queue that none has', async () => {
    const { cluster, first, second } = await staticTopic()
    const producer = await startedProducer(cluster)
    expect(await producer.fetchPublishMessageQueues('T')).toEqual([queue(0), queue(1)])
    const results = []
    for (let i = 0; i < 6; i++) results.push(await producer.send({ topic: 'T', body: 'x' }))
    expect(new Set(results.map(({ messageQueue }) => messageQueue.brokerName))).toEqual(new Set([MOCK_BROKER]))
    const idsAndNames = (sends: typeof first.sends) =>
      new Set(sends.map((send) => `${send.field('e')} ${send.field('n')}`))
    expect(idsAndNames(first.sends)).toEqual(new Set(['0 broker-a']))
    expect(idsAndNames(second.sends)).toEqual(new Set(['1 broker-b']))
  })
})
