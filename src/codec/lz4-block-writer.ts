import { copyRun } from './byte-copy.js'

const MIN_MATCH = 4
/** The format's rules for a writer: no match starts in the last 12 bytes of a block, and its last 5 bytes are literals. */
const LAST_MATCH_START = 12
const LAST_LITERALS = 5
const MAX_DISTANCE = 0xffff
/** After this many positions (as a power of two) without a match the search takes longer steps. */
const SKIP_TRIGGER = 6

/** Compresses one block: greedy, with a table of the last position of each hash of four bytes. */
export class Lz4BlockWriter {
  readonly #input: Buffer
  readonly #inputView: DataView
  readonly #output: Buffer
  readonly #outputView: DataView
  readonly #table: Int32Array
  readonly #hashShift: number
  #start = 0
  #end = 0
  /** Where the next search begins, and where the literals not yet written do. */
  #position = 0
  #anchor = 0
  #to = 0
  #limit = 0

  constructor(input: Buffer, output: Buffer) {
    this.#input = input
    this.#inputView = new DataView(input.buffer, input.byteOffset, input.length)
    this.#output = output
    this.#outputView = new DataView(output.buffer, output.byteOffset, output.length)
    const bits = Math.min(Math.max(32 - Math.clz32(input.length), 8), 13)
    this.#table = new Int32Array(1 << bits)
    this.#hashShift = 32 - bits
  }

  /** Begins a block. Its output is given up once it would need as much room as the block has. */
  begin(start: number, end: number, to: number): void {
    if (start > 0) this.#table.fill(0)
    this.#start = start
    this.#end = end
    this.#position = start
    this.#anchor = start
    this.#to = to
    this.#limit = to + end - start
  }

  /**
   * Writes the matches that start before `stop`, each with the literals in front of it.
   *
   * @returns False when the block doesn't get smaller: store it as it is.
   */
  write(stop: number): boolean {
    const view = this.#inputView
    const table = this.#table
    const shift = this.#hashShift
    const start = this.#start
    const lastStart = Math.min(stop, this.#end - LAST_MATCH_START)
    const matchEnd = this.#end - LAST_LITERALS
    let position = this.#position
    let misses = 1 << SKIP_TRIGGER
    while (position < lastStart) {
      const word = view.getInt32(position, true)
      const slot = Math.imul(word, 0x9e3779b1) >>> shift
      let candidate = start + (table[slot] ?? 0)
      table[slot] = position - start
      if (candidate >= position || position - candidate > MAX_DISTANCE || view.getInt32(candidate, true) !== word) {
        position += misses++ >> SKIP_TRIGGER
        continue
      }
      const distance = position - candidate
      let end = position + MIN_MATCH
      while (
        position > this.#anchor &&
        candidate > start &&
        view.getUint8(position - 1) === view.getUint8(candidate - 1)
      ) {
        position--
        candidate--
      }
      for (;;) {
        if (end + 4 > matchEnd) {
          while (end < matchEnd && view.getUint8(end) === view.getUint8(end - distance)) end++
          break
        }
        const difference = view.getInt32(end, true) ^ view.getInt32(end - distance, true)
        if (difference !== 0) {
          end += (31 - Math.clz32(difference & -difference)) >> 3
          break
        }
        end += 4
      }
      if (!this.#writeSequence(position, distance, end - position)) return false
      position = end
      this.#anchor = end
      misses = 1 << SKIP_TRIGGER
      if (end < lastStart) table[Math.imul(view.getInt32(end - 2, true), 0x9e3779b1) >>> shift] = end - 2 - start
    }
    this.#position = position
    return true
  }

  /** Writes the literals that are left. Returns where the output ends, or -1 when the block didn't get smaller. */
  finish(): number {
    const length = this.#end - this.#anchor
    if (this.#to + length + Math.trunc(length / 255) + 2 > this.#limit) return -1
    const token = this.#to++
    this.#outputView.setUint8(token, this.#writeLiterals(this.#end) << 4)
    return this.#to
  }

  #writeSequence(position: number, distance: number, matchLength: number): boolean {
    const literals = position - this.#anchor
    const view = this.#outputView
    // Token, distance and the last length bytes are below 8 bytes; long lengths take a byte for each 255.
    if (this.#to + literals + Math.trunc((literals + matchLength) / 255) + 8 > this.#limit) return false
    const token = this.#to++
    const literalBits = this.#writeLiterals(position) << 4
    view.setUint16(this.#to, distance, true)
    this.#to += 2
    const length = matchLength - MIN_MATCH
    view.setUint8(token, literalBits | Math.min(length, 15))
    if (length >= 15) this.#writeLength(length - 15)
    return true
  }

  /** Writes the literals up to `end`, and returns their length as the token holds it. */
  #writeLiterals(end: number): number {
    const length = end - this.#anchor
    if (length >= 15) this.#writeLength(length - 15)
    const to = this.#to
    this.#to = to + length
    copyRun(this.#input, this.#anchor, this.#output, to, length)
    return Math.min(length, 15)
  }

  #writeLength(rest: number): void {
    let left = rest
    for (; left >= 255; left -= 255) this.#outputView.setUint8(this.#to++, 255)
    this.#outputView.setUint8(this.#to++, left)
  }
}
