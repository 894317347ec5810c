import { describe, expect, inject, it, onTestFinished } from 'vitest'
import {
  type AllocateMessageQueueStrategy,
  Client,
  LitePullConsumer,
  type MessageExt,
  type MessageQueue,
  type PushConsumer,
  type QueuesChanged,
  type TopicRoute,
} from '../../src/index.js'
import { readConsumerConnection } from '../../src/remoting/commands/group.js'
import { bodiesOf, consumersAtRealBroker, numbersOf, range } from '../support/consumers-at-real-broker.js'
import { createTopicOn } from '../support/create-topic-on.js'
import { uniqueName } from '../support/names.js'
import { probe } from '../support/remoting-probe.js'
import { resizeTopic } from '../support/resize-topic.js'
import { isAtLeast } from '../support/server-version.js'
import { until } from '../support/until.js'

const DEADLINE = 40_000
/** So that nothing but what brokers tell makes members divide their queues. */
const NEVER = 3_600_000
const UPDATE_CONSUMER_OFFSET = 15
const GET_ROUTE = 105
const CONSUMER_CONNECTION = 203
const CONSUMER_NOT_ONLINE = 206
const DELETE_TOPIC_IN_BROKER = 215
const SET_MESSAGE_REQUEST_MODE = 401

const { namesrvAddr, brokerAddress, newTopic, newConsumer, send, consuming } = consumersAtRealBroker()

/** Queue ids of a topic that a member has. */
function idsOf(consumer: PushConsumer, topic: string): number[] {
  return consumer
    .assignment()
    .filter((queue) => queue.topic === topic)
    .map(({ queueId }) => queueId)
}

async function ask(code: number, fields: Record<string, string>, body?: string) {
  return probe(brokerAddress, { code, fields, ...(body !== undefined && { body }) })
}

async function askFor(code: number, fields: Record<string, string>, body?: string): Promise<string> {
  const answer = await ask(code, fields, body)
  if (answer.code !== 0) throw new Error(`request ${code}: the broker answers ${answer.code} ${answer.remark}`)
  return answer.body
}

describe('members of a group at a real broker', () => {
  it('have the queues that a strategy of your own gives them, by the group and the members that it is told', async () => {
    const queues = await newTopic(4)
    const [{ topic }] = queues as [MessageQueue]
    const consumerGroup = uniqueName('cg')
    const told = new Set<string>()
    // The last queue for the first member, all others for the second.
    const strategy: AllocateMessageQueueStrategy = (group, clientId, all, clientIds) => {
      told.add(`${group} ${clientIds.length}`)
      return all.filter(({ queueId }) => (queueId === 3 ? clientIds[0] : clientIds[1]) === clientId)
    }
    const options = { consumerGroup, allocateMessageQueueStrategy: strategy, rebalanceInterval: NEVER }
    const one = await consuming(topic, options)
    await until(() => idsOf(one.consumer, topic).length > 0, DEADLINE)
    expect(idsOf(one.consumer, topic)).toEqual([3])
    const other = await consuming(topic, options)
    const [first, second] = [one, other].sort((a, b) => (a.consumer.clientId < b.consumer.clientId ? -1 : 1)) as [
      typeof one,
      typeof one,
    ]
    const shares = () => JSON.stringify([idsOf(first.consumer, topic), idsOf(second.consumer, topic)])
    await until(() => shares() === '[[3],[0,1,2]]', DEADLINE)
    expect([...told].sort()).toEqual([`${consumerGroup} 1`, `${consumerGroup} 2`])
    for (const queue of queues) await send(queue, [queue.queueId])
    await until(() => first.messages.length + second.messages.length >= 4, DEADLINE)
    expect([numbersOf(first.messages), numbersOf(second.messages)]).toEqual([[3], [0, 1, 2]])
  })

  it('tell of the queues that they get and give up when others come and go', async () => {
    const queues = await newTopic(4)
    const [{ topic }] = queues as [MessageQueue]
    const options = { consumerGroup: uniqueName('cg'), rebalanceInterval: NEVER }
    const joining = async () => {
      const consumer = newConsumer(options)
      const changes: QueuesChanged[] = []
      consumer.on('queuesChanged', (change) => {
        if (change.topic === topic) changes.push(change)
      })
      consumer.onMessage(() => undefined)
      await consumer.subscribe(topic)
      await consumer.start()
      return { consumer, changes }
    }
    const first = await joining()
    await until(() => first.changes.length === 1, DEADLINE)
    expect(first.changes[0]).toEqual({ topic, added: queues, removed: [], queues })
    const second = await joining()
    await until(() => first.changes.length === 2 && second.changes.length === 1, DEADLINE)
    const kept = queues.filter(({ queueId }) => idsOf(first.consumer, topic).includes(queueId))
    const given = queues.filter((queue) => !kept.includes(queue))
    expect(given).toHaveLength(2)
    expect(first.changes[1]).toEqual({ topic, added: [], removed: given, queues: kept })
    expect(second.changes[0]).toEqual({ topic, added: given, removed: [], queues: given })
    await second.consumer.shutdown()
    await until(() => first.changes.length === 3, DEADLINE)
    expect(first.changes[2]).toEqual({ topic, added: given, removed: [], queues })
  })

  it('tell of the route of their topic, when they learn it and when it changes', async () => {
    const [{ topic }] = (await newTopic(2)) as [MessageQueue]
    const consumer = newConsumer({ pollNameServerInterval: 100 })
    const changes: { route: TopicRoute; previous: TopicRoute | undefined }[] = []
    consumer.on('routeChange', (change) => {
      if (change.topic === topic) changes.push(change)
    })
    consumer.onMessage(() => undefined)
    await consumer.subscribe(topic)
    await consumer.start()
    await resizeTopic({ namesrvAddr, brokerAddress, topic, queues: 5 })
    await until(() => changes.length >= 2, DEADLINE)
    expect(
      changes.map(({ route, previous }) => [previous?.subscribeQueues.length, route.subscribeQueues.length]),
    ).toEqual([
      [undefined, 2],
      [2, 5],
    ])
    expect(changes[1]?.previous).toBe(changes[0]?.route)
  })

  it('send their expression along with pulls where that is wanted: then it counts, and not what another member said', async () => {
    const queues = await newTopic(4)
    const [{ topic }] = queues as [MessageQueue]
    const options = { consumerGroup: uniqueName('cg'), postSubscriptionWhenPull: true, rebalanceInterval: NEVER }
    const byTag = new Map<string, Awaited<ReturnType<typeof consuming>>>()
    for (const tag of ['TagA', 'TagB']) byTag.set(tag, await consuming(topic, options, undefined, tag))
    const members = [...byTag.values()]
    await until(() => members.every(({ consumer }) => idsOf(consumer, topic).length === 2), DEADLINE)
    for (const queue of queues) {
      for (const tags of byTag.keys()) await send(queue, [`${tags} ${queue.queueId}`], { tags })
    }
    await until(() => members.every(({ messages }) => messages.length >= 2), DEADLINE)
    for (const [tag, { consumer, messages }] of byTag) {
      expect(bodiesOf(messages).sort()).toEqual(idsOf(consumer, topic).map((id) => `${tag} ${id}`))
    }
  })

  it('go on at the end of a queue whose stored offset lies behind it, and tell of it', async () => {
    const [queue] = (await newTopic(1)) as [MessageQueue]
    const { topic, queueId } = queue
    const consumerGroup = uniqueName('cg')
    const before = await consuming(topic, { consumerGroup })
    await send(queue, range(0, 3))
    await until(() => before.messages.length === 3, DEADLINE)
    await before.consumer.shutdown()
    await askFor(UPDATE_CONSUMER_OFFSET, { consumerGroup, topic, queueId: String(queueId), commitOffset: '1000' })
    const corrections: unknown[] = []
    const consumer = newConsumer({ consumerGroup, persistConsumerOffsetInterval: 100 })
    consumer.on('offsetCorrected', (correction) => corrections.push(correction))
    const messages: MessageExt[] = []
    consumer.onMessage((batch) => void messages.push(...batch))
    await consumer.subscribe(topic)
    await consumer.start()
    await until(() => corrections.length > 0, DEADLINE)
    expect(corrections).toEqual([{ queue, from: 1000, to: 3, reason: expect.stringMatching(/\w/) }])
    await send(queue, range(3, 6))
    await until(() => messages.length >= 3, DEADLINE)
    expect(numbersOf(messages)).toEqual(range(3, 6))
    await until(async () => (await consumer.lag()).diff === 0, DEADLINE)
    expect(corrections).toHaveLength(1)
  })

  it('go on at the beginning of a queue that was deleted with its messages and made anew', async () => {
    const [queue] = (await newTopic(1)) as [MessageQueue]
    const { topic } = queue
    const corrections: unknown[] = []
    // A broker that holds a pull does not look at the new queue before its time is over.
    const options = { brokerSuspendMaxTimeMillis: 0, pullTimeDelayMillsWhenException: 20 }
    const { consumer, messages } = await consuming(topic, options)
    consumer.on('error', () => undefined)
    consumer.on('offsetCorrected', (correction) => corrections.push(correction))
    await send(queue, range(0, 5))
    await until(() => messages.length === 5, DEADLINE)
    await askFor(DELETE_TOPIC_IN_BROKER, { topic })
    await createTopicOn(brokerAddress, { topic, queues: 1 })
    await until(() => corrections.length > 0, DEADLINE)
    expect(corrections[0]).toEqual({ queue, from: 5, to: 0, reason: expect.stringMatching(/\w/) })
    await send(queue, range(5, 7))
    await until(() => messages.length >= 7, DEADLINE)
    expect(bodiesOf(messages.slice(5))).toEqual(['5', '6'])
    expect(messages.slice(5).map(({ queueOffset }) => queueOffset)).toEqual([0, 1])
  })

  it('of several groups live on one client, and go one by one', async () => {
    const [queue] = (await newTopic(1)) as [MessageQueue]
    const { topic } = queue
    const client = new Client({ namesrvAddr })
    onTestFinished(() => client.shutdown())
    const groups = [uniqueName('cg'), uniqueName('cg'), uniqueName('cg')] as const
    const push = [
      await consuming(topic, { client, consumerGroup: groups[0] }),
      await consuming(topic, { client, consumerGroup: groups[1], consumeMode: 'orderly' }),
    ] as const
    const lite = new LitePullConsumer({ client, consumerGroup: groups[2] })
    onTestFinished(() => lite.shutdown({ timeout: 0 }))
    await lite.subscribe(topic)
    await lite.start()
    const isKnown = async (consumerGroup: string) => {
      const { code, body } = await ask(CONSUMER_CONNECTION, { consumerGroup })
      if (code === CONSUMER_NOT_ONLINE) return false
      expect(readConsumerConnection(Buffer.from(body)).clientIds).toEqual([client.clientId])
      return true
    }
    await until(async () => (await Promise.all(groups.map(isKnown))).every(Boolean), DEADLINE)
    await send(queue, [1])
    await until(() => push.every(({ messages }) => messages.length === 1), DEADLINE)
    expect(bodiesOf(await lite.poll({ timeout: DEADLINE }))).toEqual(['1'])

    await push[0].consumer.shutdown()
    await until(async () => !(await isKnown(groups[0])), DEADLINE)
    await send(queue, [2])
    await until(() => push[1].messages.length === 2, DEADLINE)
    expect(bodiesOf(await lite.poll({ timeout: DEADLINE }))).toEqual(['2'])
    expect(push[0].messages).toHaveLength(1)
    expect([await isKnown(groups[1]), await isKnown(groups[2])]).toEqual([true, true])
  })

  it.each([
    [true, 2],
    [false, 0],
  ])('have, with unitMode %s, a retry topic with the flags %i', async (unitMode, flags) => {
    const [{ topic }] = (await newTopic(1)) as [MessageQueue]
    const consumerGroup = uniqueName('cg')
    await consuming(topic, { consumerGroup, unitMode })
    const [nameServer = ''] = namesrvAddr.split(';')
    const fields = { topic: `%RETRY%${consumerGroup}` }
    const { body } = await until(async () => {
      const answer = await probe(nameServer, { code: GET_ROUTE, fields })
      return answer.code === 0 ? answer : undefined
    }, DEADLINE)
    expect(/"topicSys[nF]\w*":(\d+)/.exec(body)?.[1]).toBe(String(flags))
  })
})

if (isAtLeast(inject('rocketmqVersion'), '5.0.0')) {
  describe('members whose queues a real broker divides', () => {
    it('fetch a topic as an administrator says, and change over while they run', async () => {
      const queues = await newTopic(4)
      const [{ topic }] = queues as [MessageQueue]
      const consumerGroup = uniqueName('cg')
      const setMode = (mode: 'PULL' | 'POP') =>
        askFor(SET_MESSAGE_REQUEST_MODE, {}, JSON.stringify({ topic, consumerGroup, mode, popShareQueueNum: 0 }))
      const sendAll = async (from: number) => {
        for (const queue of queues) await send(queue, range(from + queue.queueId * 5, from + queue.queueId * 5 + 5))
      }
      await setMode('POP')
      const options = { consumerGroup, clientRebalance: false, rebalanceInterval: 100 }
      const { consumer, messages } = await consuming(topic, options)
      // One for all queues of the broker: that is how they are popped.
      await until(() => idsOf(consumer, topic).length > 0, DEADLINE)
      expect(idsOf(consumer, topic)).toEqual([-1])
      await sendAll(0)
      await until(() => messages.length >= 20, DEADLINE)
      expect(messages.every(({ properties }) => properties.POP_CK !== undefined)).toBe(true)

      await setMode('PULL')
      await until(() => idsOf(consumer, topic).join() === '0,1,2,3', DEADLINE)
      const popped = messages.length
      await sendAll(20)
      await until(() => new Set(numbersOf(messages)).size === 40, DEADLINE)
      expect(new Set(numbersOf(messages))).toEqual(new Set(range(0, 40)))
      expect(messages.slice(popped).every(({ properties }) => properties.POP_CK === undefined)).toBe(true)
    })
  })
}
