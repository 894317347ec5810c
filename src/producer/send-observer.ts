import type { RocketMQError } from '../errors.js'
import type { Message, MessageQueue } from '../message/message.js'
import type { OutgoingMessage } from './outgoing-message.js'
import type { SendResult } from './send-result.js'

/** One attempt to send, as it looks to those who watch. */
export interface SendAttemptView {
  readonly outgoing: OutgoingMessage
  /** As the user gave them. */
  readonly messages: readonly Message[]
  /** Its topic is the user's, without namespace. */
  readonly queue: MessageQueue
  readonly address: string
  /** 1 for the first attempt of a send. */
  readonly number: number
  readonly communicationMode: 'SYNC' | 'ONEWAY'
  /** By the monotonic clock. */
  readonly startedAt: number
}

/** Watches attempts: statistics, latency, hooks, trace. */
export interface SendObserver {
  /** @throws what rejects the send without an attempt. */
  before?(attempt: SendAttemptView): void
  /**
   * Called once for each attempt; with neither result nor error for a oneway one. Must not throw.
   *
   * @param elapsed - What the attempt took, in milliseconds.
   */
  after(
    attempt: SendAttemptView,
    result: SendResult | undefined,
    error: RocketMQError | undefined,
    elapsed: number,
  ): void
}
