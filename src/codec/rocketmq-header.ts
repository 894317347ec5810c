import type { ByteReader } from './byte-reader.js'
import type { ByteWriter } from './byte-writer.js'
import { CLIENT_VERSION, type FrameHead, LANGUAGE_CODE, RemotingCommand } from './remoting-command.js'

/** Codes beyond int16 can't stand in a binary header; their frames go out in JSON. */
export const MAX_BINARY_CODE = 0x7fff

/** Writes everything of a binary header (`RocketMQSerializable`) up to the length of the ext-field block. */
export function writeRocketmqHead(writer: ByteWriter, head: FrameHead): void {
  writer.int16(head.code)
  writer.int8(LANGUAGE_CODE)
  writer.int16(CLIENT_VERSION)
  writer.int32(head.opaque)
  writer.int32(head.flag)
  if (head.remark === undefined) {
    writer.int32(0)
  } else {
    const at = writer.position
    writer.int32(0)
    writer.patchInt32(at, writer.utf8(head.remark))
  }
}

/**
 * Reads a binary header that fills `reader` to its end. An empty value stands for no value, as in Java.
 *
 * @throws {@link MessageError} `HEADER_MALFORMED` when a length points beyond its block.
 */
export function readRocketmqHeader(reader: ByteReader, body: Buffer): RemotingCommand {
  const code = reader.int16('code')
  const language = reader.uint8('language')
  const version = reader.int16('version')
  const opaque = reader.int32('opaque')
  const flag = reader.int32('flag')
  const remarkLength = reader.length32('remark')
  const remark = remarkLength === 0 ? undefined : reader.utf8(remarkLength, 'remark')
  const fieldsLength = reader.length32('ext fields')
  if (fieldsLength !== reader.remaining) {
    throw reader.fail(`ext fields take ${fieldsLength} bytes, the header has ${reader.remaining} left`)
  }
  const fields = fieldsLength === 0 ? undefined : readFields(reader)
  return new RemotingCommand(code, language, version, opaque, flag, remark, fields, body, 'ROCKETMQ')
}

function readFields(reader: ByteReader): Record<string, string> {
  const fields = Object.create(null) as Record<string, string>
  while (reader.remaining > 0) {
    const name = reader.utf8(reader.length16('ext field name'), 'ext field name')
    const value = reader.utf8(reader.length32('ext field value'), 'ext field value')
    if (value !== '') fields[name] = value
  }
  return fields
}
