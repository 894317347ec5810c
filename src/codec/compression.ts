import { setImmediate } from 'node:timers/promises'
import { promisify } from 'node:util'
import * as zlib from 'node:zlib'
import { ClientError, MessageError, shown } from '../errors.js'
import { MessageSysFlag } from '../message/sys-flag.js'
import { readLz4Frames } from './lz4-frame.js'
import { writeLz4Frame } from './lz4-frame-writer.js'
import { measureZstdFrames, readZstdFrames, type ZstdLayout } from './zstd-frame.js'

/** How a body is compressed. The sender chooses; every type can be read on every supported Node. */
export type CompressionType = 'ZLIB' | 'LZ4' | 'ZSTD'

/** Part of a job; between two parts the event loop may turn. */
type Sliced<Result> = Generator<undefined, Result, undefined>

interface ZstdOptions {
  readonly chunkSize?: number
  readonly maxOutputLength?: number
  readonly params?: Readonly<Record<number, number>>
}

type ZstdCallback = (error: Error | null, result: Buffer) => void

/** What `node:zlib` has from Node 22.15 and 23.8 on. */
interface ZstdModule {
  zstdDecompressSync(input: Buffer, options: ZstdOptions): Buffer
  zstdDecompress(input: Buffer, options: ZstdOptions, callback: ZstdCallback): void
  zstdCompressSync(input: Buffer, options: ZstdOptions): Buffer
  zstdCompress(input: Buffer, options: ZstdOptions, callback: ZstdCallback): void
  readonly constants: { readonly ZSTD_c_compressionLevel: number }
}

/** What `inflate` gives for the option `info`: the stream too, which knows how much of the input it has used. */
interface InflateResult {
  readonly buffer: Buffer
  readonly engine: { readonly bytesWritten: number }
}

const LEVELS = { ZLIB: { min: 0, max: 9, default: 5 }, ZSTD: { min: 1, max: 22, default: 3 } } as const
/** Larger than the 16 KiB of `node:zlib`, since each chunk is a trip to the thread pool; small enough to pass the limit by little. */
const CHUNK_SIZE = 64 * 1024
const SMALL_CHUNK_SIZE = 16 * 1024
const LARGE_INPUT = 4 * 1024
/** The format allows more, which `node:zlib` refuses. */
const MAX_NATIVE_WINDOW = 128 * 1024 * 1024

const zstd = zstdOf(zlib)
const inflate: (input: Buffer, options: zlib.ZlibOptions) => Promise<unknown> = promisify(zlib.inflate)
const deflate: (input: Buffer, options: zlib.ZlibOptions) => Promise<Buffer> = promisify(zlib.deflate)

/** The type that a message's `sysFlag` names: ZLIB also for senders older than the bits. Undefined for a type that is not known. */
export function compressionTypeOf(sysFlag: number): CompressionType | undefined {
  switch (sysFlag & MessageSysFlag.COMPRESSION_MASK) {
    case 0:
    case 0x300:
      return 'ZLIB'
    case 0x100:
      return 'LZ4'
    case 0x200:
      return 'ZSTD'
    default:
      return undefined
  }
}

/** The bits of `sysFlag` that name a type. The bit that says that a body is compressed is another one. */
export function compressionFlagOf(type: CompressionType): number {
  return type === 'LZ4' ? 0x100 : type === 'ZSTD' ? 0x200 : 0x300
}

/** Whether this runtime can compress with ZSTD: Node 22.15, 23.8 and later. */
export function isZstdWritable(): boolean {
  return zstd !== undefined
}

/**
 * Decompresses a small body at once.
 *
 * @param maxOutput - Most bytes that may come out. Input that holds more is refused after about that much memory has been taken.
 * @throws {@link MessageError} `BODY_TOO_LARGE` when more would come out; `DECOMPRESS_FAILED` when the input is malformed, cut off or
 * followed by other bytes.
 */
export function decompressSync(type: CompressionType, input: Buffer, maxOutput: number): Buffer {
  try {
    switch (type) {
      case 'ZLIB':
        return inflated(zlib.inflateSync(input, { info: true, ...outputOptions(input, maxOutput) }), input, maxOutput)
      case 'LZ4':
        return runAtOnce(readLz4Frames(input, maxOutput))
      case 'ZSTD': {
        const layout = runAtOnce(measureZstdFrames(input, maxOutput))
        if (zstd === undefined || !isForNative(layout, maxOutput)) {
          return compact(runAtOnce(readZstdFrames(input, layout, maxOutput)))
        }
        return withinLimit(zstd.zstdDecompressSync(input, outputOptions(input, maxOutput)), maxOutput)
      }
    }
  } catch (error) {
    throw failure(type, input, maxOutput, error)
  }
}

/**
 * Decompresses a body of any size without holding up the event loop: on the thread pool where the runtime can, else in slices.
 * The input must not change until it settles.
 *
 * @param maxOutput - Most bytes that may come out. Input that holds more is refused after about that much memory has been taken.
 * @throws {@link MessageError} as {@link decompressSync}.
 */
export async function decompress(type: CompressionType, input: Buffer, maxOutput: number): Promise<Buffer> {
  try {
    switch (type) {
      case 'ZLIB':
        return inflated(await inflate(input, { info: true, ...outputOptions(input, maxOutput) }), input, maxOutput)
      case 'LZ4':
        return await runInSlices(readLz4Frames(input, maxOutput))
      case 'ZSTD': {
        const layout = await runInSlices(measureZstdFrames(input, maxOutput))
        if (zstd === undefined || !isForNative(layout, maxOutput)) {
          return compact(await runInSlices(readZstdFrames(input, layout, maxOutput)))
        }
        const { zstdDecompress } = zstd
        const output = await settled((callback) => zstdDecompress(input, outputOptions(input, maxOutput), callback))
        return withinLimit(output, maxOutput)
      }
    }
  } catch (error) {
    throw failure(type, input, maxOutput, error)
  }
}

/**
 * Compresses a body, without holding up the event loop, in the form that the Java client reads. The input must not change until it settles.
 *
 * Each call takes up to some MiB of memory until it settles: start only few at a time.
 *
 * @param level - ZLIB: 0 to 9, default 5. ZSTD: 1 to 22, default 3. LZ4 has no levels and ignores it.
 * @throws {@link ClientError} `INVALID_ARGUMENT` for a level out of range.
 * @throws {@link MessageError} `COMPRESSION_UNSUPPORTED` for ZSTD on a Node that can't write it: see {@link isZstdWritable}.
 */
export async function compress(type: CompressionType, input: Buffer, level?: number): Promise<Buffer> {
  if (type === 'LZ4') return compact(await runInSlices(writeLz4Frame(input)))
  const used = levelOf(type, level)
  if (type === 'ZLIB') return compact(await deflate(input, { level: used }))
  const { zstdCompress, constants } = writableZstd()
  const options = { params: { [constants.ZSTD_c_compressionLevel]: used } }
  return compact(await settled((callback) => zstdCompress(input, options, callback)))
}

/**
 * Compresses a small body at once: what the thread pool costs would be several times as much.
 *
 * @throws as {@link compress}.
 */
export function compressSync(type: CompressionType, input: Buffer, level?: number): Buffer {
  if (type === 'LZ4') return compact(runAtOnce(writeLz4Frame(input)))
  const used = levelOf(type, level)
  if (type === 'ZLIB') return compact(zlib.deflateSync(input, { level: used }))
  const { zstdCompressSync, constants } = writableZstd()
  return compact(zstdCompressSync(input, { params: { [constants.ZSTD_c_compressionLevel]: used } }))
}

function levelOf(type: 'ZLIB' | 'ZSTD', level: number | undefined): number {
  const { min, max, default: usual } = LEVELS[type]
  const used = level ?? usual
  if (!Number.isInteger(used) || used < min || used > max) {
    throw new ClientError(
      'INVALID_ARGUMENT',
      `the level of ${type} compression must be ${min} to ${max}, not ${shown(level)}`,
    )
  }
  return used
}

function writableZstd(): ZstdModule {
  if (zstd !== undefined) return zstd
  throw new MessageError(
    'COMPRESSION_UNSUPPORTED',
    `Node ${process.versions.node} can't compress with ZSTD: use Node 22.15 or later, or the compression type ZLIB or LZ4`,
  )
}

function zstdOf(module: object): ZstdModule | undefined {
  return 'zstdDecompressSync' in module ? (module as ZstdModule) : undefined
}

/** The runtime's decoder reads one frame only, and takes memory for its window, which the frame's sender chooses. */
function isForNative(layout: ZstdLayout, maxOutput: number): boolean {
  return layout.frames === 1 && layout.windowSize <= Math.min(maxOutput, MAX_NATIVE_WINDOW)
}

function outputOptions(input: Buffer, maxOutput: number): { chunkSize: number; maxOutputLength: number } {
  // node:zlib takes no limit of 0, so withinLimit looks again.
  return {
    chunkSize: input.length < LARGE_INPUT ? SMALL_CHUNK_SIZE : CHUNK_SIZE,
    maxOutputLength: Math.max(1, maxOutput),
  }
}

function inflated(result: unknown, input: Buffer, maxOutput: number): Buffer {
  const { buffer, engine } = result as InflateResult
  const left = input.length - engine.bytesWritten
  if (left > 0) throw new MessageError('DECOMPRESS_FAILED', `${left} bytes are left over after the end of the stream`)
  return withinLimit(buffer, maxOutput)
}

function withinLimit(output: Buffer, maxOutput: number): Buffer {
  if (output.length > maxOutput) throw new MessageError('BODY_TOO_LARGE', 'the output is too large')
  return compact(output)
}

/** A chunk of the work is larger than a small body, which must not keep it alive: consumers and producers hold many bodies. */
function compact(output: Buffer): Buffer {
  if (output.buffer.byteLength <= 2 * output.length) return output
  const copy = Buffer.allocUnsafeSlow(output.length)
  output.copy(copy)
  return copy
}

function settled(start: (callback: ZstdCallback) => void): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    start((error, result) => (error === null ? resolve(result) : reject(error)))
  })
}

function runAtOnce<Result>(job: Sliced<Result>): Result {
  for (;;) {
    const step = job.next()
    if (step.done === true) return step.value
  }
}

async function runInSlices<Result>(job: Sliced<Result>): Promise<Result> {
  for (;;) {
    const step = job.next()
    if (step.done === true) return step.value
    await setImmediate()
  }
}

/** Whatever went wrong below, told with what was to be read. */
function failure(type: CompressionType, input: Buffer, maxOutput: number, cause: unknown): MessageError {
  const body = `the ${type} body of ${input.length} bytes`
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
  if (code === 'BODY_TOO_LARGE' || code === 'ERR_BUFFER_TOO_LARGE') {
    return new MessageError(
      'BODY_TOO_LARGE',
      `${body} decompresses to more than ${maxOutput} bytes, the limit set for it`,
      {
        cause,
      },
    )
  }
  const reason = cause instanceof Error ? cause.message : String(cause)
  const options =
    cause instanceof MessageError && cause.position !== undefined ? { cause, position: cause.position } : { cause }
  return new MessageError('DECOMPRESS_FAILED', `${body} can't be decompressed: ${reason}`, options)
}
