import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { type Cluster, startCluster } from './cluster.js'
import { clusterInfo, probe, topicBrokers } from './remoting-probe.js'

const PATIENCE = { timeout: 30_000, interval: 100 }
const GET_BROKER_RUNTIME_INFO = 28

let cluster: Cluster

beforeAll(async () => {
  cluster = await startCluster({
    route: 'java',
    nameServers: 2,
    brokers: [{ name: 'broker-a' }, { name: 'broker-b' }],
    log: () => {},
  })
})

afterAll(() => cluster?.stop())

async function listedBrokers(nameServer: string): Promise<string[]> {
  return [...(await clusterInfo(nameServer)).brokers.keys()].sort()
}

function answers(address: string): Promise<boolean> {
  return probe(address, { code: GET_BROKER_RUNTIME_INFO }, { timeout: 1000 }).then(
    () => true,
    () => false,
  )
}

test('every NameServer of a cluster lists both brokers once it has started', async () => {
  expect(cluster.nameServers).toHaveLength(2)
  expect(cluster.namesrvAddr).toBe(cluster.nameServers.map((node) => node.address).join(';'))
  for (const node of cluster.nameServers) {
    expect(await listedBrokers(node.address)).toEqual(['broker-a', 'broker-b'])
    expect(await topicBrokers(node.address, 'TBW102')).toEqual(['broker-a', 'broker-b'])
  }
})

test('a broker that is killed leaves the route, and comes back under its address when it is restarted', async () => {
  const broker = cluster.broker('broker-b')
  const [nameServer] = cluster.nameServers
  const { address, pid } = broker
  await broker.kill()
  expect(broker.pid).toBeUndefined()
  await vi.waitFor(async () => expect(await listedBrokers(nameServer?.address ?? '')).toEqual(['broker-a']), PATIENCE)

  await broker.restart()
  expect(broker.address).toBe(address)
  expect(broker.pid).not.toBe(pid)
  for (const node of cluster.nameServers) {
    expect((await clusterInfo(node.address)).brokers.get('broker-b')?.get(0)).toBe(address)
  }
})

test('a broker that is paused answers nothing until it is resumed', async () => {
  const broker = cluster.broker('broker-a')
  broker.pause()
  expect(await answers(broker.address)).toBe(false)
  broker.resume()
  await vi.waitFor(async () => expect(await answers(broker.address)).toBe(true), PATIENCE)
})

test('a broker that is stopped while it is paused ends', async () => {
  const broker = cluster.broker('broker-b')
  broker.pause()
  await broker.stop()
  expect(broker.pid).toBeUndefined()
  expect(() => broker.pause()).toThrow('broker-b does not run')
  await broker.restart()
})

test('a NameServer that is restarted lists both brokers again', async () => {
  const [, second] = cluster.nameServers
  await second?.kill()
  await second?.restart()
  expect(await listedBrokers(second?.address ?? '')).toEqual(['broker-a', 'broker-b'])
})

test('the log of a broker can be read', () => {
  expect(cluster.broker('broker-a').logTail(500).split('\n').length).toBeGreaterThan(10)
})

test('a server that dies at its start is reported with the end of its log', async () => {
  const start = startCluster({ route: 'java', jvmOptions: ['-XX:NoSuchOption'], log: () => {} })
  await expect(start).rejects.toThrow(/ended while starting: exit code 1[\s\S]*end of its log:[\s\S]*NoSuchOption/)
})

test('a stopped cluster leaves no process behind', async () => {
  const pids = [...cluster.nameServers, ...cluster.brokers].flatMap((node) => node.pid ?? [])
  expect(pids).toHaveLength(4)
  await cluster.stop()
  for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow('ESRCH')
  await cluster.stop()
})
