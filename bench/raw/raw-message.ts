import { crc32 } from 'node:zlib'

/** What `raw:dec` reads of a stored message: where it is and its body. */
export class SlimMessage {
  readonly queueId: number
  readonly queueOffset: number
  readonly body: Buffer

  constructor(queueId: number, queueOffset: number, body: Buffer) {
    this.queueId = queueId
    this.queueOffset = queueOffset
    this.body = body
  }
}

/** What `raw:full` reads of a stored message: everything. */
export class FullMessage extends SlimMessage {
  topic = ''
  storeSize = 0
  bodyCRC = 0
  flag = 0
  sysFlag = 0
  commitLogOffset = 0
  bornTimestamp = 0
  storeTimestamp = 0
  reconsumeTimes = 0
  preparedTransactionOffset = 0
  bornHost = ''
  storeHost = ''
  offsetMsgId = ''
  properties: Record<string, string> = {}

  get msgId(): string {
    return this.properties.UNIQ_KEY ?? this.offsetMsgId
  }
}

const BODY_LENGTH = 84

/** Reads a stored message of the classic form with IPv4 hosts; its total size stands at `start`. */
export function readSlimMessage(data: Buffer, start: number): SlimMessage {
  const bodyAt = start + BODY_LENGTH + 4
  const bodyLength = data.readInt32BE(start + BODY_LENGTH)
  return new SlimMessage(
    data.readInt32BE(start + 12),
    int64At(data, start + 20),
    data.subarray(bodyAt, bodyAt + bodyLength),
  )
}

/**
 * As {@link readSlimMessage}, with all fields, hosts, ids and properties, and the body checked against its CRC.
 *
 * @throws Error when the CRC is wrong.
 */
export function readFullMessage(data: Buffer, start: number): FullMessage {
  const bodyAt = start + BODY_LENGTH + 4
  const bodyEnd = bodyAt + data.readInt32BE(start + BODY_LENGTH)
  const body = data.subarray(bodyAt, bodyEnd)
  const message = new FullMessage(data.readInt32BE(start + 12), int64At(data, start + 20), body)
  message.storeSize = data.readInt32BE(start)
  message.bodyCRC = data.readInt32BE(start + 8)
  message.flag = data.readInt32BE(start + 16)
  message.commitLogOffset = int64At(data, start + 28)
  message.sysFlag = data.readInt32BE(start + 36)
  message.bornTimestamp = int64At(data, start + 40)
  message.bornHost = hostAt(data, start + 48)
  message.storeTimestamp = int64At(data, start + 56)
  message.storeHost = hostAt(data, start + 64)
  message.reconsumeTimes = data.readInt32BE(start + 72)
  message.preparedTransactionOffset = int64At(data, start + 76)
  message.offsetMsgId =
    data.toString('hex', start + 64, start + 72).toUpperCase() +
    data.toString('hex', start + 28, start + 36).toUpperCase()
  const topicLength = data[bodyEnd] ?? 0
  const topicEnd = bodyEnd + 1 + topicLength
  message.topic = data.toString('latin1', bodyEnd + 1, topicEnd)
  const propertiesLength = data.readInt16BE(topicEnd)
  message.properties = readProperties(data.toString('utf8', topicEnd + 2, topicEnd + 2 + propertiesLength))
  if ((crc32(body) & 0x7fff_ffff) !== message.bodyCRC) throw new Error(`wrong CRC at ${message.queueOffset}`)
  return message
}

function int64At(data: Buffer, at: number): number {
  return data.readInt32BE(at) * 0x1_0000_0000 + data.readUInt32BE(at + 4)
}

function hostAt(data: Buffer, at: number): string {
  return `${data[at]}.${data[at + 1]}.${data[at + 2]}.${data[at + 3]}:${data.readInt32BE(at + 4)}`
}

function readProperties(text: string): Record<string, string> {
  const properties: Record<string, string> = {}
  let at = 0
  while (at < text.length) {
    let end = text.indexOf('\u0002', at)
    if (end < 0) end = text.length
    const separator = text.indexOf('\u0001', at)
    properties[text.slice(at, separator)] = text.slice(separator + 1, end)
    at = end + 1
  }
  return properties
}
