import { expect, test } from 'vitest'
import { isOwnAddress, reachEngine } from './docker-engine.js'

const LOCAL = { host: 'localhost', operatingSystem: 'Debian GNU/Linux 12', remoteSocketPath: '/var/run/docker.sock' }
const GATEWAY = { ...LOCAL, host: '172.17.0.1' }

test('an engine of this Linux machine shares its network', () => {
  expect(reachEngine(LOCAL, true, 'linux')).toEqual({ host: '127.0.0.1', network: 'host' })
})

test('a gateway that is one of our own addresses is this machine too', () => {
  expect(reachEngine(GATEWAY, true, 'linux')).toEqual({ host: '127.0.0.1', network: 'host' })
})

test('an engine whose socket was mounted into our container publishes ports at its gateway', () => {
  expect(reachEngine(GATEWAY, false, 'linux')).toEqual({ host: '172.17.0.1', network: 'mapped' })
})

test('an engine that runs containers in a network of its own publishes ports', () => {
  const mapped = { host: '127.0.0.1', network: 'mapped' }
  expect(reachEngine({ ...LOCAL, operatingSystem: 'Docker Desktop' }, true, 'linux')).toEqual(mapped)
  expect(reachEngine({ ...LOCAL, remoteSocketPath: '/run/user/1000/docker.sock' }, true, 'linux')).toEqual(mapped)
  expect(reachEngine(LOCAL, true, 'darwin')).toEqual(mapped)
})

test('an address is ours when it can be listened on', async () => {
  expect(await isOwnAddress('localhost')).toBe(true)
  expect(await isOwnAddress('127.0.0.1')).toBe(true)
  // Kept for documentation, so no machine has it.
  expect(await isOwnAddress('203.0.113.1')).toBe(false)
})
