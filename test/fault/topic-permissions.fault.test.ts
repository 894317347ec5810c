import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Cluster, type ClusterNode, startCluster } from '../support/cluster.js'
import { uniqueName } from '../support/names.js'
import { readTopic } from '../support/read-topic.js'
import { registerNow, topicBrokers } from '../support/remoting-probe.js'
import { rejectionOf, until } from '../support/until.js'
import { keepSending, SendHistory, startConsumer, startProducer, works } from './clients-under-test.js'
import { createTopic } from './create-topic.js'
import { kill } from './nodes-under-test.js'

const READ_ONLY = '4'
const READ_AND_WRITE = '6'

let cluster: Cluster
let creating: ClusterNode
let other: ClusterNode

beforeAll(async () => {
  cluster = await startCluster({
    route: 'java',
    brokers: [{ name: 'broker-a' }, { name: 'broker-b', config: { autoCreateTopicEnable: 'false' } }],
    config: { osPageCacheBusyTimeOutMills: '10000' },
    log: () => {},
  })
  creating = cluster.broker('broker-a')
  other = cluster.broker('broker-b')
})

afterAll(() => cluster?.stop())

test('a new topic is made by the one broker that may create topics, whichever queue comes first', async () => {
  const producer = await startProducer({ namesrvAddr: cluster.namesrvAddr })
  const [nameServer] = cluster.nameServers
  for (let i = 0; i < 8; i++) {
    const topic = uniqueName('new')
    const { messageQueue } = await producer.send({ topic, body: 'x' })
    expect(messageQueue.brokerName).toBe(creating.name)
    expect(await until(() => topicBrokers(nameServer?.address ?? '', topic))).toEqual([creating.name])
  }
})

test('a send to a topic that no broker may create rejects as in Java, and works once the topic was created', async () => {
  const { namesrvAddr } = cluster
  const [nameServer] = cluster.nameServers
  await kill(creating)
  await until(async () => (await topicBrokers(nameServer?.address ?? '', 'TBW102')) === undefined, 30_000)
  const producer = await startProducer({ namesrvAddr })
  const topic = uniqueName('forbidden')
  for (const send of [
    () => producer.send({ topic, body: 'x' }),
    () => producer.sendBatch([{ topic, body: 'x' }]),
    () => producer.sendOneway({ topic, body: 'x' }),
    () => producer.fetchPublishMessageQueues(topic),
  ]) {
    const error = await rejectionOf(send())
    expect(error).toMatchObject({ name: 'ClientError', code: 'TOPIC_NOT_FOUND', retryable: true })
    expect(error.message).toMatch(
      new RegExp(`^No route info of this topic: ${topic}.*autoCreateTopicEnable.*${nameServer?.address}`),
    )
  }

  await createTopic(cluster, topic, { brokers: [other] })
  const { messageQueue } = await producer.send({ topic, body: 'x' })
  expect(messageQueue.brokerName).toBe(other.name)
})

test('a broker that is made read-only is left out by sends, none of which fails, and is read from; then it is used again', async () => {
  const topic = uniqueName('readonly')
  await createTopic(cluster, topic)
  const options = { namesrvAddr: cluster.namesrvAddr, pollNameServerInterval: 300 }
  const producer = await startProducer({ ...options, requestTimeout: 10_000, sendTimeout: 30_000 })
  const consumer = await startConsumer(options)
  const history = new SendHistory()
  const stopSending = keepSending(producer, topic, history)
  const usedBrokers = async (count: number) => {
    const from = history.acknowledged.size
    await until(() => history.acknowledged.size >= from + count, 60_000)
    return [...new Set([...history.acknowledged.values()].slice(from).map((result) => result.messageQueue.brokerName))]
  }
  await until(async () => (await usedBrokers(50)).length === 2, 30_000)

  await registerNow(other.address, READ_ONLY)
  await until(async () => (await producer.fetchPublishMessageQueues(topic)).length === 4, 30_000)
  // What was on its way with the old route has settled by then.
  await usedBrokers(50)
  expect(await usedBrokers(400)).toEqual([creating.name])
  const readable = (await consumer.fetchSubscribeMessageQueues(topic)).map((queue) => queue.brokerName)
  expect(new Set(readable)).toEqual(new Set([creating.name, other.name]))
  const queue = { topic, brokerName: other.name, queueId: 0 }
  expect((await consumer.pull(queue, { offset: 0 })).pullStatus).toBe('FOUND')

  await registerNow(other.address, READ_AND_WRITE)
  await until(async () => (await usedBrokers(50)).length === 2, 30_000)
  await stopSending()
  expect([...history.rejected.values()]).toEqual([])
  const stored = await readTopic(consumer, topic, history.acknowledged.size)
  expect(history.compare(stored)).toEqual({ lost: [], falselyDenied: [] })
})

test('a topic on a read-only broker alone can not be sent to, and says so, until the broker takes writes again', async () => {
  const topic = uniqueName('closed')
  await createTopic(cluster, topic, { brokers: [other] })
  const producer = await startProducer({ namesrvAddr: cluster.namesrvAddr, pollNameServerInterval: 300 })
  await producer.send({ topic, body: 'before' })

  await registerNow(other.address, READ_ONLY)
  // Until the route shows it: the broker itself refuses sends to ordered topics only.
  await until(async () => (await producer.fetchPublishMessageQueues(topic)).length === 0, 30_000)
  const error = await rejectionOf(producer.send({ topic, body: 'not sent' }))
  expect(error).toMatchObject({ name: 'ClientError', code: 'NO_BROKER', retryable: true })
  expect(error.message).toContain(topic)

  await registerNow(other.address, READ_AND_WRITE)
  await until(() => works(() => producer.send({ topic, body: 'after' })), 30_000)
  const consumer = await startConsumer({ namesrvAddr: cluster.namesrvAddr })
  const stored = await readTopic(consumer, topic, 2)
  expect(stored.map((message) => message.body.toString()).sort()).toEqual(['after', 'before'])
})
