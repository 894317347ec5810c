import { getEventListeners } from 'node:events'
import { deflateSync } from 'node:zlib'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { Client } from '../../src/client/client.js'
import { PendingRequests } from '../../src/client/pending-requests.js'
import { decodeProperties } from '../../src/codec/properties.js'
import type { RemotingCommand } from '../../src/codec/remoting-command.js'
import { silentLogger } from '../../src/logger.js'
import type { Message, MessageExt } from '../../src/message/message.js'
import { DefaultProducer } from '../../src/producer/default-producer.js'
import { createReplyMessage } from '../../src/producer/reply-message.js'
import type { RequestOptions } from '../../src/producer/request.js'
import { connected, startedProducer } from '../support/members-under-test.js'
import { expireStored, lateRepliesOf } from '../support/replier.js'
import { activeResources, isNoMoreThan } from '../support/resources.js'
import { Code, type ScriptedBroker, scriptedCluster } from '../support/scripted-cluster.js'
import { type FrameParts, staySilent } from '../support/scripted-server.js'
import { rejectionOf, turns, until } from '../support/until.js'

const SEND_REPLY = 325
const PUSH_REPLY = 326
/** Generous, since only a failing test waits so long. */
const TIMEOUT = 20_000
const SHORT = 40

function propertiesOf(send: RemotingCommand): Record<string, string> {
  return decodeProperties(send.field('i') ?? '')
}

/** The correlation ids of the requests that came, in their order. */
function correlationIds(broker: ScriptedBroker): string[] {
  return broker.sends.map((send) => propertiesOf(send).CORRELATION_ID ?? '')
}

/** The number of the request that has come with this body. */
async function arrived(broker: ScriptedBroker, body: string): Promise<string> {
  const send = await until(() => broker.sends.find((each) => each.body.toString() === body))
  return propertiesOf(send).CORRELATION_ID ?? ''
}

function propertyText(properties: Record<string, string>): string {
  return Object.entries(properties)
    .map(([name, value]) => `${name}\u0001${value}\u0002`)
    .join('')
}

let lastOpaque = 0

/** Pushes a reply as a broker does, and answers with what the client says to it. */
async function push(
  broker: ScriptedBroker,
  properties: Record<string, string>,
  { fields = {}, body = Buffer.from('reply') }: FrameParts = {},
): Promise<RemotingCommand> {
  const [connection] = broker.server.openConnections
  if (connection === undefined) throw new Error('the client is not connected')
  const opaque = ++lastOpaque
  const header = {
    producerGroup: 'repliers',
    topic: 'DefaultCluster_REPLY_TOPIC',
    defaultTopic: 'TBW102',
    defaultTopicQueueNums: 4,
    queueId: 0,
    sysFlag: 0,
    bornTimestamp: 1_700_000_000_001,
    flag: 0,
    properties: propertyText(properties),
    bornHost: '10.0.0.1:4711',
    storeHost: '10.0.0.2:10911',
    storeTimestamp: 1_700_000_000_002,
    ...fields,
  }
  connection.request({ code: PUSH_REPLY, opaque, fields: header, body })
  return until(() => connection.answers.find((answer) => answer.opaque === opaque))
}

/** A message as a consumer receives it, which is a request unless a property is missing. */
function received(properties: Record<string, string | undefined> = {}): MessageExt {
  const all = { CLUSTER: 'c1', CORRELATION_ID: 'id-1', REPLY_TO_CLIENT: '10.0.0.3@7', TTL: '3000', ...properties }
  const present = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
  return { topic: 'T', msgId: 'M1', properties: present } as unknown as MessageExt
}

function ask(producer: DefaultProducer, body = 'request', options: Partial<RequestOptions> = {}): Promise<MessageExt> {
  return producer.request({ topic: 'T', body }, { timeout: TIMEOUT, ...options })
}

describe('a hostile reply', () => {
  it('may have a host of very many percent signs, which are gone through once', async () => {
    const cluster = await scriptedCluster()
    const producer = await startedProducer(cluster)
    const waiting = ask(producer, 'hostile')
    const id = await arrived(cluster.broker(), 'hostile')
    const fields = { bornHost: `${'%'.repeat(400_000)}\n:1` }
    expect(await push(cluster.broker(), { CORRELATION_ID: id }, { fields })).toMatchObject({ code: 0 })
    expect((await waiting).bornHost).toBe(fields.bornHost)
  })
})

describe('a request', () => {
  it('goes out as a message that says where its reply belongs', async () => {
    const cluster = await scriptedCluster()
    const producer = await startedProducer(cluster)
    const message = { topic: 'T', body: 'request', tags: 'A', properties: { mine: 'x' } }
    const reply = producer.request(message, { timeout: 19_999.5 })
    const send = await until(() => cluster.broker().sends[0])
    expect(send).toMatchObject({ code: Code.SEND })
    expect(propertiesOf(send)).toMatchObject({
      TAGS: 'A',
      mine: 'x',
      CORRELATION_ID: expect.stringMatching(/^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/),
      REPLY_TO_CLIENT: producer.clientId,
      TTL: '20000',
    })
    expect(message).toEqual({ topic: 'T', body: 'request', tags: 'A', properties: { mine: 'x' } })
    await push(cluster.broker(), { CORRELATION_ID: propertiesOf(send).CORRELATION_ID ?? '' })
    await reply
  })

  it('gets the reply that a broker pushes, as a message, and answers 0', async () => {
    const cluster = await scriptedCluster()
    const producer = await startedProducer(cluster)
    const before = Date.now()
    const waiting = ask(producer)
    const id = await arrived(cluster.broker(), 'request')
    const properties = {
      CORRELATION_ID: id,
      UNIQ_KEY: 'U1',
      TAGS: 'Done',
      KEYS: 'a b',
      PUSH_REPLY_TIME: '17',
      own: 'x',
    }
    const fields = {
      sysFlag: 2,
      flag: -7,
      queueId: 3,
      reconsumeTimes: 1,
      bornHost: '0:0:0:0:0:0:0:1:4711',
      storeHost: '2001:db8:0:0:0:0:0:2%eth0:10911',
    }
    const answer = await push(cluster.broker(), properties, { fields, body: Buffer.from('reply: 世界') })
    expect(answer).toMatchObject({ code: 0, flag: 1 })
    const reply = await waiting
    expect(reply.body.toString()).toBe('reply: 世界')
    const { ARRIVE_TIME, ...others } = reply.properties
    expect({ ...others }).toEqual(properties)
    expect(Number(ARRIVE_TIME)).toBeGreaterThanOrEqual(before)
    expect(Number(ARRIVE_TIME)).toBeLessThanOrEqual(Date.now())
    expect(reply).toMatchObject({
      topic: 'DefaultCluster_REPLY_TOPIC',
      tags: 'Done',
      keys: ['a', 'b'],
      msgId: 'U1',
      offsetMsgId: '',
      brokerName: 'broker-a',
      queueId: 3,
      queueOffset: -1,
      commitLogOffset: -1,
      sysFlag: 2,
      flag: -7,
      bornTimestamp: 1_700_000_000_001,
      bornHost: '[::1]:4711',
      storeTimestamp: 1_700_000_000_002,
      storeHost: '[2001:db8::2]:10911',
      reconsumeTimes: 1,
      preparedTransactionOffset: 0,
    })
  })

  it('gets the plain body of a reply that is compressed', async () => {
    const cluster = await scriptedCluster()
    const producer = await startedProducer(cluster)
    const waiting = ask(producer)
    const id = await arrived(cluster.broker(), 'request')
    const plain = Buffer.alloc(100_000, 'reply ')
    await push(cluster.broker(), { CORRELATION_ID: id }, { fields: { sysFlag: 0x301 }, body: deflateSync(plain) })
    const reply = await waiting
    expect(reply.body.equals(plain)).toBe(true)
    expect(reply.sysFlag).toBe(0x300)
  })

  it('gets its own reply, in whatever order they come', async () => {
    const cluster = await scriptedCluster()
    const producer = await startedProducer(cluster)
    const waiting = Array.from({ length: 200 }, (_, i) => ask(producer, `${i}`))
    await until(() => cluster.broker().sends.length === 200)
    expect(new Set(correlationIds(cluster.broker())).size).toBe(200)
    for (const send of cluster.broker().sends.reverse()) {
      const { CORRELATION_ID = '' } = propertiesOf(send)
      void push(cluster.broker(), { CORRELATION_ID }, { body: Buffer.from(`re: ${send.body}`) })
    }
    const replies = await Promise.all(waiting)
    expect(replies.map((reply) => reply.body.toString())).toEqual(waiting.map((_, i) => `re: ${i}`))
  })

  it('is over when its reply comes before the answer to its send', async () => {
    const cluster = await scriptedCluster()
    cluster.broker().scripts.set(Code.SEND, staySilent)
    const producer = await startedProducer(cluster)
    const waiting = ask(producer)
    await push(cluster.broker(), { CORRELATION_ID: await arrived(cluster.broker(), 'request') })
    expect((await waiting).body.toString()).toBe('reply')
  })

  it('keeps its reply when the buffer that it came in is used again', async () => {
    const cluster = await scriptedCluster()
    const producer = await startedProducer(cluster)
    const waiting = ask(producer)
    const id = await arrived(cluster.broker(), 'request')
    await push(cluster.broker(), { CORRELATION_ID: id })
    const reply = await waiting
    // A copy, which small buffers share a pool for (some versions of Node.js add a few bytes to it); the slab that connections read to is far larger.
    expect(reply.body.buffer.byteLength).toBeLessThan(2 * Buffer.poolSize)
  })
})

describe('a request that fails', () => {
  it('by its send does so with the error of the send', async () => {
    const cluster = await scriptedCluster()
    cluster
      .broker()
      .scripts.set(Code.SEND, (request, connection) => connection.answer(request, { code: 13, remark: 'too long' }))
    const producer = await startedProducer(cluster)
    const error = await rejectionOf(ask(producer))
    expect(error).toMatchObject({
      name: 'BrokerError',
      code: 'MESSAGE_ILLEGAL',
      remark: 'too long',
      mayBeStored: false,
    })
    expect(error).toHaveProperty('attempts.length', 1)
  })

  it('by an unknown topic does so with the error of the route', async () => {
    const cluster = await scriptedCluster()
    const producer = await startedProducer(cluster)
    const error = await rejectionOf(producer.request({ topic: 'unknown', body: 'x' }, { timeout: TIMEOUT }))
    expect(error).toMatchObject({ name: 'ClientError', code: 'TOPIC_NOT_FOUND' })
  })

  it('by its timeout says that it is stored, and where', async () => {
    const cluster = await scriptedCluster()
    const producer = await connected(await startedProducer(cluster))
    const { error } = await expireStored((timeout) => ask(producer, 'request', { timeout }))
    const ids = correlationIds(cluster.broker())
    expect(error).toMatchObject({ name: 'ClientError', code: 'REQUEST_TIMEOUT', retryable: true, mayBeStored: true })
    expect(error.message).toMatch(
      new RegExp(
        `^request ${ids.at(-1)} to topic T: no reply within \\d+ ms; the request was stored: broker-a\\[\\d\\] at ${ids.length - 1}$`,
      ),
    )
  })

  it('by its timeout says that it may be stored when its send was not answered', async () => {
    const cluster = await scriptedCluster()
    cluster.broker().scripts.set(Code.SEND, staySilent)
    const producer = await connected(await startedProducer(cluster))
    const error = await rejectionOf(ask(producer, 'request', { timeout: SHORT }))
    expect(error).toMatchObject({ name: 'ClientError', code: 'REQUEST_TIMEOUT', retryable: true, mayBeStored: true })
    expect(error.message).toContain('its send was not answered yet: the request may have been stored')
  })

  it('by its timeout says that it was not sent when not even its route came', async () => {
    const cluster = await scriptedCluster()
    const producer = await startedProducer(cluster)
    cluster.nameServer.onRouteRequest = () => true
    const error = await rejectionOf(ask(producer, 'request', { timeout: SHORT }))
    expect(error).toMatchObject({ name: 'ClientError', code: 'REQUEST_TIMEOUT', retryable: true, mayBeStored: false })
    expect(error.message).toContain('the request was not sent')
    expect(cluster.broker().sends).toEqual([])
  })

  it('by a body that can not be decompressed does so at once, and the replier learns of it', async () => {
    const cluster = await scriptedCluster()
    const producer = await startedProducer(cluster)
    const failed = rejectionOf(ask(producer))
    const id = await arrived(cluster.broker(), 'request')
    const answer = await push(cluster.broker(), { CORRELATION_ID: id }, { fields: { sysFlag: 1 } })
    expect(answer).toMatchObject({ code: 1 })
    expect(await failed).toMatchObject({ name: 'MessageError', code: 'DECOMPRESS_FAILED' })
  })

  it.each([
    ['before it is sent', true],
    ['while it waits for its reply', false],
  ])('by its signal %s is over at once', async (_when, isEarly) => {
    const cluster = await scriptedCluster()
    const producer = await startedProducer(cluster)
    const controller = new AbortController()
    if (isEarly) controller.abort(new Error('enough'))
    const failed = rejectionOf(ask(producer, 'request', { signal: controller.signal }))
    if (!isEarly) {
      await until(() => cluster.broker().sends.length === 1)
      controller.abort(new Error('enough'))
    }
    const error = await failed
    expect(error).toMatchObject({ name: 'ClientError', code: 'ABORTED', mayBeStored: !isEarly })
    expect(error.cause).toEqual(new Error('enough'))
    await turns()
    expect(cluster.broker().sends).toHaveLength(isEarly ? 0 : 1)
  })

  it('by the shutdown of its producer is over at once; those of others at the same client go on', async () => {
    const cluster = await scriptedCluster()
    const client = new Client({ namesrvAddr: cluster.namesrvAddr })
    onTestFinished(() => client.shutdown())
    const [first, second] = ['p1', 'p2'].map((producerGroup) => new DefaultProducer({ producerGroup, client }))
    if (first === undefined || second === undefined) throw new Error('no producers')
    await Promise.all([first.start(), second.start()])
    const failed = rejectionOf(ask(first, 'first'))
    const answered = ask(second, 'second')
    const failedLater = rejectionOf(ask(second, 'third'))
    await arrived(cluster.broker(), 'first')
    const id = await arrived(cluster.broker(), 'second')
    await arrived(cluster.broker(), 'third')

    await first.shutdown()
    const error = await failed
    expect(error).toMatchObject({ name: 'ClientError', code: 'CLOSED', mayBeStored: true })
    expect(error.message).toContain(`request ${correlationIds(cluster.broker())[0]} to topic T`)
    expect(error.message).toContain('the producer was shut down before a reply came; ')
    await push(cluster.broker(), { CORRELATION_ID: id })
    expect((await answered).body.toString()).toBe('reply')
    await client.shutdown()
    expect(await failedLater).toMatchObject({ name: 'ClientError', code: 'CLOSED' })
  })

  it('by one too many that wait is not sent', async () => {
    const cluster = await scriptedCluster()
    const producer = await connected(await startedProducer(cluster))
    const client = clientOf(producer)
    const options = { maxBodySize: 1024, logger: client.logger, maxPending: 2 }
    const { remoting, routes, pendingRequests } = client
    const few = new PendingRequests(remoting, routes, pendingRequests.registration, options)
    Object.assign(client, { pendingRequests: few })
    const waiting = [ask(producer, 'first'), rejectionOf(ask(producer, 'second'))] as const
    await until(() => cluster.broker().sends.length === 2)
    const error = await rejectionOf(ask(producer, 'third'))
    expect(error).toMatchObject({ name: 'ClientError', code: 'TOO_MANY_REQUESTS', retryable: true })
    expect(error.message).toBe(
      'request to topic T: 2 requests of this client wait for their replies already; it was not sent',
    )
    await push(cluster.broker(), { CORRELATION_ID: await arrived(cluster.broker(), 'first') })
    await waiting[0]
    const next = rejectionOf(ask(producer, 'fourth'))
    await until(() => cluster.broker().sends.length === 3)
    few.close(undefined, 'the test is over')
    await Promise.all([waiting[1], next])
    expect(few.size).toBe(0)
  })

  it.each<[string, unknown]>([
    ['no options', undefined],
    ['no timeout', {}],
    ['a timeout of 0', { timeout: 0 }],
    ['a timeout below 0', { timeout: -1 }],
    ['a timeout that is no number', { timeout: '5000' }],
    ['a timeout of NaN', { timeout: Number.NaN }],
    ['a timeout that timers do not take', { timeout: 2 ** 31 }],
  ])('by %s is not sent', async (_what, options) => {
    const cluster = await scriptedCluster()
    const producer = await startedProducer(cluster)
    const error = await rejectionOf(producer.request({ topic: 'T', body: 'x' }, options as RequestOptions))
    expect(error).toMatchObject({ name: 'ClientError', code: 'INVALID_ARGUMENT' })
    expect(error.message).toContain('timeout of a request is')
    expect(clientOf(producer).pendingRequests.size).toBe(0)
  })

  it.each<[string, unknown]>([
    ['null', null],
    ['no topic', { body: 'x' }],
    ['no body', { topic: 'T' }],
    ['a reserved property', { topic: 'T', body: 'x', properties: { CORRELATION_ID: 'mine' } }],
    ['a reply', createReplyMessage(received(), 'x')],
  ])('by a message that is %s is not sent', async (_what, message) => {
    const cluster = await scriptedCluster()
    const producer = await startedProducer(cluster)
    const error = await rejectionOf(producer.request(message as Message, { timeout: TIMEOUT }))
    expect(error).toMatchObject({ name: 'ClientError', code: 'INVALID_ARGUMENT' })
    expect(clientOf(producer).pendingRequests.size).toBe(0)
    expect(cluster.broker().sends).toEqual([])
  })

  it('before the start or after the shutdown says so', async () => {
    const cluster = await scriptedCluster()
    const producer = new DefaultProducer({ producerGroup: 'p', namesrvAddr: cluster.namesrvAddr })
    expect(await rejectionOf(ask(producer))).toMatchObject({ code: 'NOT_STARTED' })
    await producer.start()
    await producer.shutdown()
    expect(await rejectionOf(ask(producer))).toMatchObject({ code: 'CLOSED' })
  })
})

describe('a reply that no request waits for', () => {
  it('is answered 0, counted, logged and told, and matched to no other request', async () => {
    const cluster = await scriptedCluster()
    const warn = vi.fn()
    const producer = await connected(await startedProducer(cluster, { logger: { ...silentLogger, warn } }))
    const late = lateRepliesOf(producer)
    const { correlationId: id } = await expireStored((timeout) => ask(producer, 'late', { timeout }))
    let isSettled = false
    const other = ask(producer, 'other').finally(() => {
      isSettled = true
    })
    const otherId = await arrived(cluster.broker(), 'other')
    expect(await push(cluster.broker(), { CORRELATION_ID: id })).toMatchObject({ code: 0 })
    expect(late).toMatchObject([{ correlationId: id, message: { bornHost: '10.0.0.1:4711' } }])
    expect(late[0]?.message.body.toString()).toBe('reply')
    expect(warn).toHaveBeenCalledWith(
      'a reply came that no request waits for',
      expect.objectContaining({ correlationId: id, broker: cluster.broker().address }),
    )
    expect(clientOf(producer).pendingRequests.lateReplies).toBe(1)
    await turns()
    expect(isSettled).toBe(false)
    await push(cluster.broker(), { CORRELATION_ID: otherId })
    await other
    expect(late).toHaveLength(1)
  })

  it('may be a second one, one to nobody knows what, or one after an abort', async () => {
    const cluster = await scriptedCluster()
    const producer = await startedProducer(cluster)
    const late = lateRepliesOf(producer)
    const controller = new AbortController()
    const answered = ask(producer, 'answered')
    const aborted = rejectionOf(ask(producer, 'aborted', { signal: controller.signal }))
    const ids = [await arrived(cluster.broker(), 'answered'), await arrived(cluster.broker(), 'aborted')] as const
    await push(cluster.broker(), { CORRELATION_ID: ids[0] })
    await answered
    controller.abort()
    await aborted
    const properties = [
      { CORRELATION_ID: ids[0] },
      { CORRELATION_ID: ids[1] },
      { CORRELATION_ID: '__proto__' },
      { x: 'y' },
    ]
    for (const each of properties) expect(await push(cluster.broker(), each)).toMatchObject({ code: 0 })
    expect(late.map(({ correlationId }) => correlationId)).toEqual([...ids, '__proto__', ''])
  })

  it('is told to every producer of the client that requests, and to none that was shut down', async () => {
    const cluster = await scriptedCluster()
    const client = new Client({ namesrvAddr: cluster.namesrvAddr })
    onTestFinished(() => client.shutdown())
    const producers = ['p1', 'p2', 'p3'].map((producerGroup) => new DefaultProducer({ producerGroup, client }))
    const late = producers.map((producer) => lateRepliesOf(producer))
    await Promise.all(producers.map((producer) => producer.start()))
    for (const [i, producer] of producers.entries()) {
      if (i < 2) {
        const waiting = ask(producer, `${i}`)
        await push(cluster.broker(), { CORRELATION_ID: await arrived(cluster.broker(), `${i}`) })
        await waiting
      }
    }
    await push(cluster.broker(), { CORRELATION_ID: 'gone' })
    await producers[0]?.shutdown()
    await push(cluster.broker(), { CORRELATION_ID: 'gone too' })
    expect(late.map((replies) => replies.map(({ correlationId }) => correlationId))).toEqual([
      ['gone'],
      ['gone', 'gone too'],
      [],
    ])
  })

  it('does no harm by a listener that throws', async () => {
    const cluster = await scriptedCluster()
    const error = vi.fn()
    const producer = await startedProducer(cluster, { logger: { ...silentLogger, error } })
    lateRepliesOf(producer, () => {
      throw new Error('of the listener')
    })
    const waiting = ask(producer)
    const id = await arrived(cluster.broker(), 'request')
    await push(cluster.broker(), { CORRELATION_ID: id })
    await waiting
    expect(await push(cluster.broker(), { CORRELATION_ID: id })).toMatchObject({ code: 0 })
    expect(error).toHaveBeenCalledTimes(1)
  })

  it('is refused when it can not be read, and its request waits on', async () => {
    const cluster = await scriptedCluster()
    const producer = await startedProducer(cluster)
    const waiting = ask(producer)
    const id = await arrived(cluster.broker(), 'request')
    const broken = await push(cluster.broker(), { CORRELATION_ID: id }, { fields: { storeTimestamp: 'soon' } })
    expect(broken).toMatchObject({ code: 1 })
    await push(cluster.broker(), { CORRELATION_ID: id })
    expect((await waiting).body.toString()).toBe('reply')
  })
})

describe('many requests', () => {
  it('leave no timer, no entry and no listener of their signal', async () => {
    const cluster = await scriptedCluster()
    const producer = await connected(await startedProducer(cluster))
    const { signal } = new AbortController()
    const round = async (timeout: number) => {
      const waiting = ask(producer, `until ${timeout}`, { timeout, signal })
      await push(cluster.broker(), { CORRELATION_ID: await arrived(cluster.broker(), `until ${timeout}`) })
      await waiting
    }
    await round(TIMEOUT)
    const before = activeResources()
    for (let i = 1; i <= 50; i++) await round(3_600_000 + i)
    await until(() => isNoMoreThan(before))
    expect(clientOf(producer).pendingRequests.size).toBe(0)
    expect(getEventListeners(signal, 'abort')).toEqual([])
  })
})

describe('a reply message', () => {
  it('goes to the reply topic of the cluster, with a command of its own and what matches it to its request', async () => {
    const cluster = await scriptedCluster()
    cluster.addTopic('c1_REPLY_TOPIC', 1)
    cluster.broker().scripts.set(SEND_REPLY, (request, connection) => cluster.broker().store(request, connection))
    const producer = await startedProducer(cluster)
    const reply = { ...createReplyMessage(received(), 'done'), tags: 'Done', properties: { own: 'x' } }
    const result = await producer.send(reply)
    expect(result).toMatchObject({ sendStatus: 'SEND_OK', messageQueue: { topic: 'c1_REPLY_TOPIC' } })
    const [send, ...more] = cluster.broker().server.requestsOf(SEND_REPLY)
    expect(more).toEqual([])
    expect(send?.field('b')).toBe('c1_REPLY_TOPIC')
    expect(send?.body.toString()).toBe('done')
    expect(propertiesOf(send as RemotingCommand)).toMatchObject({
      MSG_TYPE: 'reply',
      CORRELATION_ID: 'id-1',
      REPLY_TO_CLIENT: '10.0.0.3@7',
      TTL: '3000',
      TAGS: 'Done',
      own: 'x',
    })
    expect(cluster.broker().sends).toEqual([])
  })

  it('goes by its own command also when nobody waits for the answer to its send', async () => {
    const cluster = await scriptedCluster()
    cluster.addTopic('c1_REPLY_TOPIC', 1)
    const producer = await startedProducer(cluster)
    await producer.sendOneway(createReplyMessage(received(), 'done'))
    await until(() => cluster.broker().server.requestsOf(SEND_REPLY).length === 1)
  })

  it('fails as a send does when the broker does not reach the requester', async () => {
    const cluster = await scriptedCluster()
    cluster.addTopic('c1_REPLY_TOPIC', 1)
    const remark = 'push reply message fail, channel of <10.0.0.3@7> not found.'
    cluster.broker().scripts.set(SEND_REPLY, (request, connection) => connection.answer(request, { code: 1, remark }))
    const producer = await startedProducer(cluster)
    const error = await rejectionOf(producer.send(createReplyMessage(received(), 'done')))
    expect(error).toMatchObject({ name: 'BrokerError', responseCode: 1, remark })
    expect(error).toHaveProperty('attempts.length', 3)
  })

  it('needs no TTL', () => {
    expect(() => createReplyMessage(received({ TTL: undefined }), 'x')).not.toThrow()
  })

  it.each(['CLUSTER', 'CORRELATION_ID', 'REPLY_TO_CLIENT'])('can not be made without the property %s', (name) => {
    for (const value of [undefined, '']) {
      expect(() => createReplyMessage(received({ [name]: value }), 'x')).toThrow(
        expect.objectContaining({
          name: 'ClientError',
          code: 'NOT_A_REQUEST',
          message: expect.stringContaining(`no reply to message M1 of topic T: it lacks the property ${name}`),
        }),
      )
    }
  })

  it.each([undefined, null, 'text', {}, { properties: null }])('can not be made of %s', (request) => {
    expect(() => createReplyMessage(request as unknown as MessageExt, 'x')).toThrow(
      expect.objectContaining({ name: 'ClientError', code: 'NOT_A_REQUEST' }),
    )
  })
})

function clientOf(producer: DefaultProducer): Client {
  return (producer as unknown as { client: Client }).client
}
