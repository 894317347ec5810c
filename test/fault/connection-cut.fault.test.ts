import { afterAll, beforeAll, expect, test } from 'vitest'
import { getMaxOffset } from '../../src/remoting/commands/offset.js'
import { type Cluster, type ClusterNode, startCluster } from '../support/cluster.js'
import { uniqueName } from '../support/names.js'
import { readTopic } from '../support/read-topic.js'
import { probe } from '../support/remoting-probe.js'
import { remotingClient } from '../support/remoting-under-test.js'
import { rejectionOf, until } from '../support/until.js'
import { copies, keepSending, SendHistory, startConsumer, startProducer, works } from './clients-under-test.js'
import { createTopic } from './create-topic.js'
import { type FaultyNetwork, faultyNetwork } from './faulty-network.js'

const GET_CONSUMER_CONNECTION_LIST = 203

let cluster: Cluster
let broker: ClusterNode

beforeAll(async () => {
  cluster = await startCluster({ route: 'java', config: { osPageCacheBusyTimeOutMills: '10000' }, log: () => {} })
  broker = cluster.broker('broker-a')
})

afterAll(() => cluster?.stop())

function networkOfCluster(): Promise<FaultyNetwork> {
  return faultyNetwork([...cluster.nameServers, ...cluster.brokers].map((node) => node.address))
}

/** By which connection the broker knows the one member of a consumer group; undefined while it knows none. */
async function connectionOf(consumerGroup: string): Promise<string | undefined> {
  const { body } = await probe(broker.address, { code: GET_CONSUMER_CONNECTION_LIST, fields: { consumerGroup } })
  return /"clientAddr":"([^"]+)"/.exec(body)?.[1]
}

test('calls in flight on a connection that is cut end as closed and sent, and the next ones work', async () => {
  const topic = uniqueName('calls')
  await createTopic(cluster, topic)
  const network = await networkOfCluster()
  const remoting = remotingClient({ addressMap: network.addressMap })
  const ask = () =>
    remoting.invoke(broker.address, getMaxOffset, { topic, queueId: 0, brokerName: broker.name }, { timeout: 30_000 })
  await ask()

  for (let round = 0; round < 3; round++) {
    network.hold()
    const calls = Promise.allSettled(Array.from({ length: 100 }, ask))
    await until(() => network.heldBytes > 0)
    network.cut()
    for (const call of await calls) {
      expect(call).toMatchObject({
        status: 'rejected',
        reason: {
          name: 'RemotingError',
          code: 'CONNECTION_CLOSED',
          address: broker.address,
          sent: true,
          message: expect.stringContaining(broker.address),
        },
      })
    }
    const answers = await Promise.all(Array.from({ length: 100 }, ask))
    expect(answers.map((answer) => answer.header.offset)).toEqual(answers.map(() => 0))
  }
})

test('no send fails and nothing acknowledged is lost while connections are cut again and again', async () => {
  const topic = uniqueName('cuts')
  await createTopic(cluster, topic)
  const network = await networkOfCluster()
  const { namesrvAddr } = cluster
  const producer = await startProducer({
    namesrvAddr,
    addressMap: network.addressMap,
    requestTimeout: 10_000,
    sendTimeout: 30_000,
  })
  const history = new SendHistory()
  const stopSending = keepSending(producer, topic, history)
  for (let round = 0; round < 10; round++) {
    const { size } = history.acknowledged
    await until(() => history.acknowledged.size > size + 100, 30_000)
    network.cut()
  }
  await stopSending()

  expect([...history.rejected.values()]).toEqual([])
  const reader = await startConsumer({ namesrvAddr })
  const stored = await readTopic(reader, topic, history.acknowledged.size)
  expect(history.compare(stored)).toEqual({ lost: [], falselyDenied: [] })
  expect(Math.max(...copies(stored).values())).toBeLessThanOrEqual(3)
})

test('a long poll on a connection that is cut ends as closed, the consumer is a member again by itself, and pulls work', async () => {
  const topic = uniqueName('poll')
  await createTopic(cluster, topic)
  const network = await networkOfCluster()
  const { namesrvAddr } = cluster
  const producer = await startProducer({ namesrvAddr })
  const consumer = await startConsumer({ namesrvAddr, addressMap: network.addressMap })
  const queue = { topic, brokerName: broker.name, queueId: 0 }
  await consumer.pull(queue, { offset: 0 })
  const before = await until(() => connectionOf(consumer.consumerGroup))

  const waiting = rejectionOf(consumer.pullBlockIfNotFound(queue, { offset: 0 }))
  network.cut()
  expect(await waiting).toMatchObject({ name: 'RemotingError', code: 'CONNECTION_CLOSED', address: broker.address })
  await until(async () => ![before, undefined].includes(await connectionOf(consumer.consumerGroup)))
  expect(consumer.health().isHealthy).toBe(true)

  const next = consumer.pullBlockIfNotFound(queue, { offset: 0 })
  await producer.send({ topic, body: 'after the cut' }, { queue })
  expect((await next).messages.map((message) => message.body.toString())).toEqual(['after the cut'])
  await consumer.commitOffset(queue, 1)
  expect(await consumer.fetchConsumeOffset(queue)).toBe(1)
})

test('sends recover from connections that swallow everything while new ones work, without a rejection', async () => {
  const topic = uniqueName('swallow')
  await createTopic(cluster, topic)
  const network = await networkOfCluster()
  const { namesrvAddr } = cluster
  const producer = await startProducer({
    namesrvAddr,
    addressMap: network.addressMap,
    requestTimeout: 5_000,
    sendTimeout: 60_000,
    retryTimesWhenSendFailed: 10,
  })
  const history = new SendHistory()
  await producer.send({ topic, body: 'before' })
  const lost: string[] = []
  producer.on('disconnect', ({ error }) => lost.push(String(error?.message)))

  network.swallow()
  await Promise.all(
    Array.from({ length: 100 }, (_, i) => history.note(`m${i}`, producer.send({ topic, body: `m${i}` }))),
  )
  expect([...history.rejected.values()]).toEqual([])
  expect(lost).toContainEqual(expect.stringContaining(`${broker.address}: the connection was half open`))
  const reader = await startConsumer({ namesrvAddr })
  const stored = await readTopic(reader, topic, 101)
  expect(history.compare(stored)).toEqual({ lost: [], falselyDenied: [] })
  // What was swallowed never came to the broker.
  expect(Math.max(...copies(stored).values())).toBe(1)
})

test('a long poll on a connection that swallows everything ends soon after a heartbeat found no answer, and the next one works', async () => {
  const topic = uniqueName('silent')
  await createTopic(cluster, topic)
  const network = await networkOfCluster()
  const { namesrvAddr } = cluster
  const producer = await startProducer({ namesrvAddr })
  const consumer = await startConsumer({
    namesrvAddr,
    addressMap: network.addressMap,
    heartbeatBrokerInterval: 500,
    requestTimeout: 1_000,
    consumerTimeoutMillisWhenSuspend: 90_000,
    brokerSuspendMaxTimeMillis: 80_000,
  })
  const queue = { topic, brokerName: broker.name, queueId: 0 }
  await consumer.pull(queue, { offset: 0 })

  const waiting = rejectionOf(consumer.pullBlockIfNotFound(queue, { offset: 0 }))
  network.swallow()
  expect(await waiting).toMatchObject({
    name: 'RemotingError',
    code: 'CONNECTION_CLOSED',
    message: expect.stringContaining('half open'),
  })
  await until(() => works(() => consumer.pull(queue, { offset: 0 })))
  const next = consumer.pullBlockIfNotFound(queue, { offset: 0 })
  await producer.send({ topic, body: 'heard' }, { queue })
  expect((await next).messages.map((message) => message.body.toString())).toEqual(['heard'])
})
