import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Numbers from 0 up to `limit`, the same for the same seed (mulberry32). */
export type Random = (limit: number) => number

export function randomOf(seed: number): Random {
  let state = seed
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit)
  }
}

export interface Mutant {
  readonly bytes: Buffer
  /** Bytes before this one are as they were. */
  readonly firstChange: number
}

const WORDS = [0, 1, -1, 4, 127, 128, 255, 32_767, 32_768, 65_535, 0x7fff_ffff, -0x8000_0000, 0xff_ffff]
const BYTES = [0, 1, 2, 0x22, 0x5c, 0x7b, 0x7d, 0x7f, 0x80, 0xff]

/** Changes, puts in and cuts out bytes, one to four times. */
export function mutate(original: Buffer, random: Random): Mutant {
  let bytes: Buffer = Buffer.from(original)
  let firstChange = original.length
  for (let times = 1 + random(4); times > 0; times--) {
    const at = random(bytes.length + 1)
    bytes = mutateAt(bytes, at, random)
    firstChange = Math.min(firstChange, at)
  }
  return { bytes, firstChange }
}

function mutateAt(bytes: Buffer, at: number, random: Random): Buffer {
  const byte = bytes[at]
  switch (random(8)) {
    case 0:
      if (byte !== undefined) bytes[at] = byte ^ (1 << random(8))
      return bytes
    case 1:
      if (byte !== undefined) bytes[at] = random(256)
      return bytes
    case 2:
      if (byte !== undefined) bytes[at] = BYTES[random(BYTES.length)] ?? 0
      return bytes
    case 3:
      if (at + 4 <= bytes.length) bytes.writeInt32BE((WORDS[random(WORDS.length)] ?? 0) | 0, at)
      return bytes
    case 4:
      return Buffer.concat([bytes.subarray(0, at), randomBytes(1 + random(8), random), bytes.subarray(at)])
    case 5:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random(16))])
    case 6: {
      const from = random(bytes.length + 1)
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(from, from + random(64)), bytes.subarray(at)])
    }
    default:
      return bytes.subarray(0, at)
  }
}

function randomBytes(length: number, random: Random): Buffer {
  return Buffer.from(Array.from({ length }, () => random(256)))
}

/** Bytes on the heap and behind it once everything is collected that nobody holds. */
export function heldMemory(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  collect()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}
