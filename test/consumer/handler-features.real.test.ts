import { describe, expect, inject, it, onTestFinished, vi } from 'vitest'
import type { Client } from '../../src/client/client.js'
import {
  type ConsumeMessageContext,
  type ConsumerHooks,
  LitePullConsumer,
  type LitePullConsumerOptions,
  type MessageExt,
  type MessageQueue,
  PullConsumer,
  type PushConsumer,
  SimpleConsumer,
} from '../../src/index.js'
import { silentLogger } from '../../src/logger.js'
import { bodiesOf, consumersAtRealBroker, numbersOf, range } from '../support/consumers-at-real-broker.js'
import { uniqueName } from '../support/names.js'
import { isAtLeast } from '../support/server-version.js'
import { until } from '../support/until.js'

const DEADLINE = 40_000
/** What would take longer than that with the default of a second, or with half a minute, does not count as the time that was asked for. */
const SOON = 15_000

const { namesrvAddr, newTopic, send, consuming, reader } = consumersAtRealBroker()

async function newQueue(): Promise<MessageQueue> {
  const [queue] = (await newTopic(1)) as [MessageQueue]
  return queue
}

async function assigned(queues: MessageQueue[], options: Partial<LitePullConsumerOptions> = {}) {
  const consumer = new LitePullConsumer({ consumerGroup: uniqueName('cg'), namesrvAddr, ...options })
  onTestFinished(() => consumer.shutdown({ timeout: 0 }))
  await consumer.assign(queues)
  await consumer.start()
  return consumer
}

/** Sends and waits until the messages can be read. */
async function sendVisibly(queue: MessageQueue, bodies: readonly (number | string)[]): Promise<void> {
  const before = await reader.maxOffset(queue)
  await send(queue, bodies)
  await until(async () => (await reader.maxOffset(queue)) >= before + bodies.length, DEADLINE)
}

/** Lets a consumer's brokers answer some more requests, and pulls with them, if there are any. */
async function someAnswers(consumer: PushConsumer | LitePullConsumer): Promise<void> {
  for (const _ of range(0, 20)) await consumer.lag()
}

describe('messages that handlers have, at a real broker', () => {
  it('are sent anew to the retry topic, as they were, where the broker does not take them back', async () => {
    const queue = await newQueue()
    const warnings: string[] = []
    const logger = { ...silentLogger, warn: (message: string) => void warnings.push(message) }
    const { messages } = await consuming(queue.topic, { logger }, ([message]) => {
      if (message?.reconsumeTimes !== 0) return
      // A place where the broker has no message, as where it has deleted it meanwhile.
      Object.assign(message, { commitLogOffset: 2 ** 40 })
      throw new Error('not yet')
    })
    const body = 'a long text, '.repeat(1_000)
    await send(queue, [body], { tags: 'TagA', keys: 'k1', properties: { a: '1' } })
    await until(() => messages.length >= 2, DEADLINE)
    const [first, again] = messages as [MessageExt, MessageExt]
    expect(warnings).toContainEqual(expect.stringContaining(`message ${first.msgId} is not taken back by its broker`))
    const { topic, msgId } = first
    expect(again).toMatchObject({ topic, msgId, tags: 'TagA', keys: ['k1'], reconsumeTimes: 1 })
    // The broker itself would have noted the place.
    expect(again.properties).toMatchObject({ a: '1', ORIGIN_MESSAGE_ID: msgId })
    expect(bodiesOf([again])).toEqual([body])
  })

  it('are as many at a time as updateConsumeConcurrency said last', async () => {
    const queue = await newQueue()
    const ends: (() => void)[] = []
    const { consumer } = await consuming(queue.topic, { consumeConcurrency: 1 }, () => {
      return new Promise<void>((resolve) => ends.push(resolve))
    })
    await send(queue, range(0, 12))
    await until(() => consumer.health().cachedCount === 12, DEADLINE)
    expect(ends).toHaveLength(1)
    consumer.updateConsumeConcurrency(4)
    await until(() => ends.length >= 4, DEADLINE)
    await someAnswers(consumer)
    expect(ends).toHaveLength(4)
    consumer.updateConsumeConcurrency(2)
    for (const end of ends.slice(0, 3)) end()
    await until(() => ends.length >= 5, DEADLINE)
    await someAnswers(consumer)
    expect([ends.length, consumer.health().inFlight]).toEqual([5, 2])
    consumer.updateConsumeConcurrency(20)
    await until(() => ends.length === 12, DEADLINE)
    for (const end of ends) end()
    await until(() => consumer.health().cachedCount === 0, DEADLINE)
  })

  it.each([
    ['messages', { pullThresholdForTopic: 40 }],
    ['bytes', { pullThresholdSizeForTopic: 4_000, pullBatchSize: 1 }],
  ])('are pulled ahead up to a limit of %s for the whole topic, which its queues share', async (_, limits) => {
    const queues = await newTopic(4)
    const [{ topic }] = queues as [MessageQueue]
    let release = () => {}
    const gate = new Promise<void>((resolve) => {
      release = resolve
    })
    const { consumer, messages } = await consuming(topic, { ...limits, consumeConcurrency: 1 }, () => gate)
    const counts = () =>
      consumer
        .health()
        .queues.filter(({ queue }) => queue.topic === topic)
        .map(({ cachedCount }) => cachedCount)
    await until(() => counts().length === 4, DEADLINE)
    // The pulls that wait at the broker end with one message each; those that count begin when there are enough of them.
    consumer.suspend()
    const body = 'x'.repeat(100)
    for (const queue of queues) await send(queue, [body])
    await until(() => counts().every((count) => count === 1), DEADLINE)
    for (const queue of queues) await sendVisibly(queue, Array(24).fill(body))
    consumer.resume()
    await until(() => counts().every((count) => count >= 10), DEADLINE)
    await someAnswers(consumer)
    expect(counts()).toEqual([10, 10, 10, 10])
    release()
    await until(() => messages.length === 100, DEADLINE)
  })

  it('come again in order after suspendCurrentQueueTimeMillis, or what a handler says instead', async () => {
    const queue = await newQueue()
    const failing = (times: number, wait?: number): Parameters<typeof consuming>[2] => {
      return ([message], context) => {
        if ((message?.reconsumeTimes ?? 0) >= times) return
        if (wait !== undefined) context.suspendCurrentQueueTimeMillis = wait
        throw new Error('not yet')
      }
    }
    const times = (count: number) => range(0, count + 1)
    const options = { consumeMode: 'orderly', consumeFromWhere: 'FIRST' } as const
    const [byOption, byHandler, waiting] = [
      await consuming(queue.topic, { ...options, suspendCurrentQueueTimeMillis: 10 }, failing(30)),
      await consuming(queue.topic, { ...options, suspendCurrentQueueTimeMillis: 30_000 }, failing(30, 10)),
      await consuming(queue.topic, { ...options, suspendCurrentQueueTimeMillis: 10 }, failing(1, 30_000)),
    ]
    await send(queue, ['a'])
    await until(() => waiting.messages.length > 0, SOON)
    for (const { messages } of [byOption, byHandler]) {
      await until(() => messages.length > 30, SOON)
      expect(messages.map(({ reconsumeTimes }) => reconsumeTimes)).toEqual(times(30))
    }
    expect(waiting.messages).toHaveLength(1)
  })
})

describe('hooks at a real broker', () => {
  const numberOf = (message: MessageExt | undefined) => Number(message?.body.toString())

  /** Hooks that note what they are told; only even numbers pass. */
  function noting(notes: string[], name: string): ConsumerHooks {
    const note = (what: string, { messages, success, error }: ConsumeMessageContext) => {
      const how = success === undefined ? '' : ` ${success} ${error === undefined ? '' : (error as Error).message}`
      notes.push(`${name} ${what} ${bodiesOf(messages)}${how}`.trim())
    }
    return {
      consumeMessageBefore: (context) => note('before', context),
      consumeMessageAfter: (context) => note('after', context),
      filterMessage: (messages) => messages.filter((message) => numberOf(message) % 2 === 0),
    }
  }

  it('of a PushConsumer are called around each call of the handler, which gets only what they let pass', async () => {
    const queue = await newQueue()
    const notes: string[] = []
    const hooks = [noting(notes, 'one'), noting(notes, 'two')]
    const options = { hooks, consumeConcurrency: 1, maxReconsumeTimes: 0 }
    const { consumer, messages } = await consuming(queue.topic, options, ([message]) => {
      notes.push(`handler ${numberOf(message)}`)
      if (numberOf(message) === 2) throw new Error('no')
    })
    await send(queue, range(0, 4))
    await until(() => messages.length >= 2 && notes.length >= 10, DEADLINE)
    expect(notes).toEqual([
      ...['one before 0', 'two before 0', 'handler 0', 'one after 0 true', 'two after 0 true'],
      ...['one before 2', 'two before 2', 'handler 2', 'one after 2 false no', 'two after 2 false no'],
    ])
    // What does not pass counts as consumed.
    await until(async () => (await consumer.lag()).diff === 0, DEADLINE)
    expect(numbersOf(messages)).toEqual([0, 2])
  })

  it('of a LitePullConsumer are called when messages are polled and when they are consumed, by the next poll', async () => {
    const queue = await newQueue()
    const notes: string[] = []
    const consumer = await assigned([queue], { hooks: noting(notes, 'hook'), consumeFromWhere: 'FIRST' })
    await send(queue, [0])
    expect(bodiesOf(await consumer.poll({ timeout: DEADLINE }))).toEqual(['0'])
    expect(notes).toEqual(['hook before 0'])
    await send(queue, [1])
    await send(queue, [2])
    expect(bodiesOf(await consumer.poll({ timeout: DEADLINE }))).toEqual(['2'])
    expect([...notes].sort()).toEqual(['hook after 0 true', 'hook before 0', 'hook before 2'])
    await consumer.commit()
    expect(await consumer.committed(queue)).toBe(3)
  })
})

describe('a LitePullConsumer at a real broker', () => {
  it('pulls ahead for all its queues together up to pullThresholdForAll', async () => {
    const queues = await newTopic(2)
    for (const [i, queue] of queues.entries()) await sendVisibly(queue, range(i * 100, i * 100 + 100))
    const consumer = await assigned(queues, { pullThresholdForAll: 15, consumeFromWhere: 'FIRST' })
    await until(() => consumer.health().cachedCount >= 15, DEADLINE)
    await someAnswers(consumer)
    // One pull of ten messages for each queue may be under way when the limit is reached.
    expect(consumer.health().cachedCount).toBeLessThan(15 + 2 * 10)
    const messages: MessageExt[] = []
    await until(async () => messages.push(...(await consumer.poll())) >= 200, DEADLINE)
    expect(numbersOf(messages)).toEqual(range(0, 200))
  })

  it('pulls a queue no further than consumeMaxSpan from its oldest message', async () => {
    const queue = await newQueue()
    await sendVisibly(queue, range(0, 50))
    const consumer = await assigned([queue], { consumeMaxSpan: 15, consumeFromWhere: 'FIRST' })
    await until(() => consumer.health().cachedCount >= 20, DEADLINE)
    await someAnswers(consumer)
    expect(consumer.health().cachedCount).toBe(20)
    const messages: MessageExt[] = []
    await until(async () => messages.push(...(await consumer.poll())) >= 50, DEADLINE)
    expect(messages.map(numberOfBody)).toEqual(range(0, 50))
  })
})

function numberOfBody({ body }: MessageExt): number {
  return Number(body.toString())
}

if (isAtLeast(inject('rocketmqVersion'), '5.1.0')) {
  describe('a SimpleConsumer at a real broker', () => {
    it('acknowledges several messages by one request, and the broker has them all', async () => {
      const queues = await newTopic(2)
      const [{ topic }] = queues as [MessageQueue]
      const consumerGroup = uniqueName('cg')
      const consumer = new SimpleConsumer({ consumerGroup, namesrvAddr, invisibleDuration: 300_000 })
      onTestFinished(() => consumer.shutdown({ timeout: 0 }))
      await consumer.subscribe(topic)
      await consumer.start()
      for (const [i, queue] of queues.entries()) await send(queue, range(i * 20, i * 20 + 20))
      const messages: MessageExt[] = []
      while (messages.length < 40) messages.push(...(await consumer.receive({ timeout: DEADLINE })))
      expect(numbersOf(messages)).toEqual(range(0, 40))

      const { client } = consumer as unknown as { client: Client }
      const invoke = vi.spyOn(client.remoting, 'invoke')
      await consumer.ack(messages)
      const acks = invoke.mock.calls.map(([, { name }]) => name).filter((name) => name.includes('ACK'))
      expect(acks).toEqual(['BATCH_ACK_MESSAGE'])
      const offsets = new PullConsumer({ consumerGroup, namesrvAddr })
      onTestFinished(() => offsets.shutdown())
      await offsets.start()
      for (const queue of queues) await until(async () => (await offsets.fetchConsumeOffset(queue)) === 20, DEADLINE)
    })
  })
}
