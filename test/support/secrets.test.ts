import { describe, expect, test } from 'vitest'
import { newSecret, secretIn } from './secrets.js'

class Holder {
  readonly #secret: string

  constructor(secret: string) {
    this.#secret = secret
  }

  get length(): number {
    return this.#secret.length
  }
}

describe('the search for secrets', () => {
  const secret = newSecret()
  const deep = { a: { b: { c: { d: { e: { f: { g: { h: { secret } } } } } } } } }
  const circle: Record<string, unknown> = { secret }
  circle.self = circle
  const withField = Object.assign(new Error('refused'), { header: { SecurityToken: secret } })

  test.each<[string, unknown]>([
    ['a text', `the password ${secret} is wrong`],
    ['a nested object', deep],
    ['an object that holds itself', circle],
    ['a hidden field', Object.defineProperty({}, 'secret', { value: secret, enumerable: false })],
    ['a key of an object', { [secret]: 1 }],
    ['a Map', new Map([['secret', secret]])],
    ['a symbol', { key: Symbol(secret) }],
    ['bytes', { key: Buffer.from(secret) }],
    ['hexadecimal', Buffer.from(secret).toString('hex')],
    ['JSON of its own', { toJSON: () => ({ secret }) }],
    ['an error', new Error(`refused ${secret}`)],
    ['a field of an error', withField],
    ['the cause of an error', new Error('refused', { cause: new Error('because', { cause: secret }) })],
    ['an error among others', new AggregateError([new Error(secret)], 'all failed')],
    ['a stack', Object.assign(new Error('refused'), { stack: `at ${secret}` })],
    ['a private key', '-----BEGIN PRIVATE KEY-----\nMIG'],
    ['a private key as bytes', { key: Buffer.from('-----BEGIN PRIVATE KEY-----\nMIG') }],
  ])('finds one in %s', (_what, value) => {
    const place = secretIn(value)
    expect(place).toMatch(/<SECRET>$/)
    expect(place).not.toContain(secret)
  })

  test.each([0, 1, 2, 3])('finds one in base64 behind %i other bytes', (count) => {
    expect(secretIn(Buffer.from('x'.repeat(count) + secret).toString('base64'))).toBeDefined()
  })

  test('finds none where nothing is shown', () => {
    expect(secretIn(new Holder(secret))).toBeUndefined()
    expect(
      secretIn(Object.assign(new Error('check signature failed'), { accessKey: 'app', body: Buffer.alloc(64) })),
    ).toBeUndefined()
  })
})

test('the scripts recognise secrets in the output of the test run, also in pieces', async () => {
  const file = new URL('../../scripts/lib/leaks.mjs', import.meta.url).href
  const { LeakWatch } = (await import(file)) as { LeakWatch: new () => { look(text: string): void; hasFound: boolean } }
  const watch = new LeakWatch()
  watch.look('a run without any')
  expect(watch.hasFound).toBe(false)
  const secret = newSecret()
  watch.look(`signed with ${secret.slice(0, 12)}`)
  watch.look(`${secret.slice(12)} by app`)
  expect(watch.hasFound).toBe(true)
})
