import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import {
  type AllocateMessageQueueStrategy,
  type ConsumeMode,
  DefaultProducer,
  type MessageQueue,
  PushConsumer,
  type PushConsumerOptions,
} from '../../src/index.js'
import { type Cluster, startCluster } from '../support/cluster.js'
import { uniqueName } from '../support/names.js'
import { type Oracle, startOracle } from '../support/oracle.js'
import type { JavaPushOptions, JavaStrategy } from '../support/oracle-consumer-verbs.js'
import { PATIENCE } from '../support/patience.js'
import { until } from '../support/until.js'

const MODES: readonly ConsumeMode[] = ['orderly', 'keyOrdered']
const QUEUES = 4
/** Less than the minute after which a broker forgets a lock that was not given back. */
const DEADLINE = 45_000

/** A second after its start Java renews its locks, also when it is leaving just then: it would take them along. */
const JAVA_RENEWAL = 2_000

/** What a handler of either side got. */
interface Delivery {
  readonly member: string
  readonly queueId: number
  readonly queueOffset: number
  readonly at: number
}

let cluster: Cluster
let oracle: Oracle
let namesrvAddr: string

beforeAll(async () => {
  cluster = await startCluster({ route: 'java', log: () => {} })
  namesrvAddr = cluster.namesrvAddr
  oracle = await startOracle(cluster.version)
})

afterAll(async () => {
  await oracle?.stop()
  await cluster?.stop()
})

async function newTopic(): Promise<{ topic: string; queues: MessageQueue[] }> {
  const topic = uniqueName('ordered')
  await oracle.call('createTopic', { namesrvAddr, topic, queues: QUEUES })
  const queues = Array.from({ length: QUEUES }, (_, queueId) => ({ topic, brokerName: 'broker-a', queueId }))
  return { topic, queues }
}

/** Sends to all queues side by side until it is ended, with a key for each queue. */
async function keepSending(queues: readonly MessageQueue[]) {
  const producer = new DefaultProducer({ namesrvAddr, producerGroup: uniqueName('pg'), ...PATIENCE })
  await producer.start()
  const sent = queues.map(() => 0)
  let isEnded = false
  const senders = Promise.all(
    queues.map(async (queue, i) => {
      while (!isEnded) {
        await producer.send({ topic: queue.topic, shardingKey: String(queue.queueId), body: 'x' }, { queue })
        sent[i] = (sent[i] ?? 0) + 1
        await delay(4)
      }
    }),
  )
  senders.catch(() => {})
  const end = async () => {
    isEnded = true
    await senders.finally(() => producer.shutdown())
  }
  onTestFinished(end)
  return { sent, end }
}

/** A member of this client, with what its handler got. */
async function joinNode(topic: string, group: string, options: Partial<PushConsumerOptions>) {
  const got: Delivery[] = []
  const consumer = new PushConsumer({
    namesrvAddr,
    consumerGroup: group,
    consumeFromWhere: 'FIRST',
    instanceName: uniqueName('node'),
    ...options,
  })
  onTestFinished(() => consumer.shutdown({ timeout: 0 }))
  consumer.onMessage(async (messages) => {
    for (const { queueId, queueOffset } of messages) got.push({ member: 'node', queueId, queueOffset, at: Date.now() })
    await delay(2)
  })
  await consumer.subscribe(topic)
  await consumer.start()
  const ids = () =>
    consumer
      .assignment()
      .filter((queue) => queue.topic === topic)
      .map(({ queueId }) => queueId)
  return { consumer, got, ids, leave: () => consumer.shutdown() }
}

/** A member of the official client, with what its listener got. */
async function joinJava(topic: string, group: string, strategy: JavaStrategy, options: JavaPushOptions = {}) {
  const { clientId } = await oracle.call('startPushConsumer', {
    namesrvAddr,
    group,
    topics: [{ topic }],
    mode: 'orderly',
    strategy,
    handler: { sleep: 2 },
    options: {
      instanceName: uniqueName('java'),
      consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET',
      // Java now and then loses the heartbeat behind its first rebalance, and pulls nothing until the next one.
      heartbeatBrokerInterval: 1_000,
      ...options,
    },
  })
  const joinedAt = Date.now()
  onTestFinished(async () => {
    await oracle.call('stopConsumer', { clientId, graceful: false }).catch(() => undefined)
  })
  return {
    clientId,
    ids: async () => {
      const { queues } = await oracle.call('ownedQueues', { clientId })
      return queues.filter((queue) => queue.topic === topic && queue.locked).map(({ queueId }) => queueId)
    },
    count: async () => (await oracle.call('consumed', { clientId, from: 1_000_000 })).count,
    deliveries: async (): Promise<Delivery[]> => {
      const { deliveries } = await oracle.call('consumed', { clientId })
      return deliveries.map(({ queueId, queueOffset, t }) => ({ member: clientId, queueId, queueOffset, at: t }))
    },
    leave: async () => {
      await until(() => Date.now() > joinedAt + JAVA_RENEWAL)
      await oracle.call('stopConsumer', { clientId })
    },
  }
}

/**
 * Holds that each queue was consumed message by message, by one member at a time, and by this client's members no message twice.
 *
 * @param sent - How many messages there were, by queue.
 * @returns how many came twice: those that a member of Java had when it gave up its queue, for it stores nothing of them, and those of which it had told its offset so late
 * that the broker heard of it after it had passed the lock on.
 */
function repeatedInOrder(deliveries: readonly Delivery[], sent: readonly number[]): number {
  let repeated = 0
  for (const [queueId, count] of sent.entries()) {
    const ofQueue = deliveries.filter((one) => one.queueId === queueId).toSorted((a, b) => a.at - b.at)
    let last: Delivery | undefined
    for (const delivery of ofQueue) {
      const expected = (last?.queueOffset ?? -1) + 1
      const ofJava =
        last !== undefined && last.member !== 'node' && last.member !== delivery.member ? last.queueOffset : -1
      if (delivery.queueOffset <= ofJava) repeated += ofJava - delivery.queueOffset + 1
      else expect(delivery.queueOffset, `of queue ${queueId}`).toBe(expected)
      last = delivery
    }
    expect(last?.queueOffset).toBe(count - 1)
  }
  return repeated
}

function expectFew(repeated: number, sent: readonly number[]): void {
  expect(repeated).toBeLessThan(sent.reduce((sum, count) => sum + count, 0) / 10)
}

/** Whether the last message of each queue has come. */
function hasAll(deliveries: readonly Delivery[], sent: readonly number[]): boolean {
  return sent.every((count, queueId) =>
    deliveries.some((one) => one.queueId === queueId && one.queueOffset === count - 1),
  )
}

const wantsAll: AllocateMessageQueueStrategy = (_group, _clientId, queues) => [...queues]

describe.each(MODES)('a member of this client in mode %s and members of Java that are orderly', (consumeMode) => {
  test('respect the locks of each other, though each wants all queues, and hand them over', async () => {
    const { topic, queues } = await newTopic()
    const group = uniqueName('cg')
    const all: JavaStrategy = { name: 'CONFIG', messageQueueList: queues }
    const { sent, end } = await keepSending(queues)
    const first = await joinJava(topic, group, all)
    await until(async () => (await first.ids()).length === QUEUES, DEADLINE)

    const node = await joinNode(topic, group, { consumeMode, allocateMessageQueueStrategy: wantsAll })
    const before = await first.count()
    await until(async () => (await first.count()) > before + 200, DEADLINE)
    expect(node.ids()).toEqual([])
    expect(node.got).toEqual([])

    await first.leave()
    await until(() => node.ids().length === QUEUES, DEADLINE)
    const second = await joinJava(topic, group, all)
    await until(() => node.got.length > 200, DEADLINE)
    expect(await second.ids()).toEqual([])
    expect(await second.count()).toBe(0)

    await node.leave()
    await until(async () => (await second.ids()).length === QUEUES, DEADLINE)
    await until(async () => (await second.count()) > 200, DEADLINE)
    await end()
    const deliveries = async () => [...(await first.deliveries()), ...node.got, ...(await second.deliveries())]
    await until(async () => hasAll(await deliveries(), sent), DEADLINE)
    await second.leave()
    expectFew(repeatedInOrder(await deliveries(), sent), sent)
  })

  test('share queues, and move them while messages come', async () => {
    const { topic, queues } = await newTopic()
    const group = uniqueName('cg')
    const { sent, end } = await keepSending(queues)
    const java = await joinJava(topic, group, { name: 'AVG' })
    await until(async () => (await java.ids()).length === QUEUES, DEADLINE)
    const node = await joinNode(topic, group, { consumeMode })
    await until(async () => node.ids().length === QUEUES / 2 && (await java.ids()).length === QUEUES / 2, DEADLINE)
    const before = await java.count()
    await until(async () => node.got.length > 200 && (await java.count()) > before + 200, DEADLINE)
    await java.leave()
    await until(() => node.ids().length === QUEUES, DEADLINE)
    const back = await joinJava(topic, group, { name: 'AVG' })
    await until(async () => (await back.ids()).length === QUEUES / 2, DEADLINE)
    await until(async () => (await back.count()) > 200, DEADLINE)
    await node.leave()
    await until(async () => (await back.ids()).length === QUEUES, DEADLINE)
    await end()
    const deliveries = async () => [...(await java.deliveries()), ...node.got, ...(await back.deliveries())]
    await until(async () => hasAll(await deliveries(), sent), DEADLINE)
    await back.leave()
    expectFew(repeatedInOrder(await deliveries(), sent), sent)
  })
})
