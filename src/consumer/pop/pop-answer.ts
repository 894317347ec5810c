import type { StoredMessage } from '../../codec/stored-message.js'
import { MessageError, shown } from '../../errors.js'
import { MessageProperty } from '../../message/message-properties.js'
import { offsetKey, parseMsgOffsetInfo, parseOrderCountInfo, parseStartOffsetInfo, queueKey } from './pop-offsets.js'
import { formatReceipt, parseReceipt, type Receipt, retryTypeOf } from './receipt.js'

/** The header of an answer to a pop that found messages. */
export interface PopAnswerHeader {
  readonly popTime: number
  readonly invisibleTime: number
  readonly reviveQid: number
  readonly startOffsetInfo?: string | undefined
  readonly msgOffsetInfo?: string | undefined
  readonly orderCountInfo?: string | undefined
}

/** What was popped. */
export interface PopTarget {
  /** The topic that messages get, those of retry topics too: as the user knows it. */
  readonly topic: string
  readonly brokerName: string
}

/** A message with what it is acknowledged by. */
export interface ReceivedMessage {
  readonly message: StoredMessage
  readonly receipt: Receipt
}

type ReceiptBase = Pick<Receipt, 'popTime' | 'invisibleTime' | 'reviveQid' | 'brokerName'>

/** Of what an answer says, in an error. */
const MAX_SHOWN = 5
const RETRY_TYPES = ['0', '1', '2'] as const

/**
 * Makes of a pop's answer messages with their receipts.
 *
 * @param messages - As they came, in their order.
 * @throws {@link MessageError} `HEADER_MALFORMED` when the header says nothing of a message, or nothing that can be read.
 * @see MQClientAPIImpl.processPopResponse
 */
export function receivedMessages(
  messages: readonly StoredMessage[],
  header: PopAnswerHeader,
  target: PopTarget,
): ReceivedMessage[] {
  const receiptOf = receiptMaker(header, target.brokerName)
  const timesOf = orderCounter(header)
  const firstPopTime = String(header.popTime)
  return messages.map((message) => {
    const receipt = receiptOf(message)
    const reconsumeTimes = timesOf(message, receipt)
    const isAsWanted = message.topic === target.topic && message.reconsumeTimes === reconsumeTimes
    const wanted = isAsWanted ? message : message.derive({ topic: target.topic, reconsumeTimes }, message.body)
    wanted.addProperties({
      [MessageProperty.POP_CK]: formatReceipt(receipt),
      [MessageProperty.FIRST_POP_TIME]: message.property(MessageProperty.FIRST_POP_TIME) ?? firstPopTime,
    })
    return { message: wanted, receipt }
  })
}

function receiptMaker(header: PopAnswerHeader, brokerName: string): (message: StoredMessage) => Receipt {
  const { popTime, invisibleTime, reviveQid } = header
  const base = { popTime, invisibleTime, reviveQid, brokerName }
  const startOffsets = parseStartOffsetInfo(header.startOffsetInfo)
  if (startOffsets === undefined) return oldReceiptMaker(base)
  const msgOffsets = parseMsgOffsetInfo(header.msgOffsetInfo) ?? new Map<string, readonly number[]>()
  const ranks = new Map<string, number>()
  return (message) => {
    const { topic, queueId } = message
    const text = message.property(MessageProperty.POP_CK)
    if (text !== undefined)
      return toldReceipt(text, popTime) ?? oldMessageReceipt(message, base, startOffsets, msgOffsets)
    const retry = retryTypeOf(topic)
    const key = queueKey(retry, queueId)
    const rank = ranks.get(key) ?? 0
    ranks.set(key, rank + 1)
    const ckQueueOffset = startOffsets.get(key)
    if (ckQueueOffset === undefined) throw unknownMessage(message, startOffsets)
    // Where a queue counts otherwise than its messages say, it is the queue that counts.
    const queueOffset = msgOffsets.get(key)?.[rank] ?? message.queueOffset
    return { ...base, ckQueueOffset, retry, queueId, queueOffset }
  }
}

/** Brokers that give retried messages their first topic again tell the receipt, too: the topic doesn't tell any more where they came from. */
function toldReceipt(text: string, popTime: number): Receipt | undefined {
  try {
    const receipt = parseReceipt(text)
    return receipt.popTime === popTime ? receipt : undefined
  } catch (error) {
    if (error instanceof MessageError) return undefined
    throw error
  }
}

/** Somebody sent on what had been popped, with all its properties: the receipt that it brings is none of this pop. */
function oldMessageReceipt(
  message: StoredMessage,
  base: ReceiptBase,
  startOffsets: ReadonlyMap<string, number>,
  msgOffsets: ReadonlyMap<string, readonly number[]>,
): Receipt {
  const { queueId, queueOffset } = message
  for (const retry of RETRY_TYPES) {
    const key = queueKey(retry, queueId)
    const ckQueueOffset = startOffsets.get(key)
    if (ckQueueOffset === undefined || msgOffsets.get(key)?.includes(queueOffset) !== true) continue
    return { ...base, ckQueueOffset, retry, queueId, queueOffset }
  }
  throw unknownMessage(message, startOffsets)
}

/** The first brokers with POP don't tell where a pop began in each queue: it is where its first message is. */
function oldReceiptMaker(base: ReceiptBase): (message: StoredMessage) => Receipt {
  const startOffsets = new Map<string, number>()
  return ({ topic, queueId, queueOffset }) => {
    const key = `${topic} ${queueId}`
    const ckQueueOffset = startOffsets.get(key) ?? queueOffset
    startOffsets.set(key, ckQueueOffset)
    return { ...base, ckQueueOffset, retry: retryTypeOf(topic), queueId, queueOffset }
  }
}

/** Brokers keep no retry topic for messages that are popped in order: their answer says how often each was popped. */
function orderCounter(header: PopAnswerHeader): (message: StoredMessage, receipt: Receipt) => number {
  const counts = parseOrderCountInfo(header.orderCountInfo)
  if (counts === undefined) return (message) => message.reconsumeTimes
  return (message, { retry, queueId }) => {
    const count = counts.get(offsetKey(retry, queueId, message.queueOffset)) ?? counts.get(queueKey(retry, queueId))
    return count !== undefined && count > 0 ? count : message.reconsumeTimes
  }
}

function unknownMessage(
  { topic, queueId, queueOffset }: StoredMessage,
  startOffsets: ReadonlyMap<string, number>,
): MessageError {
  const said = shown([...startOffsets.keys()].slice(0, MAX_SHOWN))
  const what = `the answer to a pop has a message of ${topic}[${queueId}] at ${queueOffset}, and no offset of its queue, but of ${startOffsets.size} others: ${said}`
  return new MessageError('HEADER_MALFORMED', what)
}
