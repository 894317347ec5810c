import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import {
  type AutoBatchOptions,
  DefaultProducer,
  type Message,
  type MessageExt,
  type MessageQueue,
  PullConsumer,
  type SendResult,
} from '../../src/index.js'
import { type Cluster, startCluster } from '../support/cluster.js'
import { differencesFromJava, differencesFromSent, placeOf, readPulled } from '../support/interop-compare.js'
import { interopMessage, toMessage } from '../support/interop-messages.js'
import { uniqueName } from '../support/names.js'
import { type Oracle, startOracle } from '../support/oracle.js'
import type { MessageSpec } from '../support/oracle-verbs.js'
import { PATIENCE } from '../support/patience.js'
import { readQueue, readTopic } from '../support/read-topic.js'

const { ROCKETMQ_VERSION = '' } = process.env
/** Brokers before 5.4 would overwrite the ids of the parts with the batch's, so that this client has them store the parts one by one. */
const KEEPS_BATCHES = !/^(4|5\.[0-3])\./.test(ROCKETMQ_VERSION)
const COUNT = 600
/** Of topics that store a batch as one message. */
const BATCH_CQ = { attributes: { 'queue.type': 'BatchCQ' } }
const TAGS = ['TagA', 'TagB', undefined] as const

let cluster: Cluster
let oracle: Oracle

beforeAll(async () => {
  cluster = await startCluster({ route: 'java', log: () => {} })
  oracle = await startOracle(cluster.version)
})

afterAll(async () => {
  await oracle?.stop()
  await cluster?.stop()
})

async function createTopic(
  queues: number,
  more: { attributes?: Readonly<Record<string, string>> } = {},
): Promise<string> {
  const topic = uniqueName('auto')
  await oracle.call('createTopic', { namesrvAddr: cluster.namesrvAddr, topic, queues, ...more })
  return topic
}

async function startedConsumer(): Promise<PullConsumer> {
  const consumer = new PullConsumer({ consumerGroup: uniqueName('cg'), namesrvAddr: cluster.namesrvAddr })
  onTestFinished(() => consumer.shutdown())
  await consumer.start()
  return consumer
}

async function startedProducer(autoBatch: AutoBatchOptions): Promise<DefaultProducer> {
  const { namesrvAddr } = cluster
  const producer = new DefaultProducer({ producerGroup: uniqueName('pg'), namesrvAddr, autoBatch, ...PATIENCE })
  onTestFinished(() => producer.shutdown())
  await producer.start()
  // By the answer to this one the producer knows what the broker can do.
  await producer.send({ topic: uniqueName('other'), body: 'x' })
  return producer
}

function specOf(index: number): MessageSpec {
  const { tags: _tags, ...spec } = interopMessage({ seed: 31, takesLargest: false }, index)
  const tags = TAGS[index % TAGS.length]
  return { ...spec, body: { text: `message ${index} 世界` }, ...(tags !== undefined && { tags }) }
}

const messagesFor = (topic: string): Message[] =>
  Array.from({ length: COUNT }, (_, i) => {
    const message = toMessage(specOf(i), topic)
    return i % 3 === 0 ? { ...message, shardingKey: `order-${i % 7}` } : message
  })

/** Each message is read by both clients, once, as it was sent, and where its own result says. */
async function expectReadByBoth(topic: string, results: readonly SendResult[]): Promise<MessageExt[]> {
  const { namesrvAddr } = cluster
  const folder = await mkdtemp(path.join(os.tmpdir(), 'rocketmq-interop-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const messages = await readTopic(await startedConsumer(), topic, COUNT)
  const file = path.join(folder, 'pulled.jsonl')
  await oracle.call('pullAll', { namesrvAddr, topic, file })
  const java = await readPulled(file)
  expect(messages).toHaveLength(COUNT)
  expect(messages.map(placeOf)).toEqual([...java.keys()])

  const ours = new Map(messages.map((message) => [placeOf(message), message]))
  for (const [i, { messageQueue, queueOffset, msgId, offsetMsgId }] of results.entries()) {
    const place = placeOf({ ...messageQueue, queueOffset })
    const message = ours.get(place) as MessageExt
    const twin = java.get(place)
    expect(message).toMatchObject({ msgId, offsetMsgId })
    expect(differencesFromSent(message, specOf(i))).toEqual([])
    // Java leaves these empty in the parts of a batch; this client gives those of the stored message.
    const { storeSize, bodyCRC } = message
    const filled = twin && { ...twin, storeSize, bodyCRC, offsetMsgId }
    expect(filled === undefined ? 'not read by Java' : differencesFromJava(message, filled)).toEqual([])
  }
  return messages
}

const storedCount = (messages: readonly MessageExt[]): number =>
  new Set(messages.map((message) => `${message.brokerName} ${message.commitLogOffset}`)).size

/** What consumers of one tag get is all of it, and nothing else. */
async function expectFilteredByTags(topic: string, messages: readonly MessageExt[]): Promise<void> {
  const consumer = await startedConsumer()
  const queues = await consumer.fetchSubscribeMessageQueues(topic)
  for (const expression of ['TagA', 'TagB']) {
    const lists = await Promise.all(queues.map((queue) => readQueue(consumer, queue, { expression })))
    const wanted = messages.filter((message) => message.tags === expression)
    expect(wanted.length).toBeGreaterThan(0)
    expect(lists.flat().map(placeOf).sort()).toEqual(wanted.map(placeOf).sort())
  }
}

test('messages of sends that left together are stored one by one, and read by both clients where the results say', async () => {
  const topic = await createTopic(4)
  const producer = await startedProducer({ maxCount: 50 })
  const results = await Promise.all(messagesFor(topic).map((message) => producer.send(message)))
  const messages = await expectReadByBoth(topic, results)
  expect(storedCount(messages)).toBe(COUNT)
  await expectFilteredByTags(topic, messages)
})

// Brokers of 4.x have no such topics.
if (!ROCKETMQ_VERSION.startsWith('4.')) {
  test('a topic of the type BatchCQ stores sends that left together as one message; both clients read them where the results say, and by tag', async () => {
    const topic = await createTopic(1, BATCH_CQ)
    const producer = await startedProducer({ maxCount: 50 })
    const messages = messagesFor(topic).map(({ shardingKey: _, ...message }) => message)
    const results = await Promise.all(messages.map((message) => producer.send(message)))
    const read = await expectReadByBoth(topic, results)
    if (KEEPS_BATCHES) expect(storedCount(read)).toBeLessThan(COUNT / 10)
    else expect(storedCount(read)).toBe(COUNT)
    await expectFilteredByTags(topic, read)
  })

  test('a topic of the type BatchCQ stores messages of one queue with several tags one by one, so that each is found by its tag', async () => {
    const topic = await createTopic(1, BATCH_CQ)
    const producer = await startedProducer({ maxCount: 50 })
    const [queue] = (await producer.fetchPublishMessageQueues(topic)) as [MessageQueue]
    const results = await Promise.all(messagesFor(topic).map((message) => producer.send(message, { queue })))
    expect(results.map((result) => result.queueOffset)).toEqual(results.map((_, i) => i))
    const read = await expectReadByBoth(topic, results)
    await expectFilteredByTags(topic, read)
  })
}
