import { writeInt64 } from './int64.js'

const MIN_SLAB = 64 * 1024
/** Up to so many bytes, a loop is quicker than a call into the runtime. */
const SHORT = 16

/**
 * A growing buffer that is written from front to back.
 *
 * What was handed out by {@link ByteWriter.take} is never written again: the next bytes go behind it, or into a new slab.
 */
export class ByteWriter {
  #buffer: Buffer
  #view: DataView
  /** First byte that has not been taken yet. */
  #start = 0
  #position = 0

  constructor(size: number = MIN_SLAB) {
    this.#buffer = Buffer.allocUnsafeSlow(size)
    this.#view = viewOf(this.#buffer)
  }

  /** Bytes written and not taken yet. */
  get length(): number {
    return this.#position - this.#start
  }

  /** Where the next byte goes, relative to the first byte that has not been taken. */
  get position(): number {
    return this.#position - this.#start
  }

  /** Drops everything written from `position` on: a frame that failed half-way leaves no trace. */
  rewind(position: number): void {
    this.#position = this.#start + position
  }

  /** Hands out what was written since the last call. */
  take(): Buffer {
    const taken = this.#buffer.subarray(this.#start, this.#position)
    this.#start = this.#position
    return taken
  }

  /** Starts again at the front of the slab. Only for a caller that knows that nobody reads what was taken. */
  reuse(): void {
    if (this.#start === this.#position) {
      this.#start = 0
      this.#position = 0
    }
  }

  int8(value: number): void {
    if (this.#position + 1 > this.#buffer.length) this.#grow(1)
    this.#view.setInt8(this.#position, value)
    this.#position += 1
  }

  int16(value: number): void {
    if (this.#position + 2 > this.#buffer.length) this.#grow(2)
    this.#view.setInt16(this.#position, value)
    this.#position += 2
  }

  int32(value: number): void {
    if (this.#position + 4 > this.#buffer.length) this.#grow(4)
    this.#view.setInt32(this.#position, value)
    this.#position += 4
  }

  int64(value: number): void {
    if (this.#position + 8 > this.#buffer.length) this.#grow(8)
    writeInt64(this.#view, this.#position, value)
    this.#position += 8
  }

  /** Fills in a word that was left open, at a place that {@link ByteWriter.position} gave. */
  patchInt32(position: number, value: number): void {
    this.#view.setInt32(this.#start + position, value)
  }

  patchInt16(position: number, value: number): void {
    this.#view.setInt16(this.#start + position, value)
  }

  bytes(source: Uint8Array): void {
    const length = source.length
    if (this.#position + length > this.#buffer.length) this.#grow(length)
    if (length <= SHORT) {
      // As for short text: names of header fields are a few bytes each.
      for (let i = 0; i < length; i++) this.#buffer[this.#position + i] = source[i] ?? 0
    } else {
      this.#buffer.set(source, this.#position)
    }
    this.#position += length
  }

  /** Writes text as UTF-8 and returns how many bytes it took. */
  utf8(text: string): number {
    const length = text.length
    if (this.#position + length * 3 > this.#buffer.length) this.#grow(length * 3)
    const start = this.#position
    if (length <= 48) {
      // Short ASCII text by hand: a call into the runtime costs more than the bytes do.
      const buffer = this.#buffer
      let i = 0
      for (; i < length; i++) {
        const c = text.charCodeAt(i)
        if (c > 0x7f) break
        buffer[start + i] = c
      }
      if (i === length) {
        this.#position = start + length
        return length
      }
    }
    const written = this.#buffer.write(text, start)
    this.#position = start + written
    return written
  }

  /** Writes an integer as decimal text and returns how many bytes it took. */
  decimal(value: number): number {
    if (value >= 0 && value < 10) {
      if (this.#position + 1 > this.#buffer.length) this.#grow(1)
      this.#buffer[this.#position++] = 0x30 + value
      return 1
    }
    return this.utf8(String(value))
  }

  #grow(needed: number): void {
    const kept = this.length
    const buffer = Buffer.allocUnsafeSlow(Math.max(MIN_SLAB, (kept + needed) * 2))
    this.#buffer.copy(buffer, 0, this.#start, this.#position)
    this.#buffer = buffer
    this.#view = viewOf(buffer)
    this.#start = 0
    this.#position = kept
  }
}

function viewOf(buffer: Buffer): DataView {
  return new DataView(buffer.buffer, buffer.byteOffset, buffer.length)
}
