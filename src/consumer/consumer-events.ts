import type { ClientEvents } from '../client/member.js'
import type { MessageQueue } from '../message/message.js'
import type { ConsumerLag } from './lag.js'
import type { OffsetCorrection } from './pull-loop-host.js'
import type { QueueStall } from './watchdog.js'

/** What a rebalance changed for this member, of one topic. */
export interface QueuesChanged {
  readonly topic: string
  /** Queues that this member consumes from now on. */
  readonly added: readonly MessageQueue[]
  /** Queues that it gave up: their offsets are stored. */
  readonly removed: readonly MessageQueue[]
  /** All queues of the topic that it has now. */
  readonly queues: readonly MessageQueue[]
}

/** What a shutdown did not wait for, of one queue: the group gets these messages again. */
export interface LeftMessages {
  readonly queue: MessageQueue
  /** Of the messages whose handlers had not finished. */
  readonly msgIds: readonly string[]
}

/** An administrator's wish, of one queue. */
export interface OffsetReset {
  readonly queue: MessageQueue
  /** What would have been committed. */
  readonly from: number
  /** Where this member goes on. */
  readonly to: number
}

/** Events of the consumers of a group. */
export interface ConsumerEvents extends ClientEvents {
  /** This member got queues or gave some up. @see MessageQueueListener */
  queuesChanged: [QueuesChanged]
  /** The shutdown's time was over before all handlers had finished. */
  left: [{ queues: readonly LeftMessages[] }]
  /** A queue goes on elsewhere because its broker says so: its offset lay outside it, or an administrator reset it, of which `offsetsReset` tells, too. */
  offsetCorrected: [{ readonly queue: MessageQueue } & OffsetCorrection]
  /** An administrator set the group's offset of a queue: it is stored, and this member goes on there. */
  offsetsReset: [OffsetReset]
  /** A queue stands still. Where that helps, it is closed and opened again. */
  queueStalled: [QueueStall]
  /** A queue that stood still goes on, after `elapsed` milliseconds. */
  queueRepaired: [QueueStall & { readonly elapsed: number }]
  /** How far this consumer is behind, every `lagReportInterval`. */
  lag: [ConsumerLag]
}
