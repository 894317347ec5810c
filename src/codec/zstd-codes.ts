import { buildFseTable, type FseTable } from './zstd-tables.js'

/** One of the three codes of a sequence (RFC 8878, 3.1.1.3.2): the table that needs no description, and the limits of others. */
export interface CodeKind {
  readonly name: string
  readonly predefined: FseTable
  readonly maxAccuracy: number
  readonly maxSymbol: number
}

export const LITERAL_LENGTH: CodeKind = {
  name: 'literal lengths',
  predefined: predefined('4 3 2 2 2 2 2 2 2 2 2 2 2 1 1 1 2 2 2 2 2 2 2 2 2 3 2 1 1 1 1 1 -1 -1 -1 -1', 6),
  maxAccuracy: 9,
  maxSymbol: 35,
}

export const OFFSET: CodeKind = {
  name: 'offsets',
  predefined: predefined('1 1 1 1 1 1 2 2 2 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 -1 -1 -1 -1 -1', 5),
  maxAccuracy: 8,
  maxSymbol: 31,
}

export const MATCH_LENGTH: CodeKind = {
  name: 'match lengths',
  predefined: predefined(`1 4 3 2 2 2 2 2 2${' 1'.repeat(37)}${' -1'.repeat(7)}`, 6),
  maxAccuracy: 9,
  maxSymbol: 52,
}

/** Extra bits of each code, and the value they are added to. */
export const LITERAL_LENGTH_BITS = extraBits(16, '1 1 1 1 2 2 3 3 4 6 7 8 9 10 11 12 13 14 15 16')
export const LITERAL_LENGTH_BASE = basesOf(LITERAL_LENGTH_BITS, 0)
export const MATCH_LENGTH_BITS = extraBits(32, '1 1 1 1 2 2 3 3 4 4 5 7 8 9 10 11 12 13 14 15 16')
export const MATCH_LENGTH_BASE = basesOf(MATCH_LENGTH_BITS, 3)

function predefined(counts: string, accuracy: number): FseTable {
  return buildFseTable(counts.split(' ').map(Number), accuracy)
}

function extraBits(codesWithout: number, others: string): Uint8Array {
  return Uint8Array.from([...new Array<number>(codesWithout).fill(0), ...others.split(' ').map(Number)])
}

/** Each code begins where the extra bits of the one before it end. */
function basesOf(bits: Uint8Array, first: number): Int32Array {
  const bases = new Int32Array(bits.length)
  let base = first
  for (const [code, extra] of bits.entries()) {
    bases[code] = base
    base += 1 << extra
  }
  return bases
}
