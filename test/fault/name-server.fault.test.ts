import { afterAll, beforeAll, expect, test } from 'vitest'
import { DefaultProducer, PullConsumer, type RemotingError } from '../../src/index.js'
import { type Cluster, type ClusterNode, startCluster } from '../support/cluster.js'
import { uniqueName } from '../support/names.js'
import { readTopic } from '../support/read-topic.js'
import { rejectionOf, until } from '../support/until.js'
import { startConsumer, startProducer, works } from './clients-under-test.js'
import { createTopic } from './create-topic.js'
import { kill } from './nodes-under-test.js'

let cluster: Cluster
let first: ClusterNode
let second: ClusterNode

beforeAll(async () => {
  cluster = await startCluster({ route: 'java', nameServers: 2, log: () => {} })
  const [one, two] = cluster.nameServers
  if (one === undefined || two === undefined) throw new Error('the cluster has no two NameServers')
  first = one
  second = two
})

afterAll(() => cluster?.stop())

test('sends, pulls and commits on known topics go on while every NameServer is dead, and new topics are found afterwards', async () => {
  const topic = uniqueName('known')
  await createTopic(cluster, topic)
  const options = { namesrvAddr: cluster.namesrvAddr, pollNameServerInterval: 100 }
  const producer = await startProducer(options)
  const consumer = await startConsumer(options)
  const { messageQueue } = await producer.send({ topic, body: '0' })
  await consumer.pull(messageQueue, { offset: 0 })

  await kill(first)
  await kill(second)
  for (let i = 1; i <= 400; i++) {
    await producer.send({ topic, body: String(i) })
    if (i % 20 === 0) {
      await consumer.pull(messageQueue, { offset: 0 })
      await consumer.commitOffset(messageQueue, i)
    }
  }
  const unknown = uniqueName('unknown')
  const error = await rejectionOf(producer.send({ topic: unknown, body: 'x' }))
  expect(error).toMatchObject({ name: 'RemotingError', retryable: true })
  expect(error.message).toContain(first.address)
  expect(error.message).toContain(second.address)

  await first.restart()
  await second.restart()
  await until(() => works(() => producer.send({ topic: unknown, body: 'found' })), 30_000)
  expect(await consumer.fetchConsumeOffset(messageQueue)).toBe(400)
  expect(await readTopic(consumer, topic, 401)).toHaveLength(401)
})

test('clients start with one of two NameServers dead, and find new topics by the other one when that dies instead', async () => {
  await kill(first)
  const options = { namesrvAddr: cluster.namesrvAddr }
  // Which NameServer is asked first is chosen at random: of eight clients some begin with the dead one.
  const producers = await Promise.all(Array.from({ length: 8 }, () => startProducer(options)))
  const consumer = await startConsumer(options)
  for (const [i, producer] of producers.entries()) {
    const topic = uniqueName(`early${i}`)
    await producer.send({ topic, body: 'x' })
    // A broker of 4.x tells the NameServers of a new topic a little later.
    await until(() => works(() => consumer.fetchSubscribeMessageQueues(topic)))
    expect(await readTopic(consumer, topic, 1)).toHaveLength(1)
  }

  await first.restart()
  await kill(second)
  for (const [i, producer] of producers.entries()) {
    const topic = uniqueName(`late${i}`)
    await createTopic(cluster, topic)
    // Within a second after a failed connect there is no other one.
    await until(() => works(() => producer.send({ topic, body: 'x' })))
    await until(() => works(() => consumer.fetchSubscribeMessageQueues(topic)))
    expect(await readTopic(consumer, topic, 1)).toHaveLength(1)
  }
})

test('start rejects and names each NameServer when all are dead, and the same client starts once one is back', async () => {
  await kill(first)
  await kill(second)
  const { namesrvAddr } = cluster
  const producer = new DefaultProducer({ producerGroup: uniqueName('pg'), namesrvAddr })
  const consumer = new PullConsumer({ consumerGroup: uniqueName('cg'), namesrvAddr })
  for (const client of [producer, consumer]) {
    const error = (await rejectionOf(client.start())) as RemotingError
    expect(error).toMatchObject({ name: 'RemotingError', code: 'CONNECT_FAILED', retryable: true })
    expect(error.message).toMatch(/^no NameServer of .* can be reached/)
    expect(error.message).toContain(`connect to ${first.address}: refused`)
    expect(error.message).toContain(`connect to ${second.address}: refused`)
    expect(client.health()).toMatchObject({ isHealthy: false, state: 'created' })
  }
  await expect(producer.send({ topic: 'T', body: 'x' })).rejects.toMatchObject({ code: 'NOT_STARTED' })

  await second.restart()
  try {
    await producer.start()
    await consumer.start()
    const topic = uniqueName('restarted')
    await producer.send({ topic, body: 'x' })
    await until(() => works(() => consumer.fetchSubscribeMessageQueues(topic)))
    expect(await readTopic(consumer, topic, 1)).toHaveLength(1)
  } finally {
    await producer.shutdown()
    await consumer.shutdown()
  }
})
