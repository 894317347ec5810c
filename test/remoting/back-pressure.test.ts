import { describe, expect, it, onTestFinished } from 'vitest'
import { collectGarbage } from '../support/garbage.js'
import { ask, remotingClient } from '../support/remoting-under-test.js'
import { type ScriptedServer, scriptedServer } from '../support/scripted-server.js'
import { rejectionOf, turns, until } from '../support/until.js'

const SEND_BUFFER_SIZE = 64 * 1024
const MEBIBYTE = Buffer.alloc(1024 * 1024, 7)

type Client = ReturnType<typeof remotingClient>

/** Writes to a server that does not read until the kernel takes no more and the client's own buffer is full. */
async function clog(client: Client, server: ScriptedServer, timeout = 60_000): Promise<Promise<unknown>[]> {
  await client.connect(server.address)
  // Before the client is shut down, which would wait for the server to read.
  onTestFinished(() => server.connection(0).reset())
  // More than loopback sockets hold at most.
  const calls = Array.from({ length: 24 }, () => client.invoke(server.address, ask, {}, { body: MEBIBYTE, timeout }))
  for (const call of calls) call.catch(() => undefined)
  await turns()
  return calls
}

function resume(server: ScriptedServer): void {
  server.connection(0).socket.resume()
}

describe('a server that does not read', () => {
  it('gets no more than sendBufferSize beyond what its socket takes: later calls wait', async () => {
    const server = await scriptedServer({ isPaused: true })
    const client = remotingClient({ sendBufferSize: SEND_BUFFER_SIZE })
    await clog(client, server)
    const error = await rejectionOf(client.invoke(server.address, ask, {}, { timeout: 60 }))
    expect(error).toMatchObject({ code: 'TIMEOUT', address: server.address, sent: false })
    expect(error.message).toContain('not written')
  })

  it('is told apart in each call that ends: what was handed to the socket was sent, what waited was not', async () => {
    const server = await scriptedServer({ isPaused: true })
    const client = remotingClient({ sendBufferSize: SEND_BUFFER_SIZE })
    const calls = await clog(client, server, 300)
    const sent = (await Promise.all(calls.map(rejectionOf))).map((error) => (error as { sent?: boolean }).sent)
    const written = sent.filter((each) => each === true).length
    expect(written).toBeGreaterThan(0)
    expect(written).toBeLessThan(sent.length)
    // First come, first written.
    expect(sent).toEqual([...Array(written).fill(true), ...Array(sent.length - written).fill(false)])
  })

  it('gets everything in order, and once, when it reads again', async () => {
    const server = await scriptedServer({ isPaused: true })
    const client = remotingClient({ sendBufferSize: SEND_BUFFER_SIZE })
    const big = await clog(client, server)
    const small = Array.from({ length: 200 }, (_, i) => client.invoke(server.address, ask, { text: `${i}` }))
    resume(server)
    await Promise.all([...big, ...small])
    const texts = server.requests.flatMap((request) => request.field('text') ?? [])
    expect(texts).toEqual(Array.from({ length: 200 }, (_, i) => `${i}`))
    expect(server.requests).toHaveLength(big.length + small.length)
  })

  it('never sees a call that gave up while it waited', async () => {
    const server = await scriptedServer({ isPaused: true })
    const client = remotingClient({ sendBufferSize: SEND_BUFFER_SIZE })
    const big = await clog(client, server)
    const given = rejectionOf(client.invoke(server.address, ask, { text: 'given up' }, { timeout: 40 }))
    const controller = new AbortController()
    const aborted = rejectionOf(client.invoke(server.address, ask, { text: 'aborted' }, { signal: controller.signal }))
    controller.abort(new Error('no longer wanted'))
    expect(await aborted).toMatchObject({ code: 'ABORTED', sent: false })
    expect(await given).toMatchObject({ code: 'TIMEOUT', sent: false })
    const last = client.invoke(server.address, ask, { text: 'last' })
    resume(server)
    await Promise.all([...big, last])
    expect(server.requests.flatMap((request) => request.field('text') ?? [])).toEqual(['last'])
  })

  it('lets a oneway call wait too, and gives it up at its deadline', async () => {
    const server = await scriptedServer({ isPaused: true })
    const client = remotingClient({ sendBufferSize: SEND_BUFFER_SIZE })
    await clog(client, server)
    const error = await rejectionOf(client.invokeOneway(server.address, ask, {}, { timeout: 50 }))
    expect(error).toMatchObject({ code: 'TIMEOUT', sent: false })
  })

  it('leaves nothing in memory of calls that gave up while they waited', async () => {
    const server = await scriptedServer({ isPaused: true })
    const client = remotingClient({ sendBufferSize: SEND_BUFFER_SIZE })
    await clog(client, server)
    const body = new WeakRef(await giveUp(client, server))
    await until(() => {
      collectGarbage()
      return body.deref() === undefined
    })
  })

  it('does not hold up calls to another address', async () => {
    const [clogged, live] = [await scriptedServer({ isPaused: true }), await scriptedServer()]
    const client = remotingClient({ sendBufferSize: SEND_BUFFER_SIZE })
    await clog(client, clogged)
    await expect(client.invoke(live.address, ask, {})).resolves.toMatchObject({ code: 0 })
  })

  it('fails what waits, as not sent, when its connection breaks', async () => {
    const server = await scriptedServer({ isPaused: true })
    const client = remotingClient({ sendBufferSize: SEND_BUFFER_SIZE })
    const calls = await clog(client, server)
    const waiting = rejectionOf(client.invoke(server.address, ask, {}))
    server.connection(0).reset()
    expect(await waiting).toMatchObject({ code: 'CONNECTION_CLOSED', sent: false })
    for (const error of await Promise.all(calls.map(rejectionOf))) {
      expect(error).toMatchObject({ code: 'CONNECTION_CLOSED' })
    }
  })

  it('is none that reads: thousands of calls that start together all get there', async () => {
    const server = await scriptedServer()
    const client = remotingClient({ sendBufferSize: SEND_BUFFER_SIZE })
    const body = Buffer.alloc(4 * 1024, 1)
    const calls = Array.from({ length: 2_000 }, (_, i) =>
      client.invoke(server.address, ask, { text: `${i}` }, { body }),
    )
    const codes = new Set((await Promise.all(calls)).map(({ code }) => code))
    expect([...codes]).toEqual([0])
    expect(server.requests.map((request) => request.field('text'))).toEqual(calls.map((_, i) => `${i}`))
  })

  it('does not make the client keep answers to its requests without end', async () => {
    const server = await scriptedServer({ isPaused: true })
    const client = remotingClient({ sendBufferSize: SEND_BUFFER_SIZE })
    const body = Buffer.alloc(16 * 1024)
    let handled = 0
    client.registerProcessor(40, () => {
      handled++
      return { code: 0, body }
    })
    await clog(client, server)
    const before = process.memoryUsage().arrayBuffers
    for (let i = 0; i < 4_000; i++) server.connection(0).request({ code: 40, opaque: i })
    await until(() => handled === 4_000)
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * 1024 * 1024)
  })
})

/** A body whose call timed out while it waited; nothing of the test refers to it but what is returned. */
async function giveUp(client: Client, server: ScriptedServer): Promise<object> {
  const body = Buffer.alloc(1024 * 1024)
  await rejectionOf(client.invoke(server.address, ask, {}, { body, timeout: 20 }))
  return body
}
