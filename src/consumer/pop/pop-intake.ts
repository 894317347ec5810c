import type { Client } from '../../client/client.js'
import type { SubscriptionData } from '../../client/subscription-data.js'
import type { QueueRequests } from '../queue-requests.js'
import type { Lease } from './lease.js'
import type { PoppedMessage } from './pop-requests.js'

export interface PopIntakeHost {
  /** Has a message acknowledged, without anybody waiting for it. */
  acknowledge(lease: Lease): void
  /** Work that nobody waits for. @param work - It does not reject. */
  onWork(work: Promise<void>): void
  report(error: unknown, what: string): void
}

const DEAD_LETTER = -1

/** Looks through what was popped: not all of it is wanted, and what failed too often goes to the dead-letter topic. */
export class PopIntake {
  readonly #client: Client
  readonly #requests: QueueRequests
  readonly #maxReconsumeTimes: number
  readonly #host: PopIntakeHost

  constructor(client: Client, requests: QueueRequests, maxReconsumeTimes: number, host: PopIntakeHost) {
    this.#client = client
    this.#requests = requests
    this.#maxReconsumeTimes = maxReconsumeTimes
    this.#host = host
  }

  /**
   * The messages to be consumed. Of the others, those with tags that only seem to be wanted are acknowledged, as brokers compare the hashes of tags only.
   *
   * @see DefaultMQPushConsumerImpl.processPopResult
   */
  wanted(popped: readonly PoppedMessage[], { tagsSet }: SubscriptionData): PoppedMessage[] {
    const wanted: PoppedMessage[] = []
    for (const one of popped) {
      const { tags } = one.message
      const isWanted = tagsSet.length === 0 || (tags !== undefined && tagsSet.includes(tags))
      if (!isWanted) this.#host.acknowledge(one.lease)
      else if (one.message.reconsumeTimes > this.#maxReconsumeTimes) this.#host.onWork(this.deadLetter(one))
      else wanted.push(one)
    }
    return wanted
  }

  /** Whether a message on which a handler failed is not to come again. */
  isLast({ message }: PoppedMessage): boolean {
    return message.reconsumeTimes >= this.#maxReconsumeTimes
  }

  /**
   * Has the broker put a message into the group's dead-letter topic; then it is acknowledged. When that fails, it comes again when its time is over. Never rejects.
   *
   * Brokers don't do that by themselves with popped messages: their proxy does it for its clients, and Java's own consumer acknowledges them.
   */
  async deadLetter({ message, lease }: PoppedMessage): Promise<void> {
    const options = { delayLevel: DEAD_LETTER, maxReconsumeTimes: this.#maxReconsumeTimes }
    try {
      await this.#requests.sendMessageBack(message, lease.origin.topic, options)
    } catch (error) {
      this.#host.report(error, `message ${message.msgId} can't be put into the dead-letter topic; it comes again`)
      return
    }
    const times = { reconsumeTimes: message.reconsumeTimes, maxReconsumeTimes: this.#maxReconsumeTimes }
    this.#client.logger.warn(`message ${message.msgId} was put into the dead-letter topic`, times)
    this.#host.acknowledge(lease)
  }
}
