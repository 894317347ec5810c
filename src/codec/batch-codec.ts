import { ByteReader } from './byte-reader.js'
import { ByteWriter } from './byte-writer.js'

/** Bytes of one part beside its body and properties. */
export const BATCH_PART_OVERHEAD = 22

/** One message inside a batch, before it is encoded. */
export interface BatchPart {
  readonly flag: number
  readonly body: Uint8Array
  /** The property string, see `encodeProperties`. */
  readonly properties: string
}

/** One message inside a batch, as it was decoded. */
export interface DecodedBatchPart {
  readonly flag: number
  readonly body: Buffer
  readonly rawProperties: Buffer
}

/**
 * The body of a batch (`MessageDecoder.encodeMessages`): for each message total size, magic 0, CRC 0, flag, body, properties.
 * The caller has checked that no property string is longer than 32767 bytes.
 */
export function encodeBatch(parts: readonly BatchPart[]): Buffer {
  const size = parts.reduce((sum, part) => sum + BATCH_PART_OVERHEAD + part.body.length + part.properties.length, 0)
  const writer = new ByteWriter(size + 64)
  for (const part of parts) {
    const start = writer.position
    writer.int32(0)
    writer.int32(0)
    writer.int32(0)
    writer.int32(part.flag)
    writer.int32(part.body.length)
    writer.bytes(part.body)
    const propertiesAt = writer.position
    writer.int16(0)
    writer.patchInt16(propertiesAt, writer.utf8(part.properties))
    writer.patchInt32(start, writer.position - start)
  }
  return writer.take()
}

/**
 * Takes a batch body apart (`MessageDecoder.decodeMessages`).
 *
 * @throws {@link MessageError} `MESSAGE_MALFORMED` when a length does not fit.
 */
export function decodeBatch(body: Buffer): DecodedBatchPart[] {
  const reader = new ByteReader(body, 'MESSAGE_MALFORMED')
  const parts: DecodedBatchPart[] = []
  while (reader.remaining > 0) {
    const start = reader.position
    const size = reader.int32('batch part size')
    if (size < BATCH_PART_OVERHEAD || size > body.length - start) {
      throw reader.fail(`a batch part says its size is ${size}, ${body.length - start} bytes are left`, start)
    }
    reader.end = start + size
    reader.skip(8, 'batch part magic and CRC')
    const flag = reader.int32('batch part flag')
    const partBody = reader.bytes(reader.length32('batch part body'), 'batch part body')
    const rawProperties = reader.bytes(reader.length16('batch part properties'), 'batch part properties')
    reader.position = reader.end
    reader.end = body.length
    parts.push({ flag, body: partBody, rawProperties })
  }
  return parts
}
