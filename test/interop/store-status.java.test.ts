import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import {
  DefaultProducer,
  type MessageExt,
  type ProducerOptions,
  PullConsumer,
  type SendStatus,
} from '../../src/index.js'
import { createTopic } from '../fault/create-topic.js'
import { type Cluster, startCluster } from '../support/cluster.js'
import { uniqueName } from '../support/names.js'
import { readTopic } from '../support/read-topic.js'
import { until } from '../support/until.js'

/** Without a slave, brokers of 4.x say so; those of 5.x wait for one as long as they are told. */
const WITHOUT_SLAVE: SendStatus = process.env.ROCKETMQ_VERSION?.startsWith('4.')
  ? 'SLAVE_NOT_AVAILABLE'
  : 'FLUSH_SLAVE_TIMEOUT'

let cluster: Cluster

beforeAll(async () => {
  cluster = await startCluster({
    route: 'java',
    brokers: [
      // It wants a second replica of each message, and there is none.
      { name: 'alone', role: 'SYNC_MASTER', config: { inSyncReplicas: '2', slaveTimeout: '100' } },
      // It gives the disk no time at all.
      { name: 'hasty', config: { flushDiskType: 'SYNC_FLUSH', syncFlushTimeout: '0' } },
      { name: 'plain' },
    ],
    config: { osPageCacheBusyTimeOutMills: '10000' },
    log: () => {},
  })
})

afterAll(() => cluster?.stop())

async function startProducer(options: Partial<ProducerOptions> = {}): Promise<DefaultProducer> {
  const { namesrvAddr } = cluster
  const producer = new DefaultProducer({ producerGroup: uniqueName('pg'), namesrvAddr, ...options })
  onTestFinished(() => producer.shutdown())
  await producer.start()
  return producer
}

async function topicOn(...names: string[]): Promise<string> {
  const topic = uniqueName('status')
  await createTopic(cluster, topic, { queues: 2, brokers: names.map((name) => cluster.broker(name)) })
  return topic
}

async function storedIn(topic: string, count: number): Promise<MessageExt[]> {
  const consumer = new PullConsumer({ consumerGroup: uniqueName('cg'), namesrvAddr: cluster.namesrvAddr })
  onTestFinished(() => consumer.shutdown())
  await consumer.start()
  return readTopic(consumer, topic, count)
}

test('a message that no slave has is stored, once, and its status says what it lacks', async () => {
  const topic = await topicOn('alone', 'plain')
  const producer = await startProducer()
  const queue = { topic, brokerName: 'alone', queueId: 1 }
  const result = await producer.send({ topic, body: 'wants a slave' }, { queue })
  expect(result).toMatchObject({ sendStatus: WITHOUT_SLAVE, queueOffset: 0, messageQueue: queue })
  const messages = await storedIn(topic, 1)
  expect(messages.map(({ msgId, brokerName }) => [msgId, brokerName])).toEqual([[result.msgId, 'alone']])
})

test('a batch has the status too, and waitStoreMsgOk: false waits for nobody', async () => {
  const topic = await topicOn('alone')
  const producer = await startProducer()
  const batch = [1, 2].map((i) => ({ topic, body: `part ${i}` }))
  await expect(producer.sendBatch(batch)).resolves.toMatchObject({ sendStatus: WITHOUT_SLAVE })
  const impatient = await producer.send({ topic, body: 'wants nobody', waitStoreMsgOk: false })
  expect(impatient.sendStatus).toBe('SEND_OK')
  expect(await storedIn(topic, 3)).toHaveLength(3)
})

test('a message that is not on the disk in time is stored, and its status is FLUSH_DISK_TIMEOUT', async () => {
  const topic = await topicOn('hasty')
  const producer = await startProducer()
  const sent: string[] = []
  // The disk is quick now and then.
  await until(async () => {
    const { msgId, sendStatus } = await producer.send({ topic, body: 'wants the disk' })
    sent.push(msgId)
    return sendStatus === 'FLUSH_DISK_TIMEOUT'
  }, 30_000)
  const messages = await storedIn(topic, sent.length)
  expect(messages.map(({ msgId }) => msgId).sort()).toEqual(sent.sort())
})

test('with retryAnotherBrokerWhenNotStoreOK it goes to another broker too, and that one is the result', async () => {
  const topic = await topicOn('alone', 'plain')
  const producer = await startProducer({ retryAnotherBrokerWhenNotStoreOK: true })
  const results = []
  // Two queues on each broker: half of the sends go to the first one first.
  for (let i = 0; i < 4; i++) results.push(await producer.send({ topic, body: `wants more ${i}` }))
  expect(results.map(({ sendStatus, messageQueue }) => [sendStatus, messageQueue.brokerName])).toEqual(
    results.map(() => ['SEND_OK', 'plain']),
  )
  const { retried } = producer.statistics()
  const copies = new Map<string, string[]>()
  for (const { msgId, brokerName } of await storedIn(topic, results.length + retried))
    copies.set(msgId, [...(copies.get(msgId) ?? []), brokerName])
  for (const { msgId } of results) expect(copies.get(msgId)).toContain('plain')
  const twice = [...copies.values()].filter((brokers) => brokers.length > 1)
  expect(twice.length).toBeGreaterThan(0)
  expect(twice).toHaveLength(retried)
  for (const brokers of twice) expect(brokers.sort()).toEqual(['alone', 'plain'])
})
