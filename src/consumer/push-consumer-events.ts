import type { MessageExt, MessageQueue } from '../message/message.js'
import type { ConsumerEvents } from './consumer-events.js'
import type { LockLoss } from './queue-lock.js'

/** Messages that a handler has or had. */
export interface HandledMessages {
  /** Where they were read from. */
  readonly queue: MessageQueue
  /** Of the messages, in their order. */
  readonly msgIds: readonly string[]
  readonly messages: readonly MessageExt[]
}

/** Events of a `PushConsumer`. */
export interface PushConsumerEvents extends ConsumerEvents {
  /** A handler failed, or a loop was left before it asked for the next message (`NOT_ACKNOWLEDGED`); the messages come again. */
  consumeFailed: [HandledMessages & { readonly error: unknown }]
  /** A handler has had messages for a tenth of `consumeTimeout`. Told once for a call. `elapsed` is in milliseconds. */
  consumeSlow: [HandledMessages & { readonly elapsed: number }]
  /**
   * A handler has had messages for longer than `consumeTimeout`: nobody waits for it any more, and they come again; or those behind them wait on, where messages keep their
   * order. `elapsed` is in milliseconds.
   */
  consumeTimeout: [HandledMessages & { readonly elapsed: number }]
  /** A handler failed on messages that do not come again, because they are broadcast. */
  messagesDropped: [HandledMessages]
  /** Where messages keep their order: a queue's lock is lost, and the queue stands still until it is there again, which is asked for every second. */
  queueLockLost: [{ readonly queue: MessageQueue; readonly reason: LockLoss }]
  /** A lock that was lost is there again, and its queue goes on. */
  queueLockTaken: [{ readonly queue: MessageQueue }]
}
