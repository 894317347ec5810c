import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BATCH_PART_OVERHEAD, type DecodedBatchPart, decodeBatch, encodeBatch } from '../../src/codec/batch-codec.js'
import { decodeProperties, encodeProperties } from '../../src/codec/properties.js'
import { fromHex, golden } from './golden.js'
import { faultOf } from './wire.js'

interface JavaPart {
  readonly flag: number
  readonly bodyHex: string
  readonly properties: Readonly<Record<string, string>> | null
}

interface BatchCase {
  readonly name: string
  readonly messages: readonly JavaPart[]
  readonly hex: string
  readonly decoded: readonly JavaPart[]
}

const cases = golden<BatchCase>('batch')

function fieldsOf({ flag, body, rawProperties }: DecodedBatchPart) {
  return { flag, bodyHex: body.toString('hex'), properties: { ...decodeProperties(rawProperties.toString()) } }
}

describe('batches that Java made', () => {
  it.each(cases)('are written byte by byte as Java writes them: $name', ({ messages, hex }) => {
    const parts = messages.map(({ flag, bodyHex, properties }) => ({
      flag,
      body: fromHex(bodyHex),
      properties: encodeProperties(properties ?? {}),
    }))
    expect(encodeBatch(parts).toString('hex')).toBe(hex)
  })

  it.each(cases)('are read as Java reads them: $name', ({ hex, decoded }) => {
    const parts = decodeBatch(fromHex(hex))
    expect(parts.map(fieldsOf)).toEqual(decoded.map((part) => ({ ...part, properties: part.properties ?? {} })))
  })
})

const anyPart = fc.record({
  flag: fc.integer(),
  body: fc.uint8Array({ maxLength: 400 }),
  properties: fc.string({ unit: 'grapheme', maxLength: 200 }),
})

describe('batches', () => {
  it('come back as they were written', () => {
    fc.assert(
      fc.property(fc.array(anyPart, { maxLength: 20 }), (parts) => {
        const decoded = decodeBatch(encodeBatch(parts)).map(({ flag, body, rawProperties }) => ({
          flag,
          body: new Uint8Array(body),
          properties: rawProperties.toString(),
        }))
        expect(decoded).toEqual(parts)
      }),
    )
  })

  it('take properties of 32767 bytes', () => {
    const properties = 'x'.repeat(32_767)
    const [part] = decodeBatch(encodeBatch([{ flag: 0, body: Buffer.from('b'), properties }]))
    expect(part?.rawProperties.toString()).toBe(properties)
  })

  it('are empty when nothing was in them', () => {
    expect(encodeBatch([])).toHaveLength(0)
    expect(decodeBatch(Buffer.alloc(0))).toEqual([])
  })

  const body = encodeBatch([
    { flag: 1, body: Buffer.from('first'), properties: 'a\u00011\u0002' },
    { flag: 2, body: Buffer.from('second'), properties: '' },
  ])
  const secondAt = BATCH_PART_OVERHEAD + 'first'.length + 'a\u00011\u0002'.length

  function patched(patch: (bytes: Buffer) => unknown): Buffer {
    const bytes = Buffer.from(body)
    patch(bytes)
    return bytes
  }

  it.each([
    ['a size of 0', patched((bytes) => bytes.writeInt32BE(0, 0)), 'size is 0'],
    ['a negative size', patched((bytes) => bytes.writeInt32BE(-1, 0)), 'size is -1'],
    ['a size too small for its fields', patched((bytes) => bytes.writeInt32BE(21, 0)), 'size is 21'],
    ['a size beyond the body', patched((bytes) => bytes.writeInt32BE(1000, secondAt)), 'size is 1000'],
    ['a size that cuts its part off', patched((bytes) => bytes.writeInt32BE(22, 0)), 'batch part body has length 5'],
    [
      'a body length beyond its part',
      patched((bytes) => bytes.writeInt32BE(100, 16)),
      'batch part body has length 100',
    ],
    ['a negative body length', patched((bytes) => bytes.writeInt32BE(-5, 16)), 'batch part body has length -5'],
    [
      'a properties length beyond its part',
      patched((bytes) => bytes.writeInt16BE(500, 25)),
      'batch part properties has length 500',
    ],
    [
      'a negative properties length',
      patched((bytes) => bytes.writeInt16BE(-1, 25)),
      'batch part properties has length -1',
    ],
    ['a second part that is cut off', body.subarray(0, -1), 'size is 28'],
    ['a few bytes behind the last part', Buffer.concat([body, Buffer.alloc(3)]), 'batch part size needs 4 bytes'],
  ])('are refused with %s', (_, bytes, message) => {
    const fault = faultOf(() => decodeBatch(bytes))
    expect(fault.code).toBe('MESSAGE_MALFORMED')
    expect(fault.message).toContain(message)
  })

  it('may have more in a part than is known: its size is what counts', () => {
    const longer = Buffer.concat([body.subarray(secondAt), Buffer.from('new field')])
    longer.writeInt32BE(longer.length, 0)
    expect(decodeBatch(Buffer.concat([longer, body])).map(({ flag }) => flag)).toEqual([2, 1, 2])
  })
})
