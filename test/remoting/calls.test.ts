import { Socket } from 'node:net'
import { describe, expect, it, vi } from 'vitest'
import type { RemotingCommand } from '../../src/codec/remoting-command.js'
import { RemotingError } from '../../src/errors.js'
import { ask, remotingClient } from '../support/remoting-under-test.js'
import {
  ANSWER,
  frame,
  ONEWAY,
  type ScriptedConnection,
  scriptedServer,
  staySilent,
} from '../support/scripted-server.js'
import { rejectionOf, until } from '../support/until.js'

const echo = (request: RemotingCommand, connection: ScriptedConnection) =>
  connection.answer(request, { fields: { text: request.field('text') ?? '' }, body: request.body })

function shuffled<T>(list: readonly T[]): T[] {
  const result = [...list]
  for (let i = result.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1))
    const [a, b] = [result[i], result[j]]
    if (a !== undefined && b !== undefined) [result[i], result[j]] = [b, a]
  }
  return result
}

describe('calls in flight', () => {
  it('gives each of 1,000 calls its own answer, whatever the order of the answers', async () => {
    const server = await scriptedServer({
      script: (_request, connection) => {
        if (connection.requests.length < 1_000) return
        for (const request of shuffled(connection.requests)) echo(request, connection)
      },
    })
    const client = remotingClient()
    const responses = await Promise.all(
      Array.from({ length: 1_000 }, (_, i) => client.invoke(server.address, ask, { text: `call ${i}` })),
    )
    expect(responses.map(({ command }) => command.field('text'))).toEqual(responses.map((_, i) => `call ${i}`))
    expect(new Set(server.requests.map((request) => request.opaque)).size).toBe(1_000)
  })

  it.each(['JSON', 'ROCKETMQ'] as const)('speaks with %s headers', async (serializeType) => {
    const server = await scriptedServer({ script: echo })
    const client = remotingClient({ serializeType })
    const { command } = await client.invoke(server.address, ask, { text: 'grüße 你好' })
    expect(command.field('text')).toBe('grüße 你好')
    expect(server.requests[0]).toMatchObject({ serializeType, code: ask.code, flag: 0 })
  })

  it('writes what is started in one turn at once', async () => {
    const server = await scriptedServer()
    const client = remotingClient()
    await client.invoke(server.address, ask, {})
    const write = vi.spyOn(Socket.prototype, 'write')
    const calls = Array.from({ length: 64 }, () => client.invoke(server.address, ask, {}))
    // The server writes in this process too, so the count is taken before it gets a turn.
    await new Promise((resolve) => setImmediate(resolve))
    const writes = write.mock.calls.length
    write.mockRestore()
    await Promise.all(calls)
    expect(writes).toBe(1)
    expect(server.requests).toHaveLength(65)
  })

  it('carries 4 MiB both ways unchanged, between small calls', async () => {
    const server = await scriptedServer({ script: echo })
    const client = remotingClient()
    const body = Buffer.alloc(4 * 1024 * 1024)
    for (let i = 0; i < body.length; i += 4) body.writeUInt32BE(Math.imul(i, 2_654_435_761) >>> 0, i)
    const calls = Array.from({ length: 9 }, (_, i) =>
      client.invoke(server.address, ask, { text: `${i}` }, { body: i % 3 === 1 ? body : Buffer.from(`small ${i}`) }),
    )
    const responses = await Promise.all(calls)
    responses.forEach((response, i) => {
      expect(response.command.field('text')).toBe(`${i}`)
      expect(response.body.equals(i % 3 === 1 ? body : Buffer.from(`small ${i}`))).toBe(true)
    })
  })

  it('has copied a small body when the call returns, so that the caller may change it', async () => {
    const server = await scriptedServer({ script: echo })
    const client = remotingClient()
    await client.connect(server.address)
    const body = Buffer.alloc(8 * 1024, 1)
    const call = client.invoke(server.address, ask, {}, { body })
    body.fill(2)
    expect((await call).body.equals(Buffer.alloc(8 * 1024, 1))).toBe(true)
  })

  it("keeps an answer's body as it is while later answers come", async () => {
    const server = await scriptedServer({ script: echo })
    const client = remotingClient()
    const first = await client.invoke(server.address, ask, {}, { body: Buffer.from('the first body') })
    for (let i = 0; i < 50; i++)
      await client.invoke(server.address, ask, {}, { body: Buffer.from(`XXXXXXXXXXXXXX${i}`) })
    expect(first.body.toString()).toBe('the first body')
  })

  it('resolves a oneway call once it is handed over, marks it, and waits for no answer', async () => {
    const server = await scriptedServer({ script: staySilent })
    const client = remotingClient()
    await client.invokeOneway(server.address, ask, { text: 'nobody answers' })
    const request = await until(() => server.requests[0])
    expect(request).toMatchObject({ code: ask.code, flag: ONEWAY })
    expect(request.field('text')).toBe('nobody answers')
  })

  it('drops an answer to a oneway call', async () => {
    const server = await scriptedServer({ script: echo })
    const client = remotingClient()
    await client.invokeOneway(server.address, ask, { text: 'a' })
    const { command } = await client.invoke(server.address, ask, { text: 'b' })
    expect(command.field('text')).toBe('b')
  })
})

describe('deadlines', () => {
  it('ends a call that is not answered, and says where, how long and that it was sent', async () => {
    const server = await scriptedServer({ script: staySilent })
    const client = remotingClient()
    await client.connect(server.address)
    const error = await rejectionOf(client.invoke(server.address, ask, {}, { timeout: 60 }))
    expect(error).toBeInstanceOf(RemotingError)
    expect(error).toMatchObject({ code: 'TIMEOUT', address: server.address, sent: true, retryable: true })
    expect(error.message).toMatch(/^ASK to 127\.0\.0\.1:\d+: no answer within \d+ ms$/)
  })

  it('takes an answer that came in time, though this process stood still until after the deadline', async () => {
    const server = await scriptedServer({
      script: (request, connection) => {
        connection.answer(request)
        // It lies in the socket of the client, which gets no turn to read it.
        const end = performance.now() + 300
        while (performance.now() < end);
      },
    })
    const client = remotingClient()
    await client.connect(server.address)
    await expect(client.invoke(server.address, ask, {}, { timeout: 250 })).resolves.toMatchObject({ code: 0 })
  })

  it('gives each call its own: one ends, and another one is answered later', async () => {
    const server = await scriptedServer({ script: staySilent })
    const client = remotingClient()
    const patient = client.invoke(server.address, ask, { text: 'patient' }, { timeout: 60_000 })
    const hasty = client.invoke(server.address, ask, { text: 'hasty' }, { timeout: 60 })
    expect(await rejectionOf(hasty)).toMatchObject({ code: 'TIMEOUT' })
    const request = await until(() => server.requests.find((each) => each.field('text') === 'patient'))
    server.connection(0).answer(request, { remark: 'here you are' })
    expect((await patient).command.remark).toBe('here you are')
  })

  it('takes requestTimeout where a call names none', async () => {
    const server = await scriptedServer({ script: staySilent })
    const error = await rejectionOf(remotingClient({ requestTimeout: 50 }).invoke(server.address, ask, {}))
    expect(error).toMatchObject({ code: 'TIMEOUT' })
  })

  it('ends calls of one address only: another one is answered meanwhile', async () => {
    const [stopped, live] = [await scriptedServer({ script: staySilent }), await scriptedServer()]
    const client = remotingClient()
    const call = rejectionOf(client.invoke(stopped.address, ask, {}, { timeout: 100 }))
    for (let i = 0; i < 20; i++) await client.invoke(live.address, ask, {})
    expect(await call).toMatchObject({ code: 'TIMEOUT', address: stopped.address })
    expect(live.connections).toHaveLength(1)
  })

  it('drops a late answer and goes on with the same connection', async () => {
    const held: RemotingCommand[] = []
    const server = await scriptedServer({
      script: (request, connection) => {
        if (request.field('text') === 'late') held.push(request)
        else connection.answer(request, { fields: { text: request.field('text') ?? '' } })
      },
    })
    const client = remotingClient()
    await client.connect(server.address)
    const error = await rejectionOf(client.invoke(server.address, ask, { text: 'late' }, { timeout: 50 }))
    expect(error).toMatchObject({ code: 'TIMEOUT' })
    const request = await until(() => held[0])
    server.connection(0).answer(request, { fields: { text: 'too late' } })
    const { command } = await client.invoke(server.address, ask, { text: 'next' })
    expect(command.field('text')).toBe('next')
    expect(client.isConnected(server.address)).toBe(true)
    expect(server.requestsOf(ask.code)).toHaveLength(2)
    expect(server.connection(0).isClosed).toBe(false)
  })

  it('answers all calls of a server that was stopped and goes on, on the same connection', async () => {
    let isStopped = true
    const server = await scriptedServer({
      script: (request, connection) => {
        if (!isStopped) connection.answer(request, { fields: { text: request.field('text') ?? '' } })
      },
    })
    const client = remotingClient()
    await client.connect(server.address)
    const errors = await Promise.all(
      Array.from({ length: 10 }, () => rejectionOf(client.invoke(server.address, ask, {}, { timeout: 1_000 }))),
    )
    for (const error of errors) expect(error).toMatchObject({ code: 'TIMEOUT', address: server.address })
    // And the question whether anybody is there, perhaps.
    await until(() => server.connection(0).requests.length >= 10)
    isStopped = false
    for (const request of server.connection(0).requests)
      server.connection(0).answer(request, { fields: { text: 'late' } })
    const { command } = await client.invoke(server.address, ask, { text: 'now' })
    expect(command.field('text')).toBe('now')
    expect(server.connection(0).requests.some((request) => request.field('text') === 'now')).toBe(true)
  })
})

describe('answers that nobody waits for', () => {
  it.each<[string, (request: RemotingCommand, connection: ScriptedConnection) => void]>([
    ['a second answer to a call', (request, connection) => connection.answer(request, { fields: { text: 'second' } })],
    ['an opaque that was never given', (_, connection) => connection.write(frame({ opaque: 123_456, flag: ANSWER }))],
    ['a negative opaque', (_, connection) => connection.write(frame({ opaque: -5, flag: ANSWER }))],
    ['the largest opaque', (_, connection) => connection.write(frame({ opaque: 0x7fff_ffff, flag: ANSWER }))],
    ['an answer marked as oneway', (_, connection) => connection.write(frame({ opaque: 99, flag: ANSWER | ONEWAY }))],
    ['an answer with the flag of a request', (request, connection) => connection.answer(request, { flag: 0 })],
  ])('drops %s and goes on', async (_what, disturb) => {
    const server = await scriptedServer({
      script: (request, connection) => {
        echo(request, connection)
        disturb(request, connection)
      },
    })
    const client = remotingClient()
    for (const text of ['a', 'b', 'c']) {
      const { command } = await client.invoke(server.address, ask, { text })
      expect(command.field('text')).toBe(text)
    }
    expect(server.connections).toHaveLength(1)
  })

  it('does not take an answer with the flag of a request for the answer', async () => {
    const server = await scriptedServer({ script: (request, connection) => connection.answer(request, { flag: 0 }) })
    const client = remotingClient()
    const abort = new AbortController()
    const error = rejectionOf(client.invoke(server.address, ask, {}, { timeout: 60_000, signal: abort.signal }))
    // It was a request, so it is answered: as one that this client does not know.
    const answer = await until(() => server.connections[0]?.answers[0])
    expect(answer).toMatchObject({ code: 3 })
    // The call waits still.
    abort.abort()
    expect(await error).toMatchObject({ code: 'ABORTED', sent: true })
  })
})
