import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { sql } from '../../src/client/subscription-data.js'
import type { OffsetStore } from '../../src/consumer/offset-store.js'
import { litePullConsumer, litePullSetUp, pollAll, positionOf, QUEUE } from '../support/lite-pull-under-test.js'
import { Code } from '../support/scripted-cluster.js'
import { staySilent } from '../support/scripted-server.js'
import { rejectionOf, turns, until } from '../support/until.js'
import { ScriptedQueue } from './scripted-queue.js'
import { offsetsOf } from './stored-messages.js'

const SYSTEM_ERROR = 1
const PULL_OFFSET_MOVED = 21
const queueOf = (queueId: number) => ({ ...QUEUE, queueId })
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i)

/** A started consumer of topic T, or of the queues of T by hand. */
async function consuming(options: Parameters<typeof litePullSetUp>[0] = {}, queueCount = 1, way = 'subscribe') {
  const setUp = await litePullSetUp(options, queueCount)
  const { consumer } = setUp
  if (way === 'subscribe') await consumer.subscribe('T')
  else await consumer.assign(range(0, queueCount).map(queueOf))
  await consumer.start()
  await until(() => consumer.assignment().length === queueCount)
  return setUp
}

describe('poll', () => {
  it('gives the next messages of a queue, as many as a pull at the most, and none when none came in time', async () => {
    const { consumer, queue } = await consuming({ pullBatchSize: 4 })
    queue.fill(6)
    expect(offsetsOf(await consumer.poll())).toEqual([0, 1, 2, 3])
    expect(offsetsOf(await consumer.poll())).toEqual([4, 5])
    expect(await consumer.poll({ timeout: 5 })).toEqual([])
  })

  it('waits for messages that come later', async () => {
    const { consumer, queue } = await consuming()
    const polled = consumer.poll()
    await until(() => queue.waitingCount === 1)
    queue.fill(1)
    expect(offsetsOf(await polled)).toEqual([0])
  })

  it('does not wait when its timeout is 0, and has what was pulled before', async () => {
    const { consumer, queue } = await consuming()
    expect(await consumer.poll({ timeout: 0 })).toEqual([])
    queue.fill(3)
    await until(() => consumer.health().cachedCount === 3)
    expect(offsetsOf(await consumer.poll({ timeout: 0 }))).toEqual([0, 1, 2])
  })

  it('takes the queues in turn, so that none has to wait for another one', async () => {
    const { consumer, queues } = await consuming({ pullBatchSize: 2 }, 3)
    for (const queue of queues) queue.fill(4)
    await until(() => consumer.health().cachedCount === 12)
    const batches = []
    for (let i = 0; i < 6; i++) batches.push(await consumer.poll())
    const ids = batches.map((batch) => batch[0]?.queueId)
    expect(ids.slice(0, 3).toSorted()).toEqual([0, 1, 2])
    expect(ids.slice(3)).toEqual(ids.slice(0, 3))
  })

  it('gives each of several callers messages of its own, in the order of their calls', async () => {
    const { consumer, queue } = await consuming({ pullBatchSize: 1 })
    const polled = [consumer.poll(), consumer.poll(), consumer.poll({ timeout: 5 })]
    expect(await polled[2]).toEqual([])
    queue.fill(3)
    expect([offsetsOf((await polled[0]) ?? []), offsetsOf((await polled[1]) ?? [])]).toEqual([[0], [1]])
    expect(offsetsOf(await consumer.poll())).toEqual([2])
  })

  it('rejects when its signal fires, and leaves the messages to the next call', async () => {
    const { consumer, queue } = await consuming()
    const abort = new AbortController()
    const polled = rejectionOf(consumer.poll({ signal: abort.signal }))
    abort.abort(new Error('enough'))
    expect(await polled).toMatchObject({ code: 'ABORTED', cause: { message: 'enough' } })
    expect(await rejectionOf(consumer.poll({ signal: abort.signal }))).toMatchObject({ code: 'ABORTED' })
    queue.fill(1)
    expect(offsetsOf(await consumer.poll())).toEqual([0])
  })

  it('is refused before the start, after the shutdown, and with a timeout that is none', async () => {
    const { consumer } = await litePullSetUp()
    expect(await rejectionOf(consumer.poll())).toMatchObject({ code: 'NOT_STARTED' })
    await consumer.start()
    expect(await rejectionOf(consumer.poll({ timeout: '5' as never }))).toMatchObject({ code: 'INVALID_ARGUMENT' })
    await consumer.shutdown()
    expect(await rejectionOf(consumer.poll())).toMatchObject({ code: 'CLOSED' })
  })

  it('gives an empty list when the consumer is shut down meanwhile', async () => {
    const { consumer } = await consuming()
    const polled = consumer.poll()
    await consumer.shutdown()
    expect(await polled).toEqual([])
  })

  it('lets other things go on while there are always messages', async () => {
    const { consumer, queue } = await consuming({ pullBatchSize: 32 })
    queue.fill(320)
    await until(() => consumer.health().cachedCount === 320)
    let isInTurn = false
    setImmediate(() => {
      isInTurn = true
    })
    for (let i = 0; i < 10; i++) await consumer.poll()
    expect(isInTurn).toBe(true)
  })
})

describe('what polls gave', () => {
  it('is consumed when the next poll begins, not before', async () => {
    const { consumer, queue } = await consuming({ pullBatchSize: 2 })
    queue.fill(4)
    await consumer.poll()
    expect(positionOf(consumer)).toBe(0)
    await consumer.poll()
    expect(positionOf(consumer)).toBe(2)
    expect(consumer.health()).toMatchObject({ inFlight: 2, oldestInFlight: { queue: QUEUE } })
    await consumer.poll({ timeout: 1 })
    expect(positionOf(consumer)).toBe(4)
  })

  it('is stored by the automatic commit', async () => {
    const { consumer, queue, offsets } = await consuming({ autoCommitIntervalMillis: 1_000 })
    queue.fill(3)
    await pollAll(consumer, 3)
    await consumer.poll({ timeout: 1 })
    await until(() => offsets.stored.get('T-0') === 3)
  })

  it('is stored at the shutdown, but for the last poll, which is told of', async () => {
    const { consumer, queue, offsets } = await consuming({ pullBatchSize: 2 })
    const left: unknown[] = []
    consumer.on('left', ({ queues }) => left.push(...queues))
    queue.fill(4)
    await consumer.poll()
    const last = await consumer.poll()
    await consumer.shutdown()
    expect(offsets.stored.get('T-0')).toBe(2)
    expect(left).toEqual([{ queue: QUEUE, msgIds: last.map(({ msgId }) => msgId) }])
  })

  it('is stored at the shutdown altogether after a commit, or while another poll waits', async () => {
    const committed = await consuming()
    committed.queue.fill(4)
    await committed.consumer.poll()
    await committed.consumer.commit()
    await committed.consumer.shutdown()
    expect(committed.offsets.stored.get('T-0')).toBe(4)

    const waiting = await consuming()
    waiting.queue.fill(4)
    await waiting.consumer.poll()
    const polled = waiting.consumer.poll()
    await waiting.consumer.shutdown()
    expect([waiting.offsets.stored.get('T-0'), await polled]).toEqual([4, []])
  })

  it('is stored by nothing but commit where autoCommit is false', async () => {
    const { consumer, queue, offsets } = await consuming({ autoCommit: false, autoCommitIntervalMillis: 1_000 })
    offsets.history.length = 0
    queue.fill(5)
    await pollAll(consumer, 5)
    await consumer.commit()
    expect(offsets.stored.get('T-0')).toBe(5)
    queue.fill(5)
    await pollAll(consumer, 5)
    await consumer.shutdown()
    expect(offsets.history.filter(([, offset]) => offset > 0)).toEqual([['T-0', 5]])
  })

  it('keeps a queue that is given up from going until it is consumed, or for a short time', async () => {
    const { consumer, queue, offsets, group } = await consuming()
    queue.fill(3)
    await consumer.poll()
    group.others.push('0@other')
    group.notify()
    await until(() => consumer.assignment().length === 0)
    await consumer.poll({ timeout: 1 })
    await until(() => offsets.stored.get('T-0') === 3)
  })

  it('comes again where the queue could not wait for it', async () => {
    const { consumer, queue, offsets } = await consuming()
    queue.fill(3)
    await consumer.poll()
    await consumer.unsubscribe('T')
    await consumer.poll({ timeout: 1 })
    expect(offsets.stored.get('T-0')).toBe(0)
    await consumer.subscribe('T')
    expect(offsetsOf(await consumer.poll())).toEqual([0, 1, 2])
  })
})

describe('commit', () => {
  it('has stored everything that was handed out when it resolves, of all queues, once', async () => {
    const { consumer, queues, offsets } = await consuming({}, 2)
    queues[0]?.fill(2)
    queues[1]?.fill(3)
    await pollAll(consumer, 5)
    await consumer.commit()
    expect(Object.fromEntries(offsets.stored)).toEqual({ 'T-0': 2, 'T-1': 3 })
    const { length } = offsets.history
    await consumer.commit()
    expect(offsets.history).toHaveLength(length)
  })

  it('stores the offsets that it is given, and the consumer goes on where it was', async () => {
    const { consumer, queue, offsets } = await consuming({ autoCommit: false })
    queue.fill(5)
    await pollAll(consumer, 5)
    await consumer.commit(new Map([[QUEUE, 2]]))
    expect(offsets.stored.get('T-0')).toBe(2)
    expect(await consumer.committed(QUEUE)).toBe(2)
    queue.fill(1)
    expect(offsetsOf(await consumer.poll())).toEqual([5])
    await consumer.commit()
    expect(offsets.stored.get('T-0')).toBe(6)
  })

  it('stores nothing of a queue that was given up before its turn came: another member may be further', async () => {
    const { consumer, queues, broker, offsets } = await consuming({ autoCommit: false }, 33, 'assign')
    for (const queue of queues) queue.fill(1)
    await pollAll(consumer, 33)
    // The first offset of all goes alone.
    await consumer.commit(new Map([[queueOf(0), 0]]))
    const answer = broker.scripts.get(Code.UPDATE_OFFSET)
    const held: (() => void)[] = []
    broker.scripts.set(Code.UPDATE_OFFSET, (request, connection) => {
      if (request.field('queueId') === '32') answer?.(request, connection)
      else held.push(() => answer?.(request, connection))
    })
    const committed = consumer.commit()
    await until(() => held.length === 32)
    await consumer.assign(range(0, 32).map(queueOf))
    offsets.stored.set('T-32', 9)
    if (answer !== undefined) broker.scripts.set(Code.UPDATE_OFFSET, answer)
    for (const store of held) store()
    await committed
    expect([offsets.stored.get('T-31'), offsets.stored.get('T-32')]).toEqual([1, 9])
  })

  it('stores a place that was sought again after something else was stored automatically', async () => {
    const { consumer, queue, offsets } = await consuming({ autoCommitIntervalMillis: 1_000 })
    queue.fill(5)
    await pollAll(consumer, 5)
    await consumer.seek(QUEUE, 2)
    await consumer.commit()
    expect(offsets.stored.get('T-0')).toBe(2)
    await pollAll(consumer, 3)
    await consumer.poll({ timeout: 1 })
    await until(() => offsets.stored.get('T-0') === 5)
    await consumer.seek(QUEUE, 2)
    await consumer.commit()
    expect(offsets.stored.get('T-0')).toBe(2)
  })

  it('stores what was consumed again after an administrator set the offset back', async () => {
    const { consumer, queue, broker, offsets } = await litePullSetUp({ brokerSuspendMaxTimeMillis: 0 })
    await consumer.subscribe('T')
    queue.fill(3)
    await consumer.start()
    await pollAll(consumer, 3)
    await consumer.commit()
    const answer = broker.scripts.get(Code.LITE_PULL)
    broker.scripts.set(Code.LITE_PULL, (request, connection) => {
      const fields = { suggestWhichBrokerId: 0, nextBeginOffset: 0, minOffset: 0, maxOffset: 3 }
      connection.answer(request, { code: PULL_OFFSET_MOVED, fields, remark: 'OFFSET_RESET' })
      if (answer !== undefined) broker.scripts.set(Code.LITE_PULL, answer)
    })
    await until(() => offsets.stored.get('T-0') === 0)
    expect(offsetsOf(await pollAll(consumer, 3))).toEqual([0, 1, 2])
    await consumer.commit()
    expect(offsets.stored.get('T-0')).toBe(3)
  })

  it('rejects when a broker refuses an offset, and may be called again', async () => {
    const { consumer, queue, broker, offsets } = await consuming()
    const store = broker.scripts.get(Code.UPDATE_OFFSET)
    broker.scripts.set(Code.UPDATE_OFFSET, (request, connection) => {
      connection.answer(request, { code: SYSTEM_ERROR, remark: 'no' })
    })
    queue.fill(1)
    await consumer.poll()
    expect(await rejectionOf(consumer.commit())).toMatchObject({ responseCode: SYSTEM_ERROR })
    if (store !== undefined) broker.scripts.set(Code.UPDATE_OFFSET, store)
    await consumer.commit()
    expect(offsets.stored.get('T-0')).toBe(1)
  })

  it('is refused for queues that this member does not have, and for what is no offset', async () => {
    const { consumer, offsets } = await consuming()
    for (const [queue, offset, code] of [
      [queueOf(5), 1, 'QUEUE_NOT_ASSIGNED'],
      [QUEUE, -1, 'INVALID_ARGUMENT'],
      [{ topic: 'T' }, 1, 'INVALID_ARGUMENT'],
    ] as const) {
      expect(await rejectionOf(consumer.commit(new Map([[queue as typeof QUEUE, offset]])))).toMatchObject({ code })
    }
    expect(offsets.history.filter(([, offset]) => offset !== 0)).toEqual([])
  })
})

describe('seek', () => {
  it('goes on at the offset, and nothing older comes after it', async () => {
    const { consumer, queue } = await consuming({ pullBatchSize: 5 })
    queue.fill(100)
    await until(() => consumer.health().cachedCount === 100)
    expect(offsetsOf(await consumer.poll())).toEqual(range(0, 5))
    await consumer.seek(QUEUE, 90)
    expect(positionOf(consumer)).toBe(90)
    expect(offsetsOf(await pollAll(consumer, 10))).toEqual(range(90, 100))
    await consumer.seek(QUEUE, 3)
    expect(offsetsOf(await consumer.poll())).toEqual(range(3, 8))
  })

  it('makes what was handed out before no business of the queue', async () => {
    const { consumer, queue } = await consuming({ pullBatchSize: 10 })
    queue.fill(10)
    await consumer.poll()
    await consumer.seek(QUEUE, 2)
    expect(offsetsOf(await consumer.poll())).toEqual(range(2, 10))
    expect(positionOf(consumer)).toBe(2)
  })

  it('goes to the first message that there is, or behind the last one', async () => {
    const { consumer, queue, offsets } = await consuming()
    queue.fill(20)
    await consumer.seekToEnd(QUEUE)
    await consumer.commit()
    expect(offsets.stored.get('T-0')).toBe(20)
    queue.fill(1)
    expect(offsetsOf(await consumer.poll())).toEqual([20])
    queue.minOffset = 7
    await consumer.seekToBegin(QUEUE)
    expect(offsetsOf(await consumer.poll())[0]).toBe(7)
  })

  it('gives what waits for messages those at the offset', async () => {
    const { consumer, queue } = await consuming({ pullBatchSize: 2 })
    queue.fill(4)
    await pollAll(consumer, 4)
    const polled = consumer.poll()
    await consumer.seek(QUEUE, 1)
    expect(offsetsOf(await polled)).toEqual([1, 2])
  })

  it('is refused outside the queue, of a queue that this member does not have, and before the start', async () => {
    const { consumer, queue } = await consuming()
    queue.minOffset = 5
    queue.fill(10)
    for (const offset of [4, 16])
      expect(await rejectionOf(consumer.seek(QUEUE, offset))).toMatchObject({
        code: 'INVALID_ARGUMENT',
        message: expect.stringContaining('5 to 15'),
      })
    expect(await rejectionOf(consumer.seek(QUEUE, 1.5))).toMatchObject({ code: 'INVALID_ARGUMENT' })
    const seeks = [consumer.seek(queueOf(3), 5), consumer.seekToBegin(queueOf(3)), consumer.seekToEnd(queueOf(3))]
    for (const error of await Promise.all(seeks.map(rejectionOf)))
      expect(error).toMatchObject({ code: 'QUEUE_NOT_ASSIGNED', retryable: true })
    const other = litePullConsumer({ namesrvAddr: '127.0.0.1:1' })
    expect(await rejectionOf(other.seekToBegin(QUEUE))).toMatchObject({ code: 'NOT_STARTED' })
  })
})

describe('pause', () => {
  it('hands out and pulls nothing of its queues until they are resumed, and others go on', async () => {
    const { consumer, queues } = await consuming({}, 2)
    queues[0]?.fill(3)
    await until(() => consumer.health().cachedCount === 3)
    consumer.pause([QUEUE])
    queues[1]?.fill(2)
    expect((await consumer.poll()).map(({ queueId }) => queueId)).toEqual([1, 1])
    expect(await consumer.poll({ timeout: 5 })).toEqual([])
    // The pull that was under way may end; then there is none.
    queues[0]?.fill(1)
    await until(() => queues[0]?.waitingCount === 0)
    const pulls = queues[0]?.pulls.length
    queues[0]?.fill(1)
    await turns()
    expect(queues[0]?.pulls).toHaveLength(pulls ?? -1)
    const polled = consumer.poll()
    consumer.resume([QUEUE])
    expect(offsetsOf(await polled)).toEqual([0, 1, 2, 3])
    expect(offsetsOf(await consumer.poll())).toEqual([4])
  })

  it('holds for queues that come later, and for those that come back', async () => {
    const { consumer, queue } = await litePullSetUp()
    consumer.pause([QUEUE])
    await consumer.subscribe('T')
    await consumer.start()
    await until(() => consumer.assignment().length === 1)
    await consumer.unsubscribe('T')
    await consumer.subscribe('T')
    queue.fill(1)
    expect(await consumer.poll({ timeout: 5 })).toEqual([])
    consumer.resume([QUEUE])
    expect(offsetsOf(await consumer.poll())).toEqual([0])
  })

  it('leaves a consumer healthy', async () => {
    const { consumer } = await consuming()
    consumer.pause([QUEUE])
    expect(consumer.health()).toMatchObject({ isHealthy: true, stalled: [] })
  })
})

describe('assign', () => {
  it('has exactly these queues, before the start and after it, whoever else is in the group', async () => {
    const { consumer, queues, group } = await litePullSetUp({}, 4)
    group.others.push('0@other', '1@other', '2@other')
    await consumer.assign([queueOf(1), queueOf(3), queueOf(1)])
    await consumer.start()
    expect(consumer.assignment()).toEqual([queueOf(1), queueOf(3)])
    await consumer.seekToBegin(queueOf(1))
    for (const queue of queues) queue.fill(1)
    expect((await pollAll(consumer, 2)).map(({ queueId }) => queueId).toSorted()).toEqual([1, 3])
    await consumer.assign([queueOf(0), queueOf(3)])
    expect(consumer.assignment()).toEqual([queueOf(0), queueOf(3)])
    expect((await pollAll(consumer, 1)).map(({ queueId }) => queueId)).toEqual([0])
    await consumer.unsubscribe('T')
    expect(consumer.assignment()).toEqual([])
  })

  it('does not have the start wait for a broker that answers nothing', async () => {
    const { consumer, broker } = await litePullSetUp({ requestTimeout: 60_000 })
    broker.scripts.set(Code.QUERY_OFFSET, staySilent)
    await consumer.assign([QUEUE])
    await consumer.start()
    expect(consumer.assignment()).toEqual([])
  })

  it('waits no longer than its timeout and its signal allow, and does nothing when that had fired', async () => {
    const { consumer, broker } = await litePullSetUp({ requestTimeout: 60_000 })
    await consumer.start()
    const aborted = { code: 'ABORTED' }
    expect(await rejectionOf(consumer.assign([QUEUE], { signal: AbortSignal.abort() }))).toMatchObject(aborted)
    await consumer.subscribe('T')
    await consumer.unsubscribe('T')
    broker.scripts.set(Code.QUERY_OFFSET, staySilent)
    const late = { code: 'NOT_BALANCED', message: expect.stringContaining('assign: ') }
    expect(await rejectionOf(consumer.assign([QUEUE], { timeout: 5 }))).toMatchObject(late)
    // The rebalance of the next call comes after this one.
    await until(() => broker.server.requestsOf(Code.QUERY_OFFSET).length === 1)
    expect(await rejectionOf(consumer.unsubscribe('T', { signal: AbortSignal.abort() }))).toMatchObject(aborted)
    expect(await rejectionOf(consumer.unsubscribe('T', { timeout: 5 }))).toMatchObject({ code: 'NOT_BALANCED' })
  })

  it('asks brokers for no expression of a topic whose queues are given up', async () => {
    const { consumer, broker, cluster } = await litePullSetUp()
    cluster.addTopic('U', 1)
    broker.scripts.set(46, (request, connection) => connection.answer(request, { code: 23, remark: 'parse error' }))
    await consumer.assign([QUEUE, { ...QUEUE, topic: 'U' }], { expressions: { U: sql('a >') } })
    await consumer.unsubscribe('U')
    await consumer.start()
    expect(consumer.assignment()).toEqual([QUEUE])
  })

  it('and subscribe exclude each other also when they are called at the same time', async () => {
    const { consumer } = await litePullSetUp()
    await consumer.start()
    const results = await Promise.allSettled([consumer.subscribe('T'), consumer.assign([QUEUE])])
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  })

  it('stores the offsets of queues that it gives up', async () => {
    const { consumer, queues, offsets } = await consuming({}, 2, 'assign')
    for (const queue of queues) queue.fill(2)
    await pollAll(consumer, 4)
    await consumer.poll({ timeout: 1 })
    await consumer.assign([QUEUE])
    expect(offsets.stored.get('T-1')).toBe(2)
  })

  it('and subscribe exclude each other, until the other one is taken back', async () => {
    const { consumer } = await consuming()
    const conflict = { code: 'SUBSCRIPTION_CONFLICT', message: expect.stringContaining('mutually exclusive') }
    expect(await rejectionOf(consumer.assign([QUEUE]))).toMatchObject(conflict)
    await consumer.unsubscribe('T')
    await consumer.assign([QUEUE])
    expect(await rejectionOf(consumer.subscribe('T'))).toMatchObject(conflict)
    await consumer.assign([])
    expect(consumer.assignment()).toEqual([])
    await consumer.subscribe('T')
    expect(consumer.assignment()).toEqual([QUEUE])
  })

  it('takes an expression for a topic', async () => {
    const { consumer, queue } = await litePullSetUp()
    await consumer.assign([QUEUE], { expressions: { T: 'TagA || TagB' } })
    await consumer.start()
    queue.fill(1, { properties: { TAGS: 'TagC' } })
    queue.fill(1, { properties: { TAGS: 'TagB' } })
    expect(offsetsOf(await consumer.poll())).toEqual([1])
    expect(queue.lastPull.extFields).toMatchObject({ subscription: 'TagA || TagB', expressionType: 'TAG' })
  })

  it('has a broker check an SQL92 expression, and is refused where it does', async () => {
    const { consumer, broker } = await litePullSetUp()
    broker.scripts.set(46, (request, connection) => connection.answer(request, { code: 23, remark: 'parse error' }))
    const options = { expressions: { T: { type: 'SQL92', expression: 'a >' } } } as const
    await consumer.assign([QUEUE], options)
    expect(await rejectionOf(consumer.start())).toMatchObject({ code: 'SUBSCRIPTION_PARSE_FAILED' })
    await consumer.assign([])
    await consumer.start()
    expect(await rejectionOf(consumer.assign([QUEUE], options))).toMatchObject({ code: 'SUBSCRIPTION_PARSE_FAILED' })
    expect(consumer.assignment()).toEqual([])
  })

  it.each([
    ['what is no list', QUEUE, {}],
    ['what is no queue', [{ topic: 'T', brokerName: 'broker-a' }], {}],
    ['a topic of no name', [{ ...QUEUE, topic: 'a b' }], {}],
    ['an expression for another topic', [QUEUE], { expressions: { U: 'TagA' } }],
    ['an expression that is none', [QUEUE], { expressions: { T: ' || ' } }],
  ])('refuses %s', async (_, queues, options) => {
    const consumer = litePullConsumer({ namesrvAddr: '127.0.0.1:1' })
    expect(await rejectionOf(consumer.assign(queues as never, options))).toMatchObject({ code: 'INVALID_ARGUMENT' })
  })

  it('tells brokers of no subscription, as Java does', async () => {
    const { broker } = await consuming({}, 1, 'assign')
    const heartbeat = await until(() => broker.server.requestsOf(Code.HEARTBEAT).at(-1))
    expect(JSON.parse(heartbeat.body.toString()).consumerDataSet).toEqual([
      {
        groupName: 'g',
        consumeType: 'CONSUME_ACTIVELY',
        messageModel: 'CLUSTERING',
        consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET',
        subscriptionDataSet: [],
        unitMode: false,
      },
    ])
  })
})

describe('a lite pull consumer', () => {
  it('pulls as Java does: with its subscription, without an offset to store, as long as the broker holds it', async () => {
    const { consumer, queue } = await litePullSetUp()
    await consumer.subscribe('T', 'TagA')
    await consumer.start()
    await until(() => queue.waitingCount === 1)
    expect(queue.lastPull.code).toBe(Code.LITE_PULL)
    expect(queue.lastPull.extFields).toMatchObject({
      consumerGroup: 'g',
      sysFlag: '22',
      commitOffset: '0',
      maxMsgNums: '10',
      suspendTimeoutMillis: '20000',
      subscription: 'TagA',
      expressionType: 'TAG',
    })
  })

  it('pulls no more than its limits allow, and goes on when there is room', async () => {
    const { consumer, queues } = await consuming({ pullBatchSize: 10, pullThresholdForAll: 40 }, 3)
    for (const queue of queues) queue.fill(100)
    await until(() => consumer.health().cachedCount >= 40)
    await turns()
    // A pull of each queue may have been under way.
    expect(consumer.health().cachedCount).toBeLessThanOrEqual(60)
    expect(await pollAll(consumer, 300)).toHaveLength(300)
  })

  it('pulls no more of a queue than its limits allow', async () => {
    const { consumer, queue } = await consuming({ pullBatchSize: 10, pullThresholdForQueue: 25 })
    queue.fill(100)
    // Five more would be no whole pull.
    await until(() => consumer.health().cachedCount === 20)
    await turns()
    expect(consumer.health().cachedCount).toBe(20)
    expect(offsetsOf(await pollAll(consumer, 100))).toEqual(range(0, 100))
  })

  it('goes on elsewhere when its offset lies outside the queue, and says so', async () => {
    const { consumer, queue, broker, offsets } = await litePullSetUp()
    offsets.stored.set('T-0', 70)
    queue.fill(30)
    const answer = broker.scripts.get(Code.LITE_PULL)
    broker.scripts.set(Code.LITE_PULL, (request, connection) => {
      const fields = { suggestWhichBrokerId: 0, nextBeginOffset: 20, minOffset: 0, maxOffset: 30 }
      if (request.field('queueOffset') === '70') connection.answer(request, { code: PULL_OFFSET_MOVED, fields })
      else answer?.(request, connection)
    })
    const corrections: unknown[] = []
    consumer.on('offsetCorrected', (correction) => corrections.push(correction))
    await consumer.subscribe('T')
    await consumer.start()
    expect(offsetsOf(await pollAll(consumer, 10))).toEqual(range(20, 30))
    expect(corrections).toEqual([{ queue: QUEUE, from: 70, to: 20, reason: 'OFFSET_ILLEGAL' }])
  })

  it('goes on where an administrator wants it to, and says so', async () => {
    const { consumer, queue, broker } = await consuming()
    const events: unknown[] = []
    consumer.on('offsetsReset', (reset) => events.push(reset))
    consumer.on('offsetCorrected', (correction) => events.push(correction))
    queue.fill(5)
    await pollAll(consumer, 5)
    await until(() => queue.waitingCount === 1)
    const answer = broker.scripts.get(Code.LITE_PULL)
    const fields = { suggestWhichBrokerId: 0, nextBeginOffset: 2, minOffset: 0, maxOffset: 6 }
    broker.scripts.set(Code.LITE_PULL, (request, connection) => {
      if (answer !== undefined) broker.scripts.set(Code.LITE_PULL, answer)
      connection.answer(request, { code: PULL_OFFSET_MOVED, remark: 'OFFSET_RESET', fields })
    })
    queue.fill(1)
    await until(() => events.length === 2)
    expect(events).toEqual([
      { queue: QUEUE, from: 6, to: 2, reason: 'OFFSET_RESET' },
      { queue: QUEUE, from: 6, to: 2 },
    ])
    expect(offsetsOf(await pollAll(consumer, 4))).toEqual([2, 3, 4, 5])
  })

  it('has the names without a namespace for its user, and with it for servers', async () => {
    const { cluster, broker } = await litePullSetUp()
    cluster.addTopic('ns%T', 1)
    const queue = new ScriptedQueue(broker)
    queue.fill(3, { topic: 'ns%T' })
    const consumer = litePullConsumer(cluster, { namespace: 'ns' })
    await consumer.assign([QUEUE])
    await consumer.start()
    expect(consumer.assignment()).toEqual([QUEUE])
    expect(await consumer.fetchMessageQueues('T')).toEqual([QUEUE])
    expect((await consumer.poll())[0]?.topic).toBe('T')
    expect(queue.lastPull.extFields).toMatchObject({ topic: 'ns%T', consumerGroup: 'ns%g' })
    await consumer.commit()
    const stored = broker.server.requestsOf(Code.UPDATE_OFFSET).at(-1)
    expect(stored?.extFields).toMatchObject({ topic: 'ns%T', consumerGroup: 'ns%g', commitOffset: '3' })
  })

  it('asks brokers for times, for committed offsets and for the queues of topics', async () => {
    const { consumer, broker, offsets } = await litePullSetUp({}, 2)
    await consumer.start()
    broker.scripts.set(Code.SEARCH_OFFSET, (request, connection) => {
      connection.answer(request, { fields: { offset: Number(request.field('timestamp')) / 1000 } })
    })
    expect(await consumer.offsetForTimestamp(QUEUE, 7_000)).toBe(7)
    expect(await rejectionOf(consumer.offsetForTimestamp(QUEUE, 'now' as never))).toMatchObject({
      code: 'INVALID_ARGUMENT',
    })
    offsets.stored.set('T-1', 42)
    expect(await consumer.committed(queueOf(1))).toBe(42)
    expect(await consumer.fetchMessageQueues('T')).toEqual([queueOf(0), queueOf(1)])
    expect(await rejectionOf(consumer.fetchMessageQueues('nothing'))).toMatchObject({ code: 'TOPIC_NOT_FOUND' })
  })

  it('has a member of a group share the queues with the others', async () => {
    const { consumer, cluster, broker, group, queues } = await consuming({ instanceName: 'one' }, 4)
    const second = litePullConsumer(cluster, { instanceName: 'two' })
    await second.subscribe('T')
    await second.start()
    await until(() => group.membersAt(broker).length === 2)
    group.notify()
    await until(() => consumer.assignment().length === 2 && second.assignment().length === 2)
    for (const queue of queues) queue.fill(3)
    const messages = [...(await pollAll(consumer, 6)), ...(await pollAll(second, 6))]
    expect(messages.map(({ queueId, queueOffset }) => `${queueId}:${queueOffset}`).toSorted()).toEqual(
      range(0, 4).flatMap((id) => range(0, 3).map((offset) => `${id}:${offset}`)),
    )
  })

  it('keeps offsets in a file where messages are broadcast, and has all queues', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'offsets-'))
    onTestFinished(() => rm(directory, { recursive: true }))
    const options = { messageModel: 'BROADCASTING', localOffsetStoreDir: directory, instanceName: 'one' } as const
    const { consumer, cluster, queues, group, offsets } = await litePullSetUp(options, 2)
    group.others.push('0@other')
    await consumer.subscribe('T')
    await consumer.start()
    for (const queue of queues) queue.fill(2)
    await pollAll(consumer, 4)
    await consumer.commit()
    await consumer.shutdown()
    expect(offsets.history).toEqual([])

    const again = litePullConsumer(cluster, options)
    await again.subscribe('T')
    await again.start()
    for (const queue of queues) queue.fill(1)
    expect(offsetsOf(await pollAll(again, 2))).toEqual([2, 2])
  })

  it('tells hooks what it hands out, and when it is consumed, and leaves out what they filter', async () => {
    const calls: unknown[] = []
    const hooks = {
      filterMessage: (messages: readonly { queueOffset: number }[]) => messages.filter((m) => m.queueOffset !== 1),
      consumeMessageBefore: ({ messages }: { messages: readonly { queueOffset: number }[] }) =>
        calls.push(['before', offsetsOf(messages)]),
      consumeMessageAfter: ({ messages, success, returnType }: never) =>
        calls.push(['after', offsetsOf(messages), success, returnType]),
    }
    const { consumer, queue } = await consuming({ hooks: hooks as never })
    queue.fill(3)
    await pollAll(consumer, 2)
    expect(calls).toEqual([['before', [0, 2]]])
    await consumer.poll({ timeout: 1 })
    expect(calls.slice(1)).toEqual([['after', [0, 2], true, 'SUCCESS']])
    expect(positionOf(consumer)).toBe(3)
  })

  it('goes on when the offset store of the user fails', async () => {
    const store: OffsetStore = {
      load: async () => undefined,
      read: async () => 0,
      update: () => {
        throw new Error('full')
      },
      commit: () => Promise.reject(new Error('full')),
      persist: () => Promise.reject(new Error('full')),
      remove: () => undefined,
    }
    const { consumer, queue } = await consuming({ offsetStore: store })
    const errors: string[] = []
    consumer.on('error', ({ error }) => errors.push(error.message))
    queue.fill(2)
    expect(offsetsOf(await consumer.poll())).toEqual([0, 1])
    expect(await rejectionOf(consumer.commit())).toMatchObject({ message: 'full' })
    for await (const _ of consumer.messages({ signal: AbortSignal.abort() })) throw new Error('nothing is expected')
    await consumer.shutdown()
    expect(new Set(errors)).toEqual(new Set(['full']))
  })

  it.each([
    ['autoCommitIntervalMillis', 999],
    ['pollTimeoutMillis', -1],
    ['pullBatchSize', 0],
    ['pullThresholdForAll', 0],
    ['consumeMaxSpan', 0],
    ['consumerTimeoutMillisWhenSuspend', 20_000],
    ['clientRebalance', false],
    ['persistConsumerOffsetInterval', 100],
    ['autoComit', true],
  ])('refuses the option %s when it is %j', (name, value) => {
    expect(() => litePullConsumer({ namesrvAddr: '127.0.0.1:1' }, { [name]: value })).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringContaining(name) }),
    )
  })
})
