import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { crc32 } from '../../src/codec/crc32.js'

/** CRC-32 by its definition, one bit at a time. */
function crc32ByBits(body: Uint8Array): number {
  let crc = -1
  for (const byte of body) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0)
  }
  return ~crc & 0x7fffffff
}

describe('crc32', () => {
  test('is CRC-32 without its top bit', () => {
    expect(crc32(Buffer.from('123456789'))).toBe(0xcbf43926 & 0x7fffffff)
    expect(crc32(Buffer.alloc(0))).toBe(0)
  })

  test('is the same on both sides of the size where the implementation changes', () => {
    for (let size = 250; size <= 260; size++) {
      const body = Buffer.alloc(size, 'RocketMQ')
      expect(crc32(body)).toBe(crc32ByBits(body))
    }
  })

  test('agrees with the definition for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), (bytes) => {
        expect(crc32(Buffer.from(bytes))).toBe(crc32ByBits(bytes))
      }),
    )
  })

  test('looks only at the bytes of a view', () => {
    const frame = Buffer.alloc(1000, 'frame')
    expect(crc32(frame.subarray(3, 700))).toBe(crc32(Buffer.from(frame.subarray(3, 700))))
  })
})
