import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { ask, remotingClient } from '../support/remoting-under-test.js'
import { activeResources, isNoMoreThan } from '../support/resources.js'
import { scriptedServer, staySilent, unusedAddress } from '../support/scripted-server.js'
import { stuckServer } from '../support/stuck-server.js'
import { rejectionOf, turns, until } from '../support/until.js'

const MINUTE = 60_000

function fakeTime(): void {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] })
  onTestFinished(() => void vi.useRealTimers())
}

describe('an idle connection', () => {
  it('is closed after two minutes without a frame, and opened again by the next call', async () => {
    fakeTime()
    const server = await scriptedServer()
    const client = remotingClient()
    await client.invoke(server.address, ask, {})
    vi.advanceTimersByTime(MINUTE)
    await client.invoke(server.address, ask, {})
    vi.advanceTimersByTime(1.5 * MINUTE)
    await turns()
    expect(client.isConnected(server.address)).toBe(true)
    vi.advanceTimersByTime(MINUTE)
    expect(client.isConnected(server.address)).toBe(false)
    await until(() => server.connection(0).isClosed)
    await client.invoke(server.address, ask, {})
    expect(server.connections).toHaveLength(2)
  })

  it('is reported as closed by us: without an error', async () => {
    fakeTime()
    const server = await scriptedServer()
    const client = remotingClient()
    const closed: unknown[] = []
    client.on('disconnect', (event) => closed.push(event))
    await client.connect(server.address)
    vi.advanceTimersByTime(3 * MINUTE)
    expect(closed).toEqual([{ address: server.address, error: undefined }])
  })

  it('is kept while a call waits on it, however long', async () => {
    fakeTime()
    const server = await scriptedServer({ script: staySilent })
    const client = remotingClient()
    const call = client.invoke(server.address, ask, {}, { timeout: 30 * MINUTE })
    const request = await until(() => server.requests[0])
    vi.advanceTimersByTime(10 * MINUTE)
    expect(client.isConnected(server.address)).toBe(true)
    server.connection(0).answer(request)
    await expect(call).resolves.toMatchObject({ code: 0 })
  })

  it('is kept while the server sends requests', async () => {
    fakeTime()
    const server = await scriptedServer()
    const client = remotingClient()
    await client.connect(server.address)
    for (let i = 1; i <= 4; i++) {
      vi.advanceTimersByTime(MINUTE)
      server.connection(0).request({ code: 40, opaque: i })
      await until(() => server.connection(0).answers.length === i)
    }
    expect(client.isConnected(server.address)).toBe(true)
  })
})

describe('shutdown', () => {
  it('lets out what was written before', async () => {
    const server = await scriptedServer({ script: staySilent })
    const client = remotingClient()
    await client.connect(server.address)
    const body = Buffer.alloc(512 * 1024, 5)
    const sent = Promise.all([
      client.invokeOneway(server.address, ask, { text: 'first' }),
      client.invokeOneway(server.address, ask, { text: 'big' }, { body }),
      client.invokeOneway(server.address, ask, { text: 'last' }),
    ])
    await client.shutdown()
    await sent
    await until(() => server.requests.length === 3)
    expect(server.requests.map((request) => request.field('text'))).toEqual(['first', 'big', 'last'])
    expect(server.requests[1]?.body.equals(body)).toBe(true)
  })

  it('fails the calls in flight, and says that this client closed the connection', async () => {
    const server = await scriptedServer({ script: staySilent })
    const client = remotingClient()
    const calls = Array.from({ length: 50 }, () => rejectionOf(client.invoke(server.address, ask, {})))
    await until(() => server.requests.length === 50)
    await client.shutdown()
    for (const error of await Promise.all(calls)) {
      expect(error).toMatchObject({ code: 'CONNECTION_CLOSED', sent: true, address: server.address })
      expect(error.message).toContain('this client closed the connection')
    }
    await until(() => server.openConnections.length === 0)
  })

  it('fails calls that are still connecting', async () => {
    const address = await stuckServer()
    const client = remotingClient()
    const calls = Array.from({ length: 5 }, () => rejectionOf(client.invoke(address, ask, {})))
    await turns()
    await client.shutdown()
    for (const error of await Promise.all(calls)) expect(error).toMatchObject({ code: 'CONNECT_FAILED', sent: false })
  })

  it('ends the back-off of an address that can not be reached', async () => {
    const address = unusedAddress()
    const client = remotingClient()
    const failed = vi.fn()
    client.on('connectFailed', failed)
    await rejectionOf(client.invoke(address, ask, {}))
    await client.shutdown()
    const count = failed.mock.calls.length
    await turns(100)
    expect(failed.mock.calls.length).toBe(count)
  })

  it('may be called again', async () => {
    const server = await scriptedServer()
    const client = remotingClient()
    await client.invoke(server.address, ask, {})
    await Promise.all([client.shutdown(), client.shutdown()])
    await client.shutdown()
    await until(() => server.openConnections.length === 0)
  })

  it('does not wait for a server that reads nothing more', async () => {
    const server = await scriptedServer({ isPaused: true })
    const client = remotingClient()
    const call = rejectionOf(client.invoke(server.address, ask, {}, { body: Buffer.alloc(16 * 1024 * 1024) }))
    await until(() => server.connections.length === 1)
    await client.shutdown()
    expect(await call).toMatchObject({ code: 'CONNECTION_CLOSED' })
  })

  it('leaves no socket and no timer, whatever was going on', async () => {
    const [live, silent] = [await scriptedServer(), await scriptedServer({ script: staySilent })]
    const [stuck, refused] = [await stuckServer(), unusedAddress()]
    await turns()
    const before = activeResources()
    const client = remotingClient()
    const calls = [live.address, silent.address, stuck, refused].map((address) =>
      client.invoke(address, ask, {}).catch(() => undefined),
    )
    await until(() => silent.requests.length === 1 && client.isBackingOff(refused))
    await client.shutdown()
    await Promise.all(calls)
    await until(() => silent.openConnections.length === 0 && live.openConnections.length === 0)
    // The two servers live in this process: by now their ends are closed too.
    await until(() => isNoMoreThan(before))
  })
})

describe('listeners that throw', () => {
  it('do no harm, and their errors go to the logger', async () => {
    const error = vi.fn()
    const nothing = () => undefined
    const server = await scriptedServer()
    const refused = unusedAddress()
    const client = remotingClient({ logger: { debug: nothing, info: nothing, warn: nothing, error } })
    const fail = () => {
      throw new Error('from a listener')
    }
    client.on('connect', fail)
    client.on('disconnect', fail)
    client.on('connectFailed', fail)
    await expect(client.invoke(server.address, ask, {})).resolves.toMatchObject({ code: 0 })
    expect(await rejectionOf(client.invoke(refused, ask, {}))).toMatchObject({ code: 'CONNECT_FAILED' })
    server.connection(0).reset()
    await until(() => !client.isConnected(server.address))
    await expect(client.invoke(server.address, ask, {})).resolves.toMatchObject({ code: 0 })
    await until(() => error.mock.calls.length >= 4)
    expect(error.mock.calls.map(([message]) => message)).toContain('a listener of the event connectFailed threw')
  })
})
