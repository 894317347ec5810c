import type { Client } from '../client/client.js'
import { BrokerError } from '../errors.js'
import type { MessageQueue } from '../message/message.js'
import { messageQueueKey } from '../message/message-queue.js'
import { queryConsumerOffset, updateConsumerOffset } from '../remoting/commands/offset.js'
import type { WaitOptions } from '../remoting/deadline.js'
import type { OffsetStore } from './offset-store.js'

interface PendingOffset {
  readonly queue: MessageQueue
  readonly offset: number
}

/** Finds the address of the broker that keeps a queue's offsets. @throws {@link ClientError} when it has none now. */
export type BrokerAddressFinder = (queue: MessageQueue, options: WaitOptions) => Promise<string>

/**
 * Offsets kept by the brokers.
 *
 * Storing is one request at a time for a queue, so that an older offset never overtakes a newer one.
 *
 * @see RemoteBrokerOffsetStore
 */
export class RemoteOffsetStore implements OffsetStore {
  readonly #client: Client
  readonly #consumerGroup: string
  readonly #addressOf: BrokerAddressFinder
  readonly #report: (error: unknown, what: string) => void
  /** Set and not stored yet. */
  readonly #pending = new Map<string, PendingOffset>()
  readonly #storing = new Map<string, Promise<void>>()
  /** Waiting for their turn to store what is pending. */
  readonly #persisting = new Map<string, Promise<void>>()

  constructor(
    client: Client,
    consumerGroup: string,
    addressOf: BrokerAddressFinder,
    report: (error: unknown, what: string) => void,
  ) {
    this.#client = client
    this.#consumerGroup = consumerGroup
    this.#addressOf = addressOf
    this.#report = report
  }

  async load(): Promise<void> {}

  async read(queue: MessageQueue, options: WaitOptions): Promise<number> {
    const pending = this.#pending.get(messageQueueKey(queue))
    if (pending !== undefined) return pending.offset
    const address = await this.#addressOf(queue, options)
    const header = {
      consumerGroup: this.#consumerGroup,
      topic: queue.topic,
      queueId: queue.queueId,
      // Without it, brokers answer 0 for a young queue that the group has never read.
      setZeroIfNotFound: false,
      brokerName: queue.brokerName,
    }
    try {
      const response = await this.#client.remoting.invoke(address, queryConsumerOffset, header, options)
      return response.header.offset
    } catch (error) {
      if (error instanceof BrokerError && error.responseName === 'QUERY_NOT_FOUND') return -1
      throw error
    }
  }

  update(queue: MessageQueue, offset: number): void {
    this.#pending.set(messageQueueKey(queue), { queue, offset })
  }

  async commit(queue: MessageQueue, offset: number, options: WaitOptions): Promise<void> {
    const key = messageQueueKey(queue)
    const earlier = this.#pending.get(key)
    await this.#inTurn(key, () => this.#store(queue, offset, options, earlier))
  }

  async persist(): Promise<void> {
    await Promise.all([...this.#pending.keys()].map((key) => this.#persistSoon(key)))
  }

  /** One that waits for its turn serves all who come meanwhile: it stores what is newest then. */
  #persistSoon(key: string): Promise<void> {
    let persist = this.#persisting.get(key)
    if (persist === undefined) {
      persist = this.#inTurn(key, () => this.#persistNow(key))
      this.#persisting.set(key, persist)
    }
    return persist
  }

  async #persistNow(key: string): Promise<void> {
    this.#persisting.delete(key)
    const pending = this.#pending.get(key)
    // A commit before it has stored something newer.
    if (pending === undefined) return
    const { queue, offset } = pending
    await this.#store(queue, offset, {}, pending).catch((error: unknown) => {
      this.#report(error, `the offset ${offset} of ${key} was not stored; it is tried again`)
    })
  }

  #inTurn(key: string, store: () => Promise<void>): Promise<void> {
    const before = this.#storing.get(key) ?? Promise.resolve()
    const turn = before.then(store, store)
    this.#storing.set(key, turn)
    const done = () => {
      if (this.#storing.get(key) === turn) this.#storing.delete(key)
    }
    turn.then(done, done)
    return turn
  }

  async #store(
    queue: MessageQueue,
    offset: number,
    options: WaitOptions,
    settled: PendingOffset | undefined,
  ): Promise<void> {
    const address = await this.#addressOf(queue, options)
    const { topic, queueId, brokerName } = queue
    const header = { consumerGroup: this.#consumerGroup, topic, queueId, commitOffset: offset, brokerName }
    await this.#client.remoting.invoke(address, updateConsumerOffset, header, options)
    // An offset that was set while this one was on its way is newer.
    const key = messageQueueKey(queue)
    if (this.#pending.get(key) === settled) this.#pending.delete(key)
  }
}
