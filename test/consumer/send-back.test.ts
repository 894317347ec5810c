import { deflateSync, inflateSync } from 'node:zlib'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Client } from '../../src/client/client.js'
import { decodeProperties } from '../../src/codec/properties.js'
import { QueueRequests } from '../../src/consumer/queue-requests.js'
import { SendBack } from '../../src/consumer/send-back.js'
import { brokerData, Code, queueData, routeBody, scriptedCluster } from '../support/scripted-cluster.js'
import { unusedAddress } from '../support/scripted-server.js'
import { rejectionOf } from '../support/until.js'
import { decodedMessage } from './stored-messages.js'

const SYSTEM_ERROR = 1
const RETRY_TOPIC = '%RETRY%g'

async function setUp(options: { namespace?: string; brokerNames?: string[] } = {}) {
  const cluster = await scriptedCluster(options.brokerNames)
  const { namespace } = options
  const wireGroup = namespace === undefined ? 'g' : `${namespace}%g`
  cluster.addTopic(namespace === undefined ? 'T' : `${namespace}%T`)
  cluster.addTopic(`%RETRY%${wireGroup}`, 1)
  const client = new Client({ namesrvAddr: cluster.namesrvAddr, ...(namespace !== undefined && { namespace }) })
  onTestFinished(() => client.shutdown())
  await client.start()
  const requests = new QueueRequests(client, wireGroup, () => undefined)
  return { cluster, client, sendBack: new SendBack(client, requests, 16) }
}

/** The fields of a send, by their long names. */
function sent(request: { field(name: string): string | undefined; body: Buffer }) {
  const [topic, queueId, sysFlag, reconsumeTimes, maxReconsumeTimes, brokerName] = ['b', 'e', 'f', 'j', 'l', 'n'].map(
    (name) => request.field(name),
  )
  const properties = decodeProperties(request.field('i') ?? '')
  return { topic, queueId, sysFlag, reconsumeTimes, maxReconsumeTimes, brokerName, properties, body: request.body }
}

describe('a message that is given back', () => {
  it('goes to its broker, by its place in the commit log', async () => {
    const { cluster, sendBack } = await setUp({ namespace: 'ns' })
    const message = decodedMessage({ queueOffset: 3, properties: { UNIQ_KEY: 'id3' } })
    await sendBack.send(message, -1)
    expect(cluster.broker().server.requestsOf(Code.SEND_BACK)[0]?.extFields).toMatchObject({
      offset: '3000',
      group: 'ns%g',
      delayLevel: '-1',
      originMsgId: 'id3',
      originTopic: 'ns%T',
      maxReconsumeTimes: '16',
    })
    expect(cluster.broker().sends).toEqual([])
  })

  it('is sent to the retry topic as a new message where its broker refuses it', async () => {
    const { cluster, sendBack } = await setUp({ namespace: 'ns' })
    const broker = cluster.broker()
    broker.scripts.set(Code.SEND_BACK, (request, connection) => connection.answer(request, { code: SYSTEM_ERROR }))
    const properties = { UNIQ_KEY: 'id3', TAGS: 'A', own: 'x', TRAN_MSG: 'true', MIN_OFFSET: '1', MAX_OFFSET: '9' }
    const stored = decodedMessage({ queueOffset: 3, properties, body: 'the body' })
    const message = stored.derive({ reconsumeTimes: 2, flag: 7 }, stored.body)
    message.startConsume(1_700_000_000_000)
    await sendBack.send(message, 5)
    const [request] = broker.sends
    expect(request?.code).toBe(Code.SEND)
    expect(request?.extFields).toMatchObject({ a: 'CLIENT_INNER_PRODUCER', c: 'TBW102', d: '4', h: '7', m: 'false' })
    expect(request && sent(request)).toEqual({
      topic: '%RETRY%ns%g',
      queueId: '0',
      sysFlag: '0',
      reconsumeTimes: '3',
      maxReconsumeTimes: '16',
      brokerName: 'broker-a',
      properties: { UNIQ_KEY: 'id3', TAGS: 'A', own: 'x', ORIGIN_MESSAGE_ID: 'id3', RETRY_TOPIC: 'ns%T', DELAY: '5' },
      body: Buffer.from('the body'),
    })
  })

  it('goes to a queue that the retry topic has, however few, while no server tells of it yet', async () => {
    const { cluster, sendBack } = await setUp()
    const broker = cluster.broker()
    cluster.nameServer.routes.delete(RETRY_TOPIC)
    cluster.addTopic('TBW102', 8)
    broker.scripts.set(Code.SEND_BACK, (request, connection) => connection.answer(request, { code: SYSTEM_ERROR }))
    for (let i = 0; i < 6; i++) await sendBack.send(decodedMessage({ queueOffset: i }), 0)
    expect(broker.sends.map((request) => sent(request).queueId)).toEqual(['0', '0', '0', '0', '0', '0'])
  })

  it('keeps the id that it had at first', async () => {
    const { cluster, sendBack } = await setUp()
    const broker = cluster.broker()
    broker.scripts.set(Code.SEND_BACK, (request, connection) => connection.answer(request, { code: SYSTEM_ERROR }))
    await sendBack.send(decodedMessage({ queueOffset: 0, properties: { ORIGIN_MESSAGE_ID: 'first' } }), 0)
    const [request] = broker.sends
    expect(request && sent(request).properties).toMatchObject({ ORIGIN_MESSAGE_ID: 'first', DELAY: '3' })
  })

  it('is compressed again where it is large', async () => {
    const { cluster, sendBack } = await setUp()
    const broker = cluster.broker()
    broker.scripts.set(Code.SEND_BACK, (request, connection) => connection.answer(request, { code: SYSTEM_ERROR }))
    const bodies = ['x'.repeat(5_000), 'y'.repeat(500_000)]
    for (const [i, body] of bodies.entries()) {
      await sendBack.send(decodedMessage({ queueOffset: i, body }), 0)
      const request = broker.sends[i]
      expect(request && sent(request).sysFlag).toBe(String(0x301))
      expect(request && inflateSync(request.body).toString()).toBe(body)
    }
    const random = deflateSync(Buffer.from(Array.from({ length: 9_000 }, (_, i) => (i * i * 7919) % 251)))
    await sendBack.send(
      decodedMessage({ queueOffset: 5, body: random.length < 4096 ? Buffer.alloc(4_095, 1) : random }),
      0,
    )
    const last = broker.sends[2]
    expect(last && sent(last).sysFlag).toBe('0')
  })

  it('goes by another broker where its own can not be reached', async () => {
    const { cluster, sendBack } = await setUp({ brokerNames: ['broker-a', 'broker-b'] })
    const [, b] = cluster.brokers
    const gone = unusedAddress()
    const brokerDatas = [brokerData('broker-a', { 0: gone }), brokerData('broker-b', { 0: b?.address ?? '' })]
    const queueDatas = [queueData('broker-a', 1), queueData('broker-b', 1)]
    for (const topic of ['T', RETRY_TOPIC]) cluster.nameServer.routes.set(topic, routeBody({ queueDatas, brokerDatas }))
    for (let i = 0; i < 4; i++) await sendBack.send(decodedMessage({ queueOffset: i }), 0)
    expect(b?.sends.map((request) => sent(request).brokerName)).toEqual(Array(4).fill('broker-b'))
  })

  it('of a static topic is sent to the retry topic at once, since its broker may have changed', async () => {
    const { cluster, sendBack } = await setUp()
    const stored = decodedMessage({ queueOffset: 0 })
    await sendBack.send(stored.derive({ brokerName: '__syslo__global__' }, stored.body), 0)
    expect(cluster.broker().server.requestsOf(Code.SEND_BACK)).toEqual([])
    expect(cluster.broker().sends).toHaveLength(1)
  })

  it('is nobody to have when all refuse it: the call says so after three tries', async () => {
    const { cluster, sendBack } = await setUp()
    const broker = cluster.broker()
    for (const code of [Code.SEND_BACK, Code.SEND])
      broker.scripts.set(code, (request, connection) =>
        connection.answer(request, { code: SYSTEM_ERROR, remark: 'no' }),
      )
    const error = await rejectionOf(sendBack.send(decodedMessage({ queueOffset: 0 }), 0))
    expect(error).toMatchObject({ code: 'SYSTEM_ERROR', retryable: true })
    expect(broker.sends).toHaveLength(3)
  })

  it('is nobody to have when no broker has the retry topic', async () => {
    const { cluster, sendBack } = await setUp()
    const broker = cluster.broker()
    broker.scripts.set(Code.SEND_BACK, (request, connection) => connection.answer(request, { code: SYSTEM_ERROR }))
    cluster.nameServer.routes.delete(RETRY_TOPIC)
    expect(await rejectionOf(sendBack.send(decodedMessage({ queueOffset: 0 }), 0))).toMatchObject({
      code: 'TOPIC_NOT_FOUND',
    })
  })
})
