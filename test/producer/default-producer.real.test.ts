import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { DefaultProducer, type MessageQueue, PullConsumer } from '../../src/index.js'
import { javaHashCode } from '../../src/message/java-hash.js'
import { uniqueName } from '../support/names.js'
import { PATIENCE } from '../support/patience.js'
import { readTopic } from '../support/read-topic.js'

describe('DefaultProducer against a real broker', () => {
  const namesrvAddr = inject('namesrvAddr')
  // A machine that is slow must not cause a second attempt, and with it a second copy.
  const producer = new DefaultProducer({ producerGroup: uniqueName('pg'), namesrvAddr, ...PATIENCE })
  const consumer = new PullConsumer({ consumerGroup: uniqueName('cg'), namesrvAddr })

  beforeAll(async () => {
    await producer.start()
    await consumer.start()
  })

  afterAll(async () => {
    await producer.shutdown()
    await consumer.shutdown()
  })

  it('creates a topic by its first message and stores the message as it was given', async () => {
    const topic = uniqueName('send')
    const before = Date.now()
    const result = await producer.send({
      topic,
      body: 'grüße 世界',
      tags: 'TagÄ',
      keys: ['k1', 'schlüssel-2'],
      flag: -7,
      properties: { farbe: 'blå', __proto__x: '1' },
    })
    const [message, ...more] = await readTopic(consumer, topic, 1)

    expect(more).toEqual([])
    expect(result).toMatchObject({ sendStatus: 'SEND_OK', queueOffset: 0, messageQueue: { topic } })
    expect(message?.body.toString()).toBe('grüße 世界')
    expect(message).toMatchObject({
      topic,
      tags: 'TagÄ',
      keys: ['k1', 'schlüssel-2'],
      flag: -7,
      msgId: result.msgId,
      offsetMsgId: result.offsetMsgId,
      brokerName: result.messageQueue.brokerName,
      queueId: result.messageQueue.queueId,
      queueOffset: 0,
      reconsumeTimes: 0,
    })
    expect(message?.properties).toMatchObject({ farbe: 'blå', __proto__x: '1', UNIQ_KEY: result.msgId })
    expect(message?.bornTimestamp).toBeGreaterThanOrEqual(before)
    expect(message?.storeTimestamp).toBeGreaterThan(0)
  })

  it('takes the queues in turn', async () => {
    const topic = uniqueName('turn')
    await producer.send({ topic, body: 'first' })
    await readTopic(consumer, topic, 1)
    const queues = await producer.fetchPublishMessageQueues(topic)
    const counts = new Map<number, number>()
    for (let i = 0; i < queues.length * 5; i++) {
      const { messageQueue } = await producer.send({ topic, body: `m${i}` })
      counts.set(messageQueue.queueId, (counts.get(messageQueue.queueId) ?? 0) + 1)
    }
    expect([...counts.values()]).toEqual(queues.map(() => 5))
  })

  it('sends to the queue that is named, selected, or hashed from a sharding key', async () => {
    const topic = uniqueName('queue')
    await producer.send({ topic, body: 'first' })
    await readTopic(consumer, topic, 1)
    const queues = await producer.fetchPublishMessageQueues(topic)
    const last = queues.at(-1) as MessageQueue

    const named = await producer.send({ topic, body: 'named' }, { queue: last })
    const selected = await producer.send({ topic, body: 'selected' }, { selector: (all) => all[1] as MessageQueue })
    expect(named.messageQueue).toEqual(last)
    expect(selected.messageQueue).toEqual(queues[1])

    for (const key of ['order-1', 'order-2', '订单', 'polygenelubricants']) {
      const expected = queues[Math.abs(javaHashCode(key) % queues.length)]
      const byOption = await producer.send({ topic, body: key }, { shardingKey: key })
      const byMessage = await producer.send({ topic, body: key, shardingKey: key })
      expect(byOption.messageQueue).toEqual(expected)
      expect(byMessage.messageQueue).toEqual(expected)
    }
  })

  it('keeps the order of sends with one sharding key', async () => {
    const topic = uniqueName('order')
    for (let i = 0; i < 200; i++) await producer.send({ topic, body: String(i), shardingKey: `key-${i % 5}` })
    const messages = await readTopic(consumer, topic, 200)
    for (let key = 0; key < 5; key++) {
      const bodies = messages
        .filter((message) => message.properties.__SHARDINGKEY === `key-${key}`)
        .map((message) => Number(message.body.toString()))
      expect(bodies).toEqual(Array.from({ length: 40 }, (_, i) => i * 5 + key))
    }
  })

  it('stores a batch in one queue, one behind the other, each message with its own id', async () => {
    const topic = uniqueName('batch')
    const bodies = Array.from({ length: 50 }, (_, i) => `part ${i}`)
    const result = await producer.sendBatch(
      bodies.map((body, i) => ({ topic, body, tags: `T${i % 2}`, keys: `k${i}` })),
    )
    const messages = await readTopic(consumer, topic, 50)

    expect(messages.map((message) => message.body.toString())).toEqual(bodies)
    expect(messages.map((message) => message.msgId)).toEqual(result.msgId.split(','))
    expect(messages.map((message) => message.offsetMsgId)).toEqual(result.offsetMsgId.split(','))
    expect(new Set(messages.map((message) => message.queueId))).toEqual(new Set([result.messageQueue.queueId]))
    expect(messages.map((message) => message.queueOffset)).toEqual(bodies.map((_, i) => result.queueOffset + i))
    expect(messages.map((message) => message.keys)).toEqual(bodies.map((_, i) => [`k${i}`]))
  })

  it('sends oneway', async () => {
    const topic = uniqueName('oneway')
    await producer.send({ topic, body: 'first' })
    await Promise.all(Array.from({ length: 100 }, (_, i) => producer.sendOneway({ topic, body: `oneway ${i}` })))
    const messages = await readTopic(consumer, topic, 101)
    expect(new Set(messages.map((message) => message.body.toString())).size).toBe(101)
  })

  it('sends 2,000 messages at once, each stored once', async () => {
    const topic = uniqueName('many')
    await producer.send({ topic, body: 'first' })
    const results = await Promise.all(
      Array.from({ length: 2000 }, (_, i) => producer.send({ topic, body: `m${i}` }, { timeout: 30_000 })),
    )
    const messages = await readTopic(consumer, topic, 2001)
    expect(new Set(results.map((result) => result.msgId)).size).toBe(2000)
    expect(messages).toHaveLength(2001)
    const stored = new Set(messages.map((message) => message.msgId))
    expect(results.filter((result) => !stored.has(result.msgId))).toEqual([])
  })

  it('sends a body of 4 MiB, and refuses one byte more', async () => {
    const topic = uniqueName('large')
    const body = Buffer.alloc(4 * 1024 * 1024, 'abcdefg')
    await producer.send({ topic, body }, { timeout: 20_000 })
    const [message] = await readTopic(consumer, topic, 1)
    expect(message?.body.equals(body)).toBe(true)
    await expect(producer.send({ topic, body: Buffer.alloc(body.length + 1) })).rejects.toMatchObject({
      name: 'ClientError',
      code: 'MESSAGE_TOO_LARGE',
    })
  })

  it('speaks JSON headers too', async () => {
    const json = new DefaultProducer({ producerGroup: uniqueName('pg'), namesrvAddr, serializeType: 'JSON' })
    try {
      await json.start()
      const topic = uniqueName('json')
      const result = await json.send({ topic, body: 'as JSON', keys: 'ключ "1"', properties: { a: 'ü"\\' } })
      const [message] = await readTopic(consumer, topic, 1)
      expect(message).toMatchObject({ msgId: result.msgId, keys: ['ключ', '"1"'] })
      expect(message?.properties.a).toBe('ü"\\')
    } finally {
      await json.shutdown()
    }
  })

  it('passes the refusal of the broker on, with code, remark and address', async () => {
    const topic = uniqueName('refused')
    // More than a broker takes, but not more than this client is told to send.
    const daring = new DefaultProducer({
      producerGroup: uniqueName('pg'),
      namesrvAddr,
      maxMessageSize: 8 * 1024 * 1024,
      // Zeros would become short.
      compressBodyOver: 8 * 1024 * 1024,
    })
    let error: unknown
    try {
      await daring.start()
      await daring.send({ topic, body: Buffer.alloc(4 * 1024 * 1024 + 1) }, { timeout: 20_000 })
    } catch (reason) {
      error = reason
    } finally {
      await daring.shutdown()
    }
    expect(error).toMatchObject({
      name: 'BrokerError',
      code: 'MESSAGE_ILLEGAL',
      responseCode: 13,
      mayBeStored: false,
      attempts: [{ stored: 'no' }],
    })
    expect(String(error)).toContain('refused')
  })

  it('is known to the broker as a member of its group, and unknown after shutdown', async () => {
    const { DefaultProducer: Producer } = await import('../../src/index.js')
    const group = uniqueName('pg')
    const topic = uniqueName('member')
    const member = new Producer({ producerGroup: group, namesrvAddr })
    await member.start()
    const { messageQueue } = await member.send({ topic, body: 'x' })
    expect(messageQueue.topic).toBe(topic)
    expect(member.health()).toMatchObject({ isHealthy: true, state: 'running' })
    await member.shutdown()
    expect(member.health()).toMatchObject({ isHealthy: false, state: 'closed' })
    await expect(member.send({ topic, body: 'x' })).rejects.toMatchObject({ code: 'CLOSED' })
  })
})
