import { describe, expect, it } from 'vitest'
import type { RemotingCommand } from '../../src/codec/remoting-command.js'
import { BrokerError, ClientError, MessageError } from '../../src/errors.js'
import { startedConsumer } from '../support/members-under-test.js'
import { Code, type ScriptedCluster, scriptedCluster } from '../support/scripted-cluster.js'
import { type Script, type ScriptedConnection, staySilent } from '../support/scripted-server.js'
import { rejectionOf, turns, until } from '../support/until.js'

const queue = { topic: 'T', brokerName: 'broker-a', queueId: 2 }
const QUERY_NOT_FOUND = 22
const GROUP_NOT_EXIST = 26
const NEVER = 3_600_000

/** The offsets that the broker was told, in their order. */
function stored(cluster: ScriptedCluster): number[] {
  return cluster
    .broker()
    .server.requestsOf(Code.UPDATE_OFFSET)
    .map((request) => Number(request.field('commitOffset')))
}

const answerOffset =
  (offset: number | string): Script =>
  (request, connection) =>
    connection.answer(request, { fields: { offset } })

/** Holds what is to be stored until the test lets it go. */
function holdUpdates(cluster: ScriptedCluster): [RemotingCommand, ScriptedConnection][] {
  const held: [RemotingCommand, ScriptedConnection][] = []
  cluster.broker().scripts.set(Code.UPDATE_OFFSET, (request, connection) => held.push([request, connection]))
  return held
}

describe('commitOffset', () => {
  it('is stored when it resolves', async () => {
    const cluster = await scriptedCluster()
    const held = holdUpdates(cluster)
    const consumer = await startedConsumer(cluster)
    let isOver = false
    const committing = consumer.commitOffset(queue, 7).then(() => {
      isOver = true
    })
    const [request, connection] = await until(() => held[0])
    expect(request.extFields).toEqual({
      consumerGroup: 'c',
      topic: 'T',
      queueId: '2',
      commitOffset: '7',
      bname: 'broker-a',
    })
    await turns()
    expect(isOver).toBe(false)
    connection.answer(request)
    await committing
  })

  it('waits for the heartbeat that makes its group known, where a broker does not know it yet', async () => {
    const cluster = await scriptedCluster()
    const broker = cluster.broker()
    const heartbeats: (() => void)[] = []
    let isKnown = false
    broker.scripts.set(Code.HEARTBEAT, (request, connection) => {
      heartbeats.push(() => connection.answer(request))
    })
    broker.scripts.set(Code.UPDATE_OFFSET, (request, connection) => {
      connection.answer(request, isKnown ? {} : { code: GROUP_NOT_EXIST, remark: 'Group c not exist!' })
    })
    const consumer = await startedConsumer(cluster)
    const committing = consumer.commitOffset(queue, 7)
    await until(() => stored(cluster).length === 1 && heartbeats.length > 0)
    isKnown = true
    for (const answer of heartbeats) answer()
    await committing
    expect(stored(cluster)).toEqual([7, 7])
  })

  it('rejects when the broker refuses, or does not answer', async () => {
    const cluster = await scriptedCluster()
    cluster
      .broker()
      .scripts.set(Code.UPDATE_OFFSET, (request, connection) => connection.answer(request, { code: 1, remark: 'no' }))
    const consumer = await startedConsumer(cluster)
    expect(await rejectionOf(consumer.commitOffset(queue, 7))).toBeInstanceOf(BrokerError)
    cluster.broker().scripts.set(Code.UPDATE_OFFSET, staySilent)
    expect(await rejectionOf(consumer.commitOffset(queue, 7, { timeout: 40 }))).toMatchObject({ code: 'TIMEOUT' })
    const signal = AbortSignal.abort()
    expect(await rejectionOf(consumer.commitOffset(queue, 7, { signal }))).toMatchObject({ code: 'ABORTED' })
  })

  it('goes out one at a time for a queue, in the order of the calls', async () => {
    const cluster = await scriptedCluster()
    const held = holdUpdates(cluster)
    const consumer = await startedConsumer(cluster)
    const commits = [1, 2, 3, 4].map((offset) => consumer.commitOffset(queue, offset))
    for (let i = 0; i < 4; i++) {
      await until(() => held.length === i + 1)
      await turns()
      expect(held).toHaveLength(i + 1)
      const [request, connection] = held[i] ?? []
      if (request !== undefined) connection?.answer(request)
    }
    await Promise.all(commits)
    expect(stored(cluster)).toEqual([1, 2, 3, 4])
  })

  it('of several queues goes out for one first, as brokers may lose one of the first that come at once; then for all together', async () => {
    const cluster = await scriptedCluster()
    const held = holdUpdates(cluster)
    const consumer = await startedConsumer(cluster)
    const commits = [0, 1, 2, 3].map((queueId) => consumer.commitOffset({ ...queue, queueId }, 5))
    await until(() => held.length === 1)
    await turns()
    expect(held).toHaveLength(1)
    for (const [request, connection] of held.splice(0)) connection.answer(request)
    await until(() => held.length === 3)
    for (const [request, connection] of held.splice(0)) connection.answer(request)
    await Promise.all(commits)
    const later = [0, 1, 2, 3].map((queueId) => consumer.commitOffset({ ...queue, queueId }, 6))
    await until(() => held.length === 4)
    for (const [request, connection] of held) connection.answer(request)
    await Promise.all(later)
  })

  it("waits for another queue's no longer than its own timeout and signal say, and goes out when that one has failed", async () => {
    const cluster = await scriptedCluster()
    const held = holdUpdates(cluster)
    const consumer = await startedConsumer(cluster)
    const first = rejectionOf(consumer.commitOffset({ ...queue, queueId: 0 }, 5, { timeout: 300 }))
    await until(() => held.length === 1)
    const controller = new AbortController()
    const aborted = rejectionOf(consumer.commitOffset({ ...queue, queueId: 1 }, 5, { signal: controller.signal }))
    controller.abort()
    expect(await aborted).toMatchObject({ code: 'ABORTED' })
    const late = await rejectionOf(consumer.commitOffset({ ...queue, queueId: 2 }, 5, { timeout: 40 }))
    expect(late).toMatchObject({ code: 'TIMEOUT', address: cluster.broker().address })
    expect(held).toHaveLength(1)
    const last = [3, 4].map((queueId) => consumer.commitOffset({ ...queue, queueId }, 5))
    expect(await first).toMatchObject({ code: 'TIMEOUT' })
    for (const [i, queueId] of ['3', '4'].entries()) {
      const [request, connection] = await until(() => held[1 + i])
      await turns()
      expect(held).toHaveLength(2 + i)
      expect(request.field('queueId')).toBe(queueId)
      connection.answer(request)
    }
    await Promise.all(last)
  })

  it('goes on after one that failed', async () => {
    const cluster = await scriptedCluster()
    cluster
      .broker()
      .scripts.set(Code.UPDATE_OFFSET, (request, connection) =>
        connection.answer(request, { code: request.field('commitOffset') === '1' ? 1 : 0 }),
      )
    const consumer = await startedConsumer(cluster)
    const [first, second] = await Promise.allSettled([consumer.commitOffset(queue, 1), consumer.commitOffset(queue, 2)])
    expect([first.status, second.status]).toEqual(['rejected', 'fulfilled'])
  })

  it.each([-1, 1.5, 2 ** 53, '7', undefined, null])('refuses the offset %s', async (offset) => {
    const cluster = await scriptedCluster()
    const consumer = await startedConsumer(cluster)
    expect(await rejectionOf(consumer.commitOffset(queue, offset as number))).toMatchObject({
      code: 'INVALID_ARGUMENT',
    })
    expect(() => consumer.updateConsumeOffset(queue, offset as number)).toThrow(ClientError)
    expect(stored(cluster)).toEqual([])
  })
})

describe('updateConsumeOffset', () => {
  it('keeps the offset in memory and stores the newest on its interval, once', async () => {
    const cluster = await scriptedCluster()
    const consumer = await startedConsumer(cluster, { persistConsumerOffsetInterval: 30 })
    for (const offset of [1, 2, 3]) consumer.updateConsumeOffset(queue, offset)
    expect(stored(cluster)).toEqual([])
    await until(() => stored(cluster).length === 1)
    expect(stored(cluster)).toEqual([3])
    await turns(40)
    expect(stored(cluster)).toEqual([3])
    consumer.updateConsumeOffset(queue, 4)
    await until(() => stored(cluster).length === 2)
    expect(stored(cluster)).toEqual([3, 4])
  })

  it('is stored at shutdown', async () => {
    const cluster = await scriptedCluster()
    const consumer = await startedConsumer(cluster, { persistConsumerOffsetInterval: NEVER })
    for (const queueId of [0, 1, 2, 3]) consumer.updateConsumeOffset({ ...queue, queueId }, 10 + queueId)
    await consumer.shutdown()
    expect(stored(cluster).sort()).toEqual([10, 11, 12, 13])
  })

  it('that can not be stored is reported once, kept, and stored when that works again', async () => {
    const cluster = await scriptedCluster()
    const refuse: Script = (request, connection) => connection.answer(request, { code: 1, remark: 'disk' })
    cluster.broker().scripts.set(Code.UPDATE_OFFSET, refuse)
    const consumer = await startedConsumer(cluster, { persistConsumerOffsetInterval: 30 })
    const reports: { error: Error; what: string }[] = []
    consumer.on('error', (report) => reports.push(report))
    for (const queueId of [1, 2, 3]) consumer.updateConsumeOffset({ ...queue, queueId }, 9)
    await until(() => stored(cluster).length >= 9)
    expect(reports).toHaveLength(1)
    expect(reports[0]?.error).toBeInstanceOf(BrokerError)
    expect(reports[0]?.what).toMatch(/the offset 9 of .*queueId=1.* was not stored; it is tried again/)
    expect(await consumer.fetchConsumeOffset({ ...queue, queueId: 3 })).toBe(9)
    cluster.broker().scripts.delete(Code.UPDATE_OFFSET)
    const before = stored(cluster).length
    await until(() => stored(cluster).length >= before + 3)
    await turns(40)
    const after = stored(cluster).length
    await turns(40)
    expect(stored(cluster)).toHaveLength(after)
    cluster.broker().scripts.set(Code.UPDATE_OFFSET, refuse)
    consumer.updateConsumeOffset(queue, 10)
    await until(() => reports.length === 2)
  })

  it('that can not be stored is reported once for each broker that refuses', async () => {
    const cluster = await scriptedCluster(['broker-a', 'broker-b'])
    for (const { scripts } of cluster.brokers) {
      scripts.set(Code.UPDATE_OFFSET, (request, connection) => connection.answer(request, { code: 1 }))
    }
    const consumer = await startedConsumer(cluster, { persistConsumerOffsetInterval: 30 })
    const reports: string[] = []
    consumer.on('error', ({ what }) => reports.push(what))
    for (const brokerName of ['broker-a', 'broker-b'])
      for (const queueId of [0, 1]) consumer.updateConsumeOffset({ topic: 'T', brokerName, queueId }, 9)
    await until(() => stored(cluster).length >= 6)
    expect(reports.map((what) => /broker-./.exec(what)?.[0]).sort()).toEqual(['broker-a', 'broker-b'])
  })

  it('that can not be stored is tried again a second later, and at once when its queue is given up', async () => {
    const cluster = await scriptedCluster()
    const times: number[] = []
    cluster.broker().scripts.set(Code.UPDATE_OFFSET, (request, connection) => {
      times.push(performance.now())
      // Others come due meanwhile.
      setTimeout(() => connection.answer(request, { code: 1 }), 50)
    })
    const consumer = await startedConsumer(cluster, { persistConsumerOffsetInterval: 10 })
    consumer.on('error', () => undefined)
    consumer.updateConsumeOffset(queue, 9)
    await until(() => times.length === 2)
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(990)
    await consumer.shutdown()
    expect(times).toHaveLength(3)
  })

  it('that can not be stored at shutdown is reported, and shutdown ends', async () => {
    const cluster = await scriptedCluster()
    cluster.broker().scripts.set(Code.UPDATE_OFFSET, (request, connection) => connection.answer(request, { code: 1 }))
    const consumer = await startedConsumer(cluster, { persistConsumerOffsetInterval: NEVER })
    const reports: unknown[] = []
    consumer.on('error', (report) => reports.push(report))
    consumer.updateConsumeOffset(queue, 9)
    await consumer.shutdown()
    expect(reports).toHaveLength(1)
  })

  it('never overtakes a later commit: what was set before it is not stored behind it', async () => {
    const cluster = await scriptedCluster()
    const held = holdUpdates(cluster)
    const consumer = await startedConsumer(cluster, { persistConsumerOffsetInterval: 15 })
    consumer.updateConsumeOffset(queue, 5)
    const committing = consumer.commitOffset(queue, 10)
    await until(() => held.length >= 1)
    // Time for the interval to come round several times.
    await turns(60)
    cluster.broker().scripts.delete(Code.UPDATE_OFFSET)
    for (const [request, connection] of held) connection.answer(request)
    await committing
    await turns(40)
    expect(stored(cluster).at(-1)).toBe(10)
    await consumer.shutdown()
    expect(stored(cluster).at(-1)).toBe(10)
  })

  it('that is newer than a commit on its way is stored behind it', async () => {
    const cluster = await scriptedCluster()
    const held = holdUpdates(cluster)
    const consumer = await startedConsumer(cluster, { persistConsumerOffsetInterval: 15 })
    const committing = consumer.commitOffset(queue, 10)
    const [request, connection] = await until(() => held[0])
    consumer.updateConsumeOffset(queue, 12)
    cluster.broker().scripts.delete(Code.UPDATE_OFFSET)
    connection.answer(request)
    await committing
    await until(() => stored(cluster).length === 2)
    expect(stored(cluster)).toEqual([10, 12])
  })

  it('does not pile up while the broker is slow', async () => {
    const cluster = await scriptedCluster()
    const held = holdUpdates(cluster)
    const consumer = await startedConsumer(cluster, { persistConsumerOffsetInterval: 10 })
    consumer.updateConsumeOffset(queue, 1)
    await until(() => held.length === 1)
    for (let offset = 2; offset <= 20; offset++) {
      consumer.updateConsumeOffset(queue, offset)
      await turns(5)
    }
    cluster.broker().scripts.delete(Code.UPDATE_OFFSET)
    for (const [request, connection] of held) connection.answer(request)
    await until(() => stored(cluster).at(-1) === 20)
    await turns(20)
    // One was on its way; all that came meanwhile are one more.
    expect(stored(cluster)).toEqual([1, 20])
  })
})

describe('fetchConsumeOffset', () => {
  it("asks the broker for the group's own offset", async () => {
    const cluster = await scriptedCluster()
    cluster.broker().scripts.set(Code.QUERY_OFFSET, answerOffset(42))
    const consumer = await startedConsumer(cluster)
    expect(await consumer.fetchConsumeOffset(queue)).toBe(42)
    expect(cluster.broker().server.requestsOf(Code.QUERY_OFFSET)[0]?.extFields).toEqual({
      consumerGroup: 'c',
      topic: 'T',
      queueId: '2',
      setZeroIfNotFound: 'false',
      bname: 'broker-a',
    })
  })

  it('is -1 when the group has none', async () => {
    const cluster = await scriptedCluster()
    cluster.broker().scripts.set(Code.QUERY_OFFSET, (request, connection) =>
      connection.answer(request, {
        code: QUERY_NOT_FOUND,
        remark: 'Not found, maybe this group consumer boot first',
      }),
    )
    expect(await (await startedConsumer(cluster)).fetchConsumeOffset(queue)).toBe(-1)
  })

  it('is what was set and is not stored yet', async () => {
    const cluster = await scriptedCluster()
    cluster.broker().scripts.set(Code.QUERY_OFFSET, answerOffset(42))
    const consumer = await startedConsumer(cluster, { persistConsumerOffsetInterval: NEVER })
    consumer.updateConsumeOffset(queue, 50)
    expect(await consumer.fetchConsumeOffset(queue)).toBe(50)
    await consumer.commitOffset(queue, 60)
    expect(await consumer.fetchConsumeOffset(queue)).toBe(42)
  })

  it('rejects when the broker can not be asked: no failure is taken for "none"', async () => {
    const cluster = await scriptedCluster()
    const consumer = await startedConsumer(cluster)
    cluster.broker().scripts.set(Code.QUERY_OFFSET, (request, connection) => connection.answer(request, { code: 1 }))
    expect(await rejectionOf(consumer.fetchConsumeOffset(queue))).toBeInstanceOf(BrokerError)
    cluster.broker().scripts.set(Code.QUERY_OFFSET, staySilent)
    expect(await rejectionOf(consumer.fetchConsumeOffset(queue, { timeout: 40 }))).toMatchObject({ code: 'TIMEOUT' })
    cluster.broker().scripts.set(Code.QUERY_OFFSET, answerOffset('9007199254740993'))
    expect(await rejectionOf(consumer.fetchConsumeOffset(queue))).toBeInstanceOf(MessageError)
  })
})

describe('the offsets of a queue', () => {
  it.each([
    ['minOffset', Code.MIN_OFFSET, 'offset'],
    ['maxOffset', Code.MAX_OFFSET, 'offset'],
    ['earliestMsgStoreTime', Code.EARLIEST_STORE_TIME, 'timestamp'],
  ] as const)('%s comes from its broker', async (name, code, field) => {
    const cluster = await scriptedCluster()
    cluster.broker().scripts.set(code, (request, connection) => connection.answer(request, { fields: { [field]: 77 } }))
    const consumer = await startedConsumer(cluster)
    expect(await consumer[name](queue)).toBe(77)
    expect(cluster.broker().server.requestsOf(code)[0]?.extFields).toEqual({
      topic: 'T',
      queueId: '2',
      bname: 'broker-a',
    })
  })

  it('searchOffset gives the time to the broker', async () => {
    const cluster = await scriptedCluster()
    cluster.broker().scripts.set(Code.SEARCH_OFFSET, answerOffset(5))
    const consumer = await startedConsumer(cluster)
    expect(await consumer.searchOffset(queue, 1_700_000_000_000)).toBe(5)
    expect(cluster.broker().server.requestsOf(Code.SEARCH_OFFSET)[0]?.field('timestamp')).toBe('1700000000000')
    expect(await rejectionOf(consumer.searchOffset(queue, Number.NaN))).toMatchObject({ code: 'INVALID_ARGUMENT' })
  })

  it('are refused for a queue that the topic does not have: a broker would answer 0', async () => {
    const cluster = await scriptedCluster()
    const consumer = await startedConsumer(cluster)
    const error = await rejectionOf(consumer.maxOffset({ ...queue, queueId: 99 }))
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' })
    expect(error.message).toContain('broker-a[99]')
    expect(cluster.broker().server.requestsOf(Code.MAX_OFFSET)).toHaveLength(0)
  })
})

describe('sendMessageBack', () => {
  it('tells the broker which message, and when it is to come again', async () => {
    const cluster = await scriptedCluster()
    const consumer = await startedConsumer(cluster)
    const message = { topic: 'T', brokerName: 'broker-a', queueId: 2, commitLogOffset: 12_345, msgId: 'id' }
    await consumer.sendMessageBack(message as never, 3, { maxReconsumeTimes: 5 })
    expect(cluster.broker().server.requestsOf(Code.SEND_BACK)[0]?.extFields).toEqual({
      offset: '12345',
      group: 'c',
      delayLevel: '3',
      originMsgId: 'id',
      originTopic: 'T',
      unitMode: 'false',
      maxReconsumeTimes: '5',
      bname: 'broker-a',
    })
    expect(await rejectionOf(consumer.sendMessageBack(message as never, 1.5))).toMatchObject({
      code: 'INVALID_ARGUMENT',
    })
  })
})
