import { corrupt, tooLarge } from './decompress-fault.js'
import { copyLz4Sequences, type Lz4Cursor, measureLz4Sequences } from './lz4-block.js'
import { XxHash32, xxHash32 } from './xxhash32.js'

const FRAME_MAGIC = 0x184d2204
/** Sixteen magic numbers, the low four bits free, mark a frame of user data that readers pass over. */
const SKIPPABLE_MAGIC = 0x184d2a50
const LEGACY_MAGIC = 0x184c2102
/** Top bit of a block's size word: the block is stored as it is. */
const STORED = 0x80000000

/** Bytes worked on between two turns of the event loop. */
const SLICE = 1 << 20
/** What a block costs beside its bytes, so that a great many tiny ones make slices too. */
const BLOCK_COST = 64

interface Descriptor {
  readonly blocksStart: number
  readonly maxBlockSize: number
  readonly independentBlocks: boolean
  readonly blockChecksums: boolean
  readonly contentChecksum: boolean
  readonly contentSize: number | undefined
}

/**
 * Reads LZ4 frames: any block size, linked blocks, checksums, content size, skippable frames, several frames in a row.
 *
 * The data is gone through twice: first only to check it and to learn the output's size, so that a hostile input takes no memory.
 * Yields where the caller may let the event loop turn, at most about 1 MiB of work apart. The input must not change meanwhile.
 *
 * @throws {@link MessageError} `BODY_TOO_LARGE` when the output would be larger than `maxOutput` bytes, `DECOMPRESS_FAILED`
 * when the input is anything else than whole frames.
 */
export function* readLz4Frames(input: Buffer, maxOutput: number): Generator<undefined, Buffer, undefined> {
  const size = yield* new FrameReader(input, maxOutput, undefined).run()
  const output = Buffer.allocUnsafeSlow(size)
  yield* new FrameReader(input, maxOutput, output).run()
  return output
}

class FrameReader {
  readonly #input: Buffer
  readonly #view: DataView
  readonly #maxOutput: number
  /** Undefined while only the size is asked for. */
  readonly #output: Buffer | undefined
  readonly #outputView: DataView
  readonly #cursor: Lz4Cursor = { input: 0, output: 0 }
  #work = 0

  constructor(input: Buffer, maxOutput: number, output: Buffer | undefined) {
    this.#input = input
    this.#view = viewOf(input)
    this.#maxOutput = maxOutput
    this.#output = output
    this.#outputView = viewOf(output ?? input.subarray(0, 0))
  }

  /** Goes through all frames and returns the size of the output. */
  *run(): Generator<undefined, number, undefined> {
    const cursor = this.#cursor
    if (this.#input.length === 0) throw corrupt('there is no frame', 0)
    while (cursor.input < this.#input.length) {
      const magic = this.#uint32('a magic number')
      if ((magic & 0xfffffff0) === SKIPPABLE_MAGIC) {
        this.#skip(this.#uint32('the size of a skippable frame'), 'a skippable frame')
      } else if (magic === FRAME_MAGIC) {
        yield* this.#frame()
      } else {
        const found = magic === LEGACY_MAGIC ? 'a frame of the legacy format' : `magic number 0x${magic.toString(16)}`
        throw corrupt(`found ${found} where an LZ4 frame should begin`, cursor.input - 4)
      }
      if (this.#isSliceOver(BLOCK_COST)) yield
    }
    return cursor.output
  }

  *#frame(): Generator<undefined, void, undefined> {
    const cursor = this.#cursor
    const frame = readDescriptor(this.#view, cursor.input)
    const frameStart = cursor.output
    if (frame.contentSize !== undefined && frame.contentSize > this.#maxOutput - frameStart) throw tooLarge()
    cursor.input = frame.blocksStart
    for (;;) {
      const word = this.#uint32('the size of a block')
      if (word === 0) break
      const size = word & ~STORED
      if (size > frame.maxBlockSize) {
        throw corrupt(`a block of ${size} bytes is larger than the frame's ${frame.maxBlockSize}`, cursor.input - 4)
      }
      const start = cursor.input
      const outputStart = cursor.output
      const end = this.#skip(size, 'a block')
      cursor.input = start
      if (word >= STORED) this.#stored(end)
      else if (this.#output === undefined) yield* this.#measure(end, frame.independentBlocks ? outputStart : frameStart)
      else yield* this.#copy(end)
      cursor.input = end
      if (cursor.output - outputStart > frame.maxBlockSize) {
        throw corrupt(
          `a block holds ${cursor.output - outputStart} bytes, more than the frame's ${frame.maxBlockSize}`,
          start,
        )
      }
      if (cursor.output > this.#maxOutput) throw tooLarge()
      if (frame.blockChecksums) {
        const checksum = this.#uint32('the checksum of a block')
        if (this.#output !== undefined) this.#check('block', checksum, xxHash32(this.#view, start, end))
      }
      if (this.#isSliceOver(BLOCK_COST)) yield
    }
    const contentSize = cursor.output - frameStart
    if (frame.contentSize !== undefined && frame.contentSize !== contentSize) {
      throw corrupt(`the frame holds ${contentSize} bytes and says ${frame.contentSize}`, cursor.input)
    }
    if (frame.contentChecksum) {
      const checksum = this.#uint32('the checksum of the content')
      if (this.#output !== undefined) this.#check('content', checksum, yield* this.#hash(frameStart))
    }
  }

  #stored(end: number): void {
    this.#output?.set(this.#input.subarray(this.#cursor.input, end), this.#cursor.output)
    this.#cursor.output += end - this.#cursor.input
    this.#work += end - this.#cursor.input
  }

  *#measure(end: number, historyStart: number): Generator<undefined, void, undefined> {
    for (;;) {
      const from = this.#cursor.input
      const stop = Math.min(end, from + SLICE - this.#work)
      if (measureLz4Sequences(this.#view, this.#cursor, end, stop, historyStart)) {
        this.#work += end - from
        return
      }
      this.#work = 0
      yield
    }
  }

  *#copy(end: number): Generator<undefined, void, undefined> {
    if (this.#output === undefined) return
    for (;;) {
      const from = this.#cursor.output
      const stop = from + SLICE - this.#work
      if (copyLz4Sequences(this.#input, this.#view, this.#output, this.#outputView, this.#cursor, end, stop)) {
        this.#work += this.#cursor.output - from
        return
      }
      this.#work = 0
      yield
    }
  }

  *#hash(start: number): Generator<undefined, number, undefined> {
    const end = this.#cursor.output
    const hash = new XxHash32()
    let from = start
    for (; end - from > SLICE; from += SLICE) {
      hash.update(this.#outputView, from, from + SLICE)
      yield
    }
    return hash.digest(this.#outputView, from, end)
  }

  #isSliceOver(cost: number): boolean {
    this.#work += cost
    if (this.#work < SLICE) return false
    this.#work = 0
    return true
  }

  #uint32(what: string): number {
    const from = this.#cursor.input
    this.#skip(4, what)
    return this.#view.getUint32(from, true)
  }

  #skip(length: number, what: string): number {
    const end = this.#cursor.input + length
    if (end > this.#input.length) throw corrupt(`the data ends inside ${what}`, this.#input.length)
    this.#cursor.input = end
    return end
  }

  #check(what: string, expected: number, found: number): void {
    if (expected === found) return
    throw corrupt(
      `the checksum of a ${what} is 0x${found.toString(16)} and should be 0x${expected.toString(16)}`,
      this.#cursor.input - 4,
    )
  }
}

function readDescriptor(view: DataView, start: number): Descriptor {
  const flags = start < view.byteLength ? view.getUint8(start) : 0
  const hasSize = (flags & 0x08) !== 0
  const hasDictionary = (flags & 0x01) !== 0
  const end = start + 2 + (hasSize ? 8 : 0) + (hasDictionary ? 4 : 0)
  if (end >= view.byteLength) throw corrupt('the data ends inside a frame descriptor', view.byteLength)
  const sizes = view.getUint8(start + 1)
  if (view.getUint8(end) !== ((xxHash32(view, start, end) >> 8) & 0xff)) {
    throw corrupt('the checksum of a frame descriptor is wrong', end)
  }
  if (flags >> 6 !== 1) throw corrupt(`version ${flags >> 6} of the frame format is not known`, start)
  const maxBlockSize = sizes < 0x40 ? 0 : 1 << (8 + 2 * (sizes >> 4))
  if ((flags & 0x02) !== 0 || (sizes & 0x8f) !== 0 || maxBlockSize === 0) {
    throw corrupt(`the frame descriptor 0x${view.getUint16(start).toString(16)} uses reserved values`, start)
  }
  if (hasDictionary) throw corrupt('the frame needs a dictionary, and there is none', start)
  return {
    blocksStart: end + 1,
    maxBlockSize,
    independentBlocks: (flags & 0x20) !== 0,
    blockChecksums: (flags & 0x10) !== 0,
    contentChecksum: (flags & 0x04) !== 0,
    contentSize: hasSize
      ? view.getUint32(start + 2, true) + view.getUint32(start + 6, true) * 0x1_0000_0000
      : undefined,
  }
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}
