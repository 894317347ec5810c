import { describe, expect, it } from 'vitest'
import { decodeProperties } from '../../src/codec/properties.js'
import type { RemotingCommand } from '../../src/codec/remoting-command.js'
import { BrokerError, RemotingError } from '../../src/errors.js'
import type { SendResult } from '../../src/producer/send-result.js'
import { connected, startedProducer } from '../support/members-under-test.js'
import {
  brokerData,
  Code,
  queueData,
  routeBody,
  type ScriptedBroker,
  scriptedCluster,
} from '../support/scripted-cluster.js'
import { type Script, staySilent, unusedAddress } from '../support/scripted-server.js'
import { rejectionOf, until } from '../support/until.js'

const message = { topic: 'T', body: 'x' }
const queue = { topic: 'T', brokerName: 'broker-a', queueId: 0 }
const SYSTEM_ERROR = 1
const SYSTEM_BUSY = 2
const MESSAGE_ILLEGAL = 13

/** Answers the first sends with these codes, one each, and stores what comes after. */
function answerFirst(broker: ScriptedBroker, codes: readonly number[]): void {
  const left = [...codes]
  broker.scripts.set(Code.SEND, (request, connection) => {
    const code = left.shift()
    if (code === undefined) broker.store(request, connection)
    else connection.answer(request, { code, remark: `refused with ${code}` })
  })
}

const answerWith =
  (code: number): Script =>
  (request, connection) =>
    connection.answer(request, { code })

function uniqKey(request: RemotingCommand): string | undefined {
  return decodeProperties(request.field('i') ?? '').UNIQ_KEY
}

describe('a send that fails', () => {
  it.each<[string, Script]>([
    ['refuses', answerWith(SYSTEM_ERROR)],
    ['is silent', staySilent],
    ['cuts the connection', (_, connection) => connection.reset()],
    ['sends garbage', (_, connection) => connection.write(Buffer.from('garbage, not a frame'))],
  ])('goes to another broker when one %s', async (_what, script) => {
    const cluster = await scriptedCluster(['broker-a', 'broker-b'])
    const [bad, good] = [cluster.broker(0), cluster.broker(1)]
    bad.scripts.set(Code.SEND, script)
    const producer = await startedProducer(cluster, { sendTimeout: 1_500 })
    let result: SendResult
    do result = await producer.send(message)
    while (bad.sends.length === 0)
    expect(result.messageQueue.brokerName).toBe('broker-b')
    expect(good.sends.map(uniqKey)).toContain(bad.sends.map(uniqKey)[0])
  })

  it('goes to another broker when there is no connection to one', async () => {
    const cluster = await scriptedCluster()
    const body = routeBody({
      queueDatas: [queueData('broker-a'), queueData('broker-b')],
      brokerDatas: [
        brokerData('broker-a', { 0: cluster.broker().address }),
        brokerData('broker-b', { 0: await unusedAddress() }),
      ],
    })
    cluster.nameServer.routes.set('T', body)
    const producer = await startedProducer(cluster)
    for (let i = 0; i < 16; i++) {
      expect((await producer.send(message)).messageQueue.brokerName).toBe('broker-a')
    }
  })

  it('goes to another broker when the address of one is none', async () => {
    const cluster = await scriptedCluster()
    const body = routeBody({
      queueDatas: [queueData('broker-a'), queueData('broker-b')],
      brokerDatas: [
        brokerData('broker-a', { 0: cluster.broker().address }),
        brokerData('broker-b', { 0: 'address-without-port' }),
      ],
    })
    cluster.nameServer.routes.set('T', body)
    const producer = await startedProducer(cluster)
    for (let i = 0; i < 8; i++) await expect(producer.send(message)).resolves.toMatchObject({ sendStatus: 'SEND_OK' })
  })

  it('leaves time for the others: brokers that are silent get their share of it only', async () => {
    const cluster = await scriptedCluster(['broker-a', 'broker-b', 'broker-c'])
    for (const broker of cluster.brokers) broker.scripts.set(Code.SEND, staySilent)
    const producer = await connected(await startedProducer(cluster))
    const error = await rejectionOf(producer.send(message, { timeout: 450 }))
    const attempts = (error as RemotingError).attempts ?? []
    expect(attempts).toHaveLength(3)
    // A third of the time each.
    for (const attempt of attempts) expect(attempt.elapsed).toBeGreaterThan(100)
    expect(new Set(attempts.map((attempt) => attempt.brokerName)).size).toBe(3)
  })

  it('gives a broker that is alone all the time there is, and then ends', async () => {
    const cluster = await scriptedCluster()
    cluster.broker().scripts.set(Code.SEND, staySilent)
    const producer = await startedProducer(cluster)
    const error = await rejectionOf(producer.send(message, { timeout: 100 }))
    expect(error).toBeInstanceOf(RemotingError)
    const [attempt, ...more] = (error as RemotingError).attempts ?? []
    expect(attempt?.elapsed).toBeGreaterThan(60)
    expect(more).toEqual([])
  })

  it('asks the same broker again after a pause when there is no other', async () => {
    const cluster = await scriptedCluster()
    answerFirst(cluster.broker(), [SYSTEM_ERROR, SYSTEM_ERROR])
    const at: number[] = []
    const script = cluster.broker().scripts.get(Code.SEND) as Script
    cluster.broker().scripts.set(Code.SEND, (request, connection) => {
      at.push(performance.now())
      script(request, connection)
    })
    const producer = await startedProducer(cluster)
    await expect(producer.send(message)).resolves.toMatchObject({ sendStatus: 'SEND_OK' })
    const [first = 0, second = 0, third = 0] = at
    // Timers never fire early: half of the shortest pause with jitter.
    expect(second - first).toBeGreaterThan(45)
    expect(third - second).toBeGreaterThan(95)
  })

  it('asks a broker that is busy again after a pause, also where there are others', async () => {
    const cluster = await scriptedCluster(['broker-a', 'broker-b'])
    const at: number[] = []
    let busy = 2
    for (const broker of cluster.brokers) {
      broker.scripts.set(Code.SEND, (request, connection) => {
        at.push(performance.now())
        if (busy-- > 0) connection.answer(request, { code: SYSTEM_BUSY, remark: '[PCBUSY_CLEAN_QUEUE]broker busy' })
        else broker.store(request, connection)
      })
    }
    const producer = await startedProducer(cluster)
    await expect(producer.send(message)).resolves.toMatchObject({ sendStatus: 'SEND_OK' })
    const [first = 0, second = 0, third = 0] = at
    expect(second - first).toBeGreaterThan(45)
    expect(third - second).toBeGreaterThan(95)
  })

  it.each([1, 2, 14, 16, 17, 204, 205, 1500])('is tried again when a broker answers %d', async (code) => {
    const cluster = await scriptedCluster(['broker-a', 'broker-b'])
    // GO_AWAY makes the request go out a second time by itself.
    for (const broker of cluster.brokers) answerFirst(broker, code === 1500 ? [code, code] : [code])
    const producer = await startedProducer(cluster)
    await expect(producer.send(message)).resolves.toMatchObject({ sendStatus: 'SEND_OK' })
    expect(cluster.brokers.flatMap((broker) => broker.sends).length).toBeGreaterThan(2)
  })

  it.each([3, 13, 15, 26, 29, 208, 604, 4242, -1])('is not tried again when a broker answers %d', async (code) => {
    const cluster = await scriptedCluster(['broker-a', 'broker-b'])
    for (const broker of cluster.brokers) broker.scripts.set(Code.SEND, answerWith(code))
    const producer = await startedProducer(cluster)
    const error = await rejectionOf(producer.send(message))
    expect(error).toBeInstanceOf(BrokerError)
    expect(error).toMatchObject({ responseCode: code, mayBeStored: false })
    expect((error as BrokerError).attempts).toHaveLength(1)
    expect(cluster.brokers.flatMap((broker) => broker.sends)).toHaveLength(1)
  })

  it.each([0, 1, 4])('is tried retryTimesWhenSendFailed times again: %d', async (retryTimesWhenSendFailed) => {
    const cluster = await scriptedCluster(['broker-a', 'broker-b'])
    for (const broker of cluster.brokers) broker.scripts.set(Code.SEND, answerWith(SYSTEM_ERROR))
    const producer = await startedProducer(cluster, { retryTimesWhenSendFailed })
    const error = await rejectionOf(producer.send(message))
    const names = ((error as BrokerError).attempts ?? []).map((attempt) => attempt.brokerName)
    expect(names).toHaveLength(1 + retryTimesWhenSendFailed)
    for (let i = 1; i < names.length; i++) expect(names[i]).not.toBe(names[i - 1])
  })

  it.each([17])('makes the producer ask for the route again when a broker answers %d', async (code) => {
    const cluster = await scriptedCluster(['broker-a', 'broker-b'])
    cluster.broker(0).scripts.set(Code.SEND, answerWith(code))
    const producer = await startedProducer(cluster)
    await producer.send(message)
    cluster.addTopic('T', 4, [cluster.broker(1)])
    await until(async () => {
      await producer.send(message)
      return cluster.nameServer.asked('T') > 1
    })
    const before = cluster.broker(0).sends.length
    await producer.fetchPublishMessageQueues('T')
    for (let i = 0; i < 8; i++) await producer.send(message)
    expect(cluster.broker(0).sends).toHaveLength(before)
  })
})

describe('a send that is tried again', () => {
  it('is the same message, byte for byte, whatever the caller did to it meanwhile', async () => {
    const cluster = await scriptedCluster()
    const broker = cluster.broker()
    const body = Buffer.from('the body as it was given')
    const given = { topic: 'T', body, tags: 'A', keys: ['k'], properties: { a: '1' } as Record<string, string> }
    let attempts = 0
    broker.scripts.set(Code.SEND, (request, connection) => {
      body.fill(0x21)
      given.topic = 'U'
      given.tags = 'B'
      given.keys.push('another')
      given.properties.a = '2'
      given.properties.b = '3'
      if (++attempts <= 2) connection.answer(request, { code: SYSTEM_BUSY })
      else broker.store(request, connection)
    })
    const producer = await startedProducer(cluster)
    const sending = producer.send(given)
    body.write('X')
    const { msgId } = await sending
    expect(broker.sends).toHaveLength(3)
    for (const request of broker.sends) {
      expect(request.body.toString()).toBe('the body as it was given')
      expect(request.field('b')).toBe('T')
      expect(decodeProperties(request.field('i') ?? '')).toEqual({
        UNIQ_KEY: msgId,
        TAGS: 'A',
        KEYS: 'k',
        WAIT: 'true',
        a: '1',
      })
    }
  })

  it('is the same also as a large body and as a batch', async () => {
    const cluster = await scriptedCluster()
    const broker = cluster.broker()
    const body = Buffer.alloc(512 * 1024, 1)
    for (const code of [Code.SEND, Code.SEND_BATCH]) {
      let attempts = 0
      broker.scripts.set(code, (request, connection) => {
        body.fill(2)
        if (++attempts <= 2) connection.answer(request, { code: SYSTEM_BUSY })
        else broker.store(request, connection)
      })
    }
    const producer = await startedProducer(cluster)
    await producer.send({ topic: 'T', body })
    body.fill(1)
    await producer.sendBatch([
      { topic: 'T', body },
      { topic: 'T', body: 'small' },
    ])
    const [first, , , fourth] = broker.sends
    expect(broker.sends).toHaveLength(6)
    for (const request of broker.sends.slice(0, 3))
      expect(request.body.equals(first?.body ?? Buffer.alloc(0))).toBe(true)
    for (const request of broker.sends.slice(3)) expect(request.body.equals(fourth?.body ?? Buffer.alloc(0))).toBe(true)
    expect(first?.body.equals(Buffer.alloc(512 * 1024, 1))).toBe(true)
    expect(fourth?.body.includes(Buffer.alloc(512 * 1024, 1))).toBe(true)
  })
})

describe("a send to a queue of the caller's choice", () => {
  it.each<[string, Script]>([
    ['no answer came', staySilent],
    ['its connection broke', (_, connection) => connection.reset()],
    ['the broker answered SYSTEM_ERROR', answerWith(SYSTEM_ERROR)],
    ['the broker refused it', answerWith(MESSAGE_ILLEGAL)],
  ])('is not tried again after it was written: %s', async (_what, script) => {
    const cluster = await scriptedCluster(['broker-a', 'broker-b'])
    cluster.broker().scripts.set(Code.SEND, script)
    const producer = await startedProducer(cluster, { requestTimeout: 200 })
    const error = await rejectionOf((await connected(producer)).send(message, { queue }))
    expect((error as RemotingError).attempts).toHaveLength(1)
    expect(cluster.broker(0).sends).toHaveLength(1)
    expect(cluster.broker(1).sends).toHaveLength(0)
  })

  it('is tried again when it was surely not stored: the broker is busy', async () => {
    const cluster = await scriptedCluster(['broker-a', 'broker-b'])
    answerFirst(cluster.broker(), [SYSTEM_BUSY, SYSTEM_BUSY])
    const producer = await startedProducer(cluster)
    await expect(producer.send(message, { queue })).resolves.toMatchObject({ messageQueue: queue })
    expect(cluster.broker(0).sends).toHaveLength(3)
  })

  it('is tried again when it was surely not stored: there was no connection', async () => {
    const cluster = await scriptedCluster()
    cluster.nameServer.routes.set(
      'T',
      routeBody({
        queueDatas: [queueData('broker-a')],
        brokerDatas: [brokerData('broker-a', { 0: await unusedAddress() })],
      }),
    )
    const producer = await startedProducer(cluster)
    const error = await rejectionOf(producer.send(message, { queue }))
    expect(error).toMatchObject({ code: 'CONNECT_FAILED', mayBeStored: false })
    expect((error as RemotingError).attempts?.map((attempt) => attempt.stored)).toEqual(['no', 'no', 'no'])
  })
})
