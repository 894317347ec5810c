import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { DefaultProducer, type MessageExt, PullConsumer } from '../../src/index.js'
import { type Cluster, startCluster } from '../support/cluster.js'
import { differencesFromJava, differencesFromSent, placeOf, readPulled } from '../support/interop-compare.js'
import { interopMessage, toMessage } from '../support/interop-messages.js'
import { uniqueName } from '../support/names.js'
import { type Oracle, startOracle } from '../support/oracle.js'
import type { MessageSpec } from '../support/oracle-verbs.js'
import { PATIENCE } from '../support/patience.js'
import { readTopic } from '../support/read-topic.js'

const { ROCKETMQ_VERSION = '' } = process.env
/** Brokers before 5.4 would overwrite the ids of the parts with the batch's, so that this client has them store the parts one by one. */
const KEEPS_BATCHES = !/^(4|5\.[0-3])\./.test(ROCKETMQ_VERSION)
const BATCHES = 5
const PARTS = 20

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

async function createTopic(more: { attributes?: Readonly<Record<string, string>> } = {}): Promise<string> {
  const topic = uniqueName('batch')
  await oracle.call('createTopic', { namesrvAddr: cluster.namesrvAddr, topic, queues: 1, ...more })
  return topic
}

/** A topic that stores each batch as one message. */
function batchTopic(): Promise<string> {
  return createTopic({ attributes: { 'queue.type': 'BatchCQ' } })
}

function specOf(batch: number, part: number): MessageSpec {
  const index = batch * PARTS + part
  return {
    ...interopMessage({ seed: 12, takesLargest: false }, index),
    // Only a batch with one tag for all can be stored as one message and still be found by it.
    tags: `Tag${batch}`,
    body: { text: `batch ${batch} part ${part} 世界` },
  }
}

/** What this client reads of a topic, after it was found to be the same that Java reads. */
async function readByBoth(topic: string): Promise<MessageExt[]> {
  const { namesrvAddr } = cluster
  const folder = await mkdtemp(path.join(os.tmpdir(), 'rocketmq-interop-'))
  const consumer = new PullConsumer({ consumerGroup: uniqueName('cg'), namesrvAddr })
  onTestFinished(async () => {
    await consumer.shutdown()
    await rm(folder, { recursive: true, force: true })
  })
  await consumer.start()
  const ours = await readTopic(consumer, topic, BATCHES * PARTS)
  const file = path.join(folder, 'pulled.jsonl')
  await oracle.call('pullAll', { namesrvAddr, topic, file })
  const java = await readPulled(file)
  expect(ours.map(placeOf)).toEqual([...java.keys()])
  for (const message of ours) {
    const twin = java.get(placeOf(message))
    // Java leaves these empty in the parts of a batch; this client gives those of the stored message.
    const { storeSize, bodyCRC, offsetMsgId } = message
    const filled = twin && { ...twin, storeSize, bodyCRC, offsetMsgId }
    expect(filled === undefined ? 'not read by Java' : differencesFromJava(message, filled)).toEqual([])
  }
  return ours
}

/** @param stored - How many messages the parts make in the store: those of one share a place in the commit log. */
function expectParts(messages: readonly MessageExt[], stored: number): void {
  expect(messages).toHaveLength(BATCHES * PARTS)
  for (const [i, message] of messages.entries()) {
    expect(message.queueOffset).toBe(i)
    expect(differencesFromSent(message, specOf(Math.floor(i / PARTS), i % PARTS))).toEqual([])
  }
  expect(new Set(messages.map((message) => message.commitLogOffset)).size).toBe(stored)
}

/** Sends the batches by this client, and answers with the ids that it gave to their parts. */
async function sendBatches(topic: string): Promise<string[]> {
  const producer = new DefaultProducer({
    producerGroup: uniqueName('pg'),
    namesrvAddr: cluster.namesrvAddr,
    ...PATIENCE,
  })
  onTestFinished(() => producer.shutdown())
  await producer.start()
  // By the answer to this one the producer knows what the broker can do.
  await producer.send({ topic: uniqueName('other'), body: 'x' })
  const ids: string[] = []
  for (let batch = 0; batch < BATCHES; batch++) {
    const messages = Array.from({ length: PARTS }, (_, part) => toMessage(specOf(batch, part), topic))
    const result = await producer.sendBatch(messages)
    expect(result).toMatchObject({ sendStatus: 'SEND_OK', queueOffset: batch * PARTS })
    ids.push(...result.msgId.split(','))
  }
  return ids
}

test('the messages of a batch are stored one by one, each with its own id, and read by both clients', async () => {
  const topic = await createTopic()
  const ids = await sendBatches(topic)
  expect(new Set(ids).size).toBe(BATCHES * PARTS)
  const messages = await readByBoth(topic)
  expectParts(messages, BATCHES * PARTS)
  expect(messages.map((message) => message.msgId)).toEqual(ids)
})

// Brokers of 4.x have no such topics.
if (!ROCKETMQ_VERSION.startsWith('4.')) {
  test('a batch that this client sends to a topic of the type BatchCQ is stored as one message, where ids survive that, and read by both clients', async () => {
    const topic = await batchTopic()
    const ids = await sendBatches(topic)
    const messages = await readByBoth(topic)
    expectParts(messages, KEEPS_BATCHES ? BATCHES : BATCHES * PARTS)
    expect(messages.map((message) => message.msgId)).toEqual(ids)
  })

  test('a batch that the Java client sends to such a topic is unwrapped by this client, from any offset inside it', async () => {
    const topic = await batchTopic()
    const { namesrvAddr } = cluster
    const folder = await mkdtemp(path.join(os.tmpdir(), 'rocketmq-interop-'))
    onTestFinished(() => rm(folder, { recursive: true, force: true }))
    const file = path.join(folder, 'messages.jsonl')
    for (let batch = 0; batch < BATCHES; batch++) {
      const specs = Array.from({ length: PARTS }, (_, part) => specOf(batch, part))
      await writeFile(file, specs.map((spec) => `${JSON.stringify(spec)}\n`).join(''))
      await oracle.call('produceBatch', { namesrvAddr, topic, messages: file })
    }
    const messages = await readByBoth(topic)
    expectParts(messages, BATCHES)

    const consumer = new PullConsumer({ consumerGroup: uniqueName('cg'), namesrvAddr })
    onTestFinished(() => consumer.shutdown())
    await consumer.start()
    const queue = { topic, brokerName: 'broker-a', queueId: 0 }
    const fromInside = await consumer.pull(queue, { offset: PARTS + 7, maxNums: 1 })
    expect(fromInside.pullStatus).toBe('FOUND')
    const offsets = Array.from({ length: PARTS - 7 }, (_, i) => PARTS + 7 + i)
    expect(fromInside.messages.map((message) => message.queueOffset)).toEqual(offsets)
    expect(fromInside.nextBeginOffset).toBe(2 * PARTS)
  })
}
