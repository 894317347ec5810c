import { ClientError, MessageError, shown } from '../errors.js'
import { ByteReader } from './byte-reader.js'
import type { ByteWriter } from './byte-writer.js'
import type { HeaderCodec } from './command.js'
import { readJsonHeader, writeJsonHeader } from './json-header.js'
import type { NamespaceFields } from './namespace-fields.js'
import type { FrameHead, RemotingCommand, SerializeType } from './remoting-command.js'
import { MAX_BINARY_CODE, readRocketmqHeader, writeRocketmqHead } from './rocketmq-header.js'

/** Java's limit of a whole frame, the length word included (`NettyDecoder`). */
export const DEFAULT_MAX_FRAME_SIZE = 16 * 1024 * 1024
const MAX_HEADER_LENGTH = 0xff_ffff
/** Far more than any server sends in a header. What a hostile one puts into a longer one would hold up the event loop for seconds. */
const MAX_RECEIVED_HEADER_LENGTH = 1024 * 1024
const JSON_TYPE = 0
const ROCKETMQ_TYPE = 1
const EMPTY = Buffer.alloc(0)

/** Signs requests: adds header fields that say who asks, and that nothing of the request was changed. */
export interface FrameSigner {
  /** The signature of a request whose header was checked. */
  sign<T>(
    codec: HeaderCodec<T>,
    header: T,
    body: Uint8Array | undefined,
    namespace: NamespaceFields | undefined,
  ): string
  /** The fields to add, as entries of a binary header. */
  writeRocketmq(writer: ByteWriter, signature: string): void
  /** The `extFields` object of a JSON header with the fields to add. */
  toJson(fields: string, signature: string): string
}

/**
 * Writes a frame up to where its body begins: length, serialize type and header length, header.
 * The body's bytes must follow at once, from here or from a buffer of their own.
 *
 * @throws {@link ClientError} `INVALID_ARGUMENT` when the header is longer than a frame can say. What was written must then be dropped.
 */
export function writeFrameHeader<T>(
  writer: ByteWriter,
  serializeType: SerializeType,
  head: FrameHead,
  codec: HeaderCodec<T>,
  header: T,
  body: Uint8Array | undefined,
  signer?: FrameSigner,
  namespace?: NamespaceFields,
): void {
  const start = writer.position
  writer.int32(0)
  writer.int32(0)
  const isBinary =
    serializeType === 'ROCKETMQ' &&
    head.code <= MAX_BINARY_CODE &&
    (signer === undefined || !codec.hasEmptyText(header))
  if (isBinary) {
    writeRocketmqHead(writer, head)
    const at = writer.position
    writer.int32(0)
    codec.writeRocketmq(writer, header)
    if (namespace !== undefined) namespace.writeRocketmq(writer)
    if (signer !== undefined) signer.writeRocketmq(writer, signer.sign(codec, header, body, namespace))
    writer.patchInt32(at, writer.position - at - 4)
  } else {
    let fields = codec.toJson(header)
    if (namespace !== undefined) fields = namespace.toJson(fields)
    if (signer !== undefined) fields = signer.toJson(fields, signer.sign(codec, header, body, namespace))
    writeJsonHeader(writer, head, fields)
  }
  const headerLength = writer.position - start - 8
  if (headerLength > MAX_HEADER_LENGTH) {
    throw new ClientError(
      'INVALID_ARGUMENT',
      `the header of a request has ${headerLength} bytes, ${MAX_HEADER_LENGTH} are allowed`,
    )
  }
  writer.patchInt32(start, 4 + headerLength + (body === undefined ? 0 : body.length))
  writer.patchInt32(start + 4, ((isBinary ? ROCKETMQ_TYPE : JSON_TYPE) << 24) | headerLength)
}

/** Reads the frame that lies in `data` from `start`, behind its length word, to `end`. It has at least 4 bytes. */
function readFrame(data: Buffer, start: number, end: number): RemotingCommand {
  const type = data.readUInt8(start)
  const headerLength = data.readUInt32BE(start) & MAX_HEADER_LENGTH
  const bodyStart = start + 4 + headerLength
  if (bodyStart > end) throw malformed(`a frame of ${end - start} bytes says that its header has ${headerLength}`)
  if (headerLength > MAX_RECEIVED_HEADER_LENGTH)
    throw malformed(`a header of ${headerLength} bytes, ${MAX_RECEIVED_HEADER_LENGTH} are allowed`)
  const header = data.subarray(start + 4, bodyStart)
  const body = bodyStart === end ? EMPTY : data.subarray(bodyStart, end)
  if (type === JSON_TYPE) return readJsonHeader(header, body)
  if (type === ROCKETMQ_TYPE) return readRocketmqHeader(new ByteReader(header, 'HEADER_MALFORMED'), body)
  throw malformed(
    `unknown serialize type ${type}; the frame begins with ${shown(data.toString('latin1', start, start + 16))}`,
  )
}

/** So many chunks of a frame are put together before its end, because each costs far more than the byte that a hostile server may send in it. */
const MAX_LOOSE_CHUNKS = 1024

/**
 * Cuts a stream of chunks into frames, whatever the chunks' borders.
 *
 * A frame that lies in one chunk, or in chunks side by side in memory, is a view; one that spans others is put together once, when its last byte is there. No memory is taken on the word
 * of a length field: only bytes that have come are held.
 */
export class FrameDecoder {
  readonly #maxFrameSize: number
  #chunks: Buffer[] = []
  /** How many of the chunks have been put together already. */
  #compacted = 0
  #buffered = 0
  /** Bytes that must be there before it makes sense to look again. */
  #needed = 4

  constructor(maxFrameSize: number = DEFAULT_MAX_FRAME_SIZE) {
    this.#maxFrameSize = maxFrameSize
  }

  /** Bytes held of a frame that is not whole yet. */
  get buffered(): number {
    return this.#buffered
  }

  /**
   * Takes the next chunk and calls `onFrame` for each frame that is now whole.
   *
   * @throws {@link MessageError} `FRAME_MALFORMED` or `HEADER_MALFORMED`; the stream can't be read on after that.
   */
  push(chunk: Buffer, onFrame: (frame: RemotingCommand) => void): void {
    let rest = chunk
    while (this.#buffered > 0) {
      const missing = this.#needed - this.#buffered
      this.#hold(rest.subarray(0, missing))
      if (rest.length < missing) return
      rest = rest.subarray(missing)
      // Only the frame that lies across the border is copied. When its length has just become known, it is held again until the rest is there.
      const joined = this.#joined()
      this.#chunks = []
      this.#compacted = 0
      this.#buffered = 0
      this.#hold(this.#readFrames(joined, onFrame))
    }
    this.#hold(this.#readFrames(rest, onFrame))
  }

  #joined(): Buffer {
    const [first] = this.#chunks
    return first?.length === this.#buffered ? first : Buffer.concat(this.#chunks, this.#buffered)
  }

  #hold(bytes: Buffer): void {
    if (bytes.length === 0) return
    this.#buffered += bytes.length
    const last = this.#chunks.at(-1)
    // Reads that follow each other in memory are one chunk, and nothing need be copied.
    if (last !== undefined && last.buffer === bytes.buffer && last.byteOffset + last.length === bytes.byteOffset) {
      this.#chunks[this.#chunks.length - 1] = Buffer.from(last.buffer, last.byteOffset, last.length + bytes.length)
      return
    }
    this.#chunks.push(bytes)
    if (this.#chunks.length - this.#compacted > MAX_LOOSE_CHUNKS) this.#compact()
  }

  #compact(): void {
    this.#chunks.push(Buffer.concat(this.#chunks.splice(this.#compacted)))
    this.#compacted = this.#chunks.length
  }

  #readFrames(data: Buffer, onFrame: (frame: RemotingCommand) => void): Buffer {
    let position = 0
    while (data.length - position >= 4) {
      const length = data.readInt32BE(position)
      this.#checkLength(length, data, position)
      const end = position + 4 + length
      if (end > data.length) {
        this.#needed = 4 + length
        return data.subarray(position)
      }
      onFrame(readFrame(data, position + 4, end))
      position = end
    }
    this.#needed = 4
    return position === data.length ? EMPTY : data.subarray(position)
  }

  #checkLength(length: number, data: Buffer, position: number): void {
    if (length >= 4 && length + 4 <= this.#maxFrameSize) return
    const start = shown(data.toString('latin1', position, position + 16))
    throw malformed(
      `a frame of ${length} bytes, where 4 to ${this.#maxFrameSize - 4} are allowed (maxFrameSize); it begins with ${start}`,
    )
  }
}

function malformed(problem: string): MessageError {
  return new MessageError('FRAME_MALFORMED', problem)
}
