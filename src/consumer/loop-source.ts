import type { MessageExt } from '../message/message.js'

/** A message that a loop has. Of the two calls only the first counts. */
export interface LoopMessage {
  readonly message: MessageExt
  consumed(): void
  /** It was not consumed, and comes again. */
  giveBack(): void
}

/** A loop that waits for a message. */
export interface LoopWaiter {
  /** Called once: with a message, or with undefined when nothing comes any more. */
  give(message: LoopMessage | undefined): void
}

/** Where loops have their messages from. */
export interface LoopSource {
  /** A loop begins: it waits for the promise. */
  open(): Promise<void>
  /** A loop has ended; what it had was given back before. It waits for the promise, which must not reject. */
  close(): Promise<void>
  /** Undefined: there is none now. */
  take(): LoopMessage | undefined
  /** After {@link LoopSource.take} gave nothing. */
  wait(waiter: LoopWaiter): void
  cancel(waiter: LoopWaiter): void
}
