import { mkdtemp, readFile, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { type Cluster, startCluster } from './cluster.js'
import { uniqueName } from './names.js'
import { type Oracle, startOracle } from './oracle.js'
import type { ConsumerVerbs, JavaDelivery, JavaStrategy } from './oracle-consumer-verbs.js'
import type { PulledMessage, QueueName, SendOutcome } from './oracle-verbs.js'
import { rejectionOf, until } from './until.js'

const { ROCKETMQ_VERSION = '5.5.0' } = process.env
/** Popping, static topics and server-side assignment came with 5.0. */
const FROM_5 = ROCKETMQ_VERSION.startsWith('4.') ? [] : [ROCKETMQ_VERSION]
/** The official client divides queues every 20 seconds: what a busy machine has made it miss it makes up for then, or the time after. */
const DEADLINE = 100_000
/** The official client now and then loses the heartbeat behind its first rebalance, and pulls nothing until the next one. */
const QUICK_START = { heartbeatBrokerInterval: 1_000 }

vi.setConfig({ testTimeout: 300_000 })

let cluster: Cluster
let oracle: Oracle
let namesrvAddr: string

beforeAll(async () => {
  cluster = await startCluster({
    route: 'java',
    // Popping needs the timer wheel, and SQL92 the property filter.
    config: { timerWheelEnable: 'true', enablePropertyFilter: 'true' },
    log: () => {},
  })
  namesrvAddr = cluster.namesrvAddr
  oracle = await startOracle(cluster.version)
})

afterAll(async () => {
  await oracle?.stop()
  await cluster?.stop()
})

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'rocketmq-oracle-consumers-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

async function createTopic(queues = 4): Promise<string> {
  const topic = uniqueName('jc')
  await oracle.call('createTopic', { namesrvAddr, topic, queues })
  return topic
}

async function produce(topic: string, count: number): Promise<SendOutcome[]> {
  const { outcomes } = await oracle.call('produce', { namesrvAddr, topic, count, seed: 1 })
  return outcomes.map((outcome) => {
    if ('error' in outcome) throw new Error(JSON.stringify(outcome.error))
    return outcome
  })
}

type StartArgs = Partial<ConsumerVerbs['startPushConsumer']['args']> & { readonly topic: string }

async function startPush({ topic, ...args }: StartArgs, jvm: Oracle = oracle): Promise<string> {
  const { clientId } = await jvm.call('startPushConsumer', {
    namesrvAddr,
    group: uniqueName('cg'),
    topics: [{ topic }],
    ...args,
    options: { ...QUICK_START, consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET', ...args.options },
  })
  return clientId
}

async function consumed(clientId: string, count: number): Promise<readonly JavaDelivery[]> {
  const got = () => oracle.call('consumed', { clientId })
  await until(async () => (await got()).count >= count, DEADLINE).catch(async (cause: unknown) => {
    const { queues } = await oracle.call('ownedQueues', { clientId })
    const state = JSON.stringify({ queues, got: (await got()).deliveries.map(({ keys, queueId }) => [keys, queueId]) })
    throw new Error(`the consumer of Java was not given ${count} messages: ${state}`, { cause })
  })
  return (await got()).deliveries
}

const keysOf = (deliveries: readonly { readonly keys: string | null }[]): string[] =>
  deliveries.map(({ keys }) => keys ?? '').sort((a, b) => Number(a.slice(1)) - Number(b.slice(1)))

const keysUpTo = (count: number): string[] => Array.from({ length: count }, (_, i) => `k${i}`)

async function ownedOf(topic: string, clientId: string, jvm: Oracle = oracle) {
  const { queues } = await jvm.call('ownedQueues', { clientId })
  return queues.filter((queue) => queue.topic === topic)
}

const mqadmin = async (...args: string[]): Promise<string> => (await oracle.call('mqadmin', { args })).stdout

describe('the push consumer', () => {
  test('tells everything that it was given, and which queues it owns, and leaves true offsets behind', async () => {
    const topic = await createTopic()
    const group = uniqueName('cg')
    const sent = await produce(topic, 30)
    const pulled = await pullAll(topic)
    const startedAt = Date.now()
    const clientId = await startPush({ topic, group, property: 'index' })
    const deliveries = await consumed(clientId, 30)
    expect(keysOf(deliveries)).toEqual(keysUpTo(30))
    expect(new Set(deliveries.map(({ msgId }) => msgId))).toEqual(new Set(sent.map(({ msgId }) => msgId)))
    for (const delivery of deliveries) {
      const { property, outcome, shardingKey, t, reconsumeTimes, ...rest } = delivery
      expect(pulled.find(({ msgId }) => msgId === delivery.msgId)).toMatchObject(rest)
      expect(delivery.keys).toBe(`k${property}`)
      expect([outcome, shardingKey, reconsumeTimes]).toEqual(['OK', null, 0])
      expect(t).toBeGreaterThanOrEqual(startedAt)
      expect(t).toBeLessThanOrEqual(Date.now())
    }
    const part = await oracle.call('consumed', { clientId, from: 28 })
    expect(part).toEqual({ count: 30, deliveries: deliveries.slice(28) })

    expect(await ownedOf(topic, clientId)).toEqual(
      [0, 1, 2, 3].map((queueId) => ({
        topic,
        brokerName: 'broker-a',
        queueId,
        mode: 'PULL',
        locked: expect.any(Boolean),
      })),
    )
    await oracle.call('stopConsumer', { clientId })
    expect(await oracle.call('consumeOffset', { namesrvAddr, group, topic })).toMatchObject({ totalDiff: 0 })
    expect(await ownedOf(topic, clientId)).toEqual([])
    expect((await oracle.call('consumed', { clientId })).count).toBe(30)
  })

  test('gets again what its listener refused, after the delay that it asked for', async () => {
    const topic = await createTopic()
    const group = uniqueName('cg')
    await produce(topic, 5)
    // A retry topic that appears behind the start of the consumer is seen by the rebalance 20 seconds later.
    await oracle.call('createTopic', { namesrvAddr, topic: `%RETRY%${group}`, queues: 1 })
    const clientId = await startPush({ topic, group, handler: { failBelow: 1, delayLevel: 1 } })
    const deliveries = await consumed(clientId, 10)
    const first = deliveries.filter(({ reconsumeTimes }) => reconsumeTimes === 0)
    const again = deliveries.filter(({ reconsumeTimes }) => reconsumeTimes === 1)
    expect(keysOf(first)).toEqual(keysUpTo(5))
    expect(keysOf(again)).toEqual(keysUpTo(5))
    expect(deliveries.map(({ outcome }) => outcome).sort()).toEqual(Array(5).fill('FAIL').concat(Array(5).fill('OK')))
    expect(new Set(again.map((delivery) => delivery.topic))).toEqual(new Set([topic]))
    await oracle.call('stopConsumer', { clientId })
  })

  test('consumes in order where it is told to, holding the locks of its queues', async () => {
    const topic = await createTopic(2)
    const sent = await produce(topic, 20)
    const clientId = await startPush({
      topic,
      mode: 'orderly',
      handler: { failBelow: 1 },
      options: { suspendCurrentQueueTimeMillis: 10, consumeThreadMin: 2, consumeThreadMax: 2 },
    })
    const deliveries = await consumed(clientId, 40)
    for (const queueId of [0, 1]) {
      const places = deliveries.filter((each) => each.queueId === queueId)
      const offsets = sent.filter((each) => each.queueId === queueId).map((_, i) => i)
      const expected = offsets.flatMap((offset) => [0, 1].map((reconsumeTimes) => [offset, reconsumeTimes]))
      expect(places.map((each) => [each.queueOffset, each.reconsumeTimes])).toEqual(expected)
    }
    expect(await ownedOf(topic, clientId)).toMatchObject([{ locked: true }, { locked: true }])
    await oracle.call('stopConsumer', { clientId })
  })

  test.each([
    { expression: 'T1 || T2', keys: keysUpTo(9).filter((_, i) => i % 3 > 0) },
    { expression: 'index > 5', type: 'SQL92' as const, keys: ['k6', 'k7', 'k8'] },
  ])('reads only what passes the filter $expression', async ({ keys, ...subscription }) => {
    const topic = await createTopic()
    await produce(topic, 9)
    const clientId = await startPush({ topic, topics: [{ topic, ...subscription }] })
    expect(keysOf(await consumed(clientId, keys.length))).toEqual(keys)
    await oracle.call('stopConsumer', { clientId })
  })

  test('commits nothing while its listener hangs, and gives the message to whom comes next', async () => {
    const topic = await createTopic(1)
    const group = uniqueName('cg')
    await produce(topic, 1)
    const hanging = await startPush({ topic, group, handler: { hang: true } })
    const [delivery] = await consumed(hanging, 1)
    await oracle.call('stopConsumer', { clientId: hanging, graceful: false })
    const next = await startPush({ topic, group })
    expect(await consumed(next, 1)).toMatchObject([{ msgId: delivery?.msgId }])
    await oracle.call('stopConsumer', { clientId: next })
  })

  test('leaves its file behind when its JVM is killed, and its queues to the others', async () => {
    const topic = await createTopic()
    const group = uniqueName('cg')
    const file = path.join(await temporaryFolder(), 'deliveries.jsonl')
    await using victim = await startOracle(cluster.version)
    const killed = await startPush({ topic, group, file }, victim)
    await produce(topic, 10)
    await until(async () => (await victim.call('consumed', { clientId: killed })).count === 10, DEADLINE)
    const other = await startPush({ topic, group })
    await until(async () => (await ownedOf(topic, other)).length === 2, DEADLINE)
    expect(other).not.toBe(killed)

    await victim.kill()
    const lines = (await readFile(file, 'utf8')).trimEnd().split('\n')
    expect(keysOf(lines.map((line) => JSON.parse(line) as JavaDelivery))).toEqual(keysUpTo(10))
    await until(async () => (await ownedOf(topic, other)).length === 4, DEADLINE)
    await oracle.call('stopConsumer', { clientId: other })
  })

  test('says which property this version does not have', async () => {
    const options: object = { noSuchProperty: 1 }
    const error = await rejectionOf(startPush({ topic: 'T', options }))
    expect(error.message).toContain("this version's DefaultMQPushConsumer has no setNoSuchProperty")
  })

  test.each(FROM_5)('pops where the brokers of %s are told so', async () => {
    const topic = await createTopic()
    const group = uniqueName('cg')
    await oracle.call('setMessageRequestMode', { namesrvAddr, topic, group, mode: 'POP' })
    const clientId = await startPush({ topic, group, options: { clientRebalance: false } })
    await until(async () => (await ownedOf(topic, clientId)).some(({ mode }) => mode === 'POP'), DEADLINE)
    await produce(topic, 10)
    expect(keysOf(await consumed(clientId, 10))).toEqual(keysUpTo(10))
    await oracle.call('stopConsumer', { clientId })
  })
})

describe('the lite pull consumer', () => {
  test('polls what it subscribed to, and stores its offsets when told to', async () => {
    const topic = await createTopic()
    const group = uniqueName('cg')
    await produce(topic, 20)
    const options = { autoCommit: false, consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET' } as const
    const { clientId } = await oracle.call('startLitePull', { namesrvAddr, group, topics: [{ topic }], options })
    const messages = await pollAtLeast(clientId, 20)
    expect(keysOf(messages)).toEqual(keysUpTo(20))
    await oracle.call('liteCommit', { clientId })
    await until(async () => (await totalDiffOf(group, topic)) === 0, DEADLINE)
    await oracle.call('liteStop', { clientId })
  })

  test('polls only the queues that it was given', async () => {
    const topic = await createTopic()
    const sent = await produce(topic, 20)
    const assign = [{ topic, brokerName: 'broker-a', queueId: 2 }]
    const options = { consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET' } as const
    const { clientId } = await oracle.call('startLitePull', { namesrvAddr, group: uniqueName('cg'), assign, options })
    const expected = sent.filter(({ queueId }) => queueId === 2)
    const messages = await pollAtLeast(clientId, expected.length)
    expect(messages.map(({ msgId }) => msgId).sort()).toEqual(expected.map(({ msgId }) => msgId).sort())
    await oracle.call('liteStop', { clientId })
  })
})

describe('the strategies', () => {
  const topic = 'T'
  const queuesOf = (...brokerNames: string[]): QueueName[] =>
    brokerNames.flatMap((brokerName) => [0, 1, 2].map((queueId) => ({ topic, brokerName, queueId })))
  const [first = { topic, brokerName: '', queueId: 0 }] = queuesOf('a')

  test('give each member a stretch of queues on average', async () => {
    const queues = queuesOf('a', 'b')
    const parts = await partsOf({ name: 'AVG' }, queues, ['c1', 'c2', 'c3', 'c4'])
    expect(parts).toEqual([queues.slice(0, 2), queues.slice(2, 4), queues.slice(4, 5), queues.slice(5, 6)])
  })

  test('deal queues out in turn by circle', async () => {
    const queues = queuesOf('a')
    const parts = await partsOf({ name: 'AVG_BY_CIRCLE' }, queues, ['c1', 'c2'])
    expect(parts).toEqual([[queues[0], queues[2]], [queues[1]]])
  })

  test('give fixed queues by configuration, whoever asks', async () => {
    expect(await partsOf({ name: 'CONFIG', messageQueueList: [first] }, queuesOf('a', 'b'), ['c1', 'c2'])).toEqual([
      [first],
      [first],
    ])
  })

  test('keep to rooms', async () => {
    const queues = queuesOf('r1@a', 'r2@b')
    const ofRoom = await partsOf({ name: 'MACHINE_ROOM', consumeridcs: ['r2'] }, queues, ['c1', 'c2', 'c3'])
    expect(ofRoom.flat()).toEqual(queues.slice(3))
    const nearby: JavaStrategy = {
      name: 'MACHINE_ROOM_NEARBY',
      inner: { name: 'AVG' },
      brokerRoom: '^(.+)@',
      consumerRoom: '-(.+)$',
    }
    expect(await partsOf(nearby, queues, ['c1-r1', 'c2-r2'])).toEqual([queues.slice(0, 3), queues.slice(3)])
  })

  test('hash consistently: every queue to one member, on any number of virtual nodes', async () => {
    const queues = queuesOf('a', 'b', 'c')
    for (const virtualNodeCnt of [1, 10]) {
      const parts = await partsOf({ name: 'CONSISTENT_HASH', virtualNodeCnt }, queues, ['c1', 'c2', 'c3'])
      expect(naturalOrder(parts.flat())).toEqual(naturalOrder(queues))
    }
  })

  test('are what a push consumer divides by', async () => {
    const topicOfTwo = await createTopic(2)
    const messageQueueList = [{ topic: topicOfTwo, brokerName: 'broker-a', queueId: 1 }]
    const clientId = await startPush({ topic: topicOfTwo, strategy: { name: 'CONFIG', messageQueueList } })
    await until(async () => (await ownedOf(topicOfTwo, clientId)).length > 0, DEADLINE)
    expect(await ownedOf(topicOfTwo, clientId)).toMatchObject(messageQueueList)
    await oracle.call('stopConsumer', { clientId })
  })
})

describe('the admin client', () => {
  test('sees what a consumer says of itself, and mqadmin prints it', async () => {
    const topic = await createTopic()
    const group = uniqueName('cg')
    await produce(topic, 10)
    const clientId = await startPush({ topic, group, options: { consumeThreadMin: 3, consumeThreadMax: 3 } })
    await consumed(clientId, 10)
    const info = await oracle.call('consumerRunningInfo', { namesrvAddr, group, clientId, jstack: true })
    expect(info.properties).toMatchObject({ PROP_CONSUME_TYPE: 'CONSUME_PASSIVELY', PROP_THREADPOOL_CORE_SIZE: '3' })
    expect(info.subscriptionSet).toContainEqual(
      expect.objectContaining({ topic, subString: '*', classFilterMode: false }),
    )
    const queues = info.mqTable.filter((queue) => queue.topic === topic)
    expect(queues).toHaveLength(4)
    expect(queues[0]).toMatchObject({ queueId: 0, droped: false, cachedMsgCount: 0 })
    expect(info.statusTable).toHaveProperty([topic, 'consumeRT'])
    expect(info.jstack).toContain('ConsumeMessageThread_')

    const status = ['consumerStatus', '-n', namesrvAddr, '-g', group]
    expect(await mqadmin(...status, '-i', clientId)).toContain(`#Consumer MQ Detail#`)
    expect(await mqadmin(...status)).toContain(clientId)
    const connection = await oracle.call('consumerConnection', { namesrvAddr, group })
    expect(connection.connections).toMatchObject([{ clientId }])
    await until(
      async () => (await mqadmin('consumerProgress', '-n', namesrvAddr, '-g', group)).includes(topic),
      DEADLINE,
    )
    await oracle.call('stopConsumer', { clientId })
  })

  test('has a consumer consume one message, and asks for its offsets', async () => {
    const topic = await createTopic(1)
    const group = uniqueName('cg')
    const [sent] = await produce(topic, 3)
    const clientId = await startPush({ topic, group })
    await consumed(clientId, 3)
    const msgId = sent?.offsetMsgId ?? ''
    const result = await oracle.call('consumeMessageDirectly', { namesrvAddr, group, clientId, topic, msgId })
    expect(result).toMatchObject({ consumeResult: 'CR_SUCCESS', order: false, autoCommit: true })
    expect((await consumed(clientId, 4)).at(-1)).toMatchObject({ keys: 'k0', queueOffset: sent?.queueOffset })

    const members = await until(async () => {
      const status = await oracle.call('consumeStatus', { namesrvAddr, group, topic })
      return status.members[0]?.queues[0]?.offset === 3 && status.members
    }, DEADLINE)
    expect(members).toEqual([{ clientId, queues: [{ topic, brokerName: 'broker-a', queueId: 0, offset: 3 }] }])
    await oracle.call('stopConsumer', { clientId })
  })

  test('sets the offsets of a group back, in the old way and by mqadmin', async () => {
    const topic = await createTopic(1)
    const group = uniqueName('cg')
    const consumeAll = async () => {
      const clientId = await startPush({ topic, group })
      const deliveries = await consumed(clientId, 3)
      await oracle.call('stopConsumer', { clientId })
      return keysOf(deliveries)
    }
    await produce(topic, 3)
    await consumeAll()
    const old = await oracle.call('resetOffsetOld', { namesrvAddr, topic, group, timestamp: 0 })
    expect(old.queues).toMatchObject([{ brokerName: 'broker-a', queueId: 0, consumerOffset: 3, rollbackOffset: 0 }])
    expect(await consumeAll()).toEqual(keysUpTo(3))

    const printed = await mqadmin('resetOffsetByTime', '-n', namesrvAddr, '-g', group, '-t', topic, '-s', '0')
    expect(printed).toContain('broker-a')
    expect(await consumeAll()).toEqual(keysUpTo(3))
  })

  test('creates groups as they are configured', async () => {
    const topic = await createTopic(1)
    const group = uniqueName('cg')
    await produce(topic, 1)
    await oracle.call('updateSubscriptionGroup', { namesrvAddr, group, config: { consumeEnable: false } })
    const file = path.join(await temporaryFolder(), 'pulled.jsonl')
    const error = await rejectionOf(oracle.call('pullAll', { namesrvAddr, topic, group, file }))
    expect(error.message).toContain('no permission')
    await oracle.call('updateSubscriptionGroup', { namesrvAddr, group })
    expect(await oracle.call('pullAll', { namesrvAddr, topic, group, file })).toEqual({ count: 1 })
  })

  test.each(FROM_5)('sets modes and makes static topics by mqadmin of %s', async () => {
    const topic = uniqueName('static')
    const printed = await mqadmin('updateStaticTopic', '-n', namesrvAddr, '-t', topic, '-qn', '5', '-b', 'broker-a')
    expect(printed).toContain('new mapping data')
    const clientId = await until(async () => startPush({ topic }).catch(() => undefined), DEADLINE)
    const queues = [0, 1, 2, 3, 4].map((queueId) => ({ brokerName: '__syslo__global__', queueId }))
    await until(async () => (await ownedOf(topic, clientId)).length === 5, DEADLINE)
    expect(await ownedOf(topic, clientId)).toMatchObject(queues)
    await oracle.call('stopConsumer', { clientId })

    const words = ['setConsumeMode', '-n', namesrvAddr, '-c', cluster.clusterName, '-t', topic, '-g', 'G', '-m', 'POP']
    expect(await mqadmin(...words, '-q', '2')).toContain('consume mode[POP] popShareQueueNum[2]')
  })
})

test('a file of offsets is read as it was written', async () => {
  const file = path.join(await temporaryFolder(), 'clientId', 'group', 'offsets.json')
  expect(await oracle.call('readLocalOffsets', { file })).toEqual({ offsets: [] })
  const offsets = [
    { topic: 'T', brokerName: 'broker-a', queueId: 0, offset: 5 },
    // 5.4.0 can't read a larger one.
    { topic: 'T', brokerName: 'broker-b', queueId: 3, offset: 2 ** 31 - 1 },
  ]
  await oracle.call('writeLocalOffsets', { file, offsets })
  expect(await oracle.call('readLocalOffsets', { file })).toEqual({ offsets })
  expect(await readFile(file, 'utf8')).toContain('"offsetTable"')
})

async function pullAll(topic: string): Promise<PulledMessage[]> {
  const file = path.join(await temporaryFolder(), 'pulled.jsonl')
  await oracle.call('pullAll', { namesrvAddr, topic, file })
  const lines = (await readFile(file, 'utf8')).trimEnd().split('\n')
  return lines.map((line) => JSON.parse(line) as PulledMessage)
}

async function pollAtLeast(clientId: string, count: number): Promise<PulledMessage[]> {
  const messages: PulledMessage[] = []
  await until(async () => {
    messages.push(...(await oracle.call('litePoll', { clientId, pollTimeout: 1_000 })).messages)
    return messages.length >= count
  }, DEADLINE)
  return messages
}

async function totalDiffOf(group: string, topic: string): Promise<number> {
  return (await oracle.call('consumeOffset', { namesrvAddr, group, topic })).totalDiff
}

async function partsOf(strategy: JavaStrategy, queues: readonly QueueName[], clientIds: readonly string[]) {
  const calls = clientIds.map((clientId) => oracle.call('allocate', { strategy, clientId, queues, clientIds }))
  return (await Promise.all(calls)).map((answer) => answer.queues)
}

function naturalOrder(queues: readonly QueueName[]): string[] {
  return queues.map(({ brokerName, queueId }) => `${brokerName} ${queueId}`).sort()
}
