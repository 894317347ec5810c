/** One message of a batch: size, magic code, CRC, flag, body, properties; the broker fills in the rest. */
export function encodeBatchPart(body: Buffer, properties: string): Buffer {
  const bytes = Buffer.from(properties)
  const part = Buffer.alloc(22 + body.length + bytes.length)
  part.writeInt32BE(part.length, 0)
  part.writeInt32BE(body.length, 16)
  body.copy(part, 20)
  part.writeInt16BE(bytes.length, 20 + body.length)
  bytes.copy(part, 22 + body.length)
  return part
}
