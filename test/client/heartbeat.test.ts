import { describe, expect, it, onTestFinished } from 'vitest'
import { Client } from '../../src/client/client.js'
import { DefaultProducer } from '../../src/producer/default-producer.js'
import { startedConsumer, startedProducer } from '../support/members-under-test.js'
import { brokerData, Code, queueData, routeBody, ScriptedBroker, scriptedCluster } from '../support/scripted-cluster.js'
import { scriptedServer, staySilent, unusedAddress } from '../support/scripted-server.js'
import { turns, until } from '../support/until.js'

function heartbeats(broker: ScriptedBroker): { clientID: string; [name: string]: unknown }[] {
  return broker.server.requestsOf(Code.HEARTBEAT).map((request) => JSON.parse(request.body.toString()))
}

describe('heartbeats', () => {
  it('of a producer name its group, as brokers read it', async () => {
    const cluster = await scriptedCluster()
    const producer = await startedProducer(cluster)
    await producer.send({ topic: 'T', body: 'x' })
    const data = await until(() => heartbeats(cluster.broker())[0])
    expect(data).toEqual({
      clientID: producer.clientId,
      producerDataSet: [{ groupName: 'p' }],
      consumerDataSet: [],
      heartbeatFingerprint: 0,
      withoutSub: false,
    })
  })

  it('of a consumer name its group and what it reads', async () => {
    const cluster = await scriptedCluster()
    const consumer = await startedConsumer(cluster)
    const [queue] = await consumer.fetchSubscribeMessageQueues('T')
    if (queue === undefined) throw new Error('T has no queue')
    cluster.broker().scripts.set(Code.PULL, (request, connection) => {
      const fields = { suggestWhichBrokerId: 0, nextBeginOffset: 0, minOffset: 0, maxOffset: 0 }
      connection.answer(request, { code: 19, fields })
    })
    await consumer.pull(queue, { offset: 0, expression: 'A || B' })
    const data = await until(() =>
      heartbeats(cluster.broker()).find((each) => JSON.stringify(each).includes('"A || B"')),
    )
    expect(data.consumerDataSet).toEqual([
      {
        groupName: 'c',
        consumeType: 'CONSUME_ACTIVELY',
        messageModel: 'CLUSTERING',
        consumeFromWhere: 'CONSUME_FROM_LAST_OFFSET',
        unitMode: false,
        subscriptionDataSet: [
          {
            classFilterMode: false,
            topic: 'T',
            subString: 'A || B',
            tagsSet: ['A', 'B'],
            codeSet: [65, 66],
            subVersion: expect.any(Number),
            expressionType: 'TAG',
          },
        ],
      },
    ])
  })

  it('go to every new connection at once', async () => {
    const cluster = await scriptedCluster()
    const producer = await startedProducer(cluster)
    await producer.send({ topic: 'T', body: 'x' })
    await until(() =>
      cluster
        .broker()
        .server.connection(0)
        .requests.some(({ code }) => code === Code.HEARTBEAT),
    )
    cluster.broker().server.connection(0).reset()
    await until(() => cluster.broker().server.connections[1]?.requests.some(({ code }) => code === Code.HEARTBEAT))
  })

  it('go out on their interval', async () => {
    const cluster = await scriptedCluster()
    const producer = await startedProducer(cluster, { heartbeatBrokerInterval: 20 })
    await producer.send({ topic: 'T', body: 'x' })
    await until(() => heartbeats(cluster.broker()).length >= 5)
    expect(cluster.broker().server.connections).toHaveLength(1)
  })

  it('of producers go to masters, those of consumers to slaves too', async () => {
    const cluster = await scriptedCluster()
    const slave = new ScriptedBroker('broker-a', await scriptedServer())
    const addresses = { 0: cluster.broker().address, 1: slave.address }
    const body = routeBody({ queueDatas: [queueData('broker-a')], brokerDatas: [brokerData('broker-a', addresses)] })
    cluster.nameServer.routes.set('T', body)
    const producer = await startedProducer(cluster, { heartbeatBrokerInterval: 20 })
    await producer.send({ topic: 'T', body: 'x' })
    await until(() => heartbeats(cluster.broker()).length >= 3)
    expect(slave.server.connections).toHaveLength(0)
    const consumer = await startedConsumer(cluster)
    await consumer.fetchSubscribeMessageQueues('T')
    await until(() => heartbeats(slave).length > 0)
  })

  it('go on when one broker is dead and another one silent', async () => {
    const cluster = await scriptedCluster(['broker-a', 'broker-b'])
    const silent = cluster.broker(1)
    silent.scripts.set(Code.HEARTBEAT, staySilent)
    cluster.nameServer.routes.set(
      'T',
      routeBody({
        queueDatas: [queueData('broker-a'), queueData('broker-b', 0), queueData('broker-c', 0)],
        brokerDatas: [
          brokerData('broker-a', { 0: cluster.broker(0).address }),
          brokerData('broker-b', { 0: silent.address }),
          brokerData('broker-c', { 0: unusedAddress() }),
        ],
      }),
    )
    const producer = await startedProducer(cluster, { heartbeatBrokerInterval: 20, requestTimeout: 1_000 })
    await producer.send({ topic: 'T', body: 'x' })
    await until(() => heartbeats(cluster.broker(0)).length >= 5)
    await until(() => heartbeats(silent).length >= 2)
  })

  it('stop with the last member, which tells the brokers that it leaves', async () => {
    const cluster = await scriptedCluster()
    const client = new Client({ namesrvAddr: cluster.namesrvAddr, heartbeatBrokerInterval: 10 })
    onTestFinished(() => client.shutdown())
    const producer = new DefaultProducer({ producerGroup: 'p', client })
    await producer.start()
    await producer.send({ topic: 'T', body: 'x' })
    await until(() => heartbeats(cluster.broker()).length >= 2)
    await producer.shutdown()
    const farewell = cluster.broker().server.requestsOf(Code.UNREGISTER)
    expect(farewell.map((request) => request.extFields)).toEqual([{ clientID: client.clientId, producerGroup: 'p' }])
    const count = heartbeats(cluster.broker()).length
    await turns(50)
    expect(heartbeats(cluster.broker())).toHaveLength(count)
  })

  it('are taken before the member leaves: a broker that works on one would bring it back', async () => {
    const cluster = await scriptedCluster()
    const producer = await startedProducer(cluster)
    const held: (() => void)[] = []
    cluster.broker().scripts.set(Code.HEARTBEAT, (request, connection) => {
      held.push(() => connection.answer(request))
    })
    await producer.send({ topic: 'T', body: 'x' })
    await until(() => held.length > 0)
    const down = producer.shutdown()
    await turns(10)
    expect(cluster.broker().server.requestsOf(Code.UNREGISTER)).toEqual([])
    for (const answer of held) answer()
    await down
    expect(cluster.broker().server.requestsOf(Code.UNREGISTER)).toHaveLength(1)
  })

  it('are all taken before the member leaves, also one that a later one has overtaken', async () => {
    const cluster = await scriptedCluster()
    const client = new Client({ namesrvAddr: cluster.namesrvAddr })
    onTestFinished(() => client.shutdown())
    const producer = new DefaultProducer({ producerGroup: 'p', client })
    await producer.start()
    const held: (() => void)[] = []
    cluster.broker().scripts.set(Code.HEARTBEAT, (request, connection) => {
      held.push(() => connection.answer(request))
    })
    await producer.send({ topic: 'T', body: 'x' })
    await until(() => held.length === 1)
    const later = client.heartbeat.beat(cluster.broker().server.address)
    await until(() => held.length === 2)
    held[1]?.()
    await later
    const down = producer.shutdown()
    await turns(10)
    expect(cluster.broker().server.requestsOf(Code.UNREGISTER)).toEqual([])
    held[0]?.()
    await down
    expect(cluster.broker().server.requestsOf(Code.UNREGISTER)).toHaveLength(1)
  })

  it('are no reason to wait at shutdown: a broker that does not answer is left after a second', async () => {
    const cluster = await scriptedCluster()
    cluster.broker().scripts.set(Code.UNREGISTER, staySilent)
    const producer = await startedProducer(cluster)
    await producer.send({ topic: 'T', body: 'x' })
    await producer.shutdown()
    expect(cluster.broker().server.requestsOf(Code.UNREGISTER)).toHaveLength(1)
  })
})

describe('a connection to a broker in use', () => {
  it('is opened again by itself when it breaks', async () => {
    const cluster = await scriptedCluster()
    const producer = await startedProducer(cluster)
    await producer.send({ topic: 'T', body: 'x' })
    for (let i = 1; i <= 3; i++) {
      await until(() => heartbeats(cluster.broker()).length >= i)
      cluster
        .broker()
        .server.connection(i - 1)
        .reset()
      await until(() => cluster.broker().server.connections.length === i + 1)
    }
    await until(() => producer.health().isHealthy)
  })

  it('is not opened again after shutdown', async () => {
    const cluster = await scriptedCluster()
    const producer = await startedProducer(cluster)
    await producer.send({ topic: 'T', body: 'x' })
    await producer.shutdown()
    await turns(50)
    expect(cluster.broker().server.connections).toHaveLength(1)
  })
})
