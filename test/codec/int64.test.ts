import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { addInt64, parseInteger, readInt64, writeInt64 } from '../../src/codec/int64.js'
import { faultOf } from './wire.js'

const view = new DataView(new ArrayBuffer(16))

function read(value: bigint): number {
  view.setBigInt64(4, value)
  return readInt64(view, 4, 'offset')
}

function written(value: number): bigint {
  writeInt64(view, 4, value)
  return view.getBigInt64(4)
}

const MAX_SAFE = 2n ** 53n - 1n
const edges = [
  0n,
  1n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 31n + 1n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 32n + 1n,
  MAX_SAFE - 1n,
  MAX_SAFE,
]
const beyond = [MAX_SAFE + 1n, MAX_SAFE + 2n, MAX_SAFE + 3n, 2n ** 54n, 2n ** 63n - 1n]

describe('readInt64 and writeInt64', () => {
  it.each(edges.flatMap((edge) => [edge, -edge]))('read and write %s exactly', (value) => {
    expect(BigInt(read(value))).toBe(value)
    expect(Object.is(read(value), Number(value))).toBe(true)
    expect(written(Number(value))).toBe(value)
  })

  it.each([...beyond.flatMap((value) => [value, -value]), -(2n ** 63n)])(
    'refuse %s and say it with all its digits',
    (value) => {
      const fault = faultOf(() => read(value))
      expect(fault.code).toBe('INTEGER_OUT_OF_RANGE')
      expect(fault.position).toBe(4)
      expect(fault.message).toContain(`offset at byte 4 is ${value},`)
    },
  )

  it('agree with BigInt on every safe integer', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), (value) => {
        expect(written(value)).toBe(BigInt(value))
        expect(read(BigInt(value))).toBe(value)
      }),
    )
  })

  it('never round: any 64 bits are read exactly or refused', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (value) => {
        const isSafe = value <= MAX_SAFE && value >= -MAX_SAFE
        if (isSafe) expect(BigInt(read(value))).toBe(value)
        else expect(faultOf(() => read(value)).message).toContain(` ${value},`)
      }),
    )
  })
})

describe('addInt64', () => {
  it('adds within the safe range', () => {
    expect(addInt64(2 ** 52, 2 ** 52 - 1, 'offset')).toBe(Number.MAX_SAFE_INTEGER)
    expect(addInt64(5, -7, 'offset')).toBe(-2)
  })

  it('refuses a sum beyond it and says it with all its digits', () => {
    const fault = faultOf(() => addInt64(Number.MAX_SAFE_INTEGER, 2, 'queue offset'))
    expect(fault.code).toBe('INTEGER_OUT_OF_RANGE')
    expect(fault.message).toContain('queue offset is 9007199254740993,')
  })
})

describe('parseInteger', () => {
  it('reads every safe integer that it finds as decimal text', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), (value) => {
        expect(parseInteger(String(value), 'n')).toBe(value)
      }),
    )
  })

  it('never rounds: any 64-bit integer is read exactly or refused', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n }), (value) => {
        const isSafe = value <= MAX_SAFE && value >= -MAX_SAFE
        if (isSafe) expect(BigInt(parseInteger(String(value), 'n') ?? 0)).toBe(value)
        else expect(faultOf(() => parseInteger(String(value), 'n')).code).toBe('INTEGER_OUT_OF_RANGE')
      }),
    )
  })

  it.each([
    '',
    '-',
    '+1',
    ' 1',
    '1 ',
    '1.0',
    '1e3',
    '0x1',
    '1_000',
    '١',
    'NaN',
    'Infinity',
    '--1',
    '1-',
    '9'.repeat(21),
  ])('takes %j for no integer', (text) => expect(parseInteger(text, 'n')).toBeUndefined())
})
