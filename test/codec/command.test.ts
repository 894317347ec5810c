import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type CompiledField, defineCommand, type HeaderCodec } from '../../src/codec/command.js'
import { boolean, int, long, optional, string } from '../../src/codec/header-field.js'
import type { SerializeType } from '../../src/codec/remoting-command.js'
import { ClientError } from '../../src/errors.js'
import { allCommands } from './all-commands.js'
import { fromHex, golden } from './golden.js'
import { decodeFrame, encodeFrame, encodeTextFrame, faultOf, frameFields, headerFromText, jsonFrame } from './wire.js'

interface RequestCase {
  readonly command: string
  readonly code: number
  readonly javaHeader: string
  readonly serializeType: SerializeType
  readonly opaque: number
  readonly flag: number
  readonly language: string
  readonly extFields: Readonly<Record<string, string>> | null
  readonly bodyHex: string | null
  readonly hex: string
}

/** Java's client sends these too. No server reads the first; of the others what is meant here is also what a broker takes without them. */
const NOT_SENT: Readonly<Record<string, string>> = {
  PULL_MESSAGE: 'maxMsgBytes',
  SEARCH_OFFSET_BY_TIMESTAMP: 'boundaryType',
  GET_MAX_OFFSET: 'committed',
}

const commands = await allCommands()
const cases = golden<RequestCase>('requests')
/** SEND_MESSAGE, the form with long names, is the one command among the golden ones that this client never sends. */
const known = cases.filter(({ command }) => command !== 'SEND_MESSAGE')

function fieldsOf({ command, extFields }: RequestCase): Record<string, string> {
  const fields = { ...extFields }
  const notSent = NOT_SENT[command]
  if (notSent !== undefined) delete fields[notSent]
  return fields
}

function encodeAsJava(javaCase: RequestCase): Buffer {
  const { code, opaque, flag, serializeType, bodyHex } = javaCase
  const command = commands.find(({ name }) => name === javaCase.command)
  if (command === undefined) throw new Error(`${javaCase.command} is not defined`)
  expect(command.code).toBe(code)
  const header = headerFromText(command.request, fieldsOf(javaCase))
  return encodeFrame(serializeType, { code, opaque, flag }, command.request, header, fromHex(bodyHex ?? ''))
}

/** The frame with its fields in the order in which our definition has them, and our language: what is left must be equal byte by byte. */
function reordered(javaCase: RequestCase): Buffer {
  const { code, opaque, flag, serializeType, bodyHex } = javaCase
  const command = commands.find(({ name }) => name === javaCase.command)
  const fields = fieldsOf(javaCase)
  const ordered = (command?.request.fields ?? [])
    .map(({ wireName }) => [wireName, fields[wireName]] as const)
    .filter((entry): entry is [string, string] => entry[1] !== undefined)
  return encodeTextFrame(serializeType, { code, opaque, flag }, Object.fromEntries(ordered), fromHex(bodyHex ?? ''))
}

describe('requests that the Java client makes', () => {
  it.each(known)('are written with the same fields and body: $command ($serializeType, opaque $opaque)', (javaCase) => {
    const own = frameFields(decodeFrame(encodeAsJava(javaCase)))
    const java = frameFields(decodeFrame(fromHex(javaCase.hex)))
    const { language: ownLanguage, ...ownFields } = own
    const { language: javaLanguage, fields, ...rest } = java
    expect([ownLanguage, javaLanguage]).toEqual(javaCase.serializeType === 'JSON' ? ['OTHER', 'JAVA'] : [7, 0])
    const notSent = NOT_SENT[javaCase.command]
    if (notSent !== undefined) expect(fields).toHaveProperty(notSent)
    expect(ownFields).toEqual({ ...rest, fields: Object.fromEntries(Object.entries(fieldsOf(javaCase)).sort()) })
  })

  it.each(known)('take as many bytes as Java needs: $command ($serializeType, opaque $opaque)', (javaCase) => {
    const own = encodeAsJava(javaCase)
    expect(own.equals(reordered(javaCase))).toBe(true)
    const java = fromHex(javaCase.hex)
    if (NOT_SENT[javaCase.command] !== undefined) return expect(own.length).toBeLessThan(java.length)
    const languageDifference = javaCase.serializeType === 'JSON' ? 'OTHER'.length - 'JAVA'.length : 0
    return expect(own.length).toBe(java.length + languageDifference)
  })

  it('are equal byte by byte where the fields stand in the same order', () => {
    const equal = known.filter((javaCase) => {
      if (javaCase.serializeType !== 'ROCKETMQ') return false
      const java = fromHex(javaCase.hex)
      java.writeUInt8(7, 10)
      return java.equals(encodeAsJava(javaCase))
    })
    // SendMessageRequestHeaderV2 writes its fields itself, in the order of their letters.
    expect(equal.map(({ command }) => command)).toEqual(
      expect.arrayContaining(['SEND_MESSAGE_V2', 'SEND_BATCH_MESSAGE', 'GET_ROUTEINFO_BY_TOPIC']),
    )
  })

  it.each(cases)('are read field by field: $command ($serializeType, opaque $opaque)', (javaCase) => {
    const frame = decodeFrame(fromHex(javaCase.hex))
    expect({ ...frame.extFields }).toEqual(javaCase.extFields ?? {})
    expect(frame.body.toString('hex')).toBe(javaCase.bodyHex ?? '')
  })
})

const edges = [-0x8000_0000, 0x7fff_ffff, 0, -1, 1]
const bigEdges = [2 ** 31, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, ...edges]

function anyValue({ javaType, isOptional }: CompiledField): fc.Arbitrary<unknown> {
  const values: Record<CompiledField['javaType'], fc.Arbitrary<unknown>> = {
    // An empty text comes back as no value from a binary header, as in Java.
    String: fc.oneof(
      fc.string({ unit: 'grapheme', minLength: 1 }),
      fc.string({ unit: 'binary', minLength: 1, maxLength: 300 }),
    ),
    boolean: fc.boolean(),
    int: fc.oneof(fc.integer(), fc.constantFrom(...edges)),
    long: fc.oneof(fc.maxSafeInteger(), fc.constantFrom(...bigEdges)),
  }
  const value = values[javaType]
  return isOptional ? fc.option(value, { nil: undefined }) : value
}

function headers(codec: HeaderCodec<Record<string, unknown>>): fc.Arbitrary<Record<string, unknown>> {
  return fc
    .record(Object.fromEntries(codec.fields.map((field) => [field.name, anyValue(field)])))
    .map((header) => Object.fromEntries(Object.entries(header).filter(([, value]) => value !== undefined)))
}

const codecs = commands.flatMap(({ name, request, response }) => [
  { name: `the request of ${name}`, codec: request },
  { name: `the answer to ${name}`, codec: response },
])

describe('HeaderCodec', () => {
  it.each(codecs)('reads back whatever it wrote, in both encodings: $name', ({ codec }) => {
    fc.assert(
      fc.property(
        headers(codec),
        fc.constantFrom<SerializeType>('JSON', 'ROCKETMQ'),
        fc.integer(),
        (header, type, opaque) => {
          const frame = decodeFrame(encodeFrame(type, { code: 1, opaque, flag: 0 }, codec, header))
          expect(frame.serializeType).toBe(type)
          expect(frame.opaque).toBe(opaque)
          expect(codec.read(frame)).toEqual(header)
        },
      ),
      { numRuns: 60 },
    )
  })

  const { request } = defineCommand({
    code: 1,
    name: 'TEST',
    requestHeader: { text: string('t'), count: int(), offset: long(), isOld: boolean(), note: optional(string()) },
  })
  const sound = { text: 'x', count: 1, offset: 2, isOld: true }

  it.each([
    ['a missing value', { ...sound, text: undefined }, 'text of TEST is undefined'],
    ['null', { ...sound, note: null }, 'note of TEST is null'],
    ['a number for a text', { ...sound, text: 5 }, 'text of TEST is 5'],
    ['a text for an int', { ...sound, count: '1' }, "count of TEST is '1'"],
    ['a fraction', { ...sound, count: 1.5 }, 'count of TEST is 1.5'],
    ['an int beyond 32 bits', { ...sound, count: 2 ** 31 }, 'count of TEST is 2147483648'],
    ['NaN', { ...sound, offset: Number.NaN }, 'offset of TEST is NaN'],
    ['a long beyond 2^53', { ...sound, offset: 2 ** 53 }, 'offset of TEST is 9007199254740992'],
    ['a bigint', { ...sound, offset: 1n }, 'offset of TEST is 1n'],
    ['a text for a boolean', { ...sound, isOld: 'true' }, "isOld of TEST is 'true'"],
  ])('refuses to write %s', (_, header, message) => {
    for (const type of ['JSON', 'ROCKETMQ'] as const) {
      const write = () => encodeFrame(type, { code: 1, opaque: 1, flag: 0 }, request, header as unknown as typeof sound)
      expect(write).toThrow(ClientError)
      expect(write).toThrow(message)
    }
  })

  it('writes names and texts that JSON must escape', () => {
    const { request } = defineCommand({ code: 1, name: 'TEST', requestHeader: { text: string('"\\\u0001') } })
    const header = { text: '"quoted" \\ \u0000\u2028\ud83d\ude00' }
    expect(request.read(decodeFrame(encodeFrame('JSON', { code: 1, opaque: 1, flag: 0 }, request, header)))).toEqual(
      header,
    )
  })

  const read = (fields: Record<string, unknown>) =>
    request.read(decodeFrame(jsonFrame({ code: 0, opaque: 1, flag: 1, extFields: fields })))
  const soundFields = { t: 'x', count: '1', offset: '2', isOld: 'true' }

  it('reads a boolean as Java does: true in any case, and false for all else', () => {
    const isOld = (text: string) => read({ ...soundFields, isOld: text }).isOld
    expect(['true', 'TRUE', 'tRuE', 'false', '1', 'yes', ''].map(isOld)).toEqual([
      true,
      true,
      true,
      false,
      false,
      false,
      false,
    ])
  })

  it.each([
    ['a missing field', { count: undefined }, 'HEADER_MALFORMED', 'count of TEST is missing'],
    ['an empty int', { count: '' }, 'HEADER_MALFORMED', "count of TEST is ''"],
    ['an int of letters', { count: 'one' }, 'HEADER_MALFORMED', "count of TEST is 'one'"],
    ['an int in hex', { count: '0x10' }, 'HEADER_MALFORMED', "count of TEST is '0x10'"],
    ['an int with a blank', { count: ' 1' }, 'HEADER_MALFORMED', "count of TEST is ' 1'"],
    ['a sign without digits', { count: '-' }, 'HEADER_MALFORMED', "count of TEST is '-'"],
    ['a fraction', { count: '1.0' }, 'HEADER_MALFORMED', "count of TEST is '1.0'"],
    ['an exponent', { offset: '1e3' }, 'HEADER_MALFORMED', "offset of TEST is '1e3'"],
    [
      'an int beyond 32 bits',
      { count: '2147483648' },
      'HEADER_MALFORMED',
      "count of TEST is '2147483648', which is no int",
    ],
    ['an int below 32 bits', { count: '-2147483649' }, 'HEADER_MALFORMED', 'which is no int'],
    ['a long of 2^53', { offset: '9007199254740992' }, 'INTEGER_OUT_OF_RANGE', 'offset of TEST is 9007199254740992'],
    ['a long of -2^53', { offset: '-9007199254740992' }, 'INTEGER_OUT_OF_RANGE', '-9007199254740992'],
    ['a long of 2^63 - 1', { offset: '9223372036854775807' }, 'INTEGER_OUT_OF_RANGE', '9223372036854775807'],
    ['a long beyond 64 bits', { offset: '99999999999999999999' }, 'INTEGER_OUT_OF_RANGE', '99999999999999999999'],
    ['a number of a megabyte', { offset: '1'.repeat(1_000_000) }, 'HEADER_MALFORMED', 'offset of TEST is'],
  ])('refuses to read %s, and names the field', (_, fields, code, message) => {
    const fault = faultOf(() => read({ ...soundFields, ...fields }))
    expect(fault.code).toBe(code)
    expect(fault.message).toContain(message)
    expect(fault.message.length).toBeLessThan(400)
  })

  it('reads longs up to 2^53 - 1, both ways, and numbers with leading zeros', () => {
    const offset = (text: string) => read({ ...soundFields, offset: text }).offset
    expect(offset('9007199254740991')).toBe(Number.MAX_SAFE_INTEGER)
    expect(offset('-9007199254740991')).toBe(Number.MIN_SAFE_INTEGER)
    expect(offset('00000000000000000012')).toBe(12)
    expect(Object.is(offset('-0'), 0)).toBe(true)
  })

  it('ignores fields that the definition does not name', () => {
    expect(read({ ...soundFields, MSG_REGION: 'DefaultRegion', ['__proto__']: 'x', constructor: 'y' })).toEqual(sound)
  })
})

describe('defineCommand', () => {
  it('takes only SUCCESS as an answer unless the definition says more', () => {
    expect(defineCommand({ code: 1, name: 'TEST' }).ok).toEqual([0])
    expect(defineCommand({ code: 1, name: 'TEST', ok: [0, 19] }).ok).toEqual([0, 19])
  })

  it('gives no two commands one name or one code', () => {
    expect(new Set(commands.map(({ name }) => name)).size).toBe(commands.length)
    expect(new Set(commands.map(({ code }) => code)).size).toBe(commands.length)
  })
})
