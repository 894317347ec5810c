import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FrameDecoder } from '../../src/codec/frame.js'
import type { RemotingCommand, SerializeType } from '../../src/codec/remoting-command.js'
import { fromHex, golden } from './golden.js'
import { decodeFrame, decodeFrames, encodeTextFrame, frameFields } from './wire.js'

interface JavaFrame {
  readonly code: number
  readonly language: string
  readonly languageCode: number
  readonly version: number
  readonly opaque: number
  readonly flag: number
  readonly remark: string | null
  readonly extFields: Readonly<Record<string, string | null>> | null
  readonly bodyHex: string | null
}

interface FrameCase {
  readonly name: string
  readonly serializeType: SerializeType
  readonly hex: string
  readonly input: JavaFrame
  readonly decoded: JavaFrame & { readonly serializeType: SerializeType }
}

const cases = golden<FrameCase>('frames')

function textFields(extFields: JavaFrame['extFields']): Record<string, string> {
  const entries = Object.entries(extFields ?? {}).filter((entry): entry is [string, string] => entry[1] !== null)
  return Object.fromEntries(entries.sort())
}

/** Our own encoding of what Java was given. */
function encodeAsJava({ input, serializeType }: FrameCase): Buffer {
  const head = { code: input.code, opaque: input.opaque, flag: input.flag }
  const withRemark = input.remark === null ? head : { ...head, remark: input.remark }
  const fields = Object.fromEntries(Object.entries(input.extFields ?? {}).map(([name, text]) => [name, text ?? '']))
  return encodeTextFrame(serializeType, withRemark, fields, fromHex(input.bodyHex ?? ''))
}

/** Java's frame as it would be if Java called itself OTHER. */
function withOwnLanguage({ hex, serializeType, input }: FrameCase): Buffer {
  const frame = fromHex(hex)
  if (serializeType === 'ROCKETMQ') {
    frame.writeUInt8(7, 10)
    return frame
  }
  const headerLength = frame.readUInt32BE(4) & 0xff_ffff
  const header = frame.toString('utf8', 8, 8 + headerLength)
  const renamed = Buffer.from(header.replace(`"language":"${input.language}"`, '"language":"OTHER"'))
  const result = Buffer.concat([frame.subarray(0, 8), renamed, frame.subarray(8 + headerLength)])
  result.writeInt32BE(result.length - 4, 0)
  result.writeUInt32BE(renamed.length, 4)
  return result
}

describe('frames that Java made', () => {
  it.each(cases)('reads $name ($serializeType) as Java does', ({ hex, decoded, serializeType }) => {
    const frame = decodeFrame(fromHex(hex))
    expect(frameFields(frame)).toEqual({
      code: decoded.code,
      language: serializeType === 'JSON' ? decoded.language : decoded.languageCode,
      version: decoded.version,
      opaque: decoded.opaque,
      flag: decoded.flag,
      remark: decoded.remark ?? undefined,
      fields: textFields(decoded.extFields),
      body: decoded.bodyHex ?? '',
      serializeType: decoded.serializeType,
    })
    expect(frame.isResponse).toBe((decoded.flag & 1) === 1)
    expect(frame.isOneway).toBe((decoded.flag & 2) === 2)
  })

  it.each(cases)("writes $name ($serializeType) so that it reads as Java's frame does", (javaCase) => {
    const own = decodeFrame(encodeAsJava(javaCase))
    const java = decodeFrame(fromHex(javaCase.hex))
    const { language, ...fields } = frameFields(own)
    expect(language).toBe(javaCase.serializeType === 'JSON' ? 'OTHER' : 7)
    expect(fields).toEqual({ ...frameFields(java), language: undefined })
  })

  it('writes the very bytes that Java writes, but for the language', () => {
    // Where there are no fields Java's JSON has no extFields, and ours an empty object.
    const comparable = cases.filter(({ input, serializeType }) => input.extFields !== null || serializeType !== 'JSON')
    expect(comparable.length).toBeGreaterThan(cases.length / 2)
    const different = comparable.filter((javaCase) => !encodeAsJava(javaCase).equals(withOwnLanguage(javaCase)))
    expect(different.map(({ name, serializeType }) => `${name} (${serializeType})`)).toEqual([])
  })
})

const text = fc.string({ unit: 'grapheme', maxLength: 40 })
const anyFrame = fc
  .record({
    type: fc.constantFrom<SerializeType>('JSON', 'ROCKETMQ'),
    code: fc.integer({ min: -0x8000, max: 0x7fff }),
    opaque: fc.integer(),
    flag: fc.integer({ min: 0, max: 3 }),
    remark: fc.option(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 200 }), { nil: undefined }),
    fields: fc.dictionary(
      text.filter((name) => name !== ''),
      fc.string({ unit: 'grapheme', minLength: 1, maxLength: 100 }),
      { maxKeys: 8 },
    ),
    body: fc.uint8Array({ maxLength: 300 }),
  })
  .map(({ type, remark, fields, body, ...head }) => {
    const fullHead = remark === undefined ? head : { ...head, remark }
    return {
      bytes: encodeTextFrame(type, fullHead, fields, body),
      expected: {
        ...head,
        remark,
        language: type === 'JSON' ? 'OTHER' : 7,
        version: 493,
        fields: Object.fromEntries(Object.entries(fields).sort()),
        body: Buffer.from(body).toString('hex'),
        serializeType: type,
      },
    }
  })

function cut(stream: Buffer, places: readonly number[]): Buffer[] {
  const borders = [0, ...places.map((place) => place % (stream.length + 1)).sort((a, b) => a - b), stream.length]
  return borders.slice(1).map((end, index) => stream.subarray(borders[index], end))
}

/** The same chunks, none beside another in memory. */
function apart(chunks: readonly Buffer[]): Buffer[] {
  return chunks.map((chunk) => Buffer.concat([Buffer.alloc(1), chunk]).subarray(1))
}

describe('FrameDecoder', () => {
  it('gives the same frames wherever the stream is cut', () => {
    fc.assert(
      fc.property(fc.array(anyFrame, { maxLength: 6 }), fc.array(fc.nat(), { maxLength: 12 }), (frames, places) => {
        const stream = Buffer.concat(frames.map((frame) => frame.bytes))
        const expected = frames.map((frame) => frame.expected)
        expect(decodeFrames(...cut(stream, places)).map(frameFields)).toEqual(expected)
        expect(decodeFrames(...apart(cut(stream, places))).map(frameFields)).toEqual(expected)
      }),
      { numRuns: 300 },
    )
  })

  const stream = Buffer.concat([
    encodeTextFrame('ROCKETMQ', { code: 310, opaque: 1, flag: 0 }, { a: 'group', b: 'topic' }, Buffer.from('body')),
    encodeTextFrame('JSON', { code: 0, opaque: 2, flag: 1, remark: 'fine' }, { offset: '7' }),
    encodeTextFrame('ROCKETMQ', { code: 34, opaque: 3, flag: 2 }, {}),
  ])
  const whole = decodeFrames(stream).map(frameFields)
  const summary = (frames: readonly RemotingCommand[]) =>
    frames.map(({ opaque, body, extFields }) => `${opaque}/${body}/${Object.keys(extFields).length}`).join(' ')

  it('gives the same frames for every single cut, and for every pair of cuts, of a small stream', () => {
    expect(whole).toHaveLength(3)
    for (let first = 0; first <= stream.length; first++) {
      for (let second = first; second <= stream.length; second++) {
        const chunks = [stream.subarray(0, first), stream.subarray(first, second), stream.subarray(second)]
        for (const decoded of [decodeFrames(...chunks), decodeFrames(...apart(chunks))]) {
          if (summary(decoded) === '1/body/2 2//1 3//0') continue
          expect(decoded.map(frameFields), `cut at ${first} and ${second}`).toEqual(whole)
          throw new Error(`cut at ${first} and ${second}: ${summary(decoded)}`)
        }
      }
    }
  })

  it('gives the same frames when each byte comes alone', () => {
    const chunks = Array.from(stream, (_, index) => stream.subarray(index, index + 1))
    expect(decodeFrames(...chunks).map(frameFields)).toEqual(whole)
    expect(decodeFrames(...apart(chunks)).map(frameFields)).toEqual(whole)
  })

  it('hands out a frame with its last byte, and not before', () => {
    const decoder = new FrameDecoder()
    const frames: RemotingCommand[] = []
    const bytes = encodeTextFrame('JSON', { code: 0, opaque: 9, flag: 1 }, {}, Buffer.from('x'))
    decoder.push(bytes.subarray(0, -1), (frame) => frames.push(frame))
    expect(frames).toHaveLength(0)
    expect(decoder.buffered).toBe(bytes.length - 1)
    decoder.push(bytes.subarray(-1), (frame) => frames.push(frame))
    expect(frames.map((frame) => frame.opaque)).toEqual([9])
    expect(decoder.buffered).toBe(0)
  })

  it('gives a body that lies in the chunk it came in as a view of that chunk', () => {
    const bytes = encodeTextFrame('ROCKETMQ', { code: 0, opaque: 1, flag: 1 }, {}, Buffer.from('view'))
    const { body } = decodeFrame(bytes)
    expect(body.buffer).toBe(bytes.buffer)
    expect(body.byteOffset).toBe(bytes.byteOffset + bytes.length - 4)
  })

  it('gives a body that comes in chunks side by side in memory as a view, and a body in scattered ones as a copy', () => {
    const bytes = encodeTextFrame('ROCKETMQ', { code: 0, opaque: 1, flag: 1 }, {}, Buffer.from('view'))
    const chunks = [bytes.subarray(0, 9), bytes.subarray(9, -2), bytes.subarray(-2)]
    const [side] = decodeFrames(...chunks)
    expect(side?.body.buffer).toBe(bytes.buffer)
    expect(side?.body.byteOffset).toBe(bytes.byteOffset + bytes.length - 4)
    const [scattered] = decodeFrames(...apart(chunks))
    expect(scattered?.body.toString()).toBe('view')
    expect(scattered?.body.buffer).not.toBe(bytes.buffer)
  })

  it('takes a frame of exactly maxFrameSize bytes, and refuses one more byte', () => {
    const bytes = encodeTextFrame('ROCKETMQ', { code: 0, opaque: 1, flag: 1 }, {}, Buffer.alloc(100))
    const frames: RemotingCommand[] = []
    new FrameDecoder(bytes.length).push(bytes, (frame) => frames.push(frame))
    expect(frames).toHaveLength(1)
    expect(() => new FrameDecoder(bytes.length - 1).push(bytes, () => {})).toThrow('maxFrameSize')
  })

  it('puts together a frame of a megabyte that comes byte by byte', () => {
    const body = Buffer.alloc(1024 * 1024, 0x61)
    const bytes = encodeTextFrame('ROCKETMQ', { code: 0, opaque: 1, flag: 1 }, {}, body)
    const decoder = new FrameDecoder()
    const frames: RemotingCommand[] = []
    for (let at = 0; at < bytes.length; at++) decoder.push(Buffer.of(bytes[at] ?? 0), (frame) => frames.push(frame))
    expect(frames).toHaveLength(1)
    expect(frames[0]?.body.equals(body)).toBe(true)
  })
})

describe('writeFrameHeader', () => {
  it('writes a code beyond 16 bits as JSON, whatever encoding is wanted', () => {
    const frame = decodeFrame(encodeTextFrame('ROCKETMQ', { code: 200_050, opaque: 1, flag: 0 }, { topic: 'T' }))
    expect([frame.serializeType, frame.code, frame.field('topic')]).toEqual(['JSON', 200_050, 'T'])
  })

  it.each(['JSON', 'ROCKETMQ'] as const)('refuses a %s header longer than 24 bits can say', (type) => {
    const fields = { properties: 'x'.repeat(0x100_0000) }
    expect(() => encodeTextFrame(type, { code: 310, opaque: 1, flag: 0 }, fields)).toThrow('16777215 are allowed')
  })
})
