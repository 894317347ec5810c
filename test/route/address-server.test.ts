import { createServer } from 'node:https'
import { inspect } from 'node:util'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { ClientError } from '../../src/errors.js'
import { AddressServer } from '../../src/route/address-server.js'
import { addressServer } from '../support/address-server.js'
import { makeAuthority } from '../support/certificates.js'
import { unusedAddress } from '../support/scripted-server.js'
import { rejectionOf, until } from '../support/until.js'

const LIMIT = 64 * 1024

function fetchFrom(url: string, unitName?: string, signal = new AbortController().signal): Promise<readonly string[]> {
  return new AddressServer(new URL(url), unitName).fetch(signal)
}

async function failureOf(url: string): Promise<ClientError> {
  const error = await rejectionOf(fetchFrom(url))
  expect(error).toBeInstanceOf(ClientError)
  expect(error).toMatchObject({ code: 'NAME_SERVER_URL_FAILED', retryable: true })
  return error as ClientError
}

describe('the list of an address server', () => {
  it.each<[string, string, string[]]>([
    ['one address', '10.0.0.1:9876', ['10.0.0.1:9876']],
    ['several', 'a:1;b:2;[::1]:3', ['a:1', 'b:2', '[::1]:3']],
    ['an end of line', 'a:1;b:2\n', ['a:1', 'b:2']],
    ['lines behind the first', '\r\n a:1;b:2 \r\nof no interest', ['a:1', 'b:2']],
    ['empty parts and repetitions', ';a:1;;a:1; b:2;', ['a:1', 'b:2']],
  ])('may be %s', async (_what, text, addresses) => {
    expect(await fetchFrom((await addressServer(text)).url)).toEqual(addresses)
  })

  it.each([
    ['empty', '', /names no NameServer/],
    ['blank', ' \r\n\t', /names no NameServer/],
    ['separators alone', ';;', /names no NameServer/],
    ['a page', '<html><body>not here</body></html>', /is no host:port/],
    ['an address without port', 'a:1;b', /its answer 'b' is no host:port/],
    ['an address with a port out of range', 'a:99999', /is no host:port/],
    ['a URL', 'http://a:1', /is no host:port/],
  ])('that is %s is refused as a whole', async (_what, text, problem) => {
    const server = await addressServer(text)
    const error = await failureOf(server.url)
    expect(error.message).toContain(`no NameServers from nameServerUrl ${server.url}: `)
    expect(error.message).toMatch(problem)
  })

  it('may have 64 KiB and no byte more', async () => {
    const list = 'a:1;'.padEnd(LIMIT, ' ')
    expect(await fetchFrom((await addressServer(list)).url)).toEqual(['a:1'])
    const error = await failureOf((await addressServer(`${list} `)).url)
    expect(error.message).toContain(`longer than ${LIMIT} bytes`)
  })

  it('that never ends is given up at its limit', async () => {
    const server = await addressServer((_request, response) => {
      const write = () => void (response.destroyed || response.write('a:1;'.repeat(1024), () => setImmediate(write)))
      write()
    })
    expect((await failureOf(server.url)).message).toContain(`longer than ${LIMIT} bytes`)
    await until(() => server.openConnections === 0)
  })

  it.each([404, 500, 204, 304])('is not taken from an answer with the status %d', async (status) => {
    const server = await addressServer((_request, response) => void response.writeHead(status).end('a:1'))
    expect((await failureOf(server.url)).message).toContain(`the status ${status}, not 200`)
  })

  it('is not taken from an answer that breaks off', async () => {
    const server = await addressServer((_request, response) => {
      response.writeHead(200, { 'content-length': 100 })
      response.write('a:1;b:2', () => response.destroy())
    })
    await failureOf(server.url)
  })
})

describe('an address server', () => {
  it('is asked for the NameServers of a unit as by the Java client', async () => {
    const server = await addressServer('a:1')
    await fetchFrom(server.url, 'unit-1')
    await fetchFrom(`${server.url}?zone=z`, 'unit-1')
    await fetchFrom(server.url)
    expect(server.asked).toEqual([
      '/rocketmq/nsaddr-unit-1?nofix=1',
      '/rocketmq/nsaddr-unit-1?zone=z&nofix=1',
      '/rocketmq/nsaddr',
    ])
  })

  it('that does not answer is given up after three seconds', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    const server = await addressServer(() => undefined)
    const failure = failureOf(server.url)
    await until(() => server.asked.length === 1)
    vi.advanceTimersByTime(3_000)
    expect((await failure).message).toContain('no answer within 3000 ms')
    await until(() => server.openConnections === 0)
  })

  it('that is not there is told of with the reason', async () => {
    const address = unusedAddress()
    expect((await failureOf(`http://${address}/`)).message).toContain('ECONNREFUSED')
  })

  it('that speaks something else is told of', async () => {
    const server = await addressServer((request) => void request.socket.end('RocketMQ\r\n\r\n'))
    expect((await failureOf(server.url)).message).toMatch(/nameServerUrl .*: Parse Error/)
  })

  it('is asked by nobody any more once the signal has fired', async () => {
    const server = await addressServer(() => undefined)
    const abort = new AbortController()
    const failure = rejectionOf(fetchFrom(server.url, undefined, abort.signal))
    await until(() => server.asked.length === 1)
    abort.abort()
    expect(await failure).toMatchObject({ code: 'NAME_SERVER_URL_FAILED' })
    await until(() => server.openConnections === 0)
  })

  it('may redirect within its scheme', async () => {
    const second = await addressServer('a:1')
    const first = await addressServer((_request, response) => {
      response.writeHead(302, { location: `http://${second.host}/list` }).end()
    })
    expect(await fetchFrom(first.url)).toEqual(['a:1'])
    expect(second.asked).toEqual(['/list'])
  })

  it.each([
    ['file:///etc/passwd', /a redirect to file:, only one within http: is followed/],
    ['https://127.0.0.1:1/', /a redirect to https:, only one within http: is followed/],
    ['data:text/plain,a:1', /a redirect to data:/],
    ['http://[', /a redirect to what is no URL/],
  ])('may not redirect to %s', async (location, problem) => {
    const server = await addressServer((_request, response) => void response.writeHead(301, { location }).end())
    expect((await failureOf(server.url)).message).toMatch(problem)
  })

  it('may not redirect without end', async () => {
    const server = await addressServer((_request, response) => void response.writeHead(307, { location: '/' }).end())
    expect((await failureOf(server.url)).message).toContain('more than 5 redirects')
    expect(server.asked).toHaveLength(6)
  })

  it('is not asked by a proxy of the environment', async () => {
    const proxy = await addressServer('proxied:1')
    for (const name of ['http_proxy', 'HTTP_PROXY', 'ALL_PROXY', 'all_proxy']) vi.stubEnv(name, `http://${proxy.host}`)
    vi.stubEnv('NODE_USE_ENV_PROXY', '1')
    onTestFinished(() => void vi.unstubAllEnvs())
    expect(await fetchFrom((await addressServer('direct:1')).url)).toEqual(['direct:1'])
    expect(proxy.asked).toEqual([])
  })

  it('that speaks HTTPS must have a certificate that is accepted', async () => {
    const { server } = makeAuthority()
    const secure = createServer(
      { cert: server.cert, key: server.key },
      (_request, response) => void response.end('a:1'),
    )
    await new Promise<void>((resolve) => secure.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => new Promise((resolve) => void secure.close(() => resolve())))
    const bound = secure.address()
    if (bound === null || typeof bound === 'string') throw new Error('no port')
    expect((await failureOf(`https://127.0.0.1:${bound.port}/`)).message).toMatch(/certificate/)
  })

  it('gets the user and password of its URL, and nobody else does', async () => {
    const server = await addressServer('nonsense')
    const url = `http://user:s3cret-pass@${server.host}/list?token=s3cret-token`
    const error = await failureOf(url)
    expect(server.headers[0]?.authorization).toBe(`Basic ${Buffer.from('user:s3cret-pass').toString('base64')}`)
    expect(server.asked).toEqual(['/list?token=s3cret-token'])
    const shown = inspect([error, new AddressServer(new URL(url), undefined)], { depth: 20, showHidden: true })
    expect(shown).not.toContain('s3cret')
    expect(error.message).toContain(`http://${server.host}/list`)
  })
})
