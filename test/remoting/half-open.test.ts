import { describe, expect, it } from 'vitest'
import type { RemotingCommand } from '../../src/codec/remoting-command.js'
import { ask, remotingClient } from '../support/remoting-under-test.js'
import { type ScriptedConnection, scriptedServer, staySilent } from '../support/scripted-server.js'
import { rejectionOf, until } from '../support/until.js'

const isProbe = (request: RemotingCommand) => request.code !== ask.code

describe('a half-open connection', () => {
  it('is replaced when it swallows everything while a second one is answered', async () => {
    const server = await scriptedServer({
      script: (request, connection) => {
        if (connection !== server.connections[0]) connection.answer(request, { remark: 'second' })
      },
    })
    const client = remotingClient()
    await client.connect(server.address)
    expect(await rejectionOf(client.invoke(server.address, ask, {}, { timeout: 60 }))).toMatchObject({
      code: 'TIMEOUT',
    })
    const response = await until(() => client.invoke(server.address, ask, {}).catch(() => undefined))
    expect(response.command.remark).toBe('second')
    expect(server.connections).toHaveLength(2)
    await until(() => server.connection(0).isClosed)
  })

  it('fails the calls that were still in flight on it, as sent', async () => {
    const server = await scriptedServer({
      script: (request, connection) => {
        if (connection !== server.connections[0]) connection.answer(request)
      },
    })
    const client = remotingClient()
    await client.connect(server.address)
    const patient = rejectionOf(client.invoke(server.address, ask, {}, { timeout: 60_000 }))
    await rejectionOf(client.invoke(server.address, ask, {}, { timeout: 60 }))
    const error = await patient
    expect(error).toMatchObject({ code: 'CONNECTION_CLOSED', sent: true, address: server.address })
    expect(error.message).toContain('half open')
  })

  it('tells of the connection that was lost and of the one that took its place', async () => {
    const server = await scriptedServer({
      script: (request, connection) => {
        if (connection !== server.connections[0]) connection.answer(request)
      },
    })
    const client = remotingClient()
    const events: string[] = []
    client.on('connect', () => events.push('connect'))
    client.on('disconnect', ({ error }) => events.push(`disconnect ${error?.code}`))
    await client.connect(server.address)
    await rejectionOf(client.invoke(server.address, ask, {}, { timeout: 60 }))
    await until(() => events.length === 3)
    expect(events).toEqual(['connect', 'connect', 'disconnect CONNECTION_CLOSED'])
    expect(client.isConnected(server.address)).toBe(true)
  })

  it('is not suspected while anything comes over it', async () => {
    const server = await scriptedServer({
      script: (request, connection) => {
        if (request.field('text') !== 'never answered') connection.answer(request)
      },
    })
    const client = remotingClient()
    await client.connect(server.address)
    const call = rejectionOf(client.invoke(server.address, ask, { text: 'never answered' }, { timeout: 100 }))
    for (let i = 0; i < 10; i++) await client.invoke(server.address, ask, {})
    expect(await call).toMatchObject({ code: 'TIMEOUT' })
    await client.invoke(server.address, ask, {})
    expect(server.connections).toHaveLength(1)
  })
})

describe('a connection that is silent for a reason', () => {
  it('is kept when the server holds one request back and answers others: a long poll, a slow disk', async () => {
    const held: [RemotingCommand, ScriptedConnection][] = []
    const server = await scriptedServer({
      script: (request, connection) => {
        if (request.field('text') === 'held') held.push([request, connection])
        else connection.answer(request)
      },
    })
    const client = remotingClient()
    await client.connect(server.address)
    const patient = client.invoke(server.address, ask, { text: 'held' }, { timeout: 60_000 })
    const error = await rejectionOf(client.invoke(server.address, ask, { text: 'held' }, { timeout: 60 }))
    expect(error).toMatchObject({ code: 'TIMEOUT' })
    // The probe has come to its end when its connection is closed again.
    await until(() => server.connections.length === 2 && server.connection(1).isClosed)
    expect(server.connection(0).isClosed).toBe(false)
    for (const [request, connection] of held) connection.answer(request, { remark: 'after all' })
    expect((await patient).command.remark).toBe('after all')
  })

  it('is kept when it is answered a third of a second after the second one', async () => {
    const server = await scriptedServer({
      script: (request, connection) => {
        if (connection !== server.connections[0]) connection.answer(request)
        else if (isProbe(request)) setTimeout(() => connection.answer(request), 350)
      },
    })
    const client = remotingClient()
    await client.connect(server.address)
    await rejectionOf(client.invoke(server.address, ask, {}, { timeout: 60 }))
    await until(() => server.connections.length === 2 && server.connection(1).isClosed)
    expect(server.connection(0).isClosed).toBe(false)
  })

  it('is kept when the server is silent on every connection', async () => {
    const server = await scriptedServer({ script: staySilent })
    const client = remotingClient()
    await client.connect(server.address)
    for (let i = 0; i < 3; i++) await rejectionOf(client.invoke(server.address, ask, {}, { timeout: 50 }))
    await until(() => server.requests.filter(isProbe).length > 0)
    await until(() => server.openConnections.length === 1)
    expect(server.connection(0).isClosed).toBe(false)
    server.script = (request, connection) => connection.answer(request)
    await client.invoke(server.address, ask, { text: 'awake' })
    expect(server.connection(0).requests.at(-1)?.field('text')).toBe('awake')
  })

  it('costs one probe at a time, however many calls time out', async () => {
    const server = await scriptedServer({ script: staySilent })
    const client = remotingClient()
    await client.connect(server.address)
    const calls = Array.from({ length: 200 }, (_, i) =>
      rejectionOf(client.invoke(server.address, ask, {}, { timeout: 40 + (i % 20) })),
    )
    await Promise.all(calls)
    expect(server.connections.length).toBeLessThanOrEqual(2)
  })

  it('is kept when a second connection can not be opened', async () => {
    const server = await scriptedServer({ script: staySilent })
    const client = remotingClient({ addressMap: (address) => (server.connections.length === 0 ? address : 'nowhere') })
    await client.connect(server.address)
    await rejectionOf(client.invoke(server.address, ask, {}, { timeout: 50 }))
    server.script = (request, connection) => connection.answer(request)
    await client.invoke(server.address, ask, {})
    expect(server.connections).toHaveLength(1)
  })
})

describe('a shutdown while a probe is under way', () => {
  it('leaves no connection and no timer behind', async () => {
    const server = await scriptedServer({ script: staySilent })
    const client = remotingClient()
    await client.connect(server.address)
    await rejectionOf(client.invoke(server.address, ask, {}, { timeout: 50 }))
    await until(() => server.connections.length === 2)
    await client.shutdown()
    await until(() => server.openConnections.length === 0)
  })

  it('leaves none either when it comes just as the probe dials', async () => {
    const server = await scriptedServer({ script: staySilent })
    const client = remotingClient()
    await client.connect(server.address)
    await rejectionOf(client.invoke(server.address, ask, {}, { timeout: 50 }))
    await client.shutdown()
    await until(() => server.openConnections.length === 0)
    expect(server.requests.filter((request) => request.code === ask.code)).toHaveLength(1)
  })
})
