import { copyMatch, copyRun } from './byte-copy.js'
import { corrupt } from './decompress-fault.js'

const MIN_MATCH = 4
/** Up to this many bytes a loop of our own is quicker than a call. */
const SHORT_RUN = 64
/** Where a block is being worked on, so that the work can stop between two sequences and go on later. */
export interface Lz4Cursor {
  /** Position in the compressed bytes. */
  input: number
  /** Position in the plain bytes. */
  output: number
}

/**
 * Checks sequences without writing their output: the cursor's `output` moves as if they had been.
 *
 * What passes here is safe to hand to {@link copyLz4Sequences}, which checks nothing again.
 *
 * @param end - Where the block ends in the input.
 * @param stop - Input position to stop at, after the sequence that reaches it.
 * @param historyStart - Output position before which no match may reach.
 * @returns Whether the block is finished.
 */
export function measureLz4Sequences(
  input: DataView,
  cursor: Lz4Cursor,
  end: number,
  stop: number,
  historyStart: number,
): boolean {
  let position = cursor.input
  let size = cursor.output
  while (position < stop) {
    const token = input.getUint8(position++)
    let length = token >> 4
    if (length === 15) {
      let byte: number
      do {
        if (position >= end) throw corrupt('a run of literals is cut off', position)
        byte = input.getUint8(position++)
        length += byte
      } while (byte === 255)
    }
    position += length
    size += length
    if (position >= end) {
      if (position > end) throw corrupt('a run of literals reaches past its block', end)
      cursor.input = position
      cursor.output = size
      return true
    }
    if (end - position < 2) throw corrupt('a match is cut off', position)
    const distance = input.getUint16(position, true)
    if (distance === 0 || distance > size - historyStart) {
      throw corrupt(`a match reaches back ${distance} bytes, and ${size - historyStart} are there`, position)
    }
    position += 2
    length = (token & 15) + MIN_MATCH
    if (length === 15 + MIN_MATCH) {
      let byte: number
      do {
        if (position >= end) throw corrupt('a match is cut off', position)
        byte = input.getUint8(position++)
        length += byte
      } while (byte === 255)
    }
    size += length
    if (position >= end) throw corrupt('a block ends with a match instead of literals', position)
  }
  cursor.input = position
  cursor.output = size
  return false
}

/**
 * Writes the output of sequences that {@link measureLz4Sequences} has passed.
 *
 * @param stop - Output position to stop at, after the sequence that reaches it.
 * @returns Whether the block is finished.
 */
export function copyLz4Sequences(
  input: Buffer,
  inputView: DataView,
  output: Buffer,
  outputView: DataView,
  cursor: Lz4Cursor,
  end: number,
  stop: number,
): boolean {
  // Short runs go four bytes at a time, which may write up to three bytes too many: the next run overwrites them.
  const inputRoom = input.length - 3
  const outputRoom = output.length - 3
  let from = cursor.input
  let to = cursor.output
  while (to < stop) {
    const token = inputView.getUint8(from++)
    let length = token >> 4
    if (length === 15) {
      let byte: number
      do {
        byte = inputView.getUint8(from++)
        length += byte
      } while (byte === 255)
    }
    if (length > SHORT_RUN || from + length >= inputRoom || to + length >= outputRoom) {
      copyRun(input, from, output, to, length)
      to += length
    } else {
      const last = to + length
      for (let source = from; to < last; to += 4, source += 4) {
        outputView.setInt32(to, inputView.getInt32(source, true), true)
      }
      to = last
    }
    from += length
    if (from >= end) {
      cursor.input = from
      cursor.output = to
      return true
    }
    const distance = inputView.getUint16(from, true)
    from += 2
    length = (token & 15) + MIN_MATCH
    if (length === 15 + MIN_MATCH) {
      let byte: number
      do {
        byte = inputView.getUint8(from++)
        length += byte
      } while (byte === 255)
    }
    const last = to + length
    if (length > SHORT_RUN || distance < 4 || last >= outputRoom) {
      copyMatch(output, to, distance, length)
    } else {
      for (let source = to - distance; to < last; to += 4, source += 4) {
        outputView.setInt32(to, outputView.getInt32(source, true), true)
      }
    }
    to = last
  }
  cursor.input = from
  cursor.output = to
  return false
}
