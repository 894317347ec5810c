import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { Client } from '../../src/client/client.js'
import { decodeProperties } from '../../src/codec/properties.js'
import type { RemotingCommand } from '../../src/codec/remoting-command.js'
import { silentLogger } from '../../src/logger.js'
import type { MessageExt } from '../../src/message/message.js'
import { DefaultProducer } from '../../src/producer/default-producer.js'
import { connected, startedProducer } from '../support/members-under-test.js'
import { Code, type ScriptedBroker, type ScriptedCluster, scriptedCluster } from '../support/scripted-cluster.js'
import { answerAll, type ScriptedConnection, staySilent } from '../support/scripted-server.js'
import { rejectionOf, turns, until } from '../support/until.js'

const REPLY_TOPIC = 'DefaultCluster_REPLY_TOPIC'
const PUSH_REPLY = 326
/** Generous, since only a failing test waits so long. */
const TIMEOUT = 20_000
const SHORT = 40

/** Topic T is on the first broker only; replies may come by both. */
async function twoMasters(): Promise<ScriptedCluster> {
  const cluster = await scriptedCluster(['broker-a', 'broker-b'])
  cluster.addTopic('T', 4, [cluster.broker(0)])
  cluster.addTopic(REPLY_TOPIC, 1)
  return cluster
}

function ask(producer: DefaultProducer, options: { timeout?: number; signal?: AbortSignal } = {}): Promise<MessageExt> {
  const reply = producer.request({ topic: 'T', body: 'request' }, { timeout: TIMEOUT, ...options })
  reply.catch(() => undefined)
  return reply
}

/** Pushes the reply to a send, on the newest connection. */
function answer(broker: ScriptedBroker, send: RemotingCommand): void {
  const { CORRELATION_ID = '' } = decodeProperties(send.field('i') ?? '')
  const fields = {
    producerGroup: 'repliers',
    topic: REPLY_TOPIC,
    defaultTopic: 'TBW102',
    defaultTopicQueueNums: 4,
    queueId: 0,
    sysFlag: 0,
    bornTimestamp: 1,
    flag: 0,
    properties: `CORRELATION_ID\u0001${CORRELATION_ID}\u0002`,
    bornHost: '10.0.0.1:1',
    storeHost: '10.0.0.2:2',
    storeTimestamp: 2,
  }
  broker.server.openConnections.at(-1)?.request({ code: PUSH_REPLY, fields, body: Buffer.from('reply') })
}

/** Lets one request of a producer be answered. */
async function askAndAnswer(producer: DefaultProducer, broker: ScriptedBroker): Promise<void> {
  const count = broker.sends.length
  const reply = ask(producer)
  answer(broker, await until(() => broker.sends[count]))
  await reply
}

/** The heartbeats and departures that a broker was told since the test last looked, in their order. */
function registrations(broker: ScriptedBroker): string[] {
  const codes = broker.server.requests.map(({ code }) => code)
  broker.server.requests.length = 0
  return codes.flatMap((code) => (code === Code.HEARTBEAT ? ['heartbeat'] : code === Code.UNREGISTER ? ['leave'] : []))
}

describe('a first request', () => {
  it('is sent when every master of the cluster has taken a heartbeat, also one that does not have the topic', async () => {
    const cluster = await twoMasters()
    const held: [RemotingCommand, ScriptedConnection][] = []
    cluster.broker(1).scripts.set(Code.HEARTBEAT, (request, connection) => held.push([request, connection]))
    const producer = await startedProducer(cluster)
    ask(producer)
    await until(() => held.length >= 2)
    await turns()
    expect(cluster.broker(0).sends).toEqual([])
    for (const [request, connection] of held) answerAll(request, connection)
    await until(() => cluster.broker(0).sends.length === 1)
    expect(cluster.broker(0).server.requestsOf(Code.HEARTBEAT).length).toBeGreaterThan(0)
  })

  it('does not wait for a broker that can not be reached', async () => {
    const cluster = await twoMasters()
    await cluster.broker(1).server.close()
    const producer = await startedProducer(cluster)
    await askAndAnswer(producer, cluster.broker(0))
    await askAndAnswer(producer, cluster.broker(0))
  })

  it('waits for a broker that says nothing, but the next one does not wait again', async () => {
    const cluster = await twoMasters()
    cluster.broker(1).scripts.set(Code.HEARTBEAT, staySilent)
    const debug = vi.fn()
    const options = { requestTimeout: 1_500, logger: { ...silentLogger, debug } }
    const producer = await startedProducer(cluster, options)
    const failures = () =>
      debug.mock.calls.filter(([message]) => String(message).includes('can not push replies')).length
    await askAndAnswer(producer, cluster.broker(0))
    expect(failures()).toBe(1)
    await askAndAnswer(producer, cluster.broker(0))
    expect(failures()).toBe(1)
    // Meanwhile it is tried in the background, until it answers.
    cluster.broker(1).scripts.delete(Code.HEARTBEAT)
    cluster.broker(1).server.forget()
    await until(async () => {
      await askAndAnswer(producer, cluster.broker(0))
      return cluster.broker(1).server.requestsOf(Code.HEARTBEAT).length > 0
    })
  })

  it('is sent all the same when no heartbeat is answered in half of its time', async () => {
    const cluster = await twoMasters()
    cluster.broker(1).scripts.set(Code.HEARTBEAT, staySilent)
    const producer = await startedProducer(cluster, { requestTimeout: 60_000 })
    const error = await rejectionOf(ask(producer, { timeout: 2_000 }))
    expect(error).toMatchObject({ code: 'REQUEST_TIMEOUT', mayBeStored: true })
    expect(cluster.broker(0).sends).toHaveLength(1)
  })

  it('goes on without the reply topic where no NameServer knows it', async () => {
    const cluster = await scriptedCluster()
    const producer = await startedProducer(cluster)
    await askAndAnswer(producer, cluster.broker())
    await askAndAnswer(producer, cluster.broker())
    expect(cluster.broker().server.requestsOf(Code.HEARTBEAT).length).toBeGreaterThan(0)
  })

  it('ends at once with its signal while it waits', async () => {
    const cluster = await twoMasters()
    cluster.broker(1).scripts.set(Code.HEARTBEAT, staySilent)
    const producer = await startedProducer(cluster)
    const controller = new AbortController()
    const failed = rejectionOf(ask(producer, { signal: controller.signal }))
    await until(() => cluster.broker(1).server.requestsOf(Code.HEARTBEAT).length === 2)
    controller.abort()
    expect(await failed).toMatchObject({ code: 'ABORTED', mayBeStored: false })
    await turns()
    expect(cluster.broker(0).sends).toEqual([])
  })
})

describe('a later request', () => {
  it('needs no further heartbeat', async () => {
    const cluster = await twoMasters()
    const producer = await startedProducer(cluster)
    await askAndAnswer(producer, cluster.broker(0))
    for (const broker of cluster.brokers) registrations(broker)
    for (let i = 0; i < 5; i++) await askAndAnswer(producer, cluster.broker(0))
    expect(cluster.brokers.flatMap(registrations)).toEqual([])
  })

  it('waits for the heartbeat on a new connection', async () => {
    const cluster = await twoMasters()
    const producer = await startedProducer(cluster)
    await askAndAnswer(producer, cluster.broker(0))
    const held: [RemotingCommand, ScriptedConnection][] = []
    cluster.broker(1).scripts.set(Code.HEARTBEAT, (request, connection) => held.push([request, connection]))
    cluster.broker(1).server.connection(0).reset()
    await until(() => held.length === 1)
    ask(producer)
    await until(() => held.length === 2)
    await turns()
    expect(cluster.broker(0).sends).toHaveLength(1)
    for (const [request, connection] of held) answerAll(request, connection)
    await until(() => cluster.broker(0).sends.length === 2)
  })

  it('meets the brokers that have come since', async () => {
    const cluster = await twoMasters()
    cluster.addTopic(REPLY_TOPIC, 1, [cluster.broker(0)])
    const producer = await startedProducer(cluster, { pollNameServerInterval: 20 })
    await askAndAnswer(producer, cluster.broker(0))
    expect(cluster.broker(1).server.requests).toEqual([])
    cluster.addTopic(REPLY_TOPIC, 1)
    await until(() => cluster.broker(1).server.requestsOf(Code.HEARTBEAT).length > 0)
  })
})

describe('a broker that may have forgotten this client', () => {
  async function twoProducers(cluster: ScriptedCluster): Promise<[DefaultProducer, DefaultProducer]> {
    const client = new Client({ namesrvAddr: cluster.namesrvAddr })
    onTestFinished(() => client.shutdown())
    const first = new DefaultProducer({ producerGroup: 'p1', client })
    const second = new DefaultProducer({ producerGroup: 'p2', client })
    await Promise.all([first.start(), second.start()])
    return [first, second]
  }

  it('because a producer of it left is told again before the next request of another', async () => {
    const cluster = await twoMasters()
    const [first, second] = await twoProducers(cluster)
    await askAndAnswer(first, cluster.broker(0))
    await second.shutdown()
    for (const broker of cluster.brokers) registrations(broker)
    await askAndAnswer(first, cluster.broker(0))
    for (const broker of cluster.brokers) expect(registrations(broker)).toEqual(['leave', 'heartbeat'])
    await askAndAnswer(first, cluster.broker(0))
    expect(cluster.brokers.flatMap(registrations)).toEqual([])
  })

  it('because a producer of it left is told again at once where requests wait', async () => {
    const cluster = await twoMasters()
    const [first, second] = await twoProducers(cluster)
    const reply = ask(first)
    const send = await until(() => cluster.broker(0).sends[0])
    for (const broker of cluster.brokers) registrations(broker)
    await second.shutdown()
    for (const { server } of cluster.brokers) await until(() => server.requestsOf(Code.HEARTBEAT).length === 1)
    const [departure, back, ...more] = cluster.broker(1).server.requestsOf(Code.UNREGISTER)
    expect([departure?.field('producerGroup'), back?.field('producerGroup')]).toEqual(['p2', 'p1'])
    expect(more).toEqual([])
    answer(cluster.broker(0), send)
    await reply
  })

  it('because a producer of it left while it was told is told once more', async () => {
    const cluster = await twoMasters()
    const [first, second] = await twoProducers(cluster)
    const held: [RemotingCommand, ScriptedConnection][] = []
    await first.fetchPublishMessageQueues('T')
    cluster.broker(0).scripts.set(Code.HEARTBEAT, (request, connection) => held.push([request, connection]))
    const reply = ask(first)
    await until(() => cluster.broker(1).server.requestsOf(Code.HEARTBEAT).length > 0 && held.length > 0)
    await turns()
    await second.shutdown()
    cluster.broker(0).server.requests.length = 0
    cluster.broker(0).scripts.delete(Code.HEARTBEAT)
    for (const [request, connection] of held) answerAll(request, connection)
    const send = await until(() => cluster.broker(0).sends[0])
    expect(registrations(cluster.broker(0))).toEqual(['leave', 'heartbeat'])
    answer(cluster.broker(0), send)
    await reply
  })

  it('because it may notice the end of an older connection late is told again while requests wait', async () => {
    const cluster = await twoMasters()
    const producer = await startedProducer(cluster)
    const reply = ask(producer)
    const send = await until(() => cluster.broker(0).sends[0])
    for (let round = 0; round < 3; round++) {
      cluster.broker(1).server.forget()
      cluster.broker(1).server.connection(0).reset()
      // The first heartbeat is that of any new connection.
      await until(() => cluster.broker(1).server.requestsOf(Code.HEARTBEAT).length === 2)
      expect(registrations(cluster.broker(1))).toEqual(['heartbeat', 'leave', 'heartbeat'])
    }
    answer(cluster.broker(0), send)
    await reply
  })

  it('because it pushed nothing while a request waited in vain is told again, but not again and again', async () => {
    const cluster = await twoMasters()
    const producer = await connected(await startedProducer(cluster))
    await askAndAnswer(producer, cluster.broker(0))
    for (const broker of cluster.brokers) registrations(broker)
    const waiting = rejectionOf(ask(producer, { timeout: 2_000 }))
    await until(() => cluster.broker(0).sends.length === 1)
    await askAndAnswer(producer, cluster.broker(0))
    expect(await waiting).toMatchObject({ code: 'REQUEST_TIMEOUT' })
    await until(() => cluster.broker(1).server.requestsOf(Code.HEARTBEAT).length === 1)
    expect(registrations(cluster.broker(1))).toEqual(['leave', 'heartbeat'])
    // This one has pushed a reply meanwhile, so that it can.
    expect(registrations(cluster.broker(0))).toEqual([])

    await rejectionOf(ask(producer, { timeout: SHORT }))
    await turns()
    expect(registrations(cluster.broker(1))).toEqual([])
  })

  it('is left alone when a request fails before it is stored', async () => {
    const cluster = await twoMasters()
    const producer = await connected(await startedProducer(cluster))
    await askAndAnswer(producer, cluster.broker(0))
    cluster.broker(0).scripts.set(Code.SEND, staySilent)
    for (const broker of cluster.brokers) registrations(broker)
    await rejectionOf(ask(producer, { timeout: SHORT }))
    await turns()
    expect(cluster.brokers.flatMap(registrations)).toEqual([])
  })

  it('and can not be told is no reason for a request to fail', async () => {
    const cluster = await twoMasters()
    const [first, second] = await twoProducers(cluster)
    await askAndAnswer(first, cluster.broker(0))
    cluster.broker(1).scripts.set(Code.UNREGISTER, (request, connection) => connection.answer(request, { code: 1 }))
    await second.shutdown()
    await askAndAnswer(first, cluster.broker(0))
    await askAndAnswer(first, cluster.broker(0))
  })
})
