import dns from 'node:dns'
import { expect, inject, onTestFinished, test, vi } from 'vitest'
import { DefaultProducer, type ProducerOptions } from '../../src/index.js'
import { addressServer } from '../support/address-server.js'
import { uniqueName } from '../support/names.js'
import { unusedAddress } from '../support/scripted-server.js'
import { expectAccepted } from '../support/secured-calls.js'
import { socksServer } from '../support/socks-server.js'
import { rejectionOf, until } from '../support/until.js'

const namesrvAddr = inject('namesrvAddr')
const brokerAddress = inject('brokerAddress')
const hasPop = inject('rocketmqVersion') !== '4.9.7'
const portOf = (address: string) => address.slice(address.lastIndexOf(':') + 1)

async function startProducer(options: Partial<ProducerOptions>): Promise<DefaultProducer> {
  const producer = new DefaultProducer({ producerGroup: uniqueName('pg'), ...options })
  onTestFinished(() => producer.shutdown())
  await producer.start()
  return producer
}

async function expectAllWork(options: Partial<ProducerOptions>): Promise<void> {
  const topic = uniqueName('addresses')
  const producer = await startProducer({ namesrvAddr })
  await producer.send({ topic, body: 'makes the topic' })
  await expectAccepted({ options, topic, consumerGroup: uniqueName('cg'), hasPop })
}

test('all kinds of clients find a cluster by an address server', async () => {
  const server = await addressServer(`${namesrvAddr}\n`)
  await expectAllWork({ nameServerUrl: server.url })
})

test('a producer follows the list of an address server while it runs', async () => {
  const dead = unusedAddress()
  const server = await addressServer(`${dead};${namesrvAddr}`)
  const producer = await startProducer({ nameServerUrl: server.url, fetchNameServerAddrInterval: 20 })
  await producer.send({ topic: uniqueName('addresses'), body: 'x' })
  server.answer = namesrvAddr
  await until(() => producer.health().nameServers.length === 1)
  await producer.send({ topic: uniqueName('addresses'), body: 'x' })
  const faults: string[] = []
  producer.on('error', ({ error }) => faults.push(error.message))
  server.answer = ''
  await until(() => faults.length > 0)
  await producer.send({ topic: uniqueName('addresses'), body: 'x' })
  expect(producer.health().nameServers.map(({ address }) => address)).toEqual([namesrvAddr])
})

test('all kinds of clients reach a cluster by a SOCKS5 proxy alone', async () => {
  const user = { username: 'user', password: 'secret' }
  const proxy = await socksServer(user)
  await expectAllWork({ namesrvAddr, socksProxy: { addr: proxy.address, ...user } })
  expect(new Set(proxy.asked)).toEqual(new Set([namesrvAddr, brokerAddress]))
})

test('a SOCKS5 proxy that refuses the password is told of, with the address that was wanted', async () => {
  const proxy = await socksServer({ username: 'user', password: 'secret' })
  const socksProxy = { addr: proxy.address, username: 'user', password: 'other-secret' }
  const error = await rejectionOf(startProducer({ namesrvAddr, socksProxy }))
  expect(error).toMatchObject({ code: 'CONNECT_FAILED' })
  expect(error.message).toContain(namesrvAddr)
  expect(error.message).toContain(`the SOCKS5 proxy ${proxy.address}: it refused the user name or the password`)
  expect(error.message).not.toContain('secret')
})

test('servers are found by a name whose first addresses are dead', async () => {
  // A secured cluster's certificates are for this name, too.
  const name = 'localhost'
  const { lookup } = dns
  const records = ['127.0.0.7', '::1', '127.0.0.1'].map((address) => ({ address, family: address === '::1' ? 6 : 4 }))
  const own = (host: string, ...rest: unknown[]) => {
    if (host === name) setImmediate(() => (rest[1] as (...answer: unknown[]) => void)(null, records))
    else (lookup as (...all: unknown[]) => void)(host, ...rest)
  }
  const spy = vi.spyOn(dns, 'lookup').mockImplementation(own as never)
  onTestFinished(() => void spy.mockRestore())
  const producer = await startProducer({
    namesrvAddr: `${name}:${portOf(namesrvAddr)}`,
    addressMap: (address) => (address === brokerAddress ? `${name}:${portOf(brokerAddress)}` : address),
  })
  await expect(producer.send({ topic: uniqueName('addresses'), body: 'x' })).resolves.toMatchObject({
    sendStatus: 'SEND_OK',
  })
})

test('a broker that can not be reached is told of with the NameServer that names it', async () => {
  const dead = unusedAddress()
  const addressMap = (address: string) => (address === brokerAddress ? dead : address)
  const producer = await startProducer({ namesrvAddr, addressMap, retryTimesWhenSendFailed: 0 })
  const error = await rejectionOf(producer.send({ topic: uniqueName('addresses'), body: 'x' }))
  expect(error.message).toContain(`connect to ${brokerAddress}: refused (ECONNREFUSED)`)
  expect(error.message).toContain(`(dialled as ${dead} by addressMap); the broker broker-a of topic `)
  expect(error.message).toContain(`advertises this address (route from NameServer ${namesrvAddr})`)
})

test('all kinds of clients work in a namespace v2, alone and beside one of v1', async () => {
  const namespaceV2 = uniqueName('v2')
  await expectAllWork({ namesrvAddr, namespaceV2 })
  const topic = uniqueName('addresses')
  const options = { namesrvAddr, namespaceV2, namespace: uniqueName('v1') }
  const producer = await startProducer(options)
  await producer.send({ topic, body: 'makes the topic' })
  await expectAccepted({ options, topic, consumerGroup: uniqueName('cg'), hasPop })
})
