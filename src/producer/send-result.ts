import type { ResponseHeaderOf } from '../codec/command.js'
import type { MessageQueue } from '../message/message.js'
import { MessageProperty } from '../message/message-properties.js'
import type { sendMessage } from '../remoting/commands/send.js'
import type { RemotingResponse } from '../remoting/remoting-response.js'
import { ResponseCode } from '../remoting/response-code.js'

/** Every one of them means that the message is stored; all but the first, that it is not yet as safe as the broker is configured to make it. */
export type SendStatus = 'SEND_OK' | 'FLUSH_DISK_TIMEOUT' | 'FLUSH_SLAVE_TIMEOUT' | 'SLAVE_NOT_AVAILABLE'

export interface SendResult {
  readonly sendStatus: SendStatus
  /** The id that this client gave; of a batch, the ids of all messages, with commas between. */
  readonly msgId: string
  /** Where the broker stored it; of a batch, of all messages, with commas between. */
  readonly offsetMsgId: string
  readonly messageQueue: MessageQueue
  /** Of a batch: of its first message. */
  readonly queueOffset: number
  readonly transactionId?: string
  /** Of a timer message at a broker from 5.3.2 on: what `recall` takes. Brokers give it also where they don't allow to recall. */
  readonly recallHandle?: string
  readonly regionId?: string
  /** `false` where the broker wants no trace of it. */
  readonly traceOn?: boolean
}

const STATUS_BY_CODE: Readonly<Record<number, SendStatus>> = {
  [ResponseCode.SUCCESS]: 'SEND_OK',
  [ResponseCode.FLUSH_DISK_TIMEOUT]: 'FLUSH_DISK_TIMEOUT',
  [ResponseCode.FLUSH_SLAVE_TIMEOUT]: 'FLUSH_SLAVE_TIMEOUT',
  [ResponseCode.SLAVE_NOT_AVAILABLE]: 'SLAVE_NOT_AVAILABLE',
}

/** @see MQClientAPIImpl.processSendResponse */
export function toSendResult(
  response: RemotingResponse<ResponseHeaderOf<typeof sendMessage>>,
  queue: MessageQueue,
  msgId: string,
): SendResult {
  const { transactionId, recallHandle, msgId: offsetMsgId, queueId, queueOffset } = response.header
  const regionId = response.command.field(MessageProperty.MSG_REGION)
  const result: { -readonly [K in keyof SendResult]: SendResult[K] } = {
    sendStatus: STATUS_BY_CODE[response.code] ?? 'SEND_OK',
    msgId,
    offsetMsgId,
    // A broker may choose another queue than the one asked for; where it stored the message is what counts.
    messageQueue: queueId === queue.queueId ? queue : { topic: queue.topic, brokerName: queue.brokerName, queueId },
    queueOffset,
  }
  if (transactionId !== undefined) result.transactionId = transactionId
  if (recallHandle !== undefined) result.recallHandle = recallHandle
  if (regionId !== undefined) result.regionId = regionId
  if (response.command.field(MessageProperty.TRACE_ON) === 'false') result.traceOn = false
  return result
}
