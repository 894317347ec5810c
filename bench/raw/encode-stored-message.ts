import { crc32 } from 'node:zlib'

const MAGIC_V1 = -626843481
/** Length of everything before the body's length word. */
const BODY_LENGTH_AT = 84

/** A message as a broker stores it and hands it out: the classic form with IPv4 hosts. */
export function encodeStoredMessage(topic: string, queueOffset: number, body: Buffer, properties: string): Buffer {
  const topicBytes = Buffer.from(topic)
  const propertyBytes = Buffer.from(properties)
  const message = Buffer.alloc(BODY_LENGTH_AT + 4 + body.length + 1 + topicBytes.length + 2 + propertyBytes.length)
  const now = BigInt(Date.now())
  message.writeInt32BE(message.length, 0)
  message.writeInt32BE(MAGIC_V1, 4)
  message.writeInt32BE(crc32(body) & 0x7fff_ffff, 8)
  message.writeInt32BE(queueOffset % 8, 12)
  message.writeBigInt64BE(BigInt(queueOffset), 20)
  message.writeBigInt64BE(BigInt(queueOffset * message.length), 28)
  message.writeBigInt64BE(now, 40)
  message.set([127, 0, 0, 1, 0, 0, 0xc0, 0x12], 48)
  message.writeBigInt64BE(now, 56)
  message.set([127, 0, 0, 1, 0, 0, 0x2a, 0x9f], 64)
  message.writeInt32BE(body.length, BODY_LENGTH_AT)
  let at = BODY_LENGTH_AT + 4
  body.copy(message, at)
  at += body.length
  message.writeUInt8(topicBytes.length, at)
  topicBytes.copy(message, at + 1)
  at += 1 + topicBytes.length
  message.writeInt16BE(propertyBytes.length, at)
  propertyBytes.copy(message, at + 2)
  return message
}
