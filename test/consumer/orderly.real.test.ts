import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  type ConsumeMode,
  type MessageExt,
  type MessageHandler,
  PushConsumer,
  type PushConsumerOptions,
} from '../../src/index.js'
import { consumersAtRealBroker } from '../support/consumers-at-real-broker.js'
import { createTopicOn } from '../support/create-topic-on.js'
import { uniqueName } from '../support/names.js'
import { readTopic } from '../support/read-topic.js'
import { until } from '../support/until.js'

/** Less than the minute after which a broker forgets a lock that was not given back. */
const DEADLINE = 45_000
const MODES: readonly ConsumeMode[] = ['orderly', 'keyOrdered']
const QUEUES = 4

/** Numbers of a key's messages, as handlers have consumed them. */
type Consumed = Map<string, number[]>

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i)
}

/** The number of a message among those of its key, `key/number`. */
function numberOf(message: MessageExt): { key: string; number: number } {
  const [key = '', number] = message.body.toString().split('/')
  return { key, number: Number(number) }
}

function note(consumed: Consumed, message: MessageExt): void {
  const { key, number } = numberOf(message)
  const before = consumed.get(key)
  if (before === undefined) consumed.set(key, [number])
  else before.push(number)
}

function total(consumed: Consumed): number {
  return [...consumed.values()].reduce((sum, { length }) => sum + length, 0)
}

describe('PushConsumer in order, against a real broker', () => {
  const { namesrvAddr, brokerAddress, producer, reader } = consumersAtRealBroker()

  async function newTopic(): Promise<string> {
    const topic = uniqueName('ordered')
    await createTopicOn(brokerAddress, { topic, queues: QUEUES })
    await until(() => reader.fetchSubscribeMessageQueues(topic).catch(() => undefined), DEADLINE)
    return topic
  }

  /** Sends so many messages of each key, key by key side by side. */
  async function send(topic: string, keys: readonly string[], count: number, from = 0): Promise<void> {
    await Promise.all(
      keys.map(async (key) => {
        for (const i of numbers(count)) await producer.send({ topic, shardingKey: key, body: `${key}/${from + i}` })
      }),
    )
  }

  async function consuming(
    topic: string,
    options: Partial<PushConsumerOptions>,
    handler: MessageHandler,
  ): Promise<PushConsumer> {
    const consumer = new PushConsumer({
      consumerGroup: uniqueName('cg'),
      namesrvAddr,
      consumeFromWhere: 'FIRST',
      suspendCurrentQueueTimeMillis: 10,
      ...options,
    })
    onTestFinished(() => consumer.shutdown({ timeout: 0 }))
    consumer.onMessage(handler)
    await consumer.subscribe(topic)
    await consumer.start()
    return consumer
  }

  describe.each(MODES)('in mode %s', (consumeMode) => {
    it('consumes the messages of each key one after the other, however often handlers fail', async () => {
      const topic = await newTopic()
      const keys = numbers(20).map((i) => `key ${i}`)
      const consumed: Consumed = new Map()
      const running = new Map<string, number>()
      const overlaps: string[] = []
      let failures = 0
      await consuming(topic, { consumeMode, consumeMessageBatchMaxSize: 3 }, async (messages) => {
        const group = consumeMode === 'orderly' ? messages.map(({ queueId }) => String(queueId)) : messages.map(keyOf)
        const lanes = new Set(group)
        for (const lane of lanes) {
          const count = (running.get(lane) ?? 0) + 1
          running.set(lane, count)
          if (count > 1) overlaps.push(lane)
        }
        await delay(1)
        for (const lane of lanes) running.set(lane, (running.get(lane) ?? 0) - 1)
        if (Math.random() < 0.1) {
          failures++
          throw new Error('at random')
        }
        for (const message of messages) note(consumed, message)
      })
      await send(topic, keys, 30)
      await until(() => total(consumed) >= 600, DEADLINE)
      expect(overlaps).toEqual([])
      expect(failures).toBeGreaterThan(0)
      for (const key of keys) expect(consumed.get(key)).toEqual(numbers(30))
    })

    it('has what failed too often in the dead-letter topic, and those behind it after that', async () => {
      const topic = await newTopic()
      const consumerGroup = uniqueName('cg')
      const got: string[] = []
      await consuming(topic, { consumeMode, consumerGroup, maxReconsumeTimes: 2 }, ([message]) => {
        if (message === undefined) return
        got.push(`${message.body} ${message.reconsumeTimes}`)
        if (numberOf(message).number === 1) throw new Error('never')
      })
      await send(topic, ['a'], 3)
      await until(() => got.length >= 5, DEADLINE)
      expect(got).toEqual(['a/0 0', 'a/1 0', 'a/1 1', 'a/1 2', 'a/2 0'])
      const [dead] = await readTopic(reader, `%DLQ%${consumerGroup}`, 1, DEADLINE)
      expect(dead?.body.toString()).toBe('a/1')
      expect(dead?.properties).toMatchObject({ RETRY_TOPIC: topic, __SHARDINGKEY: 'a' })
    })

    it('hands queues over to members that join and leave: each message once, no key at two members at a time', async () => {
      const topic = await newTopic()
      const keys = numbers(40).map((i) => `key ${i}`)
      const consumerGroup = uniqueName('cg')
      const consumed: Consumed = new Map()
      const running = new Set<string>()
      const overlaps: string[] = []
      const handler: MessageHandler = async ([message]) => {
        if (message === undefined) return
        const key = keyOf(message)
        if (running.has(key)) overlaps.push(key)
        running.add(key)
        await delay(2)
        running.delete(key)
        note(consumed, message)
      }
      const join = () => consuming(topic, { consumeMode, consumerGroup }, handler)
      const first = await join()
      // Members that come wait until the others have let go of their queues: what is sent must last for that.
      let isSending = true
      onTestFinished(() => {
        isSending = false
      })
      const sending = Promise.all(
        keys.map(async (key) => {
          let count = 0
          for (; isSending; count++) {
            await producer.send({ topic, shardingKey: key, body: `${key}/${count}` })
            await delay(20)
          }
          return count
        }),
      )
      await until(() => total(consumed) > 100, DEADLINE)
      const second = await join()
      await until(() => second.assignment().filter((queue) => queue.topic === topic).length === QUEUES / 2, DEADLINE)
      const before = total(consumed)
      await until(() => total(consumed) > before + 100, DEADLINE)
      await first.shutdown()
      await until(() => second.assignment().filter((queue) => queue.topic === topic).length === QUEUES, DEADLINE)
      isSending = false
      const counts = await sending
      const sent = counts.reduce((sum, count) => sum + count, 0)
      await until(() => total(consumed) >= sent, DEADLINE)
      await second.shutdown()
      expect(overlaps).toEqual([])
      for (const [i, key] of keys.entries()) expect(consumed.get(key)).toEqual(numbers(counts[i] ?? 0))
    })

    it('gives locks back when it shuts down, also of queues whose handlers hang', async () => {
      const topic = await newTopic()
      const consumerGroup = uniqueName('cg')
      const aborted: unknown[] = []
      let isStuck = false
      const first = await consuming(topic, { consumeMode, consumerGroup }, (_messages, { signal }) => {
        isStuck = true
        return new Promise((resolve) => {
          signal.addEventListener('abort', () => {
            aborted.push(signal.reason)
            resolve(undefined)
          })
        })
      })
      await send(topic, ['a'], 2)
      await until(() => isStuck, DEADLINE)
      await first.shutdown({ timeout: 100 })
      expect(aborted).toMatchObject([{ code: 'QUEUE_REVOKED' }])
      const consumed: Consumed = new Map()
      await consuming(topic, { consumeMode, consumerGroup }, ([message]) => message && note(consumed, message))
      await until(() => total(consumed) >= 2, DEADLINE)
      expect(consumed.get('a')).toEqual([0, 1])
    })

    it('keeps the order where messages are broadcast, and needs no locks for it', async () => {
      const topic = await newTopic()
      const consumerGroup = uniqueName('cg')
      const all: Consumed[] = [new Map(), new Map()]
      for (const [i, consumed] of all.entries()) {
        const options = {
          consumeMode,
          consumerGroup,
          messageModel: 'BROADCASTING',
          instanceName: uniqueName('i'),
        } as const
        let isFirst = true
        await consuming(topic, options, ([message]) => {
          if (message === undefined) return
          if (isFirst && i === 0) {
            isFirst = false
            throw new Error('once')
          }
          note(consumed, message)
        })
      }
      await send(topic, ['a', 'b', 'c'], 10)
      for (const consumed of all) {
        await until(() => total(consumed) >= 30, DEADLINE)
        for (const key of ['a', 'b', 'c']) expect(consumed.get(key)).toEqual(numbers(10))
      }
    })
  })

  it('works on many keys of a queue at a time in mode keyOrdered, on one message in mode orderly', async () => {
    const topic = await newTopic()
    const keys = numbers(100).map((i) => `key ${i}`)
    await send(topic, keys, 1)
    const most = async (consumeMode: ConsumeMode) => {
      let running = 0
      let mostRunning = 0
      let handled = 0
      const consumer = await consuming(topic, { consumeMode, consumeConcurrency: 50 }, async () => {
        running++
        mostRunning = Math.max(mostRunning, running)
        await delay(20)
        running--
        handled++
      })
      await until(() => handled >= 100, DEADLINE)
      await consumer.shutdown()
      return mostRunning
    }
    expect(await most('orderly')).toBeLessThanOrEqual(QUEUES)
    expect(await most('keyOrdered')).toBeGreaterThan(QUEUES)
  })

  it('goes on with the other keys while one message hangs in mode keyOrdered, and with other queues in mode orderly', async () => {
    for (const consumeMode of MODES) {
      const topic = await newTopic()
      const consumed: Consumed = new Map()
      let stuck: MessageExt | undefined
      const late: string[] = []
      const consumer = await consuming(topic, { consumeMode, consumeTimeout: 200 }, ([message]) => {
        if (stuck === undefined) {
          stuck = message
          return new Promise(() => undefined)
        }
        if (message !== undefined) note(consumed, message)
        return undefined
      })
      consumer.on('consumeTimeout', ({ msgIds }) => late.push(...msgIds))
      await send(topic, ['stuck'], 1)
      await until(() => stuck, DEADLINE)
      const keys = numbers(40).map((i) => `key ${i}`)
      const placed = new Map<string, number>()
      for (const key of keys) {
        const { messageQueue } = await producer.send({ topic, shardingKey: key, body: `${key}/0` })
        placed.set(key, messageQueue.queueId)
      }
      const free = keys.filter((key) => consumeMode === 'keyOrdered' || placed.get(key) !== stuck?.queueId)
      await until(() => free.every((key) => consumed.has(key)), DEADLINE)
      await until(() => late.length > 0, DEADLINE)
      expect(late).toEqual([stuck?.msgId])
      expect(consumed.size).toBe(free.length)
    }
  })
})

function keyOf(message: MessageExt): string {
  return numberOf(message).key
}
