import { describe, expect, it, onTestFinished } from 'vitest'
import { Client } from '../../src/client/client.js'
import { ConsumeTrace } from '../../src/client/trace/consume-trace.js'
import { TraceDispatcher } from '../../src/client/trace/trace-dispatcher.js'
import { type MessageTraceOptions, messageTraceRule } from '../../src/client/trace/trace-options.js'
import type { PubRecord } from '../../src/client/trace/trace-record.js'
import { decodeProperties } from '../../src/codec/properties.js'
import type { RemotingCommand } from '../../src/codec/remoting-command.js'
import { ClientError } from '../../src/errors.js'
import type { Logger } from '../../src/logger.js'
import type { MessageExt } from '../../src/message/message.js'
import { Code, type ScriptedCluster, scriptedCluster } from '../support/scripted-cluster.js'
import { type Script, staySilent } from '../support/scripted-server.js'
import { turns, until } from '../support/until.js'

const TRACE_TOPIC = 'RMQ_SYS_TRACE_TOPIC'
const REFUSED = { code: 1, remark: 'refused by the test' }

const refuse: Script = (request, connection) => connection.answer(request, REFUSED)

function pub(msgId: string, parts: Partial<PubRecord> = {}): PubRecord {
  return {
    traceType: 'Pub',
    startedAt: 1_700_000_000_000,
    regionId: 'DefaultRegion',
    topic: 'T',
    msgId,
    offsetMsgId: 'offset',
    storeHost: '127.0.0.1:10911',
    bodyLength: 10,
    cost: 3,
    msgType: 'Normal_Msg',
    success: true,
    ...parts,
  }
}

interface TraceUnderTest {
  readonly cluster: ScriptedCluster
  readonly dispatcher: TraceDispatcher
  readonly warnings: { message: string; fields: object | undefined }[]
}

async function traceUnderTest(
  options: MessageTraceOptions = {},
  brokerNames: readonly string[] = ['broker-a'],
): Promise<TraceUnderTest> {
  const cluster = await scriptedCluster(brokerNames)
  cluster.addTopic(TRACE_TOPIC)
  const warnings: TraceUnderTest['warnings'] = []
  return { cluster, warnings, dispatcher: await startDispatcher(cluster, options, warnings) }
}

async function startDispatcher(
  cluster: ScriptedCluster,
  options: MessageTraceOptions,
  warnings: TraceUnderTest['warnings'],
): Promise<TraceDispatcher> {
  const ignore = () => undefined
  const logger: Logger = {
    debug: ignore,
    info: ignore,
    error: ignore,
    warn: (message, fields) => warnings.push({ message, fields }),
  }
  const client = new Client({ namesrvAddr: cluster.namesrvAddr, logger, requestTimeout: 5000 })
  const resolved = messageTraceRule.read(options, 'option messageTrace of Test')
  if (resolved === undefined) throw new Error('the trace is off')
  const dispatcher = new TraceDispatcher(client, 'group-1', 'PRODUCE', resolved)
  onTestFinished(async () => {
    await dispatcher.stop(0)
    await client.shutdown()
  })
  await client.start()
  return dispatcher
}

/** The ids of the records in a trace message. */
function idsIn(request: RemotingCommand | undefined): string[] {
  const lines = request?.body.toString().split('\u0002').slice(0, -1) ?? []
  return lines.map((line) => line.split('\u0001')[5] ?? '')
}

function ids(count: number, from = 0): string[] {
  return Array.from({ length: count }, (_, i) => `id${from + i}`)
}

describe('the trace of a member', () => {
  it('goes in one message to the trace topic, with the keys by which it is found', async () => {
    const { cluster, dispatcher } = await traceUnderTest({ batchSize: 2 })
    dispatcher.append(pub('id0', { keys: 'k1 k2' }))
    dispatcher.append(pub('id1'))
    const request = await until(() => cluster.broker().sends[0])
    const { g: bornTimestamp, i: properties, a: group, e: queueId, ...fields } = request.extFields
    expect(fields).toEqual({
      b: TRACE_TOPIC,
      c: 'TBW102',
      d: '4',
      f: '0',
      h: '0',
      j: '0',
      k: 'false',
      m: 'false',
      n: 'broker-a',
    })
    expect(group).toMatch(/^_INNER_TRACE_PRODUCER-group-1-PRODUCE-\d+$/)
    expect(Number(queueId)).toBeLessThan(4)
    expect(Number(bornTimestamp)).toBeGreaterThan(0)
    expect(decodeProperties(properties ?? '')).toEqual({
      UNIQ_KEY: expect.stringMatching(/^[0-9A-F]{32}$/),
      KEYS: 'id0 k1 k2 id1',
      WAIT: 'true',
    })
    expect(idsIn(request)).toEqual(['id0', 'id1'])
    await until(() => dispatcher.counts.sent === 2)
  })

  it('is sent in full batches, and what is left over after the flush interval', async () => {
    const { cluster, dispatcher } = await traceUnderTest({ batchSize: 10, flushInterval: 200 })
    for (const id of ids(25)) dispatcher.append(pub(id))
    const sends = await until(() => cluster.broker().sends.length === 3 && cluster.broker().sends)
    expect(sends.map(idsIn)).toEqual([ids(10), ids(10, 10), ids(5, 20)])
  })

  it('waits for the flush interval with less than a batch', async () => {
    const { cluster, dispatcher } = await traceUnderTest({ batchSize: 10, flushInterval: 3_600_000 })
    for (const id of ids(9)) dispatcher.append(pub(id))
    await turns()
    expect(cluster.broker().sends).toHaveLength(0)
    dispatcher.append(pub('id9'))
    expect(idsIn(await until(() => cluster.broker().sends[0]))).toEqual(ids(10))
  })

  it('encodes and sends nothing while records are appended', async () => {
    const { dispatcher } = await traceUnderTest({ batchSize: 1 })
    for (const id of ids(100)) dispatcher.append(pub(id))
    expect(dispatcher.counts).toEqual({ sent: 0, dropped: 0, waiting: 100 })
    await until(() => dispatcher.counts.sent === 100)
  })

  it('leaves out what brokers want no trace of, and its own topic', async () => {
    const { dispatcher } = await traceUnderTest()
    expect(dispatcher.append(pub('id0', { traceOn: false }))).toBe(false)
    expect(dispatcher.append(pub('id1', { topic: TRACE_TOPIC }))).toBe(false)
    expect(dispatcher.append(pub('id2', { traceOn: true, topic: `${TRACE_TOPIC}_2` }))).toBe(true)
    expect(dispatcher.counts).toEqual({ sent: 0, dropped: 0, waiting: 1 })
  })

  it('goes to a topic of its own where one is given', async () => {
    const { cluster, dispatcher } = await traceUnderTest({ traceTopic: 'MyTrace', batchSize: 1 })
    cluster.addTopic('MyTrace')
    expect(dispatcher.append(pub('id0', { topic: 'MyTrace' }))).toBe(false)
    dispatcher.append(pub('id1', { topic: TRACE_TOPIC }))
    expect((await until(() => cluster.broker().sends[0])).field('b')).toBe('MyTrace')
  })

  it('creates the trace topic by its first message where brokers have a template', async () => {
    const { cluster, dispatcher } = await traceUnderTest({ traceTopic: 'NewTrace', batchSize: 1 })
    cluster.addTopic('TBW102')
    dispatcher.append(pub('id0'))
    expect((await until(() => cluster.broker().sends[0])).extFields).toMatchObject({ b: 'NewTrace', c: 'TBW102' })
  })
})

describe('a trace that finds no way out', () => {
  it('drops records for which the queue has no room, counts them and says so once', async () => {
    const { cluster, dispatcher, warnings } = await traceUnderTest({ queueSize: 10, batchSize: 10 })
    cluster.broker().scripts.set(Code.SEND, staySilent)
    for (const id of ids(1000)) expect(dispatcher.append(pub(id))).toBe(Number(id.slice(2)) < 10)
    expect(dispatcher.counts).toEqual({ sent: 0, dropped: 990, waiting: 10 })
    expect(warnings).toEqual([
      {
        message: 'message trace: the queue is full, records are dropped',
        fields: { traceTopic: TRACE_TOPIC, group: 'group-1', sent: 0, dropped: 1, waiting: 10 },
      },
    ])
  })

  it('has a batch of the size of its queue, where that is the smaller one', async () => {
    const { cluster, dispatcher } = await traceUnderTest({ queueSize: 3, batchSize: 10, flushInterval: 3_600_000 })
    for (const id of ids(3)) dispatcher.append(pub(id))
    expect(idsIn(await until(() => cluster.broker().sends[0]))).toEqual(ids(3))
  })

  it('has four messages in flight at most', async () => {
    const { cluster, dispatcher } = await traceUnderTest({ batchSize: 1 })
    cluster.broker().scripts.set(Code.SEND, staySilent)
    for (const id of ids(20)) dispatcher.append(pub(id))
    await until(() => cluster.broker().sends.length === 4)
    await turns()
    expect(cluster.broker().sends).toHaveLength(4)
    expect(dispatcher.counts.waiting).toBe(16)
  })

  it('tries another broker once when one refuses', async () => {
    const { cluster, dispatcher, warnings } = await traceUnderTest({ batchSize: 1 }, ['broker-a', 'broker-b'])
    cluster.broker(0).scripts.set(Code.SEND, refuse)
    for (const id of ids(8)) dispatcher.append(pub(id))
    await until(() => dispatcher.counts.sent === 8)
    expect(cluster.broker(1).sends).toHaveLength(8)
    expect(cluster.broker(0).sends.length).toBeGreaterThan(0)
    expect(warnings).toEqual([])
  })

  it('goes to a broker that can be reached, when another one can not', async () => {
    const { cluster, dispatcher, warnings } = await traceUnderTest({ batchSize: 1 }, ['broker-a', 'broker-b'])
    await cluster.broker(0).server.close()
    for (const id of ids(20)) dispatcher.append(pub(id))
    await until(() => dispatcher.counts.sent === 20)
    expect(cluster.broker(1).sends.flatMap(idsIn).sort()).toEqual(ids(20).sort())
    expect(warnings).toEqual([])
  })

  it('tries the only queue again when its connection breaks, with the same id', async () => {
    const { cluster, dispatcher } = await traceUnderTest({ batchSize: 1 })
    cluster.addTopic(TRACE_TOPIC, 1)
    const broker = cluster.broker()
    broker.scripts.set(Code.SEND, (_request, connection) => {
      broker.scripts.delete(Code.SEND)
      connection.reset()
    })
    dispatcher.append(pub('id0'))
    await until(() => dispatcher.counts.sent === 1)
    const uniqKeys = broker.sends.map((request) => decodeProperties(request.field('i') ?? '').UNIQ_KEY)
    expect(uniqKeys).toHaveLength(2)
    expect(new Set(uniqKeys).size).toBe(1)
  })

  it('drops what is refused, says so once and makes no storm', async () => {
    const { cluster, dispatcher, warnings } = await traceUnderTest({ batchSize: 1 })
    cluster.addTopic(TRACE_TOPIC, 1)
    cluster.broker().scripts.set(Code.SEND, refuse)
    dispatcher.append(pub('id0'))
    await until(() => dispatcher.counts.dropped === 1)
    for (const id of ids(500, 1)) dispatcher.append(pub(id))
    await turns()
    expect(cluster.broker().sends).toHaveLength(1)
    expect(dispatcher.counts).toEqual({ sent: 0, dropped: 1, waiting: 500 })
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toMatchObject({
      message: 'message trace: records could not be sent and are dropped',
      fields: { traceTopic: TRACE_TOPIC, dropped: 1, error: { code: 'SYSTEM_ERROR' } },
    })
  })

  it('goes on after a pause when the trace topic takes messages again', async () => {
    const { cluster, dispatcher } = await traceUnderTest({ batchSize: 1, traceTopic: 'LateTrace' })
    dispatcher.append(pub('id0'))
    await until(() => dispatcher.counts.dropped === 1)
    dispatcher.append(pub('id1'))
    cluster.addTopic('LateTrace')
    await until(() => dispatcher.counts.sent === 1)
    expect(cluster.broker().sends.map(idsIn)).toEqual([['id1']])
  })

  it('asks the NameServer once in a while for a trace topic that does not exist', async () => {
    const { cluster, dispatcher, warnings } = await traceUnderTest({ batchSize: 1, traceTopic: 'NoTrace' })
    for (const id of ids(100)) dispatcher.append(pub(id))
    await until(() => dispatcher.counts.dropped > 0)
    await turns()
    expect(cluster.nameServer.asked('NoTrace')).toBeLessThanOrEqual(2)
    expect(cluster.broker().sends).toHaveLength(0)
    expect(warnings.map(({ fields }) => fields)).toMatchObject([{ error: { code: 'TOPIC_NOT_FOUND' } }])
  })

  it('drops a record that is too large, or malformed, and goes on', async () => {
    const { dispatcher, warnings } = await traceUnderTest({ batchSize: 1, maxMessageSize: 1024 })
    dispatcher.append(pub('id0', { tags: 'x'.repeat(1024) }))
    dispatcher.append(pub('id1', { keys: 7 as unknown as string }))
    dispatcher.append(pub('id2'))
    await until(() => dispatcher.counts.sent === 1)
    expect(dispatcher.counts.dropped).toBe(2)
    expect(warnings).toHaveLength(1)
  })
})

describe('the end of a trace', () => {
  it('sends everything that waits, and takes nothing more', async () => {
    const { cluster, dispatcher, warnings } = await traceUnderTest({ batchSize: 10, flushInterval: 3_600_000 })
    for (const id of ids(95)) dispatcher.append(pub(id))
    await dispatcher.stop()
    expect(dispatcher.counts).toEqual({ sent: 95, dropped: 0, waiting: 0 })
    expect(cluster.broker().sends.flatMap(idsIn).sort()).toEqual(ids(95).sort())
    expect(dispatcher.append(pub('late'))).toBe(false)
    expect(warnings).toEqual([])
  })

  it('is soon where there is nothing to send, and only one', async () => {
    const { dispatcher } = await traceUnderTest()
    const stop = dispatcher.stop()
    expect(dispatcher.stop()).toBe(stop)
    await stop
  })

  it('waits for a silent broker no longer than it may, and drops the rest', async () => {
    const { cluster, dispatcher, warnings } = await traceUnderTest({ batchSize: 1 })
    cluster.broker().scripts.set(Code.SEND, staySilent)
    for (const id of ids(10)) dispatcher.append(pub(id))
    await until(() => cluster.broker().sends.length === 4)
    await dispatcher.stop(50)
    expect(dispatcher.counts).toEqual({ sent: 0, dropped: 6, waiting: 0 })
    expect(warnings).toMatchObject([{ message: 'message trace: 6 records were not sent before the shutdown' }])
  })

  it('gives up at the first failure', async () => {
    const { cluster, dispatcher } = await traceUnderTest({ batchSize: 10, flushInterval: 3_600_000 })
    cluster.addTopic(TRACE_TOPIC, 1)
    cluster.broker().scripts.set(Code.SEND, refuse)
    for (const id of ids(100)) dispatcher.append(pub(id))
    await dispatcher.stop(3_600_000)
    expect(cluster.broker().sends.length).toBeLessThanOrEqual(4)
    expect(dispatcher.counts).toEqual({ sent: 0, dropped: 100, waiting: 0 })
  })

  it('tries once more in the midst of a pause', async () => {
    const { cluster, dispatcher } = await traceUnderTest({ batchSize: 1 })
    cluster.addTopic(TRACE_TOPIC, 1)
    cluster.broker().scripts.set(Code.SEND, refuse)
    dispatcher.append(pub('id0'))
    await until(() => dispatcher.counts.dropped === 1)
    cluster.broker().scripts.delete(Code.SEND)
    for (const id of ids(5, 1)) dispatcher.append(pub(id))
    await dispatcher.stop()
    expect(dispatcher.counts).toEqual({ sent: 5, dropped: 1, waiting: 0 })
  })

  it('is final: an answer that comes later starts nothing', async () => {
    const { cluster, dispatcher } = await traceUnderTest({ batchSize: 1 })
    cluster.addTopic(TRACE_TOPIC, 1)
    const broker = cluster.broker()
    broker.scripts.set(Code.SEND, staySilent)
    for (const id of ids(10)) dispatcher.append(pub(id))
    await until(() => broker.sends.length === 4)
    await dispatcher.stop(0)
    const [first] = broker.sends
    const connection = broker.server.connections.find(({ requests }) => requests.some((request) => request === first))
    if (first !== undefined) connection?.answer(first, REFUSED)
    await until(() => dispatcher.counts.dropped === 7)
    await turns()
    expect(broker.sends).toHaveLength(4)
  })
})

describe('the trace of a consumption', () => {
  function message(msgId: string, properties: Record<string, string> = {}): MessageExt {
    return { topic: 'T', msgId, reconsumeTimes: 2, properties } as unknown as MessageExt
  }

  function lines(request: RemotingCommand): string[][] {
    return request.body
      .toString()
      .split('\u0002')
      .slice(0, -1)
      .map((line) => line.split('\u0001'))
  }

  it('is one record before and one after for each message, brought together by a request id', async () => {
    const { cluster, dispatcher } = await traceUnderTest({ batchSize: 2 })
    const messages = [message('id0', { KEYS: 'k1', MSG_REGION: 'R1' }), message('id1', { MSG_REGION: 'R2' })]
    const trace = new ConsumeTrace(dispatcher, messages, 1_700_000_000_000)
    trace.end(false, 'FAILED', 1_700_000_000_025)
    const request = await until(() => cluster.broker().sends[0])
    const requestId = lines(request)[0]?.[4]
    expect(requestId).toMatch(/^[0-9A-F]{32}$/)
    expect(lines(request)).toEqual([
      ['SubBefore', '1700000000000', 'R2', 'group-1', requestId, 'id0', '2', 'k1'],
      ['SubBefore', '1700000000000', 'R2', 'group-1', requestId, 'id1', '2', 'null'],
      ['SubAfter', requestId, 'id0', '12', 'false', 'k1', '4', '1700000000025', 'group-1'],
      ['SubAfter', requestId, 'id1', '12', 'false', 'null', '4', '1700000000025', 'group-1'],
    ])
    expect(decodeProperties(request.field('i') ?? '').KEYS).toBe('id0 id1 k1')
  })

  it('leaves out messages whose broker wants no trace', async () => {
    const { cluster, dispatcher } = await traceUnderTest({ batchSize: 2 })
    new ConsumeTrace(dispatcher, [message('id0', { TRACE_ON: 'false' })]).end(true, 'SUCCESS')
    expect(dispatcher.counts.waiting).toBe(0)
    new ConsumeTrace(dispatcher, [message('id1', { TRACE_ON: 'false' }), message('id2')]).end(true, 'SUCCESS')
    const request = await until(() => cluster.broker().sends[0])
    expect(lines(request).map((line) => line[0])).toEqual(['SubBefore', 'SubAfter'])
    expect(decodeProperties(request.field('i') ?? '').KEYS).toBe('id2')
  })

  it('is in parts where the ids of all messages would be too many keys for one', async () => {
    const { cluster, dispatcher } = await traceUnderTest({ batchSize: 100, flushInterval: 100 })
    const messages = ids(1024).map((id) => message(id.padEnd(32, 'x')))
    new ConsumeTrace(dispatcher, messages).end(true, 'SUCCESS')
    await until(() => dispatcher.counts.sent === 22)
    const found = new Set(
      cluster.broker().sends.flatMap((send) => (decodeProperties(send.field('i') ?? '').KEYS ?? '').split(' ')),
    )
    expect(found.size).toBe(1024)
    expect(dispatcher.counts.dropped).toBe(0)
  })
})

describe('option messageTrace', () => {
  const read = (value: unknown) => messageTraceRule.read(value, 'option messageTrace of DefaultProducer')

  it('is off by default, and has the defaults of Java', () => {
    expect(read(undefined)).toBeUndefined()
    expect(read(false)).toBeUndefined()
    const defaults = {
      traceTopic: TRACE_TOPIC,
      queueSize: 2048,
      batchSize: 10,
      flushInterval: 5000,
      maxMessageSize: 128_000,
    }
    expect(read(true)).toEqual(defaults)
    expect(read({ traceTopic: 'MyTrace', batchSize: 100 })).toEqual({
      ...defaults,
      traceTopic: 'MyTrace',
      batchSize: 100,
    })
  })

  it.each([
    ['yes', /option messageTrace of DefaultProducer is 'yes', true, false or an object expected/],
    [[], /true, false or an object expected/],
    [{ queueSize: 0 }, /option queueSize of messageTrace of DefaultProducer is 0/],
    [{ batchsize: 5 }, /did you mean batchSize/],
    [{ flushInterval: -1 }, /flushInterval/],
    [{ traceTopic: 'no topic' }, /illegal characters/],
  ])('refuses %o', (value, problem) => {
    expect(() => read(value)).toThrow(problem)
    expect(() => read(value)).toThrow(ClientError)
  })
})
