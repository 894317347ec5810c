import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import {
  DefaultProducer,
  isRocketMQError,
  type MessageExt,
  type MessageQueue,
  PullConsumer,
  PushConsumer,
} from '../../src/index.js'
import { type Cluster, startCluster } from '../support/cluster.js'
import { uniqueName } from '../support/names.js'
import { type Oracle, startOracle } from '../support/oracle.js'
import { PATIENCE } from '../support/patience.js'
import { until } from '../support/until.js'

const DEADLINE = 60_000
const QUEUES = 6
const MOCK_BROKER = '__syslo__global__'

let cluster: Cluster
let oracle: Oracle

beforeAll(async () => {
  cluster = await startCluster({
    route: 'java',
    brokers: [{ name: 'broker-a' }, { name: 'broker-b' }],
    config: { osPageCacheBusyTimeOutMills: '10000' },
    log: () => {},
  })
  oracle = await startOracle(cluster.version)
})

afterAll(async () => {
  await oracle?.stop()
  await cluster?.stop()
})

/** Runs a command about a static topic, and says what mqadmin printed when that is no success. */
async function mqadmin(command: string, topic: string, ...words: string[]): Promise<void> {
  const { stdout } = await oracle.call('mqadmin', { args: [command, '-n', cluster.namesrvAddr, '-t', topic, ...words] })
  if (/exception|error|fail/i.test(stdout)) throw new Error(`${command}: ${stdout}`)
}

async function startProducer(): Promise<DefaultProducer> {
  const { namesrvAddr } = cluster
  const producer = new DefaultProducer({
    producerGroup: uniqueName('pg'),
    namesrvAddr,
    pollNameServerInterval: 500,
    ...PATIENCE,
  })
  onTestFinished(() => producer.shutdown())
  await producer.start()
  return producer
}

async function startPush(topic: string, consumerGroup: string): Promise<{ consumer: PushConsumer; got: MessageExt[] }> {
  const { namesrvAddr } = cluster
  const got: MessageExt[] = []
  const options = { consumeFromWhere: 'FIRST', pollNameServerInterval: 500 } as const
  const consumer = new PushConsumer({ consumerGroup, namesrvAddr, ...options })
  onTestFinished(() => consumer.shutdown({ timeout: 0 }))
  consumer.onMessage(async (messages) => {
    got.push(...messages)
  })
  await consumer.subscribe(topic)
  await consumer.start()
  return { consumer, got }
}

/** Where each body lies, as the brokers said: a broker that has a queue no longer refuses, as long as its clients have the old route. */
async function send(producer: DefaultProducer, topic: string, bodies: readonly string[]): Promise<Map<string, string>> {
  const places = new Map<string, string>()
  const sendOne = (body: string) =>
    producer.send({ topic, body }).catch((error: unknown) => {
      if (isRocketMQError(error) && error.code === 'NOT_LEADER_FOR_QUEUE') return undefined
      throw error
    })
  for (const body of bodies) {
    const { messageQueue, queueOffset } = await until(() => sendOne(body), DEADLINE)
    places.set(body, `${messageQueue.brokerName}[${messageQueue.queueId}] ${queueOffset}`)
  }
  return places
}

function numbers(from: number, count: number): string[] {
  return Array.from({ length: count }, (_, i) => String(from + i))
}

function placesOf(messages: readonly MessageExt[]): Map<string, string> {
  const entries = messages.map(
    ({ body, brokerName, queueId, queueOffset }) =>
      [body.toString(), `${brokerName}[${queueId}] ${queueOffset}`] as const,
  )
  return new Map(entries)
}

/** Without those of the retry topic. */
function ownedBy(consumer: PushConsumer, topic: string): MessageQueue[] {
  return consumer.assignment().filter((queue) => queue.topic === topic)
}

function bodies(messages: readonly MessageExt[]): Set<string> {
  return new Set(messages.map(({ body }) => body.toString()))
}

// Static topics came with 5.0.
if (process.env.ROCKETMQ_VERSION?.startsWith('4.')) {
  test('a broker of 4.9 has no static topics: its tools make none', async () => {
    await expect(mqadmin('updateStaticTopic', uniqueName('static'), '-qn', '1')).rejects.toThrow('updateStaticTopic')
  })
} else {
  test('a static topic is sent to and consumed while its queues move from one broker to another, and offsets go on', async () => {
    const topic = uniqueName('static')
    await mqadmin('updateStaticTopic', topic, '-qn', String(QUEUES), '-b', 'broker-a,broker-b')
    const producer = await startProducer()
    const queues = await until(async () => {
      const found = await producer.fetchPublishMessageQueues(topic).catch(() => [])
      return found.length === QUEUES && found
    }, DEADLINE)
    expect(queues.map(({ brokerName, queueId }) => `${brokerName}:${queueId}`)).toEqual(
      Array.from({ length: QUEUES }, (_, i) => `${MOCK_BROKER}:${i}`),
    )
    const before = await send(producer, topic, numbers(0, 120))
    const { consumer, got } = await startPush(topic, uniqueName('cg'))
    await until(() => bodies(got).size === 120, DEADLINE)
    expect(ownedBy(consumer, topic)).toHaveLength(QUEUES)

    // Now all of them lie on one broker.
    await mqadmin('remappingStaticTopic', topic, '-b', 'broker-b')
    const after = await send(producer, topic, numbers(120, 120))
    await until(() => bodies(got).size === 240, DEADLINE)
    expect(placesOf(got)).toEqual(new Map([...before, ...after]))

    const reader = new PullConsumer({ consumerGroup: uniqueName('cg'), namesrvAddr: cluster.namesrvAddr })
    onTestFinished(() => reader.shutdown())
    await reader.start()
    for (const queue of queues) {
      const offsets = got.filter(({ queueId }) => queueId === queue.queueId).map(({ queueOffset }) => queueOffset)
      expect(await reader.minOffset(queue)).toBe(Math.min(...offsets))
      expect(await reader.maxOffset(queue)).toBe(Math.max(...offsets) + 1)
    }
  })

  test('Node and Java members of a group divide the queues of a static topic, each for one of them', async () => {
    const topic = uniqueName('static')
    const consumerGroup = uniqueName('cg')
    const { namesrvAddr } = cluster
    await mqadmin('updateStaticTopic', topic, '-qn', String(QUEUES), '-b', 'broker-a,broker-b')
    const { consumer, got } = await startPush(topic, consumerGroup)
    await until(() => ownedBy(consumer, topic).length === QUEUES, DEADLINE)
    const { clientId } = await oracle.call('startPushConsumer', {
      namesrvAddr,
      group: consumerGroup,
      topics: [{ topic }],
      options: { consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET' },
    })
    onTestFinished(async () => void (await oracle.call('stopConsumer', { clientId })))
    const ofJava = async () => {
      const owned = await oracle.call('ownedQueues', { clientId })
      return owned.queues.filter((queue) => queue.topic === topic)
    }
    await until(async () => (await ofJava()).length === 3 && ownedBy(consumer, topic).length === 3, DEADLINE)
    const all = [...(await ofJava()), ...ownedBy(consumer, topic)]
    expect(all.map(({ brokerName, queueId }) => `${brokerName}:${queueId}`).sort()).toEqual(
      Array.from({ length: QUEUES }, (_, i) => `${MOCK_BROKER}:${i}`),
    )
    const producer = await startProducer()
    await send(producer, topic, numbers(0, 60))
    await until(async () => {
      const { deliveries } = await oracle.call('consumed', { clientId })
      return deliveries.length >= 30 && bodies(got).size >= 30
    }, DEADLINE)
  })
}
