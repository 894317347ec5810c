import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { PushConsumer } from '../../src/index.js'
import { getMaxOffset } from '../../src/remoting/commands/offset.js'
import { Endpoint } from '../../src/remoting/endpoint.js'
import { type Cluster, type ClusterNode, startCluster } from '../support/cluster.js'
import { uniqueName } from '../support/names.js'
import { readTopic } from '../support/read-topic.js'
import { remotingClient } from '../support/remoting-under-test.js'
import { rejectionOf, until } from '../support/until.js'
import { copies, SendHistory, startConsumer, startProducer } from './clients-under-test.js'
import { createTopic } from './create-topic.js'
import { pause } from './nodes-under-test.js'

let cluster: Cluster
let paused: ClusterNode
let other: ClusterNode

beforeAll(async () => {
  cluster = await startCluster({
    route: 'java',
    brokers: [{ name: 'broker-a' }, { name: 'broker-b' }],
    log: () => {},
  })
  paused = cluster.broker('broker-a')
  other = cluster.broker('broker-b')
})

afterAll(() => cluster?.stop())

/** A topic on both brokers of which queue i of each holds i + 1 messages. */
async function unevenTopic(): Promise<string> {
  const topic = uniqueName('uneven')
  await createTopic(cluster, topic)
  const producer = await startProducer({ namesrvAddr: cluster.namesrvAddr })
  const queues = await producer.fetchPublishMessageQueues(topic)
  for (const queue of queues) {
    for (let i = 0; i <= queue.queueId; i++) await producer.send({ topic, body: 'x' }, { queue })
  }
  const consumer = await startConsumer({ namesrvAddr: cluster.namesrvAddr })
  await readTopic(consumer, topic, 20)
  return topic
}

test('calls to a broker that stops answering end at their deadline, the others go on, and late answers are dropped', async () => {
  const topic = await unevenTopic()
  const connect = vi.spyOn(Endpoint.prototype, 'connect')
  const remoting = remotingClient()
  const disconnects: string[] = []
  remoting.on('disconnect', ({ address }) => disconnects.push(address))
  const ask = (broker: ClusterNode, queueId: number, timeout: number) =>
    remoting.invoke(broker.address, getMaxOffset, { topic, queueId, brokerName: broker.name }, { timeout })
  await ask(paused, 0, 5_000)
  const channel = await connect.mock.results[0]?.value
  connect.mockRestore()

  pause(paused)
  let isPending = true
  const calls = Promise.allSettled(Array.from({ length: 50 }, (_, i) => ask(paused, i % 4, 3_000)))
  const settled = calls.then(() => {
    isPending = false
  })
  let answered = 0
  while (isPending) {
    const { header } = await ask(other, answered % 4, 5_000)
    expect(header.offset).toBe((answered % 4) + 1)
    answered++
  }
  await settled
  expect(answered).toBeGreaterThan(10)
  for (const call of await calls) {
    expect(call).toMatchObject({
      status: 'rejected',
      reason: {
        name: 'RemotingError',
        code: 'TIMEOUT',
        address: paused.address,
        sent: true,
        retryable: true,
        message: expect.stringContaining(`GET_MAX_OFFSET to ${paused.address}: no answer within`),
      },
    })
  }
  expect(channel.inFlight).toBeLessThanOrEqual(1)

  paused.resume()
  // Each queue holds another number of messages: an answer that reached the wrong call would show.
  const after = await Promise.all(Array.from({ length: 100 }, (_, i) => ask(paused, i % 4, 20_000)))
  expect(after.map((answer) => answer.header.offset)).toEqual(after.map((_, i) => (i % 4) + 1))
  await until(() => channel.droppedAnswers >= 50)
  expect(channel.isOpen).toBe(true)
  expect(disconnects).toEqual([])
})

test('a send with no queue of its own goes by the other broker while one is silent, and by both afterwards', async () => {
  const topic = uniqueName('detour')
  await createTopic(cluster, topic)
  const { namesrvAddr } = cluster
  const producer = await startProducer({ namesrvAddr })
  const consumer = await startConsumer({ namesrvAddr })
  const connects: string[] = []
  for (let i = 0; i < 8; i++) await producer.send({ topic, body: `warm ${i}` })
  producer.on('connect', ({ address }) => connects.push(address))

  pause(paused)
  const history = new SendHistory()
  await Promise.all(
    Array.from({ length: 100 }, (_, i) =>
      history.note(`m${i}`, producer.send({ topic, body: `m${i}` }, { timeout: 6_000 })),
    ),
  )
  expect([...history.rejected.values()]).toEqual([])
  const brokers = new Set([...history.acknowledged.values()].map((result) => result.messageQueue.brokerName))
  expect(brokers).toEqual(new Set([other.name]))

  paused.resume()
  await until(
    async () => (await producer.send({ topic, body: 'again' })).messageQueue.brokerName === paused.name,
    30_000,
  )
  const stored = await readTopic(consumer, topic, 109)
  expect(history.compare(stored)).toEqual({ lost: [], falselyDenied: [] })
  // The first attempt may be stored by the broker that was silent, the second one by the other.
  expect(Math.max(...copies(stored).values())).toBeLessThanOrEqual(3)
  expect(connects).toEqual([])
})

test('a send to a queue of the silent broker says that the message may be stored, and it is, once', async () => {
  const topic = uniqueName('fixed')
  await createTopic(cluster, topic)
  const { namesrvAddr } = cluster
  const producer = await startProducer({ namesrvAddr })
  const consumer = await startConsumer({ namesrvAddr })
  const queue = { topic, brokerName: paused.name, queueId: 2 }
  await producer.send({ topic, body: 'before' }, { queue })

  pause(paused)
  const error = await rejectionOf(producer.send({ topic, body: 'unknown' }, { queue, timeout: 700 }))
  expect(error).toMatchObject({
    name: 'RemotingError',
    code: 'TIMEOUT',
    address: paused.address,
    mayBeStored: true,
    attempts: [{ brokerName: paused.name, queueId: 2, address: paused.address, code: 'TIMEOUT', stored: 'unknown' }],
    message: expect.stringMatching(
      new RegExp(`^send to topic ${topic} failed .* one attempt; the message may have been stored.*${paused.address}`),
    ),
  })

  paused.resume()
  const stored = await readTopic(consumer, topic, 2, 30_000)
  expect(stored.map((message) => message.body.toString())).toEqual(['before', 'unknown'])
})

test('a pull from a silent broker ends at its deadline, one from the other is answered, and the long poll works after the pause', async () => {
  const topic = uniqueName('pull')
  await createTopic(cluster, topic)
  const { namesrvAddr } = cluster
  const producer = await startProducer({ namesrvAddr })
  const consumer = await startConsumer({ namesrvAddr })
  const queueOf = (broker: ClusterNode) => ({ topic, brokerName: broker.name, queueId: 0 })
  for (const broker of [paused, other]) {
    await producer.send({ topic, body: broker.name }, { queue: queueOf(broker) })
    await until(async () => (await consumer.maxOffset(queueOf(broker))) === 1)
  }

  pause(paused)
  const pulling = [
    consumer.pull(queueOf(paused), { offset: 0, timeout: 1_000 }),
    consumer.pullBlockIfNotFound(queueOf(paused), { offset: 1, timeout: 1_500 }),
    consumer.fetchConsumeOffset(queueOf(paused), { timeout: 800 }),
    consumer.commitOffset(queueOf(paused), 1, { timeout: 800 }),
  ]
  const ends = Promise.allSettled(pulling)
  const { messages } = await consumer.pull(queueOf(other), { offset: 0 })
  expect(messages.map((message) => message.body.toString())).toEqual([other.name])
  for (const end of await ends) {
    expect(end).toMatchObject({
      status: 'rejected',
      reason: {
        name: 'RemotingError',
        code: 'TIMEOUT',
        address: paused.address,
        message: expect.stringContaining(paused.address),
      },
    })
  }

  paused.resume()
  await until(() =>
    consumer.pull(queueOf(paused), { offset: 0 }).then(
      (result) => result.messages.length === 1,
      () => false,
    ),
  )
  const waiting = consumer.pullBlockIfNotFound(queueOf(paused), { offset: 1 })
  await producer.send({ topic, body: 'late' }, { queue: queueOf(paused) })
  expect((await waiting).messages.map((message) => message.body.toString())).toEqual(['late'])
})

test('a push consumer with a backlog in many queues goes on with those of the other broker while one is silent', async () => {
  const topic = uniqueName('backlog')
  const queuesOfEach = 128
  const inEach = 320
  await createTopic(cluster, topic, { queues: queuesOfEach })
  const { namesrvAddr } = cluster
  const producer = await startProducer({ namesrvAddr })
  const queues = await producer.fetchPublishMessageQueues(topic)
  const messages = Array.from({ length: inEach }, () => ({ topic, body: 'x' }))
  for (const queue of queues) await producer.sendBatch(messages, { queue })

  const consumer = new PushConsumer({ consumerGroup: uniqueName('cg'), namesrvAddr, consumeFromWhere: 'FIRST' })
  const seen = new Set<string>()
  let ofOther = 0
  consumer.onMessage(([message]) => {
    if (message === undefined) return
    if (message.brokerName === other.name) ofOther++
    if (seen.size === queues.length) return
    seen.add(`${message.brokerName} ${message.queueId}`)
    // By now it is known of each queue that there is more.
    if (seen.size === queues.length) pause(paused)
  })
  onTestFinished(() => consumer.shutdown({ timeout: 0 }))
  await consumer.subscribe(topic)
  await consumer.start()
  await until(() => seen.size === queues.length, 30_000)
  expect(ofOther).toBeLessThan(queuesOfEach * inEach)
  // Pulls that are not answered end after 30 seconds.
  await until(() => ofOther === queuesOfEach * inEach, 20_000)
  paused.resume()
})
