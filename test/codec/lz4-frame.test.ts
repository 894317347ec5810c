import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readLz4Frames } from '../../src/codec/lz4-frame.js'
import { writeLz4Frame } from '../../src/codec/lz4-frame-writer.js'
import { xxHash32 } from '../../src/codec/xxhash32.js'
import { bodies, codeOf, finish, jsonText, noise, readCompressedBodies, sha256 } from '../support/compressed-bodies.js'

const MIB = 1 << 20
const HEADER = '04224d18607073'

function read(input: Buffer, maxOutput = 64 * MIB): Buffer {
  return finish(readLz4Frames(input, maxOutput)).result
}

function write(input: Buffer): Buffer {
  return finish(writeLz4Frame(input)).result
}

function bytes(hex: string): Buffer {
  return Buffer.from(hex.replaceAll(' ', ''), 'hex')
}

function checksum(input: Buffer): number {
  return xxHash32(new DataView(input.buffer, input.byteOffset, input.length), 0, input.length)
}

function uint32(value: number): Buffer {
  const buffer = Buffer.alloc(4)
  buffer.writeUInt32LE(value >>> 0)
  return buffer
}

/** A frame with the checksum of its descriptor put right, so that a test reaches what lies behind that check. */
function frame(descriptor: string, rest: string | Buffer): Buffer {
  const head = bytes(descriptor)
  return Buffer.concat([
    bytes('04224d18'),
    head,
    Buffer.from([(checksum(head) >> 8) & 0xff]),
    typeof rest === 'string' ? bytes(rest) : rest,
  ])
}

function refused(input: Buffer, reason: RegExp, maxOutput?: number): void {
  expect(() => read(input, maxOutput)).toThrow(
    expect.objectContaining({ code: 'DECOMPRESS_FAILED', message: expect.stringMatching(reason) }),
  )
}

describe('writing an LZ4 frame', () => {
  test('gives the bytes that lz4-java gives for a short text', () => {
    const expected = `${HEADER}0f0000006868656c6c6f2006005068656c6c6f00000000`
    expect(write(Buffer.from('hello hello hello hello')).toString('hex')).toBe(expected)
  })

  test('gives a header and an end mark for an empty body', () => {
    expect(write(Buffer.alloc(0)).toString('hex')).toBe(`${HEADER}00000000`)
  })

  test("stores a block that doesn't get smaller as it is", () => {
    const body = noise(1000)
    expect(write(body)).toEqual(Buffer.concat([bytes(`${HEADER} e8030080`), body, bytes('00000000')]))
  })

  test('cuts a body into independent blocks of 4 MiB', () => {
    const body = Buffer.alloc(9 * MIB, 'abcdefghij')
    const written = write(body)
    const sizes: number[] = []
    for (let at = 7; ; ) {
      const size = written.readUInt32LE(at)
      if (size === 0) break
      const block = Buffer.concat([bytes(HEADER), written.subarray(at, at + 4 + size), bytes('00000000')])
      sizes.push(read(block).length)
      at += 4 + size
    }
    expect(sizes).toEqual([4 * MIB, 4 * MIB, MIB])
    expect(read(written).equals(body)).toBe(true)
  })

  test('makes JSON less than half as large', () => {
    expect(write(jsonText(18 * 1024)).length).toBeLessThan(9 * 1024)
  })

  test('keeps to the rules for the end of a block: the last five bytes are literals', () => {
    for (let size = 5; size < 60; size++) {
      const written = write(Buffer.alloc(size, 'a'))
      expect(written.subarray(-9, -4).toString()).toBe('aaaaa')
    }
  })

  test('gives way to the event loop at least once for each MiB', () => {
    expect(finish(writeLz4Frame(jsonText(5 * MIB))).turns).toBeGreaterThanOrEqual(4)
  })

  test('can be read again, whatever was written', () => {
    fc.assert(
      fc.property(bodies(200 * 1024), (body) => {
        expect(read(write(body), body.length).equals(body)).toBe(true)
      }),
      { numRuns: 300 },
    )
  })

  test('can be read again when compressible and other blocks take turns', () => {
    const body = Buffer.concat([noise(4 * MIB), jsonText(4 * MIB), noise(MIB + 13)])
    const written = write(body)
    expect(written.length).toBeLessThan(7 * MIB)
    expect(read(written).equals(body)).toBe(true)
  })
})

describe('reading LZ4 frames', () => {
  test.each(readCompressedBodies('lz4-frames'))(
    'takes what liblz4 wrote: $name',
    ({ compressed, size, sha256: hash }) => {
      const body = read(compressed, size)
      expect(body.length).toBe(size)
      expect(sha256(body)).toBe(hash)
    },
  )

  test.each(readCompressedBodies('lz4-frames').filter(({ compressed }) => compressed.length < 4000))(
    'refuses every beginning of what liblz4 wrote: $name',
    ({ compressed }) => {
      const codes = new Set<string>()
      for (let end = 0; end < compressed.length; end++) codes.add(codeOf(() => read(compressed.subarray(0, end))))
      expect([...codes]).toEqual(['DECOMPRESS_FAILED'])
    },
  )

  test.each(readCompressedBodies('lz4-frames').filter(({ name }) => /block checksums, content checksum/.test(name)))(
    'notices any change where blocks and content have checksums: $name',
    ({ compressed, size }) => {
      const codes = new Set<string>()
      const step = Math.ceil(compressed.length / 2000)
      for (let at = 0; at < compressed.length; at += step) {
        const changed = Buffer.from(compressed)
        changed.writeUInt8(changed.readUInt8(at) ^ 0x10, at)
        codes.add(codeOf(() => read(changed, size)))
      }
      expect(codes).not.toContain('none')
    },
  )

  test('takes several frames, and passes over skippable ones', () => {
    const skippable = bytes('5a2a4d18 03000000 010203')
    const input = Buffer.concat([
      skippable,
      write(Buffer.from('one ')),
      skippable,
      write(Buffer.from('two')),
      skippable,
    ])
    expect(read(input).toString()).toBe('one two')
  })

  test('takes stored blocks of no bytes', () => {
    expect(read(frame('6070', '00000080 03000080 616263 00000080 00000000')).toString()).toBe('abc')
  })

  test('takes a match that reaches into the block before it only when blocks are linked', () => {
    const blocks = '08000080 6162636465666768 09000000 00 0800 50 6161616161'
    expect(read(frame('4040', `${blocks} 00000000`)).toString()).toBe('abcdefghabcdaaaaa')
    refused(frame('6040', `${blocks} 00000000`), /reaches back 8 bytes, and 0 are there/)
  })

  test('takes matches of every distance and length', () => {
    for (const distance of [1, 2, 3, 4, 5, 7, 8, 31, 64, 100]) {
      for (const length of [4, 5, 18, 19, 40, 64, 65, 90, 300, 1000]) {
        const start = noise(distance, `${distance}`)
        const rest = length - 19
        const extra = rest < 0 ? [] : [...new Array<number>(Math.trunc(rest / 255)).fill(255), rest % 255]
        const literals = distance < 15 ? [] : [distance - 15]
        const block = Buffer.from([
          (Math.min(distance, 15) << 4) | Math.min(length - 4, 15),
          ...literals,
          ...start,
          distance,
          0,
          ...extra,
          0x50,
          ...Buffer.from('12345'),
        ])
        const expected = Buffer.concat([Buffer.alloc(distance + length, start), Buffer.from('12345')])
        expect(read(frame('6040', Buffer.concat([uint32(block.length), block, uint32(0)]))).equals(expected)).toBe(true)
      }
    }
  })

  test.each([
    ['an empty input', Buffer.alloc(0), /there is no frame/],
    ['another format', bytes('789c030000000001'), /magic number 0x39c78 /],
    ['a legacy frame', bytes('02214c18 04000000 3061 6263'), /legacy/],
    ['bytes behind a frame', bytes(`${HEADER}0000000000`), /ends inside a magic number/],
    ['a frame behind which other data stand', bytes(`${HEADER}00000000 68656c6c6f`), /magic number 0x6c6c6568/],
    ['a skippable frame that is cut off', bytes('5a2a4d18 03000000 0102'), /ends inside a skippable frame/],
    ['a wrong checksum of the descriptor', bytes('04224d1860707400000000'), /checksum of a frame descriptor/],
    ['version 0 of the format', frame('2070', '00000000'), /version 0 /],
    ['a reserved flag', frame('6270', '00000000'), /reserved/],
    ['a reserved bit of the block size', frame('60f0', '00000000'), /reserved/],
    ['a reserved low bit of the block size', frame('6071', '00000000'), /reserved/],
    ['a reserved block size', frame('6030', '00000000'), /reserved/],
    ['a dictionary', frame('617001000000', '00000000'), /dictionary/],
    ['a block larger than its frame allows', frame('6040', '01000180'), /a block of 65537 bytes/],
    ['a block that is cut off', frame('6070', '05000080 6162'), /ends inside a block/],
    ['a run of literals that is cut off', frame('6070', '02000000 f0ff 00000000'), /literals is cut off/],
    ['a run of literals longer than its block', frame('6070', '03000000 306162 00000000'), /literals reaches past/],
    ['a match that is cut off', frame('6070', '03000000 106101 00000000'), /match is cut off/],
    ['a match length that is cut off', frame('6070', '05000000 1f610100ff 00000000'), /match is cut off/],
    ['a block that ends with a match', frame('6070', '04000000 10610100 00000000'), /ends with a match/],
    ['distance 0', frame('6070', '06000000 1061 0000 1061 00000000'), /reaches back 0 bytes/],
    ['a distance too far', frame('6070', '06000000 1061 0200 1061 00000000'), /reaches back 2 bytes, and 1 are there/],
    ['a content size too large', frame('68700400000000000000', '03000080 616263 00000000'), /holds 3 bytes and says 4/],
    ['a content size too small', frame('68700200000000000000', '03000080 616263 00000000'), /holds 3 bytes and says 2/],
    [
      'a wrong checksum of a block',
      frame('7070', '03000080 616263 00000000 00000000'),
      /checksum of a block is 0x32d153ff/,
    ],
    [
      'a wrong checksum of the content',
      frame('6470', '03000080 616263 00000000 00000000'),
      /checksum of a content is 0x32d153ff/,
    ],
  ])('refuses %s', (_name, input, reason) => {
    refused(input, reason)
  })

  test('refuses a block that comes out larger than its frame allows', () => {
    const zeros = Buffer.concat([bytes('1f 00 0100'), Buffer.alloc(258, 255), bytes('00 50 0000000000')])
    refused(frame('6040', Buffer.concat([uint32(zeros.length), zeros, uint32(0)])), /a block holds 65815 bytes/)
  })

  test('gives exactly as much as allowed, and not one byte more', () => {
    const written = write(Buffer.alloc(1000, 'ab'))
    expect(read(written, 1000).length).toBe(1000)
    expect(() => read(written, 999)).toThrow(expect.objectContaining({ code: 'BODY_TOO_LARGE' }))
    expect(read(write(Buffer.alloc(0)), 0).length).toBe(0)
  })

  test('believes a content size above the limit at once', () => {
    expect(() => read(frame('6870ffffffffffffff7f', ''), 1000)).toThrow(
      expect.objectContaining({ code: 'BODY_TOO_LARGE' }),
    )
  })

  test('gives way to the event loop for each MiB that comes out', () => {
    expect(finish(readLz4Frames(write(jsonText(5 * MIB)), 8 * MIB)).turns).toBeGreaterThanOrEqual(4)
    expect(finish(readLz4Frames(write(Buffer.alloc(5 * MIB)), 8 * MIB)).turns).toBeGreaterThanOrEqual(1)
  })

  test('gives way to the event loop while it reads a great many empty blocks', () => {
    const blocks = Buffer.alloc(200_000, bytes('00000080'))
    expect(finish(readLz4Frames(frame('6070', Buffer.concat([blocks, uint32(0)])), 0)).turns).toBeGreaterThan(1)
  })
})
