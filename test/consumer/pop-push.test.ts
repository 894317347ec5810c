import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { LoopPause } from '../../src/consumer/loop-pause.js'
import type { PushConsumer } from '../../src/consumer/push-consumer.js'
import type { PushConsumerOptions } from '../../src/consumer/push-consumer-options.js'
import type { MessageExt } from '../../src/message/message.js'
import { pushConsumer } from '../support/push-consumer-under-test.js'
import { Code, type ScriptedCluster, scriptedCluster } from '../support/scripted-cluster.js'
import { GroupCode, ScriptedGroup } from '../support/scripted-group.js'
import { PopCode, ScriptedPop } from '../support/scripted-pop.js'
import { rejectionOf, turns, until } from '../support/until.js'

const SET_MODE = 401
const POLLING_FULL = 209
const SYSTEM_ERROR = 1
const NO_PERMISSION = 16
const AT_ONCE = 1
const V4_9_7 = 407

const range = (count: number) => Array.from({ length: count }, (_, i) => i)
const sorted = (numbers: readonly number[]) => [...numbers].sort((a, b) => a - b)

interface Modes {
  /** How brokers say that topics are fetched; a request may change it. */
  mode: 'PULL' | 'POP'
  /** Whether other members have all the queues for as long as they are pulled. */
  isTaken: boolean
  readonly set: { topic: string; consumerGroup: string; mode: string; popShareQueueNum: number }[]
}

/** Brokers that divide queues, and let all members pop all of them. */
function assignments(cluster: ScriptedCluster, mode: Modes['mode']): Modes {
  const modes: Modes = { mode, isTaken: false, set: [] }
  for (const broker of cluster.brokers) {
    broker.scripts.set(GroupCode.QUERY_ASSIGNMENT, (request, connection) => {
      const { topic } = JSON.parse(request.body.toString()) as { topic: string }
      const pulled = modes.mode === 'PULL'
      const isNone = topic.startsWith('%RETRY%') || (pulled && modes.isTaken)
      const queues = isNone ? [] : cluster.brokers.map(({ name: brokerName }) => ({ topic, brokerName, queueId: -1 }))
      const list = queues.map((queue) => ({ messageQueue: { ...queue, queueId: pulled ? 0 : -1 }, mode: modes.mode }))
      connection.answer(request, { body: Buffer.from(JSON.stringify({ messageQueueAssignments: list })) })
    })
    broker.scripts.set(SET_MODE, (request, connection) => {
      modes.set.push(JSON.parse(request.body.toString()))
      modes.mode = 'POP'
      connection.answer(request)
    })
  }
  return modes
}

/** A consumer of topic T in POP mode that is not started. */
async function popSetUp(
  options: Partial<PushConsumerOptions> = {},
  mode: Modes['mode'] = 'POP',
  brokerNames: readonly string[] = ['broker-a'],
) {
  const cluster = await scriptedCluster(brokerNames)
  new ScriptedGroup(cluster)
  const modes = assignments(cluster, mode)
  const pops = cluster.brokers.map((broker) => new ScriptedPop(broker))
  const consumer = pushConsumer(cluster, { popMode: true, ...options })
  await consumer.subscribe('T')
  return { cluster, modes, pops, pop: pops[0] as ScriptedPop, consumer }
}

/** Takes messages down, and holds their handlers until the test lets them end. */
function holding(consumer: PushConsumer) {
  const messages: MessageExt[] = []
  const ends: (() => void)[] = []
  consumer.onMessage((batch) => {
    messages.push(...batch)
    return new Promise<void>((resolve) => ends.push(resolve))
  })
  return { messages, ends }
}

/** Makes the clock that leases go by show this much more, until the running test ends; timers know nothing of it. */
function passTime(milliseconds: number): void {
  const now = performance.now.bind(performance)
  const spy = vi.spyOn(performance, 'now').mockImplementation(() => now() + milliseconds)
  onTestFinished(() => spy.mockRestore())
}

describe('a push consumer in POP mode', () => {
  it('hands messages of all queues to its handler, and acknowledges what it has consumed', async () => {
    const { consumer, pops } = await popSetUp({}, 'POP', ['broker-a', 'broker-b'])
    const seen: MessageExt[] = []
    consumer.onMessage((batch) => void seen.push(...batch))
    for (const pop of pops) pop.fill(40)
    await consumer.start()
    await until(() => pops.every((pop) => pop.acked.length === 40))
    expect(seen).toHaveLength(80)
    for (const pop of pops) expect(sorted(pop.ackedOffsets)).toEqual(range(40))
    expect(consumer.assignment().map(({ brokerName, queueId }) => [brokerName, queueId])).toEqual([
      ['broker-a', -1],
      ['broker-b', -1],
    ])
  })

  it('pops as it is told to, and waits at the broker', async () => {
    const { consumer, pop } = await popSetUp({
      popInvisibleTime: 7_000,
      popBatchNums: 5,
      consumeFromWhere: 'FIRST',
      brokerSuspendMaxTimeMillis: 400,
    })
    consumer.onMessage(() => undefined)
    await consumer.start()
    await until(() => pop.heldCount === 1)
    const names = ['queueId', 'maxMsgNums', 'invisibleTime', 'pollTime', 'bornTime', 'initMode', 'exp', 'order']
    expect(names.map((name) => pop.pops[0]?.field(name))).toEqual(['-1', '5', '7000', '400', '0', '0', '*', 'false'])
  })

  it('waits at the broker for a short time behind a message, and longer when nothing comes', async () => {
    const { consumer, pop } = await popSetUp({ brokerSuspendMaxTimeMillis: 3_000 })
    const messages: MessageExt[] = []
    consumer.onMessage((batch) => void messages.push(...batch))
    // Each of them seems to have waited.
    const held: (() => void)[] = []
    pop.onPop = (request, connection) => {
      held.push(() => pop.answerPop(request, connection))
      return true
    }
    await consumer.start()
    for (let i = 0; i < 5; i++) {
      await until(() => held.length === i + 1)
      if (i === 3) pop.fill(1)
      held[i]?.()
    }
    await until(() => pop.pops.length >= 5)
    expect(pop.pops.slice(0, 5).map((request) => request.field('pollTime'))).toEqual([
      '1000',
      '2000',
      '3000',
      '3000',
      '1000',
    ])
  })

  it('tells brokers that its group pops, where they do not know it', async () => {
    const { consumer, modes, pop } = await popSetUp({ popShareQueueNum: 2 }, 'PULL')
    consumer.onMessage(() => undefined)
    await consumer.start()
    await until(() => pop.heldCount === 1)
    expect(modes.set).toEqual([{ topic: 'T', consumerGroup: 'g', mode: 'POP', popShareQueueNum: 2 }])
  })

  it('tells them so too where other members have all the queues: it does not wait for one of these to say it', async () => {
    const { consumer, modes, pop } = await popSetUp({}, 'PULL')
    modes.isTaken = true
    consumer.onMessage(() => undefined)
    await consumer.start()
    expect(consumer.assignment()).toMatchObject([{ topic: 'T', queueId: -1 }])
    expect(modes.set).toMatchObject([{ topic: 'T', mode: 'POP' }])
    await until(() => pop.heldCount === 1)
  })

  it('pops where brokers say so, without being told to', async () => {
    const { consumer, modes, pop } = await popSetUp({ popMode: false, clientRebalance: false })
    const seen: MessageExt[] = []
    consumer.onMessage((batch) => void seen.push(...batch))
    pop.fill(1)
    await consumer.start()
    await until(() => pop.acked.length === 1)
    expect([seen.length, modes.set.length]).toEqual([1, 0])
  })

  it('has no queues while a broker refuses that its group pops, and is not balanced', async () => {
    const { consumer, cluster } = await popSetUp({}, 'PULL')
    cluster.broker().scripts.set(SET_MODE, (request, connection) => connection.answer(request, { code: NO_PERMISSION }))
    consumer.onMessage(() => undefined)
    await consumer.start()
    await until(() => cluster.broker().server.requestsOf(SET_MODE).length > 0)
    expect(consumer.assignment()).toEqual([])
    expect(consumer.health().isBalanced).toBe(false)
  })

  it('does not start where a broker is too old for it', async () => {
    const { consumer, cluster } = await popSetUp()
    cluster.broker().server.version = V4_9_7
    consumer.onMessage(() => undefined)
    expect(await rejectionOf(consumer.start())).toMatchObject({ code: 'UNSUPPORTED_BY_BROKER' })
  })

  it('has a message come again after a time that grows with how often it came, when its handler fails', async () => {
    const { consumer, pop } = await popSetUp()
    const failed: unknown[] = []
    consumer.on('consumeFailed', (event) => failed.push(event))
    consumer.onMessage(() => Promise.reject(new Error('no')))
    pop.fill(1)
    await consumer.start()
    await until(() => pop.changed.length === 1)
    expect(pop.changed).toMatchObject([{ topic: 'T', offset: 0, invisibleTime: 10_000 }])
    expect(failed).toHaveLength(1)
    expect(pop.acked).toEqual([])
  })

  it.each([
    [1, 30_000],
    [4, 180_000],
    [15, 7_200_000],
    [99, 7_200_000],
  ])('has a message come again after the time of the level %d that its handler has chosen', async (level, time) => {
    const { consumer, pop } = await popSetUp()
    consumer.onMessage((_messages, context) => {
      context.delayLevelWhenNextConsume = level
      throw new Error('no')
    })
    pop.fill(1)
    await consumer.start()
    await until(() => pop.changed.length === 1)
    expect(pop.changed[0]?.invisibleTime).toBe(time)
  })

  it('acknowledges only those of several messages that its handler has consumed', async () => {
    const { consumer, pop } = await popSetUp({ consumeMessageBatchMaxSize: 8 })
    consumer.onMessage((_messages, context) => {
      context.ackIndex = 1
    })
    pop.fill(4)
    await consumer.start()
    await until(() => pop.changed.length === 2 && pop.acked.length === 2)
    expect([sorted(pop.ackedOffsets), sorted(pop.changed.map(({ offset }) => offset))]).toEqual([
      [0, 1],
      [2, 3],
    ])
  })

  it.each([
    ['on which its handler failed for the last time', { maxReconsumeTimes: 0 }, 0],
    ['that its handler does not want again', {}, -1],
  ])('puts a message into the dead-letter topic %s, and acknowledges it', async (_why, options, level) => {
    const { consumer, cluster, pop } = await popSetUp(options)
    consumer.onMessage((_messages, context) => {
      context.delayLevelWhenNextConsume = level
      throw new Error('no')
    })
    pop.fill(1)
    await consumer.start()
    await until(() => pop.acked.length === 1)
    const [sentBack] = cluster.broker().server.requestsOf(Code.SEND_BACK)
    expect(['group', 'delayLevel', 'originTopic'].map((name) => sentBack?.field(name))).toEqual(['g', '-1', 'T'])
    expect(pop.changed).toEqual([])
  })

  it('pops no more while too many messages are not acknowledged', async () => {
    const { consumer, pop } = await popSetUp({ popThresholdForQueue: 10, popBatchNums: 8, consumeConcurrency: 2 })
    const { messages, ends } = holding(consumer)
    pop.fill(40)
    await consumer.start()
    await until(() => pop.waitingCount === 24 && messages.length === 2)
    await turns()
    expect([pop.waitingCount, messages.length]).toEqual([24, 2])
    expect(consumer.health().queues[0]).toMatchObject({ cachedCount: 16, inFlight: 2 })
    const ending = setInterval(() => ends.shift()?.(), 1)
    await until(() => pop.acked.length === 40)
    clearInterval(ending)
  })

  it('waits a while when too many wait at a broker already', async () => {
    const { consumer, pop } = await popSetUp()
    pop.onPop = (request, connection) => {
      const fields = { popTime: 0, invisibleTime: 0, reviveQid: 0, restNum: 0 }
      connection.answer(request, { code: POLLING_FULL, fields })
      return true
    }
    const waits = vi.spyOn(LoopPause.prototype, 'wait')
    onTestFinished(() => waits.mockRestore())
    consumer.onMessage(() => undefined)
    await consumer.start()
    await until(() => waits.mock.calls.length > 0)
    expect(waits.mock.calls[0]).toEqual([1_000])
    expect(pop.pops).toHaveLength(1)
  })

  it('keeps messages from others for as long as its handler has them', async () => {
    const { consumer, pop } = await popSetUp({ popInvisibleTime: 5_000 })
    const { messages, ends } = holding(consumer)
    pop.invisibleTime = 2_000
    pop.fill(1)
    await consumer.start()
    await until(() => pop.changed.length === 1)
    expect(pop.changed).toMatchObject([{ offset: 0, invisibleTime: 5_000, extraInfo: messages[0]?.properties.POP_CK }])
    ends[0]?.()
    await until(() => pop.acked.length === 1)
    expect(pop.acked[0]?.extraInfo).not.toBe(messages[0]?.properties.POP_CK)
  })

  it('does not acknowledge a message whose time was over before its handler had ended', async () => {
    const { consumer, pop } = await popSetUp({ popRenewInvisibleTime: false })
    const { messages, ends } = holding(consumer)
    pop.invisibleTime = 60_000
    pop.fill(1)
    await consumer.start()
    await until(() => messages.length === 1)
    passTime(60_001)
    ends[0]?.()
    await until(() => consumer.health().inFlight === 0)
    pop.invisibleTime = undefined
    pop.fill(1)
    await until(() => messages.length === 2)
    ends[1]?.()
    await until(() => pop.acked.length === 1)
    expect([pop.ackedOffsets, pop.changed]).toEqual([[1], []])
  })

  it('hands out no message whose time was over while it waited', async () => {
    const { consumer, pop } = await popSetUp({ popRenewInvisibleTime: false, consumeConcurrency: 1 })
    const { messages, ends } = holding(consumer)
    pop.invisibleTime = 60_000
    pop.fill(3)
    await consumer.start()
    await until(() => messages.length === 1)
    passTime(60_001)
    ends[0]?.()
    await until(() => consumer.health().cachedCount === 0)
    expect(messages).toHaveLength(1)
  })

  it('gives back what waits when it is shut down, and waits for its handlers', async () => {
    const { consumer, pop } = await popSetUp({ consumeConcurrency: 1 })
    const { messages, ends } = holding(consumer)
    pop.fill(4)
    await consumer.start()
    await until(() => messages.length === 1)
    const ended = consumer.shutdown({ timeout: 5_000 })
    // Others need not wait for this handler.
    await until(() => pop.changed.length === 3)
    ends[0]?.()
    await ended
    expect(pop.ackedOffsets).toEqual([0])
    expect(sorted(pop.changed.map(({ offset }) => offset))).toEqual([1, 2, 3])
    expect(pop.changed.every(({ invisibleTime }) => invisibleTime === AT_ONCE)).toBe(true)
  })

  it('tells what a shutdown leaves behind, and keeps it from others no longer', async () => {
    const { consumer, pop } = await popSetUp()
    const { messages } = holding(consumer)
    const left: unknown[] = []
    consumer.on('left', (event) => left.push(event))
    pop.fill(1)
    await consumer.start()
    await until(() => messages.length === 1)
    await consumer.shutdown({ timeout: 20 })
    expect(left).toMatchObject([{ queues: [{ queue: { topic: 'T', queueId: -1 }, msgIds: ['id-0'] }] }])
    expect(pop.acked).toEqual([])
  })

  it('gives back what a pop brings that was under way when its queue was given up', async () => {
    const { consumer, pop } = await popSetUp()
    consumer.onMessage(() => undefined)
    await consumer.start()
    await until(() => pop.heldCount === 1)
    await consumer.unsubscribe('T')
    expect(consumer.assignment()).toEqual([])
    pop.fill(2)
    await until(() => pop.changed.length === 2)
    expect(pop.acked).toEqual([])
  })

  it('gives back what a pop brings that was under way when it was shut down', async () => {
    const { consumer, pop } = await popSetUp()
    consumer.onMessage(() => undefined)
    const held: (() => void)[] = []
    pop.onPop = (request, connection) => {
      held.push(() => pop.answerPop(request, connection))
      return true
    }
    pop.fill(2)
    await consumer.start()
    await until(() => held.length === 1)
    const ended = consumer.shutdown()
    await turns(3)
    held[0]?.()
    await ended
    expect(sorted(pop.changed.map(({ offset }) => offset))).toEqual([0, 1])
  })

  it('waits at its shutdown for a message that is on its way to the dead-letter topic', async () => {
    const { consumer, pop } = await popSetUp({ maxReconsumeTimes: 1 })
    consumer.onMessage(() => undefined)
    const held: (() => void)[] = []
    pop.broker.scripts.set(Code.SEND_BACK, (request, connection) => void held.push(() => connection.answer(request)))
    pop.answerParts = { fields: { orderCountInfo: '0 0 2' } }
    pop.fill(1)
    await consumer.start()
    await until(() => held.length === 1)
    const ended = consumer.shutdown()
    await turns(3)
    held[0]?.()
    await ended
    expect(pop.ackedOffsets).toEqual([0])
  })

  it('pops nothing while it is suspended', async () => {
    const { consumer, pop } = await popSetUp()
    const seen: MessageExt[] = []
    consumer.onMessage((batch) => void seen.push(...batch))
    consumer.suspend()
    pop.fill(1)
    await consumer.start()
    await until(() => consumer.assignment().length === 1)
    await turns()
    expect(pop.waitingCount).toBe(1)
    consumer.resume()
    await until(() => pop.acked.length === 1)
  })

  it('goes on after an error, and tells of it once', async () => {
    const { consumer, pop } = await popSetUp({ pullTimeDelayMillsWhenException: 5 })
    const errors: unknown[] = []
    consumer.on('error', (error) => errors.push(error))
    let isFaulty = true
    pop.onPop = (request, connection) => {
      if (isFaulty) connection.answer(request, { code: SYSTEM_ERROR, remark: 'sorry' })
      return isFaulty
    }
    consumer.onMessage(() => undefined)
    await consumer.start()
    await until(() => pop.pops.length > 3)
    expect(errors).toMatchObject([{ error: { code: 'SYSTEM_ERROR', remark: 'sorry' } }])
    expect(consumer.health()).toMatchObject({ isHealthy: false, queues: [{ fault: { code: 'SYSTEM_ERROR' } }] })
    isFaulty = false
    pop.fill(1)
    await until(() => pop.acked.length === 1)
    expect(consumer.health().isHealthy).toBe(true)
  })

  it('acknowledges what hooks sort out, and hands out the rest', async () => {
    const seen: number[] = []
    const hooks = { filterMessage: (messages: MessageExt[]) => messages.filter(({ queueOffset }) => queueOffset > 0) }
    const { consumer, pop } = await popSetUp({ hooks })
    consumer.onMessage(([message]) => void seen.push((message as MessageExt).queueOffset))
    pop.fill(3)
    await consumer.start()
    await until(() => pop.acked.length === 3)
    expect(sorted(seen)).toEqual([1, 2])
  })

  it('takes back from a handler what it has had for too long', async () => {
    const { consumer, pop } = await popSetUp({ consumeTimeout: 20 })
    const { messages } = holding(consumer)
    pop.fill(1)
    await consumer.start()
    await until(() => pop.changed.length === 1)
    expect([messages.length, pop.changed[0]?.invisibleTime]).toEqual([1, 10_000])
  })

  it('acknowledges in batches, and again when a broker did not take it', async () => {
    const { consumer, pop } = await popSetUp()
    const { scripts } = pop.broker
    const acknowledge = scripts.get(PopCode.BATCH_ACK)
    let count = 0
    scripts.set(PopCode.BATCH_ACK, (request, connection) => {
      if (count++ > 0) acknowledge?.(request, connection)
      else connection.answer(request, { code: SYSTEM_ERROR })
    })
    consumer.onMessage(() => undefined)
    pop.fill(20)
    await consumer.start()
    await until(() => pop.acked.length === 20)
    expect(count).toBeLessThan(20)
  })

  it('shows consoles what it has popped', async () => {
    const { consumer, cluster, pop } = await popSetUp()
    const { messages } = holding(consumer)
    pop.fill(3)
    await consumer.start()
    await until(() => messages.length === 3)
    const connection = cluster.broker().server.connection()
    const fields = { consumerGroup: 'g', clientId: consumer.clientId }
    connection.request({ code: 307, opaque: 78, fields })
    const answer = await until(() => connection.answers.find(({ opaque }) => opaque === 78))
    expect(answer.body.toString()).toContain('"waitAckCount":3')
  })

  it.each([
    [{ consumeMode: 'orderly' }],
    [{ messageModel: 'BROADCASTING' }],
    [{ clientRebalance: true }],
    [{ popInvisibleTime: 4_999 }],
    [{ popInvisibleTime: 300_001 }],
    [{ popBatchNums: 33 }],
  ] as [Partial<PushConsumerOptions>][])('refuses %j', (options) => {
    const cluster = { namesrvAddr: '127.0.0.1:1' }
    expect(() => pushConsumer(cluster, { popMode: true, ...options })).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION' }),
    )
  })
})
