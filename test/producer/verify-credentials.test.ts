import { describe, expect, it } from 'vitest'
import { connected, startedProducer } from '../support/members-under-test.js'
import { Code, type ScriptedBroker, type ScriptedCluster, scriptedCluster } from '../support/scripted-cluster.js'
import { rejectionOf } from '../support/until.js'

const DENIAL = { code: 16, remark: 'User:app has no permission to access Topic:T from 127.0.0.1, no matched policies.' }
const UNKNOWN_USER = { code: 16, remark: 'User:app is not found.' }
const NO_QUEUE = { code: 1, remark: 'request queueId[2147483647] is illegal' }

function answer(broker: ScriptedBroker, code: number, parts: { code: number; remark: string }): void {
  broker.scripts.set(code, (request, connection) => connection.answer(request, parts))
}

async function setUp(): Promise<ScriptedCluster> {
  const cluster = await scriptedCluster(['broker-a', 'broker-b'])
  for (const broker of cluster.brokers) answer(broker, Code.SEND, NO_QUEUE)
  return cluster
}

describe('verifyCredentials', () => {
  it('asks each broker of a topic once, about a queue that no topic has', async () => {
    const cluster = await setUp()
    const producer = await startedProducer(cluster)
    await producer.verifyCredentials(['T', 'T'])
    for (const broker of cluster.brokers) {
      expect(broker.sends.map((request) => request.field('e'))).toEqual(['2147483647'])
    }
  })

  it('says which broker refuses what', async () => {
    const cluster = await setUp()
    answer(cluster.broker(1), Code.SEND, DENIAL)
    const producer = await startedProducer(cluster)
    expect(await rejectionOf(producer.verifyCredentials('T'))).toMatchObject({
      code: 'NO_PERMISSION',
      address: cluster.broker(1).address,
      denial: { kind: 'AUTHORIZATION', subject: 'User:app', resource: 'Topic:T', reason: 'no matched policies' },
    })
  })

  it('only asks who it is for a topic that does not exist yet, which a message would create', async () => {
    const cluster = await setUp()
    cluster.addTopic('TBW102')
    const producer = await startedProducer(cluster)
    await producer.verifyCredentials('New')
    answer(cluster.broker(), Code.HEARTBEAT, UNKNOWN_USER)
    expect(await rejectionOf(producer.verifyCredentials('New'))).toMatchObject({ denial: { kind: 'AUTHENTICATION' } })
    expect(cluster.brokers.flatMap((broker) => broker.sends)).toEqual([])
  })

  it('says that a NameServer refuses', async () => {
    const cluster = await setUp()
    const producer = await startedProducer(cluster)
    await producer.verifyCredentials('T')
    cluster.nameServer.onRouteRequest = (_topic, request, connection) => {
      connection.answer(request, UNKNOWN_USER)
      return true
    }
    expect(await rejectionOf(producer.verifyCredentials('T'))).toMatchObject({
      address: cluster.nameServer.address,
      denial: { kind: 'AUTHENTICATION', subject: 'User:app' },
    })
  })

  it('fails where a broker does not answer', async () => {
    const cluster = await setUp()
    cluster.broker().scripts.set(Code.SEND, () => undefined)
    const producer = await connected(await startedProducer(cluster))
    expect(await rejectionOf(producer.verifyCredentials('T', { timeout: 500 }))).toMatchObject({ code: 'TIMEOUT' })
  })

  it('refuses what is no topic, and a signal that has fired', async () => {
    const producer = await startedProducer(await setUp())
    for (const topics of [[], 7, ['a b']]) {
      const error = await rejectionOf(producer.verifyCredentials(topics as string[]))
      expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' })
    }
    const aborted = producer.verifyCredentials('T', { signal: AbortSignal.abort() })
    expect(await rejectionOf(aborted)).toMatchObject({ code: 'ABORTED' })
  })
})
