import { describe, expect, it } from 'vitest'
import type { RemotingCommand } from '../../src/codec/remoting-command.js'
import { groupConsumer } from '../support/group-consumer-under-test.js'
import { Code, type ScriptedBroker, scriptedCluster } from '../support/scripted-cluster.js'
import { ScriptedGroup } from '../support/scripted-group.js'
import { turns, until } from '../support/until.js'

interface Heartbeat {
  readonly heartbeatFingerprint: number
  readonly withoutSub: boolean
  readonly consumerDataSet: readonly { readonly subscriptionDataSet: readonly { readonly topic: string }[] }[]
}

function read(request: RemotingCommand): Heartbeat {
  return JSON.parse(request.body.toString())
}

function heartbeats(broker: ScriptedBroker): Heartbeat[] {
  return broker.server.requestsOf(Code.HEARTBEAT).map(read)
}

/** How many subscriptions each heartbeat has. */
function sizes(broker: ScriptedBroker): number[] {
  return heartbeats(broker).map(({ consumerDataSet }) => consumerDataSet[0]?.subscriptionDataSet.length ?? -1)
}

/** A cluster whose broker answers heartbeats as `answer` says, and a consumer that sends one every 20 ms. */
async function setUp(answer: (heartbeat: Heartbeat) => Record<string, string>) {
  const cluster = await scriptedCluster(['a'])
  new ScriptedGroup(cluster)
  const broker = cluster.broker()
  const register = broker.scripts.get(Code.HEARTBEAT)
  broker.scripts.set(Code.HEARTBEAT, (request, connection) => {
    const answering = Object.assign(Object.create(connection), {
      answer: () => connection.answer(request, { fields: answer(read(request)) }),
    })
    register?.(request, answering)
  })
  const consumer = groupConsumer(cluster, { useHeartbeatV2: true, heartbeatBrokerInterval: 20 })
  await consumer.subscribe('T')
  await consumer.start()
  await until(() => consumer.has.length === 4)
  return { broker, consumer, cluster }
}

const KNOWN = { IS_SUPPORT_HEART_BEAT_V2: 'true', IS_SUB_CHANGE: 'false' }
const CHANGED = { IS_SUPPORT_HEART_BEAT_V2: 'true', IS_SUB_CHANGE: 'true' }

describe('heartbeats of version 2', () => {
  it('leave subscriptions out when the broker says that it knows them', async () => {
    const { broker } = await setUp(() => KNOWN)
    await until(() => sizes(broker).slice(-3).join() === '0,0,0')
    const all = heartbeats(broker)
    expect(all[0]).toMatchObject({ withoutSub: false, consumerDataSet: [{ subscriptionDataSet: [{ topic: 'T' }] }] })
    expect(all.at(-1)).toMatchObject({ withoutSub: true, consumerDataSet: [{ groupName: 'g' }] })
    expect(new Set(all.map(({ heartbeatFingerprint }) => heartbeatFingerprint)).size).toBe(1)
    expect(all[0]?.heartbeatFingerprint).not.toBe(0)
  })

  it('are full again after the broker said that another member has other subscriptions', async () => {
    let isChanged = false
    const { broker } = await setUp(() => (isChanged ? CHANGED : KNOWN))
    await until(() => sizes(broker).at(-1) === 0)
    isChanged = true
    await until(() => sizes(broker).slice(-3).join() === '1,1,1')
    isChanged = false
    await until(() => sizes(broker).slice(-3).join() === '0,0,0')
  })

  it('are full after a change of the subscriptions, with another fingerprint', async () => {
    const { broker, consumer, cluster } = await setUp(() => KNOWN)
    await until(() => sizes(broker).at(-1) === 0)
    const before = heartbeats(broker).at(-1)?.heartbeatFingerprint
    cluster.addTopic('U', 1)
    broker.server.forget()
    await consumer.subscribe('U')
    await until(() => sizes(broker).includes(2))
    await until(() => sizes(broker).at(-1) === 0)
    expect(heartbeats(broker).at(-1)?.heartbeatFingerprint).not.toBe(before)
  })

  it('are full on a new connection: the broker may be another one', async () => {
    const { broker } = await setUp(() => KNOWN)
    await until(() => sizes(broker).at(-1) === 0)
    broker.server.forget()
    for (const connection of broker.server.openConnections) connection.reset()
    await until(() =>
      broker.server.connections.some((connection) => !connection.isClosed && connection.requests.length > 0),
    )
    const fresh = broker.server.openConnections
      .flatMap(({ requests }) => requests)
      .filter(({ code }) => code === Code.HEARTBEAT)
    expect(read(await until(() => fresh[0])).withoutSub).toBe(false)
  })

  it('stay full at a broker that does not know them', async () => {
    const { broker } = await setUp(() => ({}))
    await until(() => heartbeats(broker).length >= 6)
    expect(sizes(broker).every((size) => size === 1)).toBe(true)
  })
})

describe('heartbeats of version 1', () => {
  it('are the default, and full, whatever a broker says', async () => {
    const cluster = await scriptedCluster(['a'])
    new ScriptedGroup(cluster)
    cluster.broker().scripts.set(Code.HEARTBEAT, (request, connection) => {
      connection.answer(request, { fields: KNOWN })
    })
    const consumer = groupConsumer(cluster, { heartbeatBrokerInterval: 10 })
    await consumer.subscribe('T')
    await consumer.start()
    await until(() => heartbeats(cluster.broker()).length >= 6)
    await turns(2)
    for (const heartbeat of heartbeats(cluster.broker())) {
      expect(heartbeat).toMatchObject({ heartbeatFingerprint: 0, withoutSub: false })
    }
    expect(sizes(cluster.broker()).every((size) => size === 1)).toBe(true)
  })
})
