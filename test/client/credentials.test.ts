import { inspect } from 'node:util'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Client } from '../../src/client/client.js'
import type { BrokerError } from '../../src/errors.js'
import type { Logger } from '../../src/logger.js'
import { DefaultProducer } from '../../src/producer/default-producer.js'
import type { Credentials } from '../../src/remoting/credentials.js'
import { startedConsumer, startedProducer } from '../support/members-under-test.js'
import { Code, type ScriptedCluster, scriptedCluster } from '../support/scripted-cluster.js'
import { answerAll, type Script } from '../support/scripted-server.js'
import { isSigned } from '../support/signatures.js'
import { rejectionOf, until } from '../support/until.js'

const SECRET = 'canary-7f3a9b'
const TOKEN = 'canary-token-51c2'
const credentials = { accessKey: 'app', secretKey: SECRET, securityToken: TOKEN }
const message = { topic: 'T', body: 'x' }
const NO_PERMISSION = 16
const SYSTEM_ERROR = 1
const DENIED = 'User:app has no permission to access Topic:T from 127.0.0.1, no matched policies.'
const BAD_SIGNATURE = 'check signature failed.'

/** Lets in requests that are signed with one of these keys, as a broker with ACL 2.0 does. */
function accepting(cluster: ScriptedCluster, secrets: Set<string>): void {
  const broker = cluster.broker()
  const checked =
    (next: Script): Script =>
    (request, connection) => {
      if ([...secrets].some((secret) => isSigned(request, secret))) next(request, connection)
      else connection.answer(request, { code: NO_PERMISSION, remark: BAD_SIGNATURE })
    }
  broker.scripts.set(
    Code.SEND,
    checked((request, connection) => broker.store(request, connection)),
  )
}

describe('credentials', () => {
  it.each(['ROCKETMQ', 'JSON'] as const)(
    'sign every request, to NameServers and brokers, whatever it is (%s)',
    async (serializeType) => {
      const cluster = await scriptedCluster()
      const producer = await startedProducer(cluster, { credentials, serializeType })
      await producer.send(message)
      await producer.send({ topic: 'T', body: Buffer.alloc(20_000, 1) })
      await producer.sendBatch([message, message])
      await producer.sendOneway(message)
      const consumer = await startedConsumer(cluster, { credentials, serializeType })
      await consumer.fetchSubscribeMessageQueues('T')
      const { server } = cluster.broker()
      await until(() => server.requestsOf(Code.HEARTBEAT).length > 0 && cluster.broker().sends.length === 4)
      await producer.shutdown()
      const requests = [...cluster.nameServer.server.requests, ...server.requests]
      expect(new Set(requests.map(({ code }) => code)).size).toBeGreaterThanOrEqual(5)
      for (const request of requests) {
        expect(request.field('AccessKey')).toBe('app')
        expect(request.field('SecurityToken')).toBe(TOKEN)
        expect(isSigned(request, SECRET), `request ${request.code}`).toBe(true)
      }
    },
  )

  it('add nothing to requests where there are none', async () => {
    const cluster = await scriptedCluster()
    const producer = await startedProducer(cluster)
    await producer.send(message)
    for (const request of [...cluster.nameServer.server.requests, ...cluster.broker().server.requests]) {
      expect(Object.keys(request.extFields)).not.toContain('AccessKey')
      expect(Object.keys(request.extFields)).not.toContain('Signature')
    }
  })

  it('are taken over when they are given: later changes of the object count for nothing', async () => {
    const cluster = await scriptedCluster()
    const given = { ...credentials }
    const producer = await startedProducer(cluster, { credentials: given })
    given.secretKey = 'other'
    await producer.send(message)
    expect(cluster.broker().sends.every((send) => isSigned(send, SECRET))).toBe(true)
  })

  it.each([
    ['a text', 'user:secret'],
    ['null', null],
    ['an object without keys', {}],
    ['an object without a secret', { accessKey: 'app' }],
    ['an object with a secret that is no text', { accessKey: 'app', secretKey: [SECRET] }],
    ['an object with one more field', { ...credentials, region: SECRET }],
  ])('can not be %s, and the error shows no value', (_what, value) => {
    const make = () => new Client({ namesrvAddr: 'localhost:9876', credentials: value as unknown as Credentials })
    expect(make).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }))
    expect(make).toThrow(/option credentials of Client/)
    expect(make).not.toThrow(new RegExp(SECRET))
    expect(make).not.toThrow(/user:secret/)
  })
})

describe('a provider of credentials', () => {
  it('that fails makes start fail, which can be called again', async () => {
    const cluster = await scriptedCluster()
    let isWorking = false
    const producer = new DefaultProducer({
      producerGroup: 'p',
      namesrvAddr: cluster.namesrvAddr,
      credentials: async () => {
        if (!isWorking) throw new Error('no network')
        return credentials
      },
    })
    onTestFinished(() => producer.shutdown())
    expect(await rejectionOf(producer.start())).toMatchObject({ code: 'CREDENTIALS_UNAVAILABLE', retryable: true })
    isWorking = true
    await producer.start()
    await producer.send(message)
    expect(cluster.broker().sends.every((send) => isSigned(send, SECRET))).toBe(true)
  })

  it('is asked for others when a broker does not know these, and the refused requests go out again with them', async () => {
    const cluster = await scriptedCluster()
    const known = new Set(['old'])
    accepting(cluster, known)
    let now = 'old'
    const producer = await startedProducer(cluster, {
      retryTimesWhenSendFailed: 0,
      credentials: () => ({ accessKey: 'app', secretKey: now }),
    })
    await producer.send(message)
    now = 'new'
    known.add('new')
    known.delete('old')
    const results = await until(async () => Promise.all(Array.from({ length: 64 }, () => producer.send(message))))
    expect(results.map(({ sendStatus }) => sendStatus)).toEqual(Array(64).fill('SEND_OK'))
    expect(isSigned(cluster.broker().sends.at(-1) as never, 'new')).toBe(true)
  })

  it('with no others leaves the refusal as it is, after one request', async () => {
    const cluster = await scriptedCluster()
    accepting(cluster, new Set(['other']))
    const producer = await startedProducer(cluster, { credentials: () => credentials })
    const error = (await rejectionOf(producer.send(message))) as BrokerError
    expect(error.denial).toEqual({ kind: 'AUTHENTICATION', reason: 'check signature failed' })
    expect(cluster.broker().sends).toHaveLength(1)
  })
})

describe('a refusal by access control', () => {
  it.each([
    ['ACL 2.0', NO_PERMISSION, DENIED],
    [
      'ACL 1.0',
      SYSTEM_ERROR,
      'org.apache.rocketmq.acl.common.AclException: No default permission for topic:T, org.apache.rocketmq.acl.plain.X.y(X.java:1)',
    ],
  ])('of %s is final, says what is not allowed, and is not tried elsewhere', async (_acl, code, remark) => {
    const cluster = await scriptedCluster(['broker-a', 'broker-b'])
    for (const broker of cluster.brokers)
      broker.scripts.set(Code.SEND, (request, connection) => connection.answer(request, { code, remark }))
    const producer = await startedProducer(cluster, { credentials, retryResponseCodes: [code] })
    const error = (await rejectionOf(producer.send(message))) as BrokerError
    expect(error).toMatchObject({ name: 'BrokerError', code: 'NO_PERMISSION', responseCode: code, retryable: false })
    expect(error.denial).toMatchObject({ kind: 'AUTHORIZATION', resource: 'Topic:T' })
    expect(error.attempts).toHaveLength(1)
    expect(error.mayBeStored).toBe(false)
    expect(error.message).toContain(remark)
    expect(cluster.brokers.flatMap(({ sends }) => sends)).toHaveLength(1)
  })

  it('of a client without credentials says which option is missing', async () => {
    const cluster = await scriptedCluster()
    const remark = 'username cannot be null.'
    cluster.broker().scripts.set(Code.SEND, (request, connection) => connection.answer(request, { code: 16, remark }))
    const producer = await startedProducer(cluster)
    const error = await rejectionOf(producer.send(message))
    expect(error.message).toContain('the server has access control: give the option credentials')
  })

  it('is told from a topic that nobody may write to, which another broker may take', async () => {
    const cluster = await scriptedCluster(['broker-a', 'broker-b'])
    const remark = 'the broker[127.0.0.1] sending message is forbidden'
    cluster.broker(0).scripts.set(Code.SEND, (request, connection) => connection.answer(request, { code: 16, remark }))
    const producer = await startedProducer(cluster, { credentials })
    for (let i = 0; i < 8; i++) expect((await producer.send(message)).messageQueue.brokerName).toBe('broker-b')
  })
})

describe('secrets', () => {
  it('are not left in part where a long remark is cut', async () => {
    const cluster = await scriptedCluster()
    const remark = `${'x'.repeat(4_086)}${SECRET}`
    const answer: Script = (request, connection) => connection.answer(request, { code: SYSTEM_ERROR, remark })
    cluster.broker().scripts.set(Code.SEND, answer)
    const producer = await startedProducer(cluster, { credentials, retryTimesWhenSendFailed: 0 })
    const error = (await rejectionOf(producer.send(message))) as BrokerError
    expect(error.remark).toBe(`${'x'.repeat(4_086)}***`)
    expect(error.message).not.toContain('canary')
  })

  it('stand in no request, signed and traced as it is, but for the token in the header field that is for it', async () => {
    const cluster = await scriptedCluster()
    cluster.addTopic('RMQ_SYS_TRACE_TOPIC')
    const producer = await startedProducer(cluster, { credentials, messageTrace: true })
    await producer.send(message)
    await producer.shutdown()
    const requests = [...cluster.nameServer.server.requests, ...cluster.broker().server.requests]
    expect(cluster.broker().sends.map((send) => send.field('b'))).toContain('RMQ_SYS_TRACE_TOPIC')
    for (const request of requests) {
      const { SecurityToken, ...others } = request.extFields
      const text = JSON.stringify(others) + request.body.toString('latin1')
      expect(text).not.toContain(SECRET)
      expect(text).not.toContain(TOKEN)
      expect(SecurityToken).toBe(TOKEN)
    }
  })

  it('stand in no log line, no error, no inspected object and no JSON, whatever the server answers', async () => {
    const lines: unknown[] = []
    const log = (text: string, fields?: unknown) => void lines.push(text, fields)
    const logger: Logger = { debug: log, info: log, warn: log, error: log }
    const cluster = await scriptedCluster()
    const broker = cluster.broker()
    // Some servers say what they were given.
    const remark = `bad secretKey=${SECRET} and SecurityToken ${TOKEN}`
    broker.scripts.set(Code.SEND, (request, connection) => connection.answer(request, { code: SYSTEM_ERROR, remark }))
    broker.scripts.set(Code.HEARTBEAT, (request, connection) => connection.answer(request, { code: 16, remark }))
    broker.scripts.set(Code.SEND_BATCH, (_request, connection) => connection.reset())
    broker.scripts.set(Code.MAX_OFFSET, answerAll)
    const producer = await startedProducer(cluster, { credentials, logger })
    const consumer = await startedConsumer(cluster, { credentials: () => credentials, logger })
    const queue = { topic: 'T', brokerName: 'broker-a', queueId: 0 }
    const errors = [
      await rejectionOf(producer.send(message)),
      await rejectionOf(producer.sendBatch([message, message], { timeout: 500 })),
      await rejectionOf(consumer.maxOffset(queue)),
      await rejectionOf(consumer.pull(queue, { offset: 0 })),
    ]
    await until(() => lines.length > 0)
    const client = new Client({ namesrvAddr: cluster.namesrvAddr, credentials })
    const seen = [lines, errors, producer, consumer, client, client.options, client.options.credentials]
    for (const one of seen) {
      const text = inspect(one, { depth: 10, showHidden: true, maxArrayLength: null, maxStringLength: null })
      expect(text).not.toContain(SECRET)
      expect(text).not.toContain(TOKEN)
    }
    for (const error of errors) {
      const text = `${error.stack} ${JSON.stringify(error)} ${Object.values(error)}`
      expect(text).not.toContain(SECRET)
      expect(text).not.toContain(TOKEN)
    }
    expect(JSON.stringify(client.options)).not.toContain(SECRET)
    expect(`${errors[0]?.message}`).toContain('bad secretKey=***')
  })
})
