import type { MessageQueue } from '../message/message.js'
import type { WaitOptions } from '../remoting/deadline.js'

/** How an offset is read. */
export interface ReadOffsetOptions extends WaitOptions {
  /**
   * Let the broker answer 0 where the group has no offset and the queue is young: its first message is still in memory. Java's consumers begin there, whatever their
   * `consumeFromWhere` says. Default `false`: the answer is −1 then.
   */
  readonly setZeroIfNotFound?: boolean | undefined
}

/**
 * Where a consumer group's offsets are kept. Queues have the names that servers know.
 *
 * @see OffsetStore
 */
export interface OffsetStore {
  /** Called once, before anything else. What it throws fails the consumer's start. */
  load(): Promise<void>
  /**
   * The offset of a queue, one that was set and is not stored yet before the stored one; −1 when there is none.
   * What it throws keeps the queue from being consumed; it is asked again a second later.
   */
  read(queue: MessageQueue, options: ReadOffsetOptions): Promise<number>
  /** Sets an offset in memory; it is stored by the next {@link OffsetStore.persist}. Must not throw. */
  update(queue: MessageQueue, offset: number): void
  /** Stored when it resolves. */
  commit(queue: MessageQueue, offset: number, options: WaitOptions): Promise<void>
  /**
   * Stores what was set since the last time. What can't be stored is kept for the next one. Must not throw.
   *
   * @param queues - Only of these. Default: of all.
   */
  persist(queues?: readonly MessageQueue[]): Promise<void>
  /** As {@link OffsetStore.persist} of all, called on a period: what could not be stored a moment ago may wait. Default: all is tried. */
  persistDue?(): Promise<void>
  /** Forgets what is in memory of a queue that this member gave up: another one goes on with it. */
  remove(queue: MessageQueue): void
}
