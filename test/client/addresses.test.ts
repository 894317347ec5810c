import { inspect } from 'node:util'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { Client } from '../../src/client/client.js'
import type { ConnectionOptions } from '../../src/client/client-options.js'
import { ClientError, RemotingError } from '../../src/errors.js'
import { DefaultProducer } from '../../src/producer/default-producer.js'
import type { ProducerOptions } from '../../src/producer/producer-options.js'
import { addressServer } from '../support/address-server.js'
import { brokerData, queueData, routeBody, type ScriptedCluster, scriptedCluster } from '../support/scripted-cluster.js'
import { unusedAddress } from '../support/scripted-server.js'
import { stuckServer } from '../support/stuck-server.js'
import { rejectionOf, until } from '../support/until.js'

function producerOf(options: Partial<ProducerOptions>): DefaultProducer {
  const producer = new DefaultProducer({ producerGroup: 'g', pollNameServerInterval: 20, ...options })
  onTestFinished(() => producer.shutdown())
  return producer
}

/** Makes the topic T lie on a broker at this address, and nowhere else. */
function moveTopic(cluster: ScriptedCluster, address: string): void {
  const body = routeBody({ queueDatas: [queueData('broker-a')], brokerDatas: [brokerData('broker-a', { 0: address })] })
  cluster.nameServer.routes.set('T', body)
}

describe('nameServerUrl', () => {
  const make = (options: ConnectionOptions) => () => new Client(options)

  it('takes the place of namesrvAddr, and both together are refused', () => {
    const nameServerUrl = 'http://127.0.0.1/list'
    expect(make({ nameServerUrl, namesrvAddr: 'a:1' })).toThrow(ClientError)
    expect(make({ nameServerUrl, namesrvAddr: 'a:1' })).toThrow(
      /namesrvAddr and nameServerUrl of Client are both given/,
    )
    expect(make({ nameServerUrl: new URL(nameServerUrl) })).not.toThrow()
  })

  it('goes before NAMESRV_ADDR in the environment', () => {
    vi.stubEnv('NAMESRV_ADDR', 'env-a:1')
    onTestFinished(() => void vi.unstubAllEnvs())
    expect(new Client({ nameServerUrl: 'http://127.0.0.1/list' }).options.namesrvAddr).toEqual([])
  })

  it.each([
    ['ftp://host/list', /is one of ftp:, the URL of a web server \(http: or https:\) expected/],
    ['file:///etc/hosts', /is one of file:/],
    ['host:9876', /is one of host:/],
    ['no URL', /is of type string/],
    [7, /is of type number/],
    [null, /is of type object/],
  ])('is refused where it is no URL of the web: %j', (value, problem) => {
    expect(make({ nameServerUrl: value as string })).toThrow(ClientError)
    expect(make({ nameServerUrl: value as string })).toThrow(problem)
  })

  it('shows no password in an inspected client', () => {
    const client = new Client({ nameServerUrl: 'http://user:c4n4ry@host/list?token=c4n4ry' })
    expect(inspect(client, { depth: 20, showHidden: true }) + JSON.stringify(client.options)).not.toContain('c4n4ry')
  })

  it('gives a producer its NameServers, those of its unit where it has one', async () => {
    const cluster = await scriptedCluster()
    const server = await addressServer(`${cluster.namesrvAddr}\n`)
    const producer = producerOf({ nameServerUrl: server.url, unitName: 'unit-1' })
    await producer.start()
    await producer.send({ topic: 'T', body: 'x' })
    expect(server.asked).toEqual(['/rocketmq/nsaddr-unit-1?nofix=1'])
    expect(producer.health().nameServers).toEqual([{ address: cluster.namesrvAddr, isConnected: true }])
  })

  it('that gives no list lets no producer start, until it gives one', async () => {
    const cluster = await scriptedCluster()
    const server = await addressServer('')
    const producer = producerOf({ nameServerUrl: server.url })
    const error = await rejectionOf(producer.start())
    expect(error).toBeInstanceOf(ClientError)
    expect(error).toMatchObject({ code: 'NAME_SERVER_URL_FAILED', retryable: true })
    expect(error.message).toContain(server.url)
    server.answer = cluster.namesrvAddr
    await producer.start()
    await producer.send({ topic: 'T', body: 'x' })
  })

  it('that hangs does not hold up a shutdown', async () => {
    const server = await addressServer(() => undefined)
    const producer = producerOf({ nameServerUrl: server.url })
    const started = rejectionOf(producer.start())
    await until(() => server.asked.length === 1)
    const client = new Client({ nameServerUrl: server.url })
    const second = rejectionOf(client.start())
    await until(() => server.asked.length === 2)
    await client.shutdown()
    expect(await second).toMatchObject({ code: 'CLOSED' })
    server.answer = 'a:1'
    await producer.shutdown()
    expect(await started).toMatchObject({ code: expect.stringMatching(/NAME_SERVER_URL_FAILED|CLOSED/) })
    await until(() => server.openConnections === 0)
  })

  it('moves a producer to other NameServers, and the connection to those that left is closed', async () => {
    const [first, second] = [await scriptedCluster(), await scriptedCluster()]
    const server = await addressServer(first.namesrvAddr)
    const producer = producerOf({ nameServerUrl: server.url, fetchNameServerAddrInterval: 20 })
    await producer.start()
    await producer.send({ topic: 'T', body: 'x' })
    server.answer = second.namesrvAddr
    await until(() => second.nameServer.asked('T') > 0)
    await until(() => first.nameServer.server.openConnections.length === 0)
    expect(producer.health().nameServers.map(({ address }) => address)).toEqual([second.namesrvAddr])
    await until(() => first.broker().server.openConnections.length === 0)
    await producer.send({ topic: 'T', body: 'x' })
    expect(second.broker().sends).toHaveLength(1)
  })

  it('that fails later on is told of by the event error, and sends go on', async () => {
    const cluster = await scriptedCluster()
    const server = await addressServer(cluster.namesrvAddr)
    const producer = producerOf({ nameServerUrl: server.url, fetchNameServerAddrInterval: 20 })
    const faults: { error: Error; what: string }[] = []
    producer.on('error', (fault) => faults.push(fault))
    await producer.start()
    server.answer = '<html>'
    await until(() => faults.length > 0 && server.asked.length > 5)
    await producer.send({ topic: 'T', body: 'x' })
    expect(faults).toHaveLength(1)
    expect(faults[0]).toMatchObject({ error: { code: 'NAME_SERVER_URL_FAILED' }, what: /NameServers/ })
  })
})

describe('a broker that no route names any more', () => {
  it('is left, and calls in flight to it are answered', async () => {
    const cluster = await scriptedCluster(['broker-a', 'broker-b'])
    const [a, b] = [cluster.broker(0), cluster.broker(1)]
    moveTopic(cluster, a.address)
    const producer = producerOf({ namesrvAddr: cluster.namesrvAddr })
    await producer.start()
    await producer.send({ topic: 'T', body: 'x' })
    const held: (() => void)[] = []
    a.scripts.set(310, (request, connection) => held.push(() => a.store(request, connection)))
    const sends = [producer.send({ topic: 'T', body: 'y' }), producer.send({ topic: 'T', body: 'z' })]
    await until(() => held.length === 2)
    moveTopic(cluster, b.address)
    await until(() => producer.health().brokers[0]?.address === b.address)
    expect(a.server.openConnections).toHaveLength(1)
    for (const answer of held) answer()
    expect((await Promise.all(sends)).map(({ sendStatus }) => sendStatus)).toEqual(['SEND_OK', 'SEND_OK'])
    await until(() => a.server.openConnections.length === 0)
    await producer.send({ topic: 'T', body: 'x' })
    expect(b.sends).toHaveLength(1)
  })

  it('is left on its VIP port too', async () => {
    const cluster = await scriptedCluster(['broker-a', 'broker-b'])
    const [a, b] = [cluster.broker(0), cluster.broker(1)]
    const advertised = (port: number) => `127.0.0.1:${port + 2}`
    moveTopic(cluster, advertised(a.server.port))
    const producer = producerOf({ namesrvAddr: cluster.namesrvAddr, vipChannel: true })
    await producer.start()
    await producer.send({ topic: 'T', body: 'x' })
    expect(a.server.openConnections).toHaveLength(1)
    moveTopic(cluster, advertised(b.server.port))
    await until(() => a.server.openConnections.length === 0)
  })

  it('that could not be reached is not tried any more', async () => {
    const cluster = await scriptedCluster()
    const dead = unusedAddress()
    moveTopic(cluster, dead)
    const producer = producerOf({ namesrvAddr: cluster.namesrvAddr, retryTimesWhenSendFailed: 0 })
    const failed: string[] = []
    producer.on('connectFailed', ({ address }) => failed.push(address))
    await producer.start()
    await rejectionOf(producer.send({ topic: 'T', body: 'x' }))
    moveTopic(cluster, cluster.broker().address)
    await until(() =>
      producer.send({ topic: 'T', body: 'x' }).then(
        () => true,
        () => false,
      ),
    )
    const before = failed.length
    const asked = cluster.nameServer.asked('T')
    await until(() => cluster.nameServer.asked('T') > asked + 20)
    expect(failed).toHaveLength(before)
  })
})

describe('the error of a connect', () => {
  const refused = async (options: Partial<ProducerOptions>) => {
    const producer = producerOf({ retryTimesWhenSendFailed: 0, ...options })
    await producer.start()
    const error = await rejectionOf(producer.send({ topic: 'T', body: 'x' }))
    expect(error).toBeInstanceOf(RemotingError)
    return error.message
  }

  it('says which broker advertises the address, by which route, and names addressMap', async () => {
    const cluster = await scriptedCluster()
    const dead = unusedAddress()
    moveTopic(cluster, dead)
    expect(await refused({ namesrvAddr: cluster.namesrvAddr })).toContain(
      `connect to ${dead}: refused (ECONNREFUSED): nothing listens there; the broker broker-a of topic T advertises this address (route from NameServer ${cluster.namesrvAddr}): if this host can't reach it, see the option addressMap`,
    )
  })

  it('says so when the call ends before the connect', async () => {
    const cluster = await scriptedCluster()
    const dead = await stuckServer()
    moveTopic(cluster, dead)
    const producer = producerOf({ namesrvAddr: cluster.namesrvAddr, retryTimesWhenSendFailed: 0 })
    await producer.start()
    await producer.fetchPublishMessageQueues('T')
    const error = await rejectionOf(producer.send({ topic: 'T', body: 'x' }, { timeout: 200 }))
    expect(error.message).toContain(`the broker broker-a of topic T advertises this address (route from NameServer`)
    expect(error.message).toContain('see the option addressMap')
  })

  it('says so of an address that is none', async () => {
    const cluster = await scriptedCluster()
    moveTopic(cluster, 'nowhere')
    expect(await refused({ namesrvAddr: cluster.namesrvAddr })).toMatch(
      /connect to nowhere: address 'nowhere' is no host:port .*; the broker broker-a of topic T advertises this address/,
    )
  })

  it('says so of an address that is mapped, and where it was dialled', async () => {
    const cluster = await scriptedCluster()
    const dead = unusedAddress()
    moveTopic(cluster, '10.0.0.5:10911')
    const addressMap = (address: string) => (address === '10.0.0.5:10911' ? dead : address)
    const message = await refused({ namesrvAddr: cluster.namesrvAddr, addressMap })
    expect(message).toContain(`connect to 10.0.0.5:10911: refused`)
    expect(message).toContain(
      `(dialled as ${dead} by addressMap); the broker broker-a of topic T advertises this address`,
    )
    expect(message).not.toContain('see the option addressMap')
  })

  it('says so of a VIP port', async () => {
    const cluster = await scriptedCluster()
    const dead = unusedAddress()
    const port = Number(dead.split(':')[1])
    moveTopic(cluster, `127.0.0.1:${port + 2}`)
    const message = await refused({ namesrvAddr: cluster.namesrvAddr, vipChannel: true })
    expect(message).toContain(`connect to ${dead}: `)
    expect(message).toContain(
      `the broker broker-a of topic T advertises 127.0.0.1:${port + 2}, of which this is the VIP port`,
    )
  })

  it('says which option a NameServer is from', async () => {
    const dead = unusedAddress()
    const given = await rejectionOf(producerOf({ namesrvAddr: dead }).start())
    expect(given.message).toContain(`nothing listens there; it is a NameServer of namesrvAddr`)
    const server = await addressServer(dead)
    const fetched = await rejectionOf(producerOf({ nameServerUrl: server.url }).start())
    expect(fetched.message).toContain(`nothing listens there; it is a NameServer of nameServerUrl ${server.url}`)
  })
})

describe('namespaceV2', () => {
  it('stands in every request of a client, and changes no name', async () => {
    const cluster = await scriptedCluster()
    const producer = producerOf({ namesrvAddr: cluster.namesrvAddr, namespaceV2: 'inst_1' })
    await producer.start()
    await producer.send({ topic: 'T', body: 'x' })
    await producer.sendBatch([{ topic: 'T', body: 'x' }])
    await producer.sendOneway({ topic: 'T', body: 'x' })
    await until(() => cluster.broker().sends.length === 3)
    await producer.shutdown()
    const requests = [...cluster.nameServer.server.requests, ...cluster.broker().server.requests]
    expect(new Set(requests.map(({ code }) => code))).toEqual(new Set([105, 34, 310, 320, 35]))
    for (const request of requests) {
      expect(request.extFields).toMatchObject({ ns: 'inst_1', nsd: 'true' })
      expect(request.field('topic') ?? 'T').toBe('T')
    }
  })

  it('stands beside the namespace v1', async () => {
    const cluster = await scriptedCluster()
    cluster.addTopic('v1%T')
    const producer = producerOf({ namesrvAddr: cluster.namesrvAddr, namespace: 'v1', namespaceV2: 'v2' })
    await producer.start()
    await producer.send({ topic: 'T', body: 'x' })
    expect(cluster.broker().sends[0]?.extFields).toMatchObject({ ns: 'v2', nsd: 'true', b: 'v1%T' })
  })

  it('is not in answers to the servers, and in nothing without the option', async () => {
    const cluster = await scriptedCluster()
    const producer = producerOf({ namesrvAddr: cluster.namesrvAddr, namespaceV2: 'inst_1' })
    await producer.start()
    await producer.send({ topic: 'T', body: 'x' })
    const connection = cluster.broker().server.connection()
    connection.request({ code: 9_999, opaque: 7 })
    await until(() => connection.answers.length === 1)
    expect(connection.answers[0]?.extFields).not.toHaveProperty('ns')
    const plain = producerOf({ namesrvAddr: cluster.namesrvAddr })
    cluster.broker().server.forget()
    await plain.start()
    await plain.send({ topic: 'T', body: 'x' })
    expect(cluster.broker().sends[0]?.extFields).not.toHaveProperty('nsd')
  })

  it.each(['', 'a b', 'ns%', 7, null])('is refused where it is no name: %j', (value) => {
    const make = () => new Client({ namesrvAddr: 'a:1', namespaceV2: value as string })
    expect(make).toThrow(/option namespaceV2 of Client is .*, letters, digits and \| _ - expected/)
  })
})
