import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest'
import type { Client } from '../../src/client/client.js'
import type { ClientWarning } from '../../src/client/member.js'
import { type FilterExpression, sql } from '../../src/client/subscription-data.js'
import { allocateAveragelyByCircle } from '../../src/consumer/allocate/allocate-averagely-by-circle.js'
import type { GroupConsumerTraits } from '../../src/consumer/group-consumer.js'
import type { GroupConsumerOptions } from '../../src/consumer/group-consumer-options.js'
import { readConsumerConnection } from '../../src/remoting/commands/group.js'
import { createTopicOn } from '../support/create-topic-on.js'
import { type GroupConsumerUnderTest, groupConsumer } from '../support/group-consumer-under-test.js'
import { uniqueName } from '../support/names.js'
import { probe, topicBrokers } from '../support/remoting-probe.js'
import { resizeTopic } from '../support/resize-topic.js'
import { rejectionOf, until } from '../support/until.js'

const DEADLINE = 40_000
/** So that nothing but what brokers tell makes members divide their queues. */
const NEVER = 3_600_000
const CONSUMER_CONNECTION = 203

const namesrvAddr = inject('namesrvAddr')
const brokerAddress = inject('brokerAddress')
const isVersion4 = inject('rocketmqVersion').startsWith('4.')

async function newTopic(queues: number, topic = uniqueName('rebalance')): Promise<string> {
  await createTopicOn(brokerAddress, { topic, queues })
  const [nameServer = ''] = namesrvAddr.split(';')
  await until(async () => (await topicBrokers(nameServer, topic)) !== undefined, DEADLINE)
  return topic
}

interface Joining {
  readonly topic: string
  readonly consumerGroup: string
  readonly expression?: FilterExpression
  readonly options?: Partial<GroupConsumerOptions>
  readonly traits?: Partial<GroupConsumerTraits>
}

function member({ consumerGroup, options, traits }: Omit<Joining, 'topic'>): GroupConsumerUnderTest {
  return groupConsumer({ namesrvAddr }, { consumerGroup, rebalanceInterval: NEVER, ...options }, traits)
}

async function joined(joining: Joining): Promise<GroupConsumerUnderTest> {
  const consumer = member(joining)
  await consumer.subscribe(joining.topic, joining.expression)
  await consumer.start()
  return consumer
}

/** Queue ids of a topic that each member has. */
function ownedBy(members: readonly GroupConsumerUnderTest[], topic: string): number[][] {
  return members.map((one) =>
    one
      .assignment()
      .filter((queue) => queue.topic === topic)
      .map(({ queueId }) => queueId),
  )
}

async function untilOwned(members: readonly GroupConsumerUnderTest[], topic: string, shares: readonly number[][]) {
  const wanted = JSON.stringify(shares)
  await until(() => JSON.stringify(ownedBy(members, topic)) === wanted, DEADLINE)
}

/** The members in the order in which brokers and members sort them. */
function sorted(members: readonly GroupConsumerUnderTest[]): GroupConsumerUnderTest[] {
  return [...members].sort((a, b) => (a.clientId < b.clientId ? -1 : 1))
}

describe('members of a group at a real broker', () => {
  let topic: string

  beforeAll(async () => {
    topic = await newTopic(8)
  })

  it('divide the queues anew as soon as one comes or goes, each queue for one of them', async () => {
    const consumerGroup = uniqueName('cg')
    const first = await joined({ topic, consumerGroup })
    await untilOwned([first], topic, [[0, 1, 2, 3, 4, 5, 6, 7]])
    const second = await joined({ topic, consumerGroup })
    await untilOwned(sorted([first, second]), topic, [
      [0, 1, 2, 3],
      [4, 5, 6, 7],
    ])
    const third = await joined({ topic, consumerGroup })
    await untilOwned(sorted([first, second, third]), topic, [
      [0, 1, 2],
      [3, 4, 5],
      [6, 7],
    ])
    await first.shutdown()
    await untilOwned(sorted([second, third]), topic, [
      [0, 1, 2, 3],
      [4, 5, 6, 7],
    ])
    await third.shutdown()
    await untilOwned([second], topic, [[0, 1, 2, 3, 4, 5, 6, 7]])
  })

  it('divide them when one is gone without a word', async () => {
    const consumerGroup = uniqueName('cg')
    const first = await joined({ topic, consumerGroup })
    const second = await joined({ topic, consumerGroup })
    await until(() => first.assignment().length === 4 && second.assignment().length === 4, DEADLINE)
    const { client } = second as unknown as { client: Client }
    // A broker that works on a heartbeat while its connection ends would know the member for two more minutes.
    await client.heartbeat.ensure(brokerAddress)
    // Its connections end; nobody is told.
    await client.shutdown()
    await untilOwned([first], topic, [[0, 1, 2, 3, 4, 5, 6, 7]])
  })

  it('share a retry topic, which the broker makes when it hears of the group', async () => {
    const consumerGroup = uniqueName('cg')
    const consumer = await joined({ topic, consumerGroup, traits: { hasRetryTopic: true } })
    await until(() => ownedBy([consumer], `%RETRY%${consumerGroup}`)[0]?.length === 1, DEADLINE)
  })

  it('have all queues each when messages are broadcast', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'rocketmq-offsets-'))
    onTestFinished(() => rm(directory, { recursive: true, force: true }))
    const consumerGroup = uniqueName('cg')
    const options = { messageModel: 'BROADCASTING', localOffsetStoreDir: directory } as const
    const members = [await joined({ topic, consumerGroup, options }), await joined({ topic, consumerGroup, options })]
    await until(() => members.every((one) => one.assignment().length === 8), DEADLINE)
  })

  it('take and give up topics while they run, and wait for one that does not exist yet', async () => {
    const consumer = await joined({ topic, consumerGroup: uniqueName('cg') })
    const warnings: ClientWarning[] = []
    consumer.on('warning', (warning) => warnings.push(warning))
    const other = await newTopic(2)
    await consumer.subscribe(other)
    await untilOwned([consumer], other, [[0, 1]])
    await consumer.unsubscribe(topic)
    expect(ownedBy([consumer], topic)).toEqual([[]])
    const later = uniqueName('later')
    await consumer.subscribe(later)
    expect(warnings).toMatchObject([{ code: 'TOPIC_NOT_FOUND', topic: later }])
    await newTopic(3, later)
    await untilOwned([consumer], later, [[0, 1, 2]])
  })

  it('take the queues that are added to a topic', async () => {
    const growing = await newTopic(2)
    const options = { pollNameServerInterval: 200 }
    const consumer = await joined({ topic: growing, consumerGroup: uniqueName('cg'), options })
    await untilOwned([consumer], growing, [[0, 1]])
    await resizeTopic({ namesrvAddr, brokerAddress, topic: growing, queues: 5 })
    await untilOwned([consumer], growing, [[0, 1, 2, 3, 4]])
  })

  it('that subscribe to different tags are warned, both the one that was there and the one that comes', async () => {
    const consumerGroup = uniqueName('cg')
    const members = [
      member({ consumerGroup, options: { rebalanceInterval: 1_000 } }),
      member({ consumerGroup, options: { rebalanceInterval: 1_000 } }),
    ] as const
    const warnings: string[][] = [[], []]
    for (const [i, one] of members.entries()) {
      one.on('warning', ({ message }) => warnings[i]?.push(message))
      await one.subscribe(topic, i === 0 ? 'TagA' : 'TagB || TagC')
      await one.start()
      await until(() => ownedBy([one], topic)[0]?.length !== 0, DEADLINE)
    }
    await until(() => warnings[1]?.length === 1, DEADLINE)
    const [, [second = '']] = warnings as [string[], string[]]
    for (const part of [consumerGroup, topic, '"TagA"', '"TagB || TagC"', members[0].clientId])
      expect(second).toContain(part)
    await until(() => warnings[0]?.length === 1, DEADLINE)
    expect(warnings[0]?.[0]).toContain(members[1].clientId)
  })

  it('start with an SQL92 expression that the broker understands, and not with another', async () => {
    const expression = sql("a > 5 AND b IN ('x', 'y') AND TAGS IS NOT NULL")
    const good = await joined({ topic, consumerGroup: uniqueName('cg'), expression })
    await until(() => ownedBy([good], topic)[0]?.length === 8, DEADLINE)
    const bad = member({ consumerGroup: uniqueName('cg') })
    await bad.subscribe(topic, sql('a >'))
    const error = await rejectionOf(bad.start())
    expect(error).toMatchObject({ responseName: 'SUBSCRIPTION_PARSE_FAILED' })
    expect(error.message).toContain('correct the expression')
  })
})

describe('heartbeats of version 2 at a real broker', () => {
  async function knownTo(consumerGroup: string) {
    const { body } = await probe(brokerAddress, { code: CONSUMER_CONNECTION, fields: { consumerGroup } })
    return readConsumerConnection(Buffer.from(body))
  }

  it('keep members and subscriptions known', async () => {
    const topic = await newTopic(4)
    const consumerGroup = uniqueName('cg')
    const options = { useHeartbeatV2: true, heartbeatBrokerInterval: 50 }
    const members = [await joined({ topic, consumerGroup, options }), await joined({ topic, consumerGroup, options })]
    await until(() => members.every((one) => one.assignment().length === 2), DEADLINE)
    const other = await newTopic(1)
    for (const one of members) await one.subscribe(other, 'TagA')
    await until(async () => (await knownTo(consumerGroup)).subscriptions.size === 2, DEADLINE)
    const { clientIds, subscriptions } = await knownTo(consumerGroup)
    expect([...clientIds].sort()).toEqual(sorted(members).map(({ clientId }) => clientId))
    expect(subscriptions.get(topic)?.subString).toBe('*')
    expect(subscriptions.get(other)?.subString).toBe('TagA')
  })
})

describe('queues that a real broker divides', () => {
  it(
    isVersion4 ? 'are divided by the members, with a warning' : 'are divided by the strategy that is named',
    async () => {
      const topic = await newTopic(4)
      const consumerGroup = uniqueName('cg')
      const options = { clientRebalance: false, allocateMessageQueueStrategy: allocateAveragelyByCircle }
      const first = member({ consumerGroup, options })
      const warnings: string[] = []
      first.on('warning', ({ code }) => warnings.push(code))
      await first.subscribe(topic)
      await first.start()
      const second = await joined({ topic, consumerGroup, options })
      await untilOwned(sorted([first, second]), topic, [
        [0, 2],
        [1, 3],
      ])
      expect(first.opened.every(({ mode }) => mode === 'PULL')).toBe(true)
      expect(warnings).toEqual(isVersion4 ? ['SERVER_ASSIGNMENT_UNSUPPORTED'] : [])
    },
  )
})
