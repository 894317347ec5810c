import type { ConsumeReturnType } from '../client/trace/trace-record.js'
import type { MessageExt, MessageQueue } from '../message/message.js'

/** What a hook is told of a call of the handler. One object for all hooks of a call. */
export interface ConsumeMessageContext {
  readonly consumerGroup: string
  /** The queue that they were read from. */
  readonly messageQueue: MessageQueue
  /** Those that the handler gets. */
  readonly messages: readonly MessageExt[]
  /** When the handler was called, in ms since the epoch. */
  readonly startedAt: number
  /** How long it took, in milliseconds. 0 in `consumeMessageBefore`. */
  elapsed: number
  /** After the call: whether it returned, or its promise resolved. */
  success?: boolean
  /** After the call: how it ended. `'TIME_OUT'`: it took longer than `consumeTimeout`; it may be at work still. */
  returnType?: ConsumeReturnType
  /** What it threw. */
  error?: unknown
}

/**
 * Functions of yours around each call of the handler. They are called in line, so they should be quick; what one throws goes to the logger and harms nothing, nor does
 * a promise that it returns and that rejects.
 *
 * @see ConsumeMessageHook, FilterMessageHook
 */
export interface ConsumerHooks {
  /** Before each call of the handler. */
  consumeMessageBefore?(context: ConsumeMessageContext): void
  /** After it, however it ended. */
  consumeMessageAfter?(context: ConsumeMessageContext): void
  /** Gives back those of the messages that handlers shall get. The others count as consumed. */
  filterMessage?(messages: readonly MessageExt[], messageQueue: MessageQueue): readonly MessageExt[]
}
