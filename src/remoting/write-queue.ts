import type { Socket } from 'node:net'
import { ByteWriter } from '../codec/byte-writer.js'
import type { HeaderCodec } from '../codec/command.js'
import { type FrameSigner, writeFrameHeader } from '../codec/frame.js'
import type { NamespaceFields } from '../codec/namespace-fields.js'
import type { FrameHead, SerializeType } from '../codec/remoting-command.js'

/** Bodies up to this size are copied behind their header; longer ones are written from where they are. */
const COPY_LIMIT = 8 * 1024
/** So many bytes are not kept back for others to join them. */
const FLUSH_SIZE = 256 * 1024

/**
 * Gathers the frames of a turn of the event loop into one write.
 *
 * Frames are encoded straight into a slab. The slab is used again from its front as soon as the socket has taken everything, and replaced when it has not.
 */
export class WriteQueue {
  readonly #socket: Socket
  readonly #onTaken: () => void
  readonly #writer = new ByteWriter()
  readonly #flushScheduled = (): void => {
    this.#isScheduled = false
    this.flush()
  }
  #segments: Uint8Array[] = []
  #segmentBytes = 0
  #isScheduled = false

  /** @param onTaken - Called when a flush left nothing for the socket's `drain` event to tell of: the kernel took all of it at once. */
  constructor(socket: Socket, onTaken: () => void) {
    this.#socket = socket
    this.#onTaken = onTaken
  }

  /** Bytes that the kernel has not taken yet. */
  get length(): number {
    return this.#writer.length + this.#segmentBytes + this.#socket.writableLength
  }

  /** Encodes a frame, signed where there is a signer; it leaves with the others of this turn of the event loop. A `body` over 8 KiB is not copied and must not change until the call settles. */
  append<T>(
    type: SerializeType,
    head: FrameHead,
    codec: HeaderCodec<T>,
    header: T,
    body: Uint8Array | undefined,
    signer?: FrameSigner,
    namespace?: NamespaceFields,
  ): void {
    const writer = this.#writer
    const start = writer.position
    try {
      writeFrameHeader(writer, type, head, codec, header, body, signer, namespace)
    } catch (error) {
      writer.rewind(start)
      throw error
    }
    if (body !== undefined && body.length <= COPY_LIMIT) writer.bytes(body)
    else if (body !== undefined) this.#addSegment(body)
    if (writer.length + this.#segmentBytes >= FLUSH_SIZE) this.#writeOut()
    if (!this.#isScheduled) {
      this.#isScheduled = true
      // Runs when all sockets that had something to read were read: what their answers start shares one write, which costs more than all else of a call.
      setImmediate(this.#flushScheduled)
    }
  }

  flush(): void {
    this.#writeOut()
    if (!this.#socket.destroyed && !this.#socket.writableNeedDrain) this.#onTaken()
  }

  #writeOut(): void {
    const socket = this.#socket
    const tail = this.#writer.take()
    if (socket.destroyed) return
    if (this.#segments.length === 0) {
      if (tail.length > 0) socket.write(tail)
    } else {
      socket.cork()
      for (const segment of this.#segments) socket.write(segment)
      if (tail.length > 0) socket.write(tail)
      socket.uncork()
      this.#segments = []
      this.#segmentBytes = 0
    }
    if (socket.writableLength === 0) this.#writer.reuse()
  }

  #addSegment(body: Uint8Array): void {
    const header = this.#writer.take()
    this.#segments.push(header, body)
    this.#segmentBytes += header.length + body.length
  }
}
