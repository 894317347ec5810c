import fc from 'fast-check'
import Long from 'long'
import { describe, expect, it } from 'vitest'
import { JsonEntries, type JsonValue, parseFastjson } from '../../src/codec/fastjson.js'
import { golden } from './golden.js'
import { faultOf } from './wire.js'

interface FastjsonCase {
  readonly version: string
  readonly name: string
  readonly text: string
  /** As JSON: a map with objects for keys is a list of pairs, an integer beyond 2^53 a string. */
  readonly standard: unknown
}

const cases = golden<FastjsonCase>('fastjson')

function toStandard(value: JsonValue): unknown {
  if (value instanceof JsonEntries) return value.entries.map((entry) => entry.map(toStandard))
  if (Long.isLong(value)) return value.toString()
  if (Array.isArray(value)) return value.map(toStandard)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, toStandard(member)]))
}

describe('texts that servers print', () => {
  it.each(cases)('are read with all that Java put into them: $name ($version)', ({ text, standard }) => {
    expect(toStandard(parseFastjson(text))).toEqual(standard)
  })

  it('are, most of them, no JSON', () => {
    const isJson = cases.filter(({ text }) => {
      try {
        JSON.parse(text)
        return true
      } catch {
        return false
      }
    })
    expect(isJson.length).toBeLessThan(cases.length / 2)
  })
})

describe('parseFastjson', () => {
  it('reads whatever JSON.stringify prints as JSON.parse reads it', () => {
    const isPrintedInFull = (value: number) => Math.abs(value) < 1e21
    // Integers beyond 2^53 are Longs here: the next test.
    const isBig = (value: number) => Number.isInteger(value) && !Number.isSafeInteger(value) && isPrintedInFull(value)
    const number = fc.double({ noNaN: true, noDefaultInfinity: true }).filter((value) => !isBig(value))
    const { value } = fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { depthSize: 'small' },
        fc.constantFrom(null, true, false),
        number,
        fc.maxSafeInteger(),
        fc.string({ unit: 'binary' }),
        fc.string({ unit: fc.nat({ max: 0xffff }).map((unit) => String.fromCharCode(unit)) }),
        fc.array(tie('value'), { maxLength: 5 }),
        fc.dictionary(fc.string({ unit: 'binary' }), tie('value'), { maxKeys: 5 }),
      ),
    }))
    fc.assert(
      fc.property(value, fc.constantFrom(undefined, 1, '\t'), (any, indent) => {
        const text = JSON.stringify(any, undefined, indent)
        expect(parseFastjson(text)).toEqual(JSON.parse(text))
      }),
      { numRuns: 200 },
    )
  })

  it('reads every 64-bit integer exactly: a number where that holds it, else a Long', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (integer) => {
        const value = parseFastjson(String(integer))
        expect(typeof value === 'number' ? BigInt(value) : BigInt(String(value))).toBe(integer)
        expect(typeof value === 'number').toBe(integer <= 2n ** 53n - 1n && integer >= -(2n ** 53n) + 1n)
      }),
    )
  })

  it.each([
    ['{0:"a",1:"b"}', { 0: 'a', 1: 'b' }],
    ['{-1:"a"}', { '-1': 'a' }],
    ['{key:1,_a$:2,x.y:3}', { key: 1, _a$: 2, 'x.y': 3 }],
    ["{'a':'b\"c','d':'it\\'s'}", { a: 'b"c', d: "it's" }],
    ['{"a":1,}', { a: 1 }],
    [' { "a" : [ 1 , 2 ] } \r\n', { a: [1, 2] }],
    ['{"n":123L,"d":1.5E3,"e":1e-7,"z":-0.0}', { n: 123, d: 1500, e: 1e-7, z: -0 }],
    ['{"a":1,"a":2}', { a: 2 }],
    ['"\\u4f60\\x41\\/\\b\\f\\n\\r\\t\\\\"', '你A/\b\f\n\r\t\\'],
    ['"\\ud83d\\ude00 \\ud800"', '😀 \ud800'],
    ['"\t\u0001"', '\t\u0001'],
    ['null', null],
    ['[]', []],
    ['{}', {}],
  ])('reads %s', (text, expected) => {
    expect(parseFastjson(text)).toEqual(expected)
  })

  it('reads NaN', () => expect(parseFastjson('{"v":NaN}')).toEqual({ v: Number.NaN }))

  it('reads maps whose keys are objects or lists, also when plain keys are among them', () => {
    const value = parseFastjson('{{"queueId":0}:5,"x":1,[1,2]:{{}:null}}')
    expect(toStandard(value)).toEqual([
      [{ queueId: 0 }, 5],
      [[1, 2], [[{}, null]]],
      ['x', 1],
    ])
  })

  it.each([
    ['', 0, 'the text ends where a value is expected'],
    ['   ', 3, 'the text ends where a value is expected'],
    ['{', 1, 'no value or key'],
    ['{"a"', 4, 'no :'],
    ['{"a":', 5, 'the text ends'],
    ['{"a":1', 6, 'no ,'],
    ['{"a" 1}', 5, 'no :'],
    ['{"a":1 "b":2}', 7, 'no ,'],
    ['{,}', 1, 'no value or key'],
    ['{{}:1', 5, 'no ,'],
    ['{{"a":1}}', 8, 'no :'],
    ['[1', 2, 'no ,'],
    ['[1,', 3, 'the text ends'],
    ['[1,]', 3, 'no value or key'],
    ['"abc', 4, 'a string that does not end'],
    ['\'abc"', 5, 'a string that does not end'],
    ['"\\', 3, 'an unknown escape'],
    ['"\\q"', 3, 'an unknown escape'],
    ['"\\u12"', 3, 'an escape without its hex digits'],
    ['"\\u12g4"', 3, 'an escape without its hex digits'],
    ['{}x', 2, 'more text after the value'],
    ['1 2', 2, 'more text after the value'],
    ['tru', 0, 'the word "tru"'],
    ['undefined', 0, 'the word "undefined"'],
    ['{"a":-}', 5, 'the word "-"'],
    ['1.2.3', 0, 'the number "1.2.3"'],
    ['1e999', 0, 'the number "1e999"'],
    ['12abc', 0, 'the number "12abc"'],
    ['9223372036854775808', 0, 'beyond 64 bits'],
    ['-9223372036854775809', 0, 'beyond 64 bits'],
    ['99999999999999999999999999', 0, 'beyond 64 bits'],
    ['\ufeff{}', 0, 'no value or key'],
    ['{"$ref":@}', 8, 'no value or key'],
  ])('refuses %j and says where and why', (text, position, problem) => {
    const fault = faultOf(() => parseFastjson(text))
    expect(fault.code).toBe('JSON_MALFORMED')
    expect(fault.message).toContain(problem)
    expect(fault.position).toBe(position)
  })

  it.each(['[', '{"a":', '{{"a":', '{['])(
    'refuses %s repeated ten thousand times without running out of stack',
    (open) => {
      expect(faultOf(() => parseFastjson(open.repeat(10_000))).message).toContain('levels of nesting')
    },
  )

  it('shows a little of a long text that it refuses', () => {
    expect(faultOf(() => parseFastjson(`"${'x'.repeat(1_000_000)}`)).message.length).toBeLessThan(200)
    expect(faultOf(() => parseFastjson('y'.repeat(1_000_000))).message.length).toBeLessThan(200)
    expect(faultOf(() => parseFastjson('9'.repeat(1_000_000))).message.length).toBeLessThan(200)
  })

  it('gives objects without a prototype, in which __proto__ is a key like others', () => {
    const value = parseFastjson('{"__proto__":{"isAdmin":true},"constructor":1,toString:2}') as Record<string, unknown>
    expect(Object.getPrototypeOf(value)).toBeNull()
    expect(Object.keys(value)).toEqual(['__proto__', 'constructor', 'toString'])
    expect(value.isAdmin).toBeUndefined()
    expect(({} as Record<string, unknown>).isAdmin).toBeUndefined()
  })

  it('answers any text with a value or with JSON_MALFORMED', () => {
    const token = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ':',
      ',',
      '"',
      "'",
      '\\',
      '\\u',
      '0',
      '-1',
      '9007199254740993',
      'e',
      'L',
      'a',
      'null',
      'NaN',
      ' ',
      '\n',
      '\ud800',
    )
    fc.assert(
      fc.property(fc.array(token, { maxLength: 30 }), (tokens) => {
        try {
          parseFastjson(tokens.join(''))
        } catch (error) {
          expect(error).toMatchObject({ name: 'MessageError', code: 'JSON_MALFORMED' })
        }
      }),
      { numRuns: 2000 },
    )
  })
})
