import { BATCH_PART_OVERHEAD, type BatchPart } from '../codec/batch-codec.js'
import type { UniqueIdGenerator } from '../codec/message-id.js'
import { encodeProperties } from '../codec/properties.js'
import { ClientError, shown } from '../errors.js'
import type { Message } from '../message/message.js'
import { MessageProperty } from '../message/message-properties.js'
import { isRetryTopic, type OutgoingMessage, toOutgoingMessage } from './outgoing-message.js'

export interface OutgoingBatch extends Omit<OutgoingMessage, 'body'> {
  readonly parts: readonly BatchPart[]
}

/**
 * Checks messages as one batch and gives each its id.
 *
 * @throws {@link ClientError} `INVALID_ARGUMENT`, `MESSAGE_TOO_LARGE`; the message says which one of them is wrong.
 * @see MessageBatch.generateFromList
 */
export function toBatch(messages: readonly Message[], maxMessageSize: number, ids: UniqueIdGenerator): OutgoingBatch {
  if (!Array.isArray(messages) || messages.length === 0) {
    throw new ClientError(
      'INVALID_ARGUMENT',
      `messages of a batch is ${shown(messages)}, a list with at least one is expected`,
    )
  }
  const outgoing = Array.from(messages, (message, index) => toPart(message, index, maxMessageSize, ids))
  const first = outgoing[0] as OutgoingMessage
  outgoing.forEach((each, index) => {
    checkPart(each, first, index)
  })
  checkSize(outgoing, maxMessageSize)
  const properties = { [MessageProperty.WAIT_STORE_MSG_OK]: String(first.waitStoreMsgOk) }
  return {
    topic: first.topic,
    flag: 0,
    properties: encodeProperties(properties),
    propertiesWithBatchId: encodeProperties({ [MessageProperty.UNIQ_KEY]: ids.next(), ...properties }),
    uniqKey: outgoing.map((each) => each.uniqKey).join(','),
    shardingKey: first.shardingKey,
    waitStoreMsgOk: first.waitStoreMsgOk,
    isDelayed: false,
    parts: outgoing,
  }
}

function toPart(message: Message, index: number, maxMessageSize: number, ids: UniqueIdGenerator): OutgoingMessage {
  try {
    return toOutgoingMessage(message, maxMessageSize, ids)
  } catch (error) {
    if (!(error instanceof ClientError)) throw error
    throw new ClientError(error.code, `message ${index} of the batch: ${error.message}`, { cause: error })
  }
}

function checkPart(part: OutgoingMessage, first: OutgoingMessage, index: number): void {
  const problem =
    part.topic !== first.topic
      ? `has the topic ${part.topic}, the first one ${first.topic}`
      : part.waitStoreMsgOk !== first.waitStoreMsgOk
        ? 'differs from the first one in waitStoreMsgOk'
        : part.isDelayed
          ? 'is delayed, which a batch can not be'
          : isRetryTopic(part.topic)
            ? 'is for a retry topic, which takes no batches'
            : undefined
  if (problem !== undefined) throw new ClientError('INVALID_ARGUMENT', `message ${index} of the batch ${problem}`)
}

function checkSize(parts: readonly OutgoingMessage[], maxMessageSize: number): void {
  const size = parts.reduce(
    (sum, part) => sum + BATCH_PART_OVERHEAD + part.body.length + Buffer.byteLength(part.properties),
    0,
  )
  if (size > maxMessageSize) {
    throw new ClientError(
      'MESSAGE_TOO_LARGE',
      `a batch of ${parts.length} messages takes ${size} bytes, ${maxMessageSize} are allowed (maxMessageSize); split it`,
    )
  }
}
