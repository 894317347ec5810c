import type { RocketMQError } from '../errors.js'
import type { Message, MessageQueue } from '../message/message.js'
import type { MessageKind } from './message-kind.js'
import type { SendResult } from './send-result.js'

/** What a hook is told of an attempt to send. One object for all hooks of an attempt. */
export interface SendMessageContext {
  readonly producerGroup: string
  /** As they were given; of a batch, all of them. */
  readonly messages: readonly Message[]
  /** The id that this client gave; of a batch, with commas between. */
  readonly msgId: string
  readonly messageKind: MessageKind
  readonly messageQueue: MessageQueue
  /** `host:port` of the broker. */
  readonly brokerAddress: string
  /** `'ONEWAY'`: no answer is waited for. */
  readonly communicationMode: 'SYNC' | 'ONEWAY'
  /** Bytes of the body as it is sent. */
  readonly bodyLength: number
  /** When the attempt began, in ms since the epoch. */
  readonly startedAt: number
  /** How long it took, in milliseconds. 0 in `sendMessageBefore`. */
  elapsed: number
  /** After an attempt that succeeded. */
  sendResult?: SendResult
  /** After an attempt that failed. Another one may follow. */
  error?: RocketMQError
}

/** What the check of a message is told. */
export interface CheckForbiddenContext {
  readonly producerGroup: string
  readonly messages: readonly Message[]
  readonly messageQueue: MessageQueue
  readonly brokerAddress: string
}

/** What a hook is told of the end of a transaction. */
export interface EndTransactionContext {
  readonly producerGroup: string
  readonly message: Message
  readonly msgId: string
  readonly transactionId: string | undefined
  readonly brokerAddress: string
  readonly transactionState: 'COMMIT' | 'ROLLBACK' | 'UNKNOWN'
  /** Whether the broker had asked. */
  readonly fromTransactionCheck: boolean
}

/**
 * Functions of yours that are called around each attempt to send. They are called in line, so they should be quick; what one throws goes to the logger
 * and harms nothing, nor does a promise that it returns and that rejects. Except for `checkForbidden`, whose error rejects the send with `FORBIDDEN`.
 *
 * The messages are encoded before: what a hook does to them comes too late.
 *
 * @see SendMessageHook, EndTransactionHook, CheckForbiddenHook
 */
export interface ProducerHooks {
  sendMessageBefore?(context: SendMessageContext): void
  sendMessageAfter?(context: SendMessageContext): void
  endTransaction?(context: EndTransactionContext): void
  /** Throws to forbid a message; it is not tried again then. It can't be asynchronous: one that returns a promise forbids everything. */
  checkForbidden?(context: CheckForbiddenContext): void
}
