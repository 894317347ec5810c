import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Cluster, type ClusterNode, startCluster } from '../support/cluster.js'
import { uniqueName } from '../support/names.js'
import { type Oracle, startOracle } from '../support/oracle.js'
import { brokerData, queueData, routeBody, scriptedNameServer } from '../support/scripted-cluster.js'
import { until } from '../support/until.js'
import { brokerHas } from './broker-has.js'
import { startProducer, works } from './clients-under-test.js'
import { createTopic } from './create-topic.js'
import { faultyNetwork } from './faulty-network.js'
import { keepSendingSlowly, nodeAndJava } from './node-and-java.js'
import { kill, stop } from './nodes-under-test.js'

const DEADLINE = 120_000
const TEST_TIMEOUT = 300_000
const QUEUES = 4
/** Messages before and after a fault. */
const SOME = 100
/** More than a consumer takes within the time in which a server is killed. */
const MANY = 600

let cluster: Cluster
let oracle: Oracle
let master: ClusterNode
let slave: ClusterNode
let alone: ClusterNode

beforeAll(async () => {
  cluster = await startCluster({
    route: 'java',
    brokers: [{ name: 'broker-a' }, { name: 'broker-a', id: 1 }, { name: 'broker-b' }],
    config: { slaveReadEnable: 'true', haHousekeepingInterval: '5000', haSendHeartbeatInterval: '1000' },
    log: () => {},
  })
  master = cluster.broker('broker-a')
  slave = cluster.broker('broker-a:1')
  alone = cluster.broker('broker-b')
  oracle = await startOracle(cluster.version)
})

afterAll(async () => {
  await oracle?.stop()
  await cluster?.stop()
})

/** Consumers of a topic on one broker, and messages that keep coming. */
async function underLoad(topic = uniqueName('recover'), namesrvAddr = cluster.namesrvAddr) {
  await createTopic(cluster, topic, { queues: QUEUES, brokers: [alone] })
  const producer = await startProducer({ namesrvAddr: cluster.namesrvAddr, pollNameServerInterval: 500 })
  const pair = await nodeAndJava(oracle, { namesrvAddr, topic, queues: QUEUES })
  const load = keepSendingSlowly(producer, topic)
  const more = async (count = SOME) => {
    const from = load.sent.length
    await until(() => load.sent.length >= from + count, DEADLINE)
  }
  await more()
  await pair.all(load.sent.slice())
  /** Waits until both consumers have all that was ever stored. */
  const settle = async () => {
    await more()
    await load.end()
    await pair.all(load.sent)
    await until(() => pair.consumer.health().isHealthy, DEADLINE)
  }
  const print = (fault: string, since: number) => pair.print(fault, since, load.sent)
  return { topic, more, settle, print }
}

test(
  'a consumer goes on when its sockets are cut',
  async () => {
    const network = await faultyNetwork([alone.address])
    const names = await scriptedNameServer()
    const topic = uniqueName('cut')
    const brokerDatas = [brokerData(alone.name, { 0: network.addressMap(alone.address) })]
    names.routes.set(topic, routeBody({ queueDatas: [queueData(alone.name, QUEUES)], brokerDatas }))
    const { more, settle, print } = await underLoad(topic, names.address)
    const since = Date.now()
    for (let i = 0; i < 3; i++) {
      network.cut()
      await more()
    }
    await settle()
    await print('sockets cut three times', since)
  },
  TEST_TIMEOUT,
)

test(
  'a consumer goes on when its sockets swallow everything in silence',
  async () => {
    const network = await faultyNetwork([alone.address])
    const names = await scriptedNameServer()
    const topic = uniqueName('swallow')
    const brokerDatas = [brokerData(alone.name, { 0: network.addressMap(alone.address) })]
    names.routes.set(topic, routeBody({ queueDatas: [queueData(alone.name, QUEUES)], brokerDatas }))
    const { settle, print } = await underLoad(topic, names.address)
    const since = Date.now()
    network.swallow()
    await settle()
    await print('sockets that swallow everything', since)
  },
  TEST_TIMEOUT,
)

test(
  'a consumer goes on while the NameServer is gone and when it is back',
  async () => {
    const { more, settle, print } = await underLoad()
    const [nameServer] = cluster.nameServers
    if (nameServer === undefined) throw new Error('the cluster has no NameServer')
    const since = Date.now()
    await kill(nameServer)
    await more()
    await nameServer.restart()
    await settle()
    await print('NameServer killed and started again', since)
  },
  TEST_TIMEOUT,
)

test.each([
  ['stopped', stop],
  ['killed', kill],
])(
  'a consumer goes on when its broker was %s and is started again',
  async (how, end) => {
    const { settle, print } = await underLoad()
    const since = Date.now()
    await end(alone)
    await alone.restart()
    const away = Date.now() - since
    await settle()
    await print(`broker ${how} and started again, which took ${away} ms`, since)
  },
  TEST_TIMEOUT,
)

test(
  'a consumer reads on from the slave when the master is killed, and from the master when it is back',
  async () => {
    // Brokers make a topic of their own name, with one queue. Of other topics a slave learns a minute after its start.
    const topic = master.name
    const { namesrvAddr } = cluster
    const producer = await startProducer({ namesrvAddr, pollNameServerInterval: 500 })
    const sent: string[] = []
    const send = async (count: number) => {
      for (let i = 0; i < count; i++) {
        const { msgId } = await producer.send(
          { topic, body: 'x' },
          { queue: { topic, brokerName: master.name, queueId: 0 } },
        )
        sent.push(msgId)
      }
    }
    // Slow and with little room, so that most is left at the broker.
    const pair = await nodeAndJava(oracle, {
      namesrvAddr,
      topic,
      queues: 1,
      handler: { sleep: 20 },
      node: { consumeConcurrency: 1, pullBatchSize: 10, pullThresholdForQueue: 10 },
      java: { consumeThreadMin: 1, consumeThreadMax: 1, pullBatchSize: 10, pullThresholdForQueue: 10 },
    })
    await send(MANY)
    await until(() => brokerHas(slave, topic, 0, MANY - 1), DEADLINE)
    await until(async () => pair.node.length >= 50 && (await pair.java()).length >= 50, DEADLINE)
    const since = Date.now()
    await kill(master)
    expect(pair.node.length).toBeLessThan(MANY)
    await pair.all(sent)
    await pair.print('master killed, slave left', since, sent)

    await master.restart()
    await until(() => works(() => send(1)), DEADLINE)
    const isBack = Date.now()
    await send(SOME)
    await pair.all(sent)
    await until(() => pair.consumer.health().isHealthy, DEADLINE)
    await pair.print('master back', isBack, sent)
  },
  TEST_TIMEOUT,
)
