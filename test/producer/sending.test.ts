import { describe, expect, it } from 'vitest'
import { decodeBatch } from '../../src/codec/batch-codec.js'
import { decodeProperties } from '../../src/codec/properties.js'
import { ClientError } from '../../src/errors.js'
import { silentLogger } from '../../src/logger.js'
import { startedProducer } from '../support/members-under-test.js'
import { brokerData, Code, queueData, routeBody, ScriptedBroker, scriptedCluster } from '../support/scripted-cluster.js'
import { ONEWAY, scriptedServer, staySilent, unusedAddress } from '../support/scripted-server.js'
import { rejectionOf, turns, until } from '../support/until.js'

const message = { topic: 'T', body: 'x' }

describe('what a send writes', () => {
  it('is the header of SEND_MESSAGE_V2, with its one-letter names', async () => {
    const cluster = await scriptedCluster()
    const producer = await startedProducer(cluster)
    const before = Date.now()
    const { messageQueue } = await producer.send({ ...message, flag: -5 })
    const request = await until(() => cluster.broker().sends[0])
    const { g: bornTimestamp, i: properties, ...fields } = request.extFields
    expect(request).toMatchObject({ code: 310, flag: 0, version: 493 })
    expect(fields).toEqual({
      a: 'p',
      b: 'T',
      c: 'TBW102',
      d: '4',
      e: `${messageQueue.queueId}`,
      f: '0',
      h: '-5',
      j: '0',
      k: 'false',
      m: 'false',
      n: 'broker-a',
    })
    expect(Number(bornTimestamp)).toBeGreaterThanOrEqual(before)
    expect(Object.keys(decodeProperties(properties ?? ''))).toEqual(['UNIQ_KEY', 'WAIT'])
    expect(request.body.toString()).toBe('x')
  })

  it('is kept from what befalls the messages later: whoever takes them down harms neither the send nor its connection', async () => {
    const cluster = await scriptedCluster()
    const broker = cluster.broker()
    const errors: string[] = []
    const logger = { ...silentLogger, error: (what: string) => void errors.push(what) }
    const producer = await startedProducer(cluster, { messageTrace: true, logger })
    const held: (() => void)[] = []
    broker.scripts.set(Code.SEND_BATCH, (request, connection) => held.push(() => broker.store(request, connection)))
    const messages = [{ ...message }, { ...message }]
    const sending = producer.sendBatch(messages)
    await until(() => held.length === 1)
    const connections = broker.server.connections.length
    Object.assign(messages[1] ?? {}, { body: null })
    held[0]?.()
    expect(await sending).toMatchObject({ sendStatus: 'SEND_OK' })
    expect(errors).toEqual(['an attempt to send could not be taken down'])
    await producer.send(message)
    expect(broker.server.connections).toHaveLength(connections)
  })

  it("names the producer's own template topic and queue count", async () => {
    const cluster = await scriptedCluster()
    const producer = await startedProducer(cluster, { createTopicKey: 'MyTemplate', defaultTopicQueueNums: 9 })
    await producer.send(message)
    expect(cluster.broker().sends[0]?.extFields).toMatchObject({ c: 'MyTemplate', d: '9' })
  })

  it('is one request for a batch, with all messages in it', async () => {
    const cluster = await scriptedCluster()
    const producer = await startedProducer(cluster)
    const result = await producer.sendBatch([
      { topic: 'T', body: 'one', tags: 'A' },
      { topic: 'T', body: 'two', flag: 7 },
      { topic: 'T', body: 'three' },
    ])
    expect(cluster.broker().sends).toHaveLength(1)
    const request = await until(() => cluster.broker().server.requestsOf(Code.SEND_BATCH)[0])
    expect(request.field('m')).toBe('true')
    const parts = decodeBatch(request.body)
    expect(parts.map((part) => part.body.toString())).toEqual(['one', 'two', 'three'])
    expect(parts.map((part) => part.flag)).toEqual([0, 7, 0])
    const ids = parts.map((part) => decodeProperties(part.rawProperties.toString()).UNIQ_KEY)
    expect(result.msgId).toBe(ids.join(','))
  })

  it('is a oneway request for sendOneway, which waits for no answer', async () => {
    const cluster = await scriptedCluster()
    cluster.broker().scripts.set(Code.SEND, staySilent)
    const producer = await startedProducer(cluster)
    await expect(producer.sendOneway({ ...message, tags: 'A' })).resolves.toBeUndefined()
    const request = await until(() => cluster.broker().sends[0])
    expect(request).toMatchObject({ code: 310, flag: ONEWAY })
    expect(decodeProperties(request.field('i') ?? '')).toMatchObject({ TAGS: 'A' })
  })

  it('goes to the chosen queue also for sendOneway', async () => {
    const cluster = await scriptedCluster()
    const producer = await startedProducer(cluster)
    await producer.sendOneway(message, { queue: { topic: 'T', brokerName: 'broker-a', queueId: 3 } })
    expect((await until(() => cluster.broker().sends[0])).field('e')).toBe('3')
  })

  it('is nothing where sendOneway has no broker to go to', async () => {
    const cluster = await scriptedCluster()
    cluster.nameServer.routes.set(
      'T',
      routeBody({
        queueDatas: [queueData('broker-a')],
        brokerDatas: [brokerData('broker-a', { 0: unusedAddress() })],
      }),
    )
    const producer = await startedProducer(cluster)
    expect(await rejectionOf(producer.sendOneway(message))).toMatchObject({ code: 'CONNECT_FAILED', sent: false })
    expect(await rejectionOf(producer.sendOneway({ ...message, topic: 'Missing' }))).toMatchObject({
      code: 'TOPIC_NOT_FOUND',
    })
  })
})

describe('the result of a send', () => {
  it('has the ids, the queue and the offset', async () => {
    const cluster = await scriptedCluster()
    cluster.broker().scripts.set(Code.SEND, (request, connection) => {
      const fields = {
        msgId: 'C0A80001',
        queueId: 2,
        queueOffset: 9_007_199_254_740_991,
        transactionId: 'tx',
        MSG_REGION: 'r1',
      }
      connection.answer(request, { fields: { ...fields, recallHandle: 'handle' } })
    })
    const producer = await startedProducer(cluster)
    const queue = { topic: 'T', brokerName: 'broker-a', queueId: 2 }
    const result = await producer.send(message, { queue })
    expect(result).toEqual({
      sendStatus: 'SEND_OK',
      msgId: decodeProperties(cluster.broker().sends[0]?.field('i') ?? '').UNIQ_KEY,
      offsetMsgId: 'C0A80001',
      messageQueue: queue,
      queueOffset: 9_007_199_254_740_991,
      transactionId: 'tx',
      recallHandle: 'handle',
      regionId: 'r1',
    })
  })

  it('names the queue in which the broker stored it, where that is another than the one asked for', async () => {
    const cluster = await scriptedCluster()
    cluster
      .broker()
      .scripts.set(Code.SEND, (request, connection) =>
        cluster.broker().store(request, connection, { fields: { queueId: 77 } }),
      )
    const producer = await startedProducer(cluster)
    expect((await producer.send(message)).messageQueue).toEqual({ topic: 'T', brokerName: 'broker-a', queueId: 77 })
  })

  it.each([
    [0, 'SEND_OK'],
    [10, 'FLUSH_DISK_TIMEOUT'],
    [11, 'SLAVE_NOT_AVAILABLE'],
    [12, 'FLUSH_SLAVE_TIMEOUT'],
  ])('of a broker that answers %d has the status %s: it is stored', async (code, sendStatus) => {
    const cluster = await scriptedCluster()
    cluster
      .broker()
      .scripts.set(Code.SEND, (request, connection) =>
        cluster.broker().store(request, connection, { code, fields: { queueOffset: 5 } }),
      )
    const producer = await startedProducer(cluster)
    await expect(producer.send(message)).resolves.toMatchObject({ sendStatus, queueOffset: 5 })
    expect(cluster.broker().sends).toHaveLength(1)
  })

  it('has an id that no other message has', async () => {
    const cluster = await scriptedCluster()
    const patient = { sendTimeout: 60_000, requestTimeout: 60_000 }
    const [first, second] = [await startedProducer(cluster, patient), await startedProducer(cluster, patient)]
    const results = await Promise.all(
      Array.from({ length: 1_000 }, (_, i) => (i % 2 === 0 ? first : second).send(message)),
    )
    expect(new Set(results.map((result) => result.msgId)).size).toBe(1_000)
  })
})

describe('a topic that does not exist yet', () => {
  it("is sent to by the template's queues, and by its own once the broker has made it", async () => {
    const cluster = await scriptedCluster()
    cluster.addTopic('TBW102', 8)
    const producer = await startedProducer(cluster)
    await producer.send({ topic: 'New', body: 'first' })
    expect(cluster.nameServer.asked('New')).toBe(1)
    // What the broker does at the first message.
    cluster.addTopic('New', 2)
    await until(() => cluster.nameServer.asked('New') === 2)
    await turns()
    for (let i = 0; i < 8; i++) {
      const { messageQueue } = await producer.send({ topic: 'New', body: 'later' })
      expect(messageQueue.queueId).toBeLessThan(2)
    }
  })

  it('is TOPIC_NOT_FOUND where brokers create no topics', async () => {
    const cluster = await scriptedCluster()
    const producer = await startedProducer(cluster)
    const error = await rejectionOf(producer.send({ topic: 'New', body: 'x' }))
    expect(error).toBeInstanceOf(ClientError)
    expect(error).toMatchObject({ code: 'TOPIC_NOT_FOUND' })
    expect(error.message).toContain('No route info of this topic: New')
    expect(cluster.broker().sends).toHaveLength(0)
  })
})

describe('where a send dials', () => {
  it('is the second port with vipChannel: two below the one that the route names', async () => {
    const cluster = await scriptedCluster()
    const vip = new ScriptedBroker('broker-a', await scriptedServer())
    const port = vip.server.port + 2
    cluster.nameServer.routes.set(
      'T',
      routeBody({
        queueDatas: [queueData('broker-a')],
        brokerDatas: [brokerData('broker-a', { 0: `127.0.0.1:${port}` })],
      }),
    )
    const producer = await startedProducer(cluster, { vipChannel: true })
    await expect(producer.send(message)).resolves.toMatchObject({ sendStatus: 'SEND_OK' })
    expect(vip.sends).toHaveLength(1)
  })

  it('is where addressMap says', async () => {
    const cluster = await scriptedCluster()
    const target = cluster.broker().address
    cluster.nameServer.routes.set(
      'T',
      routeBody({
        queueDatas: [queueData('broker-a')],
        brokerDatas: [brokerData('broker-a', { 0: '10.99.0.1:10911' })],
      }),
    )
    const addressMap = (address: string) => (address === '10.99.0.1:10911' ? target : address)
    const producer = await startedProducer(cluster, { addressMap })
    await expect(producer.send(message)).resolves.toMatchObject({ sendStatus: 'SEND_OK' })
    expect(producer.health().brokers).toEqual([
      { brokerName: 'broker-a', address: '10.99.0.1:10911', isConnected: true },
    ])
  })
})

describe('shutdown', () => {
  it('waits for the sends in flight, and refuses new ones meanwhile', async () => {
    const cluster = await scriptedCluster()
    const held: (() => void)[] = []
    cluster.broker().scripts.set(Code.SEND, (request, connection) => {
      held.push(() => cluster.broker().store(request, connection))
    })
    const producer = await startedProducer(cluster)
    const sends = Array.from({ length: 10 }, () => producer.send(message))
    await until(() => held.length === 10)
    let isDown = false
    const shutdown = producer.shutdown().then(() => {
      isDown = true
    })
    const calls = [producer.send(message), producer.sendBatch([message]), producer.sendOneway(message)]
    for (const error of await Promise.all(calls.map(rejectionOf))) expect(error).toMatchObject({ code: 'CLOSED' })
    await turns()
    expect(isDown).toBe(false)
    for (const answer of held) answer()
    for (const result of await Promise.all(sends)) expect(result.sendStatus).toBe('SEND_OK')
    await shutdown
    expect(cluster.broker().sends).toHaveLength(10)
    expect(cluster.broker().server.requestsOf(Code.UNREGISTER)).toHaveLength(1)
  })

  it('waits also for sends that are being tried again', async () => {
    const cluster = await scriptedCluster()
    let attempts = 0
    cluster.broker().scripts.set(Code.SEND, (request, connection) => {
      if (++attempts === 1) connection.answer(request, { code: 2 })
      else cluster.broker().store(request, connection)
    })
    const producer = await startedProducer(cluster)
    const sending = producer.send(message)
    await until(() => attempts === 1)
    await producer.shutdown()
    await expect(sending).resolves.toMatchObject({ sendStatus: 'SEND_OK' })
    expect(attempts).toBe(2)
  })

  it('waits no longer than its timeout; what is left then fails', async () => {
    const cluster = await scriptedCluster()
    cluster.broker().scripts.set(Code.SEND, staySilent)
    const producer = await startedProducer(cluster, { retryTimesWhenSendFailed: 0 })
    const sending = rejectionOf(producer.send(message, { timeout: 60_000 }))
    await until(() => cluster.broker().sends.length === 1)
    await producer.shutdown({ timeout: 30 })
    expect(await sending).toMatchObject({ code: 'CONNECTION_CLOSED', mayBeStored: true })
  })

  it('gives up what is left at once, and tries it on no other broker', async () => {
    const cluster = await scriptedCluster(['broker-a', 'broker-b'])
    for (const broker of cluster.brokers) broker.scripts.set(Code.SEND, staySilent)
    const producer = await startedProducer(cluster, { sendTimeout: 60_000, requestTimeout: 60_000 })
    const sending = rejectionOf(producer.send(message))
    await until(() => cluster.brokers.some((broker) => broker.sends.length === 1))
    await producer.shutdown({ timeout: 20 })
    expect(await sending).toMatchObject({ mayBeStored: true })
    expect(cluster.brokers.flatMap((broker) => broker.sends)).toHaveLength(1)
  })
})
