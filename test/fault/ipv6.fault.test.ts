import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Cluster, startCluster } from '../support/cluster.js'
import { uniqueName } from '../support/names.js'
import { readTopic } from '../support/read-topic.js'
import { expectAccepted } from '../support/secured-calls.js'
import { until } from '../support/until.js'
import { startConsumer, startProducer } from './clients-under-test.js'
import { createTopic } from './create-topic.js'

let cluster: Cluster

beforeAll(async () => {
  const config = { timerWheelEnable: 'true', osPageCacheBusyTimeOutMills: '10000' }
  cluster = await startCluster({ route: 'java', host: '::1', config, log: () => {} })
})

afterAll(() => cluster?.stop())

test('servers that listen on IPv6 serve all kinds of clients', async () => {
  expect(cluster.namesrvAddr).toMatch(/^\[::1\]:\d+$/)
  const topic = uniqueName('ipv6')
  await createTopic(cluster, topic)
  const options = { namesrvAddr: cluster.namesrvAddr }
  await expectAccepted({ options, topic, consumerGroup: uniqueName('cg'), hasPop: true })
})

test('messages name the IPv6 hosts that they are from and at, and a broker that was restarted is found again', async () => {
  const topic = uniqueName('ipv6')
  await createTopic(cluster, topic)
  const options = { namesrvAddr: cluster.namesrvAddr }
  const producer = await startProducer(options)
  await producer.send({ topic, body: '1' })
  const { address } = cluster.broker('broker-a')
  expect(producer.health().brokers).toEqual([{ brokerName: 'broker-a', address, isConnected: true }])
  await cluster.broker('broker-a').restart()
  await until(() => producer.health().brokers.every(({ isConnected }) => isConnected), 30_000)
  await producer.send({ topic, body: '2' })
  const messages = await readTopic(await startConsumer(options), topic, 2)
  const [, port] = /:(\d+)$/.exec(address) ?? []
  for (const { bornHost, storeHost } of messages) {
    expect(bornHost).toMatch(/^\[::1\]:\d+$/)
    expect(storeHost).toBe(`[::1]:${port}`)
  }
})
