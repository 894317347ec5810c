import { readFileSync } from 'node:fs'
import { setImmediate as turn } from 'node:timers/promises'
import { deflateSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type CompressionType,
  compress,
  compressionFlagOf,
  compressionTypeOf,
  compressSync,
  decompress,
  decompressSync,
  isZstdWritable,
} from '../../src/codec/compression.js'
import type { MessageError } from '../../src/errors.js'
import { bodies, codeOf, damaged, jsonText, noise, readCompressedBodies, sha256 } from '../support/compressed-bodies.js'

const KIB = 1 << 10
const MIB = 1 << 20
const TEXT = 'hello hello hello hello'
const TYPES: readonly CompressionType[] = ['ZLIB', 'LZ4', 'ZSTD']
const WRITABLE = TYPES.filter((type) => type !== 'ZSTD' || isZstdWritable())

/** What the Java client's compressors make of {@link TEXT}. */
const JAVA: Readonly<Record<CompressionType, Buffer>> = {
  ZLIB: Buffer.from('785ecb48cdc9c957c8402701680308b1', 'hex'),
  LZ4: Buffer.from('04224d186070730f0000006868656c6c6f2006005068656c6c6f00000000', 'hex'),
  ZSTD: Buffer.from('28b52ffd00586400003068656c6c6f200100994b11010000', 'hex'),
}

interface JavaCase {
  readonly name: string
  readonly type: CompressionType
  readonly sysFlag: number
  readonly inputSize: number
  readonly inputSha256: string
  readonly base64: string
}

const javaCases = (
  JSON.parse(readFileSync(new URL('../fixtures/compression.json', import.meta.url), 'utf8')) as { cases: JavaCase[] }
).cases

/** 32 MiB of zeros, in few bytes. */
const bombs: Readonly<Record<CompressionType, Buffer>> = {
  ZLIB: deflateSync(Buffer.alloc(32 * MIB)),
  LZ4: await compress('LZ4', Buffer.alloc(32 * MIB)),
  // A window of 2 MiB, and 256 times "this byte 128 KiB long"; only the last block has the mark of the last one.
  ZSTD: Buffer.concat([
    Buffer.from('28b52ffd0058', 'hex'),
    Buffer.alloc(255 * 4, '02001000', 'hex'),
    Buffer.from('03001000', 'hex'),
  ]),
}

/** Small compressed bodies to damage. */
const originals: Readonly<Record<CompressionType, readonly Buffer[]>> = {
  ZLIB: [JAVA.ZLIB, deflateSync(jsonText(3000)), deflateSync(noise(500)), deflateSync(Buffer.alloc(0))],
  LZ4: [JAVA.LZ4, await compress('LZ4', jsonText(3000)), ...smallFixtures('lz4-frames')],
  ZSTD: [JAVA.ZSTD, ...smallFixtures('zstd-frames')],
}

function smallFixtures(fixture: 'lz4-frames' | 'zstd-frames'): Buffer[] {
  return readCompressedBodies(fixture)
    .map(({ compressed }) => compressed)
    .filter(({ length }) => length < 5000)
}

function code(expected: string): unknown {
  return expect.objectContaining({ name: 'MessageError', code: expected })
}

/** How often the event loop turns until a job is done. */
async function turnsDuring(job: Promise<unknown>): Promise<number> {
  let turns = 0
  let isDone = false
  const done = job.finally(() => {
    isDone = true
  })
  while (!isDone) {
    await turn()
    turns++
  }
  await done
  return turns
}

describe('the compression type of a sysFlag', () => {
  test.each([
    [0x000, 'ZLIB'],
    [0x001, 'ZLIB'],
    [0x101, 'LZ4'],
    [0x201, 'ZSTD'],
    [0x301, 'ZLIB'],
    [0x3ff, 'ZLIB'],
    [0x401, undefined],
    [0x701, undefined],
  ])('0x%s is %s', (sysFlag, type) => {
    expect(compressionTypeOf(sysFlag)).toBe(type)
  })

  test('is written as the Java client writes it', () => {
    expect(TYPES.map(compressionFlagOf)).toEqual([0x300, 0x100, 0x200])
  })
})

describe('decompressing', () => {
  test.each(TYPES)('reads what the Java client made of a short text: %s', async (type) => {
    expect(decompressSync(type, JAVA[type], 100).toString()).toBe(TEXT)
    expect((await decompress(type, JAVA[type], 100)).toString()).toBe(TEXT)
  })

  test.each(javaCases)(
    'reads what Java 5.4.0 wrote: $type, $name',
    async ({ type, sysFlag, inputSize, inputSha256, base64 }) => {
      const compressed = Buffer.from(base64, 'base64')
      expect(compressionTypeOf(sysFlag)).toBe(type)
      for (const maxOutput of [inputSize, 64 * MIB]) {
        for (const body of [
          decompressSync(type, compressed, maxOutput),
          await decompress(type, compressed, maxOutput),
        ]) {
          expect(body.length).toBe(inputSize)
          expect(sha256(body)).toBe(inputSha256)
        }
      }
      expect(() => decompressSync(type, compressed, inputSize - 1)).toThrow(code('BODY_TOO_LARGE') as Error)
    },
  )

  test.each(readCompressedBodies('zstd-frames'))(
    'reads what libzstd wrote, with room for its window and without: $name',
    async ({ compressed, size, sha256: hash }) => {
      for (const maxOutput of [size, 64 * MIB]) {
        expect(sha256(decompressSync('ZSTD', compressed, maxOutput))).toBe(hash)
        expect(sha256(await decompress('ZSTD', compressed, maxOutput))).toBe(hash)
      }
    },
  )

  test.each(TYPES)('refuses every beginning of a body: %s', async (type) => {
    for (const original of originals[type].filter(({ length }) => length < 1000)) {
      const codes = new Set<string>()
      for (let end = 0; end < original.length; end++) {
        codes.add(codeOf(() => decompressSync(type, original.subarray(0, end), MIB)))
      }
      expect([...codes]).toEqual(['DECOMPRESS_FAILED'])
    }
    for (let end = 0; end < JAVA[type].length; end++) {
      await expect(decompress(type, JAVA[type].subarray(0, end), MIB)).rejects.toThrow(
        code('DECOMPRESS_FAILED') as Error,
      )
    }
  })

  test.each(TYPES)('refuses bytes behind the end of a body: %s', async (type) => {
    for (const rest of ['\0', 'x', 'hello', '\0\0\0\0\0\0\0\0']) {
      const input = Buffer.concat([JAVA[type], Buffer.from(rest)])
      expect(() => decompressSync(type, input, MIB)).toThrow(code('DECOMPRESS_FAILED') as Error)
      await expect(decompress(type, input, MIB)).rejects.toThrow(code('DECOMPRESS_FAILED') as Error)
    }
  })

  test.each(TYPES)('says type, size and reason when it refuses: %s', (type) => {
    const expected = new RegExp(`^the ${type} body of 12 bytes can't be decompressed: .+`)
    expect(() => decompressSync(type, Buffer.from('not that one'), MIB)).toThrow(expected)
    expect(() => decompressSync(type, JAVA[type], 5)).toThrow(
      `the ${type} body of ${JAVA[type].length} bytes decompresses to more than 5 bytes`,
    )
  })

  test('notices a wrong checksum of a ZLIB stream', () => {
    const input = Buffer.from(JAVA.ZLIB)
    input.writeUInt8(input.readUInt8(input.length - 1) ^ 1, input.length - 1)
    expect(() => decompressSync('ZLIB', input, MIB)).toThrow(code('DECOMPRESS_FAILED') as Error)
  })

  test.each(TYPES)(
    'gives a typed error or a body within the limit for 20,000 damaged inputs: %s',
    (type) => {
      const codes = new Set<string>()
      fc.assert(
        fc.property(damaged(originals[type]), fc.constantFrom(0, 10, 1000, 64 * KIB, 8 * MIB), (input, maxOutput) => {
          codes.add(
            codeOf(() => {
              if (decompressSync(type, input, maxOutput).length > maxOutput) throw new Error('more than the limit')
            }),
          )
        }),
        { numRuns: 20_000 },
      )
      expect([...codes].sort()).toEqual(['BODY_TOO_LARGE', 'DECOMPRESS_FAILED', 'none'])
    },
    60_000,
  )

  test.each(TYPES)('comes to the same end at once and in parts: %s', async (type) => {
    await fc.assert(
      fc.asyncProperty(damaged(originals[type]), async (input) => {
        let expected: Buffer | unknown
        try {
          expected = decompressSync(type, input, MIB)
        } catch (error) {
          expected = (error as MessageError).message
        }
        const found = await decompress(type, input, MIB).catch((error: unknown) => (error as MessageError).message)
        expect(found).toEqual(expected)
      }),
      { numRuns: 500 },
    )
  })

  test.each(TYPES)('gives a body of exactly the limit, also an empty one: %s', async (type) => {
    expect(decompressSync(type, JAVA[type], TEXT.length).toString()).toBe(TEXT)
    expect(() => decompressSync(type, JAVA[type], TEXT.length - 1)).toThrow(code('BODY_TOO_LARGE') as Error)
    const empty = {
      ZLIB: deflateSync(Buffer.alloc(0)),
      LZ4: Buffer.from('04224d1860707300000000', 'hex'),
      ZSTD: Buffer.from('28b52ffd0058010000', 'hex'),
    }[type]
    expect(decompressSync(type, empty, 0).length).toBe(0)
    expect((await decompress(type, empty, 0)).length).toBe(0)
    await expect(decompress(type, JAVA[type], 0)).rejects.toThrow(code('BODY_TOO_LARGE') as Error)
  })

  test.each(TYPES.flatMap((type) => [MIB, 4 * MIB].map((maxOutput) => ({ type, maxOutput }))))(
    'refuses a bomb for about $maxOutput bytes of memory: $type',
    async ({ type, maxOutput }) => {
      const bomb = bombs[type]
      expect(bomb.length).toBeLessThan(200 * KIB)
      for (const attempt of [
        async () => decompressSync(type, bomb, maxOutput),
        () => decompress(type, bomb, maxOutput),
      ]) {
        const before = process.memoryUsage()
        await expect(attempt()).rejects.toThrow(code('BODY_TOO_LARGE') as Error)
        const after = process.memoryUsage()
        expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(maxOutput + 400 * KIB)
        expect(after.external - before.external).toBeLessThan(maxOutput + 400 * KIB)
      }
    },
  )

  test.each(TYPES)('hands out a body that keeps no much larger memory alive: %s', async (type) => {
    for (const body of [decompressSync(type, JAVA[type], MIB), await decompress(type, JAVA[type], 8 * MIB)]) {
      expect(body.buffer.byteLength).toBeLessThanOrEqual(2 * TEXT.length)
    }
  })

  test('lets the event loop turn while it reads 8 MiB of LZ4', async () => {
    const body = jsonText(8 * MIB)
    const compressed = await compress('LZ4', body)
    expect(await turnsDuring(decompress('LZ4', compressed, body.length))).toBeGreaterThanOrEqual(8)
  })

  test.each(TYPES)('leaves the process free while it reads a large body: %s', async (type) => {
    expect(await turnsDuring(decompress(type, bombs[type], 32 * MIB))).toBeGreaterThanOrEqual(2)
  })
})

describe('compressing', () => {
  test('gives what the Java client gives for a short text', async () => {
    expect((await compress('ZLIB', Buffer.from(TEXT))).toString('hex')).toBe(JAVA.ZLIB.toString('hex'))
    expect((await compress('LZ4', Buffer.from(TEXT))).toString('hex')).toBe(JAVA.LZ4.toString('hex'))
  })

  test.each(WRITABLE)('and reading again gives the body back: %s', async (type) => {
    await fc.assert(
      fc.asyncProperty(bodies(200 * KIB), async (body) => {
        const compressed = await compress(type, body)
        expect(decompressSync(type, compressed, body.length).equals(body)).toBe(true)
        expect((await decompress(type, compressed, body.length)).equals(body)).toBe(true)
      }),
      { numRuns: 100 },
    )
  })

  test.each(WRITABLE)('and reading again gives a body of 9 MiB back: %s', async (type) => {
    const body = Buffer.concat([noise(2 * MIB), jsonText(7 * MIB)])
    expect((await decompress(type, await compress(type, body), body.length)).equals(body)).toBe(true)
  })

  test.each(WRITABLE.filter((type) => type !== 'LZ4'))('takes a level: %s', async (type) => {
    const body = jsonText(100 * KIB)
    const fast = await compress(type, body, 1)
    const small = await compress(type, body, 9)
    expect(small.length).toBeLessThan(fast.length)
    expect(decompressSync(type, small, body.length).equals(body)).toBe(true)
  })

  test.each([
    ['ZLIB', 10, '0 to 9, not 10'],
    ['ZLIB', -1, '0 to 9, not -1'],
    ['ZLIB', 1.5, '0 to 9, not 1.5'],
    ['ZSTD', 0, '1 to 22, not 0'],
    ['ZSTD', 23, '1 to 22, not 23'],
  ] as const)('refuses a level out of range: %s %d', async (type, level, message) => {
    await expect(compress(type, Buffer.from(TEXT), level)).rejects.toThrow(
      expect.objectContaining({
        name: 'ClientError',
        code: 'INVALID_ARGUMENT',
        message: expect.stringContaining(message),
      }) as Error,
    )
  })

  test.each(WRITABLE)('at once and reading again gives the body back: %s', (type) => {
    for (const body of [Buffer.from(TEXT), jsonText(50_000), noise(5_000)])
      expect(decompressSync(type, compressSync(type, body), body.length).equals(body)).toBe(true)
    expect(() => compressSync('ZLIB', Buffer.from(TEXT), 10)).toThrow('0 to 9, not 10')
  })

  test('writes ZSTD, or says which Node is running and what to do', async () => {
    const outcome = await compress('ZSTD', Buffer.from(TEXT)).catch((error: unknown) => error)
    if (isZstdWritable()) {
      expect(decompressSync('ZSTD', outcome as Buffer, 100).toString()).toBe(TEXT)
    } else {
      expect(outcome).toEqual(code('COMPRESSION_UNSUPPORTED'))
      expect((outcome as Error).message).toContain(`Node ${process.versions.node} can't compress with ZSTD`)
      expect((outcome as Error).message).toContain('22.15')
    }
  })

  test('lets the event loop turn while it writes 8 MiB of LZ4', async () => {
    expect(await turnsDuring(compress('LZ4', jsonText(8 * MIB)))).toBeGreaterThanOrEqual(7)
  })
})
