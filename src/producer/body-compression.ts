import { setImmediate as nextTurn } from 'node:timers/promises'
import {
  type CompressionType,
  compress,
  compressionFlagOf,
  compressSync,
  isZstdWritable,
} from '../codec/compression.js'
import { ClientError } from '../errors.js'
import { MessageSysFlag } from '../message/sys-flag.js'
import type { OutgoingMessage } from './outgoing-message.js'
import type { ResolvedProducerOptions } from './producer-options.js'

/** Up to here a body is compressed where it is: a trip to the thread pool costs five times as much as the work. */
const SMALL_BODY = 16 * 1024
/** So many bytes of small bodies in one turn of the event loop, which are some milliseconds; what is more waits for the next turn. */
const BYTES_OF_TURN = 256 * 1024
/** Large bodies at a time: each takes memory of its own for the work, and the thread pool has four threads. */
const MAX_LARGE = 4
/** Levels above are so slow that also a small body is no work for the event loop. */
const MAX_QUICK_ZSTD_LEVEL = 9

/**
 * Compresses the bodies of single messages from a size on, once for all attempts. Large ones off the event loop, or in slices of it.
 *
 * However many sends are under way, a few bodies only are worked on at a time.
 *
 * @see DefaultMQProducerImpl.tryToCompressMessage
 */
export class BodyCompression {
  readonly #over: number
  readonly #type: CompressionType
  readonly #level: number | undefined
  readonly #smallBody: number
  readonly #largeWaiting: (() => void)[] = []
  #largeRunning = 0
  /** Bytes that were compressed in this turn of the event loop. */
  #bytesOfTurn = 0
  #smallWaiting = 0
  #lastSmall: Promise<unknown> = Promise.resolve()

  /** @throws {@link ClientError} `COMPRESSION_UNSUPPORTED` for ZSTD on a Node that can't write it. */
  constructor({ compressBodyOver, compressType, compressLevel }: ResolvedProducerOptions) {
    this.#over = compressBodyOver
    this.#type = compressType
    this.#level = compressLevel
    this.#smallBody = compressType === 'ZSTD' && (compressLevel ?? 0) > MAX_QUICK_ZSTD_LEVEL ? 0 : SMALL_BODY
    if (compressType === 'ZSTD' && !isZstdWritable()) {
      throw new ClientError(
        'COMPRESSION_UNSUPPORTED',
        `option compressType is 'ZSTD', which Node ${process.versions.node} can't write: use Node 22.15 or later, or 'ZLIB' or 'LZ4'`,
      )
    }
  }

  isFor(outgoing: OutgoingMessage): boolean {
    return outgoing.body.length >= this.#over && !outgoing.isBatch
  }

  /** The message with its body compressed; as it is, where that would not make it smaller. */
  async apply(outgoing: OutgoingMessage): Promise<OutgoingMessage> {
    const { body } = outgoing
    const input = Buffer.from(body.buffer, body.byteOffset, body.length)
    const compressed = await (input.length <= this.#smallBody ? this.#compressSmall(input) : this.#compressLarge(input))
    if (compressed.length >= body.length) return outgoing
    const sysFlag = outgoing.sysFlag | MessageSysFlag.COMPRESSED | compressionFlagOf(this.#type)
    return { ...outgoing, body: compressed, sysFlag }
  }

  #compressSmall(input: Buffer): Buffer | Promise<Buffer> {
    if (this.#smallWaiting === 0 && this.#bytesOfTurn < BYTES_OF_TURN) return this.#compressNow(input)
    this.#smallWaiting++
    const compressing = this.#lastSmall.then(() => this.#compressWhenTurn(input))
    this.#lastSmall = compressing.catch(() => undefined)
    return compressing
  }

  async #compressWhenTurn(input: Buffer): Promise<Buffer> {
    while (this.#bytesOfTurn >= BYTES_OF_TURN) await nextTurn()
    this.#smallWaiting--
    return this.#compressNow(input)
  }

  #compressNow(input: Buffer): Buffer {
    if (this.#bytesOfTurn === 0) {
      setImmediate(() => {
        this.#bytesOfTurn = 0
      })
    }
    this.#bytesOfTurn += input.length
    return compressSync(this.#type, input, this.#level)
  }

  async #compressLarge(input: Buffer): Promise<Buffer> {
    if (this.#largeRunning >= MAX_LARGE) await new Promise<void>((resolve) => this.#largeWaiting.push(resolve))
    else this.#largeRunning++
    try {
      // LZ4 is written by this thread, in slices of a MiB: many bodies of less than that would leave no turn to others.
      if (this.#type === 'LZ4') await nextTurn()
      return await compress(this.#type, input, this.#level)
    } finally {
      // Who waits takes over the place.
      const next = this.#largeWaiting.shift()
      if (next === undefined) this.#largeRunning--
      else next()
    }
  }
}
