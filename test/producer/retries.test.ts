import { inflateSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { decodeProperties } from '../../src/codec/properties.js'
import type { RemotingCommand } from '../../src/codec/remoting-command.js'
import { BrokerError, RemotingError } from '../../src/errors.js'
import { DefaultProducer } from '../../src/producer/default-producer.js'
import type { ProducerOptions } from '../../src/producer/producer-options.js'
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
    const producer = await connected(await startedProducer(cluster, { sendTimeout: 6_000 }))
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
        brokerData('broker-b', { 0: unusedAddress() }),
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
    const error = await rejectionOf(producer.send(message, { timeout: 1_500 }))
    const attempts = (error as RemotingError).attempts ?? []
    // The first two have a third of the time each, and there is some left.
    expect(attempts).toHaveLength(3)
    expect(new Set(attempts.map((attempt) => attempt.brokerName)).size).toBe(3)
  })

  it('gives a broker that is alone all the time there is, and then ends', async () => {
    const cluster = await scriptedCluster()
    cluster.broker().scripts.set(Code.SEND, staySilent)
    const producer = await connected(await startedProducer(cluster))
    const error = await rejectionOf(producer.send(message, { timeout: 300 }))
    expect(error).toBeInstanceOf(RemotingError)
    expect((error as RemotingError).attempts).toHaveLength(1)
    expect(cluster.broker().sends).toHaveLength(1)
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
    expect(inflateSync(first?.body ?? '').equals(Buffer.alloc(512 * 1024, 1))).toBe(true)
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
    const producer = await connected(await startedProducer(cluster))
    const error = await rejectionOf(producer.send(message, { queue, timeout: 1_000 }))
    expect((error as RemotingError).attempts).toHaveLength(1)
    await until(() => cluster.broker(0).sends.length > 0)
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
        brokerDatas: [brokerData('broker-a', { 0: unusedAddress() })],
      }),
    )
    const producer = await startedProducer(cluster)
    const error = await rejectionOf(producer.send(message, { queue }))
    expect(error).toMatchObject({ code: 'CONNECT_FAILED', mayBeStored: false })
    expect((error as RemotingError).attempts?.map((attempt) => attempt.stored)).toEqual(['no', 'no', 'no'])
  })
})

const FLUSH_DISK_TIMEOUT = 10
const SLAVE_NOT_AVAILABLE = 11
const FLUSH_SLAVE_TIMEOUT = 12

/** Stores each message and answers that it is stored with this code. */
function storeWith(broker: ScriptedBroker, code: number): void {
  broker.scripts.set(Code.SEND, (request, connection) => broker.store(request, connection, { code }))
}

/** A producer whose next send goes to the first broker. */
async function turnOfFirst(
  cluster: Awaited<ReturnType<typeof scriptedCluster>>,
  options: Partial<ProducerOptions>,
): Promise<DefaultProducer> {
  const producer = await connected(await startedProducer(cluster, options))
  const [first, second] = [cluster.broker(0), cluster.broker(1)]
  const scripts = [...first.scripts]
  first.scripts.clear()
  // They take turns queue by queue: after the last one of the second it is the first one's again.
  do await producer.send(message)
  while (second.sends.at(-1)?.field('e') !== '3')
  for (const [code, script] of scripts) first.scripts.set(code, script)
  for (const broker of cluster.brokers) broker.server.forget()
  return producer
}

describe('a message that is stored less safely than its broker is configured for', () => {
  const statuses = [
    [FLUSH_DISK_TIMEOUT, 'FLUSH_DISK_TIMEOUT'],
    [SLAVE_NOT_AVAILABLE, 'SLAVE_NOT_AVAILABLE'],
    [FLUSH_SLAVE_TIMEOUT, 'FLUSH_SLAVE_TIMEOUT'],
  ] as const

  it.each(statuses)('is no failure: %d is reported as %s, and it is sent once', async (code, sendStatus) => {
    const cluster = await scriptedCluster(['broker-a', 'broker-b'])
    storeWith(cluster.broker(0), code)
    const producer = await turnOfFirst(cluster, {})
    const result = await producer.send(message)
    expect(result).toMatchObject({ sendStatus, messageQueue: { brokerName: 'broker-a' } })
    expect(cluster.brokers.flatMap((broker) => broker.sends)).toHaveLength(1)
  })

  it.each(statuses)('goes to another broker too where that is asked for: after %d, %s', async (code) => {
    const cluster = await scriptedCluster(['broker-a', 'broker-b'])
    storeWith(cluster.broker(0), code)
    const producer = await turnOfFirst(cluster, { retryAnotherBrokerWhenNotStoreOK: true })
    const result = await producer.send(message)
    expect(result).toMatchObject({ sendStatus: 'SEND_OK', messageQueue: { brokerName: 'broker-b' } })
    expect(cluster.brokers.map((broker) => broker.sends.map(uniqKey))).toEqual([[result.msgId], [result.msgId]])
  })

  it.each<[string, (broker: ScriptedBroker) => void]>([
    ['refuses it', (broker) => broker.scripts.set(Code.SEND, answerWith(MESSAGE_ILLEGAL))],
    ['refuses it again and again', (broker) => broker.scripts.set(Code.SEND, answerWith(SYSTEM_ERROR))],
    ['is silent', (broker) => broker.scripts.set(Code.SEND, staySilent)],
    ['cuts the connection', (broker) => broker.scripts.set(Code.SEND, (_, connection) => connection.reset())],
  ])('keeps its result when the other broker %s, and goes to none a second time', async (_what, fail) => {
    const cluster = await scriptedCluster(['broker-a', 'broker-b'])
    storeWith(cluster.broker(0), SLAVE_NOT_AVAILABLE)
    const producer = await turnOfFirst(cluster, { retryAnotherBrokerWhenNotStoreOK: true })
    fail(cluster.broker(1))
    const result = await producer.send(message, { timeout: 2_000 })
    expect(result).toMatchObject({ sendStatus: 'SLAVE_NOT_AVAILABLE', messageQueue: { brokerName: 'broker-a' } })
    expect(cluster.broker(0).sends.map(uniqKey)).toEqual([result.msgId])
    expect(cluster.broker(1).sends.length).toBeGreaterThan(0)
  })

  it('has the last result when no broker does better, and goes to none twice', async () => {
    const cluster = await scriptedCluster(['broker-a', 'broker-b'])
    storeWith(cluster.broker(0), SLAVE_NOT_AVAILABLE)
    const producer = await turnOfFirst(cluster, {
      retryAnotherBrokerWhenNotStoreOK: true,
      retryTimesWhenSendFailed: 5,
    })
    storeWith(cluster.broker(1), FLUSH_DISK_TIMEOUT)
    const result = await producer.send(message)
    expect(result).toMatchObject({ sendStatus: 'FLUSH_DISK_TIMEOUT', messageQueue: { brokerName: 'broker-b' } })
    expect(cluster.brokers.map((broker) => broker.sends.map(uniqKey))).toEqual([[result.msgId], [result.msgId]])
  })

  it('is sent once where there is no other broker, where the queue was chosen, and where nothing is to be retried', async () => {
    const options = { retryAnotherBrokerWhenNotStoreOK: true }
    const alone = await scriptedCluster()
    storeWith(alone.broker(), SLAVE_NOT_AVAILABLE)
    const result = await (await startedProducer(alone, options)).send(message)
    expect(result.sendStatus).toBe('SLAVE_NOT_AVAILABLE')
    expect(alone.broker().sends).toHaveLength(1)

    const two = await scriptedCluster(['broker-a', 'broker-b'])
    for (const broker of two.brokers) storeWith(broker, SLAVE_NOT_AVAILABLE)
    const chosen = await (await startedProducer(two, options)).send(message, { queue })
    expect(chosen).toMatchObject({ sendStatus: 'SLAVE_NOT_AVAILABLE', messageQueue: queue })
    await (await startedProducer(two, { ...options, retryTimesWhenSendFailed: 0 })).send(message)
    expect(two.brokers.flatMap((broker) => broker.sends)).toHaveLength(2)
  })
})

describe('retryResponseCodes', () => {
  const QUOTA = 4242

  it('are tried again on another broker, beside those that Java has', async () => {
    const cluster = await scriptedCluster(['broker-a', 'broker-b'])
    cluster.broker(0).scripts.set(Code.SEND, answerWith(QUOTA))
    const producer = await turnOfFirst(cluster, { retryResponseCodes: [QUOTA, MESSAGE_ILLEGAL] })
    await expect(producer.send(message)).resolves.toMatchObject({ messageQueue: { brokerName: 'broker-b' } })
    for (const code of [MESSAGE_ILLEGAL, SYSTEM_ERROR]) {
      answerFirst(cluster.broker(0), [code])
      answerFirst(cluster.broker(1), [code])
      await expect(producer.send(message)).resolves.toMatchObject({ sendStatus: 'SEND_OK' })
    }
  })

  it('leave other refusals final, and are refusals still: the message was not stored', async () => {
    const cluster = await scriptedCluster(['broker-a', 'broker-b'])
    for (const broker of cluster.brokers) broker.scripts.set(Code.SEND, answerWith(QUOTA))
    const producer = await startedProducer(cluster, { retryResponseCodes: [QUOTA] })
    const error = await rejectionOf(producer.send(message))
    expect(error).toMatchObject({ responseCode: QUOTA, mayBeStored: false })
    expect((error as BrokerError).attempts?.map(({ stored }) => stored)).toEqual(['no', 'no', 'no'])
    for (const broker of cluster.brokers) broker.scripts.set(Code.SEND, answerWith(MESSAGE_ILLEGAL))
    expect(((await rejectionOf(producer.send(message))) as BrokerError).attempts).toHaveLength(1)
  })

  it("don't move a message from a queue of the caller's choice", async () => {
    const cluster = await scriptedCluster(['broker-a', 'broker-b'])
    cluster.broker(0).scripts.set(Code.SEND, answerWith(QUOTA))
    const producer = await startedProducer(cluster, { retryResponseCodes: [QUOTA] })
    const error = await rejectionOf(producer.send(message, { queue }))
    expect((error as BrokerError).attempts).toHaveLength(1)
    expect(cluster.broker(1).sends).toEqual([])
  })

  it.each([{ given: QUOTA }, { given: '4242' }, { given: [1.5] }, { given: ['x'] }])(
    'are refused when they are $given',
    ({ given }) => {
      const options = { retryResponseCodes: given as unknown as number[] }
      const make = () => new DefaultProducer({ producerGroup: 'p', namesrvAddr: 'h:1', ...options })
      expect(make).toThrow(/a list of response codes/)
    },
  )
})
