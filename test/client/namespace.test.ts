import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Client } from '../../src/client/client.js'
import { Namespace } from '../../src/client/namespace.js'
import { encodeBatch } from '../../src/codec/batch-codec.js'
import { decodeProperties } from '../../src/codec/properties.js'
import type { RemotingCommand } from '../../src/codec/remoting-command.js'
import type { PullConsumer } from '../../src/consumer/pull-consumer.js'
import { ClientError } from '../../src/errors.js'
import type { MessageQueue } from '../../src/message/message.js'
import { isSystemTopic } from '../../src/message/names.js'
import { DefaultProducer } from '../../src/producer/default-producer.js'
import type { SendMessageContext } from '../../src/producer/producer-hooks.js'
import type { TopicRoute } from '../../src/route/topic-route.js'
import { golden } from '../codec/golden.js'
import { startedConsumer, startedProducer } from '../support/members-under-test.js'
import { Code, type ScriptedBroker, type ScriptedCluster, scriptedCluster } from '../support/scripted-cluster.js'
import { answerPull, storedMessage } from '../support/stored-message-bytes.js'
import { rejectionOf, until } from '../support/until.js'

interface NamespaceCase {
  readonly namespace: string | null
  readonly name: string
  readonly wrapped: string
  readonly unwrapped: string
}

const cases = golden<NamespaceCase>('namespace')
const namespace = 'ns'
const queue = { topic: 'T', brokerName: 'broker-a', queueId: 0 }
const message = { topic: 'T', body: 'x' }

describe('Namespace', () => {
  it.each(cases)(
    'makes of $name in $namespace what Java makes of it',
    ({ namespace: of, name, wrapped, unwrapped }) => {
      const names = new Namespace(of ?? undefined)
      expect(names.wrap(name)).toBe(wrapped)
      expect(names.unwrap(name)).toBe(unwrapped)
    },
  )

  it('takes off again what it put before any name', () => {
    const legal = fc.string({ unit: fc.constantFrom('a', 'Z', '0', '_', '-', '|'), minLength: 1, maxLength: 20 })
    const name = fc.tuple(fc.constantFrom('', '%RETRY%', '%DLQ%'), legal).map((parts) => parts.join(''))
    fc.assert(
      fc.property(legal, name, (of, given) => {
        const names = new Namespace(of)
        const wrapped = names.wrap(given)
        expect(names.unwrap(wrapped)).toBe(given)
        expect(names.wrap(wrapped)).toBe(wrapped)
        if (!isSystemTopic(given) && !given.startsWith('CID_RMQ_SYS_')) expect(wrapped).not.toBe(given)
      }),
    )
  })

  it('leaves the other fields of a queue alone, and the queue itself', () => {
    const names = new Namespace(namespace)
    expect(names.wrapQueue(queue)).toEqual({ topic: 'ns%T', brokerName: 'broker-a', queueId: 0 })
    expect(names.unwrapQueue({ ...queue, topic: 'ns%T' })).toEqual(queue)
    expect(queue.topic).toBe('T')
    expect(new Namespace(undefined).wrapQueue(queue)).toBe(queue)
  })

  it.each(['a b', 'a%b', 'ä', '', 'a.b', 7 as unknown as string])('can not be called %j', (name) => {
    expect(() => new Client({ namesrvAddr: '127.0.0.1:9876', namespace: name })).toThrow(ClientError)
  })
})

/** A cluster that knows the topic T of the namespace, and no other one. */
async function clusterOfNamespace(): Promise<ScriptedCluster> {
  const cluster = await scriptedCluster()
  cluster.addTopic('ns%T')
  cluster.nameServer.routes.delete('T')
  return cluster
}

const isOnWire = (request: RemotingCommand) => [request.field('a'), request.field('b')]
const propertiesOf = (request: RemotingCommand) => decodeProperties(request.field('i') ?? '')

interface HeartbeatBody {
  readonly producerDataSet: readonly { readonly groupName: string }[]
  readonly consumerDataSet: readonly {
    readonly groupName: string
    readonly subscriptionDataSet: readonly { readonly topic: string }[]
  }[]
}

function heartbeats(broker: ScriptedBroker): HeartbeatBody[] {
  return broker.server.requestsOf(Code.HEARTBEAT).map(({ body }) => JSON.parse(body.toString()) as HeartbeatBody)
}

describe('a producer in a namespace', () => {
  it('sends with the wrapped names and INSTANCE_ID, and answers with the names that the user knows', async () => {
    const cluster = await clusterOfNamespace()
    const producer = await startedProducer(cluster, { namespace })
    const { messageQueue, msgId } = await producer.send(message)
    const [request] = cluster.broker().sends
    expect(request && isOnWire(request)).toEqual(['ns%p', 'ns%T'])
    expect(request && propertiesOf(request)).toEqual({ UNIQ_KEY: msgId, WAIT: 'true', INSTANCE_ID: 'ns' })
    expect(messageQueue).toMatchObject({ topic: 'T', brokerName: 'broker-a' })
    expect(producer.producerGroup).toBe('p')
    expect(message).toEqual({ topic: 'T', body: 'x' })
  })

  it('takes names that have the namespace already', async () => {
    const cluster = await clusterOfNamespace()
    const producer = await startedProducer(cluster, { namespace, producerGroup: 'ns%p' })
    const { messageQueue } = await producer.send({ topic: 'ns%T', body: 'x' })
    expect(cluster.broker().sends.map(isOnWire)).toEqual([['ns%p', 'ns%T']])
    expect(messageQueue.topic).toBe('T')
  })

  it('does the same with batches and oneway sends', async () => {
    const cluster = await clusterOfNamespace()
    const producer = await startedProducer(cluster, { namespace })
    const { messageQueue } = await producer.sendBatch([message, { ...message, tags: 'A' }])
    await producer.sendOneway(message)
    await until(() => cluster.broker().sends.length === 2)
    expect(messageQueue.topic).toBe('T')
    for (const request of cluster.broker().sends) {
      expect(isOnWire(request)).toEqual(['ns%p', 'ns%T'])
      expect(propertiesOf(request).INSTANCE_ID).toBe('ns')
    }
  })

  it('sends to the retry topic of a group of the namespace', async () => {
    const cluster = await clusterOfNamespace()
    cluster.addTopic('%RETRY%ns%g')
    const producer = await startedProducer(cluster, { namespace })
    const { messageQueue } = await producer.send({ topic: '%RETRY%g', body: 'x' })
    expect(cluster.broker().sends.map(isOnWire)).toEqual([['ns%p', '%RETRY%ns%g']])
    expect(messageQueue.topic).toBe('%RETRY%g')
  })

  it('hands out and takes queues by the names that the user knows', async () => {
    const cluster = await clusterOfNamespace()
    const producer = await startedProducer(cluster, { namespace })
    const queues = await producer.fetchPublishMessageQueues('T')
    expect(queues).toEqual([0, 1, 2, 3].map((queueId) => ({ topic: 'T', brokerName: 'broker-a', queueId })))
    const named = await producer.send(message, { queue: queues[2] as MessageQueue })
    expect(named.messageQueue).toEqual(queues[2])
    const seen: unknown[] = []
    const selected = await producer.send(message, {
      selector: (all, given) => {
        seen.push(all, given)
        return all[3] as MessageQueue
      },
    })
    expect(seen).toEqual([queues, message])
    expect(selected.messageQueue).toEqual(queues[3])
    expect(cluster.broker().sends.map((request) => request.field('e'))).toEqual(['2', '3'])
  })

  it('creates a topic by the template, which has no namespace', async () => {
    const cluster = await clusterOfNamespace()
    cluster.addTopic('TBW102', 8)
    const producer = await startedProducer(cluster, { namespace })
    await producer.send({ topic: 'New', body: 'x' })
    const [request] = cluster.broker().sends
    expect([request?.field('b'), request?.field('c')]).toEqual(['ns%New', 'TBW102'])
  })

  it('registers and unregisters its group with the namespace', async () => {
    const cluster = await clusterOfNamespace()
    const producer = await startedProducer(cluster, { namespace })
    await producer.send(message)
    await until(() => heartbeats(cluster.broker()).length > 0)
    for (const { producerDataSet } of heartbeats(cluster.broker()))
      expect(producerDataSet).toEqual([{ groupName: 'ns%p' }])
    await producer.shutdown()
    const [left] = cluster.broker().server.requestsOf(Code.UNREGISTER)
    expect(left?.field('producerGroup')).toBe('ns%p')
  })

  it('shows hooks the names that the user knows', async () => {
    const cluster = await clusterOfNamespace()
    const contexts: SendMessageContext[] = []
    const forbidding: unknown[] = []
    const producer = await startedProducer(cluster, {
      namespace,
      hooks: {
        checkForbidden: ({ messageQueue, producerGroup }) => void forbidding.push([producerGroup, messageQueue.topic]),
        sendMessageAfter: (context) => void contexts.push(context),
      },
    })
    await producer.send(message)
    await producer.sendOneway(message)
    expect(forbidding).toEqual([
      ['p', 'T'],
      ['p', 'T'],
    ])
    expect(contexts).toHaveLength(2)
    for (const { messages, messageQueue, producerGroup } of contexts) {
      expect([messages, messageQueue.topic, producerGroup]).toEqual([[message], 'T', 'p'])
    }
    expect(contexts[0]?.sendResult?.messageQueue.topic).toBe('T')
  })

  it('tells of routes by the names that the user knows', async () => {
    const cluster = await clusterOfNamespace()
    const producer = await startedProducer(cluster, { namespace })
    const changes: { topic: string; route: TopicRoute; previous: TopicRoute | undefined }[] = []
    producer.on('routeChange', (change) => changes.push(change))
    await producer.send(message)
    cluster.addTopic('ns%T', 2)
    await producer.fetchPublishMessageQueues('T')
    expect(changes).toHaveLength(2)
    const topics = changes.map(({ topic, route, previous }) => [
      topic,
      route.topic,
      previous?.topic,
      ...route.publishQueues.map((each) => each.topic),
    ])
    expect(topics).toEqual([
      ['T', 'T', undefined, 'T', 'T', 'T', 'T'],
      ['T', 'T', 'T', 'T', 'T'],
    ])
  })

  it('refuses what is too long only with the namespace', async () => {
    const cluster = await clusterOfNamespace()
    const long = 'n'.repeat(100)
    const producer = await startedProducer(cluster, { namespace: long })
    const error = await rejectionOf(producer.send({ topic: 't'.repeat(50), body: 'x' }))
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' })
    expect(error.message).toContain('has 151 characters, 127 are allowed')
    const full = { topic: 'T', body: 'x', properties: { own: 'x'.repeat(32_670) } }
    expect(await rejectionOf(producer.send(full))).toMatchObject({ code: 'MESSAGE_TOO_LARGE' })
    expect(() => new DefaultProducer({ producerGroup: 'p'.repeat(200), namespace: long, namesrvAddr: 'h:1' })).toThrow(
      /has 301 characters, 255 are allowed/,
    )
  })
})

/** A consumer in the namespace, and what the broker's answers are made of. */
async function consumerOfNamespace(): Promise<{ cluster: ScriptedCluster; consumer: PullConsumer }> {
  const cluster = await clusterOfNamespace()
  const consumer = await startedConsumer(cluster, { namespace })
  return { cluster, consumer }
}

describe('a consumer in a namespace', () => {
  it('pulls by the wrapped names and hands out messages by the names that the user knows', async () => {
    const { cluster, consumer } = await consumerOfNamespace()
    const properties = { UNIQ_KEY: 'id', TAGS: 'A', RETRY_TOPIC: 'ns%T' }
    const body = Buffer.concat([
      storedMessage({ queueOffset: 0, topic: 'ns%T', properties }),
      storedMessage({ queueOffset: 1, topic: 'ns%T' }),
    ])
    cluster.broker().scripts.set(Code.PULL, answerPull(0, { nextBeginOffset: 2 }, body))
    const { messages } = await consumer.pull(queue, { offset: 0 })
    const [request] = cluster.broker().server.requestsOf(Code.PULL)
    expect(request?.extFields).toMatchObject({ consumerGroup: 'ns%c', topic: 'ns%T' })
    expect(messages.map((each) => [each.topic, each.queueOffset, each.body.toString()])).toEqual([
      ['T', 0, 'body 0'],
      ['T', 1, 'body 1'],
    ])
    expect(messages[0]).toMatchObject({ tags: 'A', msgId: 'id' })
    expect(messages[0]?.properties).toMatchObject({ ...properties, MIN_OFFSET: '0', MAX_OFFSET: '1000' })
    expect(consumer.consumerGroup).toBe('c')
  })

  it('gives the messages of a batch that was stored as one their own properties also then', async () => {
    const { cluster, consumer } = await consumerOfNamespace()
    const parts = ['one', 'two'].map((name) => ({
      flag: 0,
      body: Buffer.from(name),
      properties: `UNIQ_KEY\u0001${name}\u0002`,
    }))
    const batch = storedMessage({ queueOffset: 0, topic: 'ns%T', sysFlag: 0xc0, body: encodeBatch(parts) })
    cluster.broker().scripts.set(Code.PULL, answerPull(0, { nextBeginOffset: 2 }, batch))
    const { messages } = await consumer.pull(queue, { offset: 0 })
    expect(messages.map((each) => [each.topic, each.msgId])).toEqual([
      ['T', 'one'],
      ['T', 'two'],
    ])
  })

  it('reads the retry topic of its group', async () => {
    const { cluster, consumer } = await consumerOfNamespace()
    cluster.addTopic('%RETRY%ns%c', 1)
    const body = storedMessage({ queueOffset: 0, topic: '%RETRY%ns%c' })
    cluster.broker().scripts.set(Code.PULL, answerPull(0, { nextBeginOffset: 1 }, body))
    const [retryQueue] = await consumer.fetchSubscribeMessageQueues('%RETRY%c')
    expect(retryQueue?.topic).toBe('%RETRY%c')
    const { messages } = await consumer.pull(retryQueue as MessageQueue, { offset: 0 })
    expect(cluster.broker().server.requestsOf(Code.PULL)[0]?.field('topic')).toBe('%RETRY%ns%c')
    expect(messages.map((each) => each.topic)).toEqual(['%RETRY%c'])
  })

  it('asks for queues and offsets by the wrapped names', async () => {
    const { cluster, consumer } = await consumerOfNamespace()
    const broker = cluster.broker()
    const offset = (code: number) =>
      broker.scripts.set(code, (request, connection) =>
        connection.answer(request, { fields: { offset: 5, timestamp: 6 } }),
      )
    for (const code of [
      Code.MIN_OFFSET,
      Code.MAX_OFFSET,
      Code.SEARCH_OFFSET,
      Code.QUERY_OFFSET,
      Code.EARLIEST_STORE_TIME,
    ])
      offset(code)
    const [first] = await consumer.fetchSubscribeMessageQueues('T')
    expect(first).toEqual(queue)
    expect(await consumer.minOffset(queue)).toBe(5)
    expect(await consumer.maxOffset(queue)).toBe(5)
    expect(await consumer.searchOffset(queue, 1)).toBe(5)
    expect(await consumer.earliestMsgStoreTime(queue)).toBe(6)
    expect(await consumer.fetchConsumeOffset(queue)).toBe(5)
    await consumer.commitOffset(queue, 7)
    const codes = new Set([14, 15, 29, 30, 31, 32])
    const asked = broker.server.requests.filter(({ code }) => codes.has(code))
    expect(asked).toHaveLength(6)
    for (const request of asked) expect(request.field('topic')).toBe('ns%T')
    const groups = asked.map((request) => request.field('consumerGroup')).filter((group) => group !== undefined)
    expect(groups).toEqual(['ns%c', 'ns%c'])
  })

  it('stores offsets by the wrapped names, and finds those that were set by either', async () => {
    const { cluster, consumer } = await consumerOfNamespace()
    await consumer.fetchSubscribeMessageQueues('T')
    consumer.updateConsumeOffset(queue, 9)
    expect(await consumer.fetchConsumeOffset({ ...queue, topic: 'ns%T' })).toBe(9)
    await consumer.shutdown()
    const [stored] = cluster.broker().server.requestsOf(Code.UPDATE_OFFSET)
    expect(stored?.extFields).toMatchObject({ consumerGroup: 'ns%c', topic: 'ns%T', commitOffset: '9' })
    expect(cluster.broker().server.requestsOf(Code.UNREGISTER)[0]?.field('consumerGroup')).toBe('ns%c')
  })

  it("keeps the offsets of a broadcasting group in Java's file for it", async () => {
    const cluster = await clusterOfNamespace()
    const localOffsetStoreDir = await mkdtemp(join(tmpdir(), 'offsets-'))
    onTestFinished(() => rm(localOffsetStoreDir, { recursive: true, force: true }))
    const options = { namespace, messageModel: 'BROADCASTING', instanceName: 'i', localOffsetStoreDir } as const
    const consumer = await startedConsumer(cluster, options)
    await consumer.commitOffset(queue, 3)
    const file = join(localOffsetStoreDir, consumer.clientId, 'ns%c', 'offsets.json')
    expect(await readFile(file, 'utf8')).toContain('"topic":"ns%T"}:3')
    await consumer.shutdown()
    const next = await startedConsumer(cluster, options)
    expect(await next.fetchConsumeOffset(queue)).toBe(3)
  })

  it('says in its heartbeats what it reads by the wrapped names', async () => {
    const { cluster, consumer } = await consumerOfNamespace()
    cluster.broker().scripts.set(Code.PULL, answerPull(19, { nextBeginOffset: 0 }))
    await consumer.pull(queue, { offset: 0, expression: 'A' })
    const isSubscribed = ({ consumerDataSet: [group] }: HeartbeatBody) => group?.subscriptionDataSet.length === 1
    const told = await until(() => heartbeats(cluster.broker()).find(isSubscribed))
    const [group] = told.consumerDataSet
    expect([group?.groupName, group?.subscriptionDataSet[0]?.topic]).toEqual(['ns%c', 'ns%T'])
  })

  it('gives a message back by the wrapped names', async () => {
    const { cluster, consumer } = await consumerOfNamespace()
    const body = storedMessage({ queueOffset: 0, topic: 'ns%T' })
    cluster.broker().scripts.set(Code.PULL, answerPull(0, { nextBeginOffset: 1 }, body))
    const { messages } = await consumer.pull(queue, { offset: 0 })
    for (const each of messages) await consumer.sendMessageBack(each, 3)
    const [back] = cluster.broker().server.requestsOf(Code.SEND_BACK)
    expect(back?.extFields).toMatchObject({ group: 'ns%c', originTopic: 'ns%T' })
  })
})

it('members of a shared client are in its namespace', async () => {
  const cluster = await clusterOfNamespace()
  const client = new Client({ namesrvAddr: cluster.namesrvAddr, namespace })
  onTestFinished(() => client.shutdown())
  const producer = new DefaultProducer({ producerGroup: 'p', client })
  onTestFinished(() => producer.shutdown())
  await producer.start()
  await producer.send(message)
  expect(cluster.broker().sends.map(isOnWire)).toEqual([['ns%p', 'ns%T']])
  expect(() => new DefaultProducer({ producerGroup: 'q', client, namespace: 'other' })).toThrow(/belongs to the client/)
})
