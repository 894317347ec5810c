import { afterAll, beforeAll, describe, expect, inject, it, type TestContext } from 'vitest'
import {
  type ConsumeContext,
  DefaultProducer,
  type MessageExt,
  PushConsumer,
  type PushConsumerOptions,
} from '../../src/index.js'
import { uniqueName } from '../support/names.js'
import { PATIENCE } from '../support/patience.js'
import { isAtLeast } from '../support/server-version.js'
import { createTypedTopic } from '../support/typed-topic.js'
import { until } from '../support/until.js'

const namesrvAddr = inject('namesrvAddr')
const brokerAddress = inject('brokerAddress')
const version = inject('rocketmqVersion')

type Context = Pick<TestContext, 'onTestFinished'>

const DEADLINE = 50_000
const QUEUES = 4
/** Of each queue, beside the one that hangs. */
const PER_QUEUE = 150
/** Of each queue, half of the messages have the key of the one that hangs. */
const KEYS = ['hangs', 'goes on']
const CONCURRENCY = 8
/** In milliseconds; it is more than all other messages take. */
const TIMEOUT = 20_000
/** Less than half of that: it has to be prolonged. */
const INVISIBLE_TIME = 5_000
const HANDLER_TIME = 2

const producer = new DefaultProducer({ producerGroup: uniqueName('pg'), namesrvAddr, ...PATIENCE })

beforeAll(() => producer.start())
afterAll(() => producer.shutdown())

/** A message that is handed out, in the order in which that happens. */
interface Handled {
  readonly msgId: string
  readonly queueId: number
  readonly key: string | undefined
  readonly reconsumeTimes: number
}

/** A consumer whose handler does not come back with a message that has the body `hang`, when it has it for the first time. */
async function consuming({ onTestFinished }: Context, topic: string, options: Partial<PushConsumerOptions>) {
  const consumer = new PushConsumer({
    consumerGroup: uniqueName('cg'),
    namesrvAddr,
    instanceName: uniqueName('i'),
    consumeFromWhere: 'FIRST',
    consumeConcurrency: CONCURRENCY,
    consumeTimeout: TIMEOUT,
    persistConsumerOffsetInterval: 1_000,
    ...options,
  })
  onTestFinished(() => consumer.shutdown({ timeout: 0 }))
  const handled: Handled[] = []
  const told: string[] = []
  let release = () => {}
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  let signal: AbortSignal | undefined
  consumer.on('consumeSlow', ({ queue, msgIds }) => told.push(['slow', queue.topic, ...msgIds].join(' ')))
  consumer.on('consumeTimeout', ({ queue, msgIds }) => told.push(['timeout', queue.topic, ...msgIds].join(' ')))
  consumer.onMessage(async ([message], context: ConsumeContext) => {
    const { msgId, queueId, reconsumeTimes, properties, body } = message as MessageExt
    handled.push({ msgId, queueId, reconsumeTimes, key: properties.__SHARDINGKEY })
    if (body.toString() === 'hang' && reconsumeTimes === 0) {
      signal = context.signal
      await released
    } else await new Promise((resolve) => setTimeout(resolve, HANDLER_TIME))
  })
  await consumer.subscribe(topic)
  await consumer.start()
  await until(() => consumer.assignment().some((queue) => queue.topic === topic), DEADLINE)
  const of = (queueId: number, key?: string) =>
    handled.filter((one) => one.queueId === queueId && (key === undefined || one.key === key)).length
  return { consumer, handled, told, of, release, isAborted: () => signal?.aborted === true }
}

type Consuming = Awaited<ReturnType<typeof consuming>>

async function newTopic(): Promise<string> {
  const topic = uniqueName('hang')
  await createTypedTopic({ namesrvAddr, brokerAddress, topic, queues: QUEUES })
  return topic
}

/** @returns its id. */
async function sendHanging(topic: string): Promise<string> {
  const queue = { topic, brokerName: 'broker-a', queueId: 0 }
  const { msgId } = await producer.send({ topic, body: 'hang', shardingKey: 'hangs' }, { queue })
  return msgId
}

/** The same to each queue, in one request: they have to be consumed before the hanging one's time is over. */
async function sendOthers(topic: string): Promise<void> {
  const queueIds = Array.from({ length: QUEUES }, (_, queueId) => queueId)
  const messages = Array.from({ length: PER_QUEUE }, (_, i) => {
    return { topic, body: String(i), shardingKey: KEYS[i % 2] as string }
  })
  const send = async (queueId: number) => {
    await producer.sendBatch(messages, { queue: { topic, brokerName: 'broker-a', queueId } })
  }
  await Promise.all(queueIds.map(send))
}

/** A consumer whose handler has a message that hangs, before the others of its topic come. */
async function hang(context: Context, options: Partial<PushConsumerOptions>) {
  const topic = await newTopic()
  const hanging = await consuming(context, topic, options)
  const msgId = await sendHanging(topic)
  await until(() => hanging.consumer.health().oldestInFlight?.msgId === msgId, DEADLINE)
  await sendOthers(topic)
  return { topic, hanging, msgId }
}

const isHanging = ({ consumer }: Consuming, msgId: string) => consumer.health().oldestInFlight?.msgId === msgId
const timesOf = ({ handled }: Consuming, msgId: string) =>
  handled.filter((one) => one.msgId === msgId).map(({ reconsumeTimes }) => reconsumeTimes)

describe.concurrent('a message on which a handler hangs', () => {
  it('holds up no other message, is told of, and is sent back when its time is over', async (context) => {
    const { topic, hanging, msgId } = await hang(context, {})
    const { consumer, told } = hanging
    await until(() => hanging.handled.length === 1 + QUEUES * PER_QUEUE, DEADLINE)
    expect([0, 1, 2, 3].map((queueId) => hanging.of(queueId))).toEqual([1 + PER_QUEUE, PER_QUEUE, PER_QUEUE, PER_QUEUE])
    expect(isHanging(hanging, msgId)).toBe(true)
    await until(() => consumer.health().inFlight === 1, DEADLINE)
    expect(consumer.health().isHealthy).toBe(true)
    // It and those behind it in its queue are not committed, whatever is consumed of them.
    await until(async () => (await consumer.lag()).diff === 1 + PER_QUEUE, DEADLINE)

    await until(() => timesOf(hanging, msgId).length === 2, DEADLINE)
    expect(timesOf(hanging, msgId)).toEqual([0, 1])
    expect(told).toEqual([`slow ${topic} ${msgId}`, `timeout ${topic} ${msgId}`])
    expect(hanging.isAborted()).toBe(true)
    await until(async () => (await consumer.lag()).diff === 0, DEADLINE)
    await until(() => consumer.health().inFlight === 0, DEADLINE)
    // What its handler does then is nobody's business any more.
    hanging.release()
    await until(async () => (await consumer.lag()).diff === 0, DEADLINE)
    expect(timesOf(hanging, msgId)).toEqual([0, 1])
  })

  it('holds up its queue in mode orderly, and no other one; it is told of, and waited for', async (context) => {
    const { topic, hanging, msgId } = await hang(context, { consumeMode: 'orderly' })
    const { consumer, told } = hanging
    await until(() => hanging.handled.length === 1 + (QUEUES - 1) * PER_QUEUE, DEADLINE)
    expect([0, 1, 2, 3].map((queueId) => hanging.of(queueId))).toEqual([1, PER_QUEUE, PER_QUEUE, PER_QUEUE])
    expect(isHanging(hanging, msgId)).toBe(true)

    await until(() => told.length === 2, DEADLINE)
    expect(told).toEqual([`slow ${topic} ${msgId}`, `timeout ${topic} ${msgId}`])
    expect(hanging.isAborted()).toBe(true)
    expect(isHanging(hanging, msgId)).toBe(true)
    expect(hanging.of(0)).toBe(1)
    hanging.release()
    await until(() => hanging.of(0) === 1 + PER_QUEUE, DEADLINE)
    expect(timesOf(hanging, msgId)).toEqual([0])
    await until(async () => (await consumer.lag()).diff === 0, DEADLINE)
  })

  it('holds up those with its key in mode keyOrdered, and no others; it is told of, and waited for', async (context) => {
    const { topic, hanging, msgId } = await hang(context, { consumeMode: 'keyOrdered' })
    const { consumer, told } = hanging
    const held = PER_QUEUE / 2
    await until(() => hanging.handled.length === 1 + QUEUES * PER_QUEUE - held, DEADLINE)
    expect([hanging.of(0, 'hangs'), hanging.of(0, 'goes on')]).toEqual([1, held])
    expect(isHanging(hanging, msgId)).toBe(true)

    await until(() => told.length === 2, DEADLINE)
    expect(told).toEqual([`slow ${topic} ${msgId}`, `timeout ${topic} ${msgId}`])
    expect(hanging.isAborted()).toBe(true)
    expect(hanging.of(0, 'hangs')).toBe(1)
    hanging.release()
    await until(() => hanging.of(0, 'hangs') === 1 + held, DEADLINE)
    expect(timesOf(hanging, msgId)).toEqual([0])
    await until(async () => (await consumer.lag()).diff === 0, DEADLINE)
  })

  if (isAtLeast(version, '5.0.0')) {
    it('holds up no other message in POP mode, is kept from others until its time is over, and comes again then', async (context) => {
      const options = { popMode: true, popInvisibleTime: INVISIBLE_TIME }
      const { topic, hanging, msgId } = await hang(context, options)
      const { consumer, told } = hanging
      await until(() => hanging.handled.length === 1 + QUEUES * PER_QUEUE, DEADLINE)
      expect([0, 1, 2, 3].map((queueId) => hanging.of(queueId))).toEqual([
        1 + PER_QUEUE,
        PER_QUEUE,
        PER_QUEUE,
        PER_QUEUE,
      ])
      expect(isHanging(hanging, msgId)).toBe(true)
      await until(() => consumer.health().inFlight === 1, DEADLINE)
      expect(consumer.health().isHealthy).toBe(true)
      const other = await consuming(context, topic, { ...options, consumerGroup: consumer.consumerGroup })

      await until(() => told.length === 2, DEADLINE)
      expect([...timesOf(hanging, msgId), ...timesOf(other, msgId)]).toEqual([0])
      expect(told).toEqual([`slow ${topic} ${msgId}`, `timeout ${topic} ${msgId}`])
      expect(hanging.isAborted()).toBe(true)
      await until(() => timesOf(hanging, msgId).length + timesOf(other, msgId).length === 2, DEADLINE)
      expect([...timesOf(hanging, msgId), ...timesOf(other, msgId)]).toEqual([0, 1])
      hanging.release()
      await until(() => consumer.health().cachedCount === 0, DEADLINE)
    })
  }
})
