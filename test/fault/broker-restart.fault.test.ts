import { afterAll, beforeAll, expect, test } from 'vitest'
import type { MessageExt, PullConsumer, RemotingError } from '../../src/index.js'
import { type Cluster, type ClusterNode, startCluster } from '../support/cluster.js'
import { uniqueName } from '../support/names.js'
import { readTopic } from '../support/read-topic.js'
import { rejectionOf, until } from '../support/until.js'
import { copies, keepSending, SendHistory, startConsumer, startProducer, works } from './clients-under-test.js'
import { createTopic } from './create-topic.js'
import { kill, stop } from './nodes-under-test.js'

let cluster: Cluster
let broker: ClusterNode

beforeAll(async () => {
  cluster = await startCluster({ route: 'java', config: { osPageCacheBusyTimeOutMills: '10000' }, log: () => {} })
  broker = cluster.broker('broker-a')
})

afterAll(() => cluster?.stop())

async function readAll(consumer: PullConsumer, topic: string, atLeast: number): Promise<MessageExt[]> {
  return readTopic(consumer, topic, atLeast, 30_000)
}

test('a producer and a consumer outlive an orderly and a violent restart, with acknowledged messages and committed offsets there', async () => {
  const topic = uniqueName('restart')
  await createTopic(cluster, topic)
  const { namesrvAddr } = cluster
  // Ample, so that a machine that is busy with the broker's start rejects nothing.
  const producer = await startProducer({ namesrvAddr, requestTimeout: 10_000, sendTimeout: 10_000 })
  const consumer = await startConsumer({ namesrvAddr, persistConsumerOffsetInterval: 100 })
  const reader = await startConsumer({ namesrvAddr, consumerGroup: consumer.consumerGroup })
  const queue = { topic, brokerName: broker.name, queueId: 1 }
  const late = { ...queue, queueId: 2 }
  const history = new SendHistory()
  for (let i = 0; i < 40; i++) await history.note(`before ${i}`, producer.send({ topic, body: `before ${i}` }))
  await readAll(consumer, topic, 40)
  await consumer.commitOffset(queue, 7)
  const stopSending = keepSending(producer, topic, history)

  // In this order: an end by SIGKILL loses offsets that the broker has not flushed, which it does every few seconds and at an orderly end.
  for (const [round, end] of [stop, kill].entries()) {
    const { acknowledged, rejected } = history
    const acknowledgedBefore = acknowledged.size
    const rejectedBefore = rejected.size
    await until(() => acknowledged.size > acknowledgedBefore + 300, 60_000)
    await end(broker)
    await until(() => rejected.size >= rejectedBefore + 20, 30_000)
    expect(producer.health().isHealthy).toBe(false)
    consumer.updateConsumeOffset(late, 3 + round)

    await broker.restart()
    const acknowledgedAtRestart = acknowledged.size
    await until(() => acknowledged.size >= acknowledgedAtRestart + 100, 60_000)
    const rejectedAtLast = rejected.size
    await until(() => acknowledged.size >= acknowledgedAtRestart + 300, 60_000)
    expect(rejected.size).toBe(rejectedAtLast)
    expect(producer.health().isHealthy).toBe(true)
    await until(() => works(() => consumer.pull(queue, { offset: 0 })), 30_000)
    for (let i = 0; i < 50; i++) expect(await consumer.fetchConsumeOffset(queue)).toBe(7)
    await until(() => works(() => reader.pull(queue, { offset: 0 })), 30_000)
    expect(await reader.fetchConsumeOffset(queue)).toBe(7)
    // Set while the broker was away.
    await until(async () => (await reader.fetchConsumeOffset(late)) === 3 + round, 30_000)
  }

  await stopSending()
  const stored = await readAll(consumer, topic, history.acknowledged.size)
  expect(history.compare(stored)).toEqual({ lost: [], falselyDenied: [] })
  expect(Math.max(...copies(stored).values())).toBeLessThanOrEqual(3)
  for (const error of history.rejected.values()) {
    expect(error).toMatchObject({ name: expect.stringMatching(/^(Remoting|Broker)Error$/), retryable: true })
    expect(error.message).toContain(broker.address)
    const attempts = error.attempts ?? []
    expect(attempts.length).toBeGreaterThan(0)
    expect(error.mayBeStored).toBe(attempts.some((attempt) => attempt.stored === 'unknown'))
  }
})

test('a send and a pull while the broker is down fail at once, with its address, every attempt and that nothing was stored', async () => {
  const topic = uniqueName('down')
  await createTopic(cluster, topic)
  const { namesrvAddr } = cluster
  const producer = await startProducer({ namesrvAddr })
  const consumer = await startConsumer({ namesrvAddr })
  const { messageQueue } = await producer.send({ topic, body: 'before' })
  await consumer.pull(messageQueue, { offset: 0 })
  const waiting = rejectionOf(consumer.pullBlockIfNotFound(messageQueue, { offset: 1 }))

  await kill(broker)
  expect(await waiting).toMatchObject({
    name: 'RemotingError',
    code: 'CONNECTION_CLOSED',
    address: broker.address,
    sent: true,
  })
  const error = (await rejectionOf(producer.send({ topic, body: 'lost' }))) as RemotingError
  expect(error).toMatchObject({
    name: 'RemotingError',
    code: 'CONNECT_FAILED',
    address: broker.address,
    retryable: true,
    mayBeStored: false,
  })
  expect(error.attempts).toHaveLength(3)
  for (const attempt of error.attempts ?? []) {
    expect(attempt).toMatchObject({ brokerName: broker.name, address: broker.address, stored: 'no' })
  }
  expect(error.message).toMatch(
    new RegExp(
      `^send to topic ${topic} failed in \\d+ ms and 3 attempts; the message was not stored: 1\\. .*${broker.address}`,
    ),
  )
  const pulling = await rejectionOf(consumer.pull(messageQueue, { offset: 0 }))
  expect(pulling).toMatchObject({ name: 'RemotingError', code: 'CONNECT_FAILED', address: broker.address })

  await broker.restart()
  await until(() => works(() => producer.send({ topic, body: 'after' })), 30_000)
  await until(() => works(() => consumer.pull(messageQueue, { offset: 0 })), 30_000)
  const stored = await readAll(consumer, topic, 2)
  expect(stored.map((message) => message.body.toString()).sort()).toEqual(['after', 'before'])
})
