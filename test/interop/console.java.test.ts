import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import {
  DefaultProducer,
  type MessageExt,
  PushConsumer,
  type PushConsumerOptions,
  type SendResult,
} from '../../src/index.js'
import { type Cluster, startCluster } from '../support/cluster.js'
import { uniqueName } from '../support/names.js'
import { type Oracle, startOracle } from '../support/oracle.js'
import { PATIENCE } from '../support/patience.js'
import { until } from '../support/until.js'

const { ROCKETMQ_VERSION = '5.5.0' } = process.env
const IS_4 = ROCKETMQ_VERSION.startsWith('4.')
/** Whether queryMsgById wants the topic. */
const NAMES_TOPIC = !/^(4|5\.[01])\./.test(ROCKETMQ_VERSION)
/** How a reset reaches a live group: brokers push it to the members, or from 5.0 on answer their next pulls with it. */
const RESETS = IS_4 ? [{ isServerSide: false }] : [{ isServerSide: false }, { isServerSide: true }]
const DEADLINE = 60_000

let cluster: Cluster
let oracle: Oracle
let namesrvAddr: string

beforeAll(async () => {
  cluster = await startCluster({ route: 'java', log: () => {} })
  namesrvAddr = cluster.namesrvAddr
  oracle = await startOracle(cluster.version)
})

afterAll(async () => {
  await oracle?.stop()
  await cluster?.stop()
})

async function mqadmin(...words: string[]): Promise<string> {
  const { stdout } = await oracle.call('mqadmin', { args: [words[0] ?? '', '-n', namesrvAddr, ...words.slice(1)] })
  return stdout
}

/** A topic with `count` messages on each of its queues. */
async function filledTopic(queues: number, count: number): Promise<{ topic: string; sent: SendResult[] }> {
  const topic = uniqueName('console')
  await oracle.call('createTopic', { namesrvAddr, topic, queues })
  const producer = new DefaultProducer({ producerGroup: uniqueName('pg'), namesrvAddr, ...PATIENCE })
  await producer.start()
  const sent: SendResult[] = []
  for (const queue of await producer.fetchPublishMessageQueues(topic)) {
    for (let i = 0; i < count; i++) {
      sent.push(await producer.send({ topic, tags: 'TagA', body: `${queue.queueId}-${i}` }, { queue }))
    }
  }
  await producer.shutdown()
  return { topic, sent }
}

/** A started consumer that takes what it gets down. */
async function consume(topic: string, expression = '*', options: Partial<PushConsumerOptions> = {}) {
  const group = uniqueName('cg')
  const consumer = new PushConsumer({ consumerGroup: group, namesrvAddr, consumeFromWhere: 'FIRST', ...options })
  onTestFinished(() => consumer.shutdown())
  const messages: MessageExt[] = []
  consumer.onMessage((batch) => void messages.push(...batch))
  await consumer.subscribe(topic, expression)
  await consumer.start()
  const got = (count: number) => until(() => messages.length >= count, DEADLINE)
  return { group, consumer, messages, got, clientId: consumer.clientId }
}

describe('mqadmin', () => {
  test('prints the running info of a consumer', async () => {
    const { topic } = await filledTopic(2, 5)
    const { group, clientId, got } = await consume(topic, 'TagA || TagB', { consumeConcurrency: 7 })
    await got(10)
    const printed = await mqadmin('consumerStatus', '-g', group, '-i', clientId)
    expect(printed).toMatch(/PROP_CONSUME_TYPE +: CONSUME_PASSIVELY/)
    expect(printed).toMatch(/PROP_THREADPOOL_CORE_SIZE +: 7/)
    expect(printed).toMatch(new RegExp(`PROP_NAMESERVER_ADDR +: ${namesrvAddr};`))
    expect(printed).toMatch(new RegExp(`Topic: ${topic} +ClassFilter: false +SubExpression: TagA \\|\\| TagB`))
    const details = printed.slice(printed.indexOf('#Consumer MQ Detail#'))
    const rows = details.split('\n').filter((line) => line.startsWith(topic) && line.includes('ProcessQueueInfo ['))
    expect(rows).toHaveLength(2)
    expect(rows[1]).toMatch(/commitOffset=5, .*cachedMsgCount=0, .*droped=false/)
    expect(printed.slice(printed.indexOf('#Consumer RT&TPS#'))).toContain(topic)
    // Of the whole group: it names the members, and compares them.
    expect(await mqadmin('consumerStatus', '-g', group)).toContain(clientId)
  })

  test('prints what handlers have where it asks for the stacks of threads', async () => {
    const { topic } = await filledTopic(1, 1)
    const { consumer, group, clientId, messages } = await consume(topic)
    const ends: (() => void)[] = []
    consumer.onMessage((batch) => {
      messages.push(...batch)
      return new Promise<void>((resolve) => ends.push(resolve))
    })
    await until(() => consumer.assignment().some((queue) => queue.topic === topic))
    const again = await filledTopic(1, 1)
    await consumer.subscribe(again.topic)
    await until(() => messages.some((message) => message.topic === again.topic), DEADLINE)
    const info = await oracle.call('consumerRunningInfo', { namesrvAddr, group, clientId, jstack: true })
    expect(info.jstack).toContain(`topic=${again.topic}`)
    expect(info.jstack).toContain(again.sent[0]?.msgId)
    for (const end of ends) end()
  })

  test('shows the connections and subscriptions of a group', async () => {
    const { topic } = await filledTopic(1, 1)
    const { group, clientId, got } = await consume(topic, 'TagA')
    await got(1)
    const printed = await mqadmin('consumerConnection', '-g', group)
    expect(printed).toContain(clientId)
    expect(printed).toMatch(/OTHER +V5_4_0/)
    expect(printed).toMatch(new RegExp(`${topic} +(SubExpression: )?TagA`))
    expect(printed).toContain('ConsumeType: CONSUME_PASSIVELY')
    expect(printed).toContain('MessageModel: CLUSTERING')
    expect(printed).toContain('ConsumeFromWhere: CONSUME_FROM_FIRST_OFFSET')
    const info = await oracle.call('consumerRunningInfo', { namesrvAddr, group, clientId })
    expect(info.properties).toMatchObject({ PROP_CLIENT_VERSION: 'V5_4_0' })
  })

  test('asks for the offsets of all members', async () => {
    const { topic } = await filledTopic(2, 3)
    const { group, clientId, got } = await consume(topic)
    await got(6)
    const members = await until(async () => {
      const { members } = await oracle.call('consumeStatus', { namesrvAddr, group, topic })
      return members[0]?.queues.every(({ offset }) => offset === 3) && members
    }, DEADLINE)
    expect(members).toHaveLength(1)
    expect(members[0]).toMatchObject({ clientId })
    expect(members[0]?.queues.map(({ queueId }) => queueId).sort()).toEqual([0, 1])
  })

  test('has a consumer consume one message, beside its queues', async () => {
    const { topic, sent } = await filledTopic(1, 3)
    const { group, clientId, got, messages, consumer } = await consume(topic)
    await got(3)
    const { offsetMsgId = '' } = sent[1] ?? {}
    const ofTopic = NAMES_TOPIC ? ['-t', topic] : []
    const printed = await mqadmin('queryMsgById', ...ofTopic, '-i', offsetMsgId, '-g', group, '-d', clientId)
    expect(printed).toContain('consumeResult=CR_SUCCESS')
    expect(messages.slice(3).map(({ body }) => body.toString())).toEqual(['0-1'])
    expect(messages[3]).toMatchObject({ topic, msgId: sent[1]?.msgId, queueOffset: 1 })

    consumer.onMessage(() => {
      throw new TypeError('not now')
    })
    const args = { namesrvAddr, group, clientId, topic, msgId: offsetMsgId }
    expect(await oracle.call('consumeMessageDirectly', args)).toMatchObject({
      consumeResult: 'CR_THROW_EXCEPTION',
      order: false,
      autoCommit: true,
      remark: 'TypeError: not now',
    })
  })

  test('is told that a consumer takes no messages from consoles', async () => {
    const { topic, sent } = await filledTopic(1, 1)
    const { group, clientId, got, messages } = await consume(topic, '*', { consumeDirectlyEnabled: false })
    await got(1)
    const args = { namesrvAddr, group, clientId, topic, msgId: sent[0]?.offsetMsgId ?? '' }
    await expect(oracle.call('consumeMessageDirectly', args)).rejects.toThrow('consumeDirectlyEnabled')
    expect(messages).toHaveLength(1)
  })
})

describe.each(RESETS)('resetOffsetByTime (by the broker itself: $isServerSide)', ({ isServerSide }) => {
  beforeAll(async () => {
    if (IS_4) return
    const { address } = cluster.broker('broker-a')
    await mqadmin('updateBrokerConfig', '-b', address, '-k', 'useServerSideResetOffset', '-v', String(isServerSide))
  })

  test('rewinds a live group, all members of it, which go on without a restart', async () => {
    const { topic } = await filledTopic(4, 5)
    const options = { brokerSuspendMaxTimeMillis: 500 }
    const first = await consume(topic, '*', options)
    const second = new PushConsumer({ consumerGroup: first.group, namesrvAddr, ...options })
    onTestFinished(() => second.shutdown())
    const bodies: string[] = []
    for (const consumer of [first.consumer, second]) {
      consumer.onMessage((batch) => void bodies.push(...batch.map(({ body }) => body.toString())))
    }
    await second.subscribe(topic)
    await second.start()
    const queuesOf = (consumer: PushConsumer) => consumer.health().queues.filter(({ queue }) => queue.topic === topic)
    await until(() => queuesOf(first.consumer).length === 2 && queuesOf(second).length === 2, DEADLINE)
    // A pull by the member that had the queue before would take the broker's word of the reset, and is as old as these.
    const settledAt = Date.now()
    const all = () => [...queuesOf(first.consumer), ...queuesOf(second)]
    await until(() => all().every(({ lastAnswerTimestamp }) => lastAnswerTimestamp > settledAt), DEADLINE)
    await until(async () => (await first.consumer.lag()).diff + (await second.lag()).diff === 0, DEADLINE)
    const isStored = async () =>
      (await oracle.call('consumeOffset', { namesrvAddr, group: first.group, topic })).totalDiff === 0
    await until(isStored, DEADLINE)
    const resets: unknown[] = []
    for (const consumer of [first.consumer, second]) {
      consumer.on('offsetsReset', ({ queue, from, to }) => resets.push([queue.queueId, from, to]))
    }
    bodies.length = 0

    const printed = await mqadmin('resetOffsetByTime', '-g', first.group, '-t', topic, '-s', '0')
    expect(printed).toContain('broker-a')
    await until(() => bodies.length >= 20, DEADLINE)
    const sent = [0, 1, 2, 3].flatMap((queueId) => [0, 1, 2, 3, 4].map((i) => `${queueId}-${i}`))
    expect(bodies.sort()).toEqual(sent)
    expect(resets.sort()).toEqual([0, 1, 2, 3].map((queueId) => [queueId, 5, 0]))
    await until(isStored, DEADLINE)
    expect(bodies).toHaveLength(20)
  })
})
