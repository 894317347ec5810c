import type { MessageError } from '../errors.js'
import { copyMatch, copyRun } from './byte-copy.js'
import { corrupt } from './decompress-fault.js'
import {
  type CodeKind,
  LITERAL_LENGTH,
  LITERAL_LENGTH_BASE,
  LITERAL_LENGTH_BITS,
  MATCH_LENGTH,
  MATCH_LENGTH_BASE,
  MATCH_LENGTH_BITS,
  OFFSET,
} from './zstd-codes.js'
import { ZstdLiterals } from './zstd-literals.js'
import { bitsAt, countBits, type FseTable, readFseTable, singleSymbolTable } from './zstd-tables.js'

/** An offset code this large means a distance beyond any body. */
const MAX_OFFSET_CODE = 30
/** What one read gives at most. */
const MAX_READ_BITS = 25

/** Decodes compressed blocks of Zstandard frames (RFC 8878), each straight to its place in the output. */
export class ZstdBlockReader {
  readonly #view: DataView
  readonly #output: Buffer
  readonly #noRoom: () => MessageError
  readonly #literals: ZstdLiterals
  #literalLength: FseTable | undefined
  #offset: FseTable | undefined
  #matchLength: FseTable | undefined
  /** The last three distances, which a sequence may name by number. */
  #distance1 = 1
  #distance2 = 4
  #distance3 = 8

  /** @param noRoom - Makes the error for a block that doesn't fit into the output buffer. */
  constructor(input: Buffer, view: DataView, output: Buffer, noRoom: () => MessageError) {
    this.#view = view
    this.#output = output
    this.#noRoom = noRoom
    this.#literals = new ZstdLiterals(input, view)
  }

  beginFrame(): void {
    this.#literals.beginFrame()
    this.#literalLength = undefined
    this.#offset = undefined
    this.#matchLength = undefined
    this.#distance1 = 1
    this.#distance2 = 4
    this.#distance3 = 8
  }

  /**
   * Decodes the block at `position`..`end`.
   *
   * @param to - Where its output begins, and `frameStart` where that of its frame does.
   * @param maxSize - What a block of this frame may hold.
   * @returns Where its output ends.
   * @throws {@link MessageError} `DECOMPRESS_FAILED` when the block is malformed, or what `noRoom` makes.
   */
  read(position: number, end: number, to: number, frameStart: number, maxSize: number): number {
    const view = this.#view
    let at = this.#literals.read(position, end, maxSize)
    if (at >= end) throw corrupt('a block ends before its sequences', end)
    let count = view.getUint8(at++)
    if (count === 0) {
      if (at !== end) throw corrupt('bytes are left over at the end of a block', at)
      return this.#lastLiterals(this.#literals.start, to)
    }
    if (count >= 128) {
      const isLong = count === 255
      if (at + (isLong ? 2 : 1) > end) throw corrupt('a block ends before its sequences', end)
      count = isLong ? view.getUint16(at, true) + 0x7f00 : ((count - 128) << 8) + view.getUint8(at)
      at += isLong ? 2 : 1
    }
    if (at >= end) throw corrupt('a block ends before its sequences', end)
    const modes = view.getUint8(at++)
    if ((modes & 3) !== 0) throw corrupt('a block uses reserved bits', at - 1)
    const literalLength = this.#readTable(LITERAL_LENGTH, modes >> 6, at, end, this.#literalLength)
    const offset = this.#readTable(OFFSET, (modes >> 4) & 3, literalLength.end, end, this.#offset)
    const matchLength = this.#readTable(MATCH_LENGTH, (modes >> 2) & 3, offset.end, end, this.#matchLength)
    this.#literalLength = literalLength.table
    this.#offset = offset.table
    this.#matchLength = matchLength.table
    return this.#sequences(count, matchLength.end, end, to, frameStart, maxSize)
  }

  #readTable(
    kind: CodeKind,
    mode: number,
    at: number,
    end: number,
    previous: FseTable | undefined,
  ): { table: FseTable; end: number } {
    if (mode === 0) return { table: kind.predefined, end: at }
    if (mode === 2) return readFseTable(this.#view, at, end, kind.maxAccuracy, kind.maxSymbol)
    if (mode === 3) {
      if (previous === undefined)
        throw corrupt(`the ${kind.name} need the table of a block before, and there is none`, at)
      return { table: previous, end: at }
    }
    const symbol = at < end ? this.#view.getUint8(at) : kind.maxSymbol + 1
    if (symbol > kind.maxSymbol) throw corrupt(`the ${kind.name} have no valid code`, at)
    return { table: singleSymbolTable(symbol), end: at + 1 }
  }

  #sequences(count: number, start: number, end: number, to: number, frameStart: number, maxSize: number): number {
    const view = this.#view
    const output = this.#output
    const literals = this.#literals.bytes
    const literalsEnd = this.#literals.end
    const literalLengths = (this.#literalLength ?? LITERAL_LENGTH.predefined).entries
    const offsets = (this.#offset ?? OFFSET.predefined).entries
    const matchLengths = (this.#matchLength ?? MATCH_LENGTH.predefined).entries
    let left = countBits(view, start, end)
    const state = (table: FseTable | undefined): number => {
      const bits = table?.accuracy ?? 0
      left -= bits
      return bitsAt(view, start, end, left, bits)
    }
    let literalLengthState = state(this.#literalLength)
    let offsetState = state(this.#offset)
    let matchLengthState = state(this.#matchLength)
    let literal = this.#literals.start
    let at = to
    // What the literals leave for matches.
    let room = maxSize - (literalsEnd - literal)
    for (let index = count; index > 0; index--) {
      const literalEntry = literalLengths[literalLengthState] ?? 0
      const offsetEntry = offsets[offsetState] ?? 0
      const matchEntry = matchLengths[matchLengthState] ?? 0

      const offsetCode = offsetEntry & 0xff
      if (offsetCode > MAX_OFFSET_CODE) throw corrupt('a match reaches back too far', start)
      left -= offsetCode
      let offsetValue = 1 << offsetCode
      if (offsetCode > MAX_READ_BITS) {
        offsetValue += bitsAt(view, start, end, left, MAX_READ_BITS)
        offsetValue += bitsAt(view, start, end, left + MAX_READ_BITS, offsetCode - MAX_READ_BITS) << MAX_READ_BITS
      } else {
        offsetValue += bitsAt(view, start, end, left, offsetCode)
      }

      const matchCode = matchEntry & 0xff
      const matchBits = MATCH_LENGTH_BITS[matchCode] ?? 0
      left -= matchBits
      const matchLength = (MATCH_LENGTH_BASE[matchCode] ?? 0) + bitsAt(view, start, end, left, matchBits)

      const literalCode = literalEntry & 0xff
      const literalBits = LITERAL_LENGTH_BITS[literalCode] ?? 0
      left -= literalBits
      const literalLength = (LITERAL_LENGTH_BASE[literalCode] ?? 0) + bitsAt(view, start, end, left, literalBits)

      if (index > 1) {
        let bits = (literalEntry >> 8) & 0xff
        left -= bits
        literalLengthState = (literalEntry >> 16) + bitsAt(view, start, end, left, bits)
        bits = (matchEntry >> 8) & 0xff
        left -= bits
        matchLengthState = (matchEntry >> 16) + bitsAt(view, start, end, left, bits)
        bits = (offsetEntry >> 8) & 0xff
        left -= bits
        offsetState = (offsetEntry >> 16) + bitsAt(view, start, end, left, bits)
      }

      const distance = this.#distance(offsetValue, literalLength === 0)
      room -= matchLength
      if (literal + literalLength > literalsEnd) throw corrupt('a block uses more literals than it has', start)
      if (room < 0) throw corrupt('a block holds more than a block may', start)
      if (at + literalLength + matchLength > output.length) throw this.#noRoom()
      copyRun(literals, literal, output, at, literalLength)
      literal += literalLength
      at += literalLength
      if (distance === 0 || distance > at - frameStart) {
        throw corrupt(`a match reaches back ${distance} bytes, and ${at - frameStart} are there`, start)
      }
      copyMatch(output, at, distance, matchLength)
      at += matchLength
    }
    if (left !== 0) throw corrupt('the sequences of a block do not come out even', start)
    return this.#lastLiterals(literal, at)
  }

  #lastLiterals(from: number, to: number): number {
    const length = this.#literals.end - from
    if (to + length > this.#output.length) throw this.#noRoom()
    copyRun(this.#literals.bytes, from, this.#output, to, length)
    return to + length
  }

  /** Turns an offset value into a distance: 1 to 3 name one of the last three. 0 is a fault of the input. */
  #distance(value: number, noLiterals: boolean): number {
    const recent = noLiterals ? value + 1 : value
    if (value > 3) {
      this.#distance3 = this.#distance2
      this.#distance2 = this.#distance1
      this.#distance1 = value - 3
    } else if (recent === 2) {
      const distance = this.#distance2
      this.#distance2 = this.#distance1
      this.#distance1 = distance
    } else if (recent > 2) {
      const distance = recent === 3 ? this.#distance3 : this.#distance1 - 1
      this.#distance3 = this.#distance2
      this.#distance2 = this.#distance1
      this.#distance1 = distance
    }
    return this.#distance1
  }
}
