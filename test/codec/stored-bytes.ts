import { crc32 } from 'node:zlib'
import { type DecodedMessages, type DecodeOptions, decodeMessages } from '../../src/codec/message-codec.js'
import type { StoredMessage } from '../../src/codec/stored-message.js'
import { MessageError } from '../../src/errors.js'

export const MAGIC_V1 = 0xdaa320a7
export const MAGIC_V2 = 0xdaa320ab

/** What a stored message holds; everything left out has a plain value. */
export interface StoredSpec {
  readonly magic?: number
  readonly queueId?: number
  readonly flag?: number
  readonly queueOffset?: bigint | number
  readonly commitLogOffset?: bigint | number
  readonly sysFlag?: number
  readonly bornTimestamp?: bigint | number
  readonly bornHost?: string
  readonly storeTimestamp?: bigint | number
  readonly storeHost?: string
  readonly reconsumeTimes?: number
  readonly preparedTransactionOffset?: bigint | number
  readonly body?: Uint8Array | string
  readonly bodyCRC?: number
  readonly topic?: string
  readonly properties?: string
  /** Bytes that a newer server may have appended. */
  readonly tail?: Uint8Array
}

const HOST_V4 = 'c000020a0000d431'

/** Bytes of a stored message, by the layout of `MessageDecoder`, made without the code under test. Hosts are hex, port included. */
export function storedBytes(spec: StoredSpec = {}): Buffer {
  const body = Buffer.from((spec.body ?? 'hello') as string)
  const topic = Buffer.from(spec.topic ?? 'TopicTest')
  const properties = Buffer.from(spec.properties ?? 'TAGS\u0001TagA\u0002')
  const magic = spec.magic ?? (topic.length > 127 ? MAGIC_V2 : MAGIC_V1)
  const message = Buffer.concat([
    int(32, 0),
    int(32, magic),
    int(32, spec.bodyCRC ?? crc32Of(body)),
    int(32, spec.queueId ?? 0),
    int(32, spec.flag ?? 0),
    int(64, spec.queueOffset ?? 7),
    int(64, spec.commitLogOffset ?? 1000),
    int(32, spec.sysFlag ?? 0),
    int(64, spec.bornTimestamp ?? 1_700_000_000_123),
    Buffer.from(spec.bornHost ?? HOST_V4, 'hex'),
    int(64, spec.storeTimestamp ?? 1_700_000_000_456),
    Buffer.from(spec.storeHost ?? HOST_V4, 'hex'),
    int(32, spec.reconsumeTimes ?? 0),
    int(64, spec.preparedTransactionOffset ?? 0),
    int(32, body.length),
    body,
    magic === MAGIC_V2 ? int(16, topic.length) : Buffer.from([topic.length]),
    topic,
    int(16, properties.length),
    properties,
    spec.tail ?? Buffer.alloc(0),
  ])
  message.writeInt32BE(message.length, 0)
  return message
}

/** Where fields stand in a message with IPv4 hosts. */
export const AT = {
  magic: 4,
  bodyCRC: 8,
  queueOffset: 20,
  commitLogOffset: 28,
  sysFlag: 36,
  bornTimestamp: 40,
  storeTimestamp: 56,
  preparedTransactionOffset: 76,
  bodyLength: 84,
  body: 88,
} as const

export function crc32Of(body: Uint8Array): number {
  return crc32(body) & 0x7fff_ffff
}

function int(bits: 16 | 32 | 64, value: bigint | number): Buffer {
  const bytes = Buffer.alloc(bits / 8)
  if (bits === 16) bytes.writeUInt16BE(Number(value) & 0xffff)
  else if (bits === 32) bytes.writeUInt32BE(Number(value) >>> 0)
  else bytes.writeBigInt64BE(BigInt(value))
  return bytes
}

const OPTIONS: DecodeOptions = { brokerName: 'broker-a', maxBodySize: 4 * 1024 * 1024 }

export function decode(body: Buffer, options: Partial<DecodeOptions> = {}): Promise<DecodedMessages> {
  return decodeMessages(body, { ...OPTIONS, ...options })
}

/** The messages of a sound body. */
export async function decodeAll(body: Buffer, options?: Partial<DecodeOptions>): Promise<StoredMessage[]> {
  const { messages, fault } = await decode(body, options)
  if (fault !== undefined) throw fault
  return messages
}

/** The fault of a body that has one, which must be of the class that faults of data are. */
export async function decodeFault(body: Buffer, options?: Partial<DecodeOptions>): Promise<MessageError> {
  const { fault } = await decode(body, options)
  if (!(fault instanceof MessageError)) throw new Error('the body was read without a fault')
  return fault
}
