import { describe, expect, it, vi } from 'vitest'
import type { Logger } from '../../src/logger.js'
import { CredentialSource } from '../../src/remoting/credential-source.js'
import type { Credentials, CredentialsProvider } from '../../src/remoting/credentials.js'
import { rejectionOf, until } from '../support/until.js'

const keys = (n: number): Credentials => ({ accessKey: `user${n}`, secretKey: `secret${n}` })
const wait = { timeout: 10_000 }

/** A provider whose answers are counted. */
function counting(answer: (n: number) => Credentials | Promise<Credentials>) {
  const provider = Object.assign(
    () => {
      provider.calls++
      return answer(provider.calls)
    },
    { calls: 0 },
  )
  return provider
}

function withLog(provider: CredentialsProvider) {
  const warn = vi.fn<Logger['warn']>()
  const source = new CredentialSource(provider)
  source.logTo({ debug: () => {}, info: () => {}, warn, error: () => {} })
  return { source, warn }
}

describe('fixed credentials', () => {
  it('are there at once, and there are never others', async () => {
    const source = new CredentialSource(keys(1))
    expect(source.isReady()).toBe(true)
    expect(source.current?.accessKey).toBe('user1')
    expect(await source.renewed(source.current, 'test', wait)).toBe(false)
  })
})

describe('a provider of credentials', () => {
  it('is asked once for all calls that wait, and not again while its answer holds', async () => {
    const provider = counting(async () => keys(1))
    const source = new CredentialSource(provider)
    expect(source.isReady()).toBe(false)
    await Promise.all(Array.from({ length: 100 }, () => source.ready('test', wait)))
    await source.ready('test', wait)
    expect(provider.calls).toBe(1)
    expect(source.current?.accessKey).toBe('user1')
  })

  it('may answer without a promise', async () => {
    const source = new CredentialSource(() => keys(1))
    await source.ready('test', wait)
    expect(source.current?.accessKey).toBe('user1')
  })

  it('is asked for the next ones before the old ones end, and nobody waits for it', async () => {
    let hand: (credentials: Credentials) => void = () => {}
    const provider = counting((n) =>
      n === 1
        ? { ...keys(1), expiration: Date.now() + 1_000 }
        : new Promise<Credentials>((resolve) => {
            hand = resolve
          }),
    )
    const source = new CredentialSource(provider)
    await source.ready('test', wait)
    await until(() => source.isReady() && provider.calls === 2)
    expect(source.current?.accessKey).toBe('user1')
    hand({ ...keys(2), expiration: new Date(Date.now() + 1_000_000) })
    await until(() => source.current?.accessKey === 'user2')
    expect(provider.calls).toBe(2)
  })

  it('is waited for when the old ones have ended', async () => {
    const provider = counting((n) => (n === 1 ? { ...keys(1), expiration: Date.now() } : Promise.resolve(keys(2))))
    const source = new CredentialSource(provider)
    await source.ready('test', wait)
    await until(() => !source.isReady())
    await source.ready('test', wait)
    expect(source.current?.accessKey).toBe('user2')
  })

  it('that fails once may be tolerated: the old credentials are used as long as they hold', async () => {
    const provider = counting((n) => {
      if (n === 2) throw new Error('no network')
      return { ...keys(n), expiration: Date.now() + 2_000 }
    })
    const { source, warn } = withLog(provider)
    await source.ready('test', wait)
    await until(() => source.isReady() && warn.mock.calls.length === 1)
    expect(source.current?.accessKey).toBe('user1')
    await until(() => {
      void source.ready('test', wait)
      return source.current?.accessKey === 'user3'
    })
  })

  it.each([
    ['throws', () => Promise.reject(new Error('no network')), /the provider of credentials threw/],
    ['gives nothing', async () => undefined, /no object/],
    ['gives no secret', async () => ({ accessKey: 'a' }), /without secretKey/],
    ['gives an empty key', async () => ({ accessKey: '', secretKey: 'top-secret' }), /without accessKey/],
    ['gives something else', async () => ({ ...keys(1), sessionToken: 'top-secret' }), /fields other than/],
    ['gives no time', async () => ({ ...keys(1), expiration: 'top-secret' }), /expiration/],
  ])('that %s makes calls fail, which may be tried again', async (_what, provider, message) => {
    const { source, warn } = withLog(provider as unknown as CredentialsProvider)
    const error = await rejectionOf(source.ready('test', wait))
    expect(error).toMatchObject({ name: 'ClientError', code: 'CREDENTIALS_UNAVAILABLE', retryable: true })
    expect(error.message).toMatch(message)
    expect(error.message).not.toContain('top-secret')
    expect(warn).toHaveBeenCalledTimes(1)
  })

  it('that never answers makes a call fail at its timeout, or when it is aborted', async () => {
    const source = new CredentialSource(() => new Promise(() => {}))
    expect(await rejectionOf(source.ready('test', { timeout: 20 }))).toMatchObject({ code: 'CREDENTIALS_UNAVAILABLE' })
    const abort = new AbortController()
    const waiting = rejectionOf(source.ready('test', { timeout: 10_000, signal: abort.signal }))
    abort.abort()
    expect(await waiting).toMatchObject({ code: 'ABORTED' })
    expect(await rejectionOf(source.ready('test', { timeout: 10_000, signal: abort.signal }))).toMatchObject({
      code: 'ABORTED',
    })
  })
})

describe('credentials that a server does not know', () => {
  it('are replaced when the provider has others by now', async () => {
    const provider = counting(async (n) => keys(n))
    const source = new CredentialSource(provider)
    await source.ready('test', wait)
    const refused = source.current
    const answers = await until(async () => {
      const all = await Promise.all(Array.from({ length: 50 }, () => source.renewed(refused, 'test', wait)))
      return all.every(Boolean) && all
    })
    expect(answers).toHaveLength(50)
    expect(provider.calls).toBe(2)
    expect(source.current?.accessKey).toBe('user2')
  })

  it('stay when the provider has no others, and it is not asked all the time', async () => {
    const provider = counting(async () => keys(1))
    const source = new CredentialSource(provider)
    await source.ready('test', wait)
    const { current } = source
    const answers = await Promise.all(Array.from({ length: 100 }, () => source.renewed(current, 'test', wait)))
    expect(answers).toEqual(Array(100).fill(false))
    expect(provider.calls).toBe(2)
  })

  it('stay when the provider fails', async () => {
    const provider = counting((n) => (n === 1 ? keys(1) : Promise.reject(new Error('no network'))))
    const source = new CredentialSource(provider)
    await source.ready('test', wait)
    await until(async () => !(await source.renewed(source.current, 'test', wait)) && provider.calls > 1)
    expect(source.current?.accessKey).toBe('user1')
  })
})
