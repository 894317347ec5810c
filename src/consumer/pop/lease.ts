import { monotonicNow } from '../../remoting/deadline.js'
import type { Receipt } from './receipt.js'

/** What was popped: by a message's lease it is known where it came from. Names are those that servers know. */
export interface PopOrigin {
  readonly topic: string
  readonly brokerName: string
}

/**
 * The time for which a popped message is its receiver's: until then nobody else of the group gets it.
 *
 * It is reckoned from the answer's coming, by a clock that no one sets: those of brokers differ from ours.
 */
export class Lease {
  readonly origin: PopOrigin
  #receipt: Receipt
  #expiresAt: number
  /** Whether the message was acknowledged. */
  isSettled = false
  /** Acknowledgements under way. */
  acksUnderWay = 0
  /** The change of the invisible time under way: what comes after it needs the new receipt. Never rejects. */
  changing: Promise<void> | undefined

  /** @param receivedAt - Monotonic, in milliseconds. */
  constructor(origin: PopOrigin, receipt: Receipt, receivedAt: number) {
    this.origin = origin
    this.#receipt = receipt
    this.#expiresAt = receivedAt + receipt.invisibleTime
  }

  /** What brokers want to hear of the message. */
  get receipt(): Receipt {
    return this.#receipt
  }

  /** Monotonic, in milliseconds. */
  get expiresAt(): number {
    return this.#expiresAt
  }

  /** How it is called in texts for people. */
  get title(): string {
    const { brokerName, queueId, queueOffset } = this.#receipt
    return `${this.origin.topic} ${brokerName}[${queueId}] at ${queueOffset}`
  }

  /** Whether an acknowledgement is under way: a change of the invisible time that overtook it would bring the message back. */
  get isAcking(): boolean {
    return this.acksUnderWay > 0
  }

  isExpired(now: number = monotonicNow()): boolean {
    return now >= this.#expiresAt
  }

  /** Takes the place of what was before. */
  renew(receipt: Receipt, expiresAt: number): void {
    this.#receipt = receipt
    this.#expiresAt = expiresAt
  }
}
