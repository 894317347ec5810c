import { describe, expect, it } from 'vitest'
import { ClientError, RemotingError } from '../../src/errors.js'
import { ask, remotingClient } from '../support/remoting-under-test.js'
import { type ScriptedConnection, scriptedServer, unusedAddress } from '../support/scripted-server.js'
import { stuckServer } from '../support/stuck-server.js'
import { rejectionOf, until } from '../support/until.js'

describe('connecting', () => {
  it('opens one connection for calls that start at once', async () => {
    const server = await scriptedServer()
    const client = remotingClient()
    await Promise.all(Array.from({ length: 20 }, () => client.invoke(server.address, ask, {})))
    expect(server.connections).toHaveLength(1)
    expect(server.requests).toHaveLength(20)
  })

  it('shares one failing connect among calls that start at once', async () => {
    const address = unusedAddress()
    const dialled: string[] = []
    const client = remotingClient({
      addressMap: (wanted) => {
        dialled.push(wanted)
        return wanted
      },
    })
    const errors = await Promise.all(
      Array.from({ length: 20 }, () => rejectionOf(client.invoke(address, ask, {}, { timeout: 2_000 }))),
    )
    expect(new Set(errors.map((error) => error.message)).size).toBe(1)
    expect(dialled[0]).toBe(address)
    expect(dialled).toHaveLength(1)
  })

  it('names the address and the reason when a connection is refused', async () => {
    const address = unusedAddress()
    const error = await rejectionOf(remotingClient().invoke(address, ask, {}))
    expect(error).toBeInstanceOf(RemotingError)
    expect(error).toMatchObject({ code: 'CONNECT_FAILED', address, sent: false, retryable: true })
    expect(error.message).toContain(address)
    expect(error.message).toContain('ECONNREFUSED')
  })

  it('gives up a connect after connectTimeout', async () => {
    const address = await stuckServer()
    const client = remotingClient({ connectTimeout: 60 })
    const error = await rejectionOf(client.invoke(address, ask, {}))
    expect(error).toMatchObject({ code: 'CONNECT_TIMEOUT', address, sent: false })
  })

  it('ends a call at its own timeout when that comes before connectTimeout', async () => {
    const address = await stuckServer()
    const error = await rejectionOf(remotingClient().invoke(address, ask, {}, { timeout: 40 }))
    expect(error).toMatchObject({ code: 'TIMEOUT', address, sent: false })
    expect(error.message).toContain('not connected')
  })

  it('says so when a host name can not be resolved', async () => {
    const error = await rejectionOf(remotingClient().invoke('no-such-host.invalid:9876', ask, {}))
    expect(error).toMatchObject({ code: 'CONNECT_FAILED', address: 'no-such-host.invalid:9876' })
    expect(error.message).toMatch(/host name can't be resolved/)
  })

  it.each(['broker-a', 'broker-a:', ':10911', 'broker-a:0', 'broker-a:70000', 'a b:10911'])(
    'refuses the address %j with an error that says what is wrong with it',
    async (address) => {
      const error = await rejectionOf(remotingClient().invoke(address, ask, {}))
      expect(error).toBeInstanceOf(RemotingError)
      expect(error).toMatchObject({ code: 'CONNECT_FAILED', address, sent: false })
      expect(error.message).toContain('is no host:port')
    },
  )

  it('dials where addressMap says, and keeps the name that the route gave', async () => {
    const server = await scriptedServer()
    const client = remotingClient({
      addressMap: (address) => (address === '10.1.2.3:10911' ? server.address : address),
    })
    const response = await client.invoke('10.1.2.3:10911', ask, {})
    expect(response.address).toBe('10.1.2.3:10911')
    expect(server.requests).toHaveLength(1)
  })

  it('says where it dialled when a mapped address can not be reached', async () => {
    const target = unusedAddress()
    const error = await rejectionOf(remotingClient({ addressMap: () => target }).invoke('10.1.2.3:10911', ask, {}))
    expect(error.message).toContain('10.1.2.3:10911')
    expect(error.message).toContain(`dialled as ${target}`)
  })

  it.each([
    ['throws', () => JSON.parse('{')],
    ['returns nothing', () => undefined],
    ['returns no address', () => 'nowhere'],
  ])('gives a typed error when addressMap %s', async (_what, addressMap) => {
    const client = remotingClient({ addressMap: addressMap as () => string })
    const error = await rejectionOf(client.invoke('10.1.2.3:10911', ask, {}))
    expect(error).toBeInstanceOf(RemotingError)
    expect(error.message).toContain('addressMap')
  })
})

describe('after a failed connect', () => {
  it('fails further calls at once with the last reason', async () => {
    const address = unusedAddress()
    const client = remotingClient()
    await rejectionOf(client.invoke(address, ask, {}))
    const errors = await Promise.all(Array.from({ length: 50 }, () => rejectionOf(client.invoke(address, ask, {}))))
    for (const error of errors) {
      expect(error).toMatchObject({ code: 'CONNECT_FAILED', address, sent: false })
      expect(error.message).toContain('tried again in the background')
      expect(error.message).toContain('ECONNREFUSED')
    }
    expect(client.isBackingOff(address)).toBe(true)
  })

  it('tries again by itself, each time after a longer pause', async () => {
    const address = unusedAddress()
    const dialledAt: number[] = []
    const client = remotingClient({
      addressMap: (wanted) => {
        dialledAt.push(performance.now())
        return wanted
      },
    })
    const failed: unknown[] = []
    client.on('connectFailed', (event) => failed.push(event))
    await rejectionOf(client.connect(address))
    await until(() => {
      void client.connect(address).catch(() => undefined)
      return dialledAt.length >= 4
    })
    // A timer never fires early, so these bounds hold on a machine of any speed; the calls between did not dial.
    const [first = 0, second = 0, third = 0, fourth = 0] = dialledAt
    expect(second - first).toBeGreaterThan(90)
    expect(third - second).toBeGreaterThan(190)
    expect(fourth - third).toBeGreaterThan(390)
    expect(failed.length).toBeGreaterThanOrEqual(3)
    expect(failed[0]).toMatchObject({ address, error: { code: 'CONNECT_FAILED' } })
  })

  it.each([
    ['drops them', (connection: ScriptedConnection) => connection.reset()],
    ['answers with garbage', (connection: ScriptedConnection) => connection.write(Buffer.from('HTTP/1.1 400\r\n\r\n'))],
  ])('does not dial in a loop where a server takes connections and %s', async (_what, misbehave) => {
    const acceptedAt: number[] = []
    const server = await scriptedServer({
      onConnection: () => acceptedAt.push(performance.now()),
      script: (_request, connection) => misbehave(connection),
    })
    const client = remotingClient()
    // As a producer does it: each new connection gets a heartbeat, each lost one is wanted back.
    client.on('connect', () => void client.invoke(server.address, ask, {}).catch(() => undefined))
    client.on('disconnect', () => void client.connect(server.address).catch(() => undefined))
    await client.connect(server.address)
    await until(() => acceptedAt.length >= 5)
    const [, , third = 0, fourth = 0, fifth = 0] = acceptedAt
    expect(fourth - third).toBeGreaterThan(90)
    expect(fifth - fourth).toBeGreaterThan(190)
  })

  it('reaches a server that came back, without a new client', async () => {
    const server = await scriptedServer()
    const target = { address: unusedAddress() }
    const client = remotingClient({ addressMap: () => target.address })
    await rejectionOf(client.invoke('broker:1', ask, {}))
    target.address = server.address
    await until(() =>
      client.invoke('broker:1', ask, {}).then(
        () => true,
        () => false,
      ),
    )
    expect(server.requests).toHaveLength(1)
    expect(client.isBackingOff('broker:1')).toBe(false)
  })

  it('leaves other addresses alone', async () => {
    const server = await scriptedServer()
    const client = remotingClient()
    await rejectionOf(client.invoke(unusedAddress(), ask, {}))
    await expect(client.invoke(server.address, ask, {})).resolves.toMatchObject({ code: 0 })
  })

  it('opens a new connection after one that broke', async () => {
    const server = await scriptedServer()
    const client = remotingClient()
    await client.invoke(server.address, ask, {})
    server.connection(0).reset()
    await until(() => !client.isConnected(server.address))
    await expect(client.invoke(server.address, ask, {})).resolves.toMatchObject({ code: 0 })
    expect(server.connections).toHaveLength(2)
  })

  it('refuses a call after shutdown with CLOSED', async () => {
    const server = await scriptedServer()
    const client = remotingClient()
    await client.shutdown()
    const error = await rejectionOf(client.invoke(server.address, ask, {}))
    expect(error).toBeInstanceOf(ClientError)
    expect(error).toMatchObject({ code: 'CLOSED' })
    expect(server.connections).toHaveLength(0)
  })
})
