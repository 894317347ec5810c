import { describe, expect, it } from 'vitest'
import type { ClientWarning } from '../../src/client/member.js'
import type { DefaultProducer, ProducerOptions } from '../../src/index.js'
import { silentLogger } from '../../src/logger.js'
import { startedProducer } from '../support/members-under-test.js'
import { Code, type ScriptedCluster, scriptedCluster } from '../support/scripted-cluster.js'
import type { Script } from '../support/scripted-server.js'
import { turns, until } from '../support/until.js'

const GET_TOPIC_CONFIG = 351
const QUEUES = 4

/** A `TopicConfig` as a broker prints it. */
function topicConfig(messageType?: string): Buffer {
  const attributes = messageType === undefined ? {} : { 'message.type': messageType }
  return Buffer.from(JSON.stringify({ attributes, order: false, perm: 6, readQueueNums: 4, writeQueueNums: 4 }))
}

const ofType =
  (messageType?: string): Script =>
  (request, connection) =>
    connection.answer(request, { body: topicConfig(messageType) })

/** Stores each message in the queue of this number, whatever its priority. */
function storeIn(cluster: ScriptedCluster, queueId: number): void {
  const broker = cluster.broker()
  broker.scripts.set(Code.SEND, (request, connection) => broker.store(request, connection, { fields: { queueId } }))
}

interface Watched {
  readonly cluster: ScriptedCluster
  readonly producer: DefaultProducer
  readonly warnings: ClientWarning[]
  readonly logged: string[]
  /** Sends a message and waits until what follows from it is over. */
  send(priority?: number, topic?: string): Promise<void>
}

/** @param type - How the broker answers when it is asked for the type of a topic. */
async function watched(type: Script, options: Partial<ProducerOptions> = {}): Promise<Watched> {
  const cluster = await scriptedCluster()
  cluster.broker().scripts.set(GET_TOPIC_CONFIG, type)
  const logged: string[] = []
  const logger = { ...silentLogger, warn: (message: string) => logged.push(message) }
  const producer = await startedProducer(cluster, { ...options, logger })
  const warnings: ClientWarning[] = []
  producer.on('warning', (warning) => warnings.push(warning))
  const send = async (priority?: number, topic = 'T') => {
    await producer.send({ topic, body: 'x', ...(priority !== undefined && { priority }) })
    await turns()
  }
  return { cluster, producer, warnings, logged, send }
}

describe('a message with a priority', () => {
  it('brings one warning for a topic of another type, as event and in the log', async () => {
    const { cluster, warnings, logged, send } = await watched(ofType('NORMAL'))
    storeIn(cluster, 2)
    await send(2)
    await until(() => warnings.length > 0)
    const message =
      'the priority of messages for topic T is not obeyed: it is of the type NORMAL on broker broker-a, and only of topics created with message.type=PRIORITY do consumers get messages in the order of their priority'
    expect(warnings).toEqual([{ code: 'PRIORITY_IGNORED', message, topic: 'T' }])
    expect(logged).toEqual([message])
    const [question] = cluster.broker().server.requestsOf(GET_TOPIC_CONFIG)
    expect(question?.extFields).toEqual({ topic: 'T', lo: 'true', bname: 'broker-a' })

    await send(2)
    await send(1)
    expect(warnings).toHaveLength(1)
    cluster.addTopic('Other')
    await send(2, 'Other')
    await until(() => warnings.length > 1)
    expect(warnings.map(({ topic }) => topic)).toEqual(['T', 'Other'])
    expect(cluster.broker().server.requestsOf(GET_TOPIC_CONFIG)).toHaveLength(2)
  })

  it('brings one for a topic that has no type of its own, which is NORMAL', async () => {
    const { cluster, warnings, send } = await watched(ofType())
    storeIn(cluster, 0)
    await send(0)
    await until(() => warnings.length > 0)
    expect(warnings.map(({ message }) => message)).toEqual([expect.stringContaining('of the type NORMAL')])
  })

  it('brings none for a topic of the type PRIORITY, of which the broker is asked once', async () => {
    const { cluster, warnings, logged, send } = await watched(ofType('PRIORITY'))
    for (const [priority, queueId] of [
      [0, 0],
      [3, 3],
      [99, QUEUES - 1],
    ] as const) {
      storeIn(cluster, queueId)
      await send(priority)
    }
    expect(cluster.broker().server.requestsOf(GET_TOPIC_CONFIG)).toHaveLength(1)
    expect([warnings, logged]).toEqual([[], []])
  })

  it.each<[string, Script]>([
    ['is forbidden', (request, connection) => connection.answer(request, { code: 16, remark: 'no permission' })],
    [
      'is answered with what is no topic',
      (request, connection) => connection.answer(request, { body: Buffer.from('{') }),
    ],
    ['is unknown', (request, connection) => connection.answer(request, { code: 3, remark: 'not supported' })],
  ])('brings none where the question for the type %s', async (_what, type) => {
    const { cluster, warnings, logged, send } = await watched(type)
    storeIn(cluster, 1)
    await send(1)
    expect(cluster.broker().server.requestsOf(GET_TOPIC_CONFIG)).toHaveLength(1)
    expect([warnings, logged]).toEqual([[], []])
  })

  it('brings one where it is stored in another queue than its own, whatever the type', async () => {
    const { cluster, warnings, send } = await watched(ofType('PRIORITY'))
    storeIn(cluster, 1)
    await send(1)
    expect(warnings).toEqual([])
    await send(3)
    await until(() => warnings.length > 0)
    await send(2)
    expect(warnings.map(({ message }) => message)).toEqual([
      'the priority of messages for topic T is not obeyed: broker broker-a stored a message with the priority 3 in queue 1',
    ])
  })

  it('brings none where the topic has got more or fewer queues than was known', async () => {
    const { cluster, warnings, send } = await watched(ofType('PRIORITY'))
    storeIn(cluster, 1)
    await send(1)
    cluster.addTopic('T', 8)
    storeIn(cluster, 6)
    await send(6)
    await until(() => cluster.nameServer.asked('T') === 2)
    await turns()
    cluster.addTopic('T', 2)
    storeIn(cluster, 1)
    await send(6)
    await until(() => cluster.nameServer.asked('T') === 3)
    await turns()
    expect(warnings).toEqual([])
  })

  it('names the topic as the user does where there is a namespace', async () => {
    const { cluster, warnings, send } = await watched(ofType('FIFO'), { namespace: 'ns' })
    cluster.addTopic('ns%T')
    storeIn(cluster, 3)
    await send(3)
    await until(() => warnings.length > 0)
    expect(warnings).toMatchObject([{ topic: 'T', message: expect.stringContaining('for topic T is not obeyed') }])
    expect(cluster.broker().server.requestsOf(GET_TOPIC_CONFIG)[0]?.field('topic')).toBe('ns%T')
  })

  it('is sent though a listener of the warning throws', async () => {
    const { producer, send } = await watched(ofType('NORMAL'))
    let calls = 0
    producer.on('warning', () => {
      calls++
      throw new Error('a fault of the user')
    })
    await send(1)
    await until(() => calls > 0)
    await send(1)
    expect(calls).toBe(1)
  })
})

describe('a message without a priority', () => {
  it('lets nothing be asked', async () => {
    const { cluster, warnings, send } = await watched(ofType('NORMAL'))
    await send()
    await send()
    expect(cluster.broker().server.requestsOf(GET_TOPIC_CONFIG)).toEqual([])
    expect(warnings).toEqual([])
  })
})
