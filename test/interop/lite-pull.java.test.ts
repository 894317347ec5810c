import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import {
  DefaultProducer,
  LitePullConsumer,
  type LitePullConsumerOptions,
  type MessageExt,
  type MessageQueue,
} from '../../src/index.js'
import { type Cluster, startCluster } from '../support/cluster.js'
import { uniqueName } from '../support/names.js'
import { type Oracle, startOracle } from '../support/oracle.js'
import type { PulledMessage } from '../support/oracle-verbs.js'
import { PATIENCE } from '../support/patience.js'
import { until } from '../support/until.js'

const DEADLINE = 60_000
const QUEUES = 4

let cluster: Cluster
let oracle: Oracle
let namesrvAddr: string
let producer: DefaultProducer

beforeAll(async () => {
  cluster = await startCluster({ route: 'java', log: () => {} })
  oracle = await startOracle(cluster.version)
  namesrvAddr = cluster.namesrvAddr
  producer = new DefaultProducer({ producerGroup: uniqueName('pg'), namesrvAddr, ...PATIENCE })
  await producer.start()
})

afterAll(async () => {
  await producer?.shutdown()
  await oracle?.stop()
  await cluster?.stop()
})

type Place = Pick<MessageExt | PulledMessage, 'queueId' | 'queueOffset'>

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i)
const places = (messages: readonly Place[]) =>
  messages.map(({ queueId, queueOffset }) => `${queueId}:${queueOffset}`).toSorted()
/** Of all queues, the messages with these offsets. */
const placesOf = (from: number, to: number, queueIds = range(0, QUEUES)) =>
  queueIds.flatMap((queueId) => range(from, to).map((offset) => `${queueId}:${offset}`)).toSorted()

async function newTopic(): Promise<MessageQueue[]> {
  const topic = uniqueName('lite')
  await oracle.call('createTopic', { namesrvAddr, topic, queues: QUEUES })
  return range(0, QUEUES).map((queueId) => ({ topic, brokerName: 'broker-a', queueId }))
}

/** Sends `count` messages to each queue. */
async function fill(queues: readonly MessageQueue[], count: number): Promise<void> {
  for (const queue of queues) {
    for (let i = 0; i < count; i++) await producer.send({ topic: queue.topic, body: 'x', tags: 'TagA' }, { queue })
  }
}

function newConsumer(consumerGroup: string, options: Partial<LitePullConsumerOptions> = {}): LitePullConsumer {
  const consumer = new LitePullConsumer({ consumerGroup, namesrvAddr, consumeFromWhere: 'FIRST', ...options })
  onTestFinished(() => consumer.shutdown({ timeout: 0 }))
  return consumer
}

async function nodePolls(consumer: LitePullConsumer, count: number): Promise<MessageExt[]> {
  const messages: MessageExt[] = []
  await until(async () => {
    messages.push(...(await consumer.poll({ timeout: 1_000 })))
    return messages.length >= count
  }, DEADLINE)
  return messages
}

async function startJava(args: Omit<Parameters<typeof oracle.call<'startLitePull'>>[1], 'namesrvAddr'>) {
  const options = { instanceName: uniqueName('java'), ...args.options }
  const { clientId } = await oracle.call('startLitePull', { ...args, namesrvAddr, options })
  onTestFinished(async () => {
    await oracle.call('liteStop', { clientId }).catch(() => undefined)
  })
  return clientId
}

async function javaPolls(clientId: string, count: number): Promise<PulledMessage[]> {
  const messages: PulledMessage[] = []
  await until(async () => {
    messages.push(...(await oracle.call('litePoll', { clientId, pollTimeout: 1_000 })).messages)
    return messages.length >= count
  }, DEADLINE)
  return messages
}

const FIRST = { consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET' } as const

test.each(['subscribe', 'assign'] as const)(
  'a Java lite pull consumer goes on where this one committed, and this one where Java did (%s)',
  async (way) => {
    const queues = await newTopic()
    const [{ topic } = { topic: '' }] = queues
    const group = uniqueName('cg')
    await fill(queues, 10)
    const node = newConsumer(group)
    if (way === 'subscribe') await node.subscribe(topic)
    else await node.assign(queues)
    await node.start()
    expect(places(await nodePolls(node, 40))).toEqual(placesOf(0, 10))
    await node.commit()
    await node.shutdown()

    await fill(queues, 5)
    const java = await startJava({
      group,
      options: FIRST,
      ...(way === 'subscribe' ? { topics: [{ topic }] } : { assign: queues }),
    })
    expect(places(await javaPolls(java, 20))).toEqual(placesOf(10, 15))
    await oracle.call('liteCommit', { clientId: java })
    // Java sends offsets without waiting for the answer.
    await until(
      async () => (await oracle.call('consumeOffset', { namesrvAddr, group, topic })).totalDiff === 0,
      DEADLINE,
    )
    await oracle.call('liteStop', { clientId: java })

    await fill(queues, 3)
    const again = newConsumer(group)
    if (way === 'subscribe') await again.subscribe(topic)
    else await again.assign(queues)
    await again.start()
    expect(places(await nodePolls(again, 12))).toEqual(placesOf(15, 18))
  },
)

test('a Java lite pull consumer and this one share the queues of their topic', async () => {
  const queues = await newTopic()
  const [{ topic } = { topic: '' }] = queues
  const group = uniqueName('cg')
  const node = newConsumer(group)
  await node.subscribe(topic)
  await node.start()
  const java = await startJava({ group, topics: [{ topic }], options: FIRST })
  await until(() => node.assignment().length === QUEUES / 2, DEADLINE)
  const own = node.assignment().map(({ queueId }) => queueId)
  const others = range(0, QUEUES).filter((queueId) => !own.includes(queueId))
  await fill(queues, 10)
  expect(places(await nodePolls(node, 20))).toEqual(placesOf(0, 10, own))
  expect(places(await javaPolls(java, 20))).toEqual(placesOf(0, 10, others))
  await oracle.call('liteCommit', { clientId: java })
  await oracle.call('liteStop', { clientId: java })
  await until(() => node.assignment().length === QUEUES, DEADLINE)
  await node.poll({ timeout: 1 })
  expect((await node.lag()).diff).toBe(0)
})

test('brokers show this consumer as they show one of Java', async () => {
  const queues = await newTopic()
  const [{ topic } = { topic: '' }] = queues
  const [nodeGroup, javaGroup] = [uniqueName('cg'), uniqueName('cg')]
  // Java tells brokers of the default, whatever is set.
  const node = newConsumer(nodeGroup, { consumeFromWhere: 'LAST' })
  await node.subscribe(topic, 'TagA || TagB')
  await node.start()
  await startJava({ group: javaGroup, topics: [{ topic, expression: 'TagA || TagB' }] })
  const viewOf = (group: string) =>
    until(() => oracle.call('consumerConnection', { namesrvAddr, group }).catch(() => undefined), DEADLINE)
  const strip = ({ connections: _, subscriptions, ...view }: Awaited<ReturnType<typeof viewOf>>) => ({
    ...view,
    subscriptions: subscriptions.map(({ subVersion: _version, ...subscription }) => subscription),
  })
  expect(strip(await viewOf(nodeGroup))).toEqual(strip(await viewOf(javaGroup)))
})

test('mqadmin consumerStatus shows the queues of this consumer, and its options by the names that they have in Java', async () => {
  const queues = await newTopic()
  const [{ topic } = { topic: '' }] = queues
  const [nodeGroup, javaGroup] = [uniqueName('cg'), uniqueName('cg')]
  await fill(queues, 5)
  const node = newConsumer(nodeGroup, { autoCommit: false, pullBatchSize: 3 })
  await node.subscribe(topic)
  await node.start()
  await until(() => node.health().cachedCount === 20, DEADLINE)
  await node.poll()
  const java = await startJava({
    group: javaGroup,
    topics: [{ topic }],
    options: { ...FIRST, autoCommit: false, pullBatchSize: 3 },
  })
  const infoOf = (group: string, clientId: string) =>
    until(() => oracle.call('consumerRunningInfo', { namesrvAddr, group, clientId }).catch(() => undefined), DEADLINE)
  const ours = await infoOf(nodeGroup, node.clientId)
  const theirs = await infoOf(javaGroup, java)
  const names = [
    'autoCommit',
    'autoCommitIntervalMillis',
    'consumeMaxSpan',
    'messageModel',
    'pollTimeoutMillis',
    'pullBatchSize',
    'pullThresholdForAll',
    'pullThresholdForQueue',
    'pullThresholdSizeForQueue',
    'PROP_CONSUME_TYPE',
  ]
  const pick = ({ properties }: typeof ours) => Object.fromEntries(names.map((name) => [name, properties[name]]))
  expect(pick(ours)).toEqual(pick(theirs))
  expect(ours.mqTable.map(({ queueId }) => queueId).toSorted()).toEqual(range(0, QUEUES))
  expect(ours.mqTable.map(({ cachedMsgCount }) => cachedMsgCount)).toEqual([5, 5, 5, 5])
})

test('mqadmin rewinds this consumer while it runs', async () => {
  const queues = await newTopic()
  const [{ topic } = { topic: '' }] = queues
  const group = uniqueName('cg')
  await fill(queues, 5)
  // Brokers tell of a reset when a pull ends.
  const node = newConsumer(group, { brokerSuspendMaxTimeMillis: 1_000 })
  await node.subscribe(topic)
  await node.start()
  expect(places(await nodePolls(node, 20))).toEqual(placesOf(0, 5))
  await node.commit()
  await until(() => oracle.call('consumerConnection', { namesrvAddr, group }).catch(() => undefined), DEADLINE)
  await oracle.call('resetOffset', { namesrvAddr, topic, group, timestamp: 0, force: true })
  expect(places(await nodePolls(node, 20))).toEqual(placesOf(0, 5))
  await node.commit()
  expect((await oracle.call('consumeOffset', { namesrvAddr, group, topic })).totalDiff).toBe(0)
})
