import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import type { RemotingCommand } from '../../src/codec/remoting-command.js'
import {
  DefaultProducer,
  type MessageExt,
  PullConsumer,
  type PullConsumerOptions,
  PushConsumer,
} from '../../src/index.js'
import { type Cluster, startCluster } from '../support/cluster.js'
import { bodyOf } from '../support/deterministic-body.js'
import { differencesFromJava, differencesFromSent, placeOf, readPulled } from '../support/interop-compare.js'
import { type InteropOptions, interopMessage, toMessage } from '../support/interop-messages.js'
import { uniqueName } from '../support/names.js'
import { type Oracle, startOracle } from '../support/oracle.js'
import type { PulledMessage } from '../support/oracle-verbs.js'
import { PATIENCE } from '../support/patience.js'
import { readTopic } from '../support/read-topic.js'
import { startReplier } from '../support/replier.js'
import { requestRecorder } from '../support/request-recorder.js'
import { isAtLeast } from '../support/server-version.js'
import { until } from '../support/until.js'

const NAMESPACE = 'MQ_INST_7_interop'
const COUNT = 200
const OPTIONS: InteropOptions = { seed: 77, takesLargest: false }

let cluster: Cluster
let oracle: Oracle

beforeAll(async () => {
  cluster = await startCluster({ route: 'java', config: { osPageCacheBusyTimeOutMills: '10000' }, log: () => {} })
  oracle = await startOracle(cluster.version)
})

afterAll(async () => {
  await oracle?.stop()
  await cluster?.stop()
})

/** A topic of the namespace, by the name without it. */
async function newTopic(): Promise<string> {
  const topic = uniqueName('namespace')
  await oracle.call('createTopic', { namesrvAddr: cluster.namesrvAddr, topic: `${NAMESPACE}%${topic}`, queues: 4 })
  return topic
}

async function startProducer(): Promise<DefaultProducer> {
  const { namesrvAddr } = cluster
  const producer = new DefaultProducer({
    producerGroup: uniqueName('pg'),
    namesrvAddr,
    namespace: NAMESPACE,
    ...PATIENCE,
  })
  onTestFinished(() => producer.shutdown())
  await producer.start()
  return producer
}

async function startConsumer(options: Partial<PullConsumerOptions> = {}): Promise<PullConsumer> {
  const { namesrvAddr } = cluster
  const group = uniqueName('cg')
  const consumer = new PullConsumer({ consumerGroup: group, namesrvAddr, namespace: NAMESPACE, ...options })
  onTestFinished(() => consumer.shutdown())
  await consumer.start()
  return consumer
}

async function pullByJava(topic: string): Promise<Map<string, PulledMessage>> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'rocketmq-interop-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const file = path.join(folder, 'pulled.jsonl')
  await oracle.call('pullAll', { namesrvAddr: cluster.namesrvAddr, namespace: NAMESPACE, topic, file })
  return readPulled(file)
}

/** What both clients read of a topic by its name without the namespace, after it was found to be the same. */
async function readByBoth(topic: string): Promise<MessageExt[]> {
  const ours = await readTopic(await startConsumer(), topic, COUNT)
  const java = await pullByJava(topic)
  expect([...java.keys()]).toEqual(ours.map(placeOf))
  const differences = ours.flatMap((message) => {
    const twin = java.get(placeOf(message))
    return twin === undefined ? ['not read by Java'] : differencesFromJava(message, twin)
  })
  expect(differences).toEqual([])
  expect(new Set(ours.map((message) => message.topic))).toEqual(new Set([topic]))
  return ours
}

test('messages that this client sends to a namespace are read by the Java client in it, and by this one, by the same names', async () => {
  const topic = await newTopic()
  const producer = await startProducer()
  const specs = Array.from({ length: COUNT }, (_, i) => interopMessage(OPTIONS, i))
  const sent = new Map<string, number>()
  for (const [i, spec] of specs.entries()) {
    const { messageQueue, queueOffset } = await producer.send(toMessage(spec, topic))
    expect(messageQueue.topic).toBe(topic)
    sent.set(placeOf({ ...messageQueue, queueOffset }), i)
  }
  const messages = await readByBoth(topic)
  expect(messages).toHaveLength(COUNT)
  for (const message of messages) {
    expect(differencesFromSent(message, interopMessage(OPTIONS, sent.get(placeOf(message)) ?? -1))).toEqual([])
    expect(message.properties.INSTANCE_ID).toBe(NAMESPACE)
  }
})

test('messages that the Java client sends to a namespace are read by this client in it', async () => {
  const topic = await newTopic()
  const { namesrvAddr } = cluster
  const args = { namesrvAddr, namespace: NAMESPACE, topic, count: COUNT, seed: 5, size: 300 }
  const { outcomes } = await oracle.call('produce', args)
  expect(outcomes.filter((outcome) => 'error' in outcome)).toEqual([])
  const messages = await readByBoth(topic)
  expect(new Set(messages.map((message) => message.properties.index)).size).toBe(COUNT)
  for (const message of messages) expect(message.properties.INSTANCE_ID).toBe(NAMESPACE)
})

test('who is in no namespace sees the same messages under the wrapped name, and none under the plain one', async () => {
  const topic = await newTopic()
  const producer = await startProducer()
  const { msgId } = await producer.send({ topic, body: 'inside' })
  const outside = new PullConsumer({ consumerGroup: uniqueName('cg'), namesrvAddr: cluster.namesrvAddr })
  onTestFinished(() => outside.shutdown())
  await outside.start()
  const [message] = await readTopic(outside, `${NAMESPACE}%${topic}`, 1)
  expect(message).toMatchObject({ msgId, topic: `${NAMESPACE}%${topic}` })
  await expect(outside.fetchSubscribeMessageQueues(topic)).rejects.toMatchObject({ code: 'TOPIC_NOT_FOUND' })
})

test('the offsets of a group are those that the Java client knows it by', async () => {
  const topic = await newTopic()
  const producer = await startProducer()
  const [queue] = await producer.fetchPublishMessageQueues(topic)
  if (queue === undefined) throw new Error('the topic has no queue')
  for (let i = 0; i < 5; i++) await producer.send({ topic, body: `m${i}` }, { queue })
  const consumerGroup = uniqueName('cg')
  const consumer = await startConsumer({ consumerGroup })
  await until(async () => (await consumer.maxOffset(queue)) === 5)
  await consumer.commitOffset(queue, 3)
  const wireName = (name: string) => `${NAMESPACE}%${name}`
  const { namesrvAddr } = cluster
  const args = { namesrvAddr, group: wireName(consumerGroup), topic: wireName(topic) }
  // Brokers of 4.x tell the NameServer of the group's retry topic, by which Java finds them, a moment later.
  const { queues } = await until(() => oracle.call('consumeOffset', args).catch(() => undefined), 30_000)
  const committed = queues.find(({ queueId }) => queueId === queue.queueId)
  expect(committed).toMatchObject({ topic: wireName(topic), consumerOffset: 3, brokerOffset: 5 })
})

test('the Java client sees the members of a group of the namespace, and what they read, by the wrapped names', async () => {
  const topic = await newTopic()
  const consumerGroup = uniqueName('cg')
  const consumer = await startConsumer({ consumerGroup })
  const [queue] = await consumer.fetchSubscribeMessageQueues(topic)
  if (queue === undefined) throw new Error('the topic has no queue')
  await consumer.pull(queue, { offset: 0 })
  const group = `${NAMESPACE}%${consumerGroup}`
  const view = await until(async () => {
    const { namesrvAddr } = cluster
    const seen = await oracle.call('consumerConnection', { namesrvAddr, group }).catch(() => undefined)
    return seen?.subscriptions.some((each) => each.topic === `${NAMESPACE}%${topic}`) && seen
  }, 30_000)
  expect(view.connections.map(({ clientId }) => clientId)).toEqual([consumer.clientId])
})

test('a message that is given back comes again by the retry topic of the group', async () => {
  const topic = await newTopic()
  const producer = await startProducer()
  await producer.send({ topic, body: 'once more' })
  const consumerGroup = uniqueName('cg')
  const consumer = await startConsumer({ consumerGroup })
  const [message] = await readTopic(consumer, topic, 1)
  if (message === undefined) throw new Error('the message was not read')
  await consumer.sendMessageBack(message, 1)
  // Brokers of 4.x tell the NameServer of the topic a moment later; the first delay level is a second.
  const [again] = await readTopic(consumer, `%RETRY%${consumerGroup}`, 1)
  expect(again?.topic).toBe(`%RETRY%${consumerGroup}`)
  expect(again?.body.toString()).toBe('once more')
  expect(again?.properties.RETRY_TOPIC).toBe(`${NAMESPACE}%${topic}`)
})

test('a request in a namespace is answered by the Java client in it', async () => {
  const topic = await newTopic()
  const { namesrvAddr } = cluster
  const group = uniqueName('replier')
  await oracle.call('startReplier', { namesrvAddr, namespace: NAMESPACE, topic, group })
  onTestFinished(async () => void (await oracle.call('stopReplier', { group })))
  const producer = await startProducer()
  const reply = await producer.request({ topic, body: 'are you there?' }, { timeout: 30_000 })
  expect(reply.body.toString()).toBe('re: are you there?')
  expect(reply.topic).toBe(`${cluster.clusterName}_REPLY_TOPIC`)
})

test('a request of the Java client in a namespace is answered by this one in it', async () => {
  const topic = await newTopic()
  const replier = await startReplier(await startConsumer(), await startProducer(), topic, ({ body }) => `re: ${body}`)
  const args = { namesrvAddr: cluster.namesrvAddr, namespace: NAMESPACE, topic, count: 3, seed: 1, size: 10 }
  const { outcomes } = await oracle.call('request', args)
  const bodies = outcomes.map((outcome) => ('reply' in outcome ? outcome.reply.bodyHex : outcome.error))
  expect(bodies).toEqual([0, 1, 2].map((i) => Buffer.from(`re: ${bodyOf(1, i, 10)}`).toString('hex')))
  expect(new Set(replier.requests.map((request) => request.topic))).toEqual(new Set([topic]))
  expect(replier.failures).toEqual([])
})

/** The Java client has it from 5.2 on. */
if (isAtLeast(process.env.ROCKETMQ_VERSION ?? '5.5.0', '5.2.0')) {
  test('a namespace v2 stands in the requests as in those of the Java client, and both share a group in it', async () => {
    const topic = uniqueName('namespace')
    const group = uniqueName('cg')
    const namespaceV2 = 'inst_v2'
    const [nameServer] = cluster.nameServers
    await oracle.call('createTopic', { namesrvAddr: cluster.namesrvAddr, topic, queues: 4 })
    const [ofJava, ours] = [
      await requestRecorder(nameServer?.address ?? ''),
      await requestRecorder(nameServer?.address ?? ''),
    ]
    const consumer = new PushConsumer({ consumerGroup: group, namesrvAddr: ours.address, namespaceV2 })
    onTestFinished(() => consumer.shutdown())
    const consumed: string[] = []
    consumer.onMessage((messages) => void consumed.push(...messages.map(({ body }) => body.toString())))
    await consumer.subscribe(topic)
    await consumer.start()
    const { clientId } = await oracle.call('startPushConsumer', {
      namesrvAddr: ofJava.address,
      group,
      topics: [{ topic }],
      options: {
        namespaceV2,
        instanceName: uniqueName('java'),
        consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET',
        // Java now and then loses the heartbeat behind its first rebalance, and pulls nothing until the next one.
        heartbeatBrokerInterval: 1_000,
      },
    })
    onTestFinished(async () => void (await oracle.call('stopConsumer', { clientId })))
    await until(() => consumer.assignment().filter((queue) => queue.topic === topic).length === 2, 60_000)
    const producer = new DefaultProducer({ producerGroup: uniqueName('pg'), namesrvAddr: ours.address, namespaceV2 })
    onTestFinished(() => producer.shutdown())
    await producer.start()
    for (let i = 0; i < 40; i++) await producer.send({ topic, body: `m${i}` })
    await until(async () => {
      const { count } = await oracle.call('consumed', { clientId })
      return count > 0 && count + consumed.length >= 40
    }, 60_000)
    const namesIn = (requests: readonly RemotingCommand[]) =>
      new Set(requests.filter(({ code }) => code === 105).map((one) => `${one.field('nsd')} ${one.field('ns')}`))
    expect(namesIn(ofJava.requests)).toEqual(new Set([`true ${namespaceV2}`]))
    expect(namesIn(ours.requests)).toEqual(namesIn(ofJava.requests))
  })
}
