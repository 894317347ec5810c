import type { MessageExt } from '../../src/index.js'

/**
 * What became of a message: it was received; whoever has it is about to acknowledge it; the broker has taken that. What a handler got is `settling` when that has
 * ended: it is acknowledged behind its back.
 */
export interface PopEvent {
  readonly kind: 'received' | 'settling' | 'acked'
  readonly member: string
  /** The message's body: it stays the same when it comes again, unlike its place. */
  readonly number: number
  readonly reconsumeTimes: number
  /** By the broker's clock, in ms since the epoch. */
  readonly popTime: number
  /** By the clock of this machine. */
  readonly at: number
}

export function popEvent(kind: PopEvent['kind'], member: string, message: MessageExt): PopEvent {
  return {
    kind,
    member,
    number: Number(message.body.toString()),
    reconsumeTimes: message.reconsumeTimes,
    popTime: Number(message.properties.POP_CK?.split(' ')[1]),
    at: Date.now(),
  }
}
