import { describe, expect, it, onTestFinished } from 'vitest'
import { Client } from '../../src/client/client.js'
import { sql } from '../../src/client/subscription-data.js'
import { silentLogger } from '../../src/logger.js'
import type { MessageExt } from '../../src/message/message.js'
import { Code, scriptedCluster } from '../support/scripted-cluster.js'
import { PopCode, ScriptedPop } from '../support/scripted-pop.js'
import { unusedAddress } from '../support/scripted-server.js'
import { simpleConsumer, simpleSetUp } from '../support/simple-consumer-under-test.js'
import { rejectionOf, turns, until } from '../support/until.js'

const SYSTEM_ERROR = 1
const REQUEST_CODE_NOT_SUPPORTED = 3
const GET_CONSUMER_RUNNING_INFO = 307
/** Ordinals of `MQVersion`: 4.9.7, 5.1.2. */
const V4_9_7 = 407
const V5_1_2 = 437

const bodiesOf = (messages: readonly MessageExt[]) => messages.map(({ body }) => body.toString())

describe('receive', () => {
  it('gives what a broker has, each message with its receipt', async () => {
    const { consumer, pop } = await simpleSetUp({ invisibleDuration: 30_000 })
    pop.fill(2)
    const messages = await consumer.receive()
    expect(bodiesOf(messages)).toEqual(['body 0', 'body 1'])
    expect(messages[1]?.properties.POP_CK).toMatch(/^0 \d+ 30000 1 0 broker-a 0 1$/)
    expect(pop.pops.map((pop) => [pop.field('maxMsgNums'), pop.field('invisibleTime')])).toEqual([['32', '30000']])
  })

  it("asks for all queues of a broker, by the broker's clock and in a header that takes the code", async () => {
    const { consumer, pop } = await simpleSetUp({ serializeType: 'ROCKETMQ' })
    pop.fill(1)
    await consumer.receive()
    const [request] = pop.pops
    expect(request?.serializeType).toBe('JSON')
    expect(
      ['consumerGroup', 'topic', 'queueId', 'bornTime', 'pollTime', 'bname'].map((n) => request?.field(n)),
    ).toEqual(['g', 'T', '-1', '0', '0', 'broker-a'])
  })

  it('takes nothing before it is called, and after its time is over', async () => {
    const { consumer, pop } = await simpleSetUp()
    pop.fill(1)
    await turns()
    expect(pop.pops).toHaveLength(0)
    await consumer.receive()
    expect(await consumer.receive({ timeout: 60 })).toEqual([])
    const { length } = pop.pops
    pop.fill(1)
    await turns()
    expect(pop.pops).toHaveLength(length)
  })

  it('has the broker take down where the group begins, at the start already', async () => {
    const { pop } = await simpleSetUp({ consumeFromWhere: 'FIRST' })
    const [request] = pop.broker.server.requestsOf(PopCode.POP)
    expect(['maxMsgNums', 'initMode', 'pollTime'].map((name) => request?.field(name))).toEqual(['0', '0', '0'])
  })

  it('waits for a message', async () => {
    const { consumer, pop } = await simpleSetUp()
    const received = consumer.receive()
    await until(() => pop.heldCount === 1)
    pop.fill(1)
    expect(bodiesOf(await received)).toEqual(['body 0'])
  })

  it('gives an empty list when nothing comes in time', async () => {
    const { consumer } = await simpleSetUp()
    expect(await consumer.receive({ timeout: 0 })).toEqual([])
    expect(await consumer.receive({ timeout: 30 })).toEqual([])
  })

  it('asks again and again without a wait when nothing is waited for', async () => {
    const { consumer, pop } = await simpleSetUp()
    for (let i = 0; i < 20; i++) expect(await consumer.receive({ timeout: 0 })).toEqual([])
    pop.fill(1)
    expect(await consumer.receive({ timeout: 0 })).toHaveLength(1)
  })

  it('gets the message of any broker, whichever has one first', async () => {
    const { consumer, pops } = await simpleSetUp({}, ['broker-a', 'broker-b', 'broker-c'])
    const received = consumer.receive()
    await until(() => pops.every(({ heldCount }) => heldCount === 1))
    pops[2]?.fill(1)
    expect((await received).map(({ brokerName }) => brokerName)).toEqual(['broker-c'])
    expect(pops.map((pop) => pop.pops.length)).toEqual([0, 0, 1])
  })

  it('goes from broker to broker where all have messages', async () => {
    const { consumer, pops } = await simpleSetUp({ maxMessages: 1 }, ['broker-a', 'broker-b'])
    for (const pop of pops) pop.fill(10)
    const brokers = new Set<string | undefined>()
    // The first call may learn of one broker before the other.
    await consumer.receive()
    await until(async () => pops.every((pop) => pop.pops.length > 0) || (await consumer.receive()).length === 0)
    for (let i = 0; i < 4; i++) brokers.add((await consumer.receive())[0]?.brokerName)
    expect([...brokers].sort()).toEqual(['broker-a', 'broker-b'])
  })

  it('gets the messages of all topics that were subscribed to, those included that come later', async () => {
    const { consumer, cluster, pop } = await simpleSetUp()
    cluster.addTopic('U')
    await consumer.subscribe('U', 'TagA || TagB')
    const received = consumer.receive()
    await until(() => pop.heldCount === 2)
    const topics = pop.broker.server.requestsOf(PopCode.NOTIFICATION).map((request) => request.field('topic'))
    expect(new Set(topics)).toEqual(new Set(['T', 'U']))
    pop.fill(1)
    await received
  })

  it('receives nothing of a topic that was unsubscribed', async () => {
    const { consumer, pop } = await simpleSetUp()
    await consumer.unsubscribe('T')
    pop.fill(1)
    expect(await rejectionOf(consumer.receive())).toMatchObject({ code: 'NOT_SUBSCRIBED' })
    expect(pop.pops).toHaveLength(0)
  })

  it('sends its expression along, and acknowledges what only seems to be wanted', async () => {
    const { consumer, pop } = await simpleSetUp({}, undefined, 'TagA || TagB')
    pop.fill(1, { properties: { TAGS: 'TagC' } })
    pop.fill(1, { properties: {} })
    pop.fill(1, { properties: { TAGS: 'TagB' } })
    const messages = await consumer.receive()
    expect(messages.map(({ queueOffset }) => queueOffset)).toEqual([2])
    expect(pop.pops.map((request) => [request.field('exp'), request.field('expType')])).toEqual([
      ['TagA || TagB', 'TAG'],
    ])
    await until(() => pop.acked.length === 2)
    expect(pop.ackedOffsets.sort()).toEqual([0, 1])
  })

  it('waits on when nothing of what came is wanted', async () => {
    const { consumer, pop } = await simpleSetUp({}, undefined, 'TagA')
    pop.fill(1, { properties: { TAGS: 'TagC' } })
    const received = consumer.receive()
    await until(() => pop.acked.length === 1 && pop.heldCount === 1)
    pop.fill(1, { properties: { TAGS: 'TagA' } })
    expect(await received).toHaveLength(1)
  })

  it('filters by SQL92 at the broker', async () => {
    const { consumer, pop } = await simpleSetUp({}, undefined, sql('a > 5'))
    pop.fill(1)
    await consumer.receive()
    expect(pop.pops.map((request) => [request.field('exp'), request.field('expType')])).toEqual([['a > 5', 'SQL92']])
  })

  it('hands over the messages around one that can not be read', async () => {
    const { consumer, pop } = await simpleSetUp()
    const errors: unknown[] = []
    consumer.on('error', (error) => errors.push(error))
    pop.fill(1)
    pop.fill(1, { bodyCRC: 1 })
    pop.fill(1)
    expect((await consumer.receive()).map(({ queueOffset }) => queueOffset)).toEqual([0, 2])
    expect(errors).toMatchObject([{ error: { code: 'BODY_CRC_MISMATCH' } }])
    expect(pop.acked).toEqual([])
  })

  it('puts what came too often into the dead-letter topic, and acknowledges it', async () => {
    const { consumer, cluster, pop } = await simpleSetUp({ maxReconsumeTimes: 2, order: true })
    pop.answerParts = { fields: { orderCountInfo: '0 qo0%0 3;0 qo0%1 2' } }
    pop.fill(2)
    const messages = await consumer.receive()
    expect(messages.map(({ queueOffset, reconsumeTimes }) => [queueOffset, reconsumeTimes])).toEqual([[1, 2]])
    await until(() => pop.acked.length === 1)
    expect(pop.ackedOffsets).toEqual([0])
    const [sentBack] = cluster.broker().server.requestsOf(Code.SEND_BACK)
    expect(['group', 'delayLevel', 'offset', 'originTopic'].map((name) => sentBack?.field(name))).toEqual([
      'g',
      '-1',
      '0',
      'T',
    ])
  })

  it('does not acknowledge what the dead-letter topic did not take', async () => {
    const { consumer, cluster, pop } = await simpleSetUp({ maxReconsumeTimes: 0, order: true })
    const errors: unknown[] = []
    consumer.on('error', (error) => errors.push(error))
    cluster
      .broker()
      .scripts.set(Code.SEND_BACK, (request, connection) => connection.answer(request, { code: SYSTEM_ERROR }))
    pop.answerParts = { fields: { orderCountInfo: '0 0 1' } }
    pop.fill(1)
    expect(await consumer.receive({ timeout: 50 })).toEqual([])
    await until(() => errors.length === 1)
    expect(pop.acked).toEqual([])
  })

  it('keeps the order of queues where that is wanted', async () => {
    const { consumer, pop } = await simpleSetUp({ order: true })
    const received = consumer.receive()
    await until(() => pop.heldCount === 1)
    pop.fill(1)
    await received
    expect(pop.pops.map((request) => request.field('order'))).toEqual(['true'])
    const [notification] = pop.broker.server.requestsOf(PopCode.NOTIFICATION)
    expect(notification?.field('order')).toBe('true')
  })

  it('asks again by the same attempt where order is kept and an answer was lost, and only then', async () => {
    const { consumer, pop } = await simpleSetUp({ order: true })
    pop.fill(2)
    pop.onPop = (request, connection) => {
      if (request.field('maxMsgNums') === '0') return false
      pop.onPop = undefined
      connection.answer(request, { code: SYSTEM_ERROR })
      return true
    }
    expect(await rejectionOf(consumer.receive())).toMatchObject({ name: 'BrokerError' })
    await consumer.receive({ maxMessages: 1 })
    await consumer.receive({ maxMessages: 1 })
    const [lost, again, next] = pop.pops.map((request) => request.field('attemptId'))
    expect(lost).toMatch(/^[\w-]{36}$/)
    expect(again).toBe(lost)
    expect(next).not.toBe(lost)
    const questions = pop.broker.server.requestsOf(PopCode.NOTIFICATION)
    expect(questions.map((request) => request.field('attemptId'))).toContain(lost)
  })

  it('does not ask in a loop when a broker says that there are messages, and has none to give', async () => {
    const { consumer, pop } = await simpleSetUp()
    pop.broker.scripts.set(PopCode.NOTIFICATION, (request, connection) => {
      connection.answer(request, { fields: { hasMsg: 'true' } })
    })
    expect(await consumer.receive({ timeout: 200 })).toEqual([])
    expect(pop.pops.length).toBeLessThan(10)
  })

  it('does not ask in a loop when a broker says at once that there is nothing', async () => {
    const { consumer, pop } = await simpleSetUp()
    pop.broker.scripts.set(PopCode.NOTIFICATION, (request, connection) => {
      connection.answer(request, { fields: { hasMsg: 'false' } })
    })
    expect(await consumer.receive({ timeout: 200 })).toEqual([])
    expect(pop.broker.server.requestsOf(PopCode.NOTIFICATION).length).toBeLessThan(10)
  })

  it('ends when its signal fires, and leaves what comes then to the next call, with the time that this one wants', async () => {
    const { consumer, pop } = await simpleSetUp()
    const aborting = new AbortController()
    const held: (() => void)[] = []
    pop.onPop = (request, connection) => {
      held.push(() => pop.answerPop(request, connection))
      return true
    }
    pop.fill(1)
    const received = consumer.receive({ signal: aborting.signal })
    await until(() => held.length === 1)
    aborting.abort(new Error('enough'))
    expect(await rejectionOf(received)).toMatchObject({ code: 'ABORTED' })
    pop.onPop = undefined
    held[0]?.()
    await until(() => pop.waitingCount === 0)
    const messages = await consumer.receive({ invisibleDuration: 20_000 })
    expect(bodiesOf(messages)).toEqual(['body 0'])
    expect(pop.changed).toMatchObject([{ offset: 0, invisibleTime: 20_000 }])
    await consumer.ack(messages)
    expect(pop.acked[0]?.extraInfo).toBe(messages[0]?.properties.POP_CK)
  })

  it.each(['at once when it is shut down', 'after a while'])(
    'leaves what came when nobody waited any more to others, %s',
    async (when) => {
      const { consumer, pop } = await simpleSetUp()
      const held: (() => void)[] = []
      pop.onPop = (request, connection) => {
        held.push(() => pop.answerPop(request, connection))
        return true
      }
      pop.fill(1)
      const aborting = new AbortController()
      const aborted = rejectionOf(consumer.receive({ signal: aborting.signal }))
      await until(() => held.length === 1)
      aborting.abort()
      await aborted
      held[0]?.()
      await turns(3)
      if (when === 'at once when it is shut down') await consumer.shutdown()
      await until(() => pop.changed.length === 1)
      expect(pop.changed).toMatchObject([{ offset: 0, invisibleTime: 1 }])
    },
  )

  it('gives back at a shutdown what its pop brings then', async () => {
    const { consumer, pop } = await simpleSetUp()
    const held: (() => void)[] = []
    pop.onPop = (request, connection) => {
      held.push(() => pop.answerPop(request, connection))
      return true
    }
    pop.fill(2)
    const waiting = rejectionOf(consumer.receive())
    await until(() => held.length === 1)
    const ended = consumer.shutdown()
    await turns(3)
    held[0]?.()
    await ended
    expect(await waiting).toMatchObject({ code: 'CLOSED' })
    expect(pop.changed.map(({ invisibleTime }) => invisibleTime)).toEqual([1, 1])
  })

  it('does not take what came too late for another one when it is shut down meanwhile', async () => {
    const { consumer, pop } = await simpleSetUp()
    const pops: (() => void)[] = []
    pop.onPop = (request, connection) => {
      pops.push(() => pop.answerPop(request, connection))
      return true
    }
    pop.fill(1)
    const aborting = new AbortController()
    const aborted = rejectionOf(consumer.receive({ signal: aborting.signal }))
    await until(() => pops.length === 1)
    aborting.abort()
    await aborted
    pop.onPop = undefined
    const { scripts } = pop.broker
    const change = scripts.get(PopCode.CHANGE_INVISIBLE_TIME)
    const changes: (() => void)[] = []
    scripts.set(PopCode.CHANGE_INVISIBLE_TIME, (...request) => void changes.push(() => change?.(...request)))
    pops[0]?.()
    await until(() => pop.waitingCount === 0)
    const waiting = rejectionOf(consumer.receive())
    await until(() => changes.length === 1)
    const ended = consumer.shutdown()
    changes[0]?.()
    await until(() => changes.length === 2)
    changes[1]?.()
    await ended
    expect(await waiting).toMatchObject({ code: 'CLOSED' })
    expect(pop.changed.map(({ invisibleTime }) => invisibleTime)).toEqual([60_000, 1])
  })

  it('ends at a shutdown, which is no fault of brokers', async () => {
    const warnings: string[] = []
    const logger = { ...silentLogger, warn: (message: string) => void warnings.push(message) }
    const { consumer, pop } = await simpleSetUp({ logger })
    const waiting = rejectionOf(consumer.receive())
    await until(() => pop.heldCount === 1)
    await consumer.shutdown()
    expect(await waiting).toMatchObject({ code: 'CLOSED' })
    expect(warnings).toEqual([])
  })

  it('is refused before the start, behind the end, and with values that do not fit', async () => {
    const cluster = await scriptedCluster()
    new ScriptedPop(cluster.broker())
    const consumer = simpleConsumer(cluster)
    await consumer.subscribe('T')
    expect(await rejectionOf(consumer.receive())).toMatchObject({ code: 'NOT_STARTED' })
    await consumer.start()
    for (const options of [
      { maxMessages: 0 },
      { maxMessages: 33 },
      { invisibleDuration: 999 },
      { invisibleDuration: 1e9 },
      { timeout: 'x' },
    ]) {
      expect(await rejectionOf(consumer.receive(options as never))).toMatchObject({ code: 'INVALID_ARGUMENT' })
    }
    await consumer.shutdown()
    expect(await rejectionOf(consumer.receive())).toMatchObject({ code: 'CLOSED' })
  })

  it('hands on what the only broker says', async () => {
    const { consumer, pop } = await simpleSetUp()
    const remark = 'the broker[127.0.0.1] pop message is forbidden because timerWheelEnable is false'
    pop.onPop = (request, connection) => {
      connection.answer(request, { code: SYSTEM_ERROR, remark })
      return true
    }
    pop.fill(1)
    expect(await rejectionOf(consumer.receive())).toMatchObject({ code: 'SYSTEM_ERROR', remark })
    expect(consumer.health()).toMatchObject({
      isHealthy: false,
      faults: [{ topic: 'T', brokerName: 'broker-a', error: { code: 'SYSTEM_ERROR' } }],
    })
  })

  it('gets messages of the other brokers when one can not be reached, and health tells of it', async () => {
    const cluster = await scriptedCluster(['broker-a', 'broker-b'])
    const pops = cluster.brokers.map((broker) => new ScriptedPop(broker))
    const consumer = simpleConsumer(cluster)
    await consumer.subscribe('T')
    await consumer.start()
    await cluster.broker(0).server.close()
    pops[1]?.fill(1)
    expect((await consumer.receive()).map(({ brokerName }) => brokerName)).toEqual(['broker-b'])
    await until(async () => {
      await consumer.receive({ timeout: 20 }).catch(() => undefined)
      return consumer.health().faults.some(({ brokerName }) => brokerName === 'broker-a')
    })
  })

  it('subscribes within its timeout and as long as its signal does not fire, or not at all', async () => {
    const cluster = await scriptedCluster()
    const pop = new ScriptedPop(cluster.broker())
    const consumer = simpleConsumer(cluster)
    await consumer.subscribe('T')
    await consumer.start()
    cluster.nameServer.onRouteRequest = (topic) => topic === 'Silent'
    const late = { code: 'NOT_BALANCED', retryable: true, message: 'subscribe: not in effect within 20 ms' }
    expect(await rejectionOf(consumer.subscribe('Silent', '*', { timeout: 20 }))).toMatchObject(late)
    const aborted = { code: 'ABORTED' }
    const signal = AbortSignal.timeout(20)
    expect(await rejectionOf(consumer.subscribe('Silent', '*', { signal }))).toMatchObject(aborted)
    expect(await rejectionOf(consumer.subscribe('T', 'TagA', { signal: AbortSignal.abort() }))).toMatchObject(aborted)
    pop.fill(1)
    expect(await consumer.receive()).toHaveLength(1)
    expect(pop.pops.map((pop) => pop.field('topic'))).not.toContain('Silent')
  })

  it('says that the topic does not exist, and receives of it when it does', async () => {
    const cluster = await scriptedCluster()
    const pop = new ScriptedPop(cluster.broker())
    const consumer = simpleConsumer(cluster)
    await consumer.subscribe('Later')
    await consumer.start()
    expect(await rejectionOf(consumer.receive())).toMatchObject({ code: 'TOPIC_NOT_FOUND' })
    cluster.addTopic('Later')
    pop.fill(1)
    expect(await consumer.receive()).toHaveLength(1)
  })

  it('does not wait for the brokers of one topic when there are messages of another, and takes them in when they are there', async () => {
    const cluster = await scriptedCluster()
    const pop = new ScriptedPop(cluster.broker())
    const consumer = simpleConsumer(cluster)
    await consumer.subscribe('T')
    await consumer.subscribe('Later')
    await consumer.start()
    const held: (() => void)[] = []
    const { nameServer } = cluster
    nameServer.onRouteRequest = (topic, request, connection) => {
      if (topic === 'Later') held.push(() => nameServer.answerRoute(request, connection))
      return topic === 'Later'
    }
    await until(async () => {
      pop.fill(1)
      expect(await consumer.receive()).toHaveLength(1)
      return held.length > 0
    })
    const waiting = consumer.receive()
    await until(() => pop.heldCount > 0)
    const asked = () => pop.broker.server.requests.filter((request) => request.field('topic') === 'Later').length
    expect(asked()).toBe(0)
    cluster.addTopic('Later')
    held[0]?.()
    await until(() => asked() > 0)
    pop.fill(1)
    expect(await waiting).toHaveLength(1)
  })

  it('takes in a broker that comes later, while it waits', async () => {
    const { consumer, cluster, pops } = await simpleSetUp({ pollNameServerInterval: 20 }, ['broker-a', 'broker-b'])
    cluster.addTopic('U', 4, [cluster.broker(0)])
    await consumer.unsubscribe('T')
    await consumer.subscribe('U')
    const received = consumer.receive()
    await until(() => pops[0]?.heldCount === 1)
    cluster.addTopic('U')
    pops[1]?.fill(1)
    expect((await received).map(({ brokerName }) => brokerName)).toEqual(['broker-b'])
  })
})

describe('a broker that is too old for POP', () => {
  it('is named when the consumer is started', async () => {
    const cluster = await scriptedCluster()
    cluster.broker().server.version = V4_9_7
    const consumer = simpleConsumer(cluster)
    await consumer.subscribe('T')
    const error = await rejectionOf(consumer.start())
    expect(error).toMatchObject({ code: 'UNSUPPORTED_BY_BROKER' })
    expect(error.message).toContain(`broker-a at ${cluster.broker().address}`)
    expect(error.message).toContain('407')
  })

  it('is named when it says itself that it does not know the request', async () => {
    const { consumer, pop } = await simpleSetUp()
    pop.onPop = (request, connection) => {
      connection.answer(request, { code: REQUEST_CODE_NOT_SUPPORTED, remark: 'request type 200050 not supported' })
      return true
    }
    pop.fill(1)
    const error = await rejectionOf(consumer.receive())
    expect(error).toMatchObject({ code: 'UNSUPPORTED_BY_BROKER', cause: { code: 'REQUEST_CODE_NOT_SUPPORTED' } })
  })

  it('is no obstacle to the start when it can not be reached', async () => {
    const cluster = await scriptedCluster()
    const pop = new ScriptedPop(cluster.broker())
    const consumer = simpleConsumer(cluster, { addressMap: deadFor(cluster.broker().address) })
    await consumer.subscribe('T')
    await consumer.start()
    expect(await rejectionOf(consumer.receive())).toMatchObject({ code: 'CONNECT_FAILED' })
    expect(pop.pops).toEqual([])
  })
})

describe('ack', () => {
  it('acknowledges one message by its receipt', async () => {
    const { consumer, pop } = await simpleSetUp()
    pop.fill(1, { queueId: 3 })
    const [message] = await consumer.receive()
    await consumer.ack(message as MessageExt)
    const extraInfo = message?.properties.POP_CK
    expect(pop.acked).toEqual([{ topic: 'T', queueId: 3, offset: 0, isBatch: false, extraInfo }])
  })

  it('acknowledges several messages in one request for each broker', async () => {
    const { consumer, pops } = await simpleSetUp({}, ['broker-a', 'broker-b'])
    for (const pop of pops) pop.fill(3)
    const messages = [...(await consumer.receive()), ...(await consumer.receive())]
    await consumer.ack(messages)
    for (const pop of pops) {
      expect(pop.acked.map(({ offset, isBatch }) => [offset, isBatch])).toEqual(
        [0, 1, 2].map((offset) => [offset, true]),
      )
      expect(pop.broker.server.requestsOf(PopCode.BATCH_ACK)).toHaveLength(1)
    }
  })

  it('acknowledges several messages one by one where the broker takes no batches', async () => {
    const { consumer, cluster, pop } = await simpleSetUp()
    cluster.broker().server.version = V5_1_2
    pop.fill(3)
    await consumer.ack(await consumer.receive())
    expect(pop.acked.map(({ offset, isBatch }) => [offset, isBatch])).toEqual(
      [0, 1, 2].map((offset) => [offset, false]),
    )
  })

  it('acknowledges a message that came again by its retry topic', async () => {
    const { consumer, pop } = await simpleSetUp()
    pop.fill(1, { topic: '%RETRY%g_T' })
    const messages = await consumer.receive()
    expect(messages.map(({ topic }) => topic)).toEqual(['T'])
    await consumer.ack(messages)
    expect(pop.acked).toMatchObject([{ topic: '%RETRY%g_T', queueId: 0, offset: 0 }])
  })

  it('does nothing for a message that is acknowledged already', async () => {
    const { consumer, pop } = await simpleSetUp()
    pop.fill(1)
    const messages = await consumer.receive()
    await consumer.ack(messages)
    await consumer.ack(messages)
    await consumer.ack([])
    expect(pop.acked).toHaveLength(1)
  })

  it('says that the time of a message is over, and acknowledges the others', async () => {
    const { consumer, pop } = await simpleSetUp()
    pop.invisibleTime = 1
    pop.fill(1)
    const late = await consumer.receive()
    pop.invisibleTime = undefined
    pop.fill(1)
    const messages = [...late, ...(await consumer.receive())]
    await turns(3)
    const error = await rejectionOf(consumer.ack(messages))
    expect(error).toMatchObject({ code: 'RECEIPT_EXPIRED' })
    expect(error.message).toContain('id-0')
    expect(pop.ackedOffsets).toEqual([1])
  })

  it('hands on what the broker says, and succeeds when it is called again', async () => {
    const { consumer, pop } = await simpleSetUp()
    const { scripts } = pop.broker
    const acknowledge = scripts.get(PopCode.ACK)
    scripts.set(PopCode.ACK, (request, connection) =>
      connection.answer(request, { code: SYSTEM_ERROR, remark: 'busy' }),
    )
    pop.fill(1)
    const messages = await consumer.receive()
    expect(await rejectionOf(consumer.ack(messages))).toMatchObject({ code: 'SYSTEM_ERROR', remark: 'busy' })
    scripts.set(PopCode.ACK, acknowledge as never)
    await consumer.ack(messages)
    expect(pop.acked).toHaveLength(1)
  })

  it('takes a message that another consumer received, by the receipt that it has', async () => {
    const { consumer, cluster, pop } = await simpleSetUp()
    pop.fill(1)
    const [message] = await consumer.receive()
    const other = simpleConsumer(cluster, { consumerGroup: 'g' })
    await other.subscribe('T')
    await other.start()
    const copy = { ...message, topic: 'T', properties: { POP_CK: `0 ${Date.now()} 60000 1 0 broker-a 0 0` } }
    await other.ack(copy as unknown as MessageExt)
    expect(pop.acked).toHaveLength(1)
  })

  it.each([undefined, {}, 'x', { properties: {} }, { properties: { POP_CK: 'x' } }])('refuses %j', async (value) => {
    const { consumer } = await simpleSetUp()
    const error = await rejectionOf(consumer.ack(value as never))
    expect(error).toMatchObject({ code: expect.stringMatching(/^(INVALID_ARGUMENT|HEADER_MALFORMED)$/) })
  })
})

describe('changeInvisibleDuration', () => {
  it('sets the time anew, and the message has another receipt from then on', async () => {
    const { consumer, pop } = await simpleSetUp()
    pop.fill(1)
    const [message] = (await consumer.receive()) as [MessageExt]
    const before = message.properties.POP_CK
    await consumer.changeInvisibleDuration(message, 120_000)
    expect(pop.changed).toEqual([{ topic: 'T', queueId: 0, offset: 0, extraInfo: before, invisibleTime: 120_000 }])
    const after = message.properties.POP_CK
    expect(after).toMatch(/^0 \d+ 120000 1 0 broker-a 0 0$/)
    expect(after).not.toBe(before)
    await consumer.ack(message)
    expect(pop.acked).toMatchObject([{ extraInfo: after }])
  })

  it('keeps its order with an acknowledgement that comes meanwhile', async () => {
    const { consumer, pop } = await simpleSetUp()
    pop.fill(1)
    const [message] = (await consumer.receive()) as [MessageExt]
    const changed = consumer.changeInvisibleDuration(message, 120_000)
    await Promise.all([changed, consumer.ack(message)])
    expect(pop.acked).toMatchObject([{ extraInfo: message.properties.POP_CK }])
  })

  it('is refused for a message that is acknowledged, whose time is over, or for no time at all', async () => {
    const { consumer, pop } = await simpleSetUp()
    pop.fill(1)
    const [message] = (await consumer.receive()) as [MessageExt]
    await consumer.ack(message)
    expect(await rejectionOf(consumer.changeInvisibleDuration(message, 5_000))).toMatchObject({
      code: 'RECEIPT_EXPIRED',
    })
    pop.invisibleTime = 1
    pop.fill(1)
    const [late] = (await consumer.receive()) as [MessageExt]
    await turns(3)
    expect(await rejectionOf(consumer.changeInvisibleDuration(late, 5_000))).toMatchObject({ code: 'RECEIPT_EXPIRED' })
    expect(await rejectionOf(consumer.changeInvisibleDuration(late, 0))).toMatchObject({ code: 'INVALID_ARGUMENT' })
    expect(pop.changed).toEqual([])
  })

  it('is done by itself until a message is acknowledged, where that is wanted', async () => {
    const { consumer, pop } = await simpleSetUp({ renewInvisibleDuration: true, invisibleDuration: 2_000 })
    pop.invisibleTime = 1_300
    pop.fill(1)
    const [message] = (await consumer.receive()) as [MessageExt]
    await until(() => pop.changed.length === 2)
    expect(pop.changed.map(({ invisibleTime }) => invisibleTime)).toEqual([2_000, 2_000])
    await consumer.ack(message)
    expect(pop.acked).toMatchObject([{ offset: 0 }])
  })

  it('is not done by itself for longer than a message may be consumed', async () => {
    const { consumer, pop } = await simpleSetUp({
      renewInvisibleDuration: true,
      invisibleDuration: 1_000,
      consumeTimeout: 1,
    })
    pop.invisibleTime = 100
    pop.fill(1)
    const [message] = (await consumer.receive()) as [MessageExt]
    await turns(80)
    expect(await rejectionOf(consumer.ack(message))).toMatchObject({ code: 'RECEIPT_EXPIRED' })
    expect(pop.changed).toEqual([])
  })
})

describe('a simple consumer', () => {
  it('tells brokers that its group pops', async () => {
    const { cluster } = await simpleSetUp({}, undefined, 'TagA')
    const heartbeats = cluster
      .broker()
      .server.requestsOf(Code.HEARTBEAT)
      .map(({ body }) => JSON.parse(body.toString()))
    expect(heartbeats.at(-1).consumerDataSet).toMatchObject([
      {
        groupName: 'g',
        consumeType: 'CONSUME_POP',
        messageModel: 'CLUSTERING',
        subscriptionDataSet: [{ topic: 'T', subString: 'TagA' }],
      },
    ])
  })

  it('has names with a namespace at the brokers, and without it here', async () => {
    const cluster = await scriptedCluster()
    cluster.addTopic('ns%T')
    const pop = new ScriptedPop(cluster.broker())
    const consumer = simpleConsumer(cluster, { namespace: 'ns' })
    await consumer.subscribe('T')
    await consumer.start()
    pop.fill(1, { topic: 'ns%T' })
    pop.fill(1, { topic: '%RETRY%ns%g_ns%T' })
    const messages = await consumer.receive()
    expect(messages.map(({ topic }) => topic)).toEqual(['T', 'T'])
    for (const message of messages) await consumer.ack(message)
    expect(pop.acked.map(({ topic }) => topic)).toEqual(['ns%T', '%RETRY%ns%g_ns%T'])
    expect(pop.pops.map((request) => [request.field('topic'), request.field('consumerGroup')])).toEqual([
      ['ns%T', 'ns%g'],
    ])
  })

  it('is healthy while all brokers can be popped', async () => {
    const { consumer } = await simpleSetUp()
    expect(consumer.consumerGroup).toBe('g')
    expect(consumer.health()).toMatchObject({ isHealthy: true, faults: [] })
  })

  it('is the only consumer of its group on a client', async () => {
    const cluster = await scriptedCluster()
    const client = new Client({ namesrvAddr: cluster.namesrvAddr })
    onTestFinished(() => client.shutdown())
    await simpleConsumer(cluster, { client }).start()
    const error = await rejectionOf(simpleConsumer(cluster, { client }).start())
    expect(error).toMatchObject({ code: 'GROUP_EXISTS' })
  })

  it('tells consoles what it is', async () => {
    const { cluster, consumer } = await simpleSetUp()
    const connection = cluster.broker().server.connection()
    const fields = { consumerGroup: 'g', clientId: consumer.clientId }
    connection.request({ code: GET_CONSUMER_RUNNING_INFO, opaque: 77, fields })
    const answer = await until(() => connection.answers.find(({ opaque }) => opaque === 77))
    expect(JSON.parse(answer.body.toString())).toMatchObject({
      properties: { PROP_CONSUME_TYPE: 'CONSUME_POP', consumerGroup: 'g' },
      subscriptionSet: [{ topic: 'T' }],
    })
  })

  it.each([
    ['consumerGroup', ''],
    ['maxMessages', 33],
    ['invisibleDuration', 10],
    ['awaitDuration', -1],
    ['consumeFromWhere', 'TIMESTAMP'],
    ['maxReconsumeTimes', -1],
    ['order', 1],
    ['invisibleTime', 60_000],
  ])('refuses the option %s when it is %j', (name, value) => {
    const options = { consumerGroup: 'g', namesrvAddr: '127.0.0.1:1', [name]: value }
    expect(() => simpleConsumer({ namesrvAddr: '127.0.0.1:1' }, options)).toThrow(
      expect.objectContaining({ code: expect.stringMatching(/^INVALID_/) }),
    )
  })
})

function deadFor(address: string): (address: string) => string {
  const dead = unusedAddress()
  return (asked) => (asked === address ? dead : asked)
}
