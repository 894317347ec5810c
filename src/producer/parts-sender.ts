import type { Message, MessageQueue } from '../message/message.js'
import type { OutgoingMessage } from './outgoing-message.js'
import type { SendResult } from './send-result.js'

/** Where messages are to go. */
export interface SendTarget {
  /** This queue and no other; undefined for any of the topic's. */
  readonly queue: MessageQueue | undefined
}

/** What accumulating and splitting leave to the producer: to send what belongs together. Both reject in time, and after the producer is closed. */
export interface PartsSender {
  /**
   * Sends messages in one request.
   *
   * @param parts - Of one topic and one `waitStoreMsgOk`; uncompressed, since a batch says nothing of the compression of its parts.
   * @param messages - The same, as the user gave them.
   * @param timeout - For all attempts together, in milliseconds.
   */
  sendParts(
    parts: readonly OutgoingMessage[],
    messages: readonly Message[],
    target: SendTarget,
    timeout: number,
    signal: AbortSignal | undefined,
  ): Promise<SendResult>

  /** Sends one message as any other. */
  sendOne(
    outgoing: OutgoingMessage,
    message: Message,
    target: SendTarget,
    timeout: number,
    signal: AbortSignal | undefined,
  ): Promise<SendResult>
}
