import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import type { MessageHandler } from '../../src/consumer/consumption-host.js'
import type { MessageExt } from '../../src/message/message.js'
import { pushConsumer, pushSetUp } from '../support/push-consumer-under-test.js'
import { Code } from '../support/scripted-cluster.js'
import { LockCode, ScriptedLocks } from '../support/scripted-locks.js'
import { turns, until } from '../support/until.js'
import type { OrderedMode } from './ordered-consumption-under-test.js'
import { offsetsOf } from './stored-messages.js'

const MODES: readonly OrderedMode[] = ['orderly', 'keyOrdered']
const SYSTEM_ERROR = 1

/** A consumer of topic T that is not started, whose handler takes messages down. */
type Options = Parameters<typeof pushConsumer>[1]

async function ordered(options: Options = {}, queueCount = 1, timing: Options = { persistConsumerOffsetInterval: 20 }) {
  const setUp = await pushSetUp(queueCount)
  const locks = new ScriptedLocks(setUp.broker)
  const consumer = pushConsumer(setUp.cluster, {
    consumeMode: 'orderly',
    instanceName: 'me',
    ...timing,
    ...options,
  })
  const messages: MessageExt[] = []
  const events: string[] = []
  consumer.on('queueLockLost', ({ queue, reason }) => events.push(`lost ${queue.topic}-${queue.queueId} ${reason}`))
  consumer.on('queueLockTaken', ({ queue }) => events.push(`taken ${queue.topic}-${queue.queueId}`))
  consumer.onMessage((batch) => void messages.push(...batch))
  await consumer.subscribe('T')
  return { ...setUp, locks, consumer, messages, events }
}

/** Periodic work stands still until the test moves it on. */
function fakeTime(): void {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] })
  onTestFinished(() => void vi.useRealTimers())
}

/** A handler that goes on until the test ends it. */
function slowHandler() {
  const running: { readonly offset: number; readonly signal: AbortSignal; end(): void }[] = []
  const handler: MessageHandler = ([message], { signal }) =>
    new Promise<void>((resolve) => running.push({ offset: message?.queueOffset ?? -1, signal, end: resolve }))
  return { running, handler }
}

describe.each(MODES)('a consumer in mode %s', (mode) => {
  it('takes the lock of a queue before it reads its offset and pulls it', async () => {
    const { consumer, queue, broker, offsets, locks, messages } = await ordered({ consumeMode: mode })
    offsets.stored.set('T-0', 3)
    queue.fill(6)
    await consumer.start()
    await until(() => messages.length === 3)
    expect(offsetsOf(messages)).toEqual([3, 4, 5])
    const ofQueue = broker.server.requests
      .filter(({ code, body }) => code !== LockCode.LOCK || body.includes('"T"'))
      .map(({ code }) => code)
      .filter((code) => code === LockCode.LOCK || code === Code.QUERY_OFFSET || code === Code.PULL)
    expect(ofQueue.slice(0, 3)).toEqual([LockCode.LOCK, Code.QUERY_OFFSET, Code.PULL])
    expect(locks.owners.get('T-0')).toBe(consumer.clientId)
  })

  it('waits for its handler when it gives up a queue; then it stores the offset, and unlocks last', async () => {
    const { consumer, queue, broker, locks, offsets } = await ordered({
      consumeMode: mode,
      persistConsumerOffsetInterval: 60_000,
    })
    const { running, handler } = slowHandler()
    consumer.onMessage(handler)
    queue.fill(2, { properties: { __SHARDINGKEY: 'a' } })
    await consumer.start()
    await until(() => running.length === 1)
    const isEnd = ({ code }: { code: number }) => code === LockCode.UNLOCK || code === Code.UPDATE_OFFSET
    const given = consumer.unsubscribe('T')
    await until(() => consumer.assignment().length === 0)
    broker.server.requests.length = 0
    await turns()
    expect(broker.server.requests.filter(isEnd)).toEqual([])
    running[0]?.end()
    await given
    expect(broker.server.requests.filter(isEnd).map(({ code }) => code)).toEqual([Code.UPDATE_OFFSET, LockCode.UNLOCK])
    expect(offsets.stored.get('T-0')).toBe(1)
    expect(locks.unlocks).toMatchObject([{ queues: ['T-0'] }])
    expect(running).toHaveLength(1)
  })

  it('tries again after a while, and sends what failed too often to the dead-letter topic before it goes on', async () => {
    const { consumer, queue, cluster, broker, offsets } = await ordered({
      consumeMode: mode,
      maxReconsumeTimes: 2,
      suspendCurrentQueueTimeMillis: 10,
    })
    cluster.addTopic('TBW102', 1)
    const got: [number, number][] = []
    consumer.onMessage(([message]) => {
      if (message === undefined) return
      got.push([message.queueOffset, message.reconsumeTimes])
      if (message.queueOffset === 0) throw new Error('no')
    })
    const failures: unknown[] = []
    consumer.on('consumeFailed', ({ error }) => failures.push(error))
    queue.fill(2, { properties: { __SHARDINGKEY: 'a', UNIQ_KEY: 'id', TRAN_MSG: 'true' } })
    await consumer.start()
    await until(() => offsets.stored.get('T-0') === 2)
    expect(got).toEqual([
      [0, 0],
      [0, 1],
      [0, 2],
      [1, 0],
    ])
    expect(failures).toHaveLength(3)
    expect(broker.sends).toHaveLength(1)
    const [sent] = broker.sends
    // b topic, i properties, j reconsumeTimes, l maxReconsumeTimes: the broker compares the last two.
    expect(sent?.field('b')).toBe('%RETRY%g')
    expect(sent?.field('j')).toBe('3')
    expect(sent?.field('l')).toBe('2')
    expect(sent?.body.toString()).toBe('body 0')
    const properties = sent?.field('i') ?? ''
    for (const property of [
      'RETRY_TOPIC\u0001T\u0002',
      'ORIGIN_MESSAGE_ID\u0001id\u0002',
      '__SHARDINGKEY\u0001a\u0002',
    ]) {
      expect(properties).toContain(property)
    }
    expect(properties).not.toContain('TRAN_MSG')
  })

  it('reports a handler that takes too long, and its queue waits on', async () => {
    const { consumer, queue } = await ordered({ consumeMode: mode, consumeTimeout: 50 })
    const { running, handler } = slowHandler()
    consumer.onMessage(handler)
    const late: string[][] = []
    consumer.on('consumeTimeout', ({ msgIds }) => late.push([...msgIds]))
    queue.fill(2, { properties: { __SHARDINGKEY: 'a', UNIQ_KEY: 'id' } })
    await consumer.start()
    await until(() => late.length === 1)
    expect(late).toEqual([['id']])
    expect(running[0]?.signal.aborted).toBe(true)
    running[0]?.end()
    await until(() => running.length === 2)
    expect(running[1]?.offset).toBe(1)
  })

  it('takes no locks where messages are broadcast, and keeps their order', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'offsets-'))
    onTestFinished(() => rm(directory, { recursive: true }))
    const { consumer, queue, locks } = await ordered({
      consumeMode: mode,
      messageModel: 'BROADCASTING',
      localOffsetStoreDir: directory,
      consumeFromWhere: 'FIRST',
      suspendCurrentQueueTimeMillis: 10,
    })
    const got: [number, number][] = []
    consumer.onMessage(([message]) => {
      if (message === undefined) return
      got.push([message.queueOffset, message.reconsumeTimes])
      if (message.queueOffset === 1 && message.reconsumeTimes < 2) throw new Error('no')
    })
    queue.fill(3, { properties: { __SHARDINGKEY: 'a' } })
    await consumer.start()
    await until(() => got.length === 5)
    expect(got).toEqual([
      [0, 0],
      [1, 0],
      [1, 1],
      [1, 2],
      [2, 0],
    ])
    expect(locks.requests).toEqual([])
  })

  it('divides queues itself, also with clientRebalance: false, as in Java', async () => {
    const { consumer, queue, broker, messages } = await ordered({ consumeMode: mode, clientRebalance: false })
    queue.fill(1)
    await consumer.start()
    await until(() => messages.length === 1)
    expect(broker.server.requestsOf(400)).toEqual([])
  })
})

describe('locks', () => {
  it('leaves a queue alone that another member has locked, until it is free', async () => {
    const { consumer, queue, locks, messages } = await ordered()
    locks.owners.set('T-0', 'another')
    queue.fill(1)
    await consumer.start()
    await until(() => locks.locks.length >= 2)
    expect(consumer.assignment()).toEqual([])
    expect(queue.pulls).toEqual([])
    locks.owners.delete('T-0')
    await until(() => messages.length === 1)
  })

  it('gives a lock back whose queue has no offset that can be read', async () => {
    const { consumer, queue, broker, locks, messages } = await ordered()
    const answer = broker.scripts.get(Code.QUERY_OFFSET)
    broker.scripts.set(Code.QUERY_OFFSET, (request, connection) =>
      connection.answer(request, { code: SYSTEM_ERROR, remark: 'busy' }),
    )
    consumer.on('error', () => undefined)
    queue.fill(1)
    await consumer.start()
    await until(() => locks.unlocks.length > 0)
    if (answer !== undefined) broker.scripts.set(Code.QUERY_OFFSET, answer)
    await until(() => messages.length === 1)
    expect(locks.owners.get('T-0')).toBe(consumer.clientId)
  })

  it('stops at once when a lock is refused: the handler is told, nothing is handed out, pulled or stored', async () => {
    fakeTime()
    const { consumer, queue, locks, offsets, events } = await ordered()
    const { running, handler } = slowHandler()
    consumer.onMessage(handler)
    queue.fill(1, { properties: { __SHARDINGKEY: 'a' } })
    await consumer.start()
    await until(() => running.length === 1)
    locks.owners.set('T-0', 'another')
    vi.advanceTimersByTime(1_000)
    await until(() => events.length === 1)
    expect(events).toEqual(['lost T-0 REFUSED'])
    expect(running[0]?.signal).toMatchObject({ aborted: true, reason: { code: 'LOCK_LOST' } })
    const pulls = queue.pulls.length
    const stored = offsets.history.length
    queue.fill(3, { properties: { __SHARDINGKEY: 'a' } })
    running[0]?.end()
    const asked = locks.locks.length
    for (let second = 1; second <= 3; second++) {
      vi.advanceTimersByTime(1_000)
      await until(() => locks.locks.length === asked + second)
      await turns(5)
    }
    expect(running).toHaveLength(1)
    expect(queue.pulls.length).toBe(pulls)
    expect(offsets.history).toHaveLength(stored)
    locks.owners.delete('T-0')
    vi.advanceTimersByTime(1_000)
    await until(() => running.length === 2)
    expect(running[1]?.offset).toBe(1)
    expect(events).toEqual(['lost T-0 REFUSED', 'taken T-0'])
    vi.advanceTimersByTime(20)
    await until(() => offsets.stored.get('T-0') === 1)
  })

  it('goes on where another member left off that had the lock meanwhile', async () => {
    fakeTime()
    const { consumer, queue, locks, offsets, events } = await ordered()
    const { running, handler } = slowHandler()
    consumer.onMessage(handler)
    queue.fill(10, { properties: { __SHARDINGKEY: 'a' } })
    await consumer.start()
    await until(() => running.length === 1)
    locks.owners.set('T-0', 'another')
    vi.advanceTimersByTime(1_000)
    await until(() => events.length === 1)
    offsets.stored.set('T-0', 6)
    locks.owners.delete('T-0')
    vi.advanceTimersByTime(1_000)
    await until(() => events.length === 2)
    await turns()
    // What the first handler does is no business of the queue any more, but nobody works beside it.
    expect(running).toHaveLength(1)
    running[0]?.end()
    await until(() => running.length === 2)
    expect(running[1]?.offset).toBe(6)
    await turns()
    expect(offsets.stored.get('T-0')).toBe(6)
  })

  it('stops while the connection is cut, and goes on when its broker has renewed the lock', async () => {
    const { consumer, queue, broker, offsets, events, messages } = await ordered()
    consumer.on('error', () => undefined)
    queue.fill(5)
    await consumer.start()
    await until(() => offsets.stored.get('T-0') === 5)
    for (const connection of broker.server.openConnections) connection.reset()
    await until(() => events.filter((event) => event.includes('T-0')).length === 2)
    expect(events).toContain('lost T-0 DISCONNECTED')
    queue.fill(5)
    await until(() => messages.length === 10)
    expect(offsetsOf(messages)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  it('unlocks all queues when it is shut down: the one whose offset is stored first, then the others with one request', async () => {
    const { consumer, locks } = await ordered({}, 4)
    await consumer.start()
    await until(() => consumer.assignment().length === 4)
    await consumer.shutdown()
    expect(locks.unlocks.flatMap(({ queues }) => queues).sort()).toEqual(['T-0', 'T-1', 'T-2', 'T-3'])
    expect(locks.unlocks.map(({ queues }) => queues.length)).toEqual([1, 3])
    expect(locks.owners.size).toBe(0)
  })

  it('unlocks queues also of handlers that the shutdown does not wait for', async () => {
    const { consumer, queue, locks } = await ordered()
    const { running, handler } = slowHandler()
    consumer.onMessage(handler)
    queue.fill(1)
    await consumer.start()
    await until(() => running.length === 1)
    await consumer.shutdown({ timeout: 0 })
    expect(running[0]?.signal.aborted).toBe(true)
    expect(locks.owners.size).toBe(0)
  })

  it('does not wait longer than a shutdown may for the handler of a queue that it was giving up already', async () => {
    const { consumer, queue, locks } = await ordered()
    const { running, handler } = slowHandler()
    consumer.onMessage(handler)
    const left: string[] = []
    consumer.on('left', ({ queues }) => left.push(...queues.flatMap(({ msgIds }) => msgIds)))
    queue.fill(1, { properties: { __SHARDINGKEY: 'a' } })
    await consumer.start()
    const call = await until(() => running[0])
    void consumer.unsubscribe('T')
    await until(() => !consumer.assignment().some(({ topic }) => topic === 'T'))
    await consumer.shutdown({ timeout: 0 })
    expect(call.signal.reason).toMatchObject({ code: 'QUEUE_REVOKED' })
    expect(left).toHaveLength(1)
    expect(locks.owners.has('T-0')).toBe(false)
  })

  it('has no lock taken twice while a queue is closed and opened again', async () => {
    const { consumer, locks } = await ordered()
    await consumer.start()
    await until(() => consumer.assignment().length === 1)
    await consumer.unsubscribe('T')
    await consumer.subscribe('T')
    expect(locks.requests.filter(({ queues }) => queues.includes('T-0')).map(({ kind }) => kind)).toEqual([
      'lock',
      'unlock',
      'lock',
    ])
  })

  it('works under the names that servers know, where there is a namespace', async () => {
    const setUp = await pushSetUp(1, 'ns%g', 'ns%T')
    const locks = new ScriptedLocks(setUp.broker)
    const consumer = pushConsumer(setUp.cluster, { consumeMode: 'orderly', namespace: 'ns' })
    const messages: MessageExt[] = []
    consumer.onMessage((batch) => void messages.push(...batch))
    await consumer.subscribe('T')
    setUp.queue.fill(1, { topic: 'ns%T' })
    await consumer.start()
    await until(() => messages.length === 1)
    expect(locks.locks.map(({ group, queues }) => [group, ...queues])).toContainEqual(['ns%g', 'ns%T-0'])
  })
})

describe('a consumer that keeps order', () => {
  it('stores offsets soon, unless it is told otherwise', async () => {
    const { consumer, queue, offsets, messages } = await ordered({}, 1, {})
    await consumer.start()
    await until(() => queue.waitingCount === 1)
    for (let i = 1; i <= 3; i++) {
      queue.fill(1)
      await until(() => messages.length === i)
      // Neither with the next pull, which is held until there is another message, nor within the 5 seconds of other consumers.
      await until(() => offsets.stored.get('T-0') === i, 3_000)
    }
  })

  it('works on many keys of a queue at a time, in mode keyOrdered', async () => {
    const { consumer, queue, offsets } = await ordered({ consumeMode: 'keyOrdered', consumeConcurrency: 10 })
    const { running, handler } = slowHandler()
    consumer.onMessage(handler)
    queue.store(
      ...Array.from({ length: 10 }, (_, i) => ({ queueOffset: i, properties: { __SHARDINGKEY: `key ${i % 5}` } })),
    )
    await consumer.start()
    await until(() => running.length === 5)
    expect(running.map(({ offset }) => offset)).toEqual([0, 1, 2, 3, 4])
    for (let i = 9; i >= 0; i--) {
      await until(() => running.some(({ offset }) => offset === i % 5))
      if (i < 5) running.find(({ offset }) => offset === i)?.end()
    }
    await until(() => running.length === 10)
    for (const { end } of running) end()
    await until(() => offsets.stored.get('T-0') === 10)
  })

  it.each([
    ['consumeMode', 'ordered'],
    ['suspendCurrentQueueTimeMillis', 9],
    ['suspendCurrentQueueTimeMillis', 30_001],
    ['suspendCurrentQueueTimeMillis', '1000'],
  ])('refuses the option %s when it is %j', (name, value) => {
    const options = { consumerGroup: 'g', namesrvAddr: '127.0.0.1:1', [name]: value }
    expect(() => pushConsumer({ namesrvAddr: '127.0.0.1:1' }, options)).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringContaining(name) }),
    )
  })

  it('pulls on whatever the span, in mode orderly: nothing is far behind', async () => {
    const { consumer, queue, messages } = await ordered({ consumeConcurrentlyMaxSpan: 1 })
    const { running, handler } = slowHandler()
    consumer.onMessage(handler)
    queue.store({ queueOffset: 0 }, { queueOffset: 10 }, { queueOffset: 20 })
    await consumer.start()
    await until(() => running.length === 1)
    queue.store({ queueOffset: 30 })
    await until(() => consumer.health().queues[0]?.cachedCount === 4)
    expect(messages).toEqual([])
  })

  it('survives listeners that throw when locks are lost and taken', async () => {
    const { consumer, queue, broker, messages } = await ordered()
    const listener = vi.fn(() => {
      throw new Error('a listener of the user')
    })
    consumer.on('queueLockLost', listener)
    consumer.on('queueLockTaken', listener)
    consumer.on('error', () => undefined)
    queue.fill(1)
    await consumer.start()
    await until(() => messages.length === 1)
    for (const connection of broker.server.openConnections) connection.reset()
    await until(() => listener.mock.calls.length >= 2)
    queue.fill(1)
    await until(() => messages.length === 2)
  })
})
