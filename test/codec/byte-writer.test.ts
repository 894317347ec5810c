import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteReader } from '../../src/codec/byte-reader.js'
import { ByteWriter } from '../../src/codec/byte-writer.js'

/** One call of a writer, with the bytes it must append. */
interface Write {
  readonly write: (writer: ByteWriter) => unknown
  readonly bytes: Buffer
}

function bytesOf(size: number, fill: (view: DataView) => void): Buffer {
  const bytes = Buffer.alloc(size)
  fill(new DataView(bytes.buffer, bytes.byteOffset, size))
  return bytes
}

const anyWrite: fc.Arbitrary<Write> = fc.oneof(
  fc.integer({ min: -128, max: 127 }).map((value) => ({
    write: (writer: ByteWriter) => writer.int8(value),
    bytes: bytesOf(1, (view) => view.setInt8(0, value)),
  })),
  fc.integer({ min: -32_768, max: 32_767 }).map((value) => ({
    write: (writer: ByteWriter) => writer.int16(value),
    bytes: bytesOf(2, (view) => view.setInt16(0, value)),
  })),
  fc.integer().map((value) => ({
    write: (writer: ByteWriter) => writer.int32(value),
    bytes: bytesOf(4, (view) => view.setInt32(0, value)),
  })),
  fc.maxSafeInteger().map((value) => ({
    write: (writer: ByteWriter) => writer.int64(value),
    bytes: bytesOf(8, (view) => view.setBigInt64(0, BigInt(value))),
  })),
  fc.maxSafeInteger().map((value) => ({
    write: (writer: ByteWriter) => writer.decimal(value),
    bytes: Buffer.from(String(value)),
  })),
  fc.string({ unit: 'binary', maxLength: 200 }).map((text) => ({
    write: (writer: ByteWriter) => writer.utf8(text),
    bytes: Buffer.from(text),
  })),
  fc.uint8Array({ maxLength: 300 }).map((bytes) => ({
    write: (writer: ByteWriter) => writer.bytes(bytes),
    bytes: Buffer.from(bytes),
  })),
)

describe('ByteWriter', () => {
  it('never changes what take() handed out, however much is written, rewound and patched after it', () => {
    const step = fc.record({
      writes: fc.array(anyWrite, { maxLength: 6 }),
      isTaken: fc.boolean(),
      isRewound: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 64 }), fc.array(step, { maxLength: 20 }), (size, steps) => {
        const writer = new ByteWriter(size)
        const taken: { readonly view: Buffer; readonly expected: Buffer }[] = []
        let pending: Buffer[] = []
        for (const { writes, isTaken, isRewound } of steps) {
          const start = writer.position
          for (const { write, bytes } of writes) {
            write(writer)
            if (!isRewound) pending.push(bytes)
          }
          if (isRewound) writer.rewind(start)
          const expected = Buffer.concat(pending)
          expect(writer.length).toBe(expected.length)
          if (!isTaken) continue
          taken.push({ view: writer.take(), expected })
          pending = []
        }
        taken.push({ view: writer.take(), expected: Buffer.concat(pending) })
        for (const { view, expected } of taken) expect(view.equals(expected)).toBe(true)
      }),
      { numRuns: 300 },
    )
  })

  it('says how many bytes a text took, whether short or long, in ASCII or not', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 120 }), (text) => {
        const writer = new ByteWriter(1)
        expect(writer.utf8(text)).toBe(Buffer.byteLength(text))
        expect(writer.take().toString('utf8')).toBe(Buffer.from(text).toString('utf8'))
      }),
    )
  })

  it('writes a lone surrogate as the replacement character, as Buffer does', () => {
    const writer = new ByteWriter()
    expect(writer.utf8('a\ud800')).toBe(4)
    expect(writer.take().toString('hex')).toBe('61efbfbd')
  })

  it('goes on in a new slab when the first is full, and keeps what was not taken', () => {
    const writer = new ByteWriter(8)
    writer.int32(1)
    const first = writer.take()
    writer.int32(2)
    writer.bytes(Buffer.alloc(100_000, 7))
    const second = writer.take()
    expect(second.buffer).not.toBe(first.buffer)
    expect(first.readInt32BE()).toBe(1)
    expect(second.readInt32BE()).toBe(2)
    expect(second.length).toBe(100_004)
  })

  it('patches words at their place, also after the slab has grown', () => {
    const writer = new ByteWriter(4)
    writer.int8(9)
    writer.take()
    const wide = writer.position
    writer.int32(0)
    const narrow = writer.position
    writer.int16(0)
    writer.utf8('x'.repeat(1000))
    writer.patchInt32(wide, -5)
    writer.patchInt16(narrow, -6)
    const reader = new ByteReader(writer.take(), 'FRAME_MALFORMED')
    expect([reader.int32('wide'), reader.int16('narrow'), reader.remaining]).toEqual([-5, -6, 1000])
  })

  it('writes over what was taken only after reuse()', () => {
    const writer = new ByteWriter(16)
    writer.int32(1)
    const first = writer.take()
    writer.reuse()
    writer.int32(2)
    expect(writer.take().byteOffset).toBe(first.byteOffset)
    expect(first.readInt32BE()).toBe(2)
  })

  it('does not start again while something is not taken', () => {
    const writer = new ByteWriter(16)
    writer.int32(1)
    const first = writer.take()
    writer.int32(2)
    writer.reuse()
    writer.int32(3)
    expect(writer.take().toString('hex')).toBe('0000000200000003')
    expect(first.readInt32BE()).toBe(1)
  })
})
