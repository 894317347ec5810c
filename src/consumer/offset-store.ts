import type { MessageQueue } from '../message/message.js'
import type { WaitOptions } from '../remoting/deadline.js'

/** Where a consumer group's offsets are kept. */
export interface OffsetStore {
  load(): Promise<void>
  /** The offset of a queue, one that was set and is not stored yet before the stored one; −1 when there is none. */
  read(queue: MessageQueue, options: WaitOptions): Promise<number>
  /** Sets an offset in memory; it is stored by the next {@link OffsetStore.persist}. */
  update(queue: MessageQueue, offset: number): void
  /** Stored when it resolves. */
  commit(queue: MessageQueue, offset: number, options: WaitOptions): Promise<void>
  /** Stores what was set since the last time. What can't be stored is kept for the next one. */
  persist(): Promise<void>
}
