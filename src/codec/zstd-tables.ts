import { corrupt } from './decompress-fault.js'

/** A table of finite state entropy: for each state a symbol, and how the next state is made. */
export interface FseTable {
  /** Entry: symbol | bits to read << 8 | number to add to them << 16. */
  readonly entries: Int32Array
  readonly accuracy: number
}

/** A table of prefix codes, looked up by the next `maxBits` bits. Entry: symbol | length of its code << 8. */
export interface HuffmanTable {
  readonly entries: Uint16Array
  readonly maxBits: number
}

const MAX_CODE_BITS = 11
const MAX_WEIGHT_ACCURACY = 6

/** Reads the description of a finite state entropy table, and returns the table and where its description ends. */
export function readFseTable(
  view: DataView,
  start: number,
  end: number,
  maxAccuracy: number,
  maxSymbol: number,
): { table: FseTable; end: number } {
  if (start >= end) throw corrupt('the data ends inside a table', start)
  const accuracy = (view.getUint8(start) & 0x0f) + 5
  if (accuracy > maxAccuracy) throw corrupt(`a table has accuracy ${accuracy}, more than ${maxAccuracy}`, start)
  const counts = new Int16Array(maxSymbol + 1)
  let position = 4
  const take = (bits: number): number => {
    const value = bitsAt(view, start, end, position, bits)
    position += bits
    return value
  }
  let remaining = 1 << accuracy
  let symbol = 0
  while (remaining > 0) {
    if (symbol > maxSymbol) throw corrupt('a table has too many symbols', start)
    // A value from 0 to remaining + 1; the smaller values of that range take one bit less.
    const bits = 32 - Math.clz32(remaining + 1)
    const short = (1 << bits) - 2 - remaining
    let value = take(bits - 1)
    if (value >= short) {
      value += take(1) << (bits - 1)
      if (value >= 1 << (bits - 1)) value -= short
    }
    const count = value - 1
    remaining -= Math.abs(count)
    counts[symbol++] = count
    if (count === 0) {
      let zeros: number
      do {
        zeros = take(2)
        symbol += zeros
      } while (zeros === 3)
    }
  }
  const tableEnd = start + ((position + 7) >> 3)
  if (remaining < 0 || symbol > maxSymbol + 1 || tableEnd > end) throw corrupt('a table is malformed', start)
  return { table: buildFseTable(counts, accuracy), end: tableEnd }
}

/** @param counts - Share of each symbol out of `1 << accuracy`; -1 is a symbol rarer than 1. */
export function buildFseTable(counts: ArrayLike<number>, accuracy: number): FseTable {
  const size = 1 << accuracy
  const entries = new Int32Array(size)
  const next = new Int32Array(counts.length)
  let high = size - 1
  for (let symbol = 0; symbol < counts.length; symbol++) {
    const count = counts[symbol] ?? 0
    next[symbol] = Math.abs(count)
    if (count === -1) entries[high--] = symbol
  }
  const step = (size >> 1) + (size >> 3) + 3
  let position = 0
  for (let symbol = 0; symbol < counts.length; symbol++) {
    for (let count = counts[symbol] ?? 0; count > 0; count--) {
      entries[position] = symbol
      do position = (position + step) & (size - 1)
      while (position > high)
    }
  }
  for (let state = 0; state < size; state++) {
    const symbol = entries[state] ?? 0
    const order = next[symbol] ?? 1
    next[symbol] = order + 1
    const bits = accuracy - (31 - Math.clz32(order))
    entries[state] = symbol | (bits << 8) | (((order << bits) - size) << 16)
  }
  return { entries, accuracy }
}

/** A table that gives one symbol for ever. */
export function singleSymbolTable(symbol: number): FseTable {
  return { entries: Int32Array.of(symbol), accuracy: 0 }
}

/** Reads the description of a Huffman table, and returns the table and where its description ends. */
export function readHuffmanTable(view: DataView, start: number, end: number): { table: HuffmanTable; end: number } {
  if (start >= end) throw corrupt('the data ends inside a Huffman table', start)
  const header = view.getUint8(start)
  const length = header < 128 ? header : (header - 126) >> 1
  const weightsEnd = start + 1 + length
  if (weightsEnd > end) throw corrupt('the data ends inside a Huffman table', start)
  const weights = new Uint8Array(256)
  let count = header - 127
  if (header < 128) {
    count = readWeights(view, start + 1, weightsEnd, weights)
  } else {
    for (let index = 0; index < count; index++) {
      const byte = view.getUint8(start + 1 + (index >> 1))
      weights[index] = index % 2 === 0 ? byte >> 4 : byte & 15
    }
  }
  return { table: buildHuffmanTable(weights, count, start), end: weightsEnd }
}

/** Weights that are themselves compressed, by two states which take turns. Returns how many there are. */
function readWeights(view: DataView, start: number, end: number, weights: Uint8Array): number {
  const { table, end: bitsStart } = readFseTable(view, start, end, MAX_WEIGHT_ACCURACY, MAX_CODE_BITS)
  let left = countBits(view, bitsStart, end)
  let state = 0
  let other = 0
  left -= table.accuracy
  state = bitsAt(view, bitsStart, end, left, table.accuracy)
  left -= table.accuracy
  other = bitsAt(view, bitsStart, end, left, table.accuracy)
  for (let count = 0; count < 254; ) {
    const entry = table.entries[state] ?? 0
    weights[count++] = entry & 0xff
    const bits = (entry >> 8) & 0xff
    if (bits > left) {
      weights[count++] = (table.entries[other] ?? 0) & 0xff
      return count
    }
    left -= bits
    state = other
    other = (entry >> 16) + bitsAt(view, bitsStart, end, left, bits)
  }
  throw corrupt('a Huffman table has too many symbols', start)
}

function buildHuffmanTable(weights: Uint8Array, count: number, position: number): HuffmanTable {
  let sum = 0
  let ones = 0
  for (let symbol = 0; symbol < count; symbol++) {
    const weight = weights[symbol] ?? 0
    if (weight > MAX_CODE_BITS) throw corrupt(`a Huffman table has weight ${weight}`, position)
    if (weight > 0) sum += 1 << (weight - 1)
    if (weight === 1) ones++
  }
  const maxBits = 32 - Math.clz32(sum)
  // The last symbol's weight isn't written: it fills the sum up to a power of two.
  const rest = (1 << maxBits) - sum
  if (rest === 1) ones++
  if (sum === 0 || maxBits > MAX_CODE_BITS || (rest & (rest - 1)) !== 0 || ones < 2) {
    throw corrupt('a Huffman table is malformed', position)
  }
  weights[count] = 32 - Math.clz32(rest)
  const entries = new Uint16Array(1 << maxBits)
  let at = 0
  for (let weight = 1; weight <= maxBits; weight++) {
    for (let symbol = 0; symbol <= count; symbol++) {
      if (weights[symbol] !== weight) continue
      const next = at + (1 << (weight - 1))
      entries.fill(symbol | ((maxBits + 1 - weight) << 8), at, next)
      at = next
    }
  }
  return { entries, maxBits }
}

/** How many bits a stream that is read from its end holds: its last byte's highest set bit only marks where they end. */
export function countBits(view: DataView, start: number, end: number): number {
  const last = end > start ? view.getUint8(end - 1) : 0
  if (last === 0) throw corrupt('a bit stream has no end mark', end)
  return (end - start - 1) * 8 + 31 - Math.clz32(last)
}

/**
 * Up to 25 bits of the bytes `start`..`end`, the first of them being bit `position`. Bits past `end` are 0.
 *
 * @throws {@link MessageError} `DECOMPRESS_FAILED` for a negative position: a stream that is read from its end has run out.
 */
export function bitsAt(view: DataView, start: number, end: number, position: number, bits: number): number {
  const at = start + (position >> 3)
  if (position >= 0 && at + 4 <= end) return (view.getUint32(at, true) >>> (position & 7)) & ((1 << bits) - 1)
  if (position < 0) throw corrupt('a bit stream is too short', start)
  let word = 0
  for (let index = 0; index < 4 && at + index < end; index++) word |= view.getUint8(at + index) << (index * 8)
  return (word >>> (position & 7)) & ((1 << bits) - 1)
}
