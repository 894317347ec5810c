import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { JsonEntries, type JsonValue, parseFastjson } from '../../src/codec/fastjson.js'
import type { RemotingCommand } from '../../src/codec/remoting-command.js'
import { silentLogger } from '../../src/logger.js'
import type { MessageExt } from '../../src/message/message.js'
import { groupConsumer } from '../support/group-consumer-under-test.js'
import { type PushSetUp, pushConsumer, pushSetUp } from '../support/push-consumer-under-test.js'
import { Code } from '../support/scripted-cluster.js'
import { ONEWAY } from '../support/scripted-server.js'
import { type StoredParts, storedMessage } from '../support/stored-message-bytes.js'
import { turns, until } from '../support/until.js'

const RESET = 220
const STATUS = 221
const RUNNING_INFO = 307
const CONSUME_DIRECTLY = 309
const SYSTEM_ERROR = 1
const SYSTEM_BUSY = 2
const NOT_SUPPORTED = 3
const NO_PERMISSION = 16
const QUEUE = { topic: 'T', brokerName: 'broker-a', queueId: 0 }

interface ConsolePart {
  readonly code: number
  readonly fields: Record<string, string>
  readonly body?: Uint8Array
}

let nextOpaque = 1_000_000

/** Asks the consumer something by its connection to the broker, and gives back what it answers. */
async function ask({ broker }: Pick<PushSetUp, 'broker'>, parts: ConsolePart): Promise<RemotingCommand> {
  const connection = await until(() => broker.server.openConnections[0])
  const opaque = nextOpaque++
  connection.request({ ...parts, opaque })
  return until(() => connection.answers.find((answer) => answer.opaque === opaque))
}

function reset({ broker }: Pick<PushSetUp, 'broker'>, offsets: Record<number, number>, topic = 'T', group = 'g'): void {
  const entries = Object.entries(offsets).map(
    ([queueId, offset]) => `{"brokerName":"broker-a","queueId":${queueId},"topic":"${topic}"}:${offset}`,
  )
  const fields = { topic, group, timestamp: '0', isForce: 'false', queueId: '-1' }
  const body = Buffer.from(`{"offsetTable":{${entries.join()}}}`)
  broker.server.openConnections[0]?.request({ code: RESET, flag: ONEWAY, fields, body })
}

/** As JSON.parse would read it, maps by queue as lists of pairs. */
function plain(value: JsonValue): unknown {
  if (value instanceof JsonEntries) return value.entries.map(([key, member]) => [plain(key), plain(member)])
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, plain(member as JsonValue)]))
}

const bodyOf = ({ body }: RemotingCommand) => plain(parseFastjson(body.toString())) as Record<string, unknown>

interface InfoBody {
  readonly properties: Record<string, string>
  readonly subscriptionSet: readonly object[]
  readonly mqTable: readonly object[]
  readonly mqPopTable: readonly object[]
  readonly statusTable: Record<string, Record<string, number>>
  readonly jstack?: string
}

/** A started consumer, whose handler takes messages down. */
async function consuming(options: Parameters<typeof pushConsumer>[1] = {}, queueCount = 1, count = 0) {
  const setUp = await pushSetUp(queueCount)
  const consumer = pushConsumer(setUp.cluster, { persistConsumerOffsetInterval: 20, ...options })
  const messages: MessageExt[] = []
  consumer.onMessage((batch) => void messages.push(...batch))
  await consumer.subscribe('T')
  for (const queue of setUp.queues) queue.fill(count)
  await consumer.start()
  await until(() => consumer.assignment().filter(({ topic }) => topic === 'T').length === queueCount)
  await until(() => messages.length === queueCount * count)
  return { ...setUp, consumer, messages }
}

describe('a reset of offsets by a broker', () => {
  it('has the queues consumed from there, stores that, and is told of', async () => {
    const setUp = await consuming({}, 2, 5)
    const { consumer, messages, offsets } = setUp
    const resets: unknown[] = []
    consumer.on('offsetsReset', (one) => resets.push(one))
    await until(() => offsets.stored.get('T-1') === 5)
    reset(setUp, { 0: 2, 7: 1 })
    await until(() => messages.length === 13)
    expect(messages.slice(10).map(({ queueId, queueOffset }) => [queueId, queueOffset])).toEqual([
      [0, 2],
      [0, 3],
      [0, 4],
    ])
    expect(resets).toEqual([{ queue: QUEUE, from: 5, to: 2 }])
    expect(offsets.history).toContainEqual(['T-0', 2])
    await until(() => offsets.stored.get('T-0') === 5)
    expect(offsets.stored.get('T-7')).toBeUndefined()
  })

  it('may skip messages', async () => {
    const setUp = await consuming({ consumeConcurrency: 1 }, 1, 1)
    const { consumer, queue, messages } = setUp
    consumer.suspend()
    queue.fill(9)
    reset(setUp, { 0: 8 })
    await until(() => consumer.health().queues[0]?.commitOffset === 8)
    consumer.resume()
    await until(() => messages.length === 3)
    expect(messages.map(({ queueOffset }) => queueOffset)).toEqual([0, 8, 9])
  })

  it('waits for handlers, so that no message has two at a time', async () => {
    const setUp = await consuming({}, 1, 0)
    const { consumer, queue } = setUp
    const ends: (() => void)[] = []
    let most = 0
    let running = 0
    consumer.onMessage(async () => {
      most = Math.max(most, ++running)
      await new Promise<void>((resolve) => ends.push(resolve))
      running--
    })
    queue.fill(1)
    await until(() => ends.length === 1)
    queue.fill(1)
    await until(() => ends.length === 2)
    ends[0]?.()
    await until(() => consumer.health().queues[0]?.commitOffset === 1)
    reset(setUp, { 0: 0 })
    await until(() => consumer.assignment().filter(({ topic }) => topic === 'T').length === 0)
    await turns()
    expect(ends).toHaveLength(2)
    ends[1]?.()
    await until(() => ends.length === 4)
    expect(most).toBe(2)
  })

  it('of several brokers or times is done one after the other', async () => {
    const setUp = await consuming({}, 2, 5)
    const { consumer, messages } = setUp
    const resets: unknown[] = []
    consumer.on('offsetsReset', ({ queue, to }) => resets.push([queue.queueId, to]))
    reset(setUp, { 0: 1 })
    reset(setUp, { 1: 2 })
    reset(setUp, { 0: 3 })
    await until(() => resets.length === 3)
    expect(resets).toEqual([
      [0, 1],
      [1, 2],
      [0, 3],
    ])
    await until(() => messages.at(-1)?.queueOffset === 4 && messages.length >= 15)
  })

  it('changes nothing for other topics, an offset that is right already, and what can not be read', async () => {
    const setUp = await consuming({}, 1, 3)
    const { consumer, broker, messages } = setUp
    const resets: unknown[] = []
    consumer.on('offsetsReset', (one) => resets.push(one))
    await until(() => consumer.health().queues[0]?.commitOffset === 3)
    const opened = consumer.health().queues[0]?.lastPullTimestamp
    reset(setUp, { 0: 0 }, 'U')
    reset(setUp, { 0: 0 }, 'T', 'nobody')
    reset(setUp, { 0: 3 })
    const fields = { topic: 'T', group: 'g', timestamp: '0', isForce: 'true' }
    const connection = broker.server.openConnections[0]
    for (const text of ['', 'no', '{"offsetTable":{{"topic":"T"}:0}}'])
      connection?.request({ code: RESET, flag: ONEWAY, fields, body: Buffer.from(text) })
    await ask(setUp, { code: STATUS, fields: { topic: 'T', group: 'g' } })
    await turns()
    expect(messages).toHaveLength(3)
    expect(resets).toEqual([])
    expect(consumer.health().queues[0]?.lastPullTimestamp).toBe(opened)
  })

  it('that can not be stored holds all the same, and is stored later', async () => {
    const setUp = await consuming({}, 1, 5)
    const { consumer, broker, messages, offsets } = setUp
    const errors: string[] = []
    consumer.on('error', ({ what }) => errors.push(what))
    await until(() => offsets.stored.get('T-0') === 5)
    const store = broker.scripts.get(Code.UPDATE_OFFSET)
    broker.scripts.set(Code.UPDATE_OFFSET, (request, connection) => connection.answer(request, { code: SYSTEM_ERROR }))
    consumer.onMessage((batch) => {
      messages.push(...batch)
      return new Promise(() => undefined)
    })
    reset(setUp, { 0: 2 })
    await until(() => messages.length === 8)
    expect(errors.join()).toContain('was not stored')
    if (store !== undefined) broker.scripts.set(Code.UPDATE_OFFSET, store)
    await until(() => offsets.stored.get('T-0') === 2)
  })

  it('holds where messages are broadcast, for this member alone', async () => {
    const localOffsetStoreDir = await mkdtemp(join(tmpdir(), 'rocketmq-reset-'))
    onTestFinished(() => rm(localOffsetStoreDir, { recursive: true, force: true }))
    const setUp = await consuming(
      { messageModel: 'BROADCASTING', localOffsetStoreDir, consumeFromWhere: 'FIRST' },
      1,
      3,
    )
    const { messages, consumer } = setUp
    await until(() => consumer.health().queues[0]?.commitOffset === 3)
    reset(setUp, { 0: 1 })
    await until(() => messages.length === 5)
    await consumer.shutdown()
    const folder = join(localOffsetStoreDir, (await readdir(localOffsetStoreDir))[0] ?? '', 'g')
    expect(await readFile(join(folder, 'offsets.json'), 'utf8')).toContain('"topic":"T"}:3')
  })

  it('works where the topic has a namespace, and the user does not see it', async () => {
    const setUp = await pushSetUp(1, 'ns%g', 'ns%T')
    const consumer = pushConsumer(setUp.cluster, { namespace: 'ns' })
    const resets: unknown[] = []
    let count = 0
    consumer.on('offsetsReset', (one) => resets.push(one))
    consumer.onMessage(() => void count++)
    setUp.queue.fill(3, { topic: 'ns%T' })
    await consumer.subscribe('T')
    await consumer.start()
    await until(() => count === 3)
    reset(setUp, { 0: 1 }, 'ns%T', 'ns%g')
    await until(() => count === 5)
    expect(resets).toEqual([{ queue: QUEUE, from: 3, to: 1 }])
  })
})

describe('a broker that floods a consumer with resets', () => {
  it('has some of them done, and the others passed over', async () => {
    const warnings: string[] = []
    const logger = { ...silentLogger, warn: (message: string) => void warnings.push(message) }
    const setUp = await consuming({ logger })
    const { consumer, queue } = setUp
    let end: () => void = () => undefined
    consumer.onMessage(
      () =>
        new Promise<void>((resolve) => {
          end = resolve
        }),
    )
    queue.fill(1)
    await until(() => consumer.health().inFlight === 1)
    // The first one waits for the handler.
    reset(setUp, { 0: 5 })
    for (let i = 0; i < 300; i++) reset(setUp, { 7: i })
    await until(() => warnings.length === 45)
    expect(warnings[0]).toContain('256 are under way')
    end()
    await until(() => consumer.health().queues.some(({ commitOffset }) => commitOffset === 5))
    reset(setUp, { 0: 1 })
    await until(() => consumer.health().queues.some(({ commitOffset }) => commitOffset === 1))
    expect(warnings).toHaveLength(45)
  })
})

describe('a broker that asks for the status of a consumer', () => {
  it('is told what would be committed of the topic', async () => {
    const setUp = await consuming({}, 2, 4)
    const { consumer } = setUp
    await until(() =>
      consumer.health().queues.every(({ queue, commitOffset }) => queue.topic !== 'T' || commitOffset === 4),
    )
    const answer = await ask(setUp, { code: STATUS, fields: { topic: 'T', group: 'g' } })
    expect(answer.code).toBe(0)
    expect(bodyOf(answer)).toEqual({
      consumerTable: {},
      messageQueueTable: [
        [QUEUE, 4],
        [{ ...QUEUE, queueId: 1 }, 4],
      ],
    })
    const none = await ask(setUp, { code: STATUS, fields: { topic: 'U', group: 'g' } })
    expect(bodyOf(none).messageQueueTable).toEqual({})
  })

  it('hears that a group is not here', async () => {
    const setUp = await consuming()
    const answer = await ask(setUp, { code: STATUS, fields: { topic: 'T', group: 'other' } })
    expect(answer).toMatchObject({ code: SYSTEM_ERROR, remark: expect.stringContaining('<other> not exist') })
  })

  it('gets an answer to a request without a topic', async () => {
    const setUp = await consuming()
    expect(await ask(setUp, { code: STATUS, fields: { group: 'g' } })).toMatchObject({ code: SYSTEM_ERROR })
  })
})

describe('the running info of a consumer', () => {
  const info = async (setUp: PushSetUp, more: Record<string, string> = {}) =>
    bodyOf(
      await ask(setUp, { code: RUNNING_INFO, fields: { consumerGroup: 'g', clientId: 'c', ...more } }),
    ) as unknown as InfoBody

  it('tells its options, subscriptions, queues and counts by the names of Java', async () => {
    const before = Date.now()
    const setUp = await consuming({ consumeTimeout: 120_000, consumeConcurrency: 7 }, 1, 4)
    const { consumer, cluster } = setUp
    await until(() =>
      consumer.health().queues.every(({ queue, commitOffset }) => queue.topic !== 'T' || commitOffset === 4),
    )
    const { properties, subscriptionSet, mqTable, mqPopTable, statusTable, ...rest } = await info(setUp)
    expect(properties).toMatchObject({
      PROP_NAMESERVER_ADDR: `${cluster.namesrvAddr};`,
      PROP_CONSUME_TYPE: 'CONSUME_PASSIVELY',
      PROP_CONSUMEORDERLY: 'false',
      PROP_THREADPOOL_CORE_SIZE: '7',
      PROP_CLIENT_VERSION: 'V5_4_0',
      consumerGroup: 'g',
      messageModel: 'CLUSTERING',
      consumeFromWhere: 'CONSUME_FROM_LAST_OFFSET',
      consumeTimeout: '2',
      pullThresholdSizeForQueue: '100',
      consumeThreadMax: '7',
    })
    expect(Number(properties.PROP_CONSUMER_START_TIMESTAMP)).toBeGreaterThanOrEqual(before)
    expect(subscriptionSet).toEqual([
      expect.objectContaining({ topic: '%RETRY%g', subString: '*', classFilterMode: false }),
      expect.objectContaining({ topic: 'T', subString: '*', expressionType: 'TAG', tagsSet: [], codeSet: [] }),
    ])
    expect(mqTable).toEqual([
      [
        QUEUE,
        {
          commitOffset: 4,
          cachedMsgMinOffset: 0,
          cachedMsgMaxOffset: 0,
          cachedMsgCount: 0,
          cachedMsgSizeInMiB: 0,
          transactionMsgMinOffset: 0,
          transactionMsgMaxOffset: 0,
          transactionMsgCount: 0,
          locked: false,
          tryUnlockTimes: 0,
          lastLockTimestamp: 0,
          droped: false,
          lastPullTimestamp: expect.any(Number),
          lastConsumeTimestamp: expect.any(Number),
        },
      ],
    ])
    expect(mqPopTable).toEqual({})
    expect(statusTable).toMatchObject({ T: { consumeFailedMsgs: 0, consumeFailedTPS: 0, pullRT: expect.any(Number) } })
    expect(statusTable.T?.consumeOKTPS).toBeGreaterThan(0)
    expect(rest).toEqual({ userConsumerInfo: {} })
  })

  it('has instead of the stacks of threads what handlers have, and nothing of the process', async () => {
    const setUp = await consuming({}, 2, 0)
    const { consumer, queues } = setUp
    expect((await info(setUp, { jstackEnable: 'true' })).jstack).toBe('no handler is at work\n')
    let count = 0
    consumer.onMessage(() => {
      count++
      return new Promise(() => undefined)
    })
    for (let i = 0; i < 13; i++) queues[0]?.store({ queueOffset: i, properties: { UNIQ_KEY: `id${i}` } })
    await until(() => count === 13)
    const text = String((await info(setUp, { jstackEnable: 'true' })).jstack)
    expect(text).toMatch(
      /^MessageQueue \[topic=T, brokerName=broker-a, queueId=0\]: handlers have 13, for the longest time id0: since \d{4}-\S+Z \(\d+ ms\); then id1, id2, .*id10, \.\.\.\n$/,
    )
    for (const secret of [process.cwd(), 'node:', ' at ', process.execPath]) expect(text).not.toContain(secret)
  })

  it('is told of a consumer without a handler too', async () => {
    const setUp = await pushSetUp()
    const consumer = groupConsumer(setUp.cluster, {}, { consumeType: 'CONSUME_ACTIVELY' })
    await consumer.subscribe('T')
    await consumer.start()
    await until(() => consumer.has.length === 1)
    const { properties, mqTable } = await info(setUp)
    expect(properties).toMatchObject({ PROP_CONSUME_TYPE: 'CONSUME_ACTIVELY', consumerGroup: 'g' })
    expect(properties).not.toHaveProperty('PROP_THREADPOOL_CORE_SIZE')
    expect(mqTable).toHaveLength(1)
  })
})

describe('a message that a console has consumed', () => {
  const consume = (setUp: PushSetUp, parts: Partial<StoredParts> = {}, group = 'g') =>
    ask(setUp, {
      code: CONSUME_DIRECTLY,
      fields: { consumerGroup: group, clientId: 'c', msgId: 'm', brokerName: 'broker-a' },
      body: storedMessage({ queueOffset: 41, queueId: 3, body: 'by hand', ...parts }),
    })

  it('goes to the handler, and no offset moves', async () => {
    const setUp = await consuming({}, 1, 2)
    const { messages, consumer } = setUp
    const answer = await consume(setUp)
    expect(answer.code).toBe(0)
    expect(bodyOf(answer)).toEqual({
      order: false,
      autoCommit: true,
      consumeResult: 'CR_SUCCESS',
      spentTimeMills: expect.any(Number),
    })
    const message = messages.at(-1)
    expect(message).toMatchObject({ topic: 'T', brokerName: 'broker-a', queueId: 3, queueOffset: 41 })
    expect(message?.body.toString()).toBe('by hand')
    expect(consumer.health().queues.find(({ queue }) => queue.topic === 'T')?.commitOffset).toBe(2)
  })

  it('has the topic that it was sent to, where it comes from a retry topic, and no namespace', async () => {
    const setUp = await pushSetUp(1, 'ns%g', 'ns%T')
    const consumer = pushConsumer(setUp.cluster, { namespace: 'ns' })
    const seen: unknown[] = []
    consumer.onMessage(([message], { messageQueue }) => void seen.push([message?.topic, messageQueue]))
    await consumer.subscribe('T')
    await consumer.start()
    const retried = { topic: '%RETRY%ns%g', properties: { RETRY_TOPIC: 'ns%T' } }
    expect((await consume(setUp, retried, 'ns%g')).code).toBe(0)
    expect(seen).toEqual([['T', { topic: '%RETRY%g', brokerName: 'broker-a', queueId: 3 }]])
  })

  it('on which the handler fails is not sent back, and the console is told why', async () => {
    const setUp = await consuming()
    const { consumer, broker } = setUp
    consumer.onMessage(async () => {
      throw new TypeError(`no ${'x'.repeat(2_000)}`)
    })
    const { consumeResult, remark } = bodyOf(await consume(setUp)) as Record<string, string>
    expect(consumeResult).toBe('CR_THROW_EXCEPTION')
    expect(remark).toMatch(/^TypeError: no x+$/)
    expect(remark?.length).toBe(1_000)
    await turns()
    expect(broker.server.requestsOf(Code.SEND_BACK)).toEqual([])
  })

  it('has to wait for its turn with the console where the handler has many already', async () => {
    const setUp = await consuming()
    const { consumer, broker } = setUp
    const ends: (() => void)[] = []
    consumer.onMessage(() => new Promise<void>((resolve) => ends.push(resolve)))
    const first = Array.from({ length: 16 }, () => consume(setUp))
    await until(() => ends.length === 16)
    expect(await consume(setUp)).toMatchObject({ code: SYSTEM_BUSY })
    for (const end of ends) end()
    await Promise.all(first)
    const next = consume(setUp)
    await until(() => ends.length === 17)
    ends[16]?.()
    expect((await next).code).toBe(0)
    expect(broker.server.openConnections).toHaveLength(1)
  })

  it('that can not be read is refused', async () => {
    const setUp = await consuming()
    const wrongCRC = await consume(setUp, { bodyCRC: 5 })
    expect(wrongCRC).toMatchObject({ code: SYSTEM_ERROR, remark: expect.stringContaining('CRC') })
    const fields = { consumerGroup: 'g' }
    const none = await ask(setUp, { code: CONSUME_DIRECTLY, fields })
    expect(none).toMatchObject({ code: SYSTEM_ERROR, remark: expect.stringContaining('no message') })
  })

  it('is refused where the user does not want that, and by who has no handler', async () => {
    const setUp = await consuming({ consumeDirectlyEnabled: false })
    expect(await consume(setUp)).toMatchObject({
      code: NO_PERMISSION,
      remark: expect.stringContaining('consumeDirectlyEnabled'),
    })
    expect(setUp.messages).toEqual([])
    const other = await pushSetUp()
    const consumer = groupConsumer(other.cluster)
    await consumer.subscribe('T')
    await consumer.start()
    await until(() => consumer.has.length === 1)
    expect(await consume(other)).toMatchObject({ code: NOT_SUPPORTED })
  })
})
