import { expectTypeOf, test } from 'vitest'
import {
  type AccessDenial,
  type BrokerError,
  type ClientEvents,
  type ClientHealth,
  DefaultProducer,
  type Message,
  type MessageExt,
  type MessageQueue,
  PullConsumer,
  type PullResult,
  type RemotingError,
  type SendResult,
} from '../../src/index.js'

const producer = {} as DefaultProducer
const consumer = {} as PullConsumer

test('a group is the only option that must be given', () => {
  expectTypeOf(DefaultProducer).toBeConstructibleWith({ producerGroup: 'group' })
  expectTypeOf(PullConsumer).toBeConstructibleWith({ consumerGroup: 'group' })
  // @ts-expect-error no group
  new DefaultProducer({ namesrvAddr: 'localhost:9876' })
  // @ts-expect-error no group
  new PullConsumer({})
  // @ts-expect-error a misspelled option
  new DefaultProducer({ producerGroup: 'group', sendTimeoutMs: 1 })
})

test('NameServers are a text or a list that is only read', () => {
  expectTypeOf(DefaultProducer).toBeConstructibleWith({ producerGroup: 'group', namesrvAddr: 'a:9876;b:9876' })
  expectTypeOf(DefaultProducer).toBeConstructibleWith({ producerGroup: 'group', namesrvAddr: ['a:9876'] as const })
})

test('credentials are fixed, or what a function gives, now or later', () => {
  const credentials = { accessKey: 'user', secretKey: 'secret' }
  const producerGroup = 'group'
  expectTypeOf(DefaultProducer).toBeConstructibleWith({ producerGroup, credentials })
  expectTypeOf(DefaultProducer).toBeConstructibleWith({ producerGroup, credentials: () => credentials })
  expectTypeOf(DefaultProducer).toBeConstructibleWith({
    producerGroup,
    credentials: async () => ({ ...credentials, securityToken: 'token', expiration: new Date() }),
  })
  // @ts-expect-error no secret
  new DefaultProducer({ producerGroup, credentials: { accessKey: 'user' } })
})

test('TLS is on or off, or has certificates as PEM or files', () => {
  const producerGroup = 'group'
  expectTypeOf(DefaultProducer).toBeConstructibleWith({ producerGroup, tls: true })
  expectTypeOf(DefaultProducer).toBeConstructibleWith({
    producerGroup,
    tls: { ca: ['/ca.pem', Buffer.from('')], cert: '/a.pem', key: '/a.key', servername: (address) => address },
  })
  // @ts-expect-error an older version
  new DefaultProducer({ producerGroup, tls: { minVersion: 'TLSv1' } })
})

test('a refusal by access control says what it is about', () => {
  expectTypeOf<BrokerError['denial']>().toEqualTypeOf<AccessDenial | undefined>()
  expectTypeOf<AccessDenial['kind']>().toEqualTypeOf<'AUTHENTICATION' | 'AUTHORIZATION'>()
})

test('console is a logger', () => {
  expectTypeOf(DefaultProducer).toBeConstructibleWith({ producerGroup: 'group', logger: console })
})

test('every client can be ended by await using', () => {
  expectTypeOf(producer).toExtend<AsyncDisposable>()
  expectTypeOf(consumer).toExtend<AsyncDisposable>()
  expectTypeOf(producer.health).returns.toEqualTypeOf<ClientHealth>()
})

test('the calls of a producer resolve with what the broker answered', () => {
  expectTypeOf(producer.send).returns.resolves.toEqualTypeOf<SendResult>()
  expectTypeOf(producer.sendBatch).returns.resolves.toEqualTypeOf<SendResult>()
  expectTypeOf(producer.sendOneway).returns.resolves.toBeVoid()
  expectTypeOf(producer.fetchPublishMessageQueues).returns.resolves.toEqualTypeOf<MessageQueue[]>()
  expectTypeOf<SendResult['sendStatus']>().toEqualTypeOf<
    'SEND_OK' | 'FLUSH_DISK_TIMEOUT' | 'FLUSH_SLAVE_TIMEOUT' | 'SLAVE_NOT_AVAILABLE'
  >()
})

test('a send takes a queue, a selector, a sharding key, a timeout and a signal', () => {
  const message: Message = { topic: 'topic', body: 'body' }
  const queue: MessageQueue = { topic: 'topic', brokerName: 'broker-a', queueId: 0 }
  expectTypeOf(producer.send).toBeCallableWith(message)
  expectTypeOf(producer.send).toBeCallableWith(message, { shardingKey: 'key', timeout: 1, signal: AbortSignal.abort() })
  expectTypeOf(producer.send).toBeCallableWith(message, { queue })
  producer.send(message, {
    selector(queues, chosenFor) {
      expectTypeOf(queues).toEqualTypeOf<readonly MessageQueue[]>()
      expectTypeOf(chosenFor).toEqualTypeOf<Message>()
      return queues[0] ?? queue
    },
  })
  // @ts-expect-error a selector chooses a queue, not an index
  producer.send(message, { selector: () => 0 })
  // @ts-expect-error a number is no body
  producer.send({ topic: 'topic', body: 5 })
  // @ts-expect-error a misspelled field
  producer.send({ topic: 'topic', body: 'body', tag: 'tag' })
})

test('a pull needs a queue and an offset and resolves with messages', () => {
  const queue = {} as MessageQueue
  expectTypeOf(consumer.pull).returns.resolves.toEqualTypeOf<PullResult>()
  expectTypeOf(consumer.pullBlockIfNotFound).returns.resolves.toEqualTypeOf<PullResult>()
  expectTypeOf(consumer.pull).toBeCallableWith(queue, { offset: 0, expression: 'a || b', maxNums: 32, timeout: 1 })
  // @ts-expect-error no offset
  consumer.pull(queue, {})
  // @ts-expect-error offsets are numbers
  consumer.pull(queue, { offset: 5n })
  expectTypeOf<PullResult['pullStatus']>().toEqualTypeOf<'FOUND' | 'NO_NEW_MSG' | 'NO_MATCHED_MSG' | 'OFFSET_ILLEGAL'>()
})

test('offsets are numbers', () => {
  const queue = {} as MessageQueue
  expectTypeOf(consumer.fetchConsumeOffset).returns.resolves.toBeNumber()
  expectTypeOf(consumer.minOffset).returns.resolves.toBeNumber()
  expectTypeOf(consumer.maxOffset).returns.resolves.toBeNumber()
  expectTypeOf(consumer.searchOffset).returns.resolves.toBeNumber()
  expectTypeOf(consumer.earliestMsgStoreTime).returns.resolves.toBeNumber()
  expectTypeOf(consumer.updateConsumeOffset).returns.toBeVoid()
  expectTypeOf(consumer.commitOffset).returns.resolves.toBeVoid()
  expectTypeOf(consumer.commitOffset).toBeCallableWith(queue, 5)
})

test('a received message has its body as a Buffer and can not be written to', () => {
  expectTypeOf<MessageExt['body']>().toEqualTypeOf<Buffer>()
  expectTypeOf<MessageExt['tags']>().toEqualTypeOf<string | undefined>()
  expectTypeOf<MessageExt['keys']>().toEqualTypeOf<readonly string[]>()
  expectTypeOf<MessageExt['queueOffset']>().toBeNumber()
  const message = {} as MessageExt
  // @ts-expect-error it is what a broker has stored
  message.queueOffset = 1
})

test('events carry one object each', () => {
  expectTypeOf<Parameters<typeof producer.on>[0]>().toEqualTypeOf<keyof ClientEvents>()
  producer.on('disconnect', ({ address, error }) => {
    expectTypeOf(address).toBeString()
    expectTypeOf(error).toEqualTypeOf<RemotingError | undefined>()
  })
  // @ts-expect-error no such event
  producer.on('message', () => {})
})
