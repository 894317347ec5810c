import { createServer } from 'node:net'
import { inspect } from 'node:util'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Client } from '../../src/client/client.js'
import { ClientError, RemotingError } from '../../src/errors.js'
import { type SocksProxy, type SocksProxySelector, SocksRoutes } from '../../src/remoting/socks-proxy.js'
import { TlsDialler } from '../../src/remoting/tls-dialler.js'
import { makeAuthority } from '../support/certificates.js'
import { ask, remotingClient } from '../support/remoting-under-test.js'
import { scriptedServer, unusedAddress } from '../support/scripted-server.js'
import { socksServer } from '../support/socks-server.js'
import { stuckServer } from '../support/stuck-server.js'
import { rejectionOf, until } from '../support/until.js'

const USER = { username: 'user-c4n4ry', password: 'pass-c4n4ry' }

function proxied(proxy: SocksProxy | SocksProxySelector, options: Parameters<typeof remotingClient>[0] = {}) {
  return remotingClient({ socksProxy: new SocksRoutes(proxy, 'socksProxy'), ...options })
}

async function failureBy(proxy: SocksProxy | SocksProxySelector, address: string, connectTimeout = 5_000) {
  const error = await rejectionOf(proxied(proxy, { connectTimeout }).invoke(address, ask, {}))
  expect(error).toBeInstanceOf(RemotingError)
  expect(error).toMatchObject({ address, sent: false })
  expect(error.message).toContain(`connect to ${address}: `)
  expect(inspect(error, { depth: 20, showHidden: true })).not.toContain('c4n4ry')
  return error as RemotingError
}

describe('a server behind a SOCKS5 proxy', () => {
  it('is reached by it, and large frames go through whole', async () => {
    const server = await scriptedServer({
      script: (request, connection) => connection.answer(request, { body: request.body }),
    })
    const proxy = await socksServer()
    const client = proxied({ addr: proxy.address })
    const bodies = [0, 1, 70_000, 1_000_000].map((length) => Buffer.alloc(length, length % 251))
    for (const body of bodies) {
      const answer = await client.invoke(server.address, ask, {}, { body })
      expect(answer.body.equals(body)).toBe(true)
    }
    expect(proxy.asked).toEqual([server.address])
  })

  it('is reached with a user name and a password', async () => {
    const server = await scriptedServer()
    const proxy = await socksServer(USER)
    await proxied({ addr: proxy.address, ...USER }).invoke(server.address, ask, {})
    expect(proxy.users).toEqual([USER.username])
  })

  it('is reached with TLS from end to end', async () => {
    const { ca, server: identity } = makeAuthority()
    const server = await scriptedServer({ tls: { cert: identity.cert, key: identity.key } })
    server.script = (request, connection) => connection.answer(request, { body: request.body })
    const proxy = await socksServer(USER)
    const client = proxied({ addr: proxy.address, ...USER }, { tls: new TlsDialler({ ca: ca.cert }) })
    const body = Buffer.alloc(1_000_000, 7)
    for (let i = 0; i < 3; i++) {
      const answer = await client.invoke(server.address, ask, {}, { body })
      expect(answer.body.equals(body)).toBe(true)
    }
    await client.shutdown()
    await until(() => proxy.openConnections === 0)
  })

  it('must have a certificate that is accepted there as well', async () => {
    const { server: identity } = makeAuthority()
    const server = await scriptedServer({ tls: { cert: identity.cert, key: identity.key } })
    const proxy = await socksServer()
    const tls = new TlsDialler({ ca: makeAuthority('Other CA').ca.cert })
    const error = await rejectionOf(proxied({ addr: proxy.address }, { tls }).invoke(server.address, ask, {}))
    expect(error).toMatchObject({ code: 'TLS_FAILED', address: server.address })
    await until(() => proxy.openConnections === 0)
  })

  it('has its name resolved by the proxy', async () => {
    const server = await scriptedServer()
    const proxy = await socksServer({ hosts: { 'only-there.invalid': '127.0.0.1' } })
    const address = `only-there.invalid:${server.port}`
    await proxied({ addr: proxy.address }).invoke(address, ask, {})
    expect(proxy.asked).toEqual([address])
  })

  it('is dialled where addressMap says', async () => {
    const server = await scriptedServer()
    const proxy = await socksServer()
    const addressMap = (address: string) => (address === '10.1.2.3:1' ? server.address : address)
    await proxied({ addr: proxy.address }, { addressMap }).invoke('10.1.2.3:1', ask, {})
    expect(proxy.asked).toEqual([server.address])
  })

  it('may have a proxy of its own, and others none', async () => {
    const [behind, beside] = [await scriptedServer(), await scriptedServer()]
    const proxy = await socksServer()
    const client = proxied((address) => (address === behind.address ? { addr: proxy.address } : undefined))
    await client.invoke(behind.address, ask, {})
    await client.invoke(beside.address, ask, {})
    expect(proxy.asked).toEqual([behind.address])
  })
})

describe('a connect by a SOCKS5 proxy fails, and names both', () => {
  const target = '10.1.2.3:10911'

  it('when the proxy is not there', async () => {
    const addr = unusedAddress()
    const error = await failureBy({ addr, ...USER }, target)
    expect(error.code).toBe('CONNECT_FAILED')
    expect(error.message).toContain(`the SOCKS5 proxy ${addr} is not reached: refused (ECONNREFUSED)`)
  })

  it('when the proxy does not answer the connect', async () => {
    const addr = await stuckServer()
    const error = await failureBy({ addr, ...USER }, target, 100)
    expect(error.code).toBe('CONNECT_TIMEOUT')
    expect(error.message).toContain(`the SOCKS5 proxy ${addr} is not reached`)
  })

  it.each(['AT_ONCE', 'BEFORE_REPLY'] as const)('when the proxy hangs: %s', async (hangs) => {
    const proxy = await socksServer({ hangs, ...USER })
    const error = await failureBy({ addr: proxy.address, ...USER }, target, 200)
    expect(error.code).toBe('CONNECT_TIMEOUT')
    expect(error.message).toContain(`the SOCKS5 proxy ${proxy.address} is reached, but has not opened the way`)
    await until(() => proxy.openConnections === 0)
  })

  it('when the proxy refuses the password', async () => {
    const proxy = await socksServer(USER)
    const error = await failureBy({ addr: proxy.address, ...USER, password: 'other-c4n4ry' }, target)
    expect(error.code).toBe('CONNECT_FAILED')
    expect(error.message).toContain(`the SOCKS5 proxy ${proxy.address}: it refused the user name or the password`)
  })

  it('when the proxy wants a user and none is given', async () => {
    const proxy = await socksServer(USER)
    const error = await failureBy({ addr: proxy.address }, target)
    expect(error.message).toContain(`the SOCKS5 proxy ${proxy.address}: it takes no connection without a user name`)
  })

  it('when the proxy does not get through', async () => {
    const [proxy, address] = [await socksServer(), unusedAddress()]
    const error = await failureBy({ addr: proxy.address }, address)
    expect(error.message).toContain(`the SOCKS5 proxy ${proxy.address}: the connection was refused there`)
  })

  it('when it is no SOCKS5 proxy', async () => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined)
      socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
    })
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const bound = server.address()
    if (bound === null || typeof bound === 'string') throw new Error('no port')
    const error = await failureBy({ addr: `127.0.0.1:${bound.port}` }, target)
    expect(error.message).toContain('what answers there is no SOCKS5 proxy')
  })

  it('when the proxy cuts the connection', async () => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined)
      socket.once('data', () => socket.resetAndDestroy())
    })
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const bound = server.address()
    if (bound === null || typeof bound === 'string') throw new Error('no port')
    const error = await failureBy({ addr: `127.0.0.1:${bound.port}` }, target)
    expect(error.code).toBe('CONNECT_FAILED')
    expect(error.message).toContain('before it answered')
  })

  it.each<[string, unknown, RegExp]>([
    ['gives what is no proxy', () => 'socks5://user:c4n4ry@proxy', /what socksProxy gave is string, \{ addr/],
    ['gives a bad address', () => ({ addr: 'proxy', password: 'c4n4ry', username: 'c4n4ry' }), /is no host:port/],
    ['throws', () => JSON.parse('{'), /socksProxy threw for 10\.1\.2\.3:10911/],
  ])('when the function %s', async (_what, choose, problem) => {
    const error = await failureBy(choose as SocksProxySelector, target)
    expect(error.message).toMatch(problem)
  })
})

describe('the option socksProxy', () => {
  const clientWith = (socksProxy: unknown) =>
    new Client({ namesrvAddr: 'a:1', socksProxy } as ConstructorParameters<typeof Client>[0])

  it.each<[unknown, RegExp]>([
    ['proxy:1080', /option socksProxy of Client is string, \{ addr, username\?, password\? \}/],
    [null, /option socksProxy of Client/],
    [{}, /option socksProxy of Client\.addr is undefined/],
    [{ addr: 'proxy' }, /option socksProxy of Client\.addr 'proxy' is no host:port/],
    [{ addr: 'p:1', user: 'c4n4ry' }, /option socksProxy of Client has no 'user'/],
    [{ addr: 'p:1', password: 'c4n4ry' }, /has a password and no username/],
    [{ addr: 'p:1', username: '', password: 'c4n4ry' }, /texts of up to 255 bytes/],
    [{ addr: 'p:1', username: 'u', password: 'c4n4ry'.repeat(100) }, /texts of up to 255 bytes/],
    [{ addr: 'p:1', username: 7 }, /texts of up to 255 bytes/],
  ])('is refused where it does not fit, without its secrets: %j', (value, problem) => {
    const make = () => clientWith(value)
    expect(make).toThrow(ClientError)
    expect(make).toThrow(problem)
    expect(make).not.toThrow(/c4n4ry/)
  })

  it('shows no secret in an inspected client', () => {
    const client = clientWith({ addr: '[::1]:1080', ...USER })
    const shown = inspect(client, { depth: 20, showHidden: true }) + JSON.stringify(client.options)
    expect(shown).not.toContain('c4n4ry')
  })
})
