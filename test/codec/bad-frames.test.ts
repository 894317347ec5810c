import { describe, expect, it } from 'vitest'
import { DEFAULT_MAX_FRAME_SIZE, FrameDecoder } from '../../src/codec/frame.js'
import { watchPrototypes } from './pollution-canary.js'
import { decodeFrame, decodeFrames, encodeTextFrame, faultOf, frameFields, jsonFrame, rawFrame } from './wire.js'

watchPrototypes()

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeInt16BE(value)
  return bytes
}

const SOUND = { code: 0, opaque: 1, flag: 1, language: 'JAVA', version: 493 }

describe('a frame length', () => {
  it.each([0, 1, 2, 3, -1, -2_147_483_648, DEFAULT_MAX_FRAME_SIZE - 3, 2_147_483_647])(
    'of %d is refused with its first four bytes, before any of the frame has come',
    (length) => {
      const fault = faultOf(() => decodeFrames(int32(length)))
      expect(fault.code).toBe('FRAME_MALFORMED')
      expect(fault.message).toContain(`a frame of ${length} bytes`)
    },
  )

  it('of the largest frame takes no memory for what has not come', () => {
    const before = process.memoryUsage().arrayBuffers
    const decoders = Array.from({ length: 100 }, () => {
      const decoder = new FrameDecoder()
      decoder.push(int32(DEFAULT_MAX_FRAME_SIZE - 4), () => {})
      return decoder
    })
    expect(decoders.map((decoder) => decoder.buffered)).toEqual(Array(100).fill(4))
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(DEFAULT_MAX_FRAME_SIZE)
  })

  it('that is wrong comes to light behind sound frames, which are handed out first', () => {
    const sound = encodeTextFrame('JSON', { code: 0, opaque: 5, flag: 1 }, {})
    const opaques: number[] = []
    const push = () =>
      new FrameDecoder().push(Buffer.concat([sound, sound, int32(-1)]), (frame) => opaques.push(frame.opaque))
    expect(faultOf(push).code).toBe('FRAME_MALFORMED')
    expect(opaques).toEqual([5, 5])
  })

  it('is shown with the bytes that follow it, so that HTTP and TLS can be told', () => {
    expect(faultOf(() => decodeFrames(Buffer.from('HTTP/1.1 400 Bad Request\r\n'))).message).toContain('HTTP/1.1')
    expect(faultOf(() => decodeFrames(Buffer.from('150303000202', 'hex'))).message).toContain('\\x15\\x03\\x03')
  })
})

describe('a header length', () => {
  it.each([
    ['one more than the frame has', 1],
    ['24 bits of ones', 0xff_ffff],
  ])('of %s is refused', (_, length) => {
    const frame = Buffer.concat([int32(4), int32(length)])
    const fault = faultOf(() => decodeFrames(frame))
    expect(fault.code).toBe('FRAME_MALFORMED')
    expect(fault.message).toContain(`its header has ${length}`)
  })

  it('of 0 leaves no header to read, in either encoding', () => {
    expect(faultOf(() => decodeFrames(rawFrame(0, '', 'body'))).code).toBe('HEADER_MALFORMED')
    expect(faultOf(() => decodeFrames(rawFrame(1, '', 'body'))).message).toContain('code needs 2 bytes')
  })

  it('is where the body begins, whatever the header says', () => {
    const { body } = decodeFrame(jsonFrame({ ...SOUND, extFields: { length: '99999' } }, 'the body'))
    expect(body.toString()).toBe('the body')
  })
})

describe('a header of the largest size', () => {
  const LIMIT = 1024 * 1024
  const MAX_FIELDS = 65_536
  const jsonOf = (size: number) => {
    const text = JSON.stringify({ ...SOUND, remark: '' })
    return text.replace('"remark":""', `"remark":"${'x'.repeat(size - text.length)}"`)
  }
  const binaryOf = (size: number) => {
    const head = encodeTextFrame('ROCKETMQ', { code: 0, opaque: 1, flag: 1 }, {}).subarray(8, 8 + 13)
    return Buffer.concat([head, int32(size - 21), Buffer.alloc(size - 21, 'x'), int32(0)])
  }

  it.each([
    ['JSON', 0, jsonOf],
    ['binary', 1, binaryOf],
  ] as const)('is read, and one byte more is refused before it is: %s', (_encoding, type, headerOf) => {
    expect(decodeFrame(rawFrame(type, headerOf(LIMIT))).remark?.length).toBeGreaterThan(LIMIT - 200)
    const fault = faultOf(() => decodeFrame(rawFrame(type, headerOf(LIMIT + 1))))
    expect(fault.code).toBe('FRAME_MALFORMED')
    expect(fault.message).toBe('a header of 1048577 bytes, 1048576 are allowed')
  })

  const names = (count: number) => Array.from({ length: count }, (_, i) => i.toString(36).padStart(4, '_'))
  const jsonWith = (count: number) => {
    const fields = names(count).map((name) => `"${name}":"1"`)
    return rawFrame(0, JSON.stringify({ ...SOUND, extFields: 0 }).replace(':0}', `:{${fields.join(',')}}}`))
  }
  const binaryWith = (count: number) => {
    const fields = Buffer.from(
      names(count)
        .map((name) => `\0\u0004${name}\0\0\0\u00011`)
        .join(''),
    )
    return rawFrame(1, Buffer.concat([binaryOf(21).subarray(0, 17), int32(fields.length), fields]))
  }

  it.each([
    ['JSON', jsonWith],
    ['binary', binaryWith],
  ])('may have 65536 fields, and not one more: %s', (_encoding, frameWith) => {
    const { rawFields = {} } = decodeFrame(frameWith(MAX_FIELDS))
    expect(Object.keys(rawFields)).toHaveLength(MAX_FIELDS)
    const fault = faultOf(() => decodeFrame(frameWith(MAX_FIELDS + 1)))
    expect(fault.code).toBe('HEADER_MALFORMED')
    expect(fault.message).toContain('more than 65536 ext fields')
  })
})

describe('a serialize type', () => {
  it.each([2, 3, 0x7b, 0x80, 0xff])('of %d is refused', (type) => {
    const fault = faultOf(() => decodeFrames(rawFrame(type, JSON.stringify(SOUND))))
    expect(fault.code).toBe('FRAME_MALFORMED')
    expect(fault.message).toContain(`unknown serialize type ${type}`)
  })
})

/** A JSON header that is sound but for the bytes of its remark. */
function withRemark(hex: string): Buffer {
  return Buffer.concat([
    Buffer.from('{"code":0,"opaque":1,"flag":1,"remark":"'),
    Buffer.from(hex, 'hex'),
    Buffer.from('"}'),
  ])
}

describe('a JSON header', () => {
  it('of more than a mebibyte is refused before it is read: what it may nest would hold up everything', () => {
    const header = `{"code":0,"x":${'['.repeat(1024 * 1024)}`
    const fault = faultOf(() => decodeFrames(rawFrame(0, header)))
    expect(fault.code).toBe('FRAME_MALFORMED')
    expect(fault.message).toContain(`a header of ${header.length} bytes, 1048576 are allowed`)
  })

  it('with a remark in UTF-8 is read', () => {
    expect(decodeFrame(rawFrame(0, withRemark('e4bda0'))).remark).toBe('你')
  })

  const deep = '['.repeat(10_000) + ']'.repeat(10_000)
  const text = JSON.stringify(SOUND)

  it.each<[string, string | Buffer]>([
    ['that is empty', ''],
    ['of blanks', '   '],
    ['of null', 'null'],
    ['of an array', '[]'],
    ['of a number', '42'],
    ['of a text', '"header"'],
    ['of a boolean', 'true'],
    ['that is cut off', text.slice(0, -1)],
    ['followed by more', `${text}x`],
    ['with NaN', '{"code":NaN,"opaque":1,"flag":1}'],
    ['with a bare key', '{code:0,"opaque":1,"flag":1}'],
    ['with single quotes', "{'code':0,'opaque':1,'flag':1}"],
    ['with a trailing comma', '{"code":0,"opaque":1,"flag":1,}'],
    ['with a comment', '{"code":0,"opaque":1,"flag":1/**/}'],
    ['behind a byte order mark', `\ufeff${text}`],
    ['in UTF-16', Buffer.from(text, 'utf16le')],
    ['of invalid UTF-8', withRemark('ff')],
    ['with an overlong form of a slash', withRemark('c0af')],
    ['with the bytes of a lone surrogate', withRemark('eda080')],
    ['with a raw control character', '{"code":0,"opaque":1,"flag":1,"remark":"\n"}'],
    ['that is nested 10,000 deep', deep],
    ['that opens 10,000 times and never closes', '{"a":'.repeat(10_000)],
    ['without a code', JSON.stringify({ ...SOUND, code: undefined })],
    ['without an opaque', JSON.stringify({ ...SOUND, opaque: undefined })],
    ['without a flag', JSON.stringify({ ...SOUND, flag: undefined })],
    ['with a null code', JSON.stringify({ ...SOUND, code: null })],
    ['with a code as text', JSON.stringify({ ...SOUND, code: '0' })],
    ['with a fraction as code', JSON.stringify({ ...SOUND, code: 0.5 })],
    ['with a code beyond 32 bits', JSON.stringify({ ...SOUND, code: 2 ** 31 })],
    ['with an opaque below 32 bits', JSON.stringify({ ...SOUND, opaque: -(2 ** 31) - 1 })],
    ['with a flag of 1e300', '{"code":0,"opaque":1,"flag":1e300}'],
    ['with an object as flag', JSON.stringify({ ...SOUND, flag: {} })],
    ['with a code only on its prototype', '{"__proto__":{"code":0},"opaque":1,"flag":1}'],
    ['with a version as text', JSON.stringify({ ...SOUND, version: '493' })],
    ['with a version beyond 32 bits', JSON.stringify({ ...SOUND, version: 2 ** 40 })],
    ['with a list of fields', JSON.stringify({ ...SOUND, extFields: ['a'] })],
    ['with a text for fields', JSON.stringify({ ...SOUND, extFields: 'a=b' })],
    ['with a number for fields', JSON.stringify({ ...SOUND, extFields: 7 })],
    ['with an object as a field', JSON.stringify({ ...SOUND, extFields: { a: { b: 'c' } } })],
    ['with a list as a field', JSON.stringify({ ...SOUND, extFields: { a: [] } })],
  ])('%s is refused', (_, header) => {
    const fault = faultOf(() => decodeFrames(rawFrame(0, header)))
    expect(fault.code).toBe('HEADER_MALFORMED')
    expect(fault.message.length).toBeLessThan(400)
  })

  it('may hold members that nobody knows, however deep they are', () => {
    const frame = decodeFrame(jsonFrame(`{"code":17,"opaque":1,"flag":1,"unknown":${deep},"toString":null}`))
    expect(frameFields(frame)).toMatchObject({
      code: 17,
      version: 0,
      remark: undefined,
      language: undefined,
      fields: {},
    })
  })

  it('takes the last of two equal members, as Java does', () => {
    expect(decodeFrame(jsonFrame('{"code":1,"code":2,"opaque":1,"flag":1}')).code).toBe(2)
    const frame = decodeFrame(jsonFrame('{"code":1,"opaque":1,"flag":1,"extFields":{"a":"1","a":"2"}}'))
    expect(frame.field('a')).toBe('2')
  })

  it('keeps a lone surrogate that was escaped, as text like other text', () => {
    expect(decodeFrame(jsonFrame('{"code":1,"opaque":1,"flag":1,"remark":"\\ud800"}')).remark).toBe('\ud800')
  })

  it.each([
    ['a name that nobody knows', 'KLINGON'],
    ['a number', 99],
  ])('keeps %s as its language', (_, language) => {
    expect(decodeFrame(jsonFrame({ ...SOUND, language })).language).toBe(language)
  })

  it.each([[null], [{ name: 'JAVA' }], [true]])('has no language where that is %j', (language) => {
    expect(decodeFrame(jsonFrame({ ...SOUND, language })).language).toBeUndefined()
  })

  it('has no remark where that is no text', () => {
    expect(decodeFrame(jsonFrame({ ...SOUND, remark: null })).remark).toBeUndefined()
    expect(decodeFrame(jsonFrame({ ...SOUND, remark: { a: 1 } })).remark).toBeUndefined()
    expect(decodeFrame(jsonFrame({ ...SOUND, remark: '' })).remark).toBe('')
  })

  it.each([200_050, 32_768, 2_147_483_647, -2_147_483_648, -1])('keeps a code of %d', (code) => {
    expect(decodeFrame(jsonFrame({ ...SOUND, code })).code).toBe(code)
  })
})

describe('fields of a JSON header', () => {
  const fieldsOf = (extFields: string) => {
    const frame = decodeFrame(jsonFrame(`{"code":0,"opaque":1,"flag":1,"extFields":${extFields}}`))
    return { ...frame.extFields }
  }

  it('may be numbers and booleans, which are read as text, and null, which is none', () => {
    expect(fieldsOf('{"n":-5,"b":true,"f":1.5,"z":null,"t":"x"}')).toEqual({ n: '-5', b: 'true', f: '1.5', t: 'x' })
  })

  it('keep all digits of numbers that JavaScript would round', () => {
    expect(
      fieldsOf('{"a":9007199254740993,"b":-9223372036854775808,"c":1e21,"__proto__":9223372036854775807}'),
    ).toEqual({
      a: '9007199254740993',
      b: '-9223372036854775808',
      c: '1e+21',
      ['__proto__']: '9223372036854775807',
    })
  })

  it('are refused when an integer is beyond 64 bits', () => {
    expect(faultOf(() => fieldsOf('{"a":99999999999999999999}')).message).toContain('beyond 64 bits')
  })

  it('are read once, however many of them need all their digits', () => {
    const names = Array.from({ length: 20_000 }, (_, index) => `f${index}`)
    const fields = fieldsOf(`{${names.map((name) => `"${name}":0.5`).join(',')}}`)
    expect(Object.keys(fields)).toEqual(names)
  })

  it('may be null or missing', () => {
    expect(fieldsOf('null')).toEqual({})
    expect({ ...decodeFrame(jsonFrame(SOUND)).extFields }).toEqual({})
  })

  const SPECIAL = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf', '']

  it.each(SPECIAL)('named %j are plain data', (name) => {
    const frame = decodeFrame(jsonFrame(`{"code":0,"opaque":1,"flag":1,"extFields":{${JSON.stringify(name)}:"mine"}}`))
    expect(frame.field(name)).toBe('mine')
    expect(Object.getPrototypeOf(frame.extFields)).toBeNull()
    expect(Object.entries(frame.extFields)).toEqual([[name, 'mine']])
  })

  it.each(SPECIAL)('named %j are not there where they were not sent', (name) => {
    for (const frame of [decodeFrame(jsonFrame(SOUND)), decodeFrame(jsonFrame({ ...SOUND, extFields: {} }))]) {
      expect(frame.field(name)).toBeUndefined()
    }
    expect(decodeFrame(encodeTextFrame('ROCKETMQ', { code: 0, opaque: 1, flag: 1 }, {})).field(name)).toBeUndefined()
  })

  it('can not reach Object.prototype', () => {
    expect(Object.keys(fieldsOf('{"__proto__":"polluted","constructor":1}'))).toEqual(['__proto__', 'constructor'])
    expect(faultOf(() => fieldsOf('{"__proto__":{"polluted":"yes"}}')).code).toBe('HEADER_MALFORMED')
    expect(({} as Record<string, unknown>).polluted).toBeUndefined()
  })

  it('are refused in little time when one is an object of ninety thousand members', () => {
    const members = Array.from({ length: 90_000 }, (_, index) => `"m${index}":0`).join(',')
    const fault = faultOf(() => fieldsOf(`{"a":{${members}}}`))
    expect(fault.message).toBe("header field 'a' is an object, text is expected")
    expect(faultOf(() => fieldsOf(`[{${members}}]`)).message).toContain('is a list, an object is expected')
  })
})

describe('a binary header', () => {
  const HEAD = Buffer.concat([int16(0), Buffer.from([0]), int16(493), int32(1), int32(1)])
  const entry = (name: string, value: string) =>
    Buffer.concat([
      int16(Buffer.byteLength(name)),
      Buffer.from(name),
      int32(Buffer.byteLength(value)),
      Buffer.from(value),
    ])
  const withFields = (fields: Buffer) => Buffer.concat([HEAD, int32(0), int32(fields.length), fields])

  it('without remark and fields is the shortest', () => {
    expect(decodeFrame(rawFrame(1, withFields(Buffer.alloc(0)))).code).toBe(0)
  })

  it('is refused wherever it is cut off', () => {
    const header = Buffer.concat([HEAD, int32(2), Buffer.from('ok'), int32(entry('a', 'b').length), entry('a', 'b')])
    expect(decodeFrame(rawFrame(1, header)).field('a')).toBe('b')
    for (let length = 0; length < header.length; length++) {
      const fault = faultOf(() => decodeFrame(rawFrame(1, header.subarray(0, length), Buffer.alloc(50))))
      expect(fault.code, `cut at ${length}`).toBe('HEADER_MALFORMED')
    }
  })

  it.each<[string, Buffer, string]>([
    ['a negative remark length', Buffer.concat([HEAD, int32(-1), int32(0)]), 'remark has length -1'],
    ['a remark beyond the header', Buffer.concat([HEAD, int32(5), int32(0)]), 'remark has length 5'],
    ['the longest remark', Buffer.concat([HEAD, int32(2_147_483_647), int32(0)]), 'remark has length 2147483647'],
    ['a negative length of fields', Buffer.concat([HEAD, int32(0), int32(-7)]), 'ext fields has length -7'],
    ['fields beyond the header', Buffer.concat([HEAD, int32(0), int32(1)]), 'ext fields has length 1'],
    [
      'bytes left over behind the fields',
      Buffer.concat([withFields(entry('a', 'b')), Buffer.from('x')]),
      'the header has 9 left',
    ],
    [
      'bytes left over without fields',
      Buffer.concat([withFields(Buffer.alloc(0)), Buffer.from('x')]),
      'ext fields take 0 bytes',
    ],
    [
      'a negative length of a name',
      withFields(Buffer.concat([int16(-1), entry('a', 'b')])),
      'ext field name has length -1',
    ],
    [
      'a name beyond the fields',
      withFields(Buffer.concat([int16(100), Buffer.from('a')])),
      'ext field name has length 100',
    ],
    [
      'a name without a value',
      withFields(Buffer.concat([int16(1), Buffer.from('a')])),
      'ext field value needs 4 bytes',
    ],
    [
      'a negative length of a value',
      withFields(Buffer.concat([int16(1), Buffer.from('a'), int32(-1)])),
      'ext field value has length -1',
    ],
    [
      'a value beyond the fields',
      withFields(Buffer.concat([int16(1), Buffer.from('a'), int32(9)])),
      'ext field value has length 9',
    ],
    [
      'one byte behind its last field',
      withFields(Buffer.concat([entry('a', 'b'), Buffer.from([0])])),
      'ext field name needs 2 bytes',
    ],
  ])('with %s is refused', (_, header, message) => {
    // The body behind it is long enough for all of these lengths: none of them may reach into it.
    const fault = faultOf(() => decodeFrame(rawFrame(1, header, Buffer.alloc(200))))
    expect(fault.code).toBe('HEADER_MALFORMED')
    expect(fault.message).toContain(message)
  })

  it.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty', ''])(
    'keeps a field named %j as plain data',
    (name) => {
      const frame = decodeFrame(rawFrame(1, withFields(entry(name, 'mine'))))
      expect(frame.field(name)).toBe('mine')
      expect(Object.getPrototypeOf(frame.extFields)).toBeNull()
    },
  )

  it('keeps a language that nobody knows, and codes as signed 16 bits', () => {
    const header = withFields(Buffer.alloc(0))
    header.writeUInt16BE(0xffff, 0)
    header.writeUInt8(200, 2)
    header.writeUInt16BE(0x8000, 3)
    expect(decodeFrame(rawFrame(1, header))).toMatchObject({ code: -1, language: 200, version: -32_768 })
  })

  it('takes the last of two equal fields, and an empty value for none', () => {
    const frame = decodeFrame(
      rawFrame(1, withFields(Buffer.concat([entry('a', '1'), entry('a', '2'), entry('b', '')]))),
    )
    expect({ ...frame.extFields }).toEqual({ a: '2' })
  })

  it('shows bytes that are no UTF-8 as replacement characters', () => {
    const bytes = Buffer.concat([int16(1), Buffer.from('a'), int32(1), Buffer.from('ff', 'hex')])
    expect(decodeFrame(rawFrame(1, withFields(bytes))).field('a')).toBe('\ufffd')
  })
})
