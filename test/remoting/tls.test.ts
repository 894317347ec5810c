import { createServer as createHttpServer } from 'node:http'
import { createServer as createHttp2Server } from 'node:http2'
import { type AddressInfo, createServer, type Server } from 'node:net'
import type { TlsOptions as ServerTlsOptions, TLSSocket } from 'node:tls'
import { inspect } from 'node:util'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import type { RemotingError } from '../../src/errors.js'
import { silentLogger } from '../../src/logger.js'
import { TlsDialler } from '../../src/remoting/tls-dialler.js'
import type { TlsOptions } from '../../src/remoting/tls-options.js'
import { certificateFolder, makeAuthority, makeIdentity } from '../support/certificates.js'
import { ask, remotingClient } from '../support/remoting-under-test.js'
import { type ScriptedServer, scriptedServer } from '../support/scripted-server.js'
import { rejectionOf, until } from '../support/until.js'

const { ca, server: own, client: clientIdentity } = makeAuthority()
const ONE_WAY = { key: own.key, cert: own.cert }
const MUTUAL = { ...ONE_WAY, ca: ca.cert, requestCert: true, rejectUnauthorized: true }
const trusting = { ca: ca.cert }

function secureServer(tls: ServerTlsOptions = ONE_WAY): Promise<ScriptedServer> {
  return scriptedServer({ tls })
}

function secureClient(tls: TlsOptions = trusting, options: Parameters<typeof remotingClient>[0] = {}) {
  return remotingClient({ tls: new TlsDialler(tls), ...options })
}

async function refused(tls: TlsOptions, address: string): Promise<RemotingError> {
  return (await rejectionOf(secureClient(tls).invoke(address, ask, {}))) as RemotingError
}

/** The address of a server of another protocol. */
async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => new Promise<void>((resolve) => void server.close(() => resolve())))
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

const versions = ['TLSv1.2', 'TLSv1.3'] as const

describe.each(versions)('a connection with %s', (version) => {
  const protocol = { minVersion: version, maxVersion: version }

  it('carries calls of every size, both ways', async () => {
    const server = await secureServer({ ...ONE_WAY, ...protocol })
    server.script = (request, connection) => connection.answer(request, { body: request.body })
    const client = secureClient()
    for (const size of [0, 1, 8_192, 8_193, 100_000, 3_000_000]) {
      const body = Buffer.alloc(size, 'abcdefg')
      const response = await client.invoke(server.address, ask, { text: 'x' }, { body })
      expect(response.body.equals(body)).toBe(true)
    }
    const bodies = await Promise.all(
      Array.from({ length: 500 }, async (_, i) => {
        const { body } = await client.invoke(server.address, ask, {}, { body: Buffer.alloc(i * 7, i) })
        return body.equals(Buffer.alloc(i * 7, i))
      }),
    )
    expect(bodies).toEqual(Array(500).fill(true))
    expect(server.connections).toHaveLength(1)
    expect((server.connection().socket as TLSSocket).getProtocol()).toBe(version)
  })

  it('shows a client certificate to servers that want one', async () => {
    const server = await secureServer({ ...MUTUAL, ...protocol })
    const client = secureClient({ ...trusting, cert: clientIdentity.cert, key: clientIdentity.key })
    await client.invoke(server.address, ask, {})
    const { subject } = (server.connection().socket as TLSSocket).getPeerCertificate()
    expect(subject.CN).toBe('test-client')
  })

  it('without the client certificate that a server wants fails, and says which option is missing', async () => {
    const server = await secureServer({ ...MUTUAL, ...protocol })
    const error = await refused(trusting, server.address)
    expect(error).toMatchObject({ name: 'RemotingError', address: server.address })
    expect(['TLS_FAILED', 'CONNECTION_CLOSED']).toContain(error.code)
    expect(error.message).toContain('tls.cert')
  })

  it('takes up the session of an earlier one', async () => {
    const server = await secureServer({ ...ONE_WAY, ...protocol })
    const client = secureClient()
    await client.invoke(server.address, ask, {})
    // Tickets of TLS 1.3 come behind the handshake.
    await client.invoke(server.address, ask, {})
    server.connection().socket.destroy()
    await until(() => !client.isConnected(server.address))
    await client.invoke(server.address, ask, {})
    expect((server.connection(1).socket as TLSSocket).isSessionReused()).toBe(true)
  })
})

describe('a server that asks for a second handshake', () => {
  /** Answers calls, but one with the text `again` by that. */
  async function askingServer() {
    const server = await secureServer({ ...ONE_WAY, maxVersion: 'TLSv1.2' })
    const refusals: unknown[] = []
    const negotiated: unknown[] = []
    server.onConnection = ({ socket }) => socket.on('error', ({ code }: NodeJS.ErrnoException) => refusals.push(code))
    server.script = (request, connection) => {
      if (request.extFields.text !== 'again') connection.answer(request)
      else (connection.socket as TLSSocket).renegotiate({}, () => negotiated.push(request.extFields.text))
    }
    return { server, refusals, negotiated }
  }

  it('is refused, which calls in flight are told, and the next call has a new connection', async () => {
    const { server, refusals, negotiated } = await askingServer()
    const client = secureClient()
    await client.invoke(server.address, ask, { text: 'first' })
    const error = await rejectionOf(client.invoke(server.address, ask, { text: 'again' }))
    expect(error).toMatchObject({ name: 'RemotingError', code: 'CONNECTION_CLOSED', sent: true, retryable: true })
    expect(error.message).toContain('asked for a second TLS handshake (renegotiation), which this client refuses')
    await client.invoke(server.address, ask, { text: 'next' })
    expect(server.connections).toHaveLength(2)
    expect(refusals).toEqual(['ERR_SSL_NO_RENEGOTIATION'])
    expect(negotiated).toEqual([])
  })

  it('before it has answered anything may want a client certificate, says the error', async () => {
    const { server } = await askingServer()
    const error = await rejectionOf(secureClient().invoke(server.address, ask, { text: 'again' }))
    expect(error).toMatchObject({ code: 'CONNECTION_CLOSED', sent: true })
    expect(error.message).toMatch(/which this client refuses .*tls\.cert/)
  })
})

describe('the server certificate', () => {
  const others = makeAuthority('Other CA')
  const hosts = ['localhost', '127.0.0.1']

  it.each([
    ['of another authority', others.server, /its authority is none of those that tls\.ca names .*issuer Other CA/],
    [
      'that is self-signed',
      makeIdentity('self', { hosts }),
      /it is self-signed.*DEPTH_ZERO_SELF_SIGNED_CERT.*subject self/,
    ],
    [
      'that has expired',
      makeIdentity('old', { issuer: ca, hosts, notBefore: -9, notAfter: -2 }),
      /it has expired \(CERT_HAS_EXPIRED\); subject old, .* to /,
    ],
    ['that is not valid yet', makeIdentity('young', { issuer: ca, hosts, notBefore: 2 }), /it is not valid yet/],
    [
      'for another address',
      makeIdentity('elsewhere', { issuer: ca, hosts: ['10.1.2.3'] }),
      /not for 127\.0\.0\.1 but for IP Address:10\.1\.2\.3 .*tls\.servername/,
    ],
    [
      'for another name',
      makeIdentity('elsewhere', { issuer: ca, hosts: ['broker.example'] }),
      /not for 127\.0\.0\.1 but for DNS:broker\.example/,
    ],
    ['without names', makeIdentity('127.0.0.1', { issuer: ca }), /but for no name at all/],
  ])('%s is refused, and the error says what is wrong', async (_what, identity, message) => {
    const server = await secureServer({ key: identity.key, cert: identity.cert })
    const error = await refused(trusting, server.address)
    expect(error).toMatchObject({ name: 'RemotingError', code: 'TLS_FAILED', address: server.address, sent: false })
    expect(error.message).toMatch(message)
    expect(server.requests).toEqual([])
  })

  it('is checked against the authorities of Node.js when none are given', async () => {
    const server = await secureServer()
    expect(await refused({}, server.address)).toMatchObject({ code: 'TLS_FAILED' })
  })

  it('must have the name that servername says, which the server is told', async () => {
    const identity = makeIdentity('any', { issuer: ca, hosts: ['broker.example'] })
    const names: unknown[] = []
    const server = await secureServer({
      key: identity.key,
      cert: identity.cert,
      SNICallback: (name, done) => {
        names.push(name)
        done(null)
      },
    })
    await secureClient({ ...trusting, servername: 'broker.example' }).invoke(server.address, ask, {})
    expect(names).toEqual(['broker.example'])
    const addresses: string[] = []
    const servername = (address: string) => {
      addresses.push(address)
      return 'other.example'
    }
    expect((await refused({ ...trusting, servername }, server.address)).message).toContain('not for other.example')
    expect(addresses).toContain(server.address)
  })

  it('may be for a name that is dialled', async () => {
    const identity = makeIdentity('any', { issuer: ca, hosts: ['localhost'] })
    const server = await secureServer({ key: identity.key, cert: identity.cert })
    await secureClient().invoke(`localhost:${server.port}`, ask, {})
    expect(server.requests).toHaveLength(1)
  })

  it('is trusted blindly when the user says so, and the log warns of it', async () => {
    const server = await secureServer({ key: others.server.key, cert: others.server.cert })
    const warn = vi.fn()
    const tls = new TlsDialler({ ...trusting, rejectUnauthorized: false })
    tls.logTo({ ...silentLogger, warn })
    await remotingClient({ tls }).invoke(server.address, ask, {})
    expect(warn).toHaveBeenCalledTimes(1)
    expect(warn.mock.calls[0]?.[0]).toContain('not verified')
  })

  it('is not taken on trust in a session of before, once its authority is trusted no more', async () => {
    const files = await certificateFolder()
    onTestFinished(() => files.remove())
    const file = await files.write('ca.pem', ca.cert)
    const server = await secureServer()
    const client = secureClient({ ca: file })
    await client.invoke(server.address, ask, {})
    await client.invoke(server.address, ask, {})
    await files.write('ca.pem', others.ca.cert)
    server.connection().socket.destroy()
    await until(() => !client.isConnected(server.address))
    expect(await rejectionOf(client.invoke(server.address, ask, {}))).toMatchObject({ code: 'TLS_FAILED' })
  })
})

describe('certificates in files', () => {
  async function identityFiles() {
    const files = await certificateFolder()
    onTestFinished(() => files.remove())
    const write = async ({ cert, key } = clientIdentity) => ({
      ca: await files.write('ca.pem', ca.cert),
      cert: await files.write('client.pem', cert),
      key: await files.write('client.key', key),
    })
    return { files, write }
  }

  async function again(client: ReturnType<typeof secureClient>, server: ScriptedServer): Promise<void> {
    server.connections.at(-1)?.socket.destroy()
    await until(() => !client.isConnected(server.address))
    await client.invoke(server.address, ask, {})
  }

  it('are read again for new connections, while the open ones go on', async () => {
    const { write } = await identityFiles()
    const server = await secureServer(MUTUAL)
    const client = secureClient(await write())
    const seen: unknown[] = []
    server.onConnection = ({ socket }) => seen.push((socket as TLSSocket).getPeerCertificate().subject.CN)
    await client.invoke(server.address, ask, {})
    await write(makeIdentity('renewed-client', { issuer: ca }))
    await client.invoke(server.address, ask, {})
    expect(seen).toEqual(['test-client'])
    await again(client, server)
    expect(seen).toEqual(['test-client', 'renewed-client'])
  })

  it('that are half replaced, or gone, leave the last ones in use', async () => {
    const { files, write } = await identityFiles()
    const server = await secureServer(MUTUAL)
    const warn = vi.fn()
    const tls = new TlsDialler(await write())
    tls.logTo({ ...silentLogger, warn })
    const client = remotingClient({ tls })
    await client.invoke(server.address, ask, {})
    await files.write('client.pem', makeIdentity('renewed-client', { issuer: ca }).cert)
    await again(client, server)
    expect(warn).toHaveBeenCalledTimes(1)
    await files.remove()
    await again(client, server)
    expect(warn).toHaveBeenCalledTimes(2)
  })

  it.each([
    ['that do not exist', '/no/such/file.pem', /the file of tls\.ca can't be read: ENOENT.*\/no\/such\/file\.pem/],
    ['that hold something else', new URL('../../package.json', import.meta.url).pathname, /holds no PEM/],
  ])('%s make the connect fail, and the error names them', async (_what, file, message) => {
    const server = await secureServer()
    const error = await refused({ ca: file }, server.address)
    expect(error).toMatchObject({ code: 'TLS_FAILED', address: server.address })
    expect(error.message).toMatch(message)
  })
})

describe('a key that is given without its first line', () => {
  it('is taken for the path of a file, and not shown', async () => {
    const server = await secureServer()
    const key = clientIdentity.key.split('\n').slice(1, 3).join('')
    const error = await refused({ ...trusting, cert: clientIdentity.cert, key }, server.address)
    expect(error.message).toContain("the file of tls.key can't be read: ENOENT")
    expect(inspect(error, { depth: 10 })).not.toContain(key.slice(0, 20))
  })
})

describe('a port of another kind', () => {
  it('without TLS is named by a client with TLS', async () => {
    const silent = createServer((socket) => {
      socket.on('error', () => undefined)
      socket.once('data', () => socket.destroy())
    })
    const error = await refused(trusting, await listening(silent))
    expect(error).toMatchObject({ code: 'TLS_FAILED' })
    expect(error.message).toContain('it may be a port without TLS')
  })

  it('without TLS that says nothing ends at connectTimeout, and is named', async () => {
    const held = new Set<{ destroy(): void }>()
    let isGreeted = false
    const silent = createServer((socket) => {
      held.add(socket.on('error', () => undefined))
      socket.on('data', () => {
        isGreeted = true
      })
    })
    const address = await listening(silent)
    onTestFinished(() => {
      for (const socket of held) socket.destroy()
    })
    // The time runs on once the handshake has begun, however long that takes here.
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    const options = { connectTimeout: 5_000, requestTimeout: 60_000 }
    const failure = rejectionOf(secureClient(trusting, options).invoke(address, ask, {}))
    await until(() => isGreeted)
    vi.advanceTimersByTime(5_000)
    const error = await failure
    expect(error).toMatchObject({ code: 'CONNECT_TIMEOUT' })
    expect(error.message).toContain('it may be a port without TLS')
  })

  it('of HTTP is named by a client with TLS', async () => {
    const error = await refused(trusting, await listening(createHttpServer()))
    expect(error).toMatchObject({ code: 'TLS_FAILED' })
    expect(error.message).toContain('does not speak TLS')
  })

  it('of HTTP is named by a client without TLS', async () => {
    const address = await listening(createHttpServer())
    const error = await rejectionOf(remotingClient().invoke(address, ask, {}))
    expect(error).toMatchObject({ code: 'PROTOCOL_ERROR' })
    expect(error.message).toContain('an HTTP server answers there')
  })

  it('of gRPC is named by a client without TLS', async () => {
    const server = createHttp2Server()
    server.on('sessionError', () => undefined)
    const address = await listening(server as unknown as Server)
    const error = await rejectionOf(remotingClient().invoke(address, ask, {}))
    expect(error).toMatchObject({ code: 'PROTOCOL_ERROR' })
    expect(error.message).toContain('a gRPC or HTTP/2 server answers there')
  })

  it('with TLS is named by a client without', async () => {
    const server = await secureServer()
    const error = await rejectionOf(remotingClient().invoke(server.address, ask, {}))
    expect(error.message).toMatch(/with TLS answers there|it may want TLS \(option tls\)/)
    expect(error).toMatchObject({ name: 'RemotingError', retryable: true })
  })

  it('that ends each connection without a word may want TLS, says a client without', async () => {
    const silent = createServer((socket) => {
      socket.on('error', () => undefined)
      socket.once('data', () => socket.end())
    })
    const error = await rejectionOf(remotingClient().invoke(await listening(silent), ask, {}))
    expect(error).toMatchObject({ code: 'CONNECTION_CLOSED', sent: true })
    expect(error.message).toContain('it may want TLS (option tls)')
  })
})

describe('the key', () => {
  it('is in no inspected object and no JSON', async () => {
    const tls = new TlsDialler({
      ...trusting,
      cert: clientIdentity.cert,
      key: clientIdentity.key,
      passphrase: 'canary-pass',
    })
    const secret = clientIdentity.key.split('\n')[1] ?? ''
    expect(secret.length).toBeGreaterThan(20)
    const client = remotingClient({ tls })
    for (const text of [inspect([tls, client], { depth: 10, showHidden: true }), JSON.stringify(tls)]) {
      expect(text).not.toContain(secret)
      expect(text).not.toContain('canary-pass')
    }
  })
})
