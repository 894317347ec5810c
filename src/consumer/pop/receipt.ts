import { parseInteger } from '../../codec/int64.js'
import { MessageError, shown } from '../../errors.js'
import { RETRY_TOPIC_PREFIX } from '../../message/names.js'

/** From which of a topic's own and its two possible retry topics a message was popped. */
export type RetryType = '0' | '1' | '2'

/**
 * What a broker wants to hear again when a message is acknowledged: the message's property `POP_CK`, the `extraInfo` of requests.
 *
 * @see ExtraInfoUtil
 */
export interface Receipt {
  /** Where the pop began in the queue. */
  readonly ckQueueOffset: number
  /** By the broker's clock, in ms since the epoch. */
  readonly popTime: number
  /** In milliseconds. */
  readonly invisibleTime: number
  readonly reviveQid: number
  readonly retry: RetryType
  readonly brokerName: string
  readonly queueId: number
  readonly queueOffset: number
}

const SEPARATOR = ' '
const PARTS = 8
/** What stands between group and topic in the name of a retry topic: the first kind can't be told from a group's own one. */
const RETRY_SEPARATORS = { '1': '_', '2': '+' } as const

export function formatReceipt(receipt: Receipt): string {
  const { ckQueueOffset, popTime, invisibleTime, reviveQid, retry, brokerName, queueId, queueOffset } = receipt
  return `${ckQueueOffset} ${popTime} ${invisibleTime} ${reviveQid} ${retry} ${brokerName} ${queueId} ${queueOffset}`
}

/** @throws {@link MessageError} `HEADER_MALFORMED`. */
export function parseReceipt(text: string): Receipt {
  const parts = text.split(SEPARATOR)
  const [, , , , retry = '', brokerName = ''] = parts
  if (parts.length !== PARTS || !isRetryType(retry)) throw malformed(text)
  return {
    ckQueueOffset: numberAt(parts, 0, text),
    popTime: numberAt(parts, 1, text),
    invisibleTime: numberAt(parts, 2, text),
    reviveQid: numberAt(parts, 3, text),
    retry,
    brokerName,
    queueId: numberAt(parts, 6, text),
    queueOffset: numberAt(parts, 7, text),
  }
}

/** The topic that a message is acknowledged by: the one that was popped, or its group's retry topic for it. */
export function realTopic(topic: string, consumerGroup: string, retry: RetryType): string {
  if (retry === '0') return topic
  return RETRY_TOPIC_PREFIX + consumerGroup + RETRY_SEPARATORS[retry] + topic
}

export function retryTypeOf(topic: string): RetryType {
  if (!topic.startsWith(RETRY_TOPIC_PREFIX)) return '0'
  return topic.includes(RETRY_SEPARATORS['2']) ? '2' : '1'
}

export function isRetryType(text: string): text is RetryType {
  return text === '0' || text === '1' || text === '2'
}

function numberAt(parts: readonly string[], index: number, text: string): number {
  const value = parseInteger(parts[index] ?? '', 'a number of a receipt')
  if (value === undefined) throw malformed(text)
  return value
}

function malformed(text: string): MessageError {
  return new MessageError('HEADER_MALFORMED', `${shown(text)} is no receipt of a popped message (POP_CK)`)
}
