import { afterAll, beforeAll, expect, test } from 'vitest'
import type { PullConsumer } from '../../src/index.js'
import { type Cluster, type ClusterNode, startCluster } from '../support/cluster.js'
import { readQueue } from '../support/read-topic.js'
import { rejectionOf, until } from '../support/until.js'
import { brokerHas } from './broker-has.js'
import { startConsumer, startProducer, works } from './clients-under-test.js'
import { kill } from './nodes-under-test.js'

const MESSAGES = 40

let cluster: Cluster
let master: ClusterNode
let slave: ClusterNode

beforeAll(async () => {
  cluster = await startCluster({
    route: 'java',
    brokers: [{ name: 'broker-a' }, { name: 'broker-a', id: 1 }],
    config: { slaveReadEnable: 'true', haHousekeepingInterval: '5000', haSendHeartbeatInterval: '1000' },
    log: () => {},
  })
  master = cluster.broker('broker-a')
  slave = cluster.broker('broker-a:1')
})

afterAll(() => cluster?.stop())

async function bodies(consumer: PullConsumer, topic: string): Promise<string[]> {
  const messages = await readQueue(consumer, { topic, brokerName: master.name, queueId: 0 })
  return messages.map((message) => message.body.toString())
}

test('pulls go on from the slave while the master is gone, sends say that there is none, and both use the master when it is back', async () => {
  // Brokers make a topic of their own name, with one queue. Of other topics a slave learns a minute after its start.
  const topic = master.name
  const options = { namesrvAddr: cluster.namesrvAddr, pollNameServerInterval: 500 }
  const producer = await startProducer(options)
  const consumer = await startConsumer(options)
  const queue = { topic, brokerName: master.name, queueId: 0 }
  const sent = Array.from({ length: MESSAGES }, (_, i) => `m${i}`)
  for (const body of sent) await producer.send({ topic, body }, { queue })
  const first = await consumer.pull(queue, { offset: 0, maxNums: 10 })
  expect(first.messages.map((message) => message.body.toString())).toEqual(sent.slice(0, 10))
  await until(() => brokerHas(slave, topic, 0, MESSAGES - 1), 30_000)

  await kill(master)
  await until(() => works(() => consumer.pull(queue, { offset: first.nextBeginOffset })), 30_000)
  // Pulls know the slave at once. Where a queue begins and ends is asked of the master, until the route says that it is gone.
  await until(() => works(() => consumer.minOffset(queue)), 30_000)
  expect(await bodies(consumer, topic)).toEqual(sent)
  const rest = await consumer.pull(queue, { offset: 10 })
  expect(rest.messages.map((message) => message.body.toString())).toEqual(sent.slice(10))
  expect(await consumer.fetchSubscribeMessageQueues(topic)).toEqual([queue])
  // A client that is started now finds the slave as well.
  const late = await startConsumer(options)
  expect(await bodies(late, topic)).toEqual(sent)
  const error = await rejectionOf(producer.send({ topic, body: 'nowhere to go' }))
  expect(error).toMatchObject({ retryable: true })
  expect(error.message).toContain(topic)

  await master.restart()
  await until(() => works(() => producer.send({ topic, body: 'again' }, { queue })), 30_000)
  // Its connection to the master may come a little later than the producer's.
  await until(() => works(() => consumer.maxOffset(queue)), 30_000)
  await until(async () => (await consumer.maxOffset(queue)) === MESSAGES + 1, 30_000)
  expect(await bodies(consumer, topic)).toEqual([...sent, 'again'])
})
