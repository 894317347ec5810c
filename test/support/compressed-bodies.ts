import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { MessageError } from '../../src/errors.js'

/** A body in `test/fixtures`, as some other program compressed it. The plain body is known by its size and hash. */
export interface CompressedBody {
  readonly name: string
  readonly size: number
  readonly sha256: string
  readonly compressed: Buffer
}

export function readCompressedBodies(fixture: 'lz4-frames' | 'zstd-frames'): CompressedBody[] {
  const file = readFileSync(new URL(`../fixtures/${fixture}.json`, import.meta.url), 'utf8')
  const { cases } = JSON.parse(file) as { cases: { name: string; size: number; sha256: string; base64: string }[] }
  return cases.map(({ name, size, sha256, base64 }) => ({
    name,
    size,
    sha256,
    compressed: Buffer.from(base64, 'base64'),
  }))
}

export function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/**
 * Code of the error that an attempt ends with, or `'none'`. For loops of thousands, in which an assertion each would take most of the time.
 *
 * @throws Whatever else it ends with: another error class, or a MessageError behind which a fault of our own code stands.
 */
export function codeOf(attempt: () => unknown): string {
  try {
    attempt()
    return 'none'
  } catch (error) {
    if (!(error instanceof MessageError) || error.cause instanceof TypeError) throw error
    // node:zlib refuses with errors that have a code; a RangeError without one would be a read out of bounds.
    if (error.cause instanceof RangeError && !('code' in error.cause)) throw error
    return error.code
  }
}

/** The result of a job that is made to be done in parts, and how often it gave way. */
export function finish<Result>(job: Generator<undefined, Result, undefined>): { result: Result; turns: number } {
  for (let turns = 0; ; turns++) {
    const step = job.next()
    if (step.done === true) return { result: step.value, turns }
  }
}

/** Text as services send it: it compresses to about a fifth. */
export function jsonText(size: number): Buffer {
  let text = '['
  for (let id = 1_000_000; text.length < size; id++) {
    const item = {
      orderId: id,
      userId: `user-${(id * 31) % 977}`,
      amount: ((id * 7919) % 99_991) / 100,
      paid: id % 3 === 0,
    }
    text += `${JSON.stringify(item)},`
  }
  return Buffer.from(text.slice(0, size))
}

/** Bytes that don't compress, the same in every run. */
export function noise(size: number, seed = 'noise'): Buffer {
  return createHash('shake256', { outputLength: size }).update(seed).digest()
}

/** Bodies that compress well, not at all, and in parts. */
export function bodies(maxSize: number): fc.Arbitrary<Buffer> {
  const size = fc.oneof(fc.nat(70), fc.nat(5000), fc.nat(maxSize))
  return fc.oneof(
    fc.record({ size, seed: fc.string() }).map(({ size, seed }) => noise(size, seed)),
    fc.record({ size, byte: fc.nat(255) }).map(({ size, byte }) => Buffer.alloc(size, byte)),
    size.map(jsonText),
    fc
      .record({ size, piece: fc.uint8Array({ minLength: 1, maxLength: 300 }) })
      .map(({ size, piece }) => Buffer.alloc(size, piece)),
    fc
      .array(fc.record({ size: fc.nat(3000), isNoise: fc.boolean(), seed: fc.string() }), { maxLength: 12 })
      .map((parts) =>
        Buffer.concat(parts.map((part) => (part.isNoise ? noise(part.size, part.seed) : jsonText(part.size)))),
      ),
  )
}

/** One of the originals with some bytes changed, left out or put in. */
export function damaged(originals: readonly Buffer[]): fc.Arbitrary<Buffer> {
  const fault = fc.record({
    kind: fc.constantFrom('set', 'set', 'set', 'flip', 'cut', 'insert', 'end'),
    // The headers at the front decide most, so every other fault is there.
    position: fc.oneof(fc.nat(40), fc.nat(1 << 20)),
    byte: fc.nat(255),
  })
  return fc
    .record({ original: fc.constantFrom(...originals), faults: fc.array(fault, { minLength: 1, maxLength: 4 }) })
    .map(({ original, faults }) => {
      let bytes = Buffer.from(original)
      for (const { kind, position, byte } of faults) {
        if (bytes.length === 0) break
        const at = position % bytes.length
        if (kind === 'set') bytes[at] = byte
        else if (kind === 'flip') bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << (byte % 8)), at)
        else if (kind === 'cut') bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + (byte % 8))])
        else if (kind === 'insert')
          bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from([byte]), bytes.subarray(at)])
        else bytes = bytes.subarray(0, at)
      }
      return bytes
    })
}
