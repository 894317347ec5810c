import { inspect } from 'node:util'
import { expect, onTestFinished } from 'vitest'
import {
  Client,
  type ClientOptions,
  DefaultProducer,
  type MessageExt,
  PullConsumer,
  PushConsumer,
  type RocketMQError,
  SimpleConsumer,
  TransactionProducer,
} from '../../src/index.js'
import { uniqueName } from './names.js'
import { rejectionOf, until } from './until.js'

/** What each kind of client does with a topic and a group, against servers that look who it is. */
export interface SecuredCalls {
  readonly options: ClientOptions
  readonly topic: string
  readonly consumerGroup: string
  /** Brokers before 5.0 have no POP, nor have proxies. */
  readonly hasPop: boolean
  /** A proxy settles them when its broker asks, and not at once. Default true. */
  readonly hasTransactions?: boolean
}

const CONSUMED_WITHIN = 45_000

function ended<T extends { shutdown(options?: { timeout?: number }): Promise<void> }>(client: T): T {
  onTestFinished(() => client.shutdown({ timeout: 0 }))
  return client
}

/** Sends, batches, transactions, pulls, push and POP, as far as there are any: all of it works. */
export async function expectAccepted(calls: SecuredCalls): Promise<void> {
  const { options, topic, consumerGroup, hasPop } = calls
  const bodies = await produce(calls)

  const client = ended(new Client(options))
  const consumer = ended(new PullConsumer({ consumerGroup, client }))
  await consumer.start()
  const pulled: string[] = []
  for (const queue of await consumer.fetchSubscribeMessageQueues(topic)) {
    const offset = await consumer.minOffset(queue)
    const { messages, nextBeginOffset } = await consumer.pull(queue, { offset })
    pulled.push(...textsOf(messages))
    await consumer.commitOffset(queue, nextBeginOffset)
    expect(await consumer.fetchConsumeOffset(queue)).toBe(nextBeginOffset)
  }
  // What was asked before it has left nothing behind.
  expect(pulled.filter((body) => body === 'verifyCredentials')).toEqual([])
  for (const body of bodies) expect(pulled).toContain(body)
  // It would keep its share of the queues, as would one whose farewell a slow broker gets before its heartbeat.
  for (const { address } of consumer.health().brokers) await client.heartbeat.ensure(address)
  await consumer.shutdown()
  await client.shutdown()

  const pushed: string[] = []
  const push = ended(new PushConsumer({ consumerGroup, consumeFromWhere: 'FIRST', ...options }))
  push.onMessage((messages) => void pushed.push(...textsOf(messages)))
  await push.subscribe(topic)
  await push.start()
  const later = await produce(calls)
  await until(() => later.every((body) => pushed.includes(body)), CONSUMED_WITHIN).catch((cause: unknown) => {
    const missing = later.filter((body) => !pushed.includes(body))
    throw new Error(`not pushed: ${missing}; ${inspect(push.health(), { depth: 4 })}`, { cause })
  })
  await push.shutdown()

  if (!hasPop) return
  const popping = ended(new SimpleConsumer({ consumerGroup, ...options }))
  await popping.subscribe(topic)
  await popping.start()
  const popped: string[] = []
  const last = await produce(calls)
  await until(async () => {
    const messages = await popping.receive({ timeout: 3_000, invisibleDuration: 30_000 })
    popped.push(...textsOf(messages))
    await popping.ack(messages)
    return last.every((body) => popped.includes(body))
  }, CONSUMED_WITHIN)
}

/** Sends in every way, and returns the bodies. */
async function produce({ options, topic, hasTransactions = true }: SecuredCalls): Promise<string[]> {
  const bodies = ['one', 'two', 'three', 'four'].map((text) => uniqueName(text))
  const [one = '', two = '', three = '', four = ''] = bodies
  const producer = ended(new DefaultProducer({ producerGroup: uniqueName('pg'), ...options }))
  await producer.start()
  await producer.verifyCredentials(topic)
  await producer.send({ topic, body: one })
  await producer.sendBatch([
    { topic, body: two },
    { topic, body: three },
  ])
  await producer.shutdown()
  if (!hasTransactions) return [one, two, three]
  const transactions = transactionProducer(options)
  await transactions.start()
  const { localTransactionState } = await transactions.sendInTransaction({ topic, body: four }, () => 'COMMIT')
  expect(localTransactionState).toBe('COMMIT')
  await transactions.shutdown()
  return bodies
}

/** The errors of producers' calls, each of one attempt. @param isBatchChecked - Rules of ACL 1.0 mean nothing for batches in 4.9. */
export async function refusedProducing(
  { options, topic }: SecuredCalls,
  isBatchChecked = true,
): Promise<RocketMQError[]> {
  const producer = ended(new DefaultProducer({ producerGroup: uniqueName('pg'), ...options }))
  await producer.start()
  const transactions = transactionProducer(options)
  await transactions.start()
  const message = { topic, body: 'x' }
  const errors = [
    await rejectionOf(producer.send(message)),
    ...(isBatchChecked ? [await rejectionOf(producer.sendBatch([message, message]))] : []),
    await rejectionOf(transactions.sendInTransaction(message, () => 'COMMIT')),
  ] as RocketMQError[]
  for (const { attempts, mayBeStored } of errors) {
    expect(attempts).toHaveLength(1)
    expect(mayBeStored).toBe(false)
  }
  return [(await rejectionOf(producer.verifyCredentials(topic))) as RocketMQError, ...errors]
}

/** The errors of consumers' calls. */
export async function refusedConsuming(calls: SecuredCalls): Promise<RocketMQError[]> {
  const { options, topic, consumerGroup, hasPop } = calls
  const consumer = ended(new PullConsumer({ consumerGroup, ...options }))
  await consumer.start()
  const [queue] = await consumer.fetchSubscribeMessageQueues(topic)
  if (queue === undefined) throw new Error(`topic ${topic} has no queue`)
  const errors = [await rejectionOf(consumer.pull(queue, { offset: 0 }))]

  const push = ended(new PushConsumer({ consumerGroup, ...options }))
  push.onMessage(() => undefined)
  await push.subscribe(topic)
  errors.push(await rejectionOf(push.start()))

  if (hasPop) {
    const popping = ended(new SimpleConsumer({ consumerGroup, ...options }))
    await popping.subscribe(topic)
    errors.push(await rejectionOf(popping.start()))
  }
  return errors as RocketMQError[]
}

function transactionProducer(options: ClientOptions): TransactionProducer {
  const checkLocalTransaction = () => 'COMMIT' as const
  return ended(new TransactionProducer({ producerGroup: uniqueName('tx'), checkLocalTransaction, ...options }))
}

function textsOf(messages: readonly MessageExt[]): string[] {
  return messages.map(({ body }) => body.toString())
}
