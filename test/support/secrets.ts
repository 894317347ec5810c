import { randomBytes } from 'node:crypto'
import { inspect } from 'node:util'

const MARK = 'canary-'
const RANDOM_BYTES = 12
const DEPTH = 10
const CONTEXT = 60

/** Every text that a secret of these tests can stand in: as it is, as bytes in hexadecimal, as base64 at each of its three places, and keys of certificates. */
const SHOWN = [
  new RegExp(`${MARK}[0-9a-f]{${2 * RANDOM_BYTES}}`),
  new RegExp(bytesOf(MARK).join(' ?')),
  ...[0, 1, 2].map(inBase64),
  /PRIVATE KEY-----/,
  new RegExp(bytesOf('PRIVATE KEY').join(' ')),
]

let isSearched = false

/** From now on there are secrets in this process that must not be shown. */
export function searchForSecrets(): void {
  isSearched = true
}

/** Whether there are any: what tests without them show need not be looked at. */
export function areSecretsSearched(): boolean {
  return isSearched
}

/** A secret that is recognised wherever it is shown, and that no two runs share. */
export function newSecret(): string {
  searchForSecrets()
  return `${MARK}${randomBytes(RANDOM_BYTES).toString('hex')}`
}

/** The place where a text shows a secret, with the secret made unreadable; undefined when it shows none. */
export function secretInText(text: string): string | undefined {
  for (const pattern of SHOWN) {
    const found = pattern.exec(text)
    if (found === null) continue
    const before = text.slice(Math.max(0, found.index - CONTEXT), found.index)
    return `${before}<SECRET>`
  }
  return undefined
}

/**
 * The place where something shows a secret to who logs or inspects it; undefined when it shows none.
 *
 * @param value - A text, an error with its causes, a client, fields of a log line: anything.
 */
export function secretIn(value: unknown): string | undefined {
  for (const text of textsOf(value)) {
    const place = secretInText(text)
    if (place !== undefined) return place
  }
  return undefined
}

function* textsOf(value: unknown): Generator<string> {
  if (typeof value === 'string') {
    yield value
    return
  }
  yield inspect(value, { depth: DEPTH, showHidden: true, maxArrayLength: 1_000, maxStringLength: 100_000 })
  yield jsonOf(value)
  if (value instanceof Error) {
    yield `${value.message} ${value.stack} ${value}`
    if (value.cause !== undefined) yield* textsOf(value.cause)
  }
}

function jsonOf(value: unknown): string {
  try {
    return JSON.stringify(value) ?? ''
  } catch {
    // A circle, or an integer without JSON: what is inspected is enough.
    return ''
  }
}

function bytesOf(text: string): string[] {
  return [...Buffer.from(text)].map((byte) => byte.toString(16).padStart(2, '0'))
}

/** What of the mark's base64 does not depend on the text around it. */
function inBase64(offset: number): RegExp {
  const text = Buffer.from('\0'.repeat(offset) + MARK).toString('base64')
  const first = Math.ceil((offset * 8) / 6)
  const end = Math.floor(((offset + MARK.length) * 8) / 6)
  return new RegExp(text.slice(first, end).replace(/[+/]/g, '\\$&'))
}
