import { MessageError } from '../errors.js'
import { MessageSysFlag } from '../message/sys-flag.js'
import { decodeBatch } from './batch-codec.js'
import { ByteReader } from './byte-reader.js'
import { type CompressionType, compressionTypeOf, decompress, decompressSync } from './compression.js'
import { crc32 } from './crc32.js'
import { addInt64 } from './int64.js'
import { ipLength, type StoredFields, StoredMessage, StoredSource } from './stored-message.js'

const MAGIC_V1 = -626843481
const MAGIC_V2 = -626843477
/** Beyond these sizes, as stored and as it comes out, a body is decompressed off the event loop. */
const SYNC_INPUT_LIMIT = 32 * 1024
const SYNC_OUTPUT_LIMIT = 128 * 1024

export interface DecodeOptions {
  readonly brokerName: string
  /** Largest size of a decompressed body, in bytes. */
  readonly maxBodySize: number
  /** Added to every queue offset: static topics store physical ones. Default 0. */
  readonly offsetDelta?: number
  /** Instead of the one that is stored: static topics store physical ones. */
  readonly queueId?: number
}

/** The messages before a fault, and the fault. Reading on is impossible, or would skip something. */
export interface DecodedMessages {
  readonly messages: StoredMessage[]
  readonly fault: MessageError | undefined
}

/**
 * Decodes messages that stand back to back, as in the answer to a pull (`MessageDecoder.decodes`): both magic codes, IPv4 and IPv6 hosts, CRC check,
 * decompression, inner batches taken apart.
 *
 * Never throws for bad data: it stops at the first message that is not whole and sound, so that no offset moves past what was delivered.
 */
export async function decodeMessages(body: Buffer, options: DecodeOptions): Promise<DecodedMessages> {
  const messages: StoredMessage[] = []
  const reader = new ByteReader(body, 'MESSAGE_MALFORMED')
  try {
    while (reader.remaining > 0) {
      const raw = readStoredMessage(reader, options)
      const { sysFlag } = raw
      if ((sysFlag & (MessageSysFlag.COMPRESSED | MessageSysFlag.INNER_BATCH)) === 0) {
        messages.push(raw)
        continue
      }
      const message = (sysFlag & MessageSysFlag.COMPRESSED) === 0 ? raw : await inflate(raw, options.maxBodySize)
      if (isInnerBatch(message)) unwrap(message, messages)
      else messages.push(message)
    }
  } catch (error) {
    if (error instanceof MessageError) return { messages, fault: error }
    throw error
  }
  return { messages, fault: undefined }
}

/**
 * Reads one stored message and leaves the reader behind it. The body is checked against its CRC, and still compressed if it was.
 *
 * @throws {@link MessageError} `MESSAGE_MALFORMED`, `BODY_CRC_MISMATCH` or `INTEGER_OUT_OF_RANGE`.
 */
export function readStoredMessage(reader: ByteReader, options: DecodeOptions): StoredMessage {
  const start = reader.position
  const outerEnd = reader.end
  const storeSize = reader.int32('total size')
  if (storeSize < 4 || storeSize > outerEnd - start) {
    throw reader.fail(`a message says its total size is ${storeSize}, ${outerEnd - start} bytes are left`, start)
  }
  reader.end = start + storeSize
  const magic = reader.int32('magic code')
  if (magic !== MAGIC_V1 && magic !== MAGIC_V2) throw reader.fail(`unknown magic code ${magic}`, start + 4)
  const bodyCRC = reader.int32('body CRC')
  const queueId = reader.int32('queue id')
  const flag = reader.int32('flag')
  const queueOffset = addInt64(reader.int64('queue offset'), options.offsetDelta ?? 0, 'queue offset')
  const commitLogOffset = reader.int64('commit-log offset')
  const sysFlag = reader.int32('sysFlag')
  const bornTimestamp = reader.int64('born timestamp')
  const bornHostAt = reader.skip(ipLength(sysFlag, MessageSysFlag.BORN_HOST_V6) + 4, 'born host')
  const storeTimestamp = reader.int64('store timestamp')
  const storeHostAt = reader.skip(ipLength(sysFlag, MessageSysFlag.STORE_HOST_V6) + 4, 'store host')
  const reconsumeTimes = reader.int32('reconsume times')
  const preparedTransactionOffset = reader.int64('prepared transaction offset')
  const body = reader.bytes(reader.length32('body'), 'body')
  const topicLength = magic === MAGIC_V1 ? reader.uint8('topic') : reader.length16('topic')
  const topic = reader.utf8(topicLength, 'topic')
  const propertiesAt = reader.skip(reader.length16('properties'), 'properties')
  const propertiesEnd = reader.position
  // The total size is what counts, as in Java: a newer server may append fields.
  reader.position = reader.end
  reader.end = outerEnd
  if (body.length > 0) checkCRC(body, bodyCRC, topic, queueOffset, start)
  const fields: StoredFields = {
    topic,
    brokerName: options.brokerName,
    queueId: options.queueId ?? queueId,
    queueOffset,
    commitLogOffset,
    storeSize,
    bodyCRC,
    sysFlag,
    flag,
    bornTimestamp,
    storeTimestamp,
    reconsumeTimes,
    preparedTransactionOffset,
  }
  const source = new StoredSource(reader.buffer, bornHostAt, storeHostAt, propertiesAt, propertiesEnd)
  return new StoredMessage(fields, body, source)
}

function checkCRC(body: Buffer, stored: number, topic: string, queueOffset: number, position: number): void {
  const computed = crc32(body)
  if (computed === stored) return
  throw new MessageError(
    'BODY_CRC_MISMATCH',
    `the body of the message at queue offset ${queueOffset} of ${topic} has CRC ${computed}, ${stored} was stored: it was damaged on its way or on disk`,
    { position },
  )
}

async function inflate(message: StoredMessage, maxBodySize: number): Promise<StoredMessage> {
  const type = compressionTypeOf(message.sysFlag)
  if (type === undefined) {
    throw new MessageError(
      'COMPRESSION_UNSUPPORTED',
      `the message at queue offset ${message.queueOffset} of ${message.topic} has an unknown compression type (sysFlag 0x${message.sysFlag.toString(16)})`,
    )
  }
  const body = inflateSmall(type, message.body, maxBodySize) ?? (await decompress(type, message.body, maxBodySize))
  return message.derive({ sysFlag: message.sysFlag & ~MessageSysFlag.COMPRESSED }, body)
}

/** Undefined when the body is too large, as stored or as it comes out, to be decompressed within one tick. */
function inflateSmall(type: CompressionType, body: Buffer, maxBodySize: number): Buffer | undefined {
  if (body.length > SYNC_INPUT_LIMIT) return undefined
  const limit = Math.min(maxBodySize, SYNC_OUTPUT_LIMIT)
  try {
    return decompressSync(type, body, limit)
  } catch (error) {
    if (limit < maxBodySize && error instanceof MessageError && error.code === 'BODY_TOO_LARGE') return undefined
    throw error
  }
}

function isInnerBatch(message: StoredMessage): boolean {
  const wanted = MessageSysFlag.INNER_BATCH | MessageSysFlag.NEED_UNWRAP
  return (message.sysFlag & wanted) === wanted
}

/** Part k of an inner batch has the batch's offset + k and shares everything else that the batch was stored with. */
function unwrap(outer: StoredMessage, messages: StoredMessage[]): void {
  const parts = decodeBatch(outer.body)
  addInt64(outer.queueOffset, parts.length, 'queue offset behind an inner batch')
  let queueOffset = outer.queueOffset
  for (const part of parts) {
    messages.push(outer.derive({ queueOffset, flag: part.flag }, part.body, part.rawProperties))
    queueOffset++
  }
}
