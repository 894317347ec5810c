import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest'
import {
  type AutoBatchOptions,
  DefaultProducer,
  type Message,
  type MessageExt,
  type MessageQueue,
  PullConsumer,
  type SendResult,
} from '../../src/index.js'
import { uniqueName } from '../support/names.js'
import { PATIENCE } from '../support/patience.js'
import { readTopic } from '../support/read-topic.js'

const namesrvAddr = inject('namesrvAddr')
const rocketmqVersion = inject('rocketmqVersion')
const consumer = new PullConsumer({ consumerGroup: uniqueName('cg'), namesrvAddr })

beforeAll(() => consumer.start())
afterAll(() => consumer.shutdown())

async function startedProducer(autoBatch: boolean | AutoBatchOptions = false): Promise<DefaultProducer> {
  const producer = new DefaultProducer({ producerGroup: uniqueName('pg'), namesrvAddr, autoBatch, ...PATIENCE })
  onTestFinished(() => producer.shutdown())
  await producer.start()
  return producer
}

/** A topic that exists, with all its queues. */
async function existingTopic(producer: DefaultProducer, prefix: string): Promise<string> {
  const topic = uniqueName(prefix)
  await producer.send({ topic, body: 'first' })
  await readTopic(consumer, topic, 1)
  return topic
}

const placeOf = ({ brokerName, queueId }: Omit<MessageQueue, 'topic'>, offset: number) =>
  `${brokerName}[${queueId}]@${offset}`

function byPlace(messages: readonly MessageExt[]): Map<string, MessageExt> {
  return new Map(messages.map((message) => [placeOf(message, message.queueOffset), message]))
}

/** What was sent is where its result says, and nothing else is there. */
function expectStored(messages: readonly MessageExt[], sent: readonly Message[], results: readonly SendResult[]): void {
  expect(messages).toHaveLength(sent.length)
  expect(new Set(messages.map((message) => message.msgId)).size).toBe(sent.length)
  const stored = byPlace(messages)
  for (const [i, result] of results.entries()) {
    const message = stored.get(placeOf(result.messageQueue, result.queueOffset))
    const { body, tags, keys } = sent[i] as Message
    expect({
      body: message?.body.toString(),
      tags: message?.tags,
      keys: message?.keys,
      msgId: message?.msgId,
      offsetMsgId: message?.offsetMsgId,
    }).toEqual({ body, tags, keys: [keys], msgId: result.msgId, offsetMsgId: result.offsetMsgId })
  }
}

describe('a producer with autoBatch, against a real broker', () => {
  it('stores each of ten thousand messages once, where its own result says, in far fewer requests', async () => {
    const producer = await startedProducer(true)
    const topic = uniqueName('auto')
    const sent = Array.from({ length: 10_000 }, (_, i): Message => {
      const message: Message = { topic, body: `message ${i} ${'ü'.repeat(i % 200)}`, keys: `key-${i}` }
      if (i % 3 > 0) message.tags = `Tag${i % 3}`
      if (i % 5 === 0) message.shardingKey = `order-${i % 50}`
      return message
    })
    const results = await Promise.all(sent.map((message) => producer.send(message)))
    expect(new Set(results.map(({ sendStatus }) => sendStatus))).toEqual(new Set(['SEND_OK']))
    expectStored(await readTopic(consumer, topic, sent.length), sent, results)
    const requests = producer.statistics().byBroker.reduce((sum, { latency }) => sum + latency.count, 0)
    expect(requests).toBeLessThan(1000)
  })

  it('keeps the order of each sharding key, whatever the tags, sizes and delays between', async () => {
    const producer = await startedProducer({ maxBytes: 4096, maxCount: 50, maxDelay: 2 })
    const topic = await existingTopic(producer, 'auto_order')
    const KEYS = 8
    const sends: Promise<SendResult>[] = []
    for (let i = 0; i < 4000; i++) {
      const message: Message = {
        topic,
        body: `${i} ${'x'.repeat(i % 97 === 0 ? 6000 : i % 200)}`,
        shardingKey: `key-${i % KEYS}`,
        tags: `T${i % 4}`,
        waitStoreMsgOk: i % 50 !== 0,
      }
      sends.push(producer.send(message))
      if (i % 333 === 0) await sends.at(-1)
    }
    await Promise.all(sends)
    const messages = await readTopic(consumer, topic, 4001)
    expect(messages).toHaveLength(4001)
    for (let key = 0; key < KEYS; key++) {
      const ofKey = messages.filter((message) => message.properties.__SHARDINGKEY === `key-${key}`)
      expect(new Set(ofKey.map((message) => message.queueId)).size).toBe(1)
      const numbers = ofKey.map((message) => Number.parseInt(message.body.toString(), 10))
      expect(numbers).toEqual(Array.from({ length: 4000 / KEYS }, (_, i) => i * KEYS + key))
    }
  })

  it('keeps the order of one queue, and the tags and keys of each message are its own', async () => {
    const producer = await startedProducer({ maxCount: 20 })
    const topic = await existingTopic(producer, 'auto_queue')
    const [queue] = (await producer.fetchPublishMessageQueues(topic)) as [MessageQueue]
    const sent = Array.from(
      { length: 500 },
      (_, i): Message => ({ topic, body: `${i}`, tags: `T${i % 7}`, keys: `k${i}` }),
    )
    const results = await Promise.all(sent.map((message) => producer.send(message, { queue })))
    expect(results.map((result) => result.messageQueue)).toEqual(sent.map(() => queue))
    const first = results[0]?.queueOffset ?? -1
    expect(results.map((result) => result.queueOffset)).toEqual(sent.map((_, i) => first + i))
    const messages = await readTopic(consumer, topic, 501)
    expectStored(
      messages.filter((message) => message.body.toString() !== 'first'),
      sent,
      results,
    )
  })

  it('sends by shutdown what waits for company', async () => {
    const producer = await startedProducer({ maxDelay: 30_000 })
    const topic = uniqueName('auto_end')
    const sends = Array.from({ length: 100 }, (_, i) => producer.send({ topic, body: `${i}` }, { timeout: 60_000 }))
    await producer.shutdown()
    const results = await Promise.all(sends)
    expect(results.map(({ sendStatus }) => sendStatus)).toEqual(sends.map(() => 'SEND_OK'))
    expect(await readTopic(consumer, topic, 100)).toHaveLength(100)
  })
})

describe('sendBatches, against a real broker', () => {
  it('stores messages of several topics that no single request could hold, in their order, and says where', async () => {
    const producer = await startedProducer()
    const topics = Array.from({ length: 3 }, () => uniqueName('split'))
    const sent = Array.from({ length: 3000 }, (_, i): Message => {
      const body = `${i} ${String.fromCharCode(97 + (i % 26)).repeat((i * 7919) % 10_000)}`
      return { topic: topics[i % 3] as string, body, keys: `k${i}`, tags: `T${i % 2}` }
    })
    const parts = await producer.sendBatches(sent)
    expect(parts.flatMap((part) => part.error ?? [])).toEqual([])
    expect(parts.length).toBeGreaterThanOrEqual(6)
    for (const [t, topic] of topics.entries()) {
      const own = parts.filter((part) => part.topic === topic)
      expect(own.flatMap((part) => part.indexes)).toEqual(Array.from({ length: 1000 }, (_, i) => i * 3 + t))
      const stored = byPlace(await readTopic(consumer, topic, 1000))
      expect(stored.size).toBe(1000)
      for (const { indexes, result } of own) {
        const ids = result?.msgId.split(',')
        const offsetIds = result?.offsetMsgId.split(',')
        indexes.forEach((index, k) => {
          const { messageQueue, queueOffset } = result as SendResult
          const message = stored.get(placeOf(messageQueue, queueOffset + k))
          expect([message?.body.toString(), message?.msgId, message?.offsetMsgId]).toEqual([
            sent[index]?.body,
            ids?.[k],
            offsetIds?.[k],
          ])
        })
      }
    }
  })

  it('makes requests that brokers take also of very many small messages', async () => {
    const producer = await startedProducer()
    const topic = uniqueName('split_small')
    const parts = await producer.sendBatches(Array.from({ length: 25_000 }, (_, i) => ({ topic, body: `${i}` })))
    expect(parts.flatMap((part) => part.error ?? [])).toEqual([])
    expect(parts.map((part) => part.indexes.length)).toEqual([10_000, 10_000, 5_000])
    const messages = await readTopic(consumer, topic, 25_000)
    expect(new Set(messages.map((message) => message.body.toString())).size).toBe(25_000)
    expect(messages).toHaveLength(25_000)
  })

  it('sends messages of a sharding key to its queue, in their order', async () => {
    const producer = await startedProducer()
    const topic = await existingTopic(producer, 'split_key')
    const parts = await producer.sendBatches(
      Array.from({ length: 200 }, (_, i) => ({ topic, body: `${i}`, shardingKey: `key-${i % 10}` })),
    )
    const queues = await producer.fetchPublishMessageQueues(topic)
    expect(parts.length).toBeGreaterThan(1)
    expect(parts.length).toBeLessThanOrEqual(queues.length)
    const messages = await readTopic(consumer, topic, 201)
    const plain = await Promise.all(
      Array.from({ length: 10 }, (_, key) => producer.send({ topic, body: 'plain', shardingKey: `key-${key}` })),
    )
    for (let key = 0; key < 10; key++) {
      const ofKey = messages.filter((message) => message.properties.__SHARDINGKEY === `key-${key}`)
      expect(ofKey.map((message) => Number(message.body.toString()))).toEqual(
        Array.from({ length: 20 }, (_, i) => i * 10 + key),
      )
      expect(new Set(ofKey.map((message) => message.queueId))).toEqual(new Set([plain[key]?.messageQueue.queueId]))
    }
  })

  it('reports the part that a broker refuses, and sends the others', async () => {
    const producer = await startedProducer()
    const topic = await existingTopic(producer, 'split_refused')
    const parts = await producer.sendBatches([
      { topic, body: 'a' },
      // Brokers take three days at most; those of 4.x know no such message at all.
      { topic, body: 'in ten days', delayMs: 10 * 24 * 3_600_000 },
      { topic, body: 'b' },
    ])
    const code = rocketmqVersion.startsWith('4.') ? 'UNSUPPORTED_BY_BROKER' : 'MESSAGE_ILLEGAL'
    expect(parts).toMatchObject([
      { topic, indexes: [0], result: { sendStatus: 'SEND_OK' } },
      { topic, indexes: [1], error: { code } },
      { topic, indexes: [2], result: { sendStatus: 'SEND_OK' } },
    ])
    const bodies = (await readTopic(consumer, topic, 3)).map((message) => message.body.toString())
    expect(bodies.sort()).toEqual(['a', 'b', 'first'])
  })

  it('sends delayed messages by themselves, which arrive', async () => {
    const producer = await startedProducer()
    const topic = await existingTopic(producer, 'split_late')
    const parts = await producer.sendBatches([
      { topic, body: 'now 1' },
      { topic, body: 'late', delayLevel: 1 },
      { topic, body: 'now 2' },
    ])
    expect(parts.map((part) => [part.indexes, part.result?.sendStatus])).toEqual([
      [[0], 'SEND_OK'],
      [[1], 'SEND_OK'],
      [[2], 'SEND_OK'],
    ])
    const bodies = (await readTopic(consumer, topic, 4)).map((message) => message.body.toString())
    expect(bodies.sort()).toEqual(['first', 'late', 'now 1', 'now 2'])
  })
})
