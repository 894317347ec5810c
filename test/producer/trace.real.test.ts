import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest'
import { ClientError, DefaultProducer, type MessageExt, type ProducerOptions, PullConsumer } from '../../src/index.js'
import { uniqueName } from '../support/names.js'
import { readQueue, readTopic } from '../support/read-topic.js'
import { traceConsumption } from '../support/traced-consumption.js'

const TRACE_TOPIC = 'RMQ_SYS_TRACE_TOPIC'
const DEADLINE = 30_000

describe('message trace against a real broker', () => {
  const namesrvAddr = inject('namesrvAddr')
  const consumer = new PullConsumer({ consumerGroup: uniqueName('cg'), namesrvAddr })

  beforeAll(async () => {
    await consumer.start()
  })

  afterAll(async () => {
    await consumer.shutdown()
  })

  async function tracedProducer(options: Partial<ProducerOptions> = {}): Promise<DefaultProducer> {
    const producer = new DefaultProducer({
      producerGroup: uniqueName('pg'),
      namesrvAddr,
      messageTrace: true,
      ...options,
    })
    onTestFinished(() => producer.shutdown())
    await producer.start()
    return producer
  }

  /** The records about one message, as lists of their fields, of all trace messages that have its id among their keys. */
  async function recordsOf(msgId: string, traceTopic = TRACE_TOPIC): Promise<string[][]> {
    const messages = await traceMessages(traceTopic)
    return messages
      .filter((message) => message.keys.includes(msgId))
      .flatMap((message) => message.body.toString().split('\u0002'))
      .map((record) => record.split('\u0001'))
      .filter((fields) => fields.includes(msgId))
  }

  /** None for a topic that the NameServer does not know yet. */
  async function traceMessages(traceTopic: string): Promise<MessageExt[]> {
    try {
      const queues = await consumer.fetchSubscribeMessageQueues(traceTopic)
      return (await Promise.all(queues.map((queue) => readQueue(consumer, queue)))).flat()
    } catch (error) {
      if (error instanceof ClientError && error.code === 'TOPIC_NOT_FOUND') return []
      throw error
    }
  }

  async function waitForRecords(msgId: string, count: number, traceTopic?: string): Promise<string[][]> {
    const poll = expect.poll(() => recordsOf(msgId, traceTopic), { timeout: DEADLINE, interval: 100 })
    await poll.toHaveLength(count)
    return recordsOf(msgId, traceTopic)
  }

  it('writes down each send', async () => {
    const topic = uniqueName('traced')
    const producer = await tracedProducer()
    const before = Date.now()
    const result = await producer.send({ topic, body: 'grüße', tags: 'TagÄ', keys: ['k1', uniqueName('key')] })
    const stored = await readTopic(consumer, topic, 1)
    const addresses = producer.health().brokers.map(({ address }) => address)
    await producer.shutdown()

    const [fields, ...more] = await waitForRecords(result.msgId, 1)
    expect(more).toEqual([])
    const [type, time, ...rest] = fields ?? []
    expect(type).toBe('Pub')
    expect(Math.abs(Number(time) - before)).toBeLessThan(DEADLINE)
    expect(rest).toEqual([
      'DefaultRegion',
      producer.producerGroup,
      topic,
      result.msgId,
      'TagÄ',
      stored[0]?.keys.join(' '),
      expect.toBeOneOf(addresses),
      '7',
      expect.stringMatching(/^\d+$/),
      '0',
      result.offsetMsgId,
      'true',
    ])
  })

  it('writes down a hundred sends in ten messages, and says which are delayed', async () => {
    const topic = uniqueName('traced')
    const producer = await tracedProducer({ messageTrace: { flushInterval: 60_000 } })
    const sends = Array.from({ length: 100 }, (_, i) =>
      producer.send({ topic, body: `m${i}`, ...(i % 2 === 0 ? undefined : { delayLevel: 1 }) }),
    )
    const results = await Promise.all(sends)
    await producer.shutdown()
    const ownMessages = async () =>
      (await traceMessages(TRACE_TOPIC)).filter(({ body }) => body.includes(producer.producerGroup))
    await expect.poll(ownMessages, { timeout: DEADLINE, interval: 100 }).toHaveLength(10)

    const records = (await ownMessages()).flatMap(({ body }) => body.toString().split('\u0002').slice(0, -1))
    const types = new Map(records.map((record) => record.split('\u0001')).map((fields) => [fields[5], fields[11]]))
    expect(types).toEqual(new Map(results.map(({ msgId }, i) => [msgId, i % 2 === 0 ? '0' : '3'])))
  })

  it('writes to a trace topic of its own', async () => {
    const topic = uniqueName('traced')
    const traceTopic = uniqueName('trace')
    const producer = await tracedProducer({ messageTrace: { traceTopic } })
    const { msgId } = await producer.send({ topic, body: 'x' })
    await producer.shutdown()
    expect((await waitForRecords(msgId, 1, traceTopic)).map(([type]) => type)).toEqual(['Pub'])
    expect(await recordsOf(msgId)).toEqual([])
  })

  it('writes down what a consumer did beside the send', async () => {
    const topic = uniqueName('traced')
    const producer = await tracedProducer()
    const { msgId } = await producer.send({ topic, body: 'x', keys: 'k1' })
    await producer.shutdown()
    const messages = await readTopic(consumer, topic, 1)

    const group = uniqueName('cg')
    await traceConsumption(namesrvAddr, group, messages)

    const records = await waitForRecords(msgId, 3)
    expect(records.map(([type]) => type).sort()).toEqual(['Pub', 'SubAfter', 'SubBefore'])
  })
})
