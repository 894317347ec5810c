import type { ByteReader } from './byte-reader.js'
import type { ByteWriter } from './byte-writer.js'
import {
  CLIENT_VERSION,
  type FrameHead,
  LANGUAGE_CODE,
  MAX_RECEIVED_FIELDS,
  RemotingCommand,
} from './remoting-command.js'
import { textRecord } from './text-record.js'

/** Codes beyond int16 can't stand in a binary header; their frames go out in JSON. */
export const MAX_BINARY_CODE = 0x7fff

const BEYOND_ASCII = /[\x80-\xff]/

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
  const fields = textRecord()
  // One call into the runtime for all fields: a call for each costs more than all the rest of a header.
  const start = reader.position
  const latin1 = reader.buffer.toString('latin1', start, reader.end)
  for (let count = 0; reader.remaining > 0; count++) {
    if (count === MAX_RECEIVED_FIELDS) throw reader.fail(`more than ${MAX_RECEIVED_FIELDS} ext fields`)
    const nameAt = reader.skip(reader.length16('ext field name'), 'ext field name')
    const name = latin1.slice(nameAt - start, reader.position - start)
    const valueAt = reader.skip(reader.length32('ext field value'), 'ext field value')
    const value = latin1.slice(valueAt - start, reader.position - start)
    if (value !== '') fields[fromLatin1(name)] = fromLatin1(value)
  }
  return fields
}

/** UTF-8 that was read as Latin-1: the same, as long as it is ASCII. */
function fromLatin1(text: string): string {
  return BEYOND_ASCII.test(text) ? Buffer.from(text, 'latin1').toString('utf8') : text
}
