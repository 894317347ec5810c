import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { DefaultProducer, type MessageQueue, PullConsumer, sql } from '../../src/index.js'
import { uniqueName } from '../support/names.js'
import { PATIENCE } from '../support/patience.js'
import { readTopic } from '../support/read-topic.js'

describe('PullConsumer against a real broker', () => {
  const namesrvAddr = inject('namesrvAddr')
  const producer = new DefaultProducer({ producerGroup: uniqueName('pg'), namesrvAddr, ...PATIENCE })
  const consumer = new PullConsumer({ consumerGroup: uniqueName('cg'), namesrvAddr })

  /** A topic with `count` messages in one queue. */
  async function queueWith(count: number, tags?: (i: number) => string): Promise<MessageQueue> {
    const topic = uniqueName('pull')
    const { messageQueue } = await producer.send({ topic, body: '0', ...(tags && { tags: tags(0) }) })
    for (let i = 1; i < count; i++) {
      await producer.send({ topic, body: String(i), ...(tags && { tags: tags(i) }) }, { queue: messageQueue })
    }
    await readTopic(consumer, topic, count)
    return messageQueue
  }

  beforeAll(async () => {
    await producer.start()
    await consumer.start()
  })

  afterAll(async () => {
    await producer.shutdown()
    await consumer.shutdown()
  })

  it('pulls from an offset on, and says where to go on', async () => {
    const queue = await queueWith(50)
    const first = await consumer.pull(queue, { offset: 10, maxNums: 5 })
    expect(first).toMatchObject({ pullStatus: 'FOUND', nextBeginOffset: 15, minOffset: 0, maxOffset: 50 })
    expect(first.messages.map((message) => message.body.toString())).toEqual(['10', '11', '12', '13', '14'])
    expect(first.messages[0]?.properties).toMatchObject({ MIN_OFFSET: '0', MAX_OFFSET: '50' })

    const end = await consumer.pull(queue, { offset: 50 })
    expect(end).toMatchObject({ pullStatus: 'NO_NEW_MSG', messages: [], nextBeginOffset: 50 })
  })

  it('answers an offset beyond the end with OFFSET_ILLEGAL and where to go on', async () => {
    const queue = await queueWith(3)
    const result = await consumer.pull(queue, { offset: 1000 })
    expect(result).toMatchObject({ pullStatus: 'OFFSET_ILLEGAL', messages: [] })
    expect(result.nextBeginOffset).toBeLessThanOrEqual(3)
  })

  it('commits the first offsets of a group for all queues at once: the broker has each of them', async () => {
    const { topic } = await queueWith(1)
    const queues = await consumer.fetchSubscribeMessageQueues(topic)
    expect(queues.length).toBeGreaterThan(3)
    for (let i = 0; i < 40; i++) {
      const fresh = new PullConsumer({ consumerGroup: uniqueName('cg'), namesrvAddr })
      await fresh.start()
      await Promise.all(queues.map((queue) => fresh.commitOffset(queue, 1)))
      const offsets = await Promise.all(queues.map((queue) => fresh.fetchConsumeOffset(queue)))
      await fresh.shutdown()
      expect(offsets, `of group ${i}`).toEqual(queues.map(() => 1))
    }
  })

  it('filters by tag', async () => {
    const queue = await queueWith(20, (i) => `Tag${i % 4}`)
    const result = await consumer.pull(queue, { offset: 0, expression: 'Tag1 || Tag3' })
    expect(result.pullStatus).toBe('FOUND')
    expect(result.messages.map((message) => message.tags)).toEqual(
      Array.from({ length: 10 }, (_, i) => `Tag${i % 2 ? 3 : 1}`),
    )
    expect(result.nextBeginOffset).toBe(20)

    const none = await consumer.pull(queue, { offset: 0, expression: 'Nobody' })
    expect(none).toMatchObject({ pullStatus: 'NO_MATCHED_MSG', messages: [], nextBeginOffset: 20 })
  })

  it('filters by an SQL92 condition on properties', async () => {
    const queue = await queueWith(1)
    for (let price = 1; price <= 9; price++) {
      await producer.send({ topic: queue.topic, body: String(price), properties: { price: String(price) } }, { queue })
    }
    await readTopic(consumer, queue.topic, 10)
    const result = await consumer.pull(queue, { offset: 0, expression: sql('price BETWEEN 3 AND 5') })
    expect(result.messages.map((message) => message.body.toString())).toEqual(['3', '4', '5'])
    expect(result.nextBeginOffset).toBe(10)

    const messages = consumer.messages(queue, { offset: 0, expression: sql('price > 7') })
    const seen: string[] = []
    for await (const { body } of messages) if (seen.push(body.toString()) === 2) break
    expect(seen).toEqual(['8', '9'])
  })

  it('drops a message whose tag has the same hash as the wanted one', async () => {
    // "Aa" and "BB" have the same Java hash: the broker can't tell them apart.
    const queue = await queueWith(4, (i) => (i % 2 ? 'Aa' : 'BB'))
    const result = await consumer.pull(queue, { offset: 0, expression: 'Aa' })
    expect(result.messages.map((message) => message.tags)).toEqual(['Aa', 'Aa'])
    expect(result.nextBeginOffset).toBe(4)
  })

  it('waits for a message that comes later', async () => {
    const queue = await queueWith(1)
    const waiting = consumer.pullBlockIfNotFound(queue, { offset: 1 })
    const { queueOffset } = await producer.send({ topic: queue.topic, body: 'late' }, { queue })
    const result = await waiting
    expect(result.pullStatus).toBe('FOUND')
    expect(result.messages.map((message) => message.queueOffset)).toEqual([queueOffset])
  })

  it('says NO_NEW_MSG when nothing comes in the time given', async () => {
    const queue = await queueWith(1)
    const result = await consumer.pullBlockIfNotFound(queue, { offset: 1, timeout: 4_000 })
    expect(result).toMatchObject({ pullStatus: 'NO_NEW_MSG', nextBeginOffset: 1, minOffset: 0, maxOffset: 1 })
  })

  it('ends a waiting pull by its AbortSignal, and goes on working', async () => {
    const queue = await queueWith(1)
    const controller = new AbortController()
    const waiting = consumer.pullBlockIfNotFound(queue, { offset: 1, signal: controller.signal })
    controller.abort(new Error('enough'))
    await expect(waiting).rejects.toMatchObject({ name: 'ClientError', code: 'ABORTED', cause: { message: 'enough' } })
    await expect(consumer.pull(queue, { offset: 0 })).resolves.toMatchObject({ pullStatus: 'FOUND' })
  })

  it('finds offsets: least, greatest, by time, and the time of the oldest message', async () => {
    const queue = await queueWith(1)
    for (let i = 1; i < 5; i++) {
      // Of messages stored in one millisecond, brokers of 4.x find any, later ones the first: each gets a millisecond of its own.
      const sentAt = Date.now()
      await expect.poll(() => Date.now() - sentAt, { interval: 1 }).toBeGreaterThan(2)
      await producer.send({ topic: queue.topic, body: String(i) }, { queue })
    }
    await readTopic(consumer, queue.topic, 5)
    const { messages } = await consumer.pull(queue, { offset: 0 })
    const times = messages.map((message) => message.storeTimestamp)
    expect(new Set(times).size).toBe(5)
    expect(await consumer.minOffset(queue)).toBe(0)
    expect(await consumer.maxOffset(queue)).toBe(5)
    expect(await consumer.searchOffset(queue, 0)).toBe(0)
    // Beyond the last message, brokers of 4.x answer with the last offset, later ones with the next.
    expect([4, 5]).toContain(await consumer.searchOffset(queue, Date.now() + 3_600_000))
    expect(times.indexOf(times[2] ?? 0)).toBe(await consumer.searchOffset(queue, times[2] ?? 0))
    expect(await consumer.earliestMsgStoreTime(queue)).toBe(times[0])
  })

  it('refuses a queue that the topic does not have, where a broker would answer 0', async () => {
    const queue = await queueWith(1)
    await expect(consumer.maxOffset({ ...queue, queueId: 999 })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })

  it('rejects for a topic that does not exist with what Java says', async () => {
    const topic = uniqueName('nothing')
    await expect(consumer.fetchSubscribeMessageQueues(topic)).rejects.toMatchObject({
      name: 'ClientError',
      code: 'TOPIC_NOT_FOUND',
      message: expect.stringContaining(`No route info of this topic: ${topic}`),
    })
  })

  it('has no offset before the first commit, and the committed one afterwards in any process', async () => {
    const queue = await queueWith(10)
    const group = uniqueName('cg')
    const one = new PullConsumer({ consumerGroup: group, namesrvAddr })
    const other = new PullConsumer({ consumerGroup: group, namesrvAddr })
    try {
      await one.start()
      await other.start()
      // Brokers of 4.x answer 0 for a young queue that the group has never read, and can't be asked not to.
      const none = inject('rocketmqVersion').startsWith('4.') ? 0 : -1
      expect(await one.fetchConsumeOffset(queue)).toBe(none)
      await one.commitOffset(queue, 7)
      expect(await other.fetchConsumeOffset(queue)).toBe(7)
      expect(await one.fetchConsumeOffset(queue)).toBe(7)
    } finally {
      await one.shutdown()
      await other.shutdown()
    }
  })

  it('stores an updated offset on the interval, and the last one at shutdown', async () => {
    const queue = await queueWith(10)
    const group = uniqueName('cg')
    const one = new PullConsumer({ consumerGroup: group, namesrvAddr, persistConsumerOffsetInterval: 50 })
    const other = new PullConsumer({ consumerGroup: group, namesrvAddr })
    try {
      await one.start()
      await other.start()
      one.updateConsumeOffset(queue, 3)
      expect(await one.fetchConsumeOffset(queue)).toBe(3)
      await expect.poll(() => other.fetchConsumeOffset(queue), { timeout: 10_000 }).toBe(3)
      one.updateConsumeOffset(queue, 4)
      await one.shutdown()
      expect(await other.fetchConsumeOffset(queue)).toBe(4)
    } finally {
      await one.shutdown()
      await other.shutdown()
    }
  })

  it('keeps the offsets of a broadcasting consumer in a file', async () => {
    const queue = await queueWith(2)
    const localOffsetStoreDir = await mkdtemp(join(tmpdir(), 'rocketmq-offsets-'))
    const options = {
      consumerGroup: uniqueName('cg'),
      namesrvAddr,
      messageModel: 'BROADCASTING',
      instanceName: 'same',
      localOffsetStoreDir,
    } as const
    try {
      const one = new PullConsumer(options)
      await one.start()
      expect(await one.fetchConsumeOffset(queue)).toBe(-1)
      one.updateConsumeOffset(queue, 2)
      await one.shutdown()
      const next = new PullConsumer(options)
      await next.start()
      expect(await next.fetchConsumeOffset(queue)).toBe(2)
      await next.shutdown()
    } finally {
      await rm(localOffsetStoreDir, { recursive: true })
    }
  })

  it('gives a message back to the group by its retry topic', async () => {
    const queue = await queueWith(1)
    const { messages } = await consumer.pull(queue, { offset: 0 })
    const [message] = messages
    if (message === undefined) throw new Error('nothing was pulled')
    // Level 3 is a second in the tests' cluster, ten in others.
    await consumer.sendMessageBack(message, 3)
    const [back] = await readTopic(consumer, `%RETRY%${consumer.consumerGroup}`, 1, 30_000)
    expect(back?.body.toString()).toBe('0')
    expect(back).toMatchObject({ reconsumeTimes: 1 })
    expect(back?.properties).toMatchObject({ RETRY_TOPIC: queue.topic, ORIGIN_MESSAGE_ID: message.offsetMsgId })
  })
})
