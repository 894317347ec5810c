import { describe, expect, inject, it, onTestFinished } from 'vitest'
import {
  Client,
  createReplyMessage,
  DefaultProducer,
  type MessageExt,
  type MessageQueue,
  type ProducerOptions,
  PullConsumer,
} from '../../src/index.js'
import { uniqueName } from '../support/names.js'
import { PATIENCE } from '../support/patience.js'
import { readTopic } from '../support/read-topic.js'
import { type Answer, expireStored, lateRepliesOf, type Replier, startReplier } from '../support/replier.js'
import { rejectionOf, until } from '../support/until.js'

const namesrvAddr = inject('namesrvAddr')
/** Generous, since only a failing test waits so long. */
const TIMEOUT = 30_000

async function startProducer(options: Partial<ProducerOptions> = {}): Promise<DefaultProducer> {
  const connection = options.client === undefined ? { namesrvAddr, ...PATIENCE } : { sendTimeout: PATIENCE.sendTimeout }
  const producer = new DefaultProducer({ producerGroup: uniqueName('pg'), ...connection, ...options })
  onTestFinished(() => producer.shutdown({ timeout: 0 }))
  await producer.start()
  return producer
}

async function startConsumer(): Promise<PullConsumer> {
  const consumer = new PullConsumer({ consumerGroup: uniqueName('cg'), namesrvAddr })
  onTestFinished(() => consumer.shutdown())
  await consumer.start()
  return consumer
}

/** A topic that exists. */
async function newTopic(): Promise<string> {
  const topic = uniqueName('request')
  const producer = await startProducer()
  await producer.send({ topic, body: 'no request' })
  await readTopic(await startConsumer(), topic, 1)
  return topic
}

/** Answers the requests of a topic, and nothing else that is in it. */
async function answerRequests(topic: string, answer: Answer, options: Partial<ProducerOptions> = {}): Promise<Replier> {
  return startReplier(await startConsumer(), await startProducer(options), topic, (message) =>
    isRequest(message) ? answer(message) : undefined,
  )
}

function isRequest(message: MessageExt): boolean {
  return message.properties.REPLY_TO_CLIENT !== undefined
}

const echo: Answer = (request) => `re: ${request.body}`

describe('a request', () => {
  it('is stored with what its reply needs, and gets that reply as a message', async () => {
    const topic = await newTopic()
    const before = Date.now()
    const replier = await answerRequests(topic, (request) => ({
      ...createReplyMessage(request, 'the reply: 世界'),
      tags: 'Done',
      keys: ['k1', 'k2'],
      flag: 7,
      properties: { farbe: 'blå' },
    }))
    const requester = await startProducer()
    const reply = await requester.request({ topic, body: 'request', tags: 'Ask', keys: 'k' }, { timeout: TIMEOUT })

    const [request] = replier.requests.filter(isRequest)
    expect(request).toMatchObject({ topic, tags: 'Ask', keys: ['k'] })
    expect(request?.properties).toMatchObject({
      CORRELATION_ID: expect.stringMatching(/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/),
      REPLY_TO_CLIENT: requester.clientId,
      TTL: String(TIMEOUT),
      CLUSTER: 'DefaultCluster',
    })
    await until(() => replier.sent.length === 1)
    const [sent] = replier.sent
    expect(reply.body.toString()).toBe('the reply: 世界')
    expect(reply).toMatchObject({
      topic: 'DefaultCluster_REPLY_TOPIC',
      tags: 'Done',
      keys: ['k1', 'k2'],
      flag: 7,
      msgId: sent?.msgId,
      brokerName: sent?.messageQueue.brokerName,
      queueId: sent?.messageQueue.queueId,
      sysFlag: 0,
      reconsumeTimes: 0,
      bornHost: expect.stringMatching(/:\d+$/),
      storeHost: inject('brokerAddress'),
    })
    expect(reply.properties).toMatchObject({
      farbe: 'blå',
      MSG_TYPE: 'reply',
      CORRELATION_ID: request?.properties.CORRELATION_ID,
      REPLY_TO_CLIENT: requester.clientId,
      TTL: String(TIMEOUT),
    })
    for (const time of [reply.bornTimestamp, Number(reply.properties.ARRIVE_TIME)]) {
      expect(time).toBeGreaterThanOrEqual(before)
      expect(time).toBeLessThanOrEqual(Date.now())
    }
    expect(Number(reply.properties.PUSH_REPLY_TIME)).toBeGreaterThan(0)
    expect(replier.failures).toEqual([])
  })

  it('is one of 500 at once, of two producers, that each get their own reply', async () => {
    const topic = await newTopic()
    await answerRequests(topic, echo)
    const requesters = [await startProducer(), await startProducer({ serializeType: 'JSON' })]
    const bodies = Array.from({ length: 500 }, (_, i) => `request ${i}`)
    const replies = await Promise.all(
      bodies.map((body, i) => requesters[i % 2]?.request({ topic, body }, { timeout: TIMEOUT })),
    )
    expect(replies.map((reply) => reply?.body.toString())).toEqual(bodies.map((body) => `re: ${body}`))
  })

  it('that is the first of its producer finds the way of its reply prepared', async () => {
    const topic = await newTopic()
    const replier = await answerRequests(topic, echo)
    for (let i = 0; i < 20; i++) {
      const requester = await startProducer()
      const reply = await requester.request({ topic, body: `first of ${i}` }, { timeout: TIMEOUT })
      expect(reply.body.toString()).toBe(`re: first of ${i}`)
      await requester.shutdown()
    }
    expect(replier.failures).toEqual([])
  })

  it('creates its topic, as any message does', async () => {
    const topic = uniqueName('request')
    const requester = await startProducer()
    const request = requester.request({ topic, body: 'first' }, { timeout: TIMEOUT })
    await readTopic(await startConsumer(), topic, 1)
    await answerRequests(topic, echo)
    expect((await request).body.toString()).toBe('re: first')
  })

  it('goes to the queue that is named, selected, or hashed from a sharding key', async () => {
    const topic = await newTopic()
    const replier = await answerRequests(topic, echo)
    const requester = await startProducer()
    const queues = await requester.fetchPublishMessageQueues(topic)
    const last = queues.at(-1) as MessageQueue
    await requester.request({ topic, body: 'named' }, { timeout: TIMEOUT, queue: last })
    await requester.request(
      { topic, body: 'selected' },
      { timeout: TIMEOUT, selector: (all) => all[1] as MessageQueue },
    )
    await requester.request({ topic, body: 'hashed' }, { timeout: TIMEOUT, shardingKey: 'order-1' })
    const hashed = await requester.send({ topic, body: 'no request' }, { shardingKey: 'order-1' })
    const queueIds = replier.requests.filter(isRequest).map((request) => request.queueId)
    expect(queueIds).toEqual([last.queueId, queues[1]?.queueId, hashed.messageQueue.queueId])
  })

  it('and its reply may be large, and compressed', async () => {
    const topic = await newTopic()
    const large = Buffer.alloc(300_000, 'a reply that repeats itself, ')
    await answerRequests(topic, (request) => Buffer.concat([request.body, large]), { compressType: 'LZ4' })
    const requester = await startProducer()
    const body = Buffer.alloc(200_000, 'a request that repeats itself, ')
    const reply = await requester.request({ topic, body }, { timeout: TIMEOUT })
    expect(reply.body.equals(Buffer.concat([body, large]))).toBe(true)
    // The bit for "compressed" is gone, the type is still there.
    expect(reply.sysFlag).toBe(0x100)
  })
})

describe('a request without a reply', () => {
  it('fails after its timeout, and says that it is stored', async () => {
    const topic = await newTopic()
    const requester = await startProducer()
    const { error, correlationId } = await expireStored((timeout) =>
      requester.request({ topic, body: 'nobody listens' }, { timeout }),
    )
    expect(error).toMatchObject({
      name: 'ClientError',
      code: 'REQUEST_TIMEOUT',
      retryable: true,
      mayBeStored: true,
      message: expect.stringMatching(
        new RegExp(
          `^request [\\da-f-]{36} to topic ${topic}: no reply within \\d+ ms; the request was stored: \\S+\\[\\d+\\] at \\d+$`,
        ),
      ),
    })
    const stored = await readTopic(await startConsumer(), topic, 2)
    const request = stored.find((message) => message.properties.CORRELATION_ID === correlationId)
    expect(error.message).toContain(`${request?.brokerName}[${request?.queueId}] at ${request?.queueOffset}`)
  })

  it('hears of the reply that comes after its timeout, which is not matched to another', async () => {
    const topic = await newTopic()
    const requester = await startProducer()
    const late = lateRepliesOf(requester)
    const { correlationId } = await expireStored((timeout) => requester.request({ topic, body: 'first' }, { timeout }))
    let isSettled = false
    const second = requester.request({ topic, body: 'second' }, { timeout: TIMEOUT }).finally(() => {
      isSettled = true
    })
    const consumer = await startConsumer()
    const requestOf = (isWanted: (message: MessageExt) => boolean) =>
      until(async () => (await readTopic(consumer, topic, 3)).find(isWanted))
    const firstRequest = await requestOf((message) => message.properties.CORRELATION_ID === correlationId)
    const secondRequest = await requestOf((message) => message.body.toString() === 'second')

    const replier = await startProducer()
    const sent = await replier.send(createReplyMessage(firstRequest, 're: first'))
    expect(sent.sendStatus).toBe('SEND_OK')
    const [reply, ...more] = await until(() => late.length > 0 && late)
    expect(more).toEqual([])
    expect(reply?.correlationId).toBe(correlationId)
    expect(reply?.message.body.toString()).toBe('re: first')
    expect(isSettled).toBe(false)

    await replier.send(createReplyMessage(secondRequest, 're: second'))
    expect((await second).body.toString()).toBe('re: second')
    // A second reply to the same request comes too late as well.
    await replier.send(createReplyMessage(secondRequest, 're: second again'))
    await until(() => late.length === 2)
    expect(late[1]?.message.body.toString()).toBe('re: second again')
  })

  it('ends with its signal, and with the shutdown of its producer', async () => {
    const topic = await newTopic()
    const requester = await startProducer()
    const controller = new AbortController()
    const aborted = rejectionOf(
      requester.request({ topic, body: 'aborted' }, { timeout: TIMEOUT, signal: controller.signal }),
    )
    const closed = rejectionOf(requester.request({ topic, body: 'closed' }, { timeout: TIMEOUT }))
    await readTopic(await startConsumer(), topic, 3)
    controller.abort()
    expect(await aborted).toMatchObject({ name: 'ClientError', code: 'ABORTED', mayBeStored: true })
    await requester.shutdown()
    expect(await closed).toMatchObject({ name: 'ClientError', code: 'CLOSED', mayBeStored: true })
  })
})

describe('a reply', () => {
  it('to a requester that is gone fails with the error of the broker, which names the requester', async () => {
    const topic = await newTopic()
    const requester = await startProducer()
    const closed = rejectionOf(requester.request({ topic, body: 'and away' }, { timeout: TIMEOUT }))
    const stored = await readTopic(await startConsumer(), topic, 2)
    await requester.shutdown()
    await closed
    const replier = await startProducer()
    const request = stored.find(isRequest) as MessageExt
    const error = await rejectionOf(replier.send(createReplyMessage(request, 'to nobody')))
    expect(error).toMatchObject({
      name: 'BrokerError',
      code: 'SYSTEM_ERROR',
      responseCode: 1,
      address: inject('brokerAddress'),
      remark: `push reply message fail, channel of <${requester.clientId}> not found.`,
    })
    expect(error.message).toContain('SEND_REPLY_MESSAGE_V2')
    expect(error.message).toContain(requester.clientId)
  })

  it('can not be made of a message that is no request', async () => {
    const topic = await newTopic()
    const [message] = await readTopic(await startConsumer(), topic, 1)
    expect(() => createReplyMessage(message as MessageExt, 'x')).toThrow(
      expect.objectContaining({
        name: 'ClientError',
        code: 'NOT_A_REQUEST',
        message: expect.stringContaining('it lacks the property CORRELATION_ID'),
      }),
    )
  })
})

describe('a broker that has forgotten the requester', () => {
  it('because another producer of the client left is told at once, so that no reply is lost', async () => {
    const topic = await newTopic()
    await answerRequests(topic, (request) => (request.body.toString() === 'held back' ? undefined : echo(request)))
    const client = new Client({ namesrvAddr })
    onTestFinished(() => client.shutdown())
    const requester = await startProducer({ client })
    const other = await startProducer({ client })
    const another = await startProducer({ client })
    await other.send({ topic, body: 'no request' })
    await other.shutdown()
    const first = await requester.request({ topic, body: 'first' }, { timeout: TIMEOUT })
    expect(first.body.toString()).toBe('re: first')

    const waiting = requester.request({ topic, body: 'held back' }, { timeout: TIMEOUT })
    const stored = await readTopic(await startConsumer(), topic, 4)
    const held = stored.find((message) => message.body.toString() === 'held back') as MessageExt
    await another.shutdown()
    const replier = await startProducer({ retryTimesWhenSendFailed: 5 })
    await replier.send(createReplyMessage(held, 'at last'))
    expect((await waiting).body.toString()).toBe('at last')
    expect(client.health().isHealthy).toBe(true)
  })

  it('because a connection with the same client id ended is told when a reply is missing', async () => {
    const topic = await newTopic()
    const replier = await answerRequests(topic, echo)
    const instanceName = uniqueName('twin').replaceAll('-', '_')
    const requester = await startProducer({ instanceName })
    await requester.request({ topic, body: 'before' }, { timeout: TIMEOUT })
    const twin = await startProducer({ instanceName })
    expect(twin.clientId).toBe(requester.clientId)
    await twin.send({ topic, body: 'no request' })
    await twin.shutdown()

    await expireStored((timeout) => requester.request({ topic, body: 'lost' }, { timeout }))
    const reply = await requester.request({ topic, body: 'after' }, { timeout: TIMEOUT })
    expect(reply.body.toString()).toBe('re: after')
    // The reply to the lost one may have found its way after the repair.
    await until(() => replier.failures.length + replier.sent.length >= 3)
  })
})
