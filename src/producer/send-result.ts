import type { ResponseHeaderOf } from '../codec/command.js'
import type { MessageQueue } from '../message/message.js'
import type { sendMessage } from '../remoting/commands/send.js'
import type { RemotingResponse } from '../remoting/remoting-client.js'
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
  /** For a delayed message, where the broker allows to recall it. */
  readonly recallHandle?: string
  readonly regionId?: string
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
  const { header } = response
  const regionId = response.command.field('MSG_REGION')
  return {
    sendStatus: STATUS_BY_CODE[response.code] ?? 'SEND_OK',
    msgId,
    offsetMsgId: header.msgId,
    // A broker may choose another queue than the one asked for; where it stored the message is what counts.
    messageQueue:
      header.queueId === queue.queueId
        ? queue
        : { topic: queue.topic, brokerName: queue.brokerName, queueId: header.queueId },
    queueOffset: header.queueOffset,
    ...(header.transactionId === undefined ? undefined : { transactionId: header.transactionId }),
    ...(header.recallHandle === undefined ? undefined : { recallHandle: header.recallHandle }),
    ...(regionId === undefined ? undefined : { regionId }),
  }
}
