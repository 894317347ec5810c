import { afterAll, beforeAll, describe, expect, inject, it, type TestContext } from 'vitest'
import {
  DefaultProducer,
  type Message,
  type MessageExt,
  type MessageHandler,
  PullConsumer,
  PushConsumer,
  type PushConsumerOptions,
} from '../../src/index.js'
import { uniqueName } from '../support/names.js'
import { PATIENCE } from '../support/patience.js'
import { readTopic } from '../support/read-topic.js'
import { isAtLeast } from '../support/server-version.js'
import { createTypedTopic } from '../support/typed-topic.js'
import { rejectionOf, until } from '../support/until.js'

const namesrvAddr = inject('namesrvAddr')
const brokerAddress = inject('brokerAddress')
const version = inject('rocketmqVersion')

type Context = Pick<TestContext, 'onTestFinished'>

const DEADLINE = 50_000
/** The shortest that Java allows. */
const SHORT = 5_000
const range = (count: number) => Array.from({ length: count }, (_, i) => i)
const bodyOf = ({ body }: MessageExt) => body.toString()
const numbersOf = (messages: readonly MessageExt[]) => messages.map((one) => Number(bodyOf(one))).sort((a, b) => a - b)

const producer = new DefaultProducer({ producerGroup: uniqueName('pg'), namesrvAddr, ...PATIENCE })

beforeAll(() => producer.start())
afterAll(() => producer.shutdown())

async function newTopic(queues = 4): Promise<string> {
  const topic = uniqueName('pop')
  await createTypedTopic({ namesrvAddr, brokerAddress, topic, queues })
  return topic
}

async function send(topic: string, bodies: readonly (number | string)[], parts: Partial<Message> = {}): Promise<void> {
  await Promise.all(bodies.map((body) => producer.send({ topic, body: String(body), ...parts })))
}

/** A started consumer in POP mode that hands every message to `handler`, and takes all down. */
async function consuming(
  { onTestFinished }: Context,
  topic: string,
  options: Partial<PushConsumerOptions> = {},
  handler: MessageHandler = () => undefined,
): Promise<{ consumer: PushConsumer; messages: MessageExt[] }> {
  const consumer = new PushConsumer({ consumerGroup: uniqueName('cg'), namesrvAddr, popMode: true, ...options })
  onTestFinished(() => consumer.shutdown({ timeout: 0 }))
  const messages: MessageExt[] = []
  consumer.onMessage((batch, context) => {
    messages.push(...batch)
    return handler(batch, context)
  })
  await consumer.subscribe(topic)
  await consumer.start()
  await until(() => consumer.assignment().some((queue) => queue.topic === topic), DEADLINE)
  return { consumer, messages }
}

if (isAtLeast(version, '5.0.0')) {
  describe.concurrent('PushConsumer in POP mode against a real broker', () => {
    it('consumes each message once', async (context) => {
      const topic = await newTopic()
      const { consumer, messages } = await consuming(context, topic)
      await send(topic, range(300))
      await until(() => messages.length >= 300, DEADLINE)
      expect(numbersOf(messages)).toEqual(range(300))
      expect(consumer.assignment().filter((queue) => queue.topic === topic)).toMatchObject([{ queueId: -1 }])
      await until(async () => (await consumer.lag()).diff === 0, DEADLINE)
    })

    it('shares one queue with more members than there are queues', async (context) => {
      const topic = await newTopic(1)
      const consumerGroup = uniqueName('cg')
      const options = { consumerGroup, popBatchNums: 1, popThresholdForQueue: 1, consumeConcurrency: 1 }
      // Brokers promise no member a share, but what one holds they keep from the others: nobody goes on until each has something.
      const whenAllHaveSome: MessageHandler = async () => {
        await until(() => members.every(({ messages }) => messages.length > 0), DEADLINE)
      }
      const members = await Promise.all(range(3).map(() => consuming(context, topic, options, whenAllHaveSome)))
      await send(topic, range(90))
      await until(() => members.flatMap(({ messages }) => messages).length >= 90, DEADLINE)
      expect(numbersOf(members.flatMap(({ messages }) => messages))).toEqual(range(90))
    })

    it('gets a message again on which the handler failed, as often as it may, and then the dead-letter topic has it', async (context) => {
      const topic = await newTopic()
      const consumerGroup = uniqueName('cg')
      const options = { consumerGroup, maxReconsumeTimes: 1 }
      const { messages } = await consuming(context, topic, options, ([message]) => {
        if (bodyOf(message as MessageExt) === 'bad') throw new Error('no')
      })
      await send(topic, ['bad'], { keys: 'k1' })
      await send(topic, ['good'])
      const reader = new PullConsumer({ consumerGroup: uniqueName('cg'), namesrvAddr })
      context.onTestFinished(() => reader.shutdown())
      await reader.start()
      const dead = await readTopic(reader, `%DLQ%${consumerGroup}`, 1, DEADLINE)
      expect(dead.map((one) => [bodyOf(one), one.keys])).toEqual([['bad', ['k1']]])
      const tries = messages.filter((one) => bodyOf(one) === 'bad')
      expect(tries.map((one) => [one.topic, one.reconsumeTimes])).toEqual([
        [topic, 0],
        [topic, 1],
      ])
      expect(messages.filter((one) => bodyOf(one) === 'good')).toHaveLength(1)
    })

    it('keeps a message from others while its handler has it, for longer than its invisible time', async (context) => {
      const topic = await newTopic()
      const options = { consumerGroup: uniqueName('cg'), popInvisibleTime: SHORT }
      const hanging = () => new Promise(() => undefined)
      const keeping = [
        await consuming(context, topic, options, hanging),
        await consuming(context, topic, options, hanging),
      ]
      const notKept = { popInvisibleTime: SHORT, popRenewInvisibleTime: false }
      const { messages: comingAgain } = await consuming(context, topic, notKept, hanging)
      await send(topic, ['slow'])
      await until(() => comingAgain.length === 3, DEADLINE)
      expect(keeping.flatMap(({ messages }) => messages)).toHaveLength(1)
    })

    it('leaves what it has not handled to others when it is shut down', async (context) => {
      const topic = await newTopic()
      const consumerGroup = uniqueName('cg')
      const ends: (() => void)[] = []
      const options = { consumerGroup, consumeConcurrency: 1, popInvisibleTime: 300_000 }
      const leaving = await consuming(context, topic, options, () => new Promise<void>((resolve) => ends.push(resolve)))
      await send(topic, range(20))
      await until(() => leaving.consumer.health().cachedCount === 20, DEADLINE)
      const ended = leaving.consumer.shutdown()
      ends[0]?.()
      await ended
      const { messages } = await consuming(context, topic, { consumerGroup })
      await until(() => messages.length >= 19, DEADLINE)
      expect(numbersOf([...leaving.messages, ...messages])).toEqual(range(20))
    })

    it('leaves what handlers had at a shutdown without patience to others, when its time is over', async (context) => {
      const topic = await newTopic(1)
      const consumerGroup = uniqueName('cg')
      const hanging = () => new Promise(() => undefined)
      const leaving = await consuming(context, topic, { consumerGroup, popInvisibleTime: SHORT }, hanging)
      await send(topic, range(3))
      await until(() => leaving.messages.length === 3, DEADLINE)
      await leaving.consumer.shutdown({ timeout: 0 })
      const { messages } = await consuming(context, topic, { consumerGroup })
      await until(() => messages.length >= 3, DEADLINE)
      expect(numbersOf(messages)).toEqual(range(3))
    })
  })
} else {
  describe('PushConsumer in POP mode against a broker without POP', () => {
    it('is refused with an error that names the broker and its version', async (context) => {
      const error = await rejectionOf(consuming(context, await newTopic()))
      expect(error).toMatchObject({ code: 'UNSUPPORTED_BY_BROKER' })
      expect(error.message).toContain(`at ${brokerAddress} is older than 5.0.0`)
    })
  })
}
