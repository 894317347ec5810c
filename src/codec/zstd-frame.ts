import type { MessageError } from '../errors.js'
import { corrupt, tooLarge } from './decompress-fault.js'
import { XxHash64 } from './xxhash64.js'
import { ZstdBlockReader } from './zstd-block.js'

const FRAME_MAGIC = 0xfd2fb528
/** Sixteen magic numbers, the low four bits free, mark a frame of user data that readers pass over. */
const SKIPPABLE_MAGIC = 0x184d2a50
const MAX_BLOCK_SIZE = 128 * 1024
/** Bytes worked on between two turns of the event loop. */
const SLICE = 1 << 20
/** What a block costs beside its bytes (its tables), so that a great many tiny ones make slices too. */
const COMPRESSED_BLOCK_COST = 8192
const BLOCK_COST = 64

/** What the headers of all frames and blocks tell without decoding. */
export interface ZstdLayout {
  /** Frames with content, skippable ones not counted. */
  readonly frames: number
  /** Largest size the output can have, in bytes. */
  readonly maxSize: number
  /** Memory that a decoder needs to look back, in bytes: the largest of all frames. */
  readonly windowSize: number
}

interface FrameHeader {
  readonly blocksStart: number
  readonly hasChecksum: boolean
  readonly contentSize: number | undefined
  readonly windowSize: number
}

/**
 * Goes through the headers of all frames and blocks, so that what is cut off, left over or too large shows before any memory is taken.
 *
 * @throws {@link MessageError} `BODY_TOO_LARGE` when a frame says that it holds more than `maxOutput` bytes, `DECOMPRESS_FAILED`
 * when the input is anything else than whole frames without a dictionary.
 */
export function* measureZstdFrames(input: Buffer, maxOutput: number): Generator<undefined, ZstdLayout, undefined> {
  const reader = new FrameReader(input, maxOutput, undefined)
  yield* reader.run()
  return { frames: reader.frames, maxSize: reader.written, windowSize: reader.windowSize }
}

/**
 * Decodes Zstandard frames: any window size, since the output itself is the window, content checksums, skippable frames, several in a row.
 *
 * Yields where the caller may let the event loop turn, at most about 1 MiB of work apart. The input must not change meanwhile.
 * The buffer behind the result may be larger than it: a frame that doesn't say its size is given room for whole blocks.
 *
 * @param layout - What {@link measureZstdFrames} said of this input.
 * @throws {@link MessageError} `BODY_TOO_LARGE` when the output is larger than `maxOutput` bytes, `DECOMPRESS_FAILED` when the input is
 * malformed.
 */
export function* readZstdFrames(
  input: Buffer,
  layout: ZstdLayout,
  maxOutput: number,
): Generator<undefined, Buffer, undefined> {
  const output = Buffer.allocUnsafeSlow(Math.min(layout.maxSize, maxOutput))
  const reader = new FrameReader(input, maxOutput, output)
  yield* reader.run()
  return output.subarray(0, reader.written)
}

class FrameReader {
  readonly #input: Buffer
  readonly #view: DataView
  readonly #maxOutput: number
  /** Undefined while only the layout is asked for. */
  readonly #output: Buffer | undefined
  readonly #outputView: DataView
  readonly #blocks: ZstdBlockReader
  #position = 0
  #work = 0
  written = 0
  frames = 0
  windowSize = 0

  constructor(input: Buffer, maxOutput: number, output: Buffer | undefined) {
    this.#input = input
    this.#view = viewOf(input)
    this.#maxOutput = maxOutput
    this.#output = output
    const target = output ?? input.subarray(0, 0)
    this.#outputView = viewOf(target)
    this.#blocks = new ZstdBlockReader(input, this.#view, target, () => this.#noRoom())
  }

  *run(): Generator<undefined, void, undefined> {
    if (this.#input.length === 0) throw corrupt('there is no frame', 0)
    while (this.#position < this.#input.length) {
      const magic = this.#view.getUint32(this.#skip(4, 'a magic number'), true)
      if ((magic & 0xfffffff0) === SKIPPABLE_MAGIC) {
        const size = this.#view.getUint32(this.#skip(4, 'the size of a skippable frame'), true)
        this.#skip(size, 'a skippable frame')
      } else if (magic === FRAME_MAGIC) {
        yield* this.#frame()
      } else {
        throw corrupt(
          `found magic number 0x${magic.toString(16)} where a Zstandard frame should begin`,
          this.#position - 4,
        )
      }
      if (this.#isSliceOver(BLOCK_COST)) yield
    }
  }

  *#frame(): Generator<undefined, void, undefined> {
    const frame = readHeader(this.#view, this.#position)
    const frameStart = this.written
    const contentSize = frame.contentSize ?? Number.POSITIVE_INFINITY
    if (frame.contentSize !== undefined && contentSize > this.#maxOutput - frameStart) throw tooLarge()
    this.frames++
    this.windowSize = Math.max(this.windowSize, Math.min(frame.windowSize, contentSize))
    this.#position = frame.blocksStart
    this.#blocks.beginFrame()
    const maxBlockSize = Math.min(frame.windowSize, MAX_BLOCK_SIZE)
    for (let isLast = false; !isLast; ) {
      const at = this.#skip(3, 'a block header')
      const header = this.#view.getUint8(at) | (this.#view.getUint16(at + 1, true) << 8)
      isLast = (header & 1) === 1
      this.#block((header >> 1) & 3, header >> 3, maxBlockSize, frameStart)
      if (this.#output !== undefined && this.written - frameStart > contentSize) {
        throw corrupt(`the frame holds more than the ${contentSize} bytes that it says`, at)
      }
      if (this.#isSliceOver(BLOCK_COST)) yield
    }
    if (this.#output === undefined) {
      this.written = Math.min(this.written, frameStart + contentSize)
    } else if (frame.contentSize !== undefined && this.written - frameStart !== contentSize) {
      throw corrupt(`the frame holds ${this.written - frameStart} bytes and says ${contentSize}`, this.#position)
    }
    if (frame.hasChecksum) {
      const expected = this.#view.getUint32(this.#skip(4, 'the checksum of a frame'), true)
      const found = this.#output === undefined ? expected : yield* this.#hash(frameStart)
      if (found !== expected) {
        throw corrupt(
          `the checksum of the content is 0x${found.toString(16)} and should be 0x${expected.toString(16)}`,
          this.#position - 4,
        )
      }
    }
  }

  #block(type: number, size: number, maxBlockSize: number, frameStart: number): void {
    if (type === 3 || size > maxBlockSize) {
      const found =
        type === 3 ? 'a block of the reserved type' : `a block of ${size} bytes, of which ${maxBlockSize} are allowed`
      throw corrupt(`found ${found}`, this.#position - 3)
    }
    const start = this.#skip(type === 1 ? 1 : size, 'a block')
    const output = this.#output
    if (output === undefined) {
      this.written += type === 2 ? maxBlockSize : size
      return
    }
    if (type === 2) {
      const end = this.#blocks.read(start, this.#position, this.written, frameStart, maxBlockSize)
      this.#work += COMPRESSED_BLOCK_COST + end - this.written
      this.written = end
      return
    }
    if (this.written + size > output.length) throw this.#noRoom()
    if (type === 1) output.fill(this.#view.getUint8(start), this.written, this.written + size)
    else output.set(this.#input.subarray(start, start + size), this.written)
    this.#work += size
    this.written += size
  }

  /** The output has room for the limit, or for what all frames say that they hold if that is less. */
  #noRoom(): MessageError {
    const size = this.#output?.length ?? 0
    return size < this.#maxOutput
      ? corrupt(`the frames hold more than the ${size} bytes that they say`, this.#position)
      : tooLarge()
  }

  *#hash(start: number): Generator<undefined, number, undefined> {
    const hash = new XxHash64()
    let from = start
    for (; this.written - from > SLICE; from += SLICE) {
      hash.update(this.#outputView, from, from + SLICE)
      yield
    }
    return hash.digest(this.#outputView, from, this.written)
  }

  #isSliceOver(cost: number): boolean {
    this.#work += cost
    if (this.#work < SLICE) return false
    this.#work = 0
    return true
  }

  /** Moves on by `length` bytes and returns where they begin. */
  #skip(length: number, what: string): number {
    const start = this.#position
    if (start + length > this.#input.length) throw corrupt(`the data ends inside ${what}`, this.#input.length)
    this.#position = start + length
    return start
  }
}

function readHeader(view: DataView, start: number): FrameHeader {
  const flags = start < view.byteLength ? view.getUint8(start) : 0
  const isSingleSegment = (flags & 0x20) !== 0
  const windowBytes = isSingleSegment ? 0 : 1
  const dictionaryBytes = [0, 1, 2, 4][flags & 3] ?? 0
  const sizeBytes = [isSingleSegment ? 1 : 0, 2, 4, 8][flags >> 6] ?? 0
  const dictionaryStart = start + 1 + windowBytes
  const sizeStart = dictionaryStart + dictionaryBytes
  const blocksStart = sizeStart + sizeBytes
  if (start >= view.byteLength || blocksStart > view.byteLength) {
    throw corrupt('the data ends inside a frame header', view.byteLength)
  }
  if ((flags & 0x08) !== 0) throw corrupt('a frame header uses a reserved bit', start)
  if (littleEndian(view, dictionaryStart, dictionaryBytes) !== 0) {
    throw corrupt('the frame needs a dictionary, and there is none', dictionaryStart)
  }
  const size = littleEndian(view, sizeStart, sizeBytes)
  const contentSize = sizeBytes === 0 ? undefined : sizeBytes === 2 ? size + 256 : size
  return {
    blocksStart,
    hasChecksum: (flags & 0x04) !== 0,
    contentSize,
    windowSize: isSingleSegment ? (contentSize ?? 0) : windowSizeOf(view.getUint8(start + 1)),
  }
}

/** @param descriptor - Upper five bits: exponent over 1 KiB; lower three: eighths to add. */
function windowSizeOf(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >> 3))
  return base + (base / 8) * (descriptor & 7)
}

function littleEndian(view: DataView, start: number, length: number): number {
  let value = 0
  for (let index = length - 1; index >= 0; index--) value = value * 256 + view.getUint8(start + index)
  return value
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}
