import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  LitePullConsumer,
  type LitePullConsumerOptions,
  type Message,
  type MessageExt,
  type MessageQueue,
  PullConsumer,
  PushConsumer,
  sql,
} from '../../src/index.js'
import { consumersAtRealBroker } from '../support/consumers-at-real-broker.js'
import { createTopicOn } from '../support/create-topic-on.js'
import { uniqueName } from '../support/names.js'
import { readTopic } from '../support/read-topic.js'
import { rejectionOf, until } from '../support/until.js'

const DEADLINE = 50_000
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i)
const byNumber = (a: number, b: number) => a - b
const numberOf = (message: MessageExt) => Number(message.body.toString())
const numbersOf = (messages: readonly MessageExt[]) => messages.map(numberOf).sort(byNumber)

describe('LitePullConsumer against a real broker', () => {
  const { namesrvAddr, brokerAddress, producer, reader } = consumersAtRealBroker()

  /** The queues of a topic that NameServers know. */
  async function newTopic(queues = 4): Promise<MessageQueue[]> {
    const topic = uniqueName('lite')
    await createTopicOn(brokerAddress, { topic, queues })
    return until(() => reader.fetchSubscribeMessageQueues(topic).catch(() => undefined), DEADLINE)
  }

  async function newQueue(): Promise<MessageQueue> {
    const [queue] = await newTopic(1)
    if (queue === undefined) throw new Error('the topic has no queue')
    return queue
  }

  /** Sends numbers, one after the other, and waits until they can be read. */
  async function send(queue: MessageQueue, numbers: readonly number[], parts: Partial<Message> = {}): Promise<void> {
    let last = 0
    for (const number of numbers) {
      const { queueOffset } = await producer.send({ topic: queue.topic, body: String(number), ...parts }, { queue })
      last = queueOffset
    }
    await until(async () => (await reader.maxOffset(queue)) > last, DEADLINE)
  }

  function newConsumer(options: Partial<LitePullConsumerOptions> = {}): LitePullConsumer {
    const consumer = new LitePullConsumer({ consumerGroup: uniqueName('cg'), namesrvAddr, ...options })
    onTestFinished(() => consumer.shutdown({ timeout: 0 }))
    return consumer
  }

  async function subscribed(topic: string, options: Partial<LitePullConsumerOptions> = {}): Promise<LitePullConsumer> {
    const consumer = newConsumer(options)
    await consumer.subscribe(topic)
    await consumer.start()
    return consumer
  }

  async function assigned(queues: MessageQueue[], options: Partial<LitePullConsumerOptions> = {}) {
    const consumer = newConsumer(options)
    await consumer.assign(queues)
    await consumer.start()
    return consumer
  }

  async function pollAll(consumer: LitePullConsumer, count: number): Promise<MessageExt[]> {
    const messages: MessageExt[] = []
    await until(async () => {
      messages.push(...(await consumer.poll({ timeout: 1_000 })))
      return messages.length >= count
    }, DEADLINE)
    return messages
  }

  it('polls each message of its topics once, in the order of each queue', async () => {
    const queues = await newTopic(4)
    const [{ topic } = { topic: '' }] = queues
    const consumer = await subscribed(topic)
    for (const [i, queue] of queues.entries()) await send(queue, range(i * 50, i * 50 + 50))
    const messages = await pollAll(consumer, 200)
    expect(numbersOf(messages)).toEqual(range(0, 200))
    for (const queueId of range(0, 4)) {
      const offsets = messages.filter((message) => message.queueId === queueId).map(({ queueOffset }) => queueOffset)
      expect(offsets).toEqual(range(0, 50))
    }
    expect(await consumer.poll({ timeout: 100 })).toEqual([])
    expect(consumer.assignment()).toEqual(queues)
    expect(await consumer.fetchMessageQueues(topic)).toEqual(queues)
  })

  it('polls what comes while it waits, soon', async () => {
    const queue = await newQueue()
    const consumer = await assigned([queue])
    const polled = consumer.poll({ timeout: DEADLINE })
    await until(() => (consumer.health().queues[0]?.lastPullTimestamp ?? 0) > 0, DEADLINE)
    await producer.send({ topic: queue.topic, body: '7' }, { queue })
    expect(numbersOf(await polled)).toEqual([7])
  })

  it('goes on, when it is started again, behind what was committed', async () => {
    const queue = await newQueue()
    const consumerGroup = uniqueName('cg')
    await send(queue, range(0, 30))
    const first = await subscribed(queue.topic, { consumerGroup, autoCommit: false, consumeFromWhere: 'FIRST' })
    await pollAll(first, 10)
    await first.commit()
    expect(await first.committed(queue)).toBe(10)
    await pollAll(first, 10)
    await first.shutdown()
    const second = await subscribed(queue.topic, { consumerGroup })
    expect(numbersOf(await pollAll(second, 20))).toEqual(range(10, 30))
  })

  it('commits by itself what was polled before the last poll, on its interval and at the end', async () => {
    const queue = await newQueue()
    const consumerGroup = uniqueName('cg')
    await send(queue, range(0, 30))
    const options = { consumerGroup, autoCommitIntervalMillis: 1_000, consumeFromWhere: 'FIRST' } as const
    const consumer = await subscribed(queue.topic, options)
    await pollAll(consumer, 10)
    expect(await consumer.poll()).toHaveLength(10)
    const other = newConsumer({ consumerGroup, instanceName: 'looks' })
    await other.start()
    await until(async () => (await other.committed(queue)) === 10, DEADLINE)
    expect(await consumer.poll()).toHaveLength(10)
    await consumer.shutdown()
    expect(await other.committed(queue)).toBe(20)
  })

  it('stores the offsets that it is given', async () => {
    const queue = await newQueue()
    await send(queue, range(0, 10))
    const consumer = await assigned([queue], { autoCommit: false })
    await consumer.commit(new Map([[queue, 4]]))
    expect(await consumer.committed(queue)).toBe(4)
  })

  it('seeks: an offset, the beginning, the end, a time', async () => {
    const queue = await newQueue()
    await send(queue, range(0, 20))
    // Stored in another millisecond than those before it.
    await sleep(20)
    const time = Date.now()
    await send(queue, range(20, 40))
    const consumer = await assigned([queue])
    await pollAll(consumer, 10)

    await consumer.seek(queue, 35)
    expect((await pollAll(consumer, 5)).map(numberOf)).toEqual(range(35, 40))
    await consumer.seekToBegin(queue)
    expect((await consumer.poll()).map(numberOf)).toEqual(range(0, 10))
    await consumer.seekToEnd(queue)
    const polled = consumer.poll({ timeout: DEADLINE })
    await send(queue, [40])
    expect((await polled).map(numberOf)).toEqual([40])
    await consumer.seek(queue, await consumer.offsetForTimestamp(queue, time))
    expect((await pollAll(consumer, 21)).map(numberOf)).toEqual(range(20, 41))
    expect(await rejectionOf(consumer.seek(queue, 42))).toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('0 to 41'),
    })
  })

  it('hands out nothing of queues that are paused', async () => {
    const [first, second] = await newTopic(2)
    if (first === undefined || second === undefined) throw new Error('two queues are expected')
    const consumer = await assigned([first, second])
    consumer.pause([first])
    await send(first, [1])
    await send(second, [2])
    expect(numbersOf(await pollAll(consumer, 1))).toEqual([2])
    expect(await consumer.poll({ timeout: 200 })).toEqual([])
    consumer.resume([first])
    expect(numbersOf(await pollAll(consumer, 1))).toEqual([1])
  })

  it('gets only what its expression selects: tags, of which only the hash is equal for others, and SQL92', async () => {
    const queue = await newQueue()
    // "Aa" and "BB" have the same Java hash.
    for (const [i, tags] of ['Aa', 'BB', 'TagB', 'TagC'].entries()) {
      await send(queue, [i], { tags, properties: { price: String(i * 10) } })
    }
    const byTag = newConsumer()
    await byTag.subscribe(queue.topic, 'Aa || TagB')
    await byTag.start()
    expect(numbersOf(await pollAll(byTag, 2))).toEqual([0, 2])
    const bySql = newConsumer()
    await bySql.assign([queue], { expressions: { [queue.topic]: sql('price BETWEEN 10 AND 20') } })
    await bySql.start()
    expect(numbersOf(await pollAll(bySql, 2))).toEqual([1, 2])
    // Nothing else comes.
    await send(queue, [4], { tags: 'Aa', properties: { price: '15' } })
    expect(numbersOf(await pollAll(byTag, 1))).toEqual([4])
    expect(numbersOf(await pollAll(bySql, 1))).toEqual([4])
    expect(await rejectionOf(bySql.assign([queue], { expressions: { [queue.topic]: sql('price >') } }))).toMatchObject({
      responseName: 'SUBSCRIPTION_PARSE_FAILED',
    })
  })

  it('shares the queues of its topics with other members, and has them all again when those leave', async () => {
    const queues = await newTopic(4)
    const [{ topic } = { topic: '' }] = queues
    const consumerGroup = uniqueName('cg')
    const first = await subscribed(topic, { consumerGroup, instanceName: 'one' })
    const second = await subscribed(topic, { consumerGroup, instanceName: 'two' })
    await until(() => first.assignment().length === 2 && second.assignment().length === 2, DEADLINE)
    for (const [i, queue] of queues.entries()) await send(queue, range(i * 10, i * 10 + 10))
    const ofFirst = await pollAll(first, 20)
    const ofSecond = await pollAll(second, 20)
    expect(numbersOf([...ofFirst, ...ofSecond])).toEqual(range(0, 40))
    await second.commit()
    await second.shutdown()
    await until(() => first.assignment().length === 4, DEADLINE)
    for (const [i, queue] of queues.entries()) await send(queue, [40 + i])
    expect(numbersOf(await pollAll(first, 4))).toEqual(range(40, 44))
  })

  it('broadcasts: each consumer has all messages, and goes on where the file of its host says', async () => {
    const queues = await newTopic(2)
    const [{ topic } = { topic: '' }] = queues
    const directory = await mkdtemp(join(tmpdir(), 'offsets-'))
    onTestFinished(() => rm(directory, { recursive: true }))
    const consumerGroup = uniqueName('cg')
    const options = {
      consumerGroup,
      messageModel: 'BROADCASTING',
      consumeFromWhere: 'FIRST',
      localOffsetStoreDir: directory,
    } as const
    for (const [i, queue] of queues.entries()) await send(queue, range(i * 10, i * 10 + 10))
    const first = await subscribed(topic, { ...options, instanceName: 'one' })
    const second = await subscribed(topic, { ...options, instanceName: 'two' })
    expect(numbersOf(await pollAll(first, 20))).toEqual(range(0, 20))
    expect(numbersOf(await pollAll(second, 20))).toEqual(range(0, 20))
    await first.commit()
    await first.shutdown()
    for (const [i, queue] of queues.entries()) await send(queue, [20 + i])
    const again = await subscribed(topic, { ...options, instanceName: 'one' })
    expect(numbersOf(await pollAll(again, 2))).toEqual([20, 21])
  })

  it('pulls more than a broker gives at once, with little in memory', async () => {
    const queues = await newTopic(2)
    const [{ topic } = { topic: '' }] = queues
    const numbers = range(0, 2_000)
    await Promise.all(numbers.map((number) => producer.send({ topic, body: String(number) })))
    const consumer = await subscribed(topic, { pullThresholdForAll: 100, pullBatchSize: 32, consumeFromWhere: 'FIRST' })
    const messages: MessageExt[] = []
    let most = 0
    for await (const message of consumer) {
      messages.push(message)
      most = Math.max(most, consumer.health().cachedCount)
      if (messages.length === numbers.length) break
    }
    expect(numbersOf(messages)).toEqual(numbers)
    expect(most).toBeLessThan(100 + 2 * 32)
  })

  describe('loops', () => {
    it('go on, also of another member, with the message that the one before was left with', async () => {
      const queue = await newQueue()
      const consumerGroup = uniqueName('cg')
      const options = { consumerGroup, consumeFromWhere: 'FIRST' } as const
      await send(queue, range(0, 20))
      const consumer = newConsumer(options)
      await consumer.subscribe(queue.topic)
      const seen: number[] = []
      for await (const message of consumer) {
        seen.push(numberOf(message))
        if (seen.length === 8) break
      }
      const run = async () => {
        for await (const message of consumer) {
          seen.push(numberOf(message))
          if (seen.length === 12) throw new Error('thrown')
        }
      }
      expect(await rejectionOf(run())).toMatchObject({ message: 'thrown' })
      await consumer.shutdown()
      const other = newConsumer(options)
      await other.subscribe(queue.topic)
      for await (const message of other) {
        seen.push(numberOf(message))
        if (seen.length === 21) break
      }
      expect(seen).toEqual([...range(0, 8), ...range(7, 11), ...range(10, 19)])
    })

    it('end when the consumer is shut down, and what they consumed is committed', async () => {
      const queue = await newQueue()
      await send(queue, range(0, 10))
      const consumer = await subscribed(queue.topic, { consumeFromWhere: 'FIRST' })
      const seen: number[] = []
      let shutdown: Promise<void> | undefined
      for await (const message of consumer) {
        seen.push(numberOf(message))
        if (seen.length === 5) shutdown = consumer.shutdown()
      }
      await shutdown
      const other = await assigned([queue], { consumerGroup: consumer.consumerGroup })
      expect(seen).toEqual(range(0, 5))
      expect(await other.committed(queue)).toBe(5)
    })

    it('may be several, which share the messages', async () => {
      const queues = await newTopic(4)
      const [{ topic } = { topic: '' }] = queues
      await Promise.all(range(0, 300).map((number) => producer.send({ topic, body: String(number) })))
      const consumer = await subscribed(topic, { consumeFromWhere: 'FIRST' })
      const abort = new AbortController()
      const messages = consumer.messages({ signal: abort.signal })
      const seen: MessageExt[] = []
      const worker = async () => {
        for await (const message of messages) {
          seen.push(message)
          await sleep(1)
          if (seen.length === 300) abort.abort()
        }
      }
      await Promise.all(Array.from({ length: 8 }, worker))
      expect(numbersOf(seen)).toEqual(range(0, 300))
      expect((await consumer.lag()).diff).toBe(0)
    })

    it('can be streams of node', async () => {
      const queue = await newQueue()
      await send(queue, range(0, 50))
      const consumer = await subscribed(queue.topic, { consumeFromWhere: 'FIRST' })
      const bodies = await Readable.from(consumer)
        .map((message: MessageExt) => numberOf(message))
        .take(40)
        .toArray()
      expect(bodies).toEqual(range(0, 40))
    })

    it('over a PushConsumer consume its messages, and get those again that they were left with', async () => {
      const queues = await newTopic(2)
      const [{ topic } = { topic: '' }] = queues
      const consumer = new PushConsumer({ consumerGroup: uniqueName('cg'), namesrvAddr })
      onTestFinished(() => consumer.shutdown({ timeout: 0 }))
      await consumer.subscribe(topic)
      for (const [i, queue] of queues.entries()) await send(queue, range(i * 20, i * 20 + 20))
      const seen: MessageExt[] = []
      for await (const message of consumer) {
        seen.push(message)
        if (seen.length === 10) break
      }
      for await (const message of consumer) {
        seen.push(message)
        if (seen.length === 41) break
      }
      const last = seen[9] as MessageExt
      expect(numbersOf(seen.filter(({ reconsumeTimes }) => reconsumeTimes === 0))).toEqual(range(0, 40))
      expect(seen.filter(({ reconsumeTimes }) => reconsumeTimes === 1).map(numberOf)).toEqual([numberOf(last)])
    })

    it('over a queue of a PullConsumer go on at the offset of its group', async () => {
      const queue = await newQueue()
      await send(queue, range(0, 100))
      const consumer = new PullConsumer({ consumerGroup: uniqueName('cg'), namesrvAddr })
      onTestFinished(() => consumer.shutdown())
      await consumer.start()
      const seen: number[] = []
      for (const count of [30, 60]) {
        for await (const message of consumer.messages(queue, { commit: true, highWaterMark: 50 })) {
          seen.push(numberOf(message))
          if (seen.length === count) break
        }
      }
      expect(seen).toEqual([...range(0, 30), ...range(29, 59)])
      expect(await consumer.fetchConsumeOffset(queue)).toBe(58)
      const late = consumer.messages(queue, { offset: 100 })[Symbol.asyncIterator]()
      const next = late.next()
      await send(queue, [100])
      expect(numberOf((await next).value)).toBe(100)
      await late.return?.()
    })
  })

  it('writes the way of its messages to the trace topic', async () => {
    const queue = await newQueue()
    const consumer = await subscribed(queue.topic, { messageTrace: true })
    await send(queue, [1])
    const [message] = await pollAll(consumer, 1)
    await consumer.commit()
    await consumer.shutdown()
    const traces = async () => {
      const all = await readTopic(reader, 'RMQ_SYS_TRACE_TOPIC', 1)
      const records = all.flatMap((traced) => traced.body.toString().split('\u0002'))
      const ofGroup = records
        .map((record) => record.split('\u0001'))
        .filter((fields) => fields.includes(message?.msgId ?? ''))
      return ofGroup.map(([type]) => type).filter((type) => type?.startsWith('Sub'))
    }
    await expect.poll(traces, { timeout: DEADLINE, interval: 100 }).toEqual(['SubBefore', 'SubAfter'])
  })

  it('is shut down at the end of its block by await using', async () => {
    const queue = await newQueue()
    await send(queue, range(0, 10))
    const consumerGroup = uniqueName('cg')
    {
      await using consumer = newConsumer({ consumerGroup, consumeFromWhere: 'FIRST' })
      await consumer.subscribe(queue.topic)
      await consumer.start()
      await pollAll(consumer, 10)
      await consumer.commit()
    }
    const other = await assigned([queue], { consumerGroup })
    expect(await other.committed(queue)).toBe(10)
  })
})
