import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest'
import type { ClientWarning } from '../../src/client/member.js'
import {
  createReplyMessage,
  DefaultProducer,
  type MessageExt,
  type ProducerOptions,
  PullConsumer,
  PushConsumer,
  type PushConsumerOptions,
  SimpleConsumer,
  sql,
} from '../../src/index.js'
import type { LocalTransactionState } from '../../src/producer/local-transaction.js'
import { uniqueName } from '../support/names.js'
import { readTopic } from '../support/read-topic.js'
import { startTransactionProducer } from '../support/transactions.js'
import { createTypedTopic } from '../support/typed-topic.js'
import { rejectionOf, until } from '../support/until.js'

const DEADLINE = 45_000
const proxy = inject('namesrvAddr')
const brokerAddress = inject('brokerAddress')
const reader = new PullConsumer({ consumerGroup: uniqueName('cg'), namesrvAddr: proxy })

beforeAll(() => reader.start())
afterAll(() => reader.shutdown())

async function newTopic(queues = 2): Promise<string> {
  const topic = uniqueName('proxy')
  await createTypedTopic({ namesrvAddr: proxy, brokerAddress, topic, queues })
  return topic
}

async function startProducer(options: Partial<ProducerOptions> = {}): Promise<DefaultProducer> {
  const producer = new DefaultProducer({ producerGroup: uniqueName('pg'), namesrvAddr: proxy, ...options })
  onTestFinished(() => producer.shutdown({ timeout: 1_000 }))
  await producer.start()
  return producer
}

function newPushConsumer(options: Partial<PushConsumerOptions> = {}): PushConsumer {
  const consumer = new PushConsumer({ consumerGroup: uniqueName('cg'), namesrvAddr: proxy, ...options })
  onTestFinished(() => consumer.shutdown({ timeout: 0 }))
  return consumer
}

describe('what a proxy does not serve', () => {
  it('ends with an error that names the proxy and says what to do', async () => {
    const topic = await newTopic()
    const [queue] = await reader.fetchSubscribeMessageQueues(topic)
    const error = await rejectionOf(reader.earliestMsgStoreTime({ topic, brokerName: '', queueId: 0, ...queue }))
    expect(error).toMatchObject({
      name: 'BrokerError',
      code: 'UNSUPPORTED_BY_BROKER',
      responseName: 'REQUEST_CODE_NOT_SUPPORTED',
      retryable: false,
      address: proxy,
    })
    expect(error.message).toContain(`GET_EARLIEST_MSG_STORETIME was refused by ${proxy}`)
    expect(error.message).toContain('give the address of a NameServer instead')
  })

  it('is requests: none is sent', async () => {
    const topic = await newTopic()
    const producer = await startProducer()
    const error = await rejectionOf(producer.request({ topic, body: 'x' }, { timeout: 10_000 }))
    expect(error).toMatchObject({ name: 'ClientError', code: 'UNSUPPORTED_BY_BROKER' })
    expect(error.message).toContain(`request to topic ${topic} by ${proxy}`)
    await producer.send({ topic, body: 'no request' })
    const messages = await readTopic(reader, topic, 1)
    expect(messages.map(({ body }) => body.toString())).toEqual(['no request'])
  })

  it('is replies', async () => {
    const topic = await newTopic()
    const producer = await startProducer()
    const properties = {
      CORRELATION_ID: 'c',
      REPLY_TO_CLIENT: producer.clientId,
      TTL: '3000',
      CLUSTER: 'DefaultCluster',
    }
    await producer.send({ topic, body: 'x' })
    const [message] = await readTopic(reader, topic, 1)
    const request = { ...message, properties: { ...message?.properties, ...properties } } as MessageExt
    const error = await rejectionOf(producer.send(createReplyMessage(request, 'y')))
    expect(error).toMatchObject({ name: 'BrokerError', code: 'UNSUPPORTED_BY_BROKER', mayBeStored: false })
    expect(error.message).toContain('SEND_REPLY_MESSAGE_V2')
    expect(error).toMatchObject({ attempts: { length: 1 } })
  })

  it('is POP, of either consumer', async () => {
    const topic = await newTopic()
    const simple = new SimpleConsumer({ consumerGroup: uniqueName('cg'), namesrvAddr: proxy })
    onTestFinished(() => simple.shutdown())
    await simple.subscribe(topic)
    const push = newPushConsumer({ popMode: true })
    push.onMessage(() => undefined)
    await push.subscribe(topic)
    for (const error of [await rejectionOf(simple.start()), await rejectionOf(push.start())]) {
      expect(error).toMatchObject({ name: 'ClientError', code: 'UNSUPPORTED_BY_BROKER' })
      expect(error.message).toContain(`broker-a at ${proxy} is behind a proxy`)
      expect(error.message).toContain('PushConsumer without popMode')
    }
  })

  it('is the second port', async () => {
    const topic = await newTopic()
    const producer = await startProducer({ vipChannel: true })
    const error = await rejectionOf(producer.send({ topic, body: 'x' }))
    expect(error).toMatchObject({ name: 'ClientError', code: 'UNSUPPORTED_BY_BROKER' })
    expect(error.message).toContain(`vipChannel: ${proxy} is a proxy`)
    expect(await rejectionOf(producer.sendOneway({ topic, body: 'x' }))).toMatchObject({
      code: 'UNSUPPORTED_BY_BROKER',
    })
  })
})

describe('transactions by a proxy', () => {
  it('are settled by checks, which the result and a warning say', async () => {
    const topic = await newTopic()
    const states = new Map<string, LocalTransactionState>()
    const producer = await startTransactionProducer({
      namesrvAddr: proxy,
      checkLocalTransaction: ({ body }) => states.get(Buffer.from(body).toString()) ?? 'UNKNOWN',
    })
    const warnings: ClientWarning[] = []
    producer.on('warning', (warning) => warnings.push(warning))
    for (const [body, state] of [
      ['rolled back', 'ROLLBACK'],
      ['committed', 'COMMIT'],
    ] as const) {
      states.set(body, state)
      const result = await producer.sendInTransaction({ topic, body }, async () => state)
      expect(result).toMatchObject({
        sendStatus: 'SEND_OK',
        localTransactionState: state,
        endTransactionError: { name: 'ClientError', code: 'UNSUPPORTED_BY_BROKER' },
      })
    }
    const messages = await readTopic(reader, topic, 1, DEADLINE)
    expect(new Set(messages.map(({ body }) => body.toString()))).toEqual(new Set(['committed']))
    expect(warnings).toMatchObject([{ code: 'TRANSACTION_END_DELAYED', topic }])
    expect(warnings[0]?.message).toContain(proxy)
  })
})

describe('members of a group behind a proxy', () => {
  it('find each other by looking, each in its rebalanceInterval', async () => {
    const topic = await newTopic(4)
    const consumerGroup = uniqueName('cg')
    const members: PushConsumer[] = []
    for (let i = 0; i < 2; i++) {
      const consumer = newPushConsumer({ consumerGroup, rebalanceInterval: 500 })
      consumer.onMessage(() => undefined)
      await consumer.subscribe(topic)
      await consumer.start()
      members.push(consumer)
    }
    const counts = () => members.map((one) => one.assignment().filter((queue) => queue.topic === topic).length)
    await until(() => counts().every((count) => count === 2), DEADLINE)
    await members.pop()?.shutdown()
    await until(() => counts().every((count) => count === 4), DEADLINE)
  })

  it('divide the queues themselves where brokers were to do it', async () => {
    const topic = await newTopic(4)
    const consumer = newPushConsumer({ clientRebalance: false, rebalanceInterval: 500 })
    const warnings: ClientWarning[] = []
    consumer.on('warning', (warning) => warnings.push(warning))
    consumer.onMessage(() => undefined)
    await consumer.subscribe(topic)
    await consumer.start()
    await until(() => consumer.assignment().filter((queue) => queue.topic === topic).length === 4, DEADLINE)
    expect(warnings).toMatchObject([{ code: 'SERVER_ASSIGNMENT_UNSUPPORTED' }])
  })

  it('are warned that nobody checks their SQL92 expressions, and get all messages where one is wrong', async () => {
    const topic = await newTopic(1)
    const producer = await startProducer()
    for (const price of ['1', '9']) await producer.send({ topic, body: price, properties: { price } })
    for (const [expression, wanted] of [
      ['price > 5', ['9']],
      ['price >', ['1', '9']],
    ] as const) {
      const consumer = newPushConsumer({ consumeFromWhere: 'FIRST' })
      const warnings: ClientWarning[] = []
      consumer.on('warning', (warning) => warnings.push(warning))
      const bodies: string[] = []
      consumer.onMessage((messages) => void bodies.push(...messages.map(({ body }) => body.toString())))
      await consumer.subscribe(topic, sql(expression))
      await consumer.start()
      await until(() => bodies.length === wanted.length, DEADLINE)
      expect(bodies).toEqual(wanted)
      expect(warnings).toMatchObject([{ code: 'EXPRESSION_UNCHECKED', topic }])
      expect(warnings[0]?.message).toContain(`where "${expression}" is wrong`)
    }
  })
})
