import { describe, expect, it } from 'vitest'
import { BrokerError, ClientError, MessageError, RemotingError, type RocketMQError } from '../../src/errors.js'
import { connected, startedProducer } from '../support/members-under-test.js'
import {
  brokerData,
  Code,
  queueData,
  routeBody,
  type ScriptedCluster,
  scriptedCluster,
} from '../support/scripted-cluster.js'
import { type Script, staySilent, unusedAddress } from '../support/scripted-server.js'
import { stuckServer } from '../support/stuck-server.js'
import { rejectionOf, turns, until } from '../support/until.js'

const message = { topic: 'T', body: 'x' }
const SYSTEM_ERROR = 1
const MESSAGE_ILLEGAL = 13

const answerWith =
  (code: number, remark = 'no'): Script =>
  (request, connection) =>
    connection.answer(request, { code, remark })

async function clusterWith(...scripts: Script[]): Promise<ScriptedCluster> {
  const cluster = await scriptedCluster(scripts.map((_, i) => `broker-${i}`))
  scripts.forEach((script, i) => {
    cluster.broker(i).scripts.set(Code.SEND, script)
  })
  return cluster
}

async function sendError(
  cluster: ScriptedCluster,
  options: { timeout?: number; signal?: AbortSignal } = {},
  retryTimesWhenSendFailed = 2,
) {
  const producer = await startedProducer(cluster, { retryTimesWhenSendFailed })
  return (await rejectionOf(producer.send(message, options))) as RocketMQError
}

describe('the error of a send', () => {
  it('lists its attempts: where, how long, why', async () => {
    const cluster = await clusterWith(
      answerWith(SYSTEM_ERROR, 'disk is full'),
      answerWith(SYSTEM_ERROR, 'disk is full'),
    )
    const error = await sendError(cluster)
    expect(error.attempts).toHaveLength(3)
    for (const attempt of error.attempts ?? []) {
      const broker = cluster.brokers.find((each) => each.name === attempt.brokerName)
      expect(attempt).toEqual({
        brokerName: broker?.name,
        queueId: expect.any(Number),
        address: broker?.address,
        elapsed: expect.any(Number),
        code: 'SYSTEM_ERROR',
        message: `SEND_MESSAGE_V2 was refused by ${broker?.address} with 1 SYSTEM_ERROR: disk is full`,
        stored: 'unknown',
      })
      expect(error.message).toContain(`${attempt.brokerName}[${attempt.queueId}] ${attempt.address}`)
    }
    expect(error.message).toMatch(/^send to topic T failed in \d+ ms and 3 attempts; the message may have been stored/)
  })

  it("is of the last attempt's class, with its fields and itself as cause", async () => {
    const cluster = await clusterWith(answerWith(MESSAGE_ILLEGAL, 'too long'))
    const error = await sendError(cluster)
    expect(error).toBeInstanceOf(BrokerError)
    expect(error).toMatchObject({
      code: 'MESSAGE_ILLEGAL',
      responseCode: MESSAGE_ILLEGAL,
      remark: 'too long',
      address: cluster.broker().address,
      retryable: false,
    })
    expect(error.cause).toBeInstanceOf(BrokerError)
    expect(error.message).toMatch(/and one attempt; the message was not stored: 1\. broker-0\[\d\] /)
  })
})

describe('a send that failed was', () => {
  it('not stored: there was no connection', async () => {
    const cluster = await scriptedCluster()
    cluster.nameServer.routes.set(
      'T',
      routeBody({
        queueDatas: [queueData('broker-a')],
        brokerDatas: [brokerData('broker-a', { 0: unusedAddress() })],
      }),
    )
    const error = await sendError(cluster)
    expect(error).toBeInstanceOf(RemotingError)
    expect(error).toMatchObject({ code: 'CONNECT_FAILED', mayBeStored: false })
    expect(error.attempts?.every((attempt) => attempt.stored === 'no')).toBe(true)
  })

  it('not stored: the broker refused', async () => {
    const error = await sendError(await clusterWith(answerWith(MESSAGE_ILLEGAL)))
    expect(error).toMatchObject({ mayBeStored: false })
    expect(error.attempts?.map((attempt) => attempt.stored)).toEqual(['no'])
  })

  it.each<[string, Script, object]>([
    ['no answer came', staySilent, { code: 'TIMEOUT', sent: true }],
    ['the connection broke', (_, connection) => connection.reset(), { code: 'CONNECTION_CLOSED', sent: true }],
    [
      'the broker sent garbage',
      (_, connection) => connection.write(Buffer.alloc(64)),
      { code: 'PROTOCOL_ERROR', sent: true },
    ],
    ['the broker answered SYSTEM_ERROR', answerWith(SYSTEM_ERROR), { responseCode: SYSTEM_ERROR }],
  ])('stored perhaps: %s', async (_what, script, expected) => {
    const error = await sendError(await clusterWith(script), { timeout: 1_000 }, 0)
    expect(error).toMatchObject({ ...expected, mayBeStored: true })
    expect(error.attempts?.at(0)?.stored).toBe('unknown')
    expect(error.message).toContain('the message may have been stored all the same')
  })

  it('stored perhaps: the broker said so, but not where', async () => {
    const error = await sendError(await clusterWith((request, connection) => connection.answer(request)))
    expect(error).toBeInstanceOf(MessageError)
    expect(error).toMatchObject({ code: 'HEADER_MALFORMED', mayBeStored: true })
    expect(error.attempts).toHaveLength(1)
    expect(error.message).toContain('msgId')
  })

  it('stored perhaps: the offset that the broker gave is beyond what a number holds', async () => {
    const cluster = await scriptedCluster()
    const fields = { queueOffset: '9007199254740993' }
    cluster
      .broker()
      .scripts.set(Code.SEND, (request, connection) => cluster.broker().store(request, connection, { fields }))
    const error = await sendError(cluster)
    expect(error).toBeInstanceOf(MessageError)
    expect(error).toMatchObject({ code: 'INTEGER_OUT_OF_RANGE', mayBeStored: true })
    expect(error.message).toContain('9007199254740993')
  })

  it('stored perhaps when any attempt may have been, whatever the last one says', async () => {
    const cluster = await clusterWith(staySilent, answerWith(MESSAGE_ILLEGAL))
    const producer = await connected(await startedProducer(cluster))
    let error: RocketMQError
    do error = (await rejectionOf(producer.send(message, { timeout: 1_500 }))) as RocketMQError
    while (error.attempts?.[0]?.brokerName !== 'broker-0')
    expect(error).toBeInstanceOf(BrokerError)
    expect(error.attempts?.map((attempt) => attempt.stored)).toEqual(['unknown', 'no'])
    expect(error.mayBeStored).toBe(true)
  })
})

describe('a send that is aborted', () => {
  it('before it began is not sent', async () => {
    const cluster = await scriptedCluster()
    const producer = await startedProducer(cluster)
    for (const round of ['before the route is known', 'after']) {
      const error = await rejectionOf(producer.send(message, { signal: AbortSignal.abort() }))
      expect(error, round).toBeInstanceOf(ClientError)
      expect(error).toMatchObject({ code: 'ABORTED' })
      expect((error as ClientError).mayBeStored ?? false).toBe(false)
      await producer.send({ topic: 'T', body: round })
    }
    expect(cluster.broker().sends.map((send) => send.body.toString())).toEqual(['before the route is known', 'after'])
  })

  it('while it connects is not stored', async () => {
    const cluster = await scriptedCluster()
    const address = await stuckServer()
    cluster.nameServer.routes.set(
      'T',
      routeBody({ queueDatas: [queueData('broker-a')], brokerDatas: [brokerData('broker-a', { 0: address })] }),
    )
    const producer = await startedProducer(cluster)
    await producer.fetchPublishMessageQueues('T')
    const controller = new AbortController()
    const failing = rejectionOf(producer.send(message, { signal: controller.signal }))
    await turns(5)
    controller.abort()
    const error = (await failing) as ClientError
    expect(error).toMatchObject({ code: 'ABORTED', mayBeStored: false })
    expect(error.attempts?.map((attempt) => [attempt.address, attempt.stored])).toEqual([[address, 'no']])
  })

  it('while it waits for the route is not sent', async () => {
    const cluster = await scriptedCluster()
    cluster.nameServer.onRouteRequest = () => true
    const controller = new AbortController()
    const error = sendError(cluster, { signal: controller.signal })
    await until(() => cluster.nameServer.asked('T') === 1)
    controller.abort()
    expect(await error).toMatchObject({ code: 'ABORTED' })
    expect(cluster.broker().sends).toHaveLength(0)
  })

  it('while it waits for the answer may be stored, and is not tried again', async () => {
    const cluster = await clusterWith(staySilent, staySilent)
    const controller = new AbortController()
    const reason = new Error('the user went away')
    const failing = sendError(cluster, { signal: controller.signal })
    const sends = () => cluster.brokers.flatMap((broker) => broker.sends)
    await until(() => sends().length === 1)
    controller.abort(reason)
    const error = await failing
    expect(error).toBeInstanceOf(ClientError)
    expect(error).toMatchObject({ code: 'ABORTED', mayBeStored: true })
    expect(error.attempts?.map((attempt) => attempt.stored)).toEqual(['unknown'])
    expect((error.cause as Error).cause).toBe(reason)
    await turns()
    expect(sends()).toHaveLength(1)
  })

  it('while it waits to try again says what the attempts before came to', async () => {
    const cluster = await clusterWith(answerWith(2, 'busy'))
    const controller = new AbortController()
    const failing = sendError(cluster, { signal: controller.signal })
    await until(() => cluster.broker().sends.length === 1)
    await turns(2)
    controller.abort()
    const error = await failing
    expect(error).toMatchObject({ code: 'ABORTED', mayBeStored: false })
    expect(error.attempts?.map((attempt) => attempt.code)).toEqual(['SYSTEM_BUSY'])
    await turns()
    expect(cluster.broker().sends).toHaveLength(1)
  })
})

describe('the timeout of a send', () => {
  it('counts for the route as well', async () => {
    const cluster = await scriptedCluster()
    cluster.nameServer.onRouteRequest = () => true
    const error = await sendError(cluster, { timeout: 50 })
    expect(error).toMatchObject({ code: 'NO_ROUTE_IN_TIME', retryable: true })
  })

  it('leaves a send what the route did not take', async () => {
    const cluster = await clusterWith(staySilent)
    cluster.nameServer.onRouteRequest = (_topic, request, connection) => {
      setTimeout(() => cluster.nameServer.answerRoute(request, connection), 700)
      return true
    }
    const error = await sendError(cluster, { timeout: 2_000 })
    expect(error).toMatchObject({ code: 'TIMEOUT' })
    const [, within] = /no answer within (\d+) ms/.exec(error.attempts?.[0]?.message ?? '') ?? []
    expect(Number(within)).toBeLessThan(2_000)
  })

  it.each([Number.NaN, Number.POSITIVE_INFINITY, '100', null, 2 ** 31])('may not be %s', async (timeout) => {
    const cluster = await scriptedCluster()
    const producer = await startedProducer(cluster)
    const act = [
      () => producer.send(message, { timeout: timeout as number }),
      () => producer.sendBatch([message], { timeout: timeout as number }),
      () => producer.sendOneway(message, { timeout: timeout as number }),
    ]
    for (const round of ['before the route is known', 'after']) {
      for (const call of act) {
        const error = await rejectionOf(call())
        expect(error, round).toBeInstanceOf(ClientError)
        expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' })
        expect(error.message).toContain('timeout is')
      }
      await producer.send(message)
    }
    expect(cluster.broker().sends).toHaveLength(2)
  })
})
