import { describe, expect, it, onTestFinished } from 'vitest'
import { Client } from '../../src/client/client.js'
import type { Member } from '../../src/client/member.js'
import type { ClientOptions } from '../../src/client/member-options.js'
import { PullConsumer } from '../../src/consumer/pull-consumer.js'
import { ClientError, RemotingError } from '../../src/errors.js'
import { DefaultProducer } from '../../src/producer/default-producer.js'
import { activeResources, isNoMoreThan } from '../support/resources.js'
import { Code, type ScriptedCluster, scriptedCluster } from '../support/scripted-cluster.js'
import { unusedAddress } from '../support/scripted-server.js'
import { stuckServer } from '../support/stuck-server.js'
import { rejectionOf, turns, until } from '../support/until.js'

type Make = (options: ClientOptions) => Member

const KINDS: [string, Make][] = [
  ['DefaultProducer', (options) => new DefaultProducer({ producerGroup: 'g', ...options })],
  ['PullConsumer', (options) => new PullConsumer({ consumerGroup: 'g', ...options })],
]

function made<T extends Member | Client>(member: T): T {
  onTestFinished(() => member.shutdown())
  return member
}

/** A call that must be refused unless the member runs. */
async function use(member: Member): Promise<unknown> {
  if (member instanceof DefaultProducer) return member.send({ topic: 'T', body: 'x' })
  return (member as PullConsumer).fetchSubscribeMessageQueues('T')
}

async function groupsOf(cluster: ScriptedCluster): Promise<string[]> {
  const request = await until(() => cluster.broker().server.requestsOf(Code.HEARTBEAT).at(-1))
  const { producerDataSet, consumerDataSet } = JSON.parse(request.body.toString())
  return [...producerDataSet, ...consumerDataSet].map((data) => data.groupName)
}

describe.each(KINDS)('the life of a %s', (name, make) => {
  it('begins with start: before it, calls are refused', async () => {
    const { namesrvAddr } = await scriptedCluster()
    const member = made(make({ namesrvAddr }))
    const error = await rejectionOf(use(member))
    expect(error).toBeInstanceOf(ClientError)
    expect(error).toMatchObject({ code: 'NOT_STARTED' })
    expect(error.message).toContain('start()')
    await member.start()
    await expect(use(member)).resolves.toBeDefined()
  })

  it('refuses calls while start is under way', async () => {
    const { namesrvAddr } = await scriptedCluster()
    const member = made(make({ namesrvAddr }))
    const starting = member.start()
    expect(await rejectionOf(use(member))).toMatchObject({ code: 'NOT_STARTED' })
    await starting
  })

  it('starts once, however often start is called', async () => {
    const cluster = await scriptedCluster()
    const member = made(make({ namesrvAddr: cluster.namesrvAddr }))
    await Promise.all(Array.from({ length: 10 }, () => member.start()))
    await member.start()
    await use(member)
    expect(cluster.nameServer.server.connections).toHaveLength(1)
  })

  it('can start after a start that failed, once the NameServer is there', async () => {
    const address = { dial: unusedAddress() }
    const cluster = await scriptedCluster()
    const member = made(
      make({ namesrvAddr: 'names:9876', addressMap: (each) => (each === 'names:9876' ? address.dial : each) }),
    )
    const error = await rejectionOf(member.start())
    expect(error).toBeInstanceOf(RemotingError)
    expect(error).toMatchObject({ code: 'CONNECT_FAILED', address: 'names:9876' })
    expect(error.message).toContain('no NameServer of names:9876 can be reached')
    expect(error.message).toContain('ECONNREFUSED')
    expect(await rejectionOf(use(member))).toMatchObject({ code: 'NOT_STARTED' })
    address.dial = cluster.namesrvAddr
    await member.start()
    await expect(use(member)).resolves.toBeDefined()
  })

  it('names every NameServer when none can be reached', async () => {
    const [first, second] = [unusedAddress(), unusedAddress()]
    const error = await rejectionOf(made(make({ namesrvAddr: [first, second] })).start())
    expect(error.message).toContain(`no NameServer of ${first}, ${second}`)
  })

  it('starts when one of two NameServers is there', async () => {
    const { namesrvAddr } = await scriptedCluster()
    const member = made(make({ namesrvAddr: `${unusedAddress()};${namesrvAddr}` }))
    await member.start()
    await expect(use(member)).resolves.toBeDefined()
  })

  it('fails within connectTimeout when the NameServer takes no connection', async () => {
    const member = made(make({ namesrvAddr: await stuckServer(), connectTimeout: 60 }))
    const error = await rejectionOf(member.start())
    expect(error).toMatchObject({ code: 'CONNECT_FAILED' })
    expect(error.message).toContain('no connection within')
  })

  it('lets a caller give up waiting for start, by timeout or signal; the start itself goes on', async () => {
    const address = { dial: await stuckServer() }
    const cluster = await scriptedCluster()
    const member = made(make({ namesrvAddr: 'names:9876', connectTimeout: 300, addressMap: () => address.dial }))
    const error = await rejectionOf(member.start({ timeout: 20 }))
    expect(error).toMatchObject({ code: 'NOT_STARTED', retryable: true })
    expect(await rejectionOf(member.start({ signal: AbortSignal.abort() }))).toMatchObject({ code: 'ABORTED' })
    expect(await rejectionOf(member.start())).toMatchObject({ code: 'CONNECT_FAILED' })
    address.dial = cluster.namesrvAddr
    await expect(member.start({ timeout: 10_000 })).resolves.toBeUndefined()
  })

  it('leaves nothing running when start fails', async () => {
    const member = make({ namesrvAddr: unusedAddress() })
    await turns()
    const before = activeResources()
    await rejectionOf(member.start())
    await until(() => isNoMoreThan(before))
  })

  it('ends with shutdown: after it, calls and start are refused with CLOSED', async () => {
    const { namesrvAddr } = await scriptedCluster()
    const member = made(make({ namesrvAddr }))
    await member.start()
    await member.shutdown()
    for (const error of await Promise.all([member.start(), use(member)].map(rejectionOf))) {
      expect(error).toBeInstanceOf(ClientError)
      expect(error).toMatchObject({ code: 'CLOSED' })
      expect(error.message).toContain(`this ${name} is shut down`)
    }
    expect(member.health()).toMatchObject({ isHealthy: false, state: 'closed' })
  })

  it('ends once, however often shutdown is called', async () => {
    const cluster = await scriptedCluster()
    const member = made(make({ namesrvAddr: cluster.namesrvAddr }))
    await member.start()
    await use(member)
    await until(() => cluster.broker().server.requestsOf(Code.HEARTBEAT).length > 0)
    await Promise.all(Array.from({ length: 5 }, () => member.shutdown()))
    await member.shutdown()
    expect(cluster.broker().server.requestsOf(Code.UNREGISTER)).toHaveLength(1)
  })

  it('may end before it began', async () => {
    const { namesrvAddr } = await scriptedCluster()
    const member = make({ namesrvAddr })
    await member.shutdown()
    expect(await rejectionOf(member.start())).toMatchObject({ code: 'CLOSED' })
  })

  it('ends also when shutdown comes while it starts: start is refused, and nothing is left', async () => {
    const { namesrvAddr } = await scriptedCluster()
    await turns()
    const before = activeResources()
    const member = make({ namesrvAddr })
    const starting = rejectionOf(member.start())
    await member.shutdown()
    expect(await starting).toMatchObject({ code: 'CLOSED' })
    await until(() => isNoMoreThan(before))
  })

  it('ends also when shutdown comes while it connects in vain', async () => {
    const member = made(make({ namesrvAddr: await stuckServer(), connectTimeout: 100 }))
    const starting = rejectionOf(member.start())
    await turns(2)
    await member.shutdown()
    expect(await starting).toBeInstanceOf(Error)
  })

  it('leaves no group in a shared client when shutdown comes while it starts', async () => {
    const cluster = await scriptedCluster()
    const client = made(new Client({ namesrvAddr: cluster.namesrvAddr }))
    const member = make({ client })
    const starting = rejectionOf(member.start())
    await member.shutdown()
    expect(await starting).toMatchObject({ code: 'CLOSED' })
    const next = made(make({ client }))
    await next.start()
    await expect(use(next)).resolves.toBeDefined()
  })

  it('is disposed of with await using', async () => {
    const { namesrvAddr } = await scriptedCluster()
    const member = make({ namesrvAddr })
    await member.start()
    await member[Symbol.asyncDispose]()
    expect(await rejectionOf(use(member))).toMatchObject({ code: 'CLOSED' })
  })

  it('shows in health which connections there are', async () => {
    const cluster = await scriptedCluster()
    const member = made(make({ namesrvAddr: cluster.namesrvAddr }))
    expect(member.health()).toMatchObject({ isHealthy: false, state: 'created' })
    await member.start()
    await use(member)
    await until(() => member.health().isHealthy)
    expect(member.health()).toEqual({
      isHealthy: true,
      state: 'running',
      nameServers: [{ address: cluster.namesrvAddr, isConnected: true }],
      brokers: [{ brokerName: 'broker-a', address: cluster.broker().address, isConnected: true }],
    })
    await cluster.broker().server.close()
    await until(() => !member.health().isHealthy)
  })
})

describe('members that share a client', () => {
  it('use the same connections and are in the same heartbeats', async () => {
    const cluster = await scriptedCluster()
    const client = made(new Client({ namesrvAddr: cluster.namesrvAddr, heartbeatBrokerInterval: 20 }))
    const producer = made(new DefaultProducer({ producerGroup: 'p', client }))
    const consumer = made(new PullConsumer({ consumerGroup: 'c', client }))
    await Promise.all([producer.start(), consumer.start()])
    await producer.send({ topic: 'T', body: 'x' })
    await consumer.fetchSubscribeMessageQueues('T')
    await until(async () => (await groupsOf(cluster)).join() === 'p,c')
    expect(cluster.broker().server.connections).toHaveLength(1)
    expect(cluster.nameServer.server.connections).toHaveLength(1)
  })

  it('do not close it: what one shuts down, the others use on', async () => {
    const cluster = await scriptedCluster()
    const client = made(new Client({ namesrvAddr: cluster.namesrvAddr, heartbeatBrokerInterval: 20 }))
    const [first, second] = ['p1', 'p2'].map((producerGroup) => made(new DefaultProducer({ producerGroup, client })))
    await Promise.all([first?.start(), second?.start()])
    await first?.send({ topic: 'T', body: 'x' })
    await first?.shutdown()
    await expect(second?.send({ topic: 'T', body: 'x' })).resolves.toMatchObject({ sendStatus: 'SEND_OK' })
    expect(cluster.broker().server.connections).toHaveLength(1)
    await until(async () => (await groupsOf(cluster)).join() === 'p2')
    expect(client.state).toBe('running')
  })

  it.each(KINDS)('can not be two of one group: %s', async (_name, make) => {
    const { namesrvAddr } = await scriptedCluster()
    const client = made(new Client({ namesrvAddr }))
    const [first, second] = [made(make({ client })), made(make({ client }))]
    await first.start()
    const error = await rejectionOf(second.start())
    expect(error).toMatchObject({ code: 'GROUP_EXISTS' })
    expect(error.message).toContain('group g')
    await first.shutdown()
    await expect(second.start()).resolves.toBeUndefined()
  })

  it('leave no listener at it when they are shut down', async () => {
    const { namesrvAddr } = await scriptedCluster()
    const client = made(new Client({ namesrvAddr }))
    const before = client.remoting.listenerCount('connect') + client.routes.listenerCount('routeChange')
    for (let i = 0; i < 20; i++) {
      const producer = new DefaultProducer({ producerGroup: 'p', client })
      await producer.start()
      await producer.shutdown()
    }
    expect(client.remoting.listenerCount('connect') + client.routes.listenerCount('routeChange')).toBe(before)
  })

  it('are refused when the client was shut down', async () => {
    const { namesrvAddr } = await scriptedCluster()
    const client = made(new Client({ namesrvAddr }))
    await client.start()
    await client.shutdown()
    expect(await rejectionOf(made(new DefaultProducer({ producerGroup: 'p', client })).start())).toMatchObject({
      code: 'CLOSED',
    })
  })
})

describe('a Client that is shut down while it starts', () => {
  it('refuses the start with CLOSED and leaves nothing', async () => {
    const { namesrvAddr } = await scriptedCluster()
    await turns()
    const before = activeResources()
    const client = new Client({ namesrvAddr })
    const starting = rejectionOf(client.start())
    await client.shutdown()
    expect(await starting).toMatchObject({ code: 'CLOSED' })
    await until(() => isNoMoreThan(before))
    expect(client.state).toBe('closed')
  })
})

describe('events', () => {
  it('tell of connections, routes and faults', async () => {
    const cluster = await scriptedCluster()
    const producer = made(new DefaultProducer({ producerGroup: 'g', namesrvAddr: cluster.namesrvAddr }))
    const events: string[] = []
    producer.on('connect', ({ address }) => events.push(`connect ${address}`))
    producer.on('routeChange', ({ topic, previous }) => events.push(`routeChange ${topic} ${previous}`))
    producer.on('disconnect', ({ address, error }) => events.push(`disconnect ${address} ${error?.code}`))
    await producer.start()
    await producer.send({ topic: 'T', body: 'x' })
    const brokerAddress = cluster.broker().address
    expect(events).toEqual([`connect ${cluster.namesrvAddr}`, 'routeChange T undefined', `connect ${brokerAddress}`])
    cluster.broker().server.connection().reset()
    await until(() => events.length === 5)
    expect(events.slice(3)).toEqual([`disconnect ${brokerAddress} CONNECTION_CLOSED`, `connect ${brokerAddress}`])
  })

  it('do no harm when a listener throws', async () => {
    const cluster = await scriptedCluster()
    const producer = made(new DefaultProducer({ producerGroup: 'g', namesrvAddr: cluster.namesrvAddr }))
    for (const event of ['connect', 'disconnect', 'connectFailed', 'routeChange', 'error'] as const) {
      producer.on(event, () => {
        throw new Error('from a listener')
      })
    }
    await producer.start()
    await expect(producer.send({ topic: 'T', body: 'x' })).resolves.toMatchObject({ sendStatus: 'SEND_OK' })
    cluster.broker().server.connection().reset()
    await until(() => cluster.broker().server.connections.length === 2)
    await expect(producer.send({ topic: 'T', body: 'x' })).resolves.toMatchObject({ sendStatus: 'SEND_OK' })
    await producer.shutdown()
  })
})
