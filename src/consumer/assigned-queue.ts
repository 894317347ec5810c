import type { MessageQueue } from '../message/message.js'

/** How the messages of a queue are fetched (`MessageRequestMode`). */
export type MessageRequestMode = 'PULL' | 'POP'

/** What a consumer runs for one queue that it owns, from assignment to removal. Queues have the names that servers know. */
export interface AssignedQueue {
  readonly queue: MessageQueue
  readonly mode: MessageRequestMode

  /** Begins work; called once. */
  start(): void

  /**
   * Ends work. When it resolves no handler gets another message of the queue, its offset is in the offset store and stored, and its lock is released.
   *
   * @param timeout - How long to wait for handlers that run, in milliseconds. A later call may give less; then that counts.
   */
  close(timeout: number): Promise<void>

  /** Puts the offset to commit into the offset store. Called before offsets are stored. Must not throw. @returns whether it had moved. */
  saveOffset?(): boolean

  /** For `health()`, `lag()`, the watchdog and consoles. */
  state(): QueueState

  /** The ids of the messages that handlers have and have not finished: what a shutdown that could not wait any longer leaves behind. */
  unfinished(): readonly string[]
}

/** How far a consumer is with one of its queues. Times are `Date.now()` milliseconds, 0 for never. */
export interface QueueState {
  readonly queue: MessageQueue
  /** What would be committed now. */
  readonly commitOffset: number
  /** Where the next pull begins. */
  readonly nextOffset: number
  /** Of the last answer: the offset that the queue's next message will have. Undefined before the first answer. */
  readonly maxOffset: number | undefined
  readonly cachedCount: number
  readonly cachedBytes: number
  readonly cachedMinOffset: number | undefined
  readonly cachedMaxOffset: number | undefined
  /** Handed to handlers and not finished. */
  readonly inFlight: number
  readonly oldestInFlight: { readonly msgId: string; readonly since: number } | undefined
  readonly isLocked: boolean
  readonly lastLockTimestamp: number
  /** When the last fetch began; now, while there is no need to fetch: for want of room, or because it is paused. */
  readonly lastPullTimestamp: number
  readonly lastAnswerTimestamp: number
  readonly lastConsumeTimestamp: number
  /** Of the oldest cached message that is not finished. */
  readonly oldestStoreTimestamp: number | undefined
  /** Whether it has messages that a handler could have now, though none does. */
  readonly isReady?: boolean
  /** Why the last try to fetch messages brought none, as long as that lasts. */
  readonly fault?: Error | undefined
  /** Whether a fetch is under way. */
  readonly isFetching?: boolean
  /** Whether fetching has ended by itself. */
  readonly isBroken?: boolean
}
