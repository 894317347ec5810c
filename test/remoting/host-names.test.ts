import dns from 'node:dns'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { TlsDialler } from '../../src/remoting/tls-dialler.js'
import { makeAuthority } from '../support/certificates.js'
import { ask, remotingClient } from '../support/remoting-under-test.js'
import { scriptedServer, unusedAddress } from '../support/scripted-server.js'
import { rejectionOf, until } from '../support/until.js'

const NAME = 'broker.example'

const lookup = dns.lookup

type Answer = (options: dns.LookupOptions, callback: (...answer: unknown[]) => void) => void

/** Answers questions for the name of the tests in the place of the system's resolver. */
function resolveBy(answer: Answer) {
  const own = (name: string, ...rest: unknown[]) => {
    if (name === NAME) setImmediate(() => answer(...(rest as Parameters<Answer>)))
    else (lookup as (...all: unknown[]) => void)(name, ...rest)
  }
  const spy = vi.spyOn(dns, 'lookup').mockImplementation(own as never)
  onTestFinished(() => void spy.mockRestore())
}

function resolveTo(...addresses: readonly string[]): void {
  const records = addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))
  resolveBy((options, callback) => {
    if (options.all) callback(null, records)
    else callback(null, records[0]?.address, records[0]?.family)
  })
}

describe('a host name', () => {
  it.each([
    ['IPv4', ['127.0.0.7', '127.0.0.1']],
    ['several of IPv4', ['127.0.0.7', '127.0.0.8', '127.0.0.9', '127.0.0.1']],
    ['IPv6', ['::1', '127.0.0.1']],
    ['both', ['127.0.0.7', '::1', '127.0.0.1']],
  ])('is reached by another of its addresses when the first ones are dead: %s', async (_what, addresses) => {
    const server = await scriptedServer()
    resolveTo(...addresses)
    const client = remotingClient()
    await expect(client.invoke(`${NAME}:${server.port}`, ask, {})).resolves.toMatchObject({ code: 0 })
    expect(server.connections).toHaveLength(1)
  })

  it('is reached so with TLS, too', async () => {
    const { server: identity, ca } = makeAuthority()
    const server = await scriptedServer({ tls: { cert: identity.cert, key: identity.key } })
    resolveTo('127.0.0.7', '::1', '127.0.0.1')
    const client = remotingClient({ tls: new TlsDialler({ ca: ca.cert, servername: 'localhost' }) })
    const body = Buffer.alloc(300_000, 7)
    server.script = (request, connection) => connection.answer(request, { body: request.body })
    const answer = await client.invoke(`${NAME}:${server.port}`, ask, {}, { body })
    expect(answer.body.equals(body)).toBe(true)
  })

  it('of which no address is reached is told of with the reason of each', async () => {
    resolveTo('127.0.0.7', '::1')
    const [, port] = unusedAddress().split(':')
    const error = await rejectionOf(remotingClient().invoke(`${NAME}:${port}`, ask, {}))
    expect(error).toMatchObject({ code: 'CONNECT_FAILED', address: `${NAME}:${port}` })
    expect(error.message).toContain(`connect to ${NAME}:${port}: none of the host's addresses is reached: `)
    expect(error.message).toContain('127.0.0.7: refused (ECONNREFUSED)')
    expect(error.message).toContain('::1: refused (ECONNREFUSED)')
  })

  it('is resolved anew for each connection: a server that moved is found at its new address', async () => {
    const first = await scriptedServer()
    const second = createServer((socket) => void socket.on('error', () => undefined))
    const reached = once(second, 'connection')
    await new Promise<void>((resolve) => void second.listen(first.port, '127.0.0.2', resolve))
    onTestFinished(() => void second.close())
    const address = `${NAME}:${first.port}`
    const client = remotingClient()
    resolveTo('127.0.0.1')
    await client.invoke(address, ask, {})
    resolveTo('127.0.0.2')
    await client.invoke(address, ask, {})
    expect(first.connections).toHaveLength(1)
    first.connection().reset()
    await until(() => !client.isConnected(address))
    await client.connect(address)
    await reached
    expect(first.connections).toHaveLength(1)
    await client.shutdown()
  })

  it('that gets a record only later is reached then', async () => {
    const server = await scriptedServer()
    const client = remotingClient()
    const address = `${NAME}:${server.port}`
    resolveBy((_options, callback) =>
      callback(Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' })),
    )
    expect((await rejectionOf(client.invoke(address, ask, {}))).message).toContain("can't be resolved")
    resolveTo('127.0.0.1')
    const isAnswered = () =>
      client.invoke(address, ask, {}).then(
        () => true,
        () => false,
      )
    await until(isAnswered)
    expect(server.connections).toHaveLength(1)
  })
})
