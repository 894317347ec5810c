import { describe, expect, it } from 'vitest'
import { readJsonHeader } from '../../src/codec/json-header.js'
import { learnShape, readByShape, shapeOf } from '../../src/codec/json-shape.js'
import type { RemotingCommand } from '../../src/codec/remoting-command.js'
import { slowPart } from '../support/slow-part.js'
import { rejectionOf } from '../support/until.js'

const BODY = Buffer.from('body')
const FIELDS = { msgId: '7F00000100002A9F0000000000000001', queueOffset: '12', TRACE_ON: 'true' }

function header(change: object = {}): Record<string, unknown> {
  return {
    code: 0,
    extFields: FIELDS,
    flag: 1,
    language: 'JAVA',
    opaque: 7,
    serializeTypeCurrentRPC: 'JSON',
    version: 493,
    ...change,
  }
}

function read(text: string): RemotingCommand {
  return readJsonHeader(Buffer.from(text), BODY)
}

/** Whether it was read without being parsed. */
function isKnown(text: string): boolean {
  return readByShape(Buffer.from(text), BODY) !== undefined
}

/** What a header says when it is parsed, whatever has been seen before. */
function parsed(text: string): unknown {
  const object = JSON.parse(text) as Record<string, unknown>
  const { code, opaque, flag, language, version, remark } = object
  return { code, opaque, flag, language, version, remark, extFields: { ...(object.extFields as object) } }
}

function said({ code, opaque, flag, language, version, remark, extFields }: RemotingCommand): unknown {
  return { code, opaque, flag, language, version, remark, extFields: { ...extFields } }
}

describe('A JSON header like one before', () => {
  it('is read without being parsed, with its own opaque and values', () => {
    read(JSON.stringify(header()))
    const fields = { msgId: '', queueOffset: '9007199254740991', TRACE_ON: "it's false" }
    for (const opaque of [0, 9, 10, 999_999_999]) {
      const text = JSON.stringify(header({ opaque, extFields: fields }))
      expect(isKnown(text)).toBe(true)
      expect(said(read(text))).toEqual(parsed(text))
    }
    const command = read(JSON.stringify(header()))
    expect(command.body).toBe(BODY)
    expect([command.isResponse, command.serializeType, command.field('queueOffset')]).toEqual([true, 'JSON', '12'])
    expect(command.field('constructor')).toBeUndefined()
  })

  it('is not mistaken when its names and texts have characters that mean something in a regular expression', () => {
    const odd = '^a.*(b+)+[c]{1,9}|d?\\\\$'
    const change = { language: `(.*)${odd}`, remark: odd, extFields: { [odd]: 'x', '.*': 'y', '(?<n>a)': 'z' } }
    const text = JSON.stringify(header(change))
    read(text)
    // Only few kinds are remembered: this test stands before others that use them up.
    expect(isKnown(text)).toBe(true)
    expect(said(read(text))).toEqual(parsed(text))
    for (const [part, other] of [
      ['(.*)', 'JAVA'],
      ['a.*', 'abc'],
      ['".*":', '"key":'],
      ['[c]', 'c'],
      ['b+', 'bb'],
      ['|d?', ''],
    ] as const) {
      const changed = text.replaceAll(part, other)
      expect(changed).not.toBe(text)
      expect(isKnown(changed), changed).toBe(false)
    }
  })

  it.each([
    ['another code', { code: 1 }],
    ['another flag', { flag: 3 }],
    ['another version', { version: 401 }],
    ['a remark', { remark: 'why' }],
    ['a field more', { extFields: { ...FIELDS, more: '1' } }],
    ['a field less', { extFields: { msgId: '1', queueOffset: '2' } }],
    ['fields in another order', { extFields: { queueOffset: '1', msgId: '2', TRACE_ON: '3' } }],
    ['a value that is no text', { extFields: { ...FIELDS, queueOffset: 12 } }],
    ['a quotation mark in a value', { extFields: { ...FIELDS, msgId: 'a"b' } }],
    ['a backslash in a value', { extFields: { ...FIELDS, msgId: 'a\\b' } }],
    ['more than ASCII in a value', { extFields: { ...FIELDS, msgId: 'größer 你好' } }],
    ['an opaque below zero', { opaque: -1 }],
    ['the largest opaque', { opaque: 0x7fff_ffff }],
    ['no fields', { extFields: {} }],
  ])('is parsed when it has %s', (_what, change) => {
    read(JSON.stringify(header()))
    const text = JSON.stringify(header(change))
    expect(isKnown(text)).toBe(false)
    const strings = Object.entries(header(change).extFields as object).map(([name, value]) => [name, String(value)])
    expect(said(read(text))).toEqual({ ...(parsed(text) as object), extFields: Object.fromEntries(strings) })
  })

  it('is parsed when a byte of it is another one, and says the same then, or is refused', async () => {
    const text = JSON.stringify(header())
    read(text)
    for (let at = 0; at < text.length; at++) {
      for (const byte of [0x00, 0x0a, 0x20, 0x22, 0x2c, 0x30, 0x35, 0x5c, 0x7d, 0x80, 0xff]) {
        const bytes = Buffer.from(text)
        bytes[at] = byte
        const expected = await outcome(async () => parsedStrictly(bytes))
        expect(await outcome(async () => said(readJsonHeader(bytes, BODY))), `byte ${byte} at ${at}`).toEqual(expected)
      }
    }
  })

  it.each([' ', '\t', '}', '0', '"'])('is parsed when %j follows it', async (tail) => {
    read(JSON.stringify(header()))
    const text = JSON.stringify(header()) + tail
    expect(isKnown(text)).toBe(false)
    if (tail.trim() === '') expect(said(read(text))).toEqual(parsed(text))
    else expect(await rejectionOf((async () => read(text))())).toMatchObject({ code: 'HEADER_MALFORMED' })
  })

  it.each([
    ['is no answer', JSON.stringify(header({ flag: 0, language: 'A' }))],
    ['is refused', JSON.stringify(header({ code: 13, language: 'A' }))],
    ['is written at length', JSON.stringify(header({ language: 'B' }), undefined, 1)],
    ['names a field twice', JSON.stringify(header({ language: 'C' })).replace('"TRACE_ON"', '"msgId"')],
    ['has a field __proto__', JSON.stringify(header({ language: 'D' })).replace('"TRACE_ON"', '"__proto__"')],
    ['has no fields at all', JSON.stringify(header({ language: 'F', extFields: null }))],
    ['is long', JSON.stringify(header({ language: 'E', remark: 'x'.repeat(1024) }))],
    ['has more than ASCII', JSON.stringify(header({ language: 'é' }))],
  ])('is always parsed when it %s', (_what, text) => {
    const first = said(read(text))
    expect(isKnown(text)).toBe(false)
    expect(said(read(text))).toEqual(first)
  })

  it.each([
    [header()],
    [header({ extFields: {} })],
    [header({ remark: '(a+)+$', extFields: { '(a|b)*c': '', '.*.*': 'x', 'a"b\\': 'y' } })],
    [header({ extFields: Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`field${i}`, 'x'])) })],
  ])('is read in a time that grows no faster than its text', (object) => {
    const pattern = shapeOf(object)?.pattern ?? 'no pattern'
    expect(pattern).toMatch(/^\^/)
    expect(slowPart(pattern)).toBeUndefined()
  })

  it('is remembered for the first kinds only, however many there are', () => {
    for (let version = 1000; version < 1100; version++) read(JSON.stringify(header({ version })))
    expect(isKnown(JSON.stringify(header({ version: 1099 })))).toBe(false)
    expect(isKnown(JSON.stringify(header()))).toBe(true)
    const text = JSON.stringify(header({ version: 1099 }))
    learnShape(Buffer.from(text), JSON.parse(text) as Record<string, unknown>, read(text))
    expect(isKnown(text)).toBe(false)
  })
})

async function outcome(run: () => Promise<unknown>): Promise<unknown> {
  try {
    return await run()
  } catch {
    return 'refused'
  }
}

/** As the header is specified: strict UTF-8, JSON, an object with ints. */
function parsedStrictly(bytes: Buffer): unknown {
  const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  const object = JSON.parse(text) as Record<string, unknown>
  for (const name of ['code', 'opaque', 'flag']) if (!Number.isInteger(object[name])) throw new Error(name)
  const { version = 0, language, remark } = object
  if (version !== null && !Number.isInteger(version)) throw new Error('version')
  const extFields = (object.extFields ?? {}) as object
  return {
    code: object.code,
    opaque: object.opaque,
    flag: object.flag,
    language: typeof language === 'string' ? language : undefined,
    version,
    remark: typeof remark === 'string' ? remark : undefined,
    extFields: { ...extFields },
  }
}
