import net from 'node:net'
import { expect, test } from 'vitest'
import { chooseClusterPorts, machinePorts, type PortSource } from './ports.js'

/** Counts up through the range instead of choosing at random. */
function counting(step: number, isFree: (port: number) => boolean = () => true): PortSource {
  let calls = 0
  return { isFree: async (port) => isFree(port), random: () => (calls++ * step) / 12_000 }
}

test('no two servers of a cluster share a port, those for VIP clients and slaves included', async () => {
  const ports = await chooseClusterPorts(2, 3, counting(1), new Set())
  const all = [...ports.nameServers, ...ports.brokers.flatMap((port) => [port, port - 2, port + 1])]
  expect(all).toHaveLength(11)
  expect(new Set(all).size).toBe(11)
})

test('a broker port is passed over when one of its two neighbours is taken', async () => {
  const busy = new Set([20_008, 20_011])
  const ports = await chooseClusterPorts(
    0,
    1,
    counting(10, (port) => !busy.has(port)),
    new Set([19_998]),
  )
  expect(ports.brokers).toEqual([20_020])
})

test('a port that was handed out once is not handed out again', async () => {
  const taken = new Set<number>()
  const first = await chooseClusterPorts(1, 0, counting(1), taken)
  const second = await chooseClusterPorts(1, 0, counting(1), taken)
  expect(first.nameServers).toEqual([20_000])
  expect(second.nameServers).toEqual([20_001])
})

test('the choice fails with a sentence when no port is free', async () => {
  const none: PortSource = { isFree: async () => false, random: Math.random }
  await expect(chooseClusterPorts(1, 0, none, new Set())).rejects.toThrow('found no free port between 20000 and 32000')
})

test('a port of this machine that somebody listens on is not free', async () => {
  const server = net.createServer().listen(0, '127.0.0.1')
  try {
    await new Promise((resolve) => server.once('listening', resolve))
    const busy = (server.address() as net.AddressInfo).port
    expect(await machinePorts.isFree(busy)).toBe(false)
  } finally {
    server.close()
  }
})
