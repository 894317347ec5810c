import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { isDeepStrictEqual } from 'node:util'
import type { MessageExt } from '../../src/index.js'
import { bytesOf } from './interop-messages.js'
import type { MessageSpec, PulledMessage } from './oracle-verbs.js'

const COMPRESSED = 0x1

/** Where a message is stored. */
export function placeOf(message: { brokerName: string; queueId: number; queueOffset: number }): string {
  return `${message.brokerName}[${message.queueId}]@${message.queueOffset}`
}

/** What Java pulled into a file, by place. */
export async function readPulled(file: string): Promise<Map<string, PulledMessage>> {
  const messages = new Map<string, PulledMessage>()
  for await (const line of createInterface({ input: createReadStream(file) })) {
    const message = JSON.parse(line) as PulledMessage
    messages.set(placeOf(message), message)
  }
  return messages
}

/** In which fields a message that we pulled differs from what Java pulled from the same place. */
export function differencesFromJava(ours: MessageExt, java: PulledMessage): string[] {
  return differences(
    {
      topic: ours.topic,
      brokerName: ours.brokerName,
      queueId: ours.queueId,
      queueOffset: ours.queueOffset,
      commitLogOffset: ours.commitLogOffset,
      storeSize: ours.storeSize,
      msgId: ours.msgId,
      offsetMsgId: ours.offsetMsgId,
      tags: ours.tags ?? null,
      keys: ours.keys,
      properties: withoutRange(ours.properties),
      bodyLength: ours.body.length,
      bodySha256: sha256(ours.body),
      bodyCRC: ours.bodyCRC,
      sysFlag: ours.sysFlag,
      flag: ours.flag,
      bornTimestamp: ours.bornTimestamp,
      bornHost: ours.bornHost,
      storeTimestamp: ours.storeTimestamp,
      storeHost: ours.storeHost,
      reconsumeTimes: ours.reconsumeTimes,
      preparedTransactionOffset: ours.preparedTransactionOffset,
    },
    {
      ...java,
      keys: java.keys === null ? [] : java.keys.split(' '),
      properties: withoutRange(java.properties),
      // Java clients before 5.3 leave the bit for "compressed" in the messages that they have decompressed.
      sysFlag: java.sysFlag & ~COMPRESSED,
    },
  )
}

/** In which fields a message that we pulled differs from what was sent. */
export function differencesFromSent(ours: MessageExt, sent: MessageSpec): string[] {
  const body = bytesOf(sent.body)
  const own = Object.keys(sent.properties ?? {})
  return differences(
    {
      tags: ours.tags,
      keys: ours.keys,
      flag: ours.flag,
      properties: Object.fromEntries(own.map((name) => [name, ours.properties[name]])),
      isBodySame: ours.body.equals(body),
    },
    {
      tags: sent.tags,
      keys: sent.keys ?? [],
      flag: sent.flag ?? 0,
      properties: { ...sent.properties },
      isBodySame: true,
    },
  )
}

function differences(actual: Readonly<Record<string, unknown>>, expected: Readonly<Record<string, unknown>>): string[] {
  return Object.keys(actual)
    .filter((field) => !isDeepStrictEqual(actual[field], expected[field]))
    .map((field) => `${field} is ${JSON.stringify(actual[field])}, ${JSON.stringify(expected[field])} expected`)
}

/** Without what each client adds by what the broker said when it pulled. */
function withoutRange(properties: Readonly<Record<string, string>>): Record<string, string> {
  const { MIN_OFFSET, MAX_OFFSET, ...rest } = properties
  return rest
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}
