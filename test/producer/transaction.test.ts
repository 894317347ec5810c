import { deflateSync } from 'node:zlib'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { Client } from '../../src/client/client.js'
import { decodeProperties } from '../../src/codec/properties.js'
import { ClientError } from '../../src/errors.js'
import { silentLogger } from '../../src/logger.js'
import type { Message, MessageExt } from '../../src/message/message.js'
import type { LocalTransactionState } from '../../src/producer/local-transaction.js'
import { TransactionProducer } from '../../src/producer/transaction-producer.js'
import { brokerData, Code, queueData, routeBody, scriptedCluster } from '../support/scripted-cluster.js'
import { rejectionOf, turns, until } from '../support/until.js'
import { askFor, endsAt, fieldsOf, gate, startedTransactionProducer } from './transaction-under-test.js'

const message = { topic: 'T', body: 'x' } as const
const FLUSH_DISK_TIMEOUT = 10
const SLAVE_NOT_AVAILABLE = 11
const FLUSH_SLAVE_TIMEOUT = 12
const SYSTEM_ERROR = 1
const PREPARED = 4
const COMMIT = '8'
const ROLLBACK = '12'
const UNKNOWN = '0'

const loggerWith = (warn: (text: string, fields?: object) => void) => ({ ...silentLogger, warn })

describe('a message in a transaction', () => {
  it('is sent as half a message, then its local transaction runs, then the broker is told how that has ended', async () => {
    const cluster = await scriptedCluster()
    const broker = cluster.broker()
    broker.scripts.set(Code.SEND, (request, connection) =>
      broker.store(request, connection, {
        fields: { msgId: '7F00000100002A9F000000000000ABCD', queueOffset: 77, transactionId: 'the-id' },
      }),
    )
    const producer = await startedTransactionProducer(cluster)
    const seen: string[] = []
    const result = await producer.sendInTransaction(message, ({ transactionId }) => {
      seen.push(transactionId)
      expect(broker.sends).toHaveLength(1)
      expect(endsAt(broker)).toEqual([])
      return 'COMMIT'
    })
    expect(seen).toEqual(['the-id'])
    expect(result).toMatchObject({
      sendStatus: 'SEND_OK',
      localTransactionState: 'COMMIT',
      transactionId: 'the-id',
      queueOffset: 77,
    })
    expect(result).not.toHaveProperty('localTransactionError')
    expect(result).not.toHaveProperty('endTransactionError')

    const [half] = broker.sends
    expect(half?.field('f')).toBe(String(PREPARED))
    expect(decodeProperties(half?.field('i') ?? '')).toMatchObject({
      TRAN_MSG: 'true',
      PGROUP: 'p',
      UNIQ_KEY: result.msgId,
    })
    const end = await until(() => endsAt(broker)[0])
    expect(end.isOneway).toBe(true)
    const names = ['topic', 'producerGroup', 'tranStateTableOffset', 'commitLogOffset', 'commitOrRollback']
    expect(fieldsOf(end, [...names, 'fromTransactionCheck', 'msgId', 'transactionId', 'bname'])).toEqual({
      topic: 'T',
      producerGroup: 'p',
      tranStateTableOffset: '77',
      commitLogOffset: String(0xabcd),
      commitOrRollback: COMMIT,
      fromTransactionCheck: 'false',
      msgId: result.msgId,
      transactionId: 'the-id',
      bname: 'broker-a',
    })
    expect(end.remark).toBeUndefined()
  })

  it.each([
    ['COMMIT', COMMIT],
    ['ROLLBACK', ROLLBACK],
    ['UNKNOWN', UNKNOWN],
  ] as const)('whose local transaction gives %s tells the broker %s', async (state, decision) => {
    const cluster = await scriptedCluster()
    const producer = await startedTransactionProducer(cluster)
    const result = await producer.sendInTransaction(message, async () => state)
    expect(result.localTransactionState).toBe(state)
    const end = await until(() => endsAt(cluster.broker())[0])
    expect(end.field('commitOrRollback')).toBe(decision)
  })

  it('is handed with its argument to the local transaction of the producer, which may be asynchronous', async () => {
    const cluster = await scriptedCluster()
    const calls: unknown[][] = []
    const producer = await startedTransactionProducer(cluster, {
      async executeLocalTransaction(...args) {
        await turns(1)
        calls.push(args)
        return 'ROLLBACK'
      },
    })
    const given: Message = { ...message, keys: 'k', properties: { a: '1' } }
    const before = structuredClone(given)
    const { transactionId, msgId } = await producer.sendInTransaction(given, { order: 7 })
    await producer.sendInTransaction(given)
    expect(given).toEqual(before)
    expect(Reflect.ownKeys(given)).toEqual(Reflect.ownKeys(before))
    expect(transactionId).toBe(msgId)
    expect(calls).toHaveLength(2)
    expect(calls[0]).toEqual([{ ...given, transactionId }, { order: 7 }])
    expect(calls[1]?.[1]).toBeUndefined()
  })

  it('whose local transaction throws has an unknown state, and the broker hears why', async () => {
    const cluster = await scriptedCluster()
    const producer = await startedTransactionProducer(cluster)
    const failure = new Error('the bank is closed')
    const result = await producer.sendInTransaction(message, () => {
      throw failure
    })
    expect(result).toMatchObject({ localTransactionState: 'UNKNOWN', localTransactionError: failure })
    const end = await until(() => endsAt(cluster.broker())[0])
    expect(end.field('commitOrRollback')).toBe(UNKNOWN)
    expect(end.remark).toBe('executeLocalTransaction: Error: the bank is closed')

    const rejected = await producer.sendInTransaction(message, () => Promise.reject('no error at all'))
    expect(rejected.localTransactionError).toBeInstanceOf(Error)
    expect(rejected.localTransactionError?.message).toContain('no error at all')
    const long = await producer.sendInTransaction(message, () => Promise.reject(new Error('x'.repeat(100_000))))
    expect(long.localTransactionError?.message).toHaveLength(100_000)
    const last = await until(() => endsAt(cluster.broker())[2])
    expect(last.remark).toHaveLength(1024)
  })

  it.each([[undefined], [null], [true], ['commit'], [{}]])(
    'whose local transaction gives %s has an unknown state and an error that says so',
    async (value) => {
      const cluster = await scriptedCluster()
      const producer = await startedTransactionProducer(cluster)
      const result = await producer.sendInTransaction(message, () => value as LocalTransactionState)
      expect(result.localTransactionState).toBe('UNKNOWN')
      expect(result.localTransactionError).toBeInstanceOf(ClientError)
      expect(result.localTransactionError?.message).toMatch(/'COMMIT', 'ROLLBACK' or 'UNKNOWN' expected/)
      const end = await until(() => endsAt(cluster.broker())[0])
      expect(end.field('commitOrRollback')).toBe(UNKNOWN)
    },
  )

  it.each([
    [FLUSH_DISK_TIMEOUT, 'FLUSH_DISK_TIMEOUT'],
    [FLUSH_SLAVE_TIMEOUT, 'FLUSH_SLAVE_TIMEOUT'],
    [SLAVE_NOT_AVAILABLE, 'SLAVE_NOT_AVAILABLE'],
  ])('stored with status %i is rolled back without its local transaction', async (code, sendStatus) => {
    const cluster = await scriptedCluster()
    const broker = cluster.broker()
    broker.scripts.set(Code.SEND, (request, connection) => broker.store(request, connection, { code }))
    const producer = await startedTransactionProducer(cluster)
    const execute = vi.fn(() => 'COMMIT' as const)
    const result = await producer.sendInTransaction(message, execute)
    expect(result).toMatchObject({ sendStatus, localTransactionState: 'ROLLBACK' })
    const end = await until(() => endsAt(broker)[0])
    expect(end.field('commitOrRollback')).toBe(ROLLBACK)
    expect(execute).not.toHaveBeenCalled()
  })

  it('that is not stored rejects as a send does, without local transaction and end', async () => {
    const cluster = await scriptedCluster()
    const broker = cluster.broker()
    broker.scripts.set(Code.SEND, (request, connection) =>
      connection.answer(request, { code: SYSTEM_ERROR, remark: 'disk is full' }),
    )
    const producer = await startedTransactionProducer(cluster, { retryTimesWhenSendFailed: 1 })
    const execute = vi.fn(() => 'COMMIT' as const)
    const error = await rejectionOf(producer.sendInTransaction(message, execute))
    expect(error).toMatchObject({ name: 'BrokerError', code: 'SYSTEM_ERROR', attempts: [{}, {}], mayBeStored: true })
    await turns()
    expect(execute).not.toHaveBeenCalled()
    expect(endsAt(broker)).toEqual([])
  })

  it('is ended at the master of the broker that stored it', async () => {
    const cluster = await scriptedCluster(['broker-a', 'broker-b'])
    const producer = await startedTransactionProducer(cluster)
    for (const broker of cluster.brokers) {
      const queue = { topic: 'T', brokerName: broker.name, queueId: 1 }
      const { msgId } = await producer.sendInTransaction(message, () => 'COMMIT', { queue })
      const end = await until(() => endsAt(broker)[0])
      expect(fieldsOf(end, ['msgId', 'bname'])).toEqual({ msgId, bname: broker.name })
    }
    for (const broker of cluster.brokers) expect(endsAt(broker)).toHaveLength(1)
  })

  it('whose broker can not be told its end resolves all the same, with the reason, which is an error event too', async () => {
    const cluster = await scriptedCluster()
    const producer = await startedTransactionProducer(cluster)
    const events: { error: Error; what: string }[] = []
    producer.on('error', (event) => events.push(event))
    const result = await producer.sendInTransaction(message, async () => {
      cluster.nameServer.routes.set(
        'T',
        routeBody({
          queueDatas: [queueData('broker-a')],
          brokerDatas: [brokerData('broker-a', { 1: cluster.broker().address })],
        }),
      )
      await producer.fetchPublishMessageQueues('T')
      return 'COMMIT'
    })
    expect(result.localTransactionState).toBe('COMMIT')
    expect(result.endTransactionError?.message).toMatch(/broker broker-a has no master/)
    expect(events).toHaveLength(1)
    expect(events[0]?.error).toBe(result.endTransactionError)
    expect(events[0]?.what).toContain(result.msgId)
  })

  it.each([{ delayLevel: 3 }, { delayMs: 1000 }, { deliverAt: Date.now() }, { priority: 1 }])(
    'with %o is refused before anything is sent',
    async (more) => {
      const cluster = await scriptedCluster()
      const producer = await startedTransactionProducer(cluster)
      const [name = ''] = Object.keys(more)
      const error = await rejectionOf(producer.sendInTransaction({ ...message, ...more }, () => 'COMMIT'))
      expect(error).toMatchObject({ name: 'ClientError', code: 'INVALID_ARGUMENT' })
      expect(error.message).toContain(name)
      expect(cluster.broker().sends).toEqual([])
    },
  )

  it('without any local transaction is refused', async () => {
    const cluster = await scriptedCluster()
    const producer = await startedTransactionProducer(cluster)
    await expect(producer.sendInTransaction(message, 'an argument')).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('executeLocalTransaction'),
    })
    await expect(producer.sendInTransaction(null as unknown as Message, () => 'COMMIT')).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    })
    expect(cluster.broker().sends).toEqual([])
  })

  it('tells the broker when to ask first, rounded up to seconds', async () => {
    const cluster = await scriptedCluster()
    const producer = await startedTransactionProducer(cluster)
    for (const checkImmunityTime of [1, 1000, 1001, 90_000])
      await producer.sendInTransaction(message, () => 'COMMIT', { checkImmunityTime })
    await producer.sendInTransaction(message, () => 'COMMIT')
    const times = cluster
      .broker()
      .sends.map((send) => decodeProperties(send.field('i') ?? '').CHECK_IMMUNITY_TIME_IN_SECONDS)
    expect(times).toEqual(['1', '1', '2', '90', undefined])
    for (const checkImmunityTime of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, '5' as unknown as number]) {
      const call = producer.sendInTransaction(message, () => 'COMMIT', { checkImmunityTime })
      await expect(call).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    }
    expect(cluster.broker().sends).toHaveLength(5)
  })

  it('carries the namespace in topic and group, which the local transaction does not see', async () => {
    const cluster = await scriptedCluster()
    cluster.addTopic('ns%T')
    const checked: MessageExt[] = []
    const producer = await startedTransactionProducer(cluster, {
      namespace: 'ns',
      checkLocalTransaction: (asked) => {
        checked.push(asked)
        return 'COMMIT'
      },
    })
    const topics: string[] = []
    await producer.sendInTransaction(message, (half) => {
      topics.push(half.topic)
      return 'COMMIT'
    })
    const broker = cluster.broker()
    expect(topics).toEqual(['T'])
    expect(decodeProperties(broker.sends[0]?.field('i') ?? '').PGROUP).toBe('ns%p')
    askFor(broker, { msgId: 'm', topic: 'ns%T', group: 'ns%p' })
    await until(() => endsAt(broker).length === 2)
    expect(checked.map(({ topic }) => topic)).toEqual(['T'])
    for (const end of endsAt(broker)) {
      expect(fieldsOf(end, ['topic', 'producerGroup'])).toEqual({ topic: 'ns%T', producerGroup: 'ns%p' })
    }
  })
})

describe('a check', () => {
  it('is answered with its own offsets, the message’s real topic and the state that the message has', async () => {
    const cluster = await scriptedCluster()
    const broker = cluster.broker()
    const states: LocalTransactionState[] = ['COMMIT', 'ROLLBACK', 'UNKNOWN']
    const checked: MessageExt[] = []
    const producer = await startedTransactionProducer(cluster, {
      checkLocalTransaction: async (asked) => {
        checked.push(asked)
        return states[checked.length - 1] ?? 'UNKNOWN'
      },
    })
    await producer.sendInTransaction(message, () => 'UNKNOWN')
    await until(() => endsAt(broker).length === 1)
    broker.server.forget()
    for (const [i] of states.entries()) {
      askFor(broker, { msgId: `m${i}`, offset: 500 + i, body: `body ${i}`, properties: { TAGS: 'a', own: 'b' } })
      await until(() => endsAt(broker).length === i + 1)
    }
    expect(checked.map(({ msgId, topic, body, brokerName }) => [msgId, topic, body.toString(), brokerName])).toEqual(
      states.map((_, i) => [`m${i}`, 'T', `body ${i}`, 'broker-a']),
    )
    expect(checked[0]).toMatchObject({ tags: 'a', properties: { own: 'b', UNIQ_KEY: 'm0' } })
    const names = ['topic', 'producerGroup', 'tranStateTableOffset', 'commitLogOffset', 'commitOrRollback', 'bname']
    const ends = endsAt(broker).map((end) =>
      fieldsOf(end, [...names, 'fromTransactionCheck', 'msgId', 'transactionId']),
    )
    expect(ends).toEqual(
      [COMMIT, ROLLBACK, UNKNOWN].map((commitOrRollback, i) => ({
        topic: 'T',
        producerGroup: 'p',
        tranStateTableOffset: String(500 + i),
        commitLogOffset: String((500 + i) * 1_000),
        commitOrRollback,
        bname: 'broker-a',
        fromTransactionCheck: 'true',
        msgId: `m${i}`,
        transactionId: `m${i}`,
      })),
    )
    for (const end of endsAt(broker)) expect(end.isOneway).toBe(true)
  })

  it('of a broker that does not say its name has the name that the route gives its address', async () => {
    const cluster = await scriptedCluster()
    const checked: MessageExt[] = []
    await startedTransactionProducer(cluster, {
      topics: ['T'],
      checkLocalTransaction: (asked) => {
        checked.push(asked)
        return 'COMMIT'
      },
    })
    await until(() => cluster.broker().server.requestsOf(Code.HEARTBEAT).length > 0)
    askFor(cluster.broker(), { msgId: 'm', brokerName: '' })
    const end = await until(() => endsAt(cluster.broker())[0])
    expect(checked[0]?.brokerName).toBe('broker-a')
    expect(end.field('bname')).toBe('broker-a')
  })

  it('has the body of its message decompressed', async () => {
    const cluster = await scriptedCluster()
    const bodies: string[] = []
    const producer = await startedTransactionProducer(cluster, {
      checkLocalTransaction: ({ body, sysFlag }) => {
        bodies.push(body.toString(), String(sysFlag))
        return 'COMMIT'
      },
    })
    await producer.sendInTransaction(message, () => 'UNKNOWN')
    askFor(cluster.broker(), { msgId: 'm', sysFlag: 1 | PREPARED, body: deflateSync('plain '.repeat(1000)) })
    await until(() => bodies.length === 2)
    expect(bodies).toEqual(['plain '.repeat(1000), String(PREPARED)])
  })

  it('whose function throws, or gives no state, is answered as unknown with the reason, which is an error event too', async () => {
    const cluster = await scriptedCluster()
    const broker = cluster.broker()
    const producer = await startedTransactionProducer(cluster, {
      checkLocalTransaction: ({ msgId }) => {
        if (msgId === 'm0') throw new TypeError('no such table')
        return 'DONE' as LocalTransactionState
      },
    })
    const events: { error: Error; what: string }[] = []
    producer.on('error', (event) => events.push(event))
    await producer.sendInTransaction(message, () => 'UNKNOWN')
    await until(() => endsAt(broker).length === 1)
    askFor(broker, { msgId: 'm0' })
    const first = await until(() => endsAt(broker)[1])
    askFor(broker, { msgId: 'm1' })
    const second = await until(() => endsAt(broker)[2])
    expect(fieldsOf(first, ['msgId', 'commitOrRollback'])).toEqual({ msgId: 'm0', commitOrRollback: UNKNOWN })
    expect(first.remark).toBe('checkLocalTransaction: TypeError: no such table')
    expect(fieldsOf(second, ['msgId', 'commitOrRollback'])).toEqual({ msgId: 'm1', commitOrRollback: UNKNOWN })
    expect(second.remark).toMatch(/gave 'DONE'/)
    expect(events.map(({ what }) => what)).toEqual([
      expect.stringContaining('transaction m0'),
      expect.stringContaining('transaction m1'),
    ])
  })

  it('for a group that is not here is logged and not answered, as is one that can not be read; the connection stays', async () => {
    const cluster = await scriptedCluster()
    const broker = cluster.broker()
    const warnings: string[] = []
    const checked: string[] = []
    const producer = await startedTransactionProducer(cluster, {
      logger: loggerWith((text) => warnings.push(text)),
      checkLocalTransaction: ({ msgId }) => {
        checked.push(msgId)
        return 'COMMIT'
      },
    })
    await producer.sendInTransaction(message, () => 'UNKNOWN')
    await until(() => endsAt(broker).length === 1)
    askFor(broker, { msgId: 'other', group: 'another' })
    askFor(broker, { msgId: 'cut', stored: Buffer.from('no message at all') })
    askFor(broker, { msgId: 'damaged', bodyCRC: 1 })
    askFor(broker, { msgId: 'empty', stored: new Uint8Array() })
    askFor(broker, { msgId: 'good' })
    const end = await until(() => endsAt(broker)[1])
    expect(end.field('msgId')).toBe('good')
    expect(checked).toEqual(['good'])
    expect(warnings).toHaveLength(4)
    expect(warnings[0]).toMatch(/producer group another/)
    for (const warning of warnings.slice(1)) expect(warning).toMatch(/can't be read/)
    expect(broker.server.connections).toHaveLength(1)
  })

  it('waits when as many run as may, and is dropped when as many wait as may', async () => {
    const cluster = await scriptedCluster()
    const broker = cluster.broker()
    const dropped: (string | undefined)[] = []
    const gates = new Map<string, ReturnType<typeof gate<LocalTransactionState>>>()
    const producer = await startedTransactionProducer(cluster, {
      checkConcurrency: 2,
      checkRequestHoldMax: 3,
      logger: loggerWith((_, fields) => fields !== undefined && dropped.push((fields as { msgId?: string }).msgId)),
      checkLocalTransaction: ({ msgId }) => {
        const opened = gate<LocalTransactionState>()
        gates.set(msgId, opened)
        return opened.promise
      },
    })
    await producer.sendInTransaction(message, () => 'UNKNOWN')
    await until(() => endsAt(broker).length === 1)
    broker.server.forget()
    for (let i = 0; i < 8; i++) askFor(broker, { msgId: `m${i}` })
    await until(() => dropped.length === 3)
    expect(dropped).toEqual(['m5', 'm6', 'm7'])
    expect([...gates.keys()]).toEqual(['m0', 'm1'])
    gates.get('m1')?.open('COMMIT')
    await until(() => gates.size === 3)
    expect([...gates.keys()]).toEqual(['m0', 'm1', 'm2'])
    for (let i = 0; i < 5; i++) {
      await until(() => gates.has(`m${i}`))
      gates.get(`m${i}`)?.open('COMMIT')
    }
    await until(() => endsAt(broker).length === 5)
    const answered = endsAt(broker).map((end) => end.field('msgId'))
    expect(answered.sort()).toEqual(['m0', 'm1', 'm2', 'm3', 'm4'])

    // What was dropped is taken when the broker asks again.
    askFor(broker, { msgId: 'm7' })
    await until(() => gates.has('m7'))
  })

  it('that comes again while it waits or runs is answered once, for the newest copy of the message', async () => {
    const cluster = await scriptedCluster()
    const broker = cluster.broker()
    const running = gate<LocalTransactionState>()
    const checked: string[] = []
    const producer = await startedTransactionProducer(cluster, {
      checkConcurrency: 1,
      checkLocalTransaction: ({ msgId }) => {
        checked.push(msgId)
        return msgId === 'runs' ? running.promise : 'ROLLBACK'
      },
    })
    await producer.sendInTransaction(message, () => 'UNKNOWN')
    await until(() => endsAt(broker).length === 1)
    broker.server.forget()
    for (let round = 0; round < 3; round++) {
      askFor(broker, { msgId: 'runs', offset: 10 + round })
      askFor(broker, { msgId: 'waits', offset: 20 + round })
    }
    await until(() => checked.length === 1)
    await turns()
    running.open('COMMIT')
    await until(() => endsAt(broker).length === 2)
    await turns()
    expect(checked).toEqual(['runs', 'waits'])
    expect(endsAt(broker).map((end) => fieldsOf(end, ['msgId', 'tranStateTableOffset', 'commitOrRollback']))).toEqual([
      { msgId: 'runs', tranStateTableOffset: '12', commitOrRollback: COMMIT },
      { msgId: 'waits', tranStateTableOffset: '22', commitOrRollback: ROLLBACK },
    ])
  })

  it('that comes while the local transaction runs does not make two commits of one message', async () => {
    const cluster = await scriptedCluster()
    const broker = cluster.broker()
    let state: LocalTransactionState = 'COMMIT'
    const producer = await startedTransactionProducer(cluster, { checkLocalTransaction: () => state })
    const names = ['tranStateTableOffset', 'commitOrRollback', 'fromTransactionCheck']

    // The check commits first: there is nothing left to tell.
    const committed = await producer.sendInTransaction(message, async ({ transactionId }) => {
      askFor(broker, { msgId: transactionId, offset: 900 })
      await until(() => endsAt(broker).length === 1)
      return 'COMMIT'
    })
    expect(committed.localTransactionState).toBe('COMMIT')
    await turns()
    expect(endsAt(broker).map((end) => fieldsOf(end, names))).toEqual([
      { tranStateTableOffset: '900', commitOrRollback: COMMIT, fromTransactionCheck: 'true' },
    ])

    // The check does not know: the end is that of the copy that the broker made for it.
    broker.server.forget()
    state = 'UNKNOWN'
    await producer.sendInTransaction(message, async ({ transactionId }) => {
      askFor(broker, { msgId: transactionId, offset: 901 })
      await until(() => endsAt(broker).length === 1)
      return 'COMMIT'
    })
    await until(() => endsAt(broker).length === 2)
    expect(endsAt(broker).map((end) => fieldsOf(end, names))).toEqual([
      { tranStateTableOffset: '901', commitOrRollback: UNKNOWN, fromTransactionCheck: 'true' },
      { tranStateTableOffset: '901', commitOrRollback: COMMIT, fromTransactionCheck: 'true' },
    ])
  })

  it('of another broker, which has the message too, does not take the place of the end', async () => {
    const cluster = await scriptedCluster(['broker-a', 'broker-b'])
    const [first, second] = [cluster.broker(0), cluster.broker(1)]
    const producer = await startedTransactionProducer(cluster, { topics: ['T'] })
    await until(() => second.server.openConnections.length === 1)
    const queue = { topic: 'T', brokerName: first.name, queueId: 0 }
    const execute = async ({ transactionId }: { transactionId: string }) => {
      askFor(second, { msgId: transactionId, offset: 900 })
      await until(() => endsAt(second).length === 1)
      return 'COMMIT'
    }
    await producer.sendInTransaction(message, execute, { queue })
    const end = await until(() => endsAt(first)[0])
    expect(fieldsOf(end, ['bname', 'commitOrRollback', 'fromTransactionCheck'])).toEqual({
      bname: first.name,
      commitOrRollback: COMMIT,
      fromTransactionCheck: 'false',
    })
  })

  it('that still runs when the local transaction ends is not answered once more', async () => {
    const cluster = await scriptedCluster()
    const broker = cluster.broker()
    const check = gate<LocalTransactionState>()
    let checks = 0
    const producer = await startedTransactionProducer(cluster, {
      checkLocalTransaction: () => {
        checks++
        return check.promise
      },
    })
    await producer.sendInTransaction(message, async ({ transactionId }) => {
      askFor(broker, { msgId: transactionId, offset: 900 })
      await until(() => checks === 1)
      return 'COMMIT'
    })
    await until(() => endsAt(broker).length === 1)
    check.open('COMMIT')
    await turns()
    expect(endsAt(broker).map((end) => fieldsOf(end, ['tranStateTableOffset', 'commitOrRollback']))).toEqual([
      { tranStateTableOffset: '900', commitOrRollback: COMMIT },
    ])
  })

  it('goes to the producer of its group where several share a client', async () => {
    const cluster = await scriptedCluster()
    const broker = cluster.broker()
    const client = new Client({ namesrvAddr: cluster.namesrvAddr })
    onTestFinished(() => client.shutdown())
    const checked: string[] = []
    const options = (producerGroup: string) => ({
      producerGroup,
      client,
      checkLocalTransaction: () => {
        checked.push(producerGroup)
        return 'COMMIT' as const
      },
    })
    const [first, second] = [new TransactionProducer(options('first')), new TransactionProducer(options('second'))]
    onTestFinished(() => Promise.all([first.shutdown(), second.shutdown()]).then(() => undefined))
    await Promise.all([first.start(), second.start()])
    await first.sendInTransaction(message, () => 'COMMIT')
    askFor(broker, { msgId: 'm1', group: 'second' })
    askFor(broker, { msgId: 'm2', group: 'first' })
    await until(() => checked.length === 2)
    expect(checked).toEqual(['second', 'first'])

    const again = new TransactionProducer({ ...options('first'), checkLocalTransaction: () => 'ROLLBACK' })
    await expect(again.start()).rejects.toMatchObject({ code: 'GROUP_EXISTS' })
    await again.shutdown()
    askFor(broker, { msgId: 'm3', group: 'first' })
    await until(() => checked.length === 3)
    expect(checked).toEqual(['second', 'first', 'first'])
    const ends = await until(() => endsAt(broker).length === 4 && endsAt(broker))
    expect(ends.map((end) => end.field('producerGroup'))).toEqual(['first', 'second', 'first', 'first'])
  })
})

describe('a transaction producer', () => {
  it('is known to the brokers of its topics before it has sent anything', async () => {
    const cluster = await scriptedCluster(['broker-a', 'broker-b'])
    await startedTransactionProducer(cluster, { topics: ['T'] })
    for (const broker of cluster.brokers) {
      const [heartbeat] = await until(() => {
        const heartbeats = broker.server.requestsOf(Code.HEARTBEAT)
        return heartbeats.length > 0 && heartbeats
      })
      expect(JSON.parse(heartbeat?.body.toString() ?? '')).toMatchObject({ producerDataSet: [{ groupName: 'p' }] })
    }
  })

  it('starts also when a topic of its list does not exist, with a warning, and asks for that again', async () => {
    const cluster = await scriptedCluster()
    const broker = cluster.broker()
    const warnings: string[] = []
    const producer = await startedTransactionProducer(cluster, {
      topics: ['missing'],
      logger: loggerWith((text) => warnings.push(text)),
    })
    expect(warnings).toEqual([expect.stringContaining('missing')])
    expect(producer.health()).toMatchObject({ state: 'running', brokers: [] })
    cluster.addTopic('missing')
    await until(() => broker.server.requestsOf(Code.HEARTBEAT).length > 0)
  })

  it('calls the hook for each end, before the broker is told', async () => {
    const cluster = await scriptedCluster()
    const broker = cluster.broker()
    const contexts: object[] = []
    const producer = await startedTransactionProducer(cluster, {
      checkLocalTransaction: () => 'ROLLBACK',
      hooks: { endTransaction: (context) => void contexts.push(context) },
    })
    const given = { ...message, tags: 'a', keys: 'k' }
    const { msgId } = await producer.sendInTransaction(given, () => 'COMMIT')
    askFor(broker, { msgId: 'm', properties: { TAGS: 'b' }, body: 'checked' })
    await until(() => endsAt(broker).length === 2)
    const common = { producerGroup: 'p', brokerAddress: broker.address }
    expect(contexts).toMatchObject([
      {
        ...common,
        msgId,
        transactionId: msgId,
        message: given,
        transactionState: 'COMMIT',
        fromTransactionCheck: false,
      },
      {
        ...common,
        msgId: 'm',
        transactionId: 'm',
        message: { topic: 'T', tags: 'b', body: Buffer.from('checked') },
        transactionState: 'ROLLBACK',
        fromTransactionCheck: true,
      },
    ])
  })

  it('waits at its shutdown for local transactions and checks that run, whose ends are still sent, and drops those that wait', async () => {
    const cluster = await scriptedCluster()
    const broker = cluster.broker()
    const execution = gate<LocalTransactionState>()
    const check = gate<LocalTransactionState>()
    const checked: string[] = []
    const producer = await startedTransactionProducer(cluster, {
      checkConcurrency: 1,
      checkLocalTransaction: ({ msgId }) => {
        checked.push(msgId)
        return check.promise
      },
    })
    const executes = gate<void>()
    const sent = producer.sendInTransaction(message, () => {
      executes.open()
      return execution.promise
    })
    await executes.promise
    askFor(broker, { msgId: 'runs' })
    askFor(broker, { msgId: 'waits' })
    await until(() => checked.length === 1)
    await turns()
    let isDown = false
    const down = producer.shutdown().then(() => {
      isDown = true
    })
    await turns()
    expect(isDown).toBe(false)
    await expect(producer.sendInTransaction(message, () => 'COMMIT')).rejects.toMatchObject({ code: 'CLOSED' })
    askFor(broker, { msgId: 'late' })
    check.open('ROLLBACK')
    await turns()
    expect(isDown).toBe(false)
    execution.open('COMMIT')
    await down
    const result = await sent
    expect(result).not.toHaveProperty('endTransactionError')
    await until(() => endsAt(broker).length === 2)
    expect(endsAt(broker).map((end) => fieldsOf(end, ['msgId', 'commitOrRollback']))).toEqual([
      { msgId: 'runs', commitOrRollback: ROLLBACK },
      { msgId: result.msgId, commitOrRollback: COMMIT },
    ])
    expect(checked).toEqual(['runs'])
  })

  it('does not wait longer than the timeout of its shutdown; a local transaction that ends later can not tell the broker', async () => {
    const cluster = await scriptedCluster()
    const execution = gate<LocalTransactionState>()
    const executes = gate<void>()
    const producer = await startedTransactionProducer(cluster)
    const sent = producer.sendInTransaction(message, () => {
      executes.open()
      return execution.promise
    })
    await executes.promise
    await producer.shutdown({ timeout: 20 })
    execution.open('COMMIT')
    const result = await sent
    expect(result.localTransactionState).toBe('COMMIT')
    expect(result.endTransactionError).toMatchObject({ code: 'CLOSED' })
  })

  it.each([
    [{ checkLocalTransaction: undefined }, 'checkLocalTransaction'],
    [{ checkLocalTransaction: 'COMMIT' }, 'checkLocalTransaction'],
    [{ executeLocalTransaction: 7 }, 'executeLocalTransaction'],
    [{ checkConcurrency: 0 }, 'checkConcurrency'],
    [{ checkRequestHoldMax: 1.5 }, 'checkRequestHoldMax'],
    [{ topics: 'T' }, 'topics'],
    [{ checkLocalTransactions: () => 'COMMIT' }, 'checkLocalTransactions'],
  ])('is not made with the options %o', (options, name) => {
    const given = { producerGroup: 'p', namesrvAddr: '127.0.0.1:1', checkLocalTransaction: () => 'COMMIT', ...options }
    const make = () => new TransactionProducer(given as never)
    expect(make).toThrow(ClientError)
    expect(make).toThrow(expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringContaining(name) }))
  })

  it('needs options', () => {
    expect(() => new TransactionProducer(undefined as never)).toThrow(ClientError)
  })

  it('sends like any producer, too', async () => {
    const cluster = await scriptedCluster()
    const producer = await startedTransactionProducer(cluster)
    await producer.send(message)
    expect(cluster.broker().sends[0]?.field('f')).toBe('0')
    expect(endsAt(cluster.broker())).toEqual([])
  })
})
