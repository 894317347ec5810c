import { expect, inject, test } from 'vitest'
import { canConnect, clusterInfo, topicBrokers } from './remoting-probe.js'

const nameServer = inject('namesrvAddr').split(';')[0] ?? ''

test('the shared cluster lists its broker under the address that the tests get', async () => {
  const { brokers } = await clusterInfo(nameServer)
  const addresses = [...brokers.values()].flatMap((members) => [...members.values()])
  expect(addresses).toContain(inject('brokerAddress'))
})

test('the shared broker accepts connections', async () => {
  expect(await canConnect(inject('brokerAddress'))).toBe(true)
})

test('the shared cluster has a route for the topic that others are made from, and none for an unknown one', async () => {
  expect(await topicBrokers(nameServer, 'TBW102')).not.toHaveLength(0)
  expect(await topicBrokers(nameServer, 'no-such-topic')).toBeUndefined()
})

test('the tests are told the version and the route of the shared cluster', () => {
  expect(inject('rocketmqVersion')).toMatch(/^\d+\.\d+\.\d+|^unknown$/)
  expect(['external', 'docker', 'java']).toContain(inject('clusterRoute'))
})
