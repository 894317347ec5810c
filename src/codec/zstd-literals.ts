import type { MessageError } from '../errors.js'
import { corrupt } from './decompress-fault.js'
import { bitsAt, countBits, type HuffmanTable, readHuffmanTable } from './zstd-tables.js'

/** Bits that are surely enough for two codes. */
const TWO_CODES = 22

/** Reads the literals of the compressed blocks of one frame; a block may use the Huffman table of the one before it. */
export class ZstdLiterals {
  readonly #input: Buffer
  readonly #view: DataView
  /** Undefined until a block of the frame has brought one. */
  #table: HuffmanTable | undefined
  #scratch = Buffer.alloc(0)

  /** Where the literals of the last block read are. */
  bytes: Buffer
  start = 0
  end = 0

  constructor(input: Buffer, view: DataView) {
    this.#input = input
    this.#view = view
    this.bytes = input
  }

  beginFrame(): void {
    this.#table = undefined
  }

  /** Reads the literals section at `position` and returns where it ends. */
  read(position: number, blockEnd: number, maxSize: number): number {
    const view = this.#view
    if (position >= blockEnd) throw corrupt('a block is empty', position)
    const first = view.getUint8(position)
    const kind = first & 3
    const format = (first >> 2) & 3
    const headerSize = kind < 2 ? [1, 2, 1, 3][format] : [3, 3, 4, 5][format]
    const start = position + (headerSize ?? 0)
    if (start > blockEnd) throw corrupt('the data ends inside a literals header', position)
    if (kind < 2) {
      const size = bitsAt(view, position, blockEnd, headerSize === 1 ? 3 : 4, [5, 12, 5, 20][format] ?? 0)
      if (size > maxSize) throw tooMany(size, position)
      return kind === 0 ? this.#plain(start, size, blockEnd) : this.#repeated(start, size, blockEnd)
    }
    const sizeBits = [10, 10, 14, 18][format] ?? 0
    const size = bitsAt(view, position, blockEnd, 4, sizeBits)
    const end = start + bitsAt(view, position, blockEnd, 4 + sizeBits, sizeBits)
    if (size > maxSize) throw tooMany(size, position)
    if (end > blockEnd) throw corrupt('the literals reach past their block', position)
    this.#reserve(size)
    let streams = start
    if (kind === 2) {
      const read = readHuffmanTable(view, start, end)
      this.#table = read.table
      streams = read.end
    }
    if (this.#table === undefined)
      throw corrupt('the literals need the table of a block before, and there is none', start)
    if (format === 0) this.#stream(this.#table, streams, end, 0, size)
    else this.#fourStreams(this.#table, streams, end, size)
    return end
  }

  #plain(start: number, size: number, blockEnd: number): number {
    if (start + size > blockEnd) throw corrupt('the literals reach past their block', start)
    this.bytes = this.#input
    this.start = start
    this.end = start + size
    return this.end
  }

  #repeated(start: number, size: number, blockEnd: number): number {
    if (start >= blockEnd) throw corrupt('the literals reach past their block', start)
    this.#reserve(size)
    this.bytes.fill(this.#view.getUint8(start), 0, size)
    return start + 1
  }

  /** Makes room for decoded literals. Grown only to what a block asks for, which is 128 KiB at most. */
  #reserve(size: number): void {
    if (this.#scratch.length < size) this.#scratch = Buffer.allocUnsafeSlow(size)
    this.bytes = this.#scratch
    this.start = 0
    this.end = size
  }

  #fourStreams(table: HuffmanTable, start: number, end: number, size: number): void {
    const part = (size + 3) >> 2
    if (end - start < 6 || part * 3 > size) throw corrupt('four streams of literals are malformed', start)
    let from = start + 6
    for (let stream = 0; stream < 3; stream++) {
      const to = from + this.#view.getUint16(start + 2 * stream, true)
      if (to > end) throw corrupt('a stream of literals reaches past its block', start)
      this.#stream(table, from, to, part * stream, part * (stream + 1))
      from = to
    }
    this.#stream(table, from, end, part * 3, size)
  }

  /** Decodes one stream, which is read from its end, to `to`..`toEnd` of the scratch buffer. It must come out even. */
  #stream(table: HuffmanTable, start: number, end: number, to: number, toEnd: number): void {
    const { entries, maxBits } = table
    const view = this.#view
    const scratch = this.#scratch
    const mask = (1 << maxBits) - 1
    const safeEnd = end - 4
    let left = countBits(view, start, end)
    let at = to
    while (at + 1 < toEnd && left >= TWO_CODES) {
      const position = left - TWO_CODES
      const offset = start + (position >> 3)
      const word =
        offset <= safeEnd
          ? view.getUint32(offset, true) >>> (position & 7)
          : bitsAt(view, start, end, position, TWO_CODES)
      const first = entries[(word >>> (TWO_CODES - maxBits)) & mask] ?? 0
      const bits = first >> 8
      const second = entries[(word >>> (TWO_CODES - maxBits - bits)) & mask] ?? 0
      scratch[at++] = first
      scratch[at++] = second
      left -= bits + (second >> 8)
    }
    for (; at < toEnd; at++) {
      // Near its start the stream is read as if zeros stood before it.
      const word =
        left >= maxBits
          ? bitsAt(view, start, end, left - maxBits, maxBits)
          : bitsAt(view, start, end, 0, left) << (maxBits - left)
      const entry = entries[word] ?? 0
      scratch[at] = entry
      left -= entry >> 8
      if (left < 0) throw corrupt('a stream of literals is too short', start)
    }
    if (left !== 0) throw corrupt('a stream of literals is too long', start)
  }
}

function tooMany(size: number, position: number): MessageError {
  return corrupt(`a block has ${size} literals, more than a block may hold`, position)
}
