import type { MessageExt } from '../message/message.js'
import type { ConsumeContext } from './consume-context.js'
import type { ConsumeObserver } from './consume-observer.js'
import type { ConsumeRun } from './consumed-queue.js'

/** Gets messages of one queue. Returning, or a promise that resolves, means that they are consumed; throwing, or one that rejects, that they shall come again. */
export type MessageHandler = (messages: MessageExt[], context: ConsumeContext) => unknown

export interface ConsumptionOptions {
  /** Handlers at a time. */
  readonly consumeConcurrency: number
  /** Messages that a handler gets at most. */
  readonly consumeMessageBatchMaxSize: number
  /** After so long nobody waits for a handler any more, in milliseconds. */
  readonly consumeTimeout: number
  /** Messages in a second; undefined: no limit. */
  readonly consumeRateLimit: number | undefined
}

/** What a consumption asks of its consumer, and tells it. But for the handler, none of these may throw. */
export interface ConsumptionHost {
  readonly handler: MessageHandler
  readonly observers: readonly ConsumeObserver[]
  /** A handler has taken a tenth of its time. */
  onSlow(run: ConsumeRun, elapsed: number): void
  /** A handler's time is over. */
  onTimeout(run: ConsumeRun, elapsed: number): void
  /** A handler failed. */
  onFailed(run: ConsumeRun, error: unknown): void
  report(error: unknown, what: string): void
}
