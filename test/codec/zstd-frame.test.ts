import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { measureZstdFrames, readZstdFrames } from '../../src/codec/zstd-frame.js'
import { MessageError } from '../../src/errors.js'
import { codeOf, damaged, finish, readCompressedBodies, sha256 } from '../support/compressed-bodies.js'

const KIB = 1 << 10
const MIB = 1 << 20
const MAGIC = '28b52ffd'
/** No content size, no checksum, a window of 2 MiB: the header that the Java client's compressor writes. */
const HEADER = `${MAGIC}0058`

const fixtures = readCompressedBodies('zstd-frames')

function read(input: Buffer, maxOutput = 64 * MIB): Buffer {
  const layout = finish(measureZstdFrames(input, maxOutput)).result
  return finish(readZstdFrames(input, layout, maxOutput)).result
}

function bytes(hex: string): Buffer {
  return Buffer.from(hex.replaceAll(' ', ''), 'hex')
}

/** A block with its header; `size` is how often the byte of a repeated block stands. */
function block(
  type: 'raw' | 'repeated' | 'compressed',
  content: Buffer,
  { size = content.length, last = true } = {},
): Buffer {
  const header = Buffer.alloc(3)
  header.writeUIntLE((last ? 1 : 0) | ({ raw: 0, repeated: 1, compressed: 2 }[type] << 1) | (size << 3), 0, 3)
  return Buffer.concat([header, content])
}

function frame(header: string, ...blocks: Buffer[]): Buffer {
  return Buffer.concat([bytes(header), ...blocks])
}

function compressed(hex: string): Buffer {
  return frame(HEADER, block('compressed', bytes(hex)))
}

function refused(input: Buffer, reason: RegExp): void {
  expect(() => read(input)).toThrow(
    expect.objectContaining({ code: 'DECOMPRESS_FAILED', message: expect.stringMatching(reason) }),
  )
}

describe('reading Zstandard frames', () => {
  test.each(fixtures)('takes what libzstd wrote: $name', ({ compressed, size, sha256: hash }) => {
    const body = read(compressed, size)
    expect(body.length).toBe(size)
    expect(sha256(body)).toBe(hash)
  })

  test.each(fixtures.filter(({ compressed }) => compressed.length < 3000))(
    'refuses every beginning of what libzstd wrote: $name',
    ({ compressed }) => {
      const codes = new Set<string>()
      for (let end = 0; end < compressed.length; end++) codes.add(codeOf(() => read(compressed.subarray(0, end))))
      expect([...codes]).toEqual(['DECOMPRESS_FAILED'])
    },
  )

  test.each(fixtures.filter(({ name }) => name.includes('checksum')))(
    'notices any change where there is a checksum: $name',
    ({ compressed, size, sha256: hash }) => {
      const step = Math.ceil(compressed.length / 300)
      for (let at = 0; at < compressed.length; at += step) {
        const changed = Buffer.from(compressed)
        changed.writeUInt8(changed.readUInt8(at) ^ 0x01, at)
        // One header bit is free for any use and one only names the window, so the right body may come out.
        const outcome = outcomeOf(changed, size)
        expect(outcome === 'refused' || outcome === hash).toBe(true)
      }
    },
  )

  test('takes several frames, and passes over skippable ones', () => {
    const skippable = bytes('5f2a4d18 03000000 010203')
    const one = frame(HEADER, block('raw', Buffer.from('one ')))
    const two = frame(
      HEADER,
      block('raw', Buffer.from('tw'), { last: false }),
      block('repeated', Buffer.from('o'), { size: 2 }),
    )
    expect(read(Buffer.concat([skippable, one, skippable, two])).toString()).toBe('one twoo')
  })

  test('takes a window of any size, since it needs no memory for it', () => {
    expect(read(frame(`${MAGIC}00ff`, block('raw', Buffer.from('abc'))), 3).toString()).toBe('abc')
  })

  test.each([
    ['an empty input', Buffer.alloc(0), /there is no frame/],
    ['another format', bytes('789c030000000001'), /magic number 0x39c78 /],
    [
      'bytes behind a frame',
      frame(HEADER, block('raw', Buffer.from('abc')), bytes('00')),
      /ends inside a magic number/,
    ],
    [
      'a frame behind which other data stand',
      frame(HEADER, block('raw', bytes('00')), bytes('0102030405')),
      /magic number 0x4030201/,
    ],
    ['a header that is cut off', bytes(`${MAGIC}00`), /ends inside a frame header/],
    ['a reserved bit in the header', frame(`${MAGIC}0858`, block('raw', bytes('00'))), /reserved bit/],
    ['a dictionary', frame(`${MAGIC}015807`, block('raw', bytes('00'))), /dictionary/],
    ['a reserved block type', frame(HEADER, bytes('0f0000 00')), /reserved type/],
    ['a block that is cut off', frame(HEADER, bytes('290000 0102')), /ends inside a block/],
    [
      'a block larger than 128 KiB',
      frame(HEADER, block('repeated', bytes('00'), { size: 128 * KIB + 1 })),
      /131073 bytes, of which 131072/,
    ],
    [
      'a block larger than its window',
      frame(`${MAGIC}0000`, block('repeated', bytes('00'), { size: KIB + 1 })),
      /1025 bytes, of which 1024/,
    ],
    ['a content size too large', frame(`${MAGIC}2004`, block('raw', Buffer.from('abc'))), /holds 3 bytes and says 4/],
    [
      'a content size too small',
      frame(
        `${MAGIC}60 0000`,
        block('repeated', bytes('00'), { size: 200, last: false }),
        block('repeated', bytes('00'), { size: 200 }),
      ),
      /hold more than the 256 bytes/,
    ],
    [
      'a wrong checksum',
      frame(`${MAGIC}0458`, block('raw', Buffer.from('abc')), bytes('01000000')),
      /is 0xad770999 and should be 0x1/,
    ],
    ['an empty compressed block', compressed(''), /block is empty/],
    ['a block without sequences', compressed('18 616263'), /ends before its sequences/],
    ['a number of sequences that is cut off', compressed('18 616263 ff01'), /ends before its sequences/],
    ['no modes of sequences', compressed('18 616263 01'), /ends before its sequences/],
    ['reserved modes of sequences', compressed('18 616263 01 01 01'), /reserved bits/],
    ['bytes left over in a block', compressed('18 616263 00 00'), /left over/],
    ['literals longer than their block', compressed('28 616263 00'), /literals reach past/],
    ['a header of literals that is cut off', compressed('0c'), /literals header/],
    [
      'more literals than a block may hold',
      frame(`${MAGIC}0000`, block('compressed', bytes('15 40 61 00'))),
      /1025 literals/,
    ],
    ['literals that need a table which no block brought', compressed('2300 00 00'), /need the table/],
    [
      'sequences that need a table which no block brought',
      compressed('18 616263 01 c0 01'),
      /literal lengths need the table/,
    ],
    [
      'a literal length code that does not exist',
      compressed('18 616263 01 54 24 00 00 80'),
      /literal lengths have no valid code/,
    ],
    ['an offset code that does not exist', compressed('18 616263 01 54 00 20 00 80'), /offsets have no valid code/],
    [
      'a match length code that does not exist',
      compressed('18 616263 01 54 00 00 35 80'),
      /match lengths have no valid code/,
    ],
    ['an offset far beyond any body', compressed('18 616263 01 54 03 1f 00 80'), /too far/],
    ['no end mark of the bits', compressed('18 616263 01 54 00 00 00 00'), /no end mark/],
    ['too few bits', compressed('18 616263 01 54 03 02 00 01'), /too short/],
    ['too many bits', compressed('18 616263 01 54 03 02 00 13'), /come out even/],
    ['more literals used than there are', compressed('18 616263 01 54 04 01 00 02'), /more literals than it has/],
    [
      'a match that reaches too far back',
      compressed('18 616263 01 54 03 02 00 07'),
      /reaches back 4 bytes, and 3 are there/,
    ],
    ['a table of too high an accuracy', compressed('18 616263 01 80 0f 00 80'), /accuracy 20/],
    ['Huffman weights without any weight', compressed('4240 00 80 00 00 00'), /Huffman/],
  ])('refuses %s', (_name, input, reason) => {
    refused(input, reason)
  })

  test('takes a sequence that is right, so that the refusals above are for their reasons', () => {
    // Codes given once: 3 literals, offset value 4 + 0 (distance 1), match length 3.
    expect(read(compressed('18 616263 01 54 03 02 00 04')).toString()).toBe('abcccc')
  })

  test('is done at once with a Huffman table whose bits never run out', () => {
    refused(bytes('28b52ffd005875000042810205f0035555810102038100'), /too many symbols/)
  })

  test('is done at once with many long matches that take no bits', () => {
    refused(bytes('28b52ffd00586500000861ffffff54230034ffff80'), /./)
  })

  test('gives exactly as much as allowed, and not one byte more', () => {
    for (const { compressed, size } of fixtures.filter(({ size }) => size > 0)) {
      expect(() => read(compressed, size - 1)).toThrow(expect.objectContaining({ code: 'BODY_TOO_LARGE' }))
    }
  })

  test('believes a content size above the limit at once', () => {
    const input = frame(`${MAGIC}e0 ffffffffffffff7f`, block('raw', bytes('00')))
    expect(() => read(input, 1000)).toThrow(expect.objectContaining({ code: 'BODY_TOO_LARGE' }))
  })

  test('takes no more memory than the frames can fill', () => {
    const layoutOf = (input: Buffer) => finish(measureZstdFrames(input, 64 * MIB)).result
    const large = block('repeated', bytes('00'), { size: 128 * KIB, last: false })
    expect(layoutOf(frame(HEADER, large, block('raw', Buffer.from('abc'))))).toEqual({
      frames: 1,
      maxSize: 128 * KIB + 3,
      windowSize: 2 * MIB,
    })
    expect(layoutOf(frame(`${MAGIC}2005`, block('raw', Buffer.from('abc')))).maxSize).toBe(3)
    expect(layoutOf(frame(`${MAGIC}4058 0001`, large, large, block('compressed', bytes('18 616263 00')))).maxSize).toBe(
      512,
    )
  })

  test('gives way to the event loop for each MiB that comes out', () => {
    const part = block('repeated', bytes('61'), { size: 128 * KIB, last: false })
    const input = frame(HEADER, ...new Array<Buffer>(40).fill(part), block('raw', bytes('62')))
    const layout = finish(measureZstdFrames(input, 64 * MIB)).result
    expect(finish(readZstdFrames(input, layout, 64 * MIB)).turns).toBeGreaterThanOrEqual(4)
  })

  test('gives way to the event loop while it goes over a great many empty blocks', () => {
    const input = frame(HEADER, Buffer.alloc(150_000), block('raw', Buffer.alloc(0)))
    expect(finish(measureZstdFrames(input, 0)).turns).toBeGreaterThan(1)
  })

  test('gives a typed error or a body within the limit for 20,000 damaged inputs', () => {
    const originals = fixtures.map(({ compressed }) => compressed).filter(({ length }) => length < 5000)
    const codes = new Set<string>()
    fc.assert(
      fc.property(damaged(originals), (input) => {
        codes.add(
          codeOf(() => {
            if (read(input, 300_000).length > 300_000) throw new Error('more than the limit')
          }),
        )
      }),
      { numRuns: 20_000 },
    )
    expect([...codes].sort()).toEqual(['BODY_TOO_LARGE', 'DECOMPRESS_FAILED', 'none'])
  }, 60_000)
})

function outcomeOf(input: Buffer, maxOutput: number): string {
  try {
    return sha256(read(input, maxOutput))
  } catch (error) {
    if (error instanceof MessageError) return 'refused'
    throw error
  }
}
