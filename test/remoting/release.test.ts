import { describe, expect, it } from 'vitest'
import type { RemotingCommand } from '../../src/codec/remoting-command.js'
import { ask, remotingClient } from '../support/remoting-under-test.js'
import { type ScriptedConnection, scriptedServer, staySilent, unusedAddress } from '../support/scripted-server.js'
import { stuckServer } from '../support/stuck-server.js'
import { rejectionOf, turns, until } from '../support/until.js'

/** An `addressMap` that maps nothing and takes note of what is dialled. */
function noting(dialled: string[]): (address: string) => string {
  return (address) => {
    dialled.push(address)
    return address
  }
}

describe('an address that is given up', () => {
  it('loses its connection at once when no call is in flight', async () => {
    const server = await scriptedServer()
    const client = remotingClient()
    const ended: unknown[] = []
    client.on('disconnect', (event) => ended.push(event))
    await client.invoke(server.address, ask, {})
    client.release(server.address)
    expect(client.isConnected(server.address)).toBe(false)
    await until(() => server.openConnections.length === 0)
    expect(ended).toEqual([{ address: server.address, error: undefined }])
  })

  it('keeps its connection until the calls in flight are answered', async () => {
    const held: [RemotingCommand, ScriptedConnection][] = []
    const server = await scriptedServer({ script: (...request) => held.push(request) })
    const client = remotingClient()
    const calls = [client.invoke(server.address, ask, {}), client.invoke(server.address, ask, {})]
    await until(() => held.length === 2)
    client.release(server.address)
    for (const [request, connection] of held) {
      expect(server.openConnections).toHaveLength(1)
      connection.answer(request)
      await turns(3)
    }
    await expect(Promise.all(calls)).resolves.toMatchObject([{ code: 0 }, { code: 0 }])
    await until(() => server.openConnections.length === 0)
  })

  it('keeps its connection for a call that has no answer yet, until that call times out', async () => {
    const server = await scriptedServer({ script: staySilent })
    const client = remotingClient()
    await client.connect(server.address)
    const call = rejectionOf(client.invoke(server.address, ask, {}, { timeout: 500 }))
    await until(() => server.requests.length === 1)
    client.release(server.address)
    expect(client.isConnected(server.address)).toBe(false)
    expect(await call).toMatchObject({ code: 'TIMEOUT', sent: true })
    await until(() => server.openConnections.length === 0)
  })

  it('answers the calls that wait for its connect, and is closed then', async () => {
    const server = await scriptedServer()
    const client = remotingClient()
    const calls = Array.from({ length: 5 }, () => client.invoke(server.address, ask, {}))
    client.release(server.address)
    for (const answer of await Promise.all(calls)) expect(answer.code).toBe(0)
    await until(() => server.openConnections.length === 0)
    expect(server.connections).toHaveLength(1)
  })

  it('gets a new connection when it is asked again', async () => {
    const server = await scriptedServer()
    const client = remotingClient()
    await client.invoke(server.address, ask, {})
    client.release(server.address)
    await client.invoke(server.address, ask, {})
    await until(() => server.openConnections.length === 1)
    expect(server.connections).toHaveLength(2)
    expect(client.isConnected(server.address)).toBe(true)
  })

  it('is not tried any more in the background', async () => {
    const server = await scriptedServer()
    const unused = unusedAddress()
    const targets = [unused]
    const dialled: string[] = []
    const client = remotingClient({
      addressMap: () => {
        const target = targets.pop() ?? server.address
        dialled.push(target)
        return target
      },
    })
    await rejectionOf(client.connect('broker:1'))
    expect(client.isBackingOff('broker:1')).toBe(true)
    client.release('broker:1')
    await until(() => !client.isBackingOff('broker:1'))
    await turns(150)
    expect(dialled).toEqual([unused])
    expect(server.connections).toHaveLength(0)
  })

  it('is not tried again after a connect that was under way has failed', async () => {
    const address = await stuckServer()
    const dialled: string[] = []
    const client = remotingClient({
      connectTimeout: 60,
      addressMap: noting(dialled),
    })
    const failure = rejectionOf(client.connect(address))
    client.release(address)
    expect(await failure).toMatchObject({ code: 'CONNECT_TIMEOUT' })
    await until(() => !client.isBackingOff(address))
    expect(dialled).toEqual([address])
  })

  it('that was never used is nothing to give up', () => {
    expect(() => remotingClient().release('127.0.0.1:1')).not.toThrow()
  })
})
