import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { sql } from '../../src/client/subscription-data.js'
import type { OffsetStore } from '../../src/consumer/offset-store.js'
import {
  DefaultProducer,
  type Message,
  type MessageExt,
  type MessageHandler,
  PullConsumer,
  type PushConsumer,
} from '../../src/index.js'
import { consumersAtRealBroker } from '../support/consumers-at-real-broker.js'
import { uniqueName } from '../support/names.js'
import { readTopic } from '../support/read-topic.js'
import { createTypedTopic } from '../support/typed-topic.js'
import { until } from '../support/until.js'

const DEADLINE = 50_000
const range = (count: number) => Array.from({ length: count }, (_, i) => i)
const bodyOf = (message: MessageExt) => message.body.toString()
const bodiesOf = (messages: readonly MessageExt[]) => messages.map(bodyOf)
const numbersOf = (messages: readonly MessageExt[]) => messages.map((message) => Number(bodyOf(message))).sort(byNumber)
const byNumber = (a: number, b: number) => a - b

describe('PushConsumer against a real broker', () => {
  const { namesrvAddr, brokerAddress, producer, reader, consuming } = consumersAtRealBroker()

  /** A topic that NameServers know. */
  async function newTopic(queues = 4): Promise<string> {
    const topic = uniqueName('push')
    await createTypedTopic({ namesrvAddr, brokerAddress, topic, queues })
    return topic
  }

  async function send(topic: string, bodies: readonly (number | string)[], parts: Partial<Message> = {}) {
    await Promise.all(bodies.map((body) => producer.send({ topic, body: String(body), ...parts })))
  }

  it('consumes each message once, and the group has come to the end of every queue', async () => {
    const topic = await newTopic()
    const group = uniqueName('cg')
    await send(topic, range(200))
    const { consumer, messages } = await consuming(topic, { consumerGroup: group, consumeMessageBatchMaxSize: 4 })
    await send(
      topic,
      range(200).map((i) => 200 + i),
    )
    await until(() => messages.length >= 400, DEADLINE)
    await consumer.shutdown()
    expect(numbersOf(messages)).toEqual(range(400))

    const offsets = new PullConsumer({ consumerGroup: group, namesrvAddr })
    onTestFinished(() => offsets.shutdown())
    await offsets.start()
    const queues = await offsets.fetchSubscribeMessageQueues(topic)
    expect(await Promise.all(queues.map((queue) => offsets.fetchConsumeOffset(queue)))).toEqual(
      await Promise.all(queues.map((queue) => offsets.maxOffset(queue))),
    )
  })

  it('gets what has one of the wanted tags, and not what only has their hash', async () => {
    const topic = await newTopic()
    const { messages } = await consuming(topic, {}, undefined, 'Aa || TagB')
    // "Aa" and "BB" have the same Java hash.
    for (const tags of ['Aa', 'BB', 'TagB', 'TagC']) await send(topic, [tags], { tags })
    await until(() => messages.length >= 2, DEADLINE)
    await send(topic, ['last'], { tags: 'Aa' })
    await until(() => messages.length >= 3, DEADLINE)
    expect(bodiesOf(messages).sort()).toEqual(['Aa', 'TagB', 'last'])
  })

  it('gets what an SQL92 condition on properties selects', async () => {
    const topic = await newTopic()
    const { messages } = await consuming(topic, {}, undefined, sql("price BETWEEN 10 AND 20 AND region = 'EU'"))
    for (const price of ['5', '10', '15', '25'])
      await send(topic, [price], { properties: { price, region: price === '10' ? 'US' : 'EU' } })
    await send(topic, ['20'], { properties: { price: '20', region: 'EU' } })
    await until(() => messages.length >= 2, DEADLINE)
    expect(bodiesOf(messages).sort()).toEqual(['15', '20'])
  })

  it('gets a message again on which the handler failed, under its own topic and id, counted', async () => {
    const topic = await newTopic()
    const { consumer, messages } = await consuming(topic, {}, ([message]) => {
      if ((message?.reconsumeTimes ?? 0) < 2) throw new Error('not yet')
    })
    const failed: string[] = []
    consumer.on('consumeFailed', ({ msgIds }) => failed.push(...msgIds))
    const { msgId } = await producer.send({ topic, body: 'again', tags: 'TagA', keys: 'k' })
    await until(() => messages.length >= 3, DEADLINE)
    expect(messages.map((message) => [message.topic, message.msgId, message.tags, message.reconsumeTimes])).toEqual(
      [0, 1, 2].map((times) => [topic, msgId, 'TagA', times]),
    )
    expect(failed).toEqual([msgId, msgId])
    expect(messages[2]?.properties).toMatchObject({ ORIGIN_MESSAGE_ID: messages[0]?.offsetMsgId, KEYS: 'k' })
  })

  it('gives a message up to the dead-letter topic after maxReconsumeTimes', async () => {
    const topic = await newTopic()
    const consumerGroup = uniqueName('cg')
    const { messages } = await consuming(topic, { consumerGroup, maxReconsumeTimes: 1 }, () =>
      Promise.reject(new Error('never')),
    )
    await send(topic, ['poison'])
    const dead = await readTopic(reader, `%DLQ%${consumerGroup}`, 1, DEADLINE)
    expect(bodiesOf(dead)).toEqual(['poison'])
    expect(messages.map((message) => message.reconsumeTimes)).toEqual([0, 1])
  })

  it('lets the handler choose when a message comes again, or that it does not', async () => {
    const topic = await newTopic()
    const consumerGroup = uniqueName('cg')
    const times: number[] = []
    await consuming(topic, { consumerGroup }, ([message], context) => {
      if (message?.body.toString() === 'never') context.delayLevelWhenNextConsume = -1
      else {
        times.push(Date.now())
        if (message?.reconsumeTimes !== 0) return
        // Of all levels but the first, the one that is longer here.
        context.delayLevelWhenNextConsume = 2
      }
      throw new Error('no')
    })
    await send(topic, ['later', 'never'])
    expect(bodiesOf(await readTopic(reader, `%DLQ%${consumerGroup}`, 1, DEADLINE))).toEqual(['never'])
    await until(() => times.length === 2, DEADLINE)
    // By the clocks of client and broker, which are one here.
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(5_000)
  })

  it('gets again what lies behind ackIndex', async () => {
    const topic = await newTopic(1)
    await send(topic, [0])
    await send(topic, [1])
    await send(topic, [2])
    const sizes: number[] = []
    const { messages } = await consuming(
      topic,
      { consumeMessageBatchMaxSize: 3, consumeFromWhere: 'FIRST' },
      (batch, context) => {
        sizes.push(batch.length)
        if (batch.every(({ reconsumeTimes }) => reconsumeTimes === 0)) context.ackIndex = 0
      },
    )
    await until(() => messages.filter(({ reconsumeTimes }) => reconsumeTimes === 1).length >= 2, DEADLINE)
    expect(sizes[0]).toBe(3)
    expect(numbersOf(messages.filter(({ reconsumeTimes }) => reconsumeTimes === 1))).toEqual([1, 2])
  })

  it('broadcasts to every consumer, and goes on where the file of its host says', async () => {
    const topic = await newTopic()
    const directory = await mkdtemp(join(tmpdir(), 'offsets-'))
    onTestFinished(() => rm(directory, { recursive: true }))
    const consumerGroup = uniqueName('cg')
    const options = { consumerGroup, messageModel: 'BROADCASTING', consumeFromWhere: 'FIRST' } as const
    const first = await consuming(topic, { ...options, localOffsetStoreDir: directory, instanceName: 'one' })
    const second = await consuming(topic, { ...options, localOffsetStoreDir: directory, instanceName: 'two' })
    await send(topic, range(40))
    await until(() => first.messages.length >= 40 && second.messages.length >= 40, DEADLINE)
    expect(numbersOf(first.messages)).toEqual(range(40))
    expect(numbersOf(second.messages)).toEqual(range(40))
    const { clientId } = first.consumer
    await first.consumer.shutdown()
    const file = await readFile(join(directory, clientId, consumerGroup, 'offsets.json'), 'utf8')
    expect(file.match(new RegExp(topic, 'g'))).toHaveLength(4)

    await send(topic, [40])
    const again = await consuming(topic, { ...options, localOffsetStoreDir: directory, instanceName: 'one' })
    await until(() => again.messages.length >= 1, DEADLINE)
    await send(topic, [41])
    await until(() => again.messages.length >= 2, DEADLINE)
    expect(numbersOf(again.messages)).toEqual([40, 41])
  })

  describe('a group that has no offset', () => {
    /** A store that knows nothing at first: a broker would say 0 for queues as young as those of tests. */
    function emptyStore(): OffsetStore {
      const offsets = new Map<string, number>()
      const key = ({ topic, brokerName, queueId }: { topic: string; brokerName: string; queueId: number }) =>
        `${topic} ${brokerName} ${queueId}`
      return {
        load: async () => undefined,
        read: async (queue) => offsets.get(key(queue)) ?? -1,
        update: (queue, offset) => void offsets.set(key(queue), offset),
        commit: async (queue, offset) => void offsets.set(key(queue), offset),
        persist: async () => undefined,
        remove: () => undefined,
      }
    }

    async function withOldMessages(): Promise<{ topic: string; between: number }> {
      const topic = await newTopic(1)
      await send(topic, [0])
      await send(topic, [1])
      await readTopic(reader, topic, 2)
      const between = Date.now() + 1
      await until(() => Date.now() > between)
      await send(topic, [2])
      await readTopic(reader, topic, 3)
      return { topic, between }
    }

    it.each([
      ['FIRST', [0, 1, 2, 3]],
      ['TIMESTAMP', [2, 3]],
      ['LAST', [3]],
    ] as const)('begins with consumeFromWhere %s at %j', async (consumeFromWhere, expected) => {
      const { topic, between } = await withOldMessages()
      const { consumer, messages } = await consuming(topic, {
        consumeFromWhere,
        consumeTimestamp: between,
        offsetStore: emptyStore(),
      })
      await until(() => consumer.assignment().some((queue) => queue.topic === topic), DEADLINE)
      await send(topic, [3])
      await until(() => messages.length >= expected.length, DEADLINE)
      expect(numbersOf(messages)).toEqual(expected)
    })

    it('begins at the beginning of a young topic, as with the Java client', async () => {
      const { topic } = await withOldMessages()
      const { messages } = await consuming(topic)
      await until(() => messages.length >= 3, DEADLINE)
      expect(numbersOf(messages)).toEqual([0, 1, 2])
    })
  })

  it('goes on with all other messages while one hangs', async () => {
    const topic = await newTopic()
    const { consumer, messages } = await consuming(
      topic,
      { consumeConcurrency: 2, consumeFromWhere: 'FIRST' },
      ([m]) => (m?.body.toString() === '0' ? new Promise(() => undefined) : undefined),
    )
    await send(topic, [0])
    await until(() => messages.length === 1, DEADLINE)
    await send(topic, range(3000).slice(1))
    await until(() => messages.length === 3000, DEADLINE)
    expect(numbersOf(messages)).toEqual(range(3000))
    expect(consumer.health().inFlight).toBe(1)
    expect(consumer.health().oldestInFlight?.msgId).toBe(messages[0]?.msgId)
  })

  it('sends a message back whose handler hangs, and says which', async () => {
    const topic = await newTopic()
    const { consumer, messages } = await consuming(topic, { consumeTimeout: 500 }, ([message], { signal }) => {
      if (message?.reconsumeTimes !== 0) return
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    })
    const told: string[][] = []
    consumer.on('consumeSlow', ({ msgIds }) => told.push(['slow', ...msgIds]))
    consumer.on('consumeTimeout', ({ msgIds }) => told.push(['timeout', ...msgIds]))
    const { msgId } = await producer.send({ topic, body: 'hangs' })
    await until(() => messages.length >= 2, DEADLINE)
    expect(messages.map((message) => [message.msgId, message.reconsumeTimes])).toEqual([
      [msgId, 0],
      [msgId, 1],
    ])
    expect(told).toEqual([
      ['slow', msgId],
      ['timeout', msgId],
    ])
  })

  it('pulls no more ahead than it may, and goes on when handlers finish', async () => {
    const topic = await newTopic(1)
    await send(topic, range(300))
    await readTopic(reader, topic, 300)
    let release = () => {}
    const gate = new Promise<void>((resolve) => {
      release = resolve
    })
    const { consumer, messages } = await consuming(
      topic,
      { pullThresholdForQueue: 64, consumeConcurrency: 1, consumeFromWhere: 'FIRST' },
      () => gate,
    )
    await until(() => consumer.health().cachedCount === 64, DEADLINE)
    expect(messages).toHaveLength(1)
    release()
    await until(() => messages.length === 300, DEADLINE)
    expect(numbersOf(messages)).toEqual(range(300))
  })

  it('hands out nothing while it is suspended', async () => {
    const topic = await newTopic()
    const { consumer, messages } = await consuming(topic)
    await send(topic, [0])
    await until(() => messages.length === 1, DEADLINE)
    consumer.suspend()
    await send(topic, range(20))
    const other = await consuming(topic, { consumeFromWhere: 'FIRST' })
    await until(() => other.messages.length === 21, DEADLINE)
    expect(messages).toHaveLength(1)
    consumer.resume()
    await until(() => messages.length === 21, DEADLINE)
  })

  it('keeps to consumeRateLimit', async () => {
    const topic = await newTopic()
    await send(topic, range(50))
    const startedAt = Date.now()
    const { messages } = await consuming(topic, { consumeRateLimit: 20, consumeFromWhere: 'FIRST' })
    await until(() => messages.length === 50, DEADLINE)
    // Two at once, the others 50 ms apart.
    expect(Date.now() - startedAt).toBeGreaterThanOrEqual(2_400)
  })

  it('leaves in the middle of its work without a duplicate or a loss, and the next one goes on', async () => {
    const topic = await newTopic()
    const consumerGroup = uniqueName('cg')
    const slow: MessageHandler = () => new Promise((resolve) => setTimeout(resolve, 5))
    const options = { consumerGroup, consumeFromWhere: 'FIRST', consumeConcurrency: 8 } as const
    const sending = send(topic, range(2000))
    const all: MessageExt[] = []
    let current = await consuming(topic, options, slow)
    for (const count of [200, 300, 400]) {
      await until(() => current.messages.length >= count, DEADLINE)
      await current.consumer.shutdown()
      all.push(...current.messages)
      current = await consuming(topic, options, slow)
    }
    await sending
    await until(() => all.length + current.messages.length >= 2000, DEADLINE)
    await current.consumer.shutdown()
    expect(numbersOf([...all, ...current.messages])).toEqual(range(2000))
  })

  it('shares its queues with a second member, and takes them back', async () => {
    const topic = await newTopic()
    const consumerGroup = uniqueName('cg')
    const first = await consuming(topic, { consumerGroup, consumeFromWhere: 'FIRST' })
    const ofTopic = (consumer: PushConsumer) => consumer.assignment().filter((queue) => queue.topic === topic)
    await until(() => ofTopic(first.consumer).length === 4, DEADLINE)
    const second = await consuming(topic, { consumerGroup, consumeFromWhere: 'FIRST' })
    await until(() => ofTopic(first.consumer).length === 2 && ofTopic(second.consumer).length === 2, DEADLINE)
    await send(topic, range(100))
    await until(() => first.messages.length + second.messages.length >= 100, DEADLINE)
    expect(first.messages.length).toBeGreaterThan(0)
    expect(second.messages.length).toBeGreaterThan(0)
    await second.consumer.shutdown()
    await until(() => ofTopic(first.consumer).length === 4, DEADLINE)
    await send(
      topic,
      range(100).map((i) => 100 + i),
    )
    await until(() => first.messages.length + second.messages.length >= 200, DEADLINE)
    expect(numbersOf([...first.messages, ...second.messages])).toEqual(range(200))
  })

  it('has namespaces of its own', async () => {
    const namespace = uniqueName('ns')
    const topic = uniqueName('push')
    await createTypedTopic({ namesrvAddr, brokerAddress, topic: `${namespace}%${topic}`, queues: 4 })
    const { messages } = await consuming(topic, { namespace, consumeFromWhere: 'FIRST' }, ([message]) => {
      if (message?.reconsumeTimes === 0) throw new Error('once more')
    })
    const own = new DefaultProducer({ producerGroup: uniqueName('pg'), namesrvAddr, namespace })
    onTestFinished(() => own.shutdown())
    await own.start()
    await own.send({ topic, body: 'x' })
    await until(() => messages.length >= 2, DEADLINE)
    expect(messages.map((message) => [message.topic, message.reconsumeTimes])).toEqual([
      [topic, 0],
      [topic, 1],
    ])
  })

  it('writes the way of its messages to the trace topic', async () => {
    const topic = await newTopic()
    const consumerGroup = uniqueName('cg')
    const { consumer, messages } = await consuming(topic, { consumerGroup, messageTrace: true }, ([message]) => {
      if (message?.body.toString() === 'bad') throw new Error('no')
    })
    await send(topic, ['good', 'bad'])
    await until(() => messages.length >= 2, DEADLINE)
    await consumer.shutdown()
    const traces = async () => {
      const all = await readTopic(reader, 'RMQ_SYS_TRACE_TOPIC', 1)
      const records = all.flatMap((message) => message.body.toString().split('\u0002'))
      return records.map((record) => record.split('\u0001')).filter((fields) => fields.includes(consumerGroup))
    }
    await expect.poll(traces, { timeout: DEADLINE, interval: 100 }).toHaveLength(2 * messages.length)
    const after = (await traces()).filter(([type]) => type === 'SubAfter')
    const [good, bad] = ['good', 'bad'].map((body) => messages.find((message) => bodyOf(message) === body)?.msgId)
    // Message id, success, and how it ended: 0 success, 2 an exception.
    expect(after.map((fields) => [fields[2], fields[4], fields[6]])).toEqual(
      expect.arrayContaining([
        [good, 'true', '0'],
        [bad, 'false', '2'],
      ]),
    )
  })
})
