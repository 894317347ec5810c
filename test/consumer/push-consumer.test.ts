import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import type { OffsetStore } from '../../src/consumer/offset-store.js'
import { silentLogger } from '../../src/logger.js'
import type { MessageExt } from '../../src/message/message.js'
import { pushConsumer, pushSetUp } from '../support/push-consumer-under-test.js'
import { Code } from '../support/scripted-cluster.js'
import { pullAnswer, storedMessage } from '../support/stored-message-bytes.js'
import { rejectionOf, turns, until } from '../support/until.js'
import { ScriptedQueue } from './scripted-queue.js'
import { offsetsOf } from './stored-messages.js'

const SYSTEM_ERROR = 1
const PULL_OFFSET_MOVED = 21
const QUEUE = { topic: 'T', brokerName: 'broker-a', queueId: 0 }

/** A started consumer of topic T whose handler takes messages down, and ends when the test says so. */
async function consuming(options: Parameters<typeof pushConsumer>[1] = {}, queueCount = 1) {
  const setUp = await pushSetUp(queueCount)
  const consumer = pushConsumer(setUp.cluster, { persistConsumerOffsetInterval: 20, ...options })
  const messages: MessageExt[] = []
  consumer.onMessage((batch) => void messages.push(...batch))
  await consumer.subscribe('T')
  return { ...setUp, consumer, messages }
}

describe('a push consumer', () => {
  it('hands messages to its handler and stores how far it came', async () => {
    const { consumer, queue, offsets, messages } = await consuming()
    queue.fill(50)
    await consumer.start()
    await until(() => messages.length === 50)
    expect(offsetsOf(messages)).toEqual(Array.from({ length: 50 }, (_, i) => i))
    await until(() => offsets.stored.get('T-0') === 50)
    expect(consumer.assignment()).toEqual([QUEUE])
  })

  it('begins at the stored offset', async () => {
    const { consumer, queue, offsets, messages } = await consuming()
    offsets.stored.set('T-0', 7)
    queue.fill(9)
    await consumer.start()
    await until(() => messages.length === 2)
    expect(offsetsOf(messages)).toEqual([7, 8])
  })

  it('stores where it began with a queue that the group had no offset of, so that nobody misses what comes meanwhile', async () => {
    const { consumer, offsets, queue } = await consuming()
    await consumer.start()
    await until(() => queue.waitingCount === 1)
    await consumer.shutdown()
    expect(offsets.history).toEqual([['T-0', 0]])
  })

  it('stores no offset of a message that is not consumed', async () => {
    const { consumer, queue, offsets } = await consuming({ consumeConcurrency: 3 })
    const release: (() => void)[] = []
    consumer.onMessage(([message]) =>
      message?.queueOffset === 1 ? new Promise<void>((resolve) => release.push(resolve)) : undefined,
    )
    queue.fill(5)
    await consumer.start()
    await until(() => offsets.stored.get('T-0') === 1)
    queue.fill(5)
    await until(() => consumer.health().queues[0]?.cachedCount === 1 && queue.maxOffset === 10)
    await turns()
    expect(offsets.stored.get('T-0')).toBe(1)
    release[0]?.()
    await until(() => offsets.stored.get('T-0') === 10)
  })

  it('pulls ahead what its handlers need, and goes on when they take some', async () => {
    const { consumer, queue } = await consuming({ consumeConcurrency: 1, pullThresholdForQueue: 60_000 })
    let release = (): void => undefined
    const released = new Promise<void>((resolve) => {
      release = resolve
    })
    onTestFinished(() => release())
    let handled = 0
    consumer.onMessage(() => {
      handled++
      return released
    })
    queue.fill(2_000)
    const cached = () => consumer.health().queues[0]?.cachedCount
    await consumer.start()
    await until(() => handled === 1 && Number(cached()) >= 1 + 1024)
    await turns()
    expect(Number(cached())).toBeLessThan(1 + 1024 + 32)
    consumer.updateConsumeConcurrency(500)
    // None has ended.
    await until(() => handled === 500 && Number(cached()) >= 500 + 1024)
    release()
    await until(() => handled === 2_000)
  })

  it('refuses a start without a handler, and a handler that is none', async () => {
    const { cluster } = await pushSetUp()
    const consumer = pushConsumer(cluster)
    expect(await rejectionOf(consumer.start())).toMatchObject({ code: 'NO_MESSAGE_HANDLER' })
    expect(() => consumer.onMessage('no' as never)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
    consumer.onMessage(() => undefined)
    await consumer.start()
  })

  it('takes another handler while it runs', async () => {
    const { consumer, queue, messages } = await consuming()
    queue.fill(1)
    await consumer.start()
    await until(() => messages.length === 1)
    const others: MessageExt[] = []
    consumer.onMessage((batch) => void others.push(...batch))
    queue.fill(1)
    await until(() => others.length === 1)
    expect(messages).toHaveLength(1)
  })

  it.each([
    ['consumeConcurrency', 0],
    ['consumeMessageBatchMaxSize', 1025],
    ['consumeRateLimit', 0],
    ['pullThresholdForTopic', 0],
    ['pullThresholdSizeForTopic', -2],
    ['undecodableMessagePolicy', 'ignore'],
    ['consumerTimeoutMillisWhenSuspend', 15_000],
    ['hooks', [() => undefined]],
    ['hooks', { filterMessage: 'no' }],
    ['pullThreshold', 5],
  ])('refuses the option %s when it is %j', async (name, value) => {
    const options = { consumerGroup: 'g', namesrvAddr: '127.0.0.1:1', [name]: value }
    expect(() => pushConsumer({ namesrvAddr: '127.0.0.1:1' }, options)).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringContaining(name) }),
    )
  })

  it('changes its concurrency while it runs, within limits', async () => {
    const { consumer, queue } = await consuming({ consumeConcurrency: 1 })
    let running = 0
    consumer.onMessage(() => {
      running++
      return new Promise(() => undefined)
    })
    queue.fill(10)
    await consumer.start()
    await until(() => running === 1)
    consumer.updateConsumeConcurrency(4)
    await until(() => running === 4)
    expect(consumer.consumeConcurrency).toBe(4)
    for (const wrong of [0, 1.5, Number.NaN, '3'])
      expect(() => consumer.updateConsumeConcurrency(wrong as number)).toThrow('consumeConcurrency')
  })

  it('suspends: no pull and no call of the handler until it is resumed', async () => {
    const { consumer, queue, messages } = await consuming()
    consumer.suspend()
    await consumer.start()
    await until(() => consumer.assignment().length === 1)
    queue.fill(3)
    await turns()
    expect([messages.length, queue.pulls.length]).toEqual([0, 0])
    expect(consumer.isSuspended).toBe(true)
    consumer.resume()
    await until(() => messages.length === 3)
    consumer.suspend()
    queue.fill(3)
    await turns()
    expect(messages).toHaveLength(3)
    consumer.resume()
    await until(() => messages.length === 6)
  })

  it('gives up the queues of a topic that it unsubscribes from', async () => {
    const { consumer, queue, offsets, messages } = await consuming()
    queue.fill(1)
    await consumer.start()
    await until(() => messages.length === 1)
    await consumer.unsubscribe('T')
    expect(consumer.assignment()).toEqual([])
    expect(offsets.stored.get('T-0')).toBe(1)
    queue.fill(1)
    await turns()
    expect(messages).toHaveLength(1)
  })

  it('pulls with subscription version, as the group is registered', async () => {
    const { consumer, queue, messages, group } = await consuming({ persistConsumerOffsetInterval: 60_000 })
    await consumer.start()
    queue.fill(1)
    await until(() => messages.length === 1)
    queue.fill(1)
    await until(() => messages.length === 2 && queue.waitingCount === 1)
    const { extFields } = queue.lastPull
    expect(extFields).toMatchObject({ consumerGroup: 'g', sysFlag: '2', commitOffset: '0', expressionType: 'TAG' })
    expect(extFields).not.toHaveProperty('subscription')
    expect(Number(extFields.subVersion)).toBe((group.subscriptions.T as { subVersion: number }).subVersion)
  })

  it('shows how its queues are', async () => {
    const { consumer, queue } = await consuming({ consumeConcurrency: 1 })
    consumer.onMessage(() => new Promise(() => undefined))
    queue.fill(3)
    await consumer.start()
    await until(() => queue.waitingCount === 1)
    const health = consumer.health()
    expect(health).toMatchObject({ isHealthy: true, lag: 3, cachedCount: 3, inFlight: 1 })
    expect(health.queues).toMatchObject([{ queue: QUEUE, commitOffset: 0, lag: 3, fault: undefined }])
    expect(health.oldestInFlight?.queue).toEqual(QUEUE)
  })

  it('is unhealthy while a queue can not be pulled, and says why', async () => {
    const { consumer, broker } = await consuming({ pullTimeDelayMillsWhenException: 5 })
    const errors: string[] = []
    consumer.on('error', ({ what }) => errors.push(what))
    broker.scripts.set(Code.PULL, (request, connection) => connection.answer(request, { code: SYSTEM_ERROR }))
    await consumer.start()
    await until(() => !consumer.health().isHealthy && consumer.health().queues[0]?.fault !== undefined)
    expect(consumer.health().queues[0]?.fault).toMatchObject({ code: 'SYSTEM_ERROR' })
    expect(errors).toEqual(['pulling T broker-a[0] failed; it is tried again'])
    const queue = new ScriptedQueue(broker)
    await until(() => queue.waitingCount === 1 && consumer.health().isHealthy)
  })

  it('has the names without a namespace for its user, and with it for servers', async () => {
    const { cluster, queue, group } = await pushSetUp(1, 'ns%g', 'ns%T')
    const consumer = pushConsumer(cluster, { namespace: 'ns' })
    const messages: MessageExt[] = []
    consumer.onMessage((batch, context) => {
      expect(context.messageQueue).toEqual(QUEUE)
      messages.push(...batch)
    })
    await consumer.subscribe('T')
    queue.store({ queueOffset: 0, topic: 'ns%T' })
    await consumer.start()
    await until(() => messages.length === 1)
    expect(messages[0]?.topic).toBe('T')
    expect(queue.lastPull.extFields).toMatchObject({ consumerGroup: 'ns%g', topic: 'ns%T' })
    expect(Object.keys(group.subscriptions)).toEqual(['%RETRY%ns%g', 'ns%T'])
  })

  it('harms nothing when listeners, the logger or the offset store of the user throw', async () => {
    const boom = () => {
      throw new Error('boom')
    }
    let isBroken = false
    const offsetStore: OffsetStore = {
      load: async () => undefined,
      read: async () => 0,
      update: () => isBroken && boom(),
      commit: async () => boom(),
      persist: async () => boom(),
      remove: boom,
    }
    const { consumer, queue, messages } = await consuming({ offsetStore })
    for (const event of ['consumeFailed', 'consumeSlow', 'queuesChanged'] as const) consumer.on(event, boom)
    const errors: string[] = []
    consumer.on('error', ({ what }) => errors.push(what))
    isBroken = true
    await consumer.start()
    queue.fill(5)
    await until(() => messages.length === 5)
    await until(() => errors.some((what) => what.includes('the offset store failed')))
    await consumer.shutdown()
  })
})

describe('messages that come back', () => {
  it('are sent back to their broker, with what the handler chose, and the offset moves on when they are there', async () => {
    const { consumer, queue, offsets, broker } = await consuming({ maxReconsumeTimes: 3 })
    const failed: unknown[] = []
    consumer.on('consumeFailed', ({ queue, msgIds, error, messages }) =>
      failed.push([queue.queueId, msgIds, (error as Error).message, messages.length]),
    )
    consumer.onMessage((_messages, context) => {
      context.delayLevelWhenNextConsume = 4
      throw new Error('not today')
    })
    queue.store({ queueOffset: 0, properties: { UNIQ_KEY: 'id0' } })
    await consumer.start()
    await until(() => offsets.stored.get('T-0') === 1)
    expect(broker.server.requestsOf(Code.SEND_BACK).map(({ extFields }) => extFields)).toEqual([
      {
        offset: '0',
        group: 'g',
        delayLevel: '4',
        originMsgId: 'id0',
        originTopic: 'T',
        unitMode: 'false',
        maxReconsumeTimes: '3',
        bname: 'broker-a',
      },
    ])
    expect(failed).toEqual([[0, ['id0'], 'not today', 1]])
  })

  it('come back 16 times where nothing else is said', async () => {
    const { consumer, queue, broker } = await consuming()
    consumer.onMessage(() => Promise.reject(new Error('no')))
    queue.fill(1)
    await consumer.start()
    const request = await until(() => broker.server.requestsOf(Code.SEND_BACK)[0])
    expect(request.extFields).toMatchObject({ maxReconsumeTimes: '16', delayLevel: '0' })
  })

  it('have the topic that they were sent to, though they come by the retry topic', async () => {
    const { cluster, queue } = await pushSetUp(1, 'ns%g', '%RETRY%ns%g')
    const consumer = pushConsumer(cluster, { namespace: 'ns' })
    const got: MessageExt[] = []
    consumer.onMessage((batch, context) => {
      expect(context.messageQueue.topic).toBe('%RETRY%g')
      got.push(...batch)
    })
    queue.store({ queueOffset: 0, topic: '%RETRY%ns%g', properties: { RETRY_TOPIC: 'ns%T' } })
    await consumer.start()
    await until(() => got.length === 1)
    expect(got[0]).toMatchObject({ topic: 'T' })
    expect(got[0]?.properties).toMatchObject({ RETRY_TOPIC: 'ns%T', MIN_OFFSET: '0' })
  })

  it('are dropped, and told of, where messages are broadcast', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'offsets-'))
    onTestFinished(() => rm(directory, { recursive: true }))
    const { consumer, queue, broker } = await consuming({
      messageModel: 'BROADCASTING',
      localOffsetStoreDir: directory,
    })
    const dropped: string[][] = []
    consumer.on('messagesDropped', ({ msgIds }) => dropped.push([...msgIds]))
    consumer.onMessage(([message]) => {
      if (message?.queueOffset === 0) throw new Error('no')
    })
    queue.store({ queueOffset: 0, properties: { UNIQ_KEY: 'id0' } }, { queueOffset: 1 })
    await consumer.start()
    await until(() => dropped.length === 1)
    expect(dropped).toEqual([['id0']])
    await until(() => queue.waitingCount === 1)
    expect(queue.lastPull.extFields).toMatchObject({ sysFlag: '2', commitOffset: '0' })
    await consumer.shutdown()
    const clientId = consumer.clientId.replace(/@.*/, '@DEFAULT')
    expect(await readFile(join(directory, clientId, 'g', 'offsets.json'), 'utf8')).toContain(
      '{"brokerName":"broker-a","queueId":0,"topic":"T"}:2',
    )
    expect(broker.server.requestsOf(Code.SEND_BACK)).toEqual([])
    expect(broker.server.requestsOf(Code.UPDATE_OFFSET)).toEqual([])
  })

  it('come from a handler whose time is over, and it is told of which', async () => {
    const { consumer, queue, broker, offsets } = await consuming({ consumeTimeout: 60 })
    const events: unknown[] = []
    consumer.on('consumeSlow', ({ msgIds }) => events.push(['slow', ...msgIds]))
    consumer.on('consumeTimeout', ({ msgIds, elapsed, queue }) =>
      events.push(['timeout', ...msgIds, elapsed >= 60, queue.queueId]),
    )
    let isAborted = false
    consumer.onMessage((_messages, { signal }) => {
      signal.addEventListener('abort', () => {
        isAborted = true
      })
      return new Promise(() => undefined)
    })
    queue.store({ queueOffset: 0, properties: { UNIQ_KEY: 'id0' } })
    await consumer.start()
    await until(() => offsets.stored.get('T-0') === 1)
    expect(events).toEqual([
      ['slow', 'id0'],
      ['timeout', 'id0', true, 0],
    ])
    expect(isAborted).toBe(true)
    expect(broker.server.requestsOf(Code.SEND_BACK)[0]?.extFields).toMatchObject({ delayLevel: '3' })
  })
})

describe('an offset that a broker corrects', () => {
  it('is stored, and told of', async () => {
    const { consumer, broker, offsets } = await consuming({ persistConsumerOffsetInterval: 60_000 })
    offsets.stored.set('T-0', 900)
    const corrections: unknown[] = []
    consumer.on('offsetCorrected', (correction) => corrections.push(correction))
    const answered: string[] = []
    broker.scripts.set(Code.PULL, (request, connection) => {
      answered.push(request.field('queueOffset') ?? '')
      if (request.field('queueOffset') !== '900') return
      const answer = pullAnswer(PULL_OFFSET_MOVED, { nextBeginOffset: 3 })
      connection.answer(request, { ...answer, remark: 'OFFSET_OVERFLOW_BADLY' })
    })
    await consumer.start()
    await until(() => answered.includes('3'))
    expect(corrections).toEqual([{ queue: QUEUE, from: 900, to: 3, reason: 'OFFSET_OVERFLOW_BADLY' }])
    expect(offsets.history).toEqual([['T-0', 3]])
  })

  it('makes what handlers have no business of the queue', async () => {
    const { consumer, broker, offsets } = await consuming({ consumeConcurrency: 1 })
    offsets.stored.set('T-0', 0)
    const release: (() => void)[] = []
    const got: number[] = []
    consumer.onMessage(([message]) => {
      got.push(message?.queueOffset ?? -1)
      return new Promise<void>((resolve) => release.push(resolve))
    })
    const bodies = (...at: number[]) => Buffer.concat(at.map((queueOffset) => storedMessage({ queueOffset })))
    broker.scripts.set(Code.PULL, (request, connection) => {
      const offset = request.field('queueOffset')
      if (offset === '0') connection.answer(request, pullAnswer(0, { nextBeginOffset: 2 }, bodies(0, 1)))
      if (offset === '2')
        connection.answer(request, {
          ...pullAnswer(PULL_OFFSET_MOVED, { nextBeginOffset: 500 }),
          remark: 'OFFSET_RESET',
        })
      if (offset === '500') connection.answer(request, pullAnswer(0, { nextBeginOffset: 501 }, bodies(500)))
    })
    await consumer.start()
    await until(() => consumer.health().queues[0]?.cachedCount === 1)
    release[0]?.()
    await until(() => got.length === 2)
    expect(got).toEqual([0, 500])
    release[1]?.()
    await until(() => offsets.stored.get('T-0') === 501)
    // Where it began may have been stored before, and the same offset may be stored by two reasons at a time.
    const stored = new Set(offsets.history.map(([, offset]) => offset).filter((offset) => offset > 0))
    expect([...stored]).toEqual([500, 501])
  })
})

describe('hooks', () => {
  it('are called around each call of the handler', async () => {
    const seen: unknown[] = []
    const hooks = {
      consumeMessageBefore: (context: object) => seen.push(['before', { ...context }]),
      consumeMessageAfter: (context: object) => seen.push(['after', { ...context }]),
    }
    const { consumer, queue } = await consuming({ hooks: [hooks] as never })
    const error = new Error('no')
    consumer.onMessage(() => {
      throw error
    })
    queue.fill(1)
    await consumer.start()
    await until(() => seen.length === 2)
    const base = { consumerGroup: 'g', messageQueue: QUEUE, messages: [expect.objectContaining({ queueOffset: 0 })] }
    expect(seen).toEqual([
      ['before', { ...base, startedAt: expect.any(Number), elapsed: 0 }],
      [
        'after',
        {
          ...base,
          startedAt: expect.any(Number),
          elapsed: expect.any(Number),
          success: false,
          returnType: 'EXCEPTION',
          error,
        },
      ],
    ])
  })

  it('leave messages out, which count as consumed', async () => {
    const { consumer, queue, messages, offsets } = await consuming({
      hooks: [
        { filterMessage: (batch) => batch.filter(({ queueOffset }) => queueOffset !== 1) },
        { filterMessage: (batch, messageQueue) => (messageQueue.queueId === 0 ? batch.slice(1) : batch) },
      ],
    })
    queue.fill(4)
    await consumer.start()
    await until(() => messages.length === 2)
    expect(offsetsOf(messages)).toEqual([2, 3])
    await until(() => offsets.stored.get('T-0') === 4)
  })

  it('harm nothing when they throw, reject or give back nonsense', async () => {
    const warn = vi.fn()
    const boom = () => {
      throw new Error('boom')
    }
    const { consumer, queue, messages } = await consuming({
      logger: { ...silentLogger, warn },
      hooks: [
        { consumeMessageBefore: boom, consumeMessageAfter: boom, filterMessage: boom },
        { consumeMessageBefore: async () => boom(), filterMessage: () => 'nonsense' as never },
        { filterMessage: (batch) => [...batch, {} as MessageExt] },
      ],
    })
    queue.fill(2)
    await consumer.start()
    await until(() => messages.length === 2)
    const told = warn.mock.calls.map(([message]) => message)
    for (const hook of ['consumeMessageBefore', 'consumeMessageAfter', 'filterMessage'])
      expect(told).toContain(`hook ${hook} threw`)
    expect(told).toContainEqual(expect.stringContaining("filterMessage gave back 'nonsense'"))
  })
})

describe('a shutdown', () => {
  it('lets handlers finish, hands out nothing more, and stores the offset before it leaves the group', async () => {
    const { consumer, queue, offsets, broker } = await consuming({
      consumeConcurrency: 2,
      persistConsumerOffsetInterval: 60_000,
    })
    const release: (() => void)[] = []
    consumer.onMessage(() => new Promise<void>((resolve) => release.push(resolve)))
    queue.fill(10)
    await consumer.start()
    await until(() => release.length === 2)
    const left = vi.fn()
    consumer.on('left', left)
    const shutdown = consumer.shutdown()
    await turns()
    expect(broker.server.requestsOf(Code.UNREGISTER)).toEqual([])
    for (const end of release) end()
    await shutdown
    expect(release).toHaveLength(2)
    expect(offsets.stored.get('T-0')).toBe(2)
    const codes = broker.server.requests.map(({ code }) => code)
    expect(codes.lastIndexOf(Code.UPDATE_OFFSET)).toBeLessThan(codes.indexOf(Code.UNREGISTER))
    expect(left).not.toHaveBeenCalled()
  })

  it('waits no longer than it is told, and says what handlers still have', async () => {
    const { consumer, queue, offsets } = await consuming({ persistConsumerOffsetInterval: 60_000 })
    const signals: AbortSignal[] = []
    consumer.onMessage((_messages, { signal }) => {
      signals.push(signal)
      return new Promise(() => undefined)
    })
    queue.store({ queueOffset: 0, properties: { UNIQ_KEY: 'id0' } })
    await consumer.start()
    await until(() => signals.length === 1)
    const left: unknown[] = []
    consumer.on('left', (event) => left.push(event))
    await consumer.shutdown({ timeout: 20 })
    expect(left).toEqual([{ queues: [{ queue: QUEUE, msgIds: ['id0'] }] }])
    expect(signals[0]?.aborted).toBe(true)
    expect(offsets.stored.get('T-0') ?? 0).toBe(0)
  })
})

describe('several queues', () => {
  it('share the limits of their topic', async () => {
    const { consumer, queues } = await consuming({ pullThresholdForTopic: 40, consumeConcurrency: 1 }, 4)
    consumer.onMessage(() => new Promise(() => undefined))
    for (const queue of queues) queue.fill(100)
    consumer.suspend()
    await consumer.start()
    await until(() => consumer.assignment().length === 4)
    consumer.resume()
    await until(() => consumer.health().cachedCount >= 40)
    await turns()
    expect(consumer.health().queues.map(({ cachedCount }) => cachedCount)).toEqual([10, 10, 10, 10])
  })
})
