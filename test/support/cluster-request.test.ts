import { expect, test } from 'vitest'
import { chooseRoutes, requireSimpleRequest, resolveRequest } from './cluster-request.js'

test('Docker is tried before Java where nothing is said', () => {
  expect(chooseRoutes(undefined, {})).toEqual(['docker', 'java'])
})

test('a running cluster that ROCKETMQ_NAMESRV names is the only route', () => {
  expect(chooseRoutes(undefined, { ROCKETMQ_NAMESRV: '127.0.0.1:9876' })).toEqual(['external'])
})

test('ROCKETMQ_CLUSTER forces a route, even past ROCKETMQ_NAMESRV', () => {
  expect(chooseRoutes(undefined, { ROCKETMQ_CLUSTER: 'docker' })).toEqual(['docker'])
  expect(chooseRoutes(undefined, { ROCKETMQ_CLUSTER: 'java', ROCKETMQ_NAMESRV: '127.0.0.1:9876' })).toEqual(['java'])
})

test('the route that a test asks for is stronger than the environment', () => {
  expect(chooseRoutes('java', { ROCKETMQ_CLUSTER: 'docker', ROCKETMQ_NAMESRV: '127.0.0.1:9876' })).toEqual(['java'])
})

test('an unknown route is refused with the routes there are', () => {
  expect(() => chooseRoutes(undefined, { ROCKETMQ_CLUSTER: 'podman' })).toThrow(
    'ROCKETMQ_CLUSTER=podman is no route: set it to external, docker, java',
  )
})

test('a cluster is one NameServer and one master of version 5.5.0 unless told otherwise', () => {
  const request = resolveRequest({}, {})
  expect(request).toMatchObject({ version: '5.5.0', nameServers: 1 })
  expect(request.brokers).toEqual([{ name: 'broker-a', id: 0, role: 'ASYNC_MASTER', config: {} }])
})

test('the version comes from the options, then from ROCKETMQ_VERSION', () => {
  const env = { ROCKETMQ_VERSION: '5.1.4' }
  expect(resolveRequest({}, env).version).toBe('5.1.4')
  expect(resolveRequest({ version: '4.9.7' }, env).version).toBe('4.9.7')
})

test('a broker with an id other than 0 is a slave unless told otherwise', () => {
  const { brokers } = resolveRequest(
    {
      brokers: [
        { name: 'broker-a', role: 'SYNC_MASTER' },
        { name: 'broker-a', id: 1 },
      ],
    },
    {},
  )
  expect(brokers.map((broker) => broker.role)).toEqual(['SYNC_MASTER', 'SLAVE'])
})

test('two brokers of the same name and id are refused', () => {
  expect(() => resolveRequest({ brokers: [{ name: 'broker-a' }, { name: 'broker-a' }] }, {})).toThrow(
    'two brokers of the cluster are "broker-a"',
  )
})

test('more than one broker or NameServer is refused on a route that has one of each', () => {
  const request = resolveRequest({ nameServers: 2, brokers: [{ name: 'broker-a' }, { name: 'broker-b' }] }, {})
  expect(() => requireSimpleRequest(request, 'docker')).toThrow(
    "a cluster with 2 brokers and 2 NameServers can not be had by docker: pass route: 'java'",
  )
  expect(() => requireSimpleRequest(resolveRequest({}, {}), 'docker')).not.toThrow()
})
