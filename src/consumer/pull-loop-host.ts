import type { SubscriptionData } from '../client/subscription-data.js'
import type { StoredMessage } from '../codec/stored-message.js'
import type { TopicStatistics } from './consume-statistics.js'
import type { PullLimits } from './pull-room.js'
import type { ReadAhead } from './read-ahead.js'

/** What becomes of a queue whose next message can't be read: it waits and tries again, or goes on behind it. */
export type UndecodableMessagePolicy = 'stop' | 'skip'

export interface PullLoopOptions extends PullLimits {
  /** Between two pulls that brought something, in milliseconds. */
  readonly pullInterval: number
  /** How long brokers hold a pull that finds nothing. */
  readonly brokerSuspendMaxTimeMillis: number
  /** For one pull altogether. */
  readonly consumerTimeoutMillisWhenSuspend: number
  /** After a pull that failed. */
  readonly pullTimeDelayMillsWhenException: number
  readonly postSubscriptionWhenPull: boolean
  readonly maxMessageSize: number
  readonly undecodableMessagePolicy: UndecodableMessagePolicy
  /** Whether it is a lite pull consumer that asks. */
  readonly isLite: boolean
}

/** The reason of a correction after an administrator's reset, as brokers from 5.0 on do it. */
export const OFFSET_RESET = 'OFFSET_RESET'

/** An offset that lay outside its queue, or that an administrator reset. */
export interface OffsetCorrection {
  /** Where the queue was to be read. */
  readonly from: number
  /** Where it is read instead. */
  readonly to: number
  /** What the broker says: `OFFSET_TOO_SMALL`, `OFFSET_OVERFLOW_BADLY`, `OFFSET_RESET` and so on. */
  readonly reason: string
}

/** What a pull loop asks of the consumer that runs it, and tells it. None of these may throw. */
export interface PullLoopHost {
  /** Undefined: the topic was unsubscribed. */
  subscription(): SubscriptionData | undefined
  /** How many queues of this topic the consumer has. */
  ownQueues(): number
  /** Whether it may pull now; after a no, {@link PullLoop.wake} tells of a change. */
  mayPull(): boolean
  /** What queues with a backlog share; undefined: each is pulled whatever the others have. */
  readonly readAhead: ReadAhead | undefined
  /** Turns what was pulled into what handlers get: fewer messages, or other ones. */
  transform?(messages: StoredMessage[]): StoredMessage[]
  /** An answer came: there may be messages to take, and another offset to commit. */
  onAnswer(): void
  /** The queue goes on elsewhere, with another {@link ProcessQueue} where what it had must not be delivered. Pulling waits for the promise, which stores the offset. */
  onOffsetCorrected(correction: OffsetCorrection): Promise<void>
  /**
   * Has the broker with this address take the group's subscriptions.
   *
   * @param isAgain - Whether that was done just now, and did not help.
   */
  register(address: string, isAgain: boolean): Promise<void>
  report(error: unknown, what: string): void
  readonly statistics: TopicStatistics
}
