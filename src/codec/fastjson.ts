import Long from 'long'
import { MessageError } from '../errors.js'

export type JsonValue = string | number | boolean | null | Long | JsonValue[] | JsonObject | JsonEntries

/** An object with text keys; it has no prototype. */
export type JsonObject = { [key: string]: JsonValue }

/** A Java map whose keys are objects: `{{"brokerName":"b","queueId":0,"topic":"t"}:5}`. */
export class JsonEntries {
  readonly entries: [key: JsonValue, value: JsonValue][] = []
}

const MAX_DEPTH = 256

/**
 * Reads what NameServers and brokers print with fastjson: JSON, and beside it keys that are bare numbers, keys that are objects, single quotes and NaN.
 * An integer beyond 2^53 becomes a `Long`, never a rounded number.
 *
 * @throws {@link MessageError} `JSON_MALFORMED`, with the position and what was found there.
 */
export function parseFastjson(text: string): JsonValue {
  const parser = new Parser(text)
  return parser.document()
}

class Parser {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  document(): JsonValue {
    const value = this.#value(0)
    this.#space()
    if (this.#at < this.#text.length) throw this.#fail('more text after the value')
    return value
  }

  #value(depth: number): JsonValue {
    if (depth > MAX_DEPTH) throw this.#fail(`more than ${MAX_DEPTH} levels of nesting`)
    this.#space()
    const c = this.#text[this.#at]
    switch (c) {
      case '{':
        return this.#object(depth)
      case '[':
        return this.#array(depth)
      case '"':
      case "'":
        return this.#string(c)
      case undefined:
        throw this.#fail('the text ends where a value is expected')
      default:
        return this.#word()
    }
  }

  #object(depth: number): JsonObject | JsonEntries {
    this.#at++
    const object = Object.create(null) as JsonObject
    let entries: JsonEntries | undefined
    if (this.#skip('}')) return object
    for (;;) {
      this.#space()
      const c = this.#text[this.#at]
      if (c === '{' || c === '[') {
        entries ??= new JsonEntries()
        const key = this.#value(depth + 1)
        this.#expect(':')
        entries.entries.push([key, this.#value(depth + 1)])
      } else {
        const key = c === '"' || c === "'" ? this.#string(c) : this.#bareWord()
        this.#expect(':')
        object[key] = this.#value(depth + 1)
      }
      if (this.#skip('}')) break
      this.#expect(',')
      if (this.#skip('}')) break
    }
    if (entries === undefined) return object
    for (const key in object) entries.entries.push([key, object[key] ?? null])
    return entries
  }

  #array(depth: number): JsonValue[] {
    this.#at++
    const array: JsonValue[] = []
    if (this.#skip(']')) return array
    for (;;) {
      array.push(this.#value(depth + 1))
      if (this.#skip(']')) return array
      this.#expect(',')
    }
  }

  #string(quote: string): string {
    const text = this.#text
    const start = ++this.#at
    let result = ''
    let from = start
    for (;;) {
      const c = text[this.#at]
      if (c === undefined) throw this.#fail('a string that does not end')
      if (c === quote) break
      if (c === '\\') {
        result += text.slice(from, this.#at) + this.#escape()
        from = this.#at
      } else {
        this.#at++
      }
    }
    result += text.slice(from, this.#at)
    this.#at++
    return result
  }

  #escape(): string {
    const c = this.#text[this.#at + 1]
    this.#at += 2
    switch (c) {
      case 'n':
        return '\n'
      case 't':
        return '\t'
      case 'r':
        return '\r'
      case 'b':
        return '\b'
      case 'f':
        return '\f'
      case 'u':
        return this.#hex(4)
      case 'x':
        return this.#hex(2)
      case '"':
      case "'":
      case '\\':
      case '/':
        return c
      default:
        throw this.#fail('an unknown escape')
    }
  }

  #hex(digits: number): string {
    const code = this.#text.slice(this.#at, this.#at + digits)
    if (code.length !== digits || !/^[0-9a-fA-F]+$/.test(code)) throw this.#fail('an escape without its hex digits')
    this.#at += digits
    return String.fromCharCode(Number.parseInt(code, 16))
  }

  #bareWord(): string {
    const start = this.#at
    while (isWordCharacter(this.#text.charCodeAt(this.#at))) this.#at++
    if (this.#at === start) throw this.#fail('no value or key')
    return this.#text.slice(start, this.#at)
  }

  #word(): JsonValue {
    const start = this.#at
    const word = this.#bareWord()
    switch (word) {
      case 'true':
        return true
      case 'false':
        return false
      case 'null':
        return null
      case 'NaN':
        return Number.NaN
    }
    // fastjson marks longs with L where it writes class names
    const digits = word.endsWith('L') ? word.slice(0, -1) : word
    if (!/^-?\d/.test(digits)) throw this.#fail(`the word ${JSON.stringify(word.slice(0, 40))}`, start)
    const value = Number(digits)
    if (!Number.isFinite(value)) throw this.#fail(`the number ${JSON.stringify(word.slice(0, 40))}`, start)
    if (Number.isInteger(value) && !Number.isSafeInteger(value) && /^-?\d+$/.test(digits)) {
      const exact = digits.length <= 20 ? Long.fromString(digits) : undefined
      if (exact?.toString() !== digits) throw this.#fail(`the integer ${digits.slice(0, 40)} beyond 64 bits`, start)
      return exact
    }
    return value
  }

  #space(): void {
    for (;;) {
      const c = this.#text.charCodeAt(this.#at)
      if (c !== 0x20 && c !== 0x0a && c !== 0x0d && c !== 0x09) return
      this.#at++
    }
  }

  #skip(token: string): boolean {
    this.#space()
    if (this.#text[this.#at] !== token) return false
    this.#at++
    return true
  }

  #expect(token: string): void {
    if (!this.#skip(token)) throw this.#fail(`no ${token}`)
  }

  #fail(problem: string, at: number = this.#at): MessageError {
    const near = this.#text.slice(Math.max(0, at - 10), at + 30)
    return new MessageError('JSON_MALFORMED', `${problem} at character ${at}, near ${JSON.stringify(near)}`, {
      position: at,
    })
  }
}

function isWordCharacter(c: number): boolean {
  return (
    (c >= 0x30 && c <= 0x39) || // digits
    (c >= 0x41 && c <= 0x5a) ||
    (c >= 0x61 && c <= 0x7a) ||
    c === 0x2d || // -
    c === 0x2e || // .
    c === 0x2b || // +
    c === 0x5f || // _
    c === 0x24 // $
  )
}
