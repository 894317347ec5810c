import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { Client } from '../../src/client/client.js'
import { sql } from '../../src/client/subscription-data.js'
import type { LeftMessages, QueuesChanged } from '../../src/consumer/consumer-events.js'
import { LocalOffsetStore } from '../../src/consumer/local-offset-store.js'
import type { OffsetStore } from '../../src/consumer/offset-store.js'
import { RemoteOffsetStore } from '../../src/consumer/remote-offset-store.js'
import { BrokerError, ClientError } from '../../src/errors.js'
import { silentLogger } from '../../src/logger.js'
import type { MessageQueue } from '../../src/message/message.js'
import { FakeQueue, type GroupConsumerUnderTest, groupConsumer } from '../support/group-consumer-under-test.js'
import { activeResources, isNoMoreThan } from '../support/resources.js'
import { Code, type ScriptedCluster, scriptedCluster } from '../support/scripted-cluster.js'
import { GroupCode, ScriptedGroup } from '../support/scripted-group.js'
import { staySilent } from '../support/scripted-server.js'
import { rejectionOf, turns, until } from '../support/until.js'

const QUEUE = { topic: 'T', brokerName: 'a', queueId: 1 }

async function setUp(brokerNames: readonly string[] = ['a']) {
  const cluster = await scriptedCluster(brokerNames)
  return { cluster, group: new ScriptedGroup(cluster) }
}

async function started(consumer: GroupConsumerUnderTest, queues = 4): Promise<GroupConsumerUnderTest> {
  await consumer.subscribe('T')
  await consumer.start()
  await until(() => consumer.has.length === queues)
  return consumer
}

/** No queue is opened until the function is called that it gives back. */
function holdOpening(consumer: GroupConsumerUnderTest): () => void {
  let open: () => void = () => undefined
  const opening = new Promise<void>((resolve) => {
    open = resolve
  })
  consumer.onOpen = async (queue, mode) => {
    await opening
    return new FakeQueue(queue, mode)
  }
  return open
}

interface WireSubscription {
  readonly topic: string
  readonly subString: string
  readonly expressionType: string
}

function lastConsumerData(cluster: ScriptedCluster) {
  const request = cluster.broker().server.requestsOf(GroupCode.HEARTBEAT).at(-1)
  return JSON.parse(request?.body.toString() ?? '{}').consumerDataSet?.[0]
}

function lastSubscriptions(cluster: ScriptedCluster): string[] {
  const list = (lastConsumerData(cluster)?.subscriptionDataSet ?? []) as WireSubscription[]
  return list.map(({ topic, subString, expressionType }) => `${topic}=${subString} ${expressionType}`).sort()
}

describe('subscribe', () => {
  it('is taken before the start, the last one of a topic for all', async () => {
    const { cluster } = await setUp()
    cluster.addTopic('U')
    const consumer = groupConsumer(cluster)
    await consumer.subscribe('T', 'TagA')
    await consumer.subscribe('U', 'TagB')
    await consumer.subscribe('T', 'TagC || TagD')
    await consumer.unsubscribe('U')
    await consumer.start()
    await until(() => consumer.has.length === 4)
    expect(lastSubscriptions(cluster)).toEqual(['T=TagC || TagD TAG'])
  })

  it('after the start resolves when the queues are there, and tells brokers', async () => {
    const { cluster } = await setUp()
    cluster.addTopic('U', 2)
    const consumer = await started(groupConsumer(cluster))
    await consumer.subscribe('U', 'TagB')
    expect(consumer.assignment().filter(({ topic }) => topic === 'U')).toHaveLength(2)
    await until(() => lastSubscriptions(cluster).join() === 'T=* TAG,U=TagB TAG')
  })

  it('after the start takes another expression for a topic without a change of the queues', async () => {
    const { cluster } = await setUp()
    const consumer = await started(groupConsumer(cluster))
    await consumer.subscribe('T', 'TagB')
    await until(() => lastSubscriptions(cluster).join() === 'T=TagB TAG')
    expect(consumer.opened).toHaveLength(4)
  })

  it('while the start is under way is done after it', async () => {
    const { cluster } = await setUp()
    const consumer = groupConsumer(cluster)
    const starting = consumer.start()
    await consumer.subscribe('T')
    await starting
    expect(consumer.has).toHaveLength(4)
  })

  it('puts the namespace before the topic, and the user does not see it', async () => {
    const cluster = await scriptedCluster(['a'])
    cluster.addTopic('ns%T')
    new ScriptedGroup(cluster, 'ns%g')
    const consumer = groupConsumer(cluster, { namespace: 'ns' })
    const changes: QueuesChanged[] = []
    consumer.on('queuesChanged', (change) => changes.push(change))
    await started(consumer)
    expect(consumer.assignment()[1]).toEqual(QUEUE)
    expect(changes).toEqual([{ topic: 'T', added: consumer.assignment(), removed: [], queues: consumer.assignment() }])
    expect(consumer.health().queues[1]?.queue).toEqual(QUEUE)
    expect(lastConsumerData(cluster)).toMatchObject({ groupName: 'ns%g' })
  })

  it.each([
    ['a topic that is no name', 'a b', '*'],
    ['no topic', '', '*'],
    ['an expression that is none', 'T', '||'],
    ['an expression of another kind', 'T', 5 as never],
  ])('refuses %s, and nothing changes', async (_what, topic, expression) => {
    const { cluster } = await setUp()
    const consumer = groupConsumer(cluster)
    expect(await rejectionOf(consumer.subscribe(topic, expression))).toBeInstanceOf(ClientError)
    await started(consumer)
    expect(lastSubscriptions(cluster)).toEqual(['T=* TAG'])
  })

  it('is refused after the shutdown', async () => {
    const { cluster } = await setUp()
    const consumer = await started(groupConsumer(cluster))
    await consumer.shutdown()
    expect(await rejectionOf(consumer.subscribe('T'))).toMatchObject({ code: 'CLOSED' })
  })

  it('waits for the queues no longer than its timeout and its signal allow; they come all the same', async () => {
    const { cluster } = await setUp()
    cluster.addTopic('U', 2)
    cluster.addTopic('V', 2)
    const consumer = await started(groupConsumer(cluster))
    // What then takes longer than the timeout is the opening of the queues, not the route.
    await consumer.subscribe('U')
    await consumer.unsubscribe('U')
    const open = holdOpening(consumer)
    const late = {
      code: 'NOT_BALANCED',
      retryable: true,
      message: expect.stringContaining('subscribe: not in effect within 5 ms'),
    }
    expect(await rejectionOf(consumer.subscribe('U', '*', { timeout: 5 }))).toMatchObject(late)
    const aborting = new AbortController()
    const aborted = rejectionOf(consumer.subscribe('V', '*', { signal: aborting.signal }))
    await until(() => lastSubscriptions(cluster).includes('V=* TAG'))
    aborting.abort('enough')
    expect(await aborted).toMatchObject({ code: 'ABORTED', cause: 'enough' })
    open()
    await until(() => consumer.assignment().length === 8)
  })

  it('does nothing when its signal has fired, before the start and after it, or while it is being prepared', async () => {
    const { cluster } = await setUp()
    const consumer = groupConsumer(cluster)
    const options = { signal: AbortSignal.abort() }
    expect(await rejectionOf(consumer.subscribe('U', '*', options))).toMatchObject({ code: 'ABORTED' })
    await started(consumer)
    expect(await rejectionOf(consumer.subscribe('U', '*', options))).toMatchObject({ code: 'ABORTED' })
    expect(await rejectionOf(consumer.unsubscribe('T', options))).toMatchObject({ code: 'ABORTED' })
    const { nameServer } = cluster
    nameServer.onRouteRequest = (topic) => topic === 'U'
    const aborting = new AbortController()
    const aborted = rejectionOf(consumer.subscribe('U', '*', { signal: aborting.signal }))
    await until(() => nameServer.asked('U') > 0)
    aborting.abort()
    expect(await aborted).toMatchObject({ code: 'ABORTED' })
    expect(await rejectionOf(consumer.subscribe('U', '*', { timeout: Number.NaN }))).toMatchObject({
      code: 'INVALID_ARGUMENT',
    })
    await turns()
    expect(lastSubscriptions(cluster)).toEqual(['T=* TAG'])
    expect(consumer.has).toHaveLength(4)
  })
})

describe('start', () => {
  it('waits for the queues, but no longer than its timeout', async () => {
    const { cluster } = await setUp()
    const consumer = groupConsumer(cluster)
    const open = holdOpening(consumer)
    await consumer.subscribe('T')
    const { onOpen } = consumer
    let isOpening = false
    consumer.onOpen = async (queue, mode) => {
      isOpening = true
      return onOpen?.(queue, mode)
    }
    const waiting = consumer.start()
    // Then nothing is left of the start but its wait for the queues.
    await until(() => isOpening)
    await consumer.start({ timeout: 50 })
    expect(consumer.has).toEqual([])
    open()
    await waiting
    expect(consumer.has).toHaveLength(4)
  })

  it('that is aborted while it waits for the queues leaves the consumer started', async () => {
    const { cluster } = await setUp()
    const consumer = groupConsumer(cluster)
    const open = holdOpening(consumer)
    await consumer.subscribe('T')
    const aborting = new AbortController()
    const aborted = rejectionOf(consumer.start({ signal: aborting.signal }))
    await until(() => consumer.health().isHealthy)
    aborting.abort()
    expect(await aborted).toMatchObject({ code: 'ABORTED' })
    open()
    await until(() => consumer.has.length === 4)
  })

  it('is refused when the consumer is shut down while it waits for the queues', async () => {
    const { cluster } = await setUp()
    cluster.broker().scripts.set(GroupCode.CONSUMER_LIST, staySilent)
    const consumer = groupConsumer(cluster)
    await consumer.subscribe('T')
    const refused = rejectionOf(consumer.start())
    await until(() => cluster.broker().server.requestsOf(GroupCode.CONSUMER_LIST).length > 0)
    await consumer.shutdown()
    expect(await refused).toMatchObject({ code: 'CLOSED', message: expect.stringContaining('start') })
  })

  it('of several members of one client gives each of them its queues', async () => {
    const { cluster } = await setUp()
    new ScriptedGroup(cluster, 'h')
    const client = new Client({ namesrvAddr: cluster.namesrvAddr })
    onTestFinished(() => client.shutdown())
    const members = ['g', 'h'].map((consumerGroup) => groupConsumer(cluster, { client, consumerGroup }))
    await Promise.all(members.map((member) => member.subscribe('T')))
    await Promise.all(members.map((member) => member.start()))
    expect(members.map(({ has }) => has.length)).toEqual([4, 4])
  })
})

describe('a subscription by SQL92', () => {
  it('is checked at a broker before the start is done', async () => {
    const { cluster } = await setUp()
    const consumer = groupConsumer(cluster)
    await consumer.subscribe('T', sql('a > 5'))
    await consumer.start()
    const [request] = cluster.broker().server.requestsOf(GroupCode.CHECK_CLIENT_CONFIG)
    expect(JSON.parse(request?.body.toString() ?? '')).toMatchObject({
      clientId: consumer.clientId,
      group: 'g',
      subscriptionData: { topic: 'T', subString: 'a > 5', expressionType: 'SQL92' },
    })
    await until(() => lastSubscriptions(cluster).join() === 'T=a > 5 SQL92')
  })

  it.each([
    [1, 'The broker does not support consumer to filter message by SQL92', 'enablePropertyFilter=true'],
    [23, 'Lexical error at line 1', 'correct the expression'],
  ])('that a broker refuses with %i fails the start and says what to do', async (code, remark, advice) => {
    const { cluster, group } = await setUp()
    cluster.broker().scripts.set(GroupCode.CHECK_CLIENT_CONFIG, (request, connection) => {
      connection.answer(request, { code, remark })
    })
    const consumer = groupConsumer(cluster)
    await consumer.subscribe('T', sql('a > 5'))
    const error = await rejectionOf(consumer.start())
    expect(error).toBeInstanceOf(BrokerError)
    expect(error).toMatchObject({ responseCode: code, remark })
    for (const part of ['topic T', '"a > 5"', remark, advice]) expect(error.message).toContain(part)
    expect(group.membersAt(cluster.broker())).toEqual([])
  })

  it('that a broker refuses after the start leaves the subscription as it was', async () => {
    const { cluster } = await setUp()
    cluster.broker().scripts.set(GroupCode.CHECK_CLIENT_CONFIG, (request, connection) => {
      connection.answer(request, { code: 1, remark: 'no' })
    })
    const consumer = await started(groupConsumer(cluster))
    expect(await rejectionOf(consumer.subscribe('T', sql('a > 5')))).toBeInstanceOf(BrokerError)
    expect(lastSubscriptions(cluster)).toEqual(['T=* TAG'])
  })

  it('is no obstacle when no broker answers the check', async () => {
    const { cluster } = await setUp()
    cluster.broker().scripts.set(GroupCode.CHECK_CLIENT_CONFIG, staySilent)
    const consumer = groupConsumer(cluster, { requestTimeout: 1_000 })
    await consumer.subscribe('T', sql('a > 5'))
    await consumer.start()
    await until(() => consumer.has.length === 4)
  })
})

describe('unsubscribe', () => {
  it('gives the queues of the topic up before it resolves, and tells brokers', async () => {
    const { cluster } = await setUp()
    cluster.addTopic('U', 2)
    const consumer = groupConsumer(cluster)
    await consumer.subscribe('U')
    await consumer.subscribe('T')
    await consumer.start()
    await until(() => consumer.has.length === 6)
    await consumer.unsubscribe('T')
    expect(consumer.opened.filter(({ queue }) => queue.topic === 'T').every(({ isClosed }) => isClosed)).toBe(true)
    expect(consumer.assignment().map(({ topic }) => topic)).toEqual(['U', 'U'])
    await until(() => lastSubscriptions(cluster).join() === 'U=* TAG')
  })

  it('waits no longer than its timeout; the queues are given up all the same', async () => {
    const { cluster } = await setUp()
    const consumer = await started(groupConsumer(cluster))
    let close: () => void = () => undefined
    const closing = new Promise<void>((resolve) => {
      close = resolve
    })
    for (const queue of consumer.opened) queue.closing = closing
    expect(await rejectionOf(consumer.unsubscribe('T', { timeout: 5 }))).toMatchObject({ code: 'NOT_BALANCED' })
    await until(() => consumer.opened.every(({ closeTimeout }) => closeTimeout !== undefined))
    close()
    await until(() => consumer.opened.every(({ isClosed }) => isClosed))
  })

  it('of a topic that is not subscribed to does nothing', async () => {
    const { cluster } = await setUp()
    const consumer = await started(groupConsumer(cluster))
    await consumer.unsubscribe('other')
    expect(consumer.has).toHaveLength(4)
  })
})

describe('the heartbeats of a group consumer', () => {
  it.each([
    ['LAST', 'CONSUME_FROM_LAST_OFFSET'],
    ['FIRST', 'CONSUME_FROM_FIRST_OFFSET'],
    ['TIMESTAMP', 'CONSUME_FROM_TIMESTAMP'],
  ] as const)('say how it consumes: from %s', async (consumeFromWhere, wire) => {
    const { cluster } = await setUp()
    const traits = { consumeType: 'CONSUME_ACTIVELY', hasRetryTopic: true } as const
    const consumer = groupConsumer(cluster, { consumeFromWhere, unitMode: true }, traits)
    await started(consumer)
    expect(lastConsumerData(cluster)).toMatchObject({
      groupName: 'g',
      consumeType: 'CONSUME_ACTIVELY',
      messageModel: 'CLUSTERING',
      consumeFromWhere: wire,
      unitMode: true,
    })
    expect(lastSubscriptions(cluster)).toEqual(['%RETRY%g=* TAG', 'T=* TAG'])
  })

  it('name no retry topic when messages are broadcast', async () => {
    const { cluster } = await setUp()
    const options = { messageModel: 'BROADCASTING', localOffsetStoreDir: '/nonexistent' } as const
    await started(groupConsumer(cluster, options, { hasRetryTopic: true }))
    // Nothing that the start waits for needs a broker that has heard of the group.
    await until(() => lastSubscriptions(cluster).length > 0)
    expect(lastSubscriptions(cluster)).toEqual(['T=* TAG'])
  })
})

describe('the offsets of a group consumer', () => {
  it('are kept by the brokers, in a file, or where the user says', async () => {
    const cluster = await scriptedCluster()
    const own: OffsetStore = {
      load: async () => undefined,
      read: async () => 77,
      update: () => undefined,
      commit: async () => undefined,
      persist: async () => undefined,
      remove: () => undefined,
    }
    expect(groupConsumer(cluster).offsetStore).toBeInstanceOf(RemoteOffsetStore)
    expect(groupConsumer(cluster, { messageModel: 'BROADCASTING' }).offsetStore).toBeInstanceOf(LocalOffsetStore)
    const consumer = groupConsumer(cluster, { offsetStore: own })
    expect(consumer.offsetStore).toBe(own)
    expect(await consumer.beginsAt(QUEUE)).toBe(77)
  })

  it('of a user are loaded before the start, persisted on the interval and at the end, and forgotten with a queue', async () => {
    const { cluster, group } = await setUp()
    const calls: string[] = []
    const said = (what: string) => calls.push(what)
    const offsetStore: OffsetStore = {
      load: async () => void said('load'),
      read: async () => 0,
      update: () => undefined,
      commit: async () => undefined,
      persist: async () => void said('persist'),
      remove: ({ queueId }: MessageQueue) => void said(`remove ${queueId}`),
    }
    const consumer = await started(groupConsumer(cluster, { offsetStore, persistConsumerOffsetInterval: 10 }))
    expect(calls[0]).toBe('load')
    await until(() => calls.filter((call) => call === 'persist').length >= 2)
    group.others = ['zzz']
    group.notify()
    await until(() => consumer.has.length === 2)
    expect(calls.filter((call) => call.startsWith('remove'))).toEqual(['remove 2', 'remove 3'])
    calls.length = 0
    await consumer.shutdown()
    expect(calls.at(-1)).toBe('persist')
  })

  it('of a user that fail in the background are reported, and the consumer goes on', async () => {
    const { cluster } = await setUp()
    const fail = () => {
      throw new Error('disk gone')
    }
    const offsetStore: OffsetStore = {
      load: async () => undefined,
      read: async () => 0,
      update: fail,
      commit: fail,
      persist: fail,
      remove: fail,
    }
    const consumer = groupConsumer(cluster, { offsetStore, persistConsumerOffsetInterval: 10 })
    const errors: string[] = []
    consumer.on('error', ({ what, error }) => errors.push(`${what}: ${error.message}`))
    await started(consumer)
    await until(() => errors.length > 0)
    await consumer.unsubscribe('T')
    await consumer.shutdown()
    expect(new Set(errors)).toEqual(
      new Set(['the offset store failed: offsets were not stored: disk gone', 'the offset store failed: disk gone']),
    )
  })

  it('of a user whose store does not answer hold up neither the start nor the shutdown without end', async () => {
    const { cluster } = await setUp()
    const never = () => new Promise<never>(() => undefined)
    const offsetStore: OffsetStore = {
      load: async () => undefined,
      read: never,
      update: () => undefined,
      commit: never,
      persist: never,
      remove: () => undefined,
    }
    const consumer = groupConsumer(cluster, { offsetStore, requestTimeout: 1_000 })
    const errors: string[] = []
    consumer.on('error', ({ what }) => errors.push(what))
    let isOpening = false
    consumer.onOpen = async (queue) => {
      isOpening = true
      await consumer.beginsAt(queue)
      return new FakeQueue(queue)
    }
    await consumer.subscribe('T')
    const ended = rejectionOf(consumer.start())
    await until(() => isOpening)
    await consumer.shutdown({ timeout: 0 })
    expect(await ended).toMatchObject({ code: 'CLOSED' })
    expect(errors).toEqual(['the offset store failed: offsets were not stored'])
  })

  it('that can not be loaded fail the start', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'offsets-'))
    onTestFinished(() => rm(directory, { recursive: true }))
    const { cluster, group } = await setUp()
    const options = { messageModel: 'BROADCASTING', localOffsetStoreDir: '/dev/null/x' } as const
    const consumer = groupConsumer(cluster, options)
    await consumer.subscribe('T')
    expect(await rejectionOf(consumer.start())).toMatchObject({ code: 'OFFSET_FILE_FAILED' })
    expect(group.membersAt(cluster.broker())).toEqual([])
  })
})

describe('the health of a group consumer', () => {
  it('sums its queues up, and names the message that a handler has had for the longest time', async () => {
    const { cluster } = await setUp()
    const now = Date.now()
    const consumer = groupConsumer(cluster)
    consumer.onOpen = async (queue) => {
      const fake = new FakeQueue(queue)
      const { queueId } = queue
      fake.stateParts = {
        commitOffset: 10,
        maxOffset: queueId === 3 ? undefined : 10 + queueId,
        cachedCount: 2,
        inFlight: 1,
        lastPullTimestamp: now,
        oldestInFlight: queueId === 0 ? undefined : { msgId: `m${queueId}`, since: now - (queueId === 2 ? 500 : 5) },
      }
      return fake
    }
    await started(consumer)
    await until(() => consumer.health().isHealthy)
    const health = consumer.health()
    expect(health).toMatchObject({ state: 'running', isBalanced: true, lag: 3, cachedCount: 8, inFlight: 4 })
    expect(health.oldestInFlight).toEqual({
      queue: { topic: 'T', brokerName: 'a', queueId: 2 },
      msgId: 'm2',
      since: now - 500,
    })
    expect(health.queues.map(({ lag }) => lag)).toEqual([0, 1, 2, undefined])
    expect(health.stalled).toEqual([])
  })

  it('is bad when a queue stands still that no handler is at work on', async () => {
    const { cluster } = await setUp()
    const consumer = await started(groupConsumer(cluster))
    await until(() => consumer.health().isHealthy)
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 121_000 })
    onTestFinished(() => void vi.useRealTimers())
    for (const [i, fake] of consumer.opened.entries()) {
      if (i === 0) fake.stateParts = { lastAnswerTimestamp: Date.now() }
      if (i === 1) fake.stateParts = { inFlight: 1 }
    }
    const health = consumer.health()
    expect(health.stalled.map(({ queueId }) => queueId)).toEqual([2, 3])
    expect(health.isHealthy).toBe(false)
  })
})

describe('the shutdown of a group consumer', () => {
  it('closes the queues, stores the offsets, and only then leaves the group', async () => {
    const { cluster, group } = await setUp()
    const order: string[] = []
    const consumer = groupConsumer(cluster)
    consumer.onOpen = async (queue) => {
      const fake = new FakeQueue(queue)
      fake.close = async (timeout) => {
        await turns(2)
        order.push(`close ${queue.queueId} ${timeout}`)
      }
      return fake
    }
    await started(consumer)
    const { server } = cluster.broker()
    server.forget()
    await consumer.shutdown({ timeout: 700 })
    order.push(...server.requestsOf(GroupCode.UNREGISTER).map((request) => `leave ${request.field('consumerGroup')}`))
    expect(order).toEqual(['close 0 700', 'close 1 700', 'close 2 700', 'close 3 700', 'leave g'])
    expect(group.membersAt(cluster.broker())).toEqual([])
    expect(consumer.assignment()).toEqual([])
  })

  it('waits for half a minute unless something else is said', async () => {
    const { cluster } = await setUp()
    const consumer = await started(groupConsumer(cluster))
    await consumer.shutdown()
    expect(consumer.opened.map(({ closeTimeout }) => closeTimeout)).toEqual([30_000, 30_000, 30_000, 30_000])
  })

  it('tells which messages handlers had not finished', async () => {
    const { cluster } = await setUp()
    const warnings: string[] = []
    const logger = { ...silentLogger, warn: (message: string) => void warnings.push(message) }
    const consumer = await started(groupConsumer(cluster, { logger }))
    consumer.openOf(QUEUE).msgIds = ['m1', 'm2']
    const left: (readonly LeftMessages[])[] = []
    consumer.on('left', ({ queues }) => left.push(queues))
    await consumer.shutdown({ timeout: 1 })
    expect(left).toEqual([[{ queue: QUEUE, msgIds: ['m1', 'm2'] }]])
    expect(warnings.join()).toContain('handlers had 2 messages')
  })

  it('in the middle of a rebalance ends it, and leaves nothing open', async () => {
    const { cluster, group } = await setUp()
    const before = activeResources()
    cluster.broker().scripts.set(GroupCode.CONSUMER_LIST, staySilent)
    const consumer = groupConsumer(cluster, { client: new Client({ namesrvAddr: cluster.namesrvAddr }) })
    await consumer.subscribe('T')
    await consumer.start()
    await until(() => cluster.broker().server.requestsOf(GroupCode.CONSUMER_LIST).length > 0)
    await consumer.shutdown()
    expect(group.membersAt(cluster.broker())).toEqual([])
    await (consumer as unknown as { client: Client }).client.shutdown()
    await until(() => isNoMoreThan(before))
  })

  it('does not wait for a broker that does not say where to begin with a queue', async () => {
    const { cluster } = await setUp()
    cluster.broker().scripts.set(Code.QUERY_OFFSET, staySilent)
    const consumer = groupConsumer(cluster, { requestTimeout: 600_000 })
    const errors: string[] = []
    consumer.on('error', ({ what }) => errors.push(what))
    consumer.onOpen = async (queue) => {
      await consumer.beginsAt(queue)
      return new FakeQueue(queue)
    }
    await consumer.subscribe('T')
    const ended = rejectionOf(consumer.start())
    await until(() => cluster.broker().server.requestsOf(Code.QUERY_OFFSET).length > 0)
    await consumer.shutdown()
    expect(await ended).toMatchObject({ code: 'CLOSED' })
    expect(errors).toEqual([])
    expect(consumer.opened).toEqual([])
  })

  it('does not wait for a NameServer that does not answer', async () => {
    const { cluster } = await setUp()
    const { nameServer } = cluster
    const consumer = groupConsumer(cluster, { requestTimeout: 600_000, rebalanceInterval: 10 })
    await consumer.subscribe('X')
    await consumer.start()
    nameServer.onRouteRequest = () => true
    const before = nameServer.asked('X')
    await until(() => nameServer.asked('X') > before)
    await consumer.shutdown()
    expect(consumer.has).toEqual([])
  })

  it('takes its share of a client from nobody else', async () => {
    const { cluster } = await setUp()
    const client = new Client({ namesrvAddr: cluster.namesrvAddr })
    onTestFinished(() => client.shutdown())
    const first = await started(groupConsumer(cluster, { client }))
    const group = new ScriptedGroup(cluster, 'h')
    const second = groupConsumer(cluster, { client, consumerGroup: 'h' })
    await started(second)
    await first.shutdown()
    group.others = ['zzz']
    group.notify()
    await until(() => second.has.length === 2)
    expect(
      cluster
        .broker()
        .server.requestsOf(Code.UNREGISTER)
        .map((request) => request.field('consumerGroup')),
    ).toEqual(['g'])
  })
})

describe('a second consumer of a group', () => {
  it('is refused on the same client also when both start at the same time, and takes nothing from the first', async () => {
    const { cluster, group } = await setUp()
    const client = new Client({ namesrvAddr: cluster.namesrvAddr })
    onTestFinished(() => client.shutdown())
    const consumers = [groupConsumer(cluster, { client }), groupConsumer(cluster, { client })]
    for (const consumer of consumers) await consumer.subscribe('T')
    const results = await Promise.allSettled(consumers.map((consumer) => consumer.start()))
    const started = consumers.filter((_, i) => results[i]?.status === 'fulfilled')
    expect(started.map(({ has }) => has.length)).toEqual([4])
    expect(results.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { code: 'GROUP_EXISTS' } })
    group.others = ['zzz']
    group.notify()
    await until(() => started[0]?.has.length === 2)
  })

  it('is refused on the same client', async () => {
    const { cluster } = await setUp()
    const client = new Client({ namesrvAddr: cluster.namesrvAddr })
    onTestFinished(() => client.shutdown())
    const first = await started(groupConsumer(cluster, { client }))
    expect(await rejectionOf(groupConsumer(cluster, { client }).start())).toMatchObject({ code: 'GROUP_EXISTS' })
    expect(first.has).toHaveLength(4)
  })
})
