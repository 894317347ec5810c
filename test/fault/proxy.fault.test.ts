import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { type MessageExt, type MessageQueue, PushConsumer } from '../../src/index.js'
import { type Cluster, startCluster } from '../support/cluster.js'
import { createTopicOn } from '../support/create-topic-on.js'
import { uniqueName } from '../support/names.js'
import { readQueue } from '../support/read-topic.js'
import { probe } from '../support/remoting-probe.js'
import { rejectionOf, until } from '../support/until.js'
import { startConsumer, startProducer } from './clients-under-test.js'
import { createTopic } from './create-topic.js'

const DEADLINE = 60_000
const LOCK_BATCH_MQ = 41
const QUEUES = 4

let cluster: Cluster
/** Where clients find it. */
let namesrvAddr: string

beforeAll(async () => {
  cluster = await startCluster({
    route: 'java',
    brokers: [{ name: 'broker-a' }, { name: 'broker-b' }],
    config: { osPageCacheBusyTimeOutMills: '10000' },
    proxy: {},
    log: () => {},
  })
  namesrvAddr = cluster.proxy?.address ?? ''
})
afterAll(() => cluster?.stop())

async function newTopic(): Promise<string> {
  const topic = uniqueName('proxy')
  await createTopic(cluster, topic, { queues: QUEUES })
  return topic
}

describe('two brokers behind one proxy', () => {
  it('are told apart by their names, for messages and for offsets', async () => {
    const topic = await newTopic()
    const producer = await startProducer({ namesrvAddr })
    const consumer = await startConsumer({ namesrvAddr })
    const queues = await consumer.fetchSubscribeMessageQueues(topic)
    expect(queues).toHaveLength(2 * QUEUES)
    for (const [i, queue] of queues.entries()) {
      const { messageQueue } = await producer.send({ topic, body: nameOf(queue) }, { queue })
      expect(messageQueue).toEqual(queue)
      // Also before its first pull, by which brokers behind a proxy hear of a group.
      await consumer.commitOffset(queue, i + 1)
    }
    for (const [i, queue] of queues.entries()) {
      const messages = await until(async () => {
        const read = await readQueue(consumer, queue)
        return read.length > 0 ? read : undefined
      }, DEADLINE)
      expect(messages.map(({ body }) => body.toString())).toEqual([nameOf(queue)])
      expect(await consumer.fetchConsumeOffset(queue)).toBe(i + 1)
    }
    expect(consumer.health().brokers).toMatchObject([
      { brokerName: 'broker-a', address: namesrvAddr, isConnected: true },
      { brokerName: 'broker-b', address: namesrvAddr, isConnected: true },
    ])
  })

  it('each give the locks of their own queues to a consumer in order', async () => {
    const topic = await newTopic()
    const consumerGroup = uniqueName('cg')
    const received: MessageExt[] = []
    const consumer = new PushConsumer({ consumerGroup, namesrvAddr, consumeMode: 'orderly', consumeFromWhere: 'FIRST' })
    onTestFinished(() => consumer.shutdown({ timeout: 0 }))
    consumer.onMessage((messages) => void received.push(...messages))
    await consumer.subscribe(topic)
    await consumer.start()
    const producer = await startProducer({ namesrvAddr })
    const queues = await producer.fetchPublishMessageQueues(topic)
    for (let i = 0; i < 3; i++) {
      for (const queue of queues) await producer.send({ topic, body: `${nameOf(queue)} ${i}` }, { queue })
    }
    await until(() => received.length >= 3 * queues.length, DEADLINE)
    for (const queue of queues) {
      const own = received.filter(({ brokerName, queueId }) => nameOf({ brokerName, queueId }) === nameOf(queue))
      expect(own.map(({ body }) => body.toString())).toEqual([0, 1, 2].map((i) => `${nameOf(queue)} ${i}`))
    }
    for (const { name, address } of cluster.brokers) {
      const own = queues.filter(({ brokerName }) => brokerName === name)
      expect(own).toHaveLength(QUEUES)
      expect(await lockedFor('another', consumerGroup, address, own)).toEqual([])
    }
  })
})

/** The queues whose locks a broker gives to a member that it was not asked for by the proxy. */
async function lockedFor(
  clientId: string,
  consumerGroup: string,
  address: string,
  mqSet: readonly MessageQueue[],
): Promise<unknown[]> {
  const body = JSON.stringify({ consumerGroup, clientId, onlyThisBroker: true, mqSet })
  const answer = await probe(address, { code: LOCK_BATCH_MQ, body }, { timeout: 10_000 })
  expect(answer.code).toBe(0)
  return (JSON.parse(answer.body) as { lockOKMQSet: unknown[] }).lockOKMQSet
}

describe('a proxy that checks the types of topics', () => {
  it('refuses messages of another type, and topics that do not exist yet, within one attempt', async () => {
    const topic = await newTopic()
    const producer = await startProducer({ namesrvAddr })
    const error = await rejectionOf(producer.send({ topic, body: 'x', delayLevel: 1 }))
    expect(error).toMatchObject({
      name: 'BrokerError',
      code: 'MESSAGE_ILLEGAL',
      address: namesrvAddr,
      retryable: false,
    })
    expect(error).toMatchObject({ attempts: { length: 1 }, mayBeStored: false })
    const missing = await rejectionOf(producer.send({ topic: uniqueName('missing'), body: 'x' }))
    expect(missing).toMatchObject({ name: 'BrokerError', code: 'MESSAGE_ILLEGAL', attempts: { length: 1 } })
  })

  it('takes delayed messages for topics of that type', async () => {
    const topic = uniqueName('delay')
    for (const { address } of cluster.brokers)
      await createTopicOn(address, { topic, queues: 1, attributes: '+message.type=DELAY' })
    const producer = await startProducer({ namesrvAddr })
    const result = await until(
      () => producer.send({ topic, body: 'x', delayLevel: 1 }).catch(() => undefined),
      DEADLINE,
    )
    expect(result.sendStatus).toBe('SEND_OK')
  })
})

describe('a proxy that ends and comes back', () => {
  it('is found again by producers and consumers', async () => {
    const topic = await newTopic()
    const producer = await startProducer({ namesrvAddr })
    const received = new Set<string>()
    const consumer = new PushConsumer({ consumerGroup: uniqueName('cg'), namesrvAddr, consumeFromWhere: 'FIRST' })
    onTestFinished(() => consumer.shutdown({ timeout: 0 }))
    consumer.onMessage((messages) => {
      for (const { body } of messages) received.add(body.toString())
    })
    consumer.on('error', () => undefined)
    await consumer.subscribe(topic)
    await consumer.start()
    await producer.send({ topic, body: 'before' })
    await until(() => received.has('before'), DEADLINE)
    await cluster.proxy?.kill()
    expect(await rejectionOf(producer.send({ topic, body: 'while' }))).toMatchObject({ name: 'RemotingError' })
    await cluster.proxy?.restart()
    await until(() => producer.send({ topic, body: 'after' }).catch(() => undefined), DEADLINE)
    await until(() => received.has('after'), DEADLINE)
  })
})

function nameOf({ brokerName, queueId }: Pick<MessageQueue, 'brokerName' | 'queueId'>): string {
  return `${brokerName}[${queueId}]`
}
