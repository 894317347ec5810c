import { describe, expect, it } from 'vitest'
import { sql } from '../../src/client/subscription-data.js'
import { BrokerError, ClientError, MessageError, RemotingError } from '../../src/errors.js'
import type { MessageQueue } from '../../src/message/message.js'
import { startedConsumer } from '../support/members-under-test.js'
import {
  brokerData,
  Code,
  queueData,
  routeBody,
  ScriptedBroker,
  type ScriptedCluster,
  scriptedCluster,
} from '../support/scripted-cluster.js'
import { type Script, scriptedServer, staySilent } from '../support/scripted-server.js'
import { answerPull, storedMessage } from '../support/stored-message-bytes.js'
import { rejectionOf, until } from '../support/until.js'

const queue = { topic: 'T', brokerName: 'broker-a', queueId: 0 }
const SUCCESS = 0
const PULL_NOT_FOUND = 19
const PULL_RETRY_IMMEDIATELY = 20
const PULL_OFFSET_MOVED = 21

async function clusterWith(pull: Script): Promise<ScriptedCluster> {
  const cluster = await scriptedCluster()
  cluster.broker().scripts.set(Code.PULL, pull)
  return cluster
}

describe('a pull', () => {
  it('asks for the messages from an offset on, without waiting', async () => {
    const cluster = await clusterWith(answerPull(PULL_NOT_FOUND, { nextBeginOffset: 7 }))
    const consumer = await startedConsumer(cluster)
    await consumer.pull(queue, { offset: 7, expression: 'A || B', maxNums: 5 })
    const request = await until(() => cluster.broker().server.requestsOf(Code.PULL)[0])
    expect(request.extFields).toEqual({
      consumerGroup: 'c',
      topic: 'T',
      queueId: '0',
      queueOffset: '7',
      maxMsgNums: '5',
      sysFlag: '4',
      commitOffset: '0',
      suspendTimeoutMillis: '0',
      subscription: 'A || B',
      subVersion: '0',
      expressionType: 'TAG',
      bname: 'broker-a',
    })
  })

  it('asks for 32 messages of any tag where nothing else is said', async () => {
    const cluster = await clusterWith(answerPull(PULL_NOT_FOUND, { nextBeginOffset: 0 }))
    const consumer = await startedConsumer(cluster)
    await consumer.pull(queue, { offset: 0 })
    expect(cluster.broker().server.requestsOf(Code.PULL)[0]?.extFields).toMatchObject({
      maxMsgNums: '32',
      subscription: '*',
    })
  })

  it('asks for what an SQL92 condition selects, and tells brokers so', async () => {
    const cluster = await clusterWith(answerPull(PULL_NOT_FOUND, { nextBeginOffset: 0 }))
    const consumer = await startedConsumer(cluster)
    // A tag of the same text is another wish.
    await consumer.pull(queue, { offset: 0, expression: 'price' })
    await consumer.pull(queue, { offset: 0, expression: sql('price') })
    expect(
      cluster
        .broker()
        .server.requestsOf(Code.PULL)
        .map(({ extFields }) => extFields),
    ).toMatchObject([
      { subscription: 'price', expressionType: 'TAG' },
      { subscription: 'price', expressionType: 'SQL92' },
    ])
  })

  it('gives the messages that were found, whole', async () => {
    const body = Buffer.concat([
      storedMessage({
        queueOffset: 7,
        body: 'seven',
        properties: { UNIQ_KEY: 'id7', TAGS: 'A', KEYS: 'k1 k2', own: 'x' },
      }),
      storedMessage({ queueOffset: 8, body: 'eight' }),
    ])
    const cluster = await clusterWith(answerPull(SUCCESS, { nextBeginOffset: 9, minOffset: 2, maxOffset: 20 }, body))
    const consumer = await startedConsumer(cluster)
    const result = await consumer.pull(queue, { offset: 7 })
    expect(result).toMatchObject({ pullStatus: 'FOUND', nextBeginOffset: 9, minOffset: 2, maxOffset: 20 })
    expect(result.fault).toBeUndefined()
    expect(result.messages.map((message) => message.body.toString())).toEqual(['seven', 'eight'])
    const [seven] = result.messages
    expect(seven).toMatchObject({
      topic: 'T',
      brokerName: 'broker-a',
      queueId: 0,
      queueOffset: 7,
      commitLogOffset: 7_000,
      tags: 'A',
      keys: ['k1', 'k2'],
      msgId: 'id7',
      bornHost: '127.0.0.1:49153',
      storeHost: '127.0.0.1:10911',
    })
    expect(seven?.properties).toEqual({
      UNIQ_KEY: 'id7',
      TAGS: 'A',
      KEYS: 'k1 k2',
      own: 'x',
      MIN_OFFSET: '2',
      MAX_OFFSET: '20',
    })
  })

  it("keeps to the broker's next offset, which may skip what the broker filtered out", async () => {
    const body = storedMessage({ queueOffset: 7 })
    const cluster = await clusterWith(answerPull(SUCCESS, { nextBeginOffset: 500 }, body))
    const result = await (await startedConsumer(cluster)).pull(queue, { offset: 7 })
    expect(result).toMatchObject({ nextBeginOffset: 500 })
  })

  it('adds the offset delta of a static topic', async () => {
    const body = storedMessage({ queueOffset: 7 })
    const cluster = await clusterWith(answerPull(SUCCESS, { nextBeginOffset: 1_008, offsetDelta: 1_000 }, body))
    const result = await (await startedConsumer(cluster)).pull(queue, { offset: 1_007 })
    expect(result.messages.map((message) => message.queueOffset)).toEqual([1_007])
    expect(result.fault).toBeUndefined()
  })

  it.each([
    [PULL_NOT_FOUND, 'NO_NEW_MSG', 7],
    [PULL_RETRY_IMMEDIATELY, 'NO_MATCHED_MSG', 30],
    [PULL_OFFSET_MOVED, 'OFFSET_ILLEGAL', 3],
  ])('that a broker answers with %d is %s, without messages', async (code, pullStatus, nextBeginOffset) => {
    const cluster = await clusterWith(answerPull(code, { nextBeginOffset, minOffset: 3, maxOffset: 40 }))
    const result = await (await startedConsumer(cluster)).pull(queue, { offset: 7 })
    expect(result).toEqual({ pullStatus, nextBeginOffset, minOffset: 3, maxOffset: 40, messages: [] })
  })

  it.each([24, 16, 1, 4242])('that a broker refuses with %d rejects', async (code) => {
    const cluster = await clusterWith((request, connection) => connection.answer(request, { code, remark: 'no' }))
    const error = await rejectionOf((await startedConsumer(cluster)).pull(queue, { offset: 7 }))
    expect(error).toBeInstanceOf(BrokerError)
    expect(error).toMatchObject({ responseCode: code, address: cluster.broker().address })
  })

  it('ends at its own timeout', async () => {
    const cluster = await clusterWith(staySilent)
    const consumer = await startedConsumer(cluster, { consumerPullTimeoutMillis: 1_000 })
    expect(await rejectionOf(consumer.pull(queue, { offset: 0 }))).toMatchObject({ code: 'TIMEOUT' })
    expect(await rejectionOf(consumer.pull(queue, { offset: 0, timeout: 30 }))).toMatchObject({ code: 'TIMEOUT' })
  })

  it('ends when its signal fires', async () => {
    const cluster = await clusterWith(staySilent)
    const consumer = await startedConsumer(cluster)
    const controller = new AbortController()
    const pulling = rejectionOf(consumer.pull(queue, { offset: 0, signal: controller.signal }))
    await until(() => cluster.broker().server.requestsOf(Code.PULL).length === 1)
    controller.abort()
    expect(await pulling).toMatchObject({ code: 'ABORTED' })
  })

  it.each<[string, object]>([
    ['no offset', {}],
    ['a negative offset', { offset: -1 }],
    ['an offset that is no integer', { offset: 1.5 }],
    ['an offset beyond 2^53', { offset: 2 ** 53 }],
    ['an offset that is text', { offset: '7' }],
    ['maxNums of 0', { offset: 0, maxNums: 0 }],
    ['maxNums of 1025', { offset: 0, maxNums: 1025 }],
    ['an expression without a tag', { offset: 0, expression: ' || ' }],
    ['an expression that is none', { offset: 0, expression: { type: 'SQL', expression: 'a > 5' } }],
    ['a timeout that is no number', { offset: 0, timeout: Number.NaN }],
  ])('refuses %s before anything is sent', async (_what, options) => {
    const cluster = await clusterWith(answerPull(PULL_NOT_FOUND, { nextBeginOffset: 0 }))
    const consumer = await startedConsumer(cluster)
    for (const call of [
      consumer.pull(queue, options as never),
      consumer.pullBlockIfNotFound(queue, options as never),
    ]) {
      const error = await rejectionOf(call)
      expect(error).toBeInstanceOf(ClientError)
      expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' })
    }
    expect(cluster.broker().server.requestsOf(Code.PULL)).toHaveLength(0)
  })

  it.each([
    undefined,
    null,
    {},
    'T',
    { ...queue, queueId: -1 },
    { ...queue, queueId: 0.5 },
    { topic: 'T', queueId: 0 },
  ])('refuses the queue %j', async (given) => {
    const consumer = await startedConsumer(await scriptedCluster())
    const error = await rejectionOf(consumer.pull(given as MessageQueue, { offset: 0 }))
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' })
    expect(error.message).toContain('queue is')
  })

  it('is NO_BROKER for a broker that no route names, and has the route asked for', async () => {
    const consumer = await startedConsumer(await scriptedCluster())
    const error = await rejectionOf(consumer.pull({ ...queue, brokerName: 'broker-x' }, { offset: 0 }))
    expect(error).toMatchObject({ code: 'NO_BROKER', retryable: true })
    expect(error.message).toContain('broker-x')
  })
})

describe('tags', () => {
  const tagged = (queueOffset: number, tag: string | undefined) =>
    storedMessage({ queueOffset, properties: tag === undefined ? {} : { TAGS: tag } })
  const body = Buffer.concat([
    tagged(0, 'A'),
    tagged(1, 'AaBB'),
    tagged(2, undefined),
    tagged(3, 'BBAa'),
    tagged(4, 'B'),
  ])

  it.each([
    ['*', [0, 1, 2, 3, 4]],
    [undefined, [0, 1, 2, 3, 4]],
    ['A', [0]],
    ['A || B', [0, 4]],
    // Both have the hash 2031744: a broker, which compares hashes, sends them all.
    ['AaBB', [1]],
    ['Nothing', []],
  ])('are compared once more: %s', async (expression, offsets) => {
    const cluster = await clusterWith(answerPull(SUCCESS, { nextBeginOffset: 5 }, body))
    const consumer = await startedConsumer(cluster)
    const result = await consumer.pull(queue, { offset: 0, ...(expression === undefined ? {} : { expression }) })
    expect(result.messages.map((message) => message.queueOffset)).toEqual(offsets)
    expect(result).toMatchObject({ pullStatus: 'FOUND', nextBeginOffset: 5 })
  })
})

describe('offsets that a broker answers', () => {
  it.each(['9007199254740992', '9223372036854775807', '-9223372036854775808'])(
    'beyond what a number holds are an error, not rounded: %s',
    async (nextBeginOffset) => {
      const cluster = await clusterWith(answerPull(PULL_NOT_FOUND, { nextBeginOffset }))
      const error = await rejectionOf((await startedConsumer(cluster)).pull(queue, { offset: 0 }))
      expect(error).toBeInstanceOf(MessageError)
      expect(error).toMatchObject({ code: 'INTEGER_OUT_OF_RANGE' })
      expect(error.message).toContain(nextBeginOffset)
    },
  )

  it('of 2^53 - 1 are exact', async () => {
    const cluster = await clusterWith(answerPull(PULL_NOT_FOUND, { nextBeginOffset: '9007199254740991' }))
    const result = await (await startedConsumer(cluster)).pull(queue, { offset: Number.MAX_SAFE_INTEGER })
    expect(result.nextBeginOffset).toBe(Number.MAX_SAFE_INTEGER)
  })

  it.each([PULL_NOT_FOUND, PULL_RETRY_IMMEDIATELY])(
    'with %d never lead back behind the offset that was asked for',
    async (code) => {
      const cluster = await clusterWith(answerPull(code, { nextBeginOffset: 3 }))
      const result = await (await startedConsumer(cluster)).pull(queue, { offset: 7 })
      expect(result.nextBeginOffset).toBe(7)
    },
  )

  it.each([PULL_NOT_FOUND, PULL_RETRY_IMMEDIATELY, PULL_OFFSET_MOVED])('with %d are never negative', async (code) => {
    const cluster = await clusterWith(answerPull(code, { nextBeginOffset: -1 }))
    const error = await rejectionOf((await startedConsumer(cluster)).pull(queue, { offset: 0 }))
    expect(error).toBeInstanceOf(MessageError)
    expect(error.message).toContain('-1')
  })
})

describe('the replica that a broker suggests', () => {
  /** A master that has too much to do, and its slave. */
  async function replicated(): Promise<{ cluster: ScriptedCluster; master: ScriptedBroker; slave: ScriptedBroker }> {
    const cluster = await scriptedCluster()
    const [master, slave] = [cluster.broker(), new ScriptedBroker('broker-a', await scriptedServer())]
    master.scripts.set(Code.PULL, answerPull(PULL_NOT_FOUND, { nextBeginOffset: 0, suggestWhichBrokerId: 1 }))
    slave.scripts.set(Code.PULL, answerPull(PULL_NOT_FOUND, { nextBeginOffset: 0, suggestWhichBrokerId: 1 }))
    const brokerDatas = [brokerData('broker-a', { 0: master.address, 1: slave.address })]
    cluster.nameServer.routes.set('T', routeBody({ queueDatas: [queueData('broker-a')], brokerDatas }))
    return { cluster, master, slave }
  }
  const pulls = (broker: ScriptedBroker) => broker.server.requestsOf(Code.PULL).length

  it('is asked next, until it suggests the master again', async () => {
    const { cluster, master, slave } = await replicated()
    const consumer = await startedConsumer(cluster)
    for (let i = 0; i < 4; i++) await consumer.pull(queue, { offset: 0 })
    expect([pulls(master), pulls(slave)]).toEqual([1, 3])
    slave.scripts.set(Code.PULL, answerPull(PULL_NOT_FOUND, { nextBeginOffset: 0, suggestWhichBrokerId: 0 }))
    master.scripts.set(Code.PULL, answerPull(PULL_NOT_FOUND, { nextBeginOffset: 0, suggestWhichBrokerId: 0 }))
    for (let i = 0; i < 4; i++) await consumer.pull(queue, { offset: 0 })
    expect([pulls(master), pulls(slave)]).toEqual([4, 4])
  })

  it('is followed for its own queue only', async () => {
    const { cluster, master, slave } = await replicated()
    const consumer = await startedConsumer(cluster)
    await consumer.pull(queue, { offset: 0 })
    await consumer.pull({ ...queue, queueId: 1 }, { offset: 0 })
    expect([pulls(master), pulls(slave)]).toEqual([2, 0])
  })

  it.each<[string, Script, number]>([
    ['is silent', staySilent, 1],
    ['cuts the connection', (_, connection) => connection.reset(), 1],
  ])('is given up when it %s: the master is asked again', async (_what, script) => {
    const { cluster, master, slave } = await replicated()
    const consumer = await startedConsumer(cluster)
    await consumer.pull(queue, { offset: 0 })
    slave.scripts.set(Code.PULL, script)
    const error = await rejectionOf(consumer.pull(queue, { offset: 0, timeout: 500 }))
    expect(error).toBeInstanceOf(RemotingError)
    await expect(consumer.pull(queue, { offset: 0 })).resolves.toMatchObject({ pullStatus: 'NO_NEW_MSG' })
    expect(pulls(master)).toBe(2)
  })

  it('is the master where the route does not name it', async () => {
    const cluster = await clusterWith(answerPull(PULL_NOT_FOUND, { nextBeginOffset: 0, suggestWhichBrokerId: 9 }))
    const consumer = await startedConsumer(cluster)
    for (let i = 0; i < 3; i++) await consumer.pull(queue, { offset: 0 })
    expect(pulls(cluster.broker())).toBe(3)
  })

  it('is any that is left when the master is gone', async () => {
    const { cluster, slave } = await replicated()
    const brokerDatas = [brokerData('broker-a', { 1: slave.address })]
    cluster.nameServer.routes.set('T', routeBody({ queueDatas: [queueData('broker-a')], brokerDatas }))
    const consumer = await startedConsumer(cluster)
    await consumer.pull(queue, { offset: 0 })
    expect(pulls(slave)).toBe(1)
  })
})

describe('fetchSubscribeMessageQueues', () => {
  it('gives all readable queues in order, from the NameServer', async () => {
    const cluster = await scriptedCluster(['broker-b', 'broker-a'])
    const queueDatas = [queueData('broker-b', 2), queueData('broker-a', 2, 4), queueData('broker-c', 2, 2)]
    cluster.nameServer.routes.set('T', routeBody({ queueDatas, brokerDatas: [] }))
    const consumer = await startedConsumer(cluster)
    const queues = await consumer.fetchSubscribeMessageQueues('T')
    expect(queues.map(({ brokerName, queueId }) => `${brokerName}${queueId}`)).toEqual([
      'broker-a0',
      'broker-a1',
      'broker-b0',
      'broker-b1',
    ])
  })

  it('is TOPIC_NOT_FOUND for a topic that is not there', async () => {
    const consumer = await startedConsumer(await scriptedCluster())
    expect(await rejectionOf(consumer.fetchSubscribeMessageQueues('Missing'))).toMatchObject({
      code: 'TOPIC_NOT_FOUND',
    })
    expect(await rejectionOf(consumer.fetchSubscribeMessageQueues('a b'))).toMatchObject({ code: 'INVALID_ARGUMENT' })
  })
})
