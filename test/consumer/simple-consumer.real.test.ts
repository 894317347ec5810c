import { afterAll, beforeAll, describe, expect, inject, it, type TestContext } from 'vitest'
import { sql } from '../../src/client/subscription-data.js'
import {
  DefaultProducer,
  type Message,
  type MessageExt,
  PullConsumer,
  SimpleConsumer,
  type SimpleConsumerOptions,
} from '../../src/index.js'
import { uniqueName } from '../support/names.js'
import { PATIENCE } from '../support/patience.js'
import { readTopic } from '../support/read-topic.js'
import { isAtLeast } from '../support/server-version.js'
import { createTypedTopic } from '../support/typed-topic.js'
import { rejectionOf } from '../support/until.js'

const namesrvAddr = inject('namesrvAddr')
const brokerAddress = inject('brokerAddress')
const version = inject('rocketmqVersion')

type Context = Pick<TestContext, 'onTestFinished'>

const SHORT = 2_500
const range = (count: number) => Array.from({ length: count }, (_, i) => i)
const bodiesOf = (messages: readonly MessageExt[]) => messages.map(({ body }) => body.toString())
const sorted = (texts: readonly string[]) => [...texts].sort((a, b) => Number(a) - Number(b))

const producer = new DefaultProducer({ producerGroup: uniqueName('pg'), namesrvAddr, ...PATIENCE })

beforeAll(() => producer.start())
afterAll(() => producer.shutdown())

async function newTopic(queues = 4, messageType?: string): Promise<string> {
  const topic = uniqueName('pop')
  await createTypedTopic({
    namesrvAddr,
    brokerAddress,
    topic,
    queues,
    ...(messageType !== undefined && { messageType }),
  })
  return topic
}

async function send(topic: string, bodies: readonly (number | string)[], parts: Partial<Message> = {}): Promise<void> {
  for (const body of bodies) await producer.send({ topic, body: String(body), ...parts })
}

async function started(
  { onTestFinished }: Context,
  topic: string,
  options: Partial<SimpleConsumerOptions> = {},
  expression?: Parameters<SimpleConsumer['subscribe']>[1],
): Promise<SimpleConsumer> {
  const consumer = new SimpleConsumer({ consumerGroup: uniqueName('cg'), namesrvAddr, ...options })
  onTestFinished(() => consumer.shutdown({ timeout: 0 }))
  await consumer.subscribe(topic, expression)
  await consumer.start()
  return consumer
}

/** Receives until there are so many messages; a receive that waits in vain ends it, too. */
async function receiveAll(consumer: SimpleConsumer, count: number, timeout = 30_000): Promise<MessageExt[]> {
  const messages: MessageExt[] = []
  while (messages.length < count) {
    const received = await consumer.receive({ timeout })
    if (received.length === 0) break
    messages.push(...received)
  }
  return messages
}

if (isAtLeast(version, '5.0.0')) {
  describe.concurrent('SimpleConsumer against a real broker', () => {
    it('receives each message, and none again that was acknowledged', async (context) => {
      const topic = await newTopic()
      const consumer = await started(context, topic, { invisibleDuration: SHORT })
      await send(topic, range(70))
      const bodies: string[] = []
      while (bodies.length < 70) {
        const messages = await consumer.receive()
        bodies.push(...bodiesOf(messages))
        await consumer.ack(messages.length > 20 ? messages : messages.slice(0, 1))
        await Promise.all(messages.map((message) => consumer.ack(message)))
      }
      expect(sorted(bodies)).toEqual(range(70).map(String))
      expect(await consumer.receive({ timeout: 3 * SHORT })).toEqual([])
    })

    it('gets a message again that it did not acknowledge, and that one not again when it does', async (context) => {
      const topic = await newTopic()
      const consumer = await started(context, topic, { invisibleDuration: SHORT })
      await send(topic, ['again'], { tags: 'TagA', keys: 'k1' })
      const [first] = await consumer.receive()
      const [second] = (await consumer.receive({ timeout: 30_000 })) as [MessageExt]
      expect(second).toMatchObject({ msgId: first?.msgId, topic, tags: 'TagA', keys: ['k1'], reconsumeTimes: 1 })
      expect(bodiesOf([second])).toEqual(['again'])
      expect(second.properties['1ST_POP_TIME']).toBe(first?.properties['1ST_POP_TIME'])
      await consumer.ack(second)
      expect(await consumer.receive({ timeout: 3 * SHORT })).toEqual([])
    })

    it('has a message come again soon when its time is made short, though it would be long', async (context) => {
      const topic = await newTopic()
      const consumer = await started(context, topic, { invisibleDuration: 300_000 })
      await send(topic, ['soon'])
      const [first] = (await consumer.receive()) as [MessageExt]
      await consumer.changeInvisibleDuration(first, 1)
      const again = await consumer.receive({ timeout: 30_000 })
      expect(again.map(({ msgId, reconsumeTimes }) => [msgId, reconsumeTimes])).toEqual([[first.msgId, 1]])
      await consumer.ack(again)
    })

    it('keeps a message for longer when its time is made longer, and acknowledges it then', async (context) => {
      const topic = await newTopic()
      const consumer = await started(context, topic, { invisibleDuration: SHORT })
      await send(topic, ['kept'])
      const [message] = (await consumer.receive()) as [MessageExt]
      await consumer.changeInvisibleDuration(message, 60_000)
      expect(await consumer.receive({ timeout: 3 * SHORT })).toEqual([])
      await consumer.ack(message)
    })

    it('keeps a message for as long as it is not acknowledged, where that is wanted', async (context) => {
      const topic = await newTopic()
      const consumer = await started(context, topic, { invisibleDuration: SHORT, renewInvisibleDuration: true })
      await send(topic, ['kept'])
      const messages = await consumer.receive()
      expect(await consumer.receive({ timeout: 4 * SHORT })).toEqual([])
      await consumer.ack(messages)
      expect(await consumer.receive({ timeout: 2 * SHORT })).toEqual([])
    })

    it('says that the time of a message is over, which another member has by then', async (context) => {
      const topic = await newTopic()
      const consumerGroup = uniqueName('cg')
      const consumer = await started(context, topic, { consumerGroup, invisibleDuration: SHORT })
      const other = await started(context, topic, { consumerGroup })
      await send(topic, ['late'])
      const late = await consumer.receive()
      const again = await other.receive({ timeout: 30_000 })
      expect(bodiesOf(again)).toEqual(['late'])
      expect(await rejectionOf(consumer.ack(late))).toMatchObject({ code: 'RECEIPT_EXPIRED' })
      await other.ack(again)
    })

    it('shares the messages of one queue with other members, none of them gets one that another has', async (context) => {
      const topic = await newTopic(1)
      const consumerGroup = uniqueName('cg')
      const members = await Promise.all(range(3).map(() => started(context, topic, { consumerGroup, maxMessages: 5 })))
      await send(topic, range(45))
      const received = await Promise.all(members.map((member) => receiveAll(member, 15)))
      expect(sorted(received.flatMap(bodiesOf))).toEqual(range(45).map(String))
      await Promise.all(members.map((member, i) => member.ack(received[i] ?? [])))
    })

    it('receives only what it wants: by tags, and by SQL92', async (context) => {
      const topic = await newTopic()
      const byTag = await started(context, topic, {}, 'TagA || TagB')
      const bySql = await started(context, topic, {}, sql("a > 5 AND TAGS = 'TagB'"))
      for (const [i, tags] of ['TagA', 'TagB', 'TagC', 'TagB'].entries()) {
        await send(topic, [i], { tags, properties: { a: String(i * 3) } })
      }
      const tagged = await receiveAll(byTag, 3)
      const selected = await receiveAll(bySql, 1)
      expect([sorted(bodiesOf(tagged)), bodiesOf(selected)]).toEqual([['0', '1', '3'], ['3']])
      await Promise.all([byTag.ack(tagged), bySql.ack(selected)])
      expect(await bySql.receive({ timeout: 500 })).toEqual([])
    })

    it('puts a message into the dead-letter topic that came too often', async (context) => {
      const topic = await newTopic()
      const consumerGroup = uniqueName('cg')
      const options = { consumerGroup, invisibleDuration: 1_000, maxReconsumeTimes: 1 }
      const consumer = await started(context, topic, options)
      await send(topic, ['bad'], { keys: 'k1' })
      const times = [...(await consumer.receive()), ...(await consumer.receive({ timeout: 30_000 }))]
      expect(times.map(({ reconsumeTimes }) => reconsumeTimes)).toEqual([0, 1])
      const reader = new PullConsumer({ consumerGroup: uniqueName('cg'), namesrvAddr })
      context.onTestFinished(() => reader.shutdown())
      await reader.start()
      const looking = consumer.receive({ timeout: 40_000 }).catch(() => undefined)
      const dead = await readTopic(reader, `%DLQ%${consumerGroup}`, 1)
      expect(dead.map(({ body, keys }) => [body.toString(), keys])).toEqual([['bad', ['k1']]])
      await consumer.shutdown()
      expect(await looking).toBeUndefined()
    })

    it('keeps the order of a queue: its next messages come when those before are acknowledged', async (context) => {
      const topic = await newTopic(1, 'FIFO')
      const consumerGroup = uniqueName('cg')
      const options = { consumerGroup, order: true, maxMessages: 4, invisibleDuration: 2 * SHORT }
      const first = await started(context, topic, options)
      const second = await started(context, topic, options)
      await send(topic, range(10), { shardingKey: 'k' })
      const kept = await first.receive()
      expect(bodiesOf(kept)).toEqual(['0', '1', '2', '3'])
      expect(await second.receive({ timeout: 300 })).toEqual([])
      const again = await second.receive({ timeout: 30_000 })
      expect(bodiesOf(again)).toEqual(['0', '1', '2', '3'])
      expect(again.every(({ reconsumeTimes }) => reconsumeTimes > 0)).toBe(true)
      await second.ack(again)
      const next = await first.receive()
      expect(bodiesOf(next)).toEqual(['4', '5', '6', '7'])
      await first.ack(next)
    })

    it('hands messages to a loop, each once, and the others come again when the loop is left', async (context) => {
      const topic = await newTopic()
      const consumerGroup = uniqueName('cg')
      const consumer = await started(context, topic, { consumerGroup, invisibleDuration: 60_000 })
      await send(topic, range(100))
      const bodies: string[] = []
      for await (const { body } of consumer) {
        bodies.push(body.toString())
        if (bodies.length === 50) break
      }
      const left = bodies.pop()
      const other = await started(context, topic, { consumerGroup })
      const rest = await receiveAll(other, 51)
      expect(sorted([...bodies, ...bodiesOf(rest)])).toEqual(range(100).map(String))
      expect(bodiesOf(rest)).toContain(left)
      await other.ack(rest)
    })

    it('receives of several topics, and of a namespace', async (context) => {
      const namespace = uniqueName('ns')
      const topics = [uniqueName('t'), uniqueName('t')] as const
      for (const topic of topics) {
        await createTypedTopic({ namesrvAddr, brokerAddress, topic: `${namespace}%${topic}`, queues: 2 })
      }
      const consumer = await started(context, topics[0], { namespace, invisibleDuration: SHORT })
      await consumer.subscribe(topics[1])
      await send(`${namespace}%${topics[0]}`, ['one'])
      await send(`${namespace}%${topics[1]}`, ['two'])
      const first = await receiveAll(consumer, 2)
      expect(first.map(({ topic }) => topic).sort()).toEqual([...topics].sort())
      const again: MessageExt[] = []
      while (again.length < 2) {
        // They come again one after the other: each has to be acknowledged before its time is over.
        const received = await consumer.receive({ timeout: 30_000 })
        await consumer.ack(received)
        again.push(...received)
      }
      expect(again.map(({ topic, reconsumeTimes }) => [topic, reconsumeTimes]).sort()).toEqual(
        topics.map((topic) => [topic, 1]).sort(),
      )
      expect(await consumer.receive({ timeout: 2 * SHORT })).toEqual([])
    })

    it('decompresses bodies, those of messages that come again too', async (context) => {
      const topic = await newTopic(1)
      const consumer = await started(context, topic, { invisibleDuration: SHORT })
      const body = 'a long text, '.repeat(1_000)
      await send(topic, [body])
      const first = await consumer.receive()
      const again = await consumer.receive({ timeout: 30_000 })
      expect([bodiesOf(first), bodiesOf(again)]).toEqual([[body], [body]])
      await consumer.ack(again)
    })
  })
} else {
  describe('SimpleConsumer against a broker without POP', () => {
    it('is refused with an error that names the broker and its version', async (context) => {
      const error = await rejectionOf(started(context, await newTopic()))
      expect(error).toMatchObject({ code: 'UNSUPPORTED_BY_BROKER' })
      expect(error.message).toContain(`at ${brokerAddress} is older than 5.0.0`)
    })
  })
}
