import { Lz4BlockWriter } from './lz4-block-writer.js'

const FRAME_MAGIC = 0x184d2204
/** The one descriptor that lz4-java writes: version 1, independent blocks of up to 4 MiB, no checksums, no content size. */
const WRITTEN_DESCRIPTOR = [0x60, 0x70, 0x73]
const WRITTEN_BLOCK_SIZE = 4 << 20
/** Top bit of a block's size word: the block is stored as it is. */
const STORED = 0x80000000
/** Bytes worked on between two turns of the event loop. */
const SLICE = 1 << 20

/**
 * Writes one LZ4 frame in the form that lz4-java's `LZ4FrameOutputStream` writes. Yields after each MiB of input.
 *
 * @see LZ4FrameOutputStream
 */
export function* writeLz4Frame(input: Buffer): Generator<undefined, Buffer, undefined> {
  const blocks = Math.ceil(input.length / WRITTEN_BLOCK_SIZE)
  const output = Buffer.allocUnsafeSlow(7 + input.length + 4 * blocks + 4)
  output.writeUInt32LE(FRAME_MAGIC, 0)
  output.set(WRITTEN_DESCRIPTOR, 4)
  let to = 7
  const writer = new Lz4BlockWriter(input, output)
  for (let start = 0; start < input.length; start += WRITTEN_BLOCK_SIZE) {
    const end = Math.min(start + WRITTEN_BLOCK_SIZE, input.length)
    writer.begin(start, end, to + 4)
    let smaller = true
    for (let stop = start; smaller && stop < end; ) {
      stop = Math.min(stop + SLICE, end)
      smaller = writer.write(stop)
      if (stop < input.length) yield
    }
    const blockEnd = smaller ? writer.finish() : -1
    if (blockEnd < 0) {
      output.writeUInt32LE(end - start + STORED, to)
      output.set(input.subarray(start, end), to + 4)
      to += 4 + end - start
    } else {
      output.writeUInt32LE(blockEnd - to - 4, to)
      to = blockEnd
    }
  }
  output.writeUInt32LE(0, to)
  return output.subarray(0, to + 4)
}
