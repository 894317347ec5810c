import { BATCH_PART_OVERHEAD, encodeBatch } from '../codec/batch-codec.js'
import type { UniqueIdGenerator } from '../codec/message-id.js'
import { encodeProperties, findProperty, type Properties } from '../codec/properties.js'
import { ClientError, shown } from '../errors.js'
import type { Message } from '../message/message.js'
import { MessageProperty } from '../message/message-properties.js'
import { isRetryTopic, type OutgoingMessage, toOutgoingMessage } from './outgoing-message.js'

/**
 * Brokers before 5.4 put the batch's properties behind those of each part without checking the sum, whose length they store in 16 bits:
 * the room left for them is the batch's own, and the name of the cluster.
 */
export const MAX_PART_PROPERTIES_LENGTH = 32_000

/**
 * The answer to a batch names each of its messages by 33 or 57 bytes, in a header; larger headers than 1 MiB are not read, and a batch
 * whose answer can't be read may be stored more than once.
 */
export const MAX_BATCH_COUNT = 10_000

/**
 * Checks messages as one batch and gives each its id.
 *
 * @throws {@link ClientError} `INVALID_ARGUMENT`, `MESSAGE_TOO_LARGE`; the message says which one of them is wrong.
 * @see MessageBatch.generateFromList
 */
export function toBatch(messages: readonly Message[], maxMessageSize: number, ids: UniqueIdGenerator): OutgoingMessage {
  if (!Array.isArray(messages) || messages.length === 0) {
    throw new ClientError(
      'INVALID_ARGUMENT',
      `messages of a batch is ${shown(messages)}, a list with at least one is expected`,
    )
  }
  // The body of the batch is made of them here.
  const parts = toParts(messages, (message) => toOutgoingMessage(message, maxMessageSize, ids, 'NORMAL', 'SHARED'))
  const first = parts[0] as OutgoingMessage
  parts.forEach((part, index) => {
    checkPart(part, first, index)
  })
  checkSize(parts, maxMessageSize)
  return batchOf(parts, ids)
}

/**
 * Encodes each message of a list.
 *
 * @throws {@link ClientError} as `encode` does, with the number of the message that is wrong.
 */
export function toParts(
  messages: readonly Message[],
  encode: (message: Message) => OutgoingMessage,
): OutgoingMessage[] {
  return Array.from(messages, (message, index) => {
    try {
      return encode(message)
    } catch (error) {
      if (!(error instanceof ClientError)) throw error
      throw new ClientError(error.code, `message ${index} of the batch: ${error.message}`, { cause: error })
    }
  })
}

/** Puts messages together that are known to fit: of one topic and one `waitStoreMsgOk`, none of them with an obstacle. */
export function batchOf(parts: readonly OutgoingMessage[], ids: UniqueIdGenerator): OutgoingMessage {
  const first = parts[0] as OutgoingMessage
  const properties: Properties = { [MessageProperty.WAIT_STORE_MSG_OK]: String(first.waitStoreMsgOk) }
  const tags = commonTags(parts)
  return {
    topic: first.topic,
    body: encodeBatch(parts),
    flag: 0,
    sysFlag: 0,
    kind: 'NORMAL',
    isBatch: true,
    properties: encodeProperties(properties),
    ...(tags !== undefined && { propertiesWithBatchId: propertiesWithId(properties, tags, ids) }),
    uniqKey: parts.map((part) => part.uniqKey).join(','),
    shardingKey: first.shardingKey,
    waitStoreMsgOk: first.waitStoreMsgOk,
    isDelayed: false,
    needs: undefined,
  }
}

/** Why a message can't be part of a batch. */
export function batchObstacle(message: OutgoingMessage): string | undefined {
  if (message.kind !== 'NORMAL') return `is of the kind ${message.kind}, which is sent alone`
  if (message.isDelayed) return 'is delayed, which a batch can not be'
  if (message.needs !== undefined) return 'has a priority, which a batch can not have'
  if (isRetryTopic(message.topic)) return 'is for a retry topic, which takes no batches'
  if (hasLongProperties(message.properties)) {
    return `has properties of more than ${MAX_PART_PROPERTIES_LENGTH} bytes, which a batch can not hold; send it alone`
  }
  return undefined
}

/** Bytes of a message as part of a batch. */
export function partSize(part: OutgoingMessage): number {
  return BATCH_PART_OVERHEAD + part.body.length + Buffer.byteLength(part.properties)
}

/**
 * A topic that stores a batch as one message filters it by the batch's own tags. Where the parts have different ones, the batch gets no id,
 * so that they are stored one by one, each with its own.
 *
 * @returns undefined when the tags differ, an empty text when there are none.
 */
function commonTags(parts: readonly OutgoingMessage[]): string | undefined {
  let common: string | undefined
  for (const part of parts) {
    const tags = findProperty(part.properties, MessageProperty.TAGS) ?? ''
    common ??= tags
    if (tags !== common) return undefined
  }
  return common
}

function propertiesWithId(properties: Properties, tags: string, ids: UniqueIdGenerator): string {
  const own: Properties = { [MessageProperty.UNIQ_KEY]: ids.next() }
  if (tags !== '') own[MessageProperty.TAGS] = tags
  return encodeProperties({ ...own, ...properties })
}

/** Most are short: three bytes a character is the most that UTF-8 takes. */
function hasLongProperties(properties: string): boolean {
  return (
    properties.length * 3 > MAX_PART_PROPERTIES_LENGTH && Buffer.byteLength(properties) > MAX_PART_PROPERTIES_LENGTH
  )
}

function checkPart(part: OutgoingMessage, first: OutgoingMessage, index: number): void {
  const problem =
    part.topic !== first.topic
      ? `has the topic ${part.topic}, the first one ${first.topic}`
      : part.waitStoreMsgOk !== first.waitStoreMsgOk
        ? 'differs from the first one in waitStoreMsgOk'
        : batchObstacle(part)
  if (problem !== undefined) throw new ClientError('INVALID_ARGUMENT', `message ${index} of the batch ${problem}`)
}

function checkSize(parts: readonly OutgoingMessage[], maxMessageSize: number): void {
  if (parts.length > MAX_BATCH_COUNT) {
    throw new ClientError(
      'MESSAGE_TOO_LARGE',
      `a batch has ${parts.length} messages, ${MAX_BATCH_COUNT} are allowed; split it, or use sendBatches`,
    )
  }
  const size = parts.reduce((sum, part) => sum + partSize(part), 0)
  if (size > maxMessageSize) {
    throw new ClientError(
      'MESSAGE_TOO_LARGE',
      `a batch of ${parts.length} messages takes ${size} bytes, ${maxMessageSize} are allowed (maxMessageSize); split it, or use sendBatches`,
    )
  }
}
