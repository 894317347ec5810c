import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { type MessageExt, PullConsumer } from '../../src/index.js'
import type { LocalTransactionState } from '../../src/producer/local-transaction.js'
import { uniqueName } from '../support/names.js'
import { readTopic } from '../support/read-topic.js'
import { forEachOf, naturalOrder, startTransactionProducer } from '../support/transactions.js'
import { until } from '../support/until.js'

const DEADLINE = 40_000
const TRANSACTION_MASK = 0xc
const TRANSACTION_COMMIT = 0x8

describe('TransactionProducer against a real broker', () => {
  const namesrvAddr = inject('namesrvAddr')
  const consumer = new PullConsumer({ consumerGroup: uniqueName('cg'), namesrvAddr })

  beforeAll(() => consumer.start())
  afterAll(() => consumer.shutdown())

  const read = (topic: string, count: number) => readTopic(consumer, topic, count, DEADLINE)
  /** What is delivered; twice where the broker asked again before it had heard the answer, which a busy machine may bring about. */
  const keysIn = (messages: readonly MessageExt[]) => naturalOrder(new Set(messages.flatMap(({ keys }) => keys)))

  it('has a message delivered as it was sent when its local transaction commits', async () => {
    const topic = uniqueName('commit')
    const producer = await startTransactionProducer({ namesrvAddr, checkLocalTransaction: () => 'COMMIT' })
    const message = {
      topic,
      body: 'grüße 世界',
      tags: 'TagÄ',
      keys: ['k1', 'k2'],
      flag: 7,
      properties: { farbe: 'blå' },
    }
    const result = await producer.sendInTransaction(message, async () => 'COMMIT')
    expect(result).toMatchObject({ sendStatus: 'SEND_OK', localTransactionState: 'COMMIT', messageQueue: { topic } })
    expect(result.transactionId).toBe(result.msgId)

    const [received] = await read(topic, 1)
    const { body: _, ...fields } = message
    expect(received).toMatchObject({ ...fields, msgId: result.msgId, queueId: result.messageQueue.queueId })
    expect(received?.body.toString()).toBe(message.body)
    expect((received?.sysFlag ?? 0) & TRANSACTION_MASK).toBe(TRANSACTION_COMMIT)
    expect(received?.properties).toMatchObject({ PGROUP: producer.producerGroup })
  })

  it.each(['JSON', 'ROCKETMQ'] as const)(
    'has committed messages delivered, rolled back ones never, and asks for the others, with %s headers',
    async (serializeType) => {
      const topic = uniqueName('states')
      const states: LocalTransactionState[] = ['COMMIT', 'ROLLBACK', 'UNKNOWN', 'UNKNOWN']
      const asked: MessageExt[] = []
      const producer = await startTransactionProducer({
        namesrvAddr,
        serializeType,
        executeLocalTransaction: (_message, i: number) => states[i % 4] ?? 'UNKNOWN',
        checkLocalTransaction: (message) => {
          asked.push(message)
          const i = Number(message.keys[0]?.slice(1)) % 4
          return i === 3 ? 'COMMIT' : i === 2 ? 'ROLLBACK' : (states[i] ?? 'UNKNOWN')
        },
      })
      await forEachOf(40, 10, (i) => producer.sendInTransaction({ topic, keys: `k${i}`, body: `message ${i}` }, i))
      const numbers = Array.from({ length: 40 }, (_, i) => i)
      const expected = numbers.filter((i) => i % 4 === 0 || i % 4 === 3).map((i) => `k${i}`)
      await until(async () => keysIn(await read(topic, 20)).length >= expected.length, DEADLINE)
      await until(() => keysIn(asked).filter((key) => Number(key.slice(1)) % 4 >= 2).length === 20, DEADLINE)
      expect(keysIn(await read(topic, 20))).toEqual(expected)
      for (const message of asked) {
        const i = Number(message.keys[0]?.slice(1))
        expect(message.topic).toBe(topic)
        expect(message.body.toString()).toBe(`message ${i}`)
        expect(message.brokerName).not.toBe('')
      }
    },
  )

  it('has a compressed message checked and delivered with the body that was sent', async () => {
    const topic = uniqueName('large')
    const body = Buffer.alloc(300_000, 'compresses well ')
    const asked: MessageExt[] = []
    const producer = await startTransactionProducer({
      namesrvAddr,
      checkLocalTransaction: (message) => {
        asked.push(message)
        return 'COMMIT'
      },
    })
    await producer.sendInTransaction({ topic, body }, () => 'UNKNOWN')
    const [received] = await read(topic, 1)
    expect(received?.body.equals(body)).toBe(true)
    expect(received?.storeSize).toBeLessThan(body.length / 10)
    expect(asked[0]?.body.equals(body)).toBe(true)
  })

  it('is asked again for what a check does not know', async () => {
    const topic = uniqueName('again')
    const asked: string[] = []
    const producer = await startTransactionProducer({
      namesrvAddr,
      checkLocalTransaction: ({ msgId }) => {
        asked.push(msgId)
        return asked.length < 3 ? 'UNKNOWN' : 'COMMIT'
      },
    })
    const { msgId } = await producer.sendInTransaction({ topic, body: 'x' }, () => {
      throw new Error('nobody knows')
    })
    const [received] = await read(topic, 1)
    expect(received?.msgId).toBe(msgId)
    expect(asked.length).toBeGreaterThanOrEqual(3)
    expect(new Set(asked)).toEqual(new Set([msgId]))
  })

  it('leaves what it did not settle to another member of its group, which has sent nothing yet', async () => {
    const topic = uniqueName('member')
    const producerGroup = uniqueName('pg')
    const options = { namesrvAddr, producerGroup }
    const first = await startTransactionProducer({ ...options, checkLocalTransaction: () => 'UNKNOWN' })
    await forEachOf(20, 5, (i) => first.sendInTransaction({ topic, keys: `k${i}`, body: 'x' }, () => 'UNKNOWN'))
    await first.shutdown()
    const asked: MessageExt[] = []
    const second = await startTransactionProducer({
      ...options,
      topics: [topic],
      checkLocalTransaction: (message) => {
        asked.push(message)
        return 'COMMIT'
      },
    })
    expect(second.clientId).not.toBe(first.clientId)
    const keys = Array.from({ length: 20 }, (_, i) => `k${i}`)
    await until(async () => keysIn(await read(topic, 20)).length === keys.length, DEADLINE)
    expect(keysIn(asked)).toEqual(keys)
  })

  it('settles a local transaction that takes longer than the broker waits', async () => {
    const topic = uniqueName('slow')
    let questions = 0
    const producer = await startTransactionProducer({
      namesrvAddr,
      checkLocalTransaction: () => {
        questions++
        return 'UNKNOWN'
      },
    })
    const { msgId, localTransactionState } = await producer.sendInTransaction({ topic, body: 'x' }, async () => {
      await until(() => questions > 0, DEADLINE)
      return 'COMMIT'
    })
    expect(localTransactionState).toBe('COMMIT')
    const received = await read(topic, 1)
    expect(new Set(received.map((message) => message.msgId))).toEqual(new Set([msgId]))
  })

  it('is not asked before the time that was set for a message', async () => {
    const topic = uniqueName('immune')
    const askedAt: number[] = []
    const producer = await startTransactionProducer({
      namesrvAddr,
      checkLocalTransaction: ({ bornTimestamp }) => {
        askedAt.push(Date.now() - bornTimestamp)
        return 'COMMIT'
      },
    })
    await producer.sendInTransaction({ topic, body: 'x' }, () => 'UNKNOWN', { checkImmunityTime: 4_001 })
    const [received] = await read(topic, 1)
    expect(received?.properties.CHECK_IMMUNITY_TIME_IN_SECONDS).toBe('5')
    expect(askedAt[0]).toBeGreaterThanOrEqual(5_000)
  })

  it('keeps to its namespace', async () => {
    const topic = uniqueName('named')
    const namespace = 'shop'
    const asked: MessageExt[] = []
    const producer = await startTransactionProducer({
      namesrvAddr,
      namespace,
      checkLocalTransaction: (message) => {
        asked.push(message)
        return 'COMMIT'
      },
    })
    for (const state of ['COMMIT', 'UNKNOWN'] as const) {
      const { messageQueue } = await producer.sendInTransaction({ topic, keys: state, body: 'x' }, () => state)
      expect(messageQueue.topic).toBe(topic)
    }
    const received = await read(`${namespace}%${topic}`, 2)
    expect(keysIn(received)).toEqual(['COMMIT', 'UNKNOWN'])
    expect(asked.find(({ keys }) => keys[0] === 'UNKNOWN')).toMatchObject({ topic })
  })
})
