import { MessageError, shown } from '../errors.js'
import type { ByteWriter } from './byte-writer.js'
import { parseFastjson } from './fastjson.js'
import { learnShape, readByShape } from './json-shape.js'
import {
  CLIENT_VERSION,
  type FrameHead,
  LANGUAGE_NAME,
  MAX_RECEIVED_FIELDS,
  RemotingCommand,
} from './remoting-command.js'
import { shownJson } from './shown-json.js'

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Writes a JSON header; `fields` is the text of the `extFields` object, braces included. */
export function writeJsonHeader(writer: ByteWriter, head: FrameHead, fields: string): void {
  const remark = head.remark === undefined ? '' : `,"remark":${JSON.stringify(head.remark)}`
  writer.utf8(
    `{"code":${head.code},"extFields":${fields},"flag":${head.flag},"language":"${LANGUAGE_NAME}","opaque":${head.opaque}${remark},"serializeTypeCurrentRPC":"JSON","version":${CLIENT_VERSION}}`,
  )
}

/**
 * Reads a JSON header.
 *
 * @throws {@link MessageError} `HEADER_MALFORMED` when it is no JSON object, when `code`, `opaque` or `flag` is missing, and when one of them or `version` is no int.
 */
export function readJsonHeader(header: Buffer, body: Buffer): RemotingCommand {
  const known = readByShape(header, body)
  if (known !== undefined) return known
  const object = parseObject(header)
  const { language, remark, version } = object
  const command = new RemotingCommand(
    int32(object.code, 'code'),
    typeof language === 'string' || typeof language === 'number' ? language : undefined,
    version === undefined || version === null ? 0 : int32(version, 'version'),
    int32(object.opaque, 'opaque'),
    int32(object.flag, 'flag'),
    typeof remark === 'string' ? remark : undefined,
    fieldsOf(object.extFields, header),
    body,
    'JSON',
  )
  learnShape(header, object, command)
  return command
}

function parseObject(header: Buffer): Record<string, unknown> {
  let object: unknown
  try {
    object = JSON.parse(UTF8.decode(header))
  } catch (cause) {
    throw new MessageError(
      'HEADER_MALFORMED',
      `a JSON header of ${header.length} bytes can't be parsed: ${near(header)}`,
      {
        cause,
      },
    )
  }
  if (typeof object !== 'object' || object === null || Array.isArray(object)) {
    throw new MessageError('HEADER_MALFORMED', `a JSON header is no object: ${near(header)}`)
  }
  return object as Record<string, unknown>
}

function int32(value: unknown, name: string): number {
  if (typeof value !== 'number' || value !== (value | 0)) {
    throw new MessageError('HEADER_MALFORMED', `${name} of a JSON header is ${shownJson(value)}, an int is expected`)
  }
  return value
}

function fieldsOf(fields: unknown, header: Buffer): Record<string, unknown> | undefined {
  if (fields === undefined || fields === null) return undefined
  if (typeof fields !== 'object' || Array.isArray(fields)) {
    throw new MessageError(
      'HEADER_MALFORMED',
      `extFields of a JSON header is ${shownJson(fields)}, an object is expected`,
    )
  }
  const record = fields as Record<string, unknown>
  let count = 0
  let isText = true
  for (const name in record) {
    if (++count > MAX_RECEIVED_FIELDS)
      throw new MessageError('HEADER_MALFORMED', `a JSON header has more than ${MAX_RECEIVED_FIELDS} ext fields`)
    if (typeof record[name] !== 'string') isText = false
  }
  return isText ? record : withTextValues(record, header)
}

/** Servers send text only. Numbers and booleans are taken too, numbers with all their digits. */
function withTextValues(record: Record<string, unknown>, header: Buffer): Record<string, string> {
  const fields = Object.create(null) as Record<string, string>
  let exact: Record<string, unknown> | undefined
  for (const name of Object.keys(record)) {
    const value = record[name]
    if (value === null) continue
    if (typeof value === 'object') {
      throw new MessageError('HEADER_MALFORMED', `header field ${shown(name)} is ${shownJson(value)}, text is expected`)
    }
    if (typeof value !== 'number' || Number.isSafeInteger(value)) {
      fields[name] = String(value)
    } else {
      exact ??= exactFields(header)
      fields[name] = String(exact[name])
    }
  }
  return fields
}

function exactFields(header: Buffer): Record<string, unknown> {
  const exact = parseFastjson(UTF8.decode(header)) as { extFields: Record<string, unknown> }
  return exact.extFields
}

function near(header: Buffer): string {
  return shown(header.toString('utf8', 0, 64))
}
