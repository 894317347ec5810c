import { expect, test } from 'vitest'
import { brokerSettings, clusterNameOf, nameServerSettings, renderProperties } from './broker-config.js'
import type { ResolvedBroker } from './cluster-types.js'

const BROKER: ResolvedBroker = { name: 'broker-a', id: 1, role: 'SLAVE', config: {} }
const PLACE = {
  host: '127.0.0.1',
  port: 20_911,
  namesrvAddr: '127.0.0.1:20876',
  storeFolder: '/data/store',
  bindAddress: '127.0.0.1',
}

test('a broker is told who it is, where it listens and where it registers', () => {
  expect(brokerSettings({ version: '5.5.0', config: {} }, BROKER, PLACE)).toMatchObject({
    brokerClusterName: 'DefaultCluster',
    brokerName: 'broker-a',
    brokerId: '1',
    brokerRole: 'SLAVE',
    brokerIP1: '127.0.0.1',
    bindAddress: '127.0.0.1',
    listenPort: '20911',
    namesrvAddr: '127.0.0.1:20876',
    storePathRootDir: '/data/store',
    storePathCommitLog: '/data/store/commitlog',
    autoCreateTopicEnable: 'true',
  })
})

test("the cluster's settings are stronger than the defaults, and a broker's own are stronger still", () => {
  const config = { autoCreateTopicEnable: 'false', timerWheelEnable: 'true', brokerClusterName: 'other' }
  const own = { ...BROKER, config: { timerWheelEnable: 'false' } }
  const settings = brokerSettings({ version: '5.5.0', config }, own, PLACE)
  expect(settings).toMatchObject({
    autoCreateTopicEnable: 'false',
    timerWheelEnable: 'false',
    brokerClusterName: 'other',
  })
  expect(clusterNameOf({ config })).toBe('other')
})

test('servers of 4.x are not given the bind address that they do not know', () => {
  expect(brokerSettings({ version: '4.9.7', config: {} }, BROKER, PLACE)).not.toHaveProperty('bindAddress')
  const place = { port: 20_876, kvConfigPath: '/data/kv.json', bindAddress: '127.0.0.1' }
  expect(nameServerSettings({ version: '4.9.7', nameServerConfig: {} }, place)).not.toHaveProperty('bindAddress')
  expect(nameServerSettings({ version: '5.1.4', nameServerConfig: {} }, place)).toHaveProperty(
    'bindAddress',
    '127.0.0.1',
  )
})

test('a NameServer gets its own settings last', () => {
  const place = { port: 20_876, kvConfigPath: '/data/kv.json' }
  const settings = nameServerSettings({ version: '5.5.0', nameServerConfig: { supportActingMaster: 'true' } }, place)
  expect(settings).toEqual({ listenPort: '20876', kvConfigPath: '/data/kv.json', supportActingMaster: 'true' })
})

test('settings are written so that Java reads the same values back', () => {
  expect(renderProperties({ a: '1', b: 'C:\\x', c: 'two\nlines', d: ' lead', e: 'é', f: '{"u":"v=w"}' })).toBe(
    'a=1\nb=C:\\\\x\nc=two\\nlines\nd=\\ lead\ne=\\u00e9\nf={"u":"v=w"}\n',
  )
})
