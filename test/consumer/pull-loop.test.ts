import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { sql } from '../../src/client/subscription-data.js'
import { QueueRequests } from '../../src/consumer/queue-requests.js'
import { ReadAhead } from '../../src/consumer/read-ahead.js'
import { MessageError } from '../../src/errors.js'
import { brokerData, Code, queueData, routeBody, ScriptedBroker, scriptedCluster } from '../support/scripted-cluster.js'
import { scriptedServer, unusedAddress } from '../support/scripted-server.js'
import { answerPull, pullAnswer, storedMessage } from '../support/stored-message-bytes.js'
import { turns, until } from '../support/until.js'
import { type LoopUnderTest, startedLoop } from './pull-loop-under-test.js'
import { ScriptedQueue } from './scripted-queue.js'
import { offsetsOf } from './stored-messages.js'

const SUCCESS = 0
const SYSTEM_ERROR = 1
const PULL_NOT_FOUND = 19
const PULL_RETRY_IMMEDIATELY = 20
const PULL_OFFSET_MOVED = 21
const SUBSCRIPTION_NOT_EXIST = 24
const FLOW_CONTROL = 215
const LITE_PULL = 361

async function setUp() {
  const cluster = await scriptedCluster()
  return { cluster, broker: cluster.broker(), queue: new ScriptedQueue(cluster.broker()) }
}

describe('a pull loop', () => {
  it('pulls from its offset on, and waits at the broker for what comes later', async () => {
    const { cluster, queue } = await setUp()
    queue.minOffset = 40
    queue.fill(50)
    const { loop } = await startedLoop(cluster, { offset: 42 })
    await until(() => loop.processQueue.count === 48)
    await until(() => queue.waitingCount === 1)
    expect(queue.lastPull.extFields).toEqual({
      consumerGroup: 'c',
      topic: 'T',
      queueId: '0',
      queueOffset: '90',
      maxMsgNums: '32',
      sysFlag: '2',
      commitOffset: '0',
      suspendTimeoutMillis: '15000',
      subVersion: '77',
      expressionType: 'TAG',
      bname: 'broker-a',
    })
    expect(loop).toMatchObject({ maxOffset: 90 })
    queue.fill(1)
    await until(() => loop.processQueue.count === 49)
    expect(offsetsOf(loop.processQueue.take(100))).toEqual(Array.from({ length: 49 }, (_, i) => 42 + i))
  })

  it('sends the expression along where it is asked to, SQL92 too', async () => {
    const { cluster, queue } = await setUp()
    await startedLoop(cluster, { expression: sql('a > 5'), options: { postSubscriptionWhenPull: true } })
    await until(() => queue.waitingCount === 1)
    expect(queue.lastPull.extFields).toMatchObject({ sysFlag: '6', subscription: 'a > 5', expressionType: 'SQL92' })
  })

  it('checks tags once more, since brokers compare their hashes only', async () => {
    const { cluster, queue } = await setUp()
    queue.store(...['Aa', 'BB', 'Aa'].map((TAGS, queueOffset) => ({ queueOffset, properties: { TAGS } })))
    const { loop } = await startedLoop(cluster, { expression: 'Aa' })
    await until(() => queue.waitingCount === 1)
    expect(offsetsOf(loop.processQueue.take(10))).toEqual([0, 2])
    expect(loop.processQueue.nextOffset).toBe(3)
  })

  it('stores no offset by the way, as that might undo a newer one', async () => {
    const { cluster, queue } = await setUp()
    queue.fill(3)
    const { loop } = await startedLoop(cluster, { offset: 1 })
    await until(() => queue.waitingCount === 1)
    loop.processQueue.finish(loop.processQueue.take(1))
    queue.fill(1)
    await until(() => queue.waitingCount === 1 && queue.lastPull.field('queueOffset') === '4')
    expect(queue.lastPull.extFields).toMatchObject({ sysFlag: '2', commitOffset: '0' })
  })

  it('hands on what its consumer makes of the messages, and goes on behind all of them', async () => {
    const { cluster, queue } = await setUp()
    queue.fill(4)
    const { loop } = await startedLoop(cluster, {
      transform: (messages) => messages.filter(({ queueOffset }) => queueOffset % 2 === 0),
    })
    await until(() => queue.waitingCount === 1)
    expect(offsetsOf(loop.processQueue.take(10))).toEqual([0, 2])
    expect(loop.processQueue.nextOffset).toBe(4)
  })

  it('pulls again at once, and says nothing, when its connection is cut', async () => {
    const { cluster, broker, queue } = await setUp()
    const options = { pullTimeDelayMillsWhenException: 3_600_000 }
    const { reports, registered } = await startedLoop(cluster, { options })
    await until(() => queue.waitingCount === 1)
    for (const connection of broker.server.openConnections) connection.reset()
    // With the connection a broker forgets who its client is.
    const answer = broker.scripts.get(Code.PULL)
    broker.scripts.set(Code.PULL, (request, connection) => {
      connection.answer(request, { code: SUBSCRIPTION_NOT_EXIST })
      if (answer !== undefined) broker.scripts.set(Code.PULL, answer)
    })
    await until(() => queue.waitingCount === 2)
    expect(reports).toEqual([])
    expect(registered).toEqual([broker.address])
  })

  it('closes, and adds nothing any more, though a pull does not end', async () => {
    const { cluster, queue } = await setUp()
    queue.fill(3)
    let answer: () => void = () => undefined
    const pullOnce = QueueRequests.prototype.pullOnce
    vi.spyOn(QueueRequests.prototype, 'pullOnce').mockImplementation(async function (this: QueueRequests, request) {
      const result = await pullOnce.call(this, { ...request, signal: undefined })
      await new Promise<void>((resolve) => {
        answer = resolve
      })
      return result
    })
    onTestFinished(() => void vi.restoreAllMocks())
    const { loop } = await startedLoop(cluster)
    await until(() => queue.pulls.length === 1)
    await turns()
    await loop.close()
    answer()
    await turns()
    expect(loop.processQueue.count).toBe(0)
  })

  it('says so when it ended by an error that nobody foresaw', async () => {
    const { cluster } = await setUp()
    const host = await startedLoop(cluster)
    const error = new Error('no')
    host.mayPull = () => {
      throw error
    }
    host.loop.seek(0)
    await until(() => host.loop.isBroken)
    expect(host.reports).toEqual([{ error, what: 'pulling a queue ended' }])
  })

  it('does not pull while it may not, and goes on when it is woken', async () => {
    const { cluster, queue } = await setUp()
    queue.fill(1)
    const host = await startedLoop(cluster)
    await until(() => queue.waitingCount === 1)
    host.isPaused = true
    queue.fill(1)
    await until(() => host.loop.processQueue.count === 2)
    await turns()
    expect(queue.waitingCount).toBe(0)
    host.loop.wake()
    await turns()
    expect(queue.waitingCount).toBe(0)
    host.isPaused = false
    host.loop.wake()
    await until(() => queue.waitingCount === 1)
  })

  it('pulls what it had, no more, when it is closed', async () => {
    const { cluster, queue } = await setUp()
    queue.fill(1)
    const { loop } = await startedLoop(cluster)
    await until(() => queue.waitingCount === 1)
    await loop.close()
    queue.fill(5)
    await turns()
    expect(loop.processQueue.count).toBe(1)
    expect(queue.pulls).toHaveLength(2)
  })

  it('asks brokers that know it for a lite pull where that is what it is', async () => {
    const { cluster, broker, queue } = await setUp()
    const pull = broker.scripts.get(Code.PULL)
    if (pull !== undefined) broker.scripts.set(LITE_PULL, pull)
    const { loop } = await startedLoop(cluster, {
      options: { isLite: true, postSubscriptionWhenPull: true },
    })
    queue.fill(1)
    await until(() => loop.processQueue.count === 1 && queue.waitingCount === 1)
    // What version it has is known with its first answer.
    expect(queue.pulls.map(({ code }) => code).slice(-1)).toEqual([LITE_PULL])
    expect(queue.lastPull.extFields).toMatchObject({ sysFlag: '22', subscription: '*' })
  })

  it('goes on elsewhere at once when it is told to, and forgets what it had', async () => {
    const { cluster, queue } = await setUp()
    queue.fill(100)
    const { loop } = await startedLoop(cluster)
    await until(() => queue.waitingCount === 1)
    const before = loop.processQueue
    const taken = before.take(10)
    loop.seek(95)
    await until(() => queue.waitingCount === 2)
    expect(offsetsOf(loop.processQueue.take(10))).toEqual([95, 96, 97, 98, 99])
    before.finish(taken)
    expect(loop.processQueue.commitOffset).toBe(95)
  })

  it('waits between pulls for as long as it is told', async () => {
    const { cluster, queue } = await setUp()
    queue.fill(64)
    const { loop } = await startedLoop(cluster, { options: { pullInterval: 60_000 } })
    await until(() => loop.processQueue.count === 32)
    await turns()
    expect(queue.pulls).toHaveLength(1)
  })
})

describe('flow control', () => {
  it('stops pulling at the number of messages, and goes on when there is room for a whole pull', async () => {
    const { cluster, queue } = await setUp()
    queue.fill(500)
    const { loop } = await startedLoop(cluster, { options: { pullThresholdForQueue: 100 } })
    await until(() => loop.processQueue.count === 96)
    await turns()
    expect(loop.processQueue.count).toBe(96)
    expect(queue.pulls).toHaveLength(3)
    for (let i = 0; i < 27; i++) {
      loop.processQueue.finish(loop.processQueue.take(1))
      loop.wake()
    }
    await turns()
    expect(queue.pulls).toHaveLength(3)
    loop.processQueue.finish(loop.processQueue.take(1))
    loop.wake()
    await until(() => loop.processQueue.count === 100)
    expect(queue.lastPull.field('maxMsgNums')).toBe('32')
  })

  it('asks for no more than there is room for', async () => {
    const { cluster, queue } = await setUp()
    queue.fill(50)
    const { loop } = await startedLoop(cluster, { options: { pullThresholdForQueue: 5 } })
    await until(() => loop.processQueue.count === 5)
    loop.processQueue.finish(loop.processQueue.take(3))
    loop.wake()
    await until(() => loop.processQueue.count === 5)
    expect(queue.pulls.map((pull) => pull.field('maxMsgNums'))).toEqual(['5', '3'])
  })

  it('goes by bytes of bodies', async () => {
    const { cluster, queue } = await setUp()
    queue.fill(50, { body: 'x'.repeat(100) })
    const options = { pullBatchSize: 1, pullThresholdSizeForQueue: 1_000 }
    const { loop } = await startedLoop(cluster, { options })
    await until(() => loop.processQueue.bytes === 1_000)
    await turns()
    expect(loop.processQueue.count).toBe(10)
    loop.processQueue.finish(loop.processQueue.take(1))
    loop.wake()
    await until(() => loop.processQueue.bytes === 1_000 && queue.pulls.length === 11)
  })

  it('goes by the span of unfinished offsets, unless there is no such limit', async () => {
    const { cluster, queue } = await setUp()
    queue.store({ queueOffset: 0 }, { queueOffset: 5_000 }, { queueOffset: 5_001 })
    const { loop } = await startedLoop(cluster, { options: { pullBatchSize: 2 } })
    await until(() => loop.processQueue.count === 2)
    await turns()
    expect(queue.pulls).toHaveLength(1)
    loop.processQueue.finish(loop.processQueue.take(1))
    loop.wake()
    await until(() => loop.processQueue.count === 2 && loop.processQueue.lastOffset === 5_001)

    const options = { pullBatchSize: 2, consumeConcurrentlyMaxSpan: undefined }
    const other = await startedLoop(cluster, { options })
    await until(() => other.loop.processQueue.count === 3)
  })

  it('pulls no queue ahead that has its share of what waits for handlers, and goes on when they take some', async () => {
    const { cluster, queue } = await setUp()
    queue.fill(500)
    const host = await startedLoop(cluster, { options: { readAhead: 64 } })
    const { loop } = host
    await until(() => loop.processQueue.waitingCount === 64)
    await turns()
    expect(queue.pulls).toHaveLength(2)
    // Those that handlers have are not waiting.
    loop.processQueue.take(1)
    loop.wake()
    await until(() => loop.processQueue.waitingCount === 95)
    host.queues = 1_000
    loop.processQueue.take(95 - 32)
    loop.wake()
    await turns()
    expect(queue.pulls).toHaveLength(3)
    // At least what one pull brings.
    loop.processQueue.take(1)
    loop.wake()
    await until(() => loop.processQueue.waitingCount === 63)
  })

  it('pulls queues with a backlog in turn, where all together have enough that waits for handlers', async () => {
    const { cluster, queue } = await setUp()
    queue.fill(500)
    const readAhead = new ReadAhead(32, 32)
    const take = (host: LoopUnderTest, max: number) => {
      host.loop.processQueue.take(max)
      readAhead.admitNext()
    }
    const hosts: LoopUnderTest[] = []
    // Of a queue that was never pulled nobody knows whether it has more.
    for (let i = 1; i <= 4; i++) {
      hosts.push(await startedLoop(cluster, { readAhead }))
      await until(() => readAhead.waiting === i * 32)
    }
    const [first, second, third, fourth] = hosts as [LoopUnderTest, LoopUnderTest, LoopUnderTest, LoopUnderTest]
    for (const { loop } of hosts) loop.wake()
    await turns()
    expect(queue.pulls).toHaveLength(4)
    take(fourth, 32)
    take(third, 32)
    take(second, 32)
    await turns()
    expect(queue.pulls).toHaveLength(4)
    // All are parked; the first one for the longest time.
    take(first, 16)
    await until(() => first.loop.processQueue.waitingCount === 48)
    expect(queue.pulls).toHaveLength(5)
    // One that is given up, wherever it went on, makes room for those behind it.
    second.loop.seek(100)
    await second.loop.close()
    take(first, 32)
    await until(() => third.loop.processQueue.waitingCount === 32)
    expect(second.loop.processQueue.count).toBe(0)
    take(first, 16)
    take(third, 16)
    await until(() => fourth.loop.processQueue.waitingCount === 32)
    await Promise.all(hosts.map(({ loop }) => loop.close()))
    expect(readAhead.waiting).toBe(0)
  })

  it('gives its turn to pull to the next one when the pull fails or brings nothing for handlers, or it must not pull', async () => {
    const { cluster, queue } = await setUp()
    queue.fill(500)
    const readAhead = new ReadAhead(32, 32)
    const filtering = await startedLoop(cluster, { readAhead, transform: () => [] })
    await until(() => filtering.loop.processQueue.nextOffset === 500)
    expect(readAhead.waiting).toBe(0)
    const paused = await startedLoop(cluster, { readAhead })
    await until(() => readAhead.waiting === 32)
    paused.isPaused = true
    const next = await startedLoop(cluster, { readAhead })
    await until(() => readAhead.waiting === 64)
    await turns()
    paused.loop.processQueue.take(32)
    next.loop.processQueue.take(16)
    readAhead.admitNext()
    await until(() => next.loop.processQueue.waitingCount === 48)
    expect(paused.loop.processQueue.waitingCount).toBe(0)
  })

  it.each([
    ['messages', { pullThresholdForTopic: 30 }, 10],
    ['bytes', { pullThresholdSizeForTopic: 30 * 'body 0'.length, pullBatchSize: 1 }, 10],
  ])('shares the limit of a topic, in %s, among the queues that the consumer has', async (_what, options, count) => {
    const { cluster, queue } = await setUp()
    queue.fill(9)
    queue.fill(50, { body: 'body 0' })
    const host = await startedLoop(cluster)
    await host.loop.close()
    const limited = await startedLoop(cluster, { options })
    limited.queues = 3
    limited.loop.seek(0)
    await until(() => limited.loop.processQueue.count === count)
    await turns()
    expect(limited.loop.processQueue.count).toBe(count)
    limited.queues = 1
    limited.loop.wake()
    await until(() => limited.loop.processQueue.count === 3 * count)
  })

  it('always lets one message in, however small the limits are', async () => {
    const { cluster, queue } = await setUp()
    queue.fill(5, { body: 'larger than one byte' })
    const options = { pullThresholdForTopic: 1, pullThresholdSizeForTopic: 1 }
    const { loop } = await startedLoop(cluster, { options })
    for (let offset = 0; offset < 5; offset++) {
      await until(() => loop.processQueue.count === 1)
      const taken = loop.processQueue.take(5)
      expect(offsetsOf(taken)).toEqual([offset])
      loop.processQueue.finish(taken)
      loop.wake()
    }
  })

  it('does not look as if it stood still while it waits for room', async () => {
    const { cluster, queue } = await setUp()
    queue.fill(10)
    const { loop } = await startedLoop(cluster, { options: { pullThresholdForQueue: 5 } })
    await until(() => loop.processQueue.count === 5)
    const answeredAt = loop.lastAnswerTimestamp
    expect(answeredAt).toBeGreaterThan(0)
    await until(() => Date.now() > answeredAt + 5)
    expect(loop.lastPullTimestamp).toBeGreaterThan(answeredAt)
  })
})

describe('a pull that fails', () => {
  it('is made again after a while, and told of once until one succeeds', async () => {
    const { cluster, broker, queue } = await setUp()
    const pull = broker.scripts.get(Code.PULL)
    broker.scripts.set(Code.PULL, answerPull(SYSTEM_ERROR, { nextBeginOffset: 0 }))
    const { loop, reports } = await startedLoop(cluster)
    await until(() => broker.server.requestsOf(Code.PULL).length >= 4)
    expect(reports).toHaveLength(1)
    expect(reports[0]).toMatchObject({
      error: { code: 'SYSTEM_ERROR' },
      what: 'pulling T broker-a[0] failed; it is tried again',
    })
    // There is none while the next pull takes long, as if the broker held it.
    expect(await until(() => loop.fault)).toMatchObject({ code: 'SYSTEM_ERROR' })
    queue.fill(1)
    if (pull !== undefined) broker.scripts.set(Code.PULL, pull)
    await until(() => loop.processQueue.count === 1)
    expect(loop.fault).toBeUndefined()
    broker.scripts.set(Code.PULL, answerPull(SYSTEM_ERROR, { nextBeginOffset: 0 }))
    queue.fill(1)
    await until(() => reports.length === 2)
  })

  it('waits only shortly when the broker asks for that', async () => {
    const { cluster, broker, queue } = await setUp()
    const pull = broker.scripts.get(Code.PULL)
    let refused = 0
    broker.scripts.set(Code.PULL, (request, connection) => {
      if (++refused > 3) pull?.(request, connection)
      else connection.answer(request, { code: FLOW_CONTROL })
    })
    const { reports } = await startedLoop(cluster, { options: { pullTimeDelayMillsWhenException: 60_000 } })
    await until(() => queue.waitingCount === 1)
    expect(reports).toEqual([])
  })

  it('has the group registered at a broker that does not know it', async () => {
    const { cluster, broker, queue } = await setUp()
    const pull = broker.scripts.get(Code.PULL)
    let isKnown = false
    broker.scripts.set(Code.PULL, (request, connection) => {
      if (isKnown) pull?.(request, connection)
      else connection.answer(request, { code: SUBSCRIPTION_NOT_EXIST })
      isKnown = true
    })
    const { registered, reports } = await startedLoop(cluster, { options: { pullTimeDelayMillsWhenException: 60_000 } })
    await until(() => queue.waitingCount === 1)
    expect(registered).toEqual([broker.address])
    expect(reports).toEqual([])
  })

  it('is told of and made after a while when the broker still does not know the group', async () => {
    const { cluster, broker } = await setUp()
    broker.scripts.set(Code.PULL, (request, connection) => connection.answer(request, { code: SUBSCRIPTION_NOT_EXIST }))
    const { registered, reports } = await startedLoop(cluster)
    await until(() => registered.length >= 4)
    expect(reports).toHaveLength(1)
  })

  it('waits for a subscription that is not there', async () => {
    const { cluster, queue } = await setUp()
    const host = await startedLoop(cluster)
    await until(() => queue.waitingCount === 1)
    host.isSubscribed = false
    host.loop.seek(0)
    queue.fill(1)
    await turns()
    expect(host.loop.processQueue.count).toBe(0)
    host.isSubscribed = true
    await until(() => host.loop.processQueue.count === 1)
  })

  it('goes to a slave when the master can not be reached', async () => {
    const { cluster } = await setUp()
    const slave = new ScriptedBroker('broker-a', await scriptedServer())
    const queue = new ScriptedQueue(slave)
    queue.fill(2)
    const brokerDatas = [brokerData('broker-a', { 0: unusedAddress(), 1: slave.address })]
    cluster.nameServer.routes.set('T', routeBody({ queueDatas: [queueData('broker-a')], brokerDatas }))
    const { loop } = await startedLoop(cluster, { offset: 0 })
    await until(() => queue.waitingCount === 1)
    expect(offsetsOf(loop.processQueue.take(2))).toEqual([0, 1])
  })

  it('goes to the slave that the master suggests, and back', async () => {
    const { cluster, broker } = await setUp()
    const slave = new ScriptedBroker('broker-a', await scriptedServer())
    const brokerDatas = [brokerData('broker-a', { 0: broker.address, 1: slave.address })]
    cluster.nameServer.routes.set('T', routeBody({ queueDatas: [queueData('broker-a')], brokerDatas }))
    const message = (queueOffset: number) => storedMessage({ queueOffset })
    broker.scripts.set(Code.PULL, (request, connection) => {
      if (request.field('queueOffset') !== '0') return
      connection.answer(request, pullAnswer(SUCCESS, { nextBeginOffset: 1, suggestWhichBrokerId: 1 }, message(0)))
    })
    slave.scripts.set(Code.PULL, answerPull(SUCCESS, { nextBeginOffset: 2, suggestWhichBrokerId: 0 }, message(1)))
    const { loop } = await startedLoop(cluster)
    await until(() => loop.processQueue.count === 2)
    await until(() => broker.server.requestsOf(Code.PULL).length === 2)
    expect(slave.server.requestsOf(Code.PULL)).toHaveLength(1)
  })

  it('does not ask in a loop when a broker answers at once that there is nothing', async () => {
    const { cluster, broker } = await setUp()
    for (const code of [PULL_NOT_FOUND, PULL_RETRY_IMMEDIATELY]) {
      broker.scripts.set(Code.PULL, answerPull(code, { nextBeginOffset: 0 }))
      const startedAt = performance.now()
      const { loop } = await startedLoop(cluster)
      await until(() => broker.server.requestsOf(Code.PULL).length >= 4)
      await turns(10)
      // On a machine that is very busy, answers take so long that each of them may have been a long poll.
      const slowAnswers = (performance.now() - startedAt) / 50
      expect(broker.server.requestsOf(Code.PULL).length).toBeLessThan(8 + slowAnswers)
      await loop.close()
      broker.server.forget()
    }
  })

  it('asks at once again when the broker filtered everything out', async () => {
    const { cluster, broker } = await setUp()
    broker.scripts.set(Code.PULL, (request, connection) => {
      const offset = Number(request.field('queueOffset'))
      const parts = { nextBeginOffset: offset + 100 }
      if (offset < 5_000) connection.answer(request, pullAnswer(PULL_RETRY_IMMEDIATELY, parts))
    })
    const { loop } = await startedLoop(cluster)
    await until(() => loop.processQueue.nextOffset === 5_000)
    expect(loop.processQueue.commitOffset).toBe(5_000)
  })
})

describe('an illegal offset', () => {
  it('that the queue has left behind is corrected, and what was pulled before stays', async () => {
    const { cluster, broker } = await setUp()
    broker.scripts.set(Code.PULL, (request, connection) => {
      const offset = request.field('queueOffset')
      const body = storedMessage({ queueOffset: 3 })
      if (offset === '3') connection.answer(request, pullAnswer(SUCCESS, { nextBeginOffset: 4 }, body))
      if (offset === '4')
        connection.answer(request, {
          ...pullAnswer(PULL_OFFSET_MOVED, { nextBeginOffset: 90 }),
          remark: 'OFFSET_TOO_SMALL',
        })
    })
    const { loop, corrections } = await startedLoop(cluster, { offset: 3 })
    await until(() => broker.server.requestsOf(Code.PULL).at(-1)?.field('queueOffset') === '90')
    expect(corrections).toEqual([{ from: 4, to: 90, reason: 'OFFSET_TOO_SMALL' }])
    expect(loop.processQueue).toMatchObject({ count: 1, commitOffset: 3, nextOffset: 90 })
    loop.processQueue.finish(loop.processQueue.take(1))
    expect(loop.processQueue.commitOffset).toBe(90)
  })

  it.each([
    ['beyond the end of the queue', 'OFFSET_OVERFLOW_BADLY', 2],
    ['that was reset further ahead', 'OFFSET_RESET', 500],
  ])('%s is corrected, and what was pulled before is dropped', async (_what, remark, to) => {
    const { cluster, broker } = await setUp()
    broker.scripts.set(Code.PULL, (request, connection) => {
      const offset = request.field('queueOffset')
      const body = storedMessage({ queueOffset: 3 })
      if (offset === '3') connection.answer(request, pullAnswer(SUCCESS, { nextBeginOffset: 4 }, body))
      if (offset === '4')
        connection.answer(request, { ...pullAnswer(PULL_OFFSET_MOVED, { nextBeginOffset: to }), remark })
    })
    const { loop, corrections } = await startedLoop(cluster, { offset: 3 })
    const before = loop.processQueue
    await until(() => broker.server.requestsOf(Code.PULL).at(-1)?.field('queueOffset') === String(to))
    expect(corrections).toEqual([{ from: 4, to, reason: remark }])
    expect(loop.processQueue).not.toBe(before)
    expect(loop.processQueue).toMatchObject({ count: 0, commitOffset: to, nextOffset: to })
  })

  it('is not corrected in a loop', async () => {
    const { cluster, broker } = await setUp()
    broker.scripts.set(Code.PULL, answerPull(PULL_OFFSET_MOVED, { nextBeginOffset: 7 }))
    const { corrections } = await startedLoop(cluster, { options: { pullTimeDelayMillsWhenException: 60_000 } })
    await until(() => corrections.length === 2)
    await turns()
    expect(corrections).toEqual([
      { from: 0, to: 7, reason: 'OFFSET_ILLEGAL' },
      { from: 7, to: 7, reason: 'OFFSET_ILLEGAL' },
    ])
  })
})

describe('a message that can not be read', () => {
  const good = storedMessage({ queueOffset: 0 })
  const bad = storedMessage({ queueOffset: 3, bodyCRC: 1 })
  const later = storedMessage({ queueOffset: 4 })

  async function withBadMessage() {
    const { cluster, broker } = await setUp()
    const answers = { 0: [good, bad, later], 1: [bad, later], 4: [later] } as Record<string, Buffer[]>
    broker.scripts.set(Code.PULL, (request, connection) => {
      const found = answers[request.field('queueOffset') ?? '']
      if (found === undefined) return
      connection.answer(request, pullAnswer(SUCCESS, { nextBeginOffset: 5 }, Buffer.concat(found)))
    })
    return { cluster, broker, answers }
  }

  it('stops the queue before it, and is tried again and told of, until it can be read', async () => {
    const { cluster, answers } = await withBadMessage()
    const { loop, reports } = await startedLoop(cluster, { options: { pullTimeDelayMillsWhenException: 2 } })
    await until(() => reports.length >= 6)
    expect(offsetsOf(loop.processQueue.take(10))).toEqual([0])
    expect(loop.processQueue.nextOffset).toBe(1)
    const fault = await until(() => loop.fault)
    expect(fault).toBeInstanceOf(MessageError)
    expect(fault.message).toContain('pulling T broker-a[0] at 1')
    expect(reports.slice(0, 5).map(({ what }) => what)).toEqual([
      'a message can not be read; it is pulled again',
      'a message can not be read; it is pulled again',
      'a message can not be read; it is pulled again',
      'a message can not be read; its queue stands still until it can (undecodableMessagePolicy)',
      'a message can not be read; its queue stands still until it can (undecodableMessagePolicy)',
    ])
    answers['1'] = [storedMessage({ queueOffset: 3 }), later]
    await until(() => loop.processQueue.nextOffset === 5)
    expect(offsetsOf(loop.processQueue.take(10))).toEqual([3, 4])
    expect(loop.fault).toBeUndefined()
  })

  it('is skipped, and told of, where that is asked for; what lies behind it is delivered', async () => {
    const { cluster } = await withBadMessage()
    const { loop, reports } = await startedLoop(cluster, {
      options: { undecodableMessagePolicy: 'skip', pullTimeDelayMillsWhenException: 2 },
    })
    await until(() => loop.processQueue.nextOffset === 5)
    expect(offsetsOf(loop.processQueue.take(10))).toEqual([0, 4])
    expect(loop.fault).toBeUndefined()
    expect(reports.map(({ what }) => what)).toEqual([
      'a message can not be read; it is pulled again',
      'a message can not be read; it is pulled again',
      'a message can not be read; it is pulled again',
      'a message that can not be read is skipped; its queue goes on at 4',
    ])
  })

  it('is skipped one offset at a time where not even its offset can be read', async () => {
    const { cluster, broker } = await setUp()
    broker.scripts.set(Code.PULL, (request, connection) => {
      const found = request.field('queueOffset') === '3' ? storedMessage({ queueOffset: 3 }) : Buffer.alloc(8)
      connection.answer(request, pullAnswer(SUCCESS, { nextBeginOffset: 4 }, found))
    })
    const { loop } = await startedLoop(cluster, {
      offset: 1,
      options: { undecodableMessagePolicy: 'skip', pullTimeDelayMillsWhenException: 2 },
    })
    await until(() => loop.processQueue.count === 1)
    expect(offsetsOf(loop.processQueue.take(1))).toEqual([3])
  })

  it('may come in the wrong order: what follows the right ones is pulled again', async () => {
    const { cluster, broker } = await setUp()
    broker.scripts.set(Code.PULL, (request, connection) => {
      const offset = Number(request.field('queueOffset'))
      if (offset > 4) return
      const found = offset === 0 ? [good, later, bad] : [storedMessage({ queueOffset: offset })]
      connection.answer(request, pullAnswer(SUCCESS, { nextBeginOffset: 5 }, Buffer.concat(found)))
    })
    const { loop } = await startedLoop(cluster)
    await until(() => loop.processQueue.nextOffset === 5)
    expect(offsetsOf(loop.processQueue.take(10))).toEqual([0, 4])
  })
})
