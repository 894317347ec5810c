import { crc32 } from 'node:zlib'
import type { FrameParts, Script } from './scripted-server.js'

export interface StoredParts {
  readonly queueOffset: number
  readonly topic?: string
  readonly queueId?: number
  readonly body?: Uint8Array | string
  readonly properties?: Readonly<Record<string, string>>
  readonly sysFlag?: number
  /** Default: the right one. */
  readonly bodyCRC?: number
}

const MAGIC_V1 = -626843481
const BORN_TIMESTAMP = 1_700_000_000_000

/** A message as a broker stores it, put together by hand: first magic code, IPv4 hosts. */
export function storedMessage(parts: StoredParts): Buffer {
  const { topic = 'T', queueId = 0, queueOffset, properties = {}, sysFlag = 0 } = parts
  const body = Buffer.from(parts.body ?? `body ${queueOffset}`)
  const bodyCRC = parts.bodyCRC ?? crc32(body) & 0x7fff_ffff
  const text = Buffer.from(
    Object.entries(properties)
      .map(([name, value]) => `${name}\u0001${value}\u0002`)
      .join(''),
  )
  const fixed = Buffer.alloc(84)
  fixed.writeInt32BE(MAGIC_V1, 4)
  fixed.writeInt32BE(bodyCRC, 8)
  fixed.writeInt32BE(queueId, 12)
  fixed.writeBigInt64BE(BigInt(queueOffset), 20)
  fixed.writeBigInt64BE(BigInt(queueOffset * 1_000), 28)
  fixed.writeInt32BE(sysFlag, 36)
  fixed.writeBigInt64BE(BigInt(BORN_TIMESTAMP), 40)
  fixed.set([127, 0, 0, 1, 0, 0, 0xc0, 0x01], 48)
  fixed.writeBigInt64BE(BigInt(BORN_TIMESTAMP + 5), 56)
  fixed.set([127, 0, 0, 1, 0, 0, 0x2a, 0x9f], 64)
  const name = Buffer.from(topic)
  const propertiesLength = Buffer.alloc(2)
  propertiesLength.writeInt16BE(text.length)
  const bodyLength = Buffer.alloc(4)
  bodyLength.writeInt32BE(body.length)
  const message = Buffer.concat([fixed, bodyLength, body, Buffer.of(name.length), name, propertiesLength, text])
  message.writeInt32BE(message.length)
  return message
}

export interface PullAnswerParts {
  readonly nextBeginOffset: number | string
  readonly minOffset?: number | string
  readonly maxOffset?: number | string
  readonly suggestWhichBrokerId?: number
  readonly offsetDelta?: number
}

/** The parts of an answer to a pull. */
export function pullAnswer(code: number, parts: PullAnswerParts, body?: Uint8Array): FrameParts {
  const fields = { suggestWhichBrokerId: 0, minOffset: 0, maxOffset: 1_000, ...parts }
  return { code, fields, ...(body === undefined ? undefined : { body }) }
}

/** Answers every pull with this. */
export function answerPull(code: number, parts: PullAnswerParts, body?: Uint8Array): Script {
  return (request, connection) => connection.answer(request, pullAnswer(code, parts, body))
}
