import { MessageError, type MessageErrorCode } from '../errors.js'
import { readInt64 } from './int64.js'

/** A cursor over one buffer. Every read checks its bounds and names the field that didn't fit. */
export class ByteReader {
  readonly buffer: Buffer
  readonly #view: DataView
  readonly #code: MessageErrorCode
  position: number
  end: number

  constructor(buffer: Buffer, code: MessageErrorCode) {
    this.buffer = buffer
    this.#view = new DataView(buffer.buffer, buffer.byteOffset, buffer.length)
    this.#code = code
    this.position = 0
    this.end = buffer.length
  }

  get remaining(): number {
    return this.end - this.position
  }

  int8(field: string): number {
    return this.#view.getInt8(this.#take(1, field))
  }

  uint8(field: string): number {
    return this.#view.getUint8(this.#take(1, field))
  }

  int16(field: string): number {
    return this.#view.getInt16(this.#take(2, field))
  }

  int32(field: string): number {
    return this.#view.getInt32(this.#take(4, field))
  }

  int64(field: string): number {
    return readInt64(this.#view, this.#take(8, field), field)
  }

  /** A length that the wire gave as a signed 16-bit number. */
  length16(field: string): number {
    return this.#checkLength(this.int16(field), field, 2)
  }

  /** A length that the wire gave as a signed 32-bit number. */
  length32(field: string): number {
    return this.#checkLength(this.int32(field), field, 4)
  }

  bytes(length: number, field: string): Buffer {
    const start = this.#take(length, field)
    return this.buffer.subarray(start, start + length)
  }

  utf8(length: number, field: string): string {
    const start = this.#take(length, field)
    return length === 0 ? '' : this.buffer.toString('utf8', start, start + length)
  }

  skip(length: number, field: string): number {
    return this.#take(length, field)
  }

  fail(problem: string, position: number = this.position): MessageError {
    return new MessageError(this.#code, `${problem} (byte ${position} of ${this.buffer.length})`, { position })
  }

  #checkLength(length: number, field: string, width: number): number {
    if (length < 0 || length > this.remaining) {
      throw this.fail(`${field} has length ${length}, with ${this.remaining} bytes left`, this.position - width)
    }
    return length
  }

  #take(length: number, field: string): number {
    const start = this.position
    if (length < 0 || start + length > this.end) {
      throw this.fail(`${field} needs ${length} bytes, ${this.end - start} are left`)
    }
    this.position = start + length
    return start
  }
}
