import { afterAll, beforeAll, describe, expect, type TestContext, test, vi } from 'vitest'
import {
  DefaultProducer,
  type MessageExt,
  type MessageHandler,
  PullConsumer,
  PushConsumer,
  type PushConsumerOptions,
  SimpleConsumer,
  type SimpleConsumerOptions,
} from '../../src/index.js'
import { type BrokerSpec, type Cluster, startCluster } from '../support/cluster.js'
import { createTopicOn } from '../support/create-topic-on.js'
import { uniqueName } from '../support/names.js'
import { type Oracle, startOracle } from '../support/oracle.js'
import type { JavaDelivery, JavaHandler } from '../support/oracle-consumer-verbs.js'
import { PATIENCE } from '../support/patience.js'
import { readTopic } from '../support/read-topic.js'
import { topicBrokers } from '../support/remoting-probe.js'
import { isAtLeast } from '../support/server-version.js'
import { rejectionOf, until } from '../support/until.js'

const { ROCKETMQ_VERSION = '5.5.0' } = process.env
/** What brokers revive, they revive late on a busy machine. */
const DEADLINE = 100_000
/** The shortest that Java allows. */
const INVISIBLE_TIME = 5_000
/** For order: the shortest that leaves time to acknowledge. */
const SHORT = 2_500

vi.setConfig({ testTimeout: 300_000 })

type Context = Pick<TestContext, 'onTestFinished'>

interface Flavour extends BrokerSpec {
  readonly what: string
  /** Between group and topic in the name of the retry topic. */
  readonly separator: '_' | '+'
}

/** Ways in which brokers keep what was popped. */
const FLAVOURS: readonly Flavour[] = [
  { name: 'v1', what: 'with retry topics of the first kind', separator: '_' },
  {
    name: 'v2',
    what: 'with retry topics of the second kind',
    separator: '+',
    config: { enableRetryTopicV2: 'true' },
  },
  {
    name: 'kv',
    what: 'that keeps leases in a table',
    separator: '_',
    config: { popConsumerKVServiceInit: 'true', popConsumerKVServiceEnable: 'true' },
  },
]
/** The others came with 5.2 and 5.3.2. */
const flavours = isAtLeast(ROCKETMQ_VERSION, '5.3.3') ? FLAVOURS : FLAVOURS.slice(0, 1)

let cluster: Cluster
let oracle: Oracle
let namesrvAddr: string
let producer: DefaultProducer

beforeAll(async () => {
  cluster = await startCluster({
    route: 'java',
    brokers: flavours.map(({ name, config }) => ({ name, ...(config && { config }) })),
    config: { timerWheelEnable: 'true', osPageCacheBusyTimeOutMills: '10000' },
    log: () => {},
  })
  namesrvAddr = cluster.namesrvAddr
  oracle = await startOracle(cluster.version)
  producer = new DefaultProducer({ namesrvAddr, producerGroup: uniqueName('pg'), ...PATIENCE })
  await producer.start()
})

afterAll(async () => {
  await producer?.shutdown()
  await oracle?.stop()
  await cluster?.stop()
})

const range = (count: number) => Array.from({ length: count }, (_, i) => i)
const byText = (a: string, b: string) => (a < b ? -1 : 1)
const bodyOf = ({ body }: MessageExt) => body.toString()

interface Place {
  readonly topic: string
  readonly group: string
  /** Where the topic is. */
  readonly brokerAddr: string
}

async function newTopic(brokerName: string, queues = 4, attributes?: string): Promise<Place> {
  const topic = uniqueName('pop')
  const brokerAddr = cluster.broker(brokerName).address
  await createTopicOn(brokerAddr, { topic, queues, ...(attributes && { attributes }) })
  await until(() => hasTopic(topic), DEADLINE)
  return { topic, group: uniqueName('cg'), brokerAddr }
}

/** As `mqadmin setConsumeMode` does. */
async function setPop({ topic, group, brokerAddr }: Place): Promise<void> {
  await oracle.call('setMessageRequestMode', { namesrvAddr, brokerAddr, topic, group, mode: 'POP' })
}

async function hasTopic(topic: string): Promise<boolean> {
  return (await topicBrokers(namesrvAddr, topic)) !== undefined
}

/** @returns the ids. */
async function send(topic: string, count: number): Promise<string[]> {
  const results = await Promise.all(range(count).map((i) => producer.send({ topic, body: String(i), keys: `k${i}` })))
  return results.map(({ msgId }) => msgId).sort(byText)
}

/** A member of Java that pops, as brokers are told by an administrator. */
async function joinJava({ onTestFinished }: Context, place: Place, handler: JavaHandler = {}) {
  const { topic, group } = place
  await setPop(place)
  const { clientId } = await oracle.call('startPushConsumer', {
    namesrvAddr,
    group,
    topics: [{ topic }],
    handler,
    options: {
      instanceName: uniqueName('java'),
      clientRebalance: false,
      popInvisibleTime: INVISIBLE_TIME,
      consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET',
      heartbeatBrokerInterval: 1_000,
    },
  })
  let isStopped = false
  const stop = async (graceful: boolean) => {
    if (isStopped) return
    isStopped = true
    await oracle.call('stopConsumer', { clientId, graceful })
  }
  onTestFinished(() => stop(false))
  await until(async () => {
    const { queues } = await oracle.call('ownedQueues', { clientId })
    return queues.some((queue) => queue.topic === topic && queue.mode === 'POP')
  }, DEADLINE)
  const deliveries = async (): Promise<readonly JavaDelivery[]> => {
    return (await oracle.call('consumed', { clientId })).deliveries
  }
  return { deliveries, stop }
}

/** A member of this client whose brokers say that it pops. */
async function joinNode(
  { onTestFinished }: Context,
  place: Place,
  handler: MessageHandler = () => undefined,
  options: Partial<PushConsumerOptions> = {},
) {
  const { topic, group } = place
  await setPop(place)
  const consumer = new PushConsumer({
    namesrvAddr,
    consumerGroup: group,
    instanceName: uniqueName('node'),
    clientRebalance: false,
    popInvisibleTime: INVISIBLE_TIME,
    consumeFromWhere: 'FIRST',
    ...options,
  })
  onTestFinished(() => consumer.shutdown({ timeout: 0 }))
  const got: MessageExt[] = []
  consumer.onMessage((messages, context) => {
    got.push(...messages)
    return handler(messages, context)
  })
  await consumer.subscribe(topic)
  await consumer.start()
  await until(() => consumer.assignment().some((queue) => queue.topic === topic && queue.queueId === -1), DEADLINE)
  return { consumer, got }
}

async function startSimple(
  { onTestFinished }: Context,
  { topic, group }: Place,
  options: Partial<SimpleConsumerOptions> = {},
): Promise<SimpleConsumer> {
  const consumer = new SimpleConsumer({
    namesrvAddr,
    consumerGroup: group,
    consumeFromWhere: 'FIRST',
    requestTimeout: PATIENCE.requestTimeout,
    ...options,
  })
  onTestFinished(() => consumer.shutdown({ timeout: 0 }))
  await consumer.subscribe(topic)
  await consumer.start()
  return consumer
}

async function read({ onTestFinished }: Context, topic: string, count: number): Promise<readonly MessageExt[]> {
  const reader = new PullConsumer({ namesrvAddr, consumerGroup: uniqueName('cg') })
  onTestFinished(() => reader.shutdown())
  await reader.start()
  return readTopic(reader, topic, count, DEADLINE)
}

const refuse: MessageHandler = () => {
  throw new Error('not this time')
}

interface Delivered {
  readonly msgId: string
  readonly reconsumeTimes: number
}

const idsOf = (deliveries: readonly Delivered[]) => new Set(deliveries.map(({ msgId }) => msgId))

/** Holds that these are messages that came before, and that they say so: on a machine that is very busy the time of some may be over before a handler has them, so that they say more. */
function expectAgain(later: readonly Delivered[], earlier: readonly Delivered[], msgIds: readonly string[]): void {
  expect(idsOf(earlier)).toEqual(new Set(msgIds))
  expect(idsOf(later)).toEqual(new Set(msgIds))
  for (const { msgId, reconsumeTimes } of later)
    expect(reconsumeTimes).toBeGreaterThanOrEqual(earlier.filter((one) => one.msgId === msgId).length)
}

if (isAtLeast(ROCKETMQ_VERSION, '5.0.0')) {
  describe.concurrent.each(flavours.map((flavour) => [flavour.what, flavour] as const))(
    'a broker %s',
    (_what, { name, separator }) => {
      test('hands each message to one member of either kind', async (context) => {
        const place = await newTopic(name)
        const java = await joinJava(context, place, { sleep: 5 })
        const slowly: MessageHandler = () => new Promise((resolve) => setTimeout(resolve, 5))
        const node = await joinNode(context, place, slowly, { popBatchNums: 8, popThresholdForQueue: 16 })
        const msgIds = await send(place.topic, 1_000)
        // Brokers promise no member a share of what there is.
        await until(async () => {
          if (node.got.length > 0 && (await java.deliveries()).length > 0) return true
          msgIds.push(...(await send(place.topic, 50)))
          return false
        }, DEADLINE)
        const all = async () => [...node.got, ...(await java.deliveries())]
        await until(async () => idsOf(await all()).size >= msgIds.length, DEADLINE)
        expect(idsOf(await all())).toEqual(new Set(msgIds))
        // On a machine that is very busy the invisible time of some may be over: these come again, and say so.
        const first = (await all()).filter(({ reconsumeTimes }) => reconsumeTimes === 0)
        expect(first).toHaveLength(idsOf(first).size)
      })

      test('hands what Java has refused to this client, which has it in the dead-letter topic when it fails, too', async (context) => {
        const place = await newTopic(name)
        const java = await joinJava(context, place, { failBelow: 100 })
        const msgIds = await send(place.topic, 5)
        await until(async () => idsOf(await java.deliveries()).size === 5, DEADLINE)
        const refused = await java.deliveries()
        await java.stop(true)
        const { got } = await joinNode(context, place, refuse, { maxReconsumeTimes: 1 })
        await until(() => idsOf(got).size === 5, DEADLINE)
        expectAgain(got, refused, msgIds)
        expect(new Set(got.map(({ topic }) => topic))).toEqual(new Set([place.topic]))
        expect(new Set(got.map(({ keys }) => keys?.join()))).toEqual(new Set(range(5).map((i) => `k${i}`)))
        const retryTopic = `%RETRY%${place.group}${separator}${place.topic}`
        await until(() => hasTopic(retryTopic), DEADLINE)
        const dead = async () => new Set((await read(context, `%DLQ%${place.group}`, 5)).map(bodyOf))
        await until(async () => (await dead()).size === 5, DEADLINE)
        expect(await dead()).toEqual(new Set(range(5).map(String)))
      })

      test('hands what this client has refused to Java', async (context) => {
        const place = await newTopic(name)
        const { consumer, got } = await joinNode(context, place, refuse)
        const msgIds = await send(place.topic, 5)
        await until(() => idsOf(got).size === 5, DEADLINE)
        await consumer.shutdown()
        const java = await joinJava(context, place)
        await until(async () => idsOf(await java.deliveries()).size === 5, DEADLINE)
        expectAgain(await java.deliveries(), got, msgIds)
      })

      test('revives what Java had when it left, for this client', async (context) => {
        const place = await newTopic(name)
        const java = await joinJava(context, place, { hang: true })
        const msgIds = await send(place.topic, 5)
        await until(async () => idsOf(await java.deliveries()).size === 5, DEADLINE)
        const left = await java.deliveries()
        await java.stop(false)
        const consumer = await startSimple(context, place)
        const got: MessageExt[] = []
        while (idsOf(got).size < 5) {
          const messages = await consumer.receive({ timeout: DEADLINE })
          got.push(...messages)
          await consumer.ack(messages)
        }
        expectAgain(got, left, msgIds)
        expect(await consumer.receive({ timeout: 2 * INVISIBLE_TIME })).toEqual([])
      })

      test('revives what this client had when it left, for Java', async (context) => {
        const place = await newTopic(name)
        const { consumer, got } = await joinNode(context, place, () => new Promise(() => undefined))
        const msgIds = await send(place.topic, 5)
        await until(() => idsOf(got).size === 5, DEADLINE)
        await consumer.shutdown({ timeout: 0 })
        const java = await joinJava(context, place)
        await until(async () => idsOf(await java.deliveries()).size === 5, DEADLINE)
        expectAgain(await java.deliveries(), got, msgIds)
      })

      test('keeps the order of a queue, and counts how often each of its messages came', async (context) => {
        const place = await newTopic(name, 1, '+message.type=FIFO')
        for (const i of range(5)) await producer.send({ topic: place.topic, body: String(i), shardingKey: 'k' })
        // A broker answers a send before what it stored can be consumed.
        await read(context, place.topic, 5)
        const consumer = await startSimple(context, place, { order: true, maxMessages: 3, invisibleDuration: SHORT })
        const receive = () => consumer.receive({ timeout: DEADLINE })
        const toldOf = (messages: readonly MessageExt[]) =>
          messages.map((message) => `${bodyOf(message)} ${message.reconsumeTimes}`)
        const first = await receive()
        expect(toldOf(first)).toEqual(['0 0', '1 0', '2 0'])
        await consumer.ack(first.slice(0, 2))
        // Only the one that was not acknowledged comes again, and those behind it with it.
        const second = await receive()
        expect(toldOf(second)).toEqual(['2 1', '3 0', '4 0'])
        const third = await receive()
        expect(toldOf(third)).toEqual(['2 2', '3 1', '4 1'])
        await consumer.ack(third)
        expect(await consumer.receive({ timeout: 2 * SHORT })).toEqual([])
      })
    },
  )
} else {
  test('a broker without POP is named, and its version, whichever consumer it is', async (context) => {
    const place = await newTopic('v1')
    const consumer = new PushConsumer({ namesrvAddr, consumerGroup: place.group, popMode: true })
    context.onTestFinished(() => consumer.shutdown())
    consumer.onMessage(() => undefined)
    await consumer.subscribe(place.topic)
    for (const start of [() => startSimple(context, place), () => consumer.start()]) {
      const error = await rejectionOf(start())
      expect(error).toMatchObject({ code: 'UNSUPPORTED_BY_BROKER' })
      expect(error.message).toContain(`v1 at ${cluster.broker('v1').address} is older than 5.0.0`)
    }
  })
}
