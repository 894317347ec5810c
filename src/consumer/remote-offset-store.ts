import type { Client } from '../client/client.js'
import { BrokerError, RemotingError } from '../errors.js'
import type { MessageQueue } from '../message/message.js'
import { messageQueueKey } from '../message/message-queue.js'
import { queryConsumerOffset, updateConsumerOffset } from '../remoting/commands/offset.js'
import { monotonicNow, restOf, type WaitOptions, withDeadline } from '../remoting/deadline.js'
import { FirstAlone } from './first-alone.js'
import { introduceGroup } from './introduce-group.js'
import type { OffsetStore, ReadOffsetOptions } from './offset-store.js'

interface PendingOffset {
  readonly queue: MessageQueue
  readonly offset: number
}

interface StoredOffset {
  readonly offset: number
  /** What is not pending any more when it is stored. */
  readonly settles: PendingOffset | undefined
}

/** An offset that a broker did not store. */
interface FailedStore {
  readonly brokerName: string
  /** Monotonic, in milliseconds: the next {@link RemoteOffsetStore.persistDue} that tries it once more. */
  readonly againAt: number
}

/** Between two tries to store what a broker did not store, in milliseconds. */
const RETRY_DELAY = 1_000

/** Finds the address of the broker that keeps a queue's offsets. @throws {@link ClientError} when it has none now. */
export type BrokerAddressFinder = (queue: MessageQueue, options: WaitOptions) => Promise<string>

/**
 * Offsets kept by the brokers.
 *
 * Storing is one request at a time for a queue, so that an older offset never overtakes a newer one; of a topic's queues at a broker, the first of all goes alone.
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
  readonly #firstAlone = new FirstAlone()
  /** By queue. Of each broker it is reported once. */
  readonly #failed = new Map<string, FailedStore>()
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

  async read(queue: MessageQueue, options: ReadOffsetOptions): Promise<number> {
    const pending = this.#pending.get(messageQueueKey(queue))
    if (pending !== undefined) return pending.offset
    const address = await this.#addressOf(queue, options)
    const header = {
      consumerGroup: this.#consumerGroup,
      topic: queue.topic,
      queueId: queue.queueId,
      // Without it, brokers answer 0 for a young queue that the group has never read.
      setZeroIfNotFound: options.setZeroIfNotFound ?? false,
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
    const stored = { offset, settles: this.#pending.get(key) }
    await this.#inTurn(key, () => this.#store(queue, options, () => stored))
  }

  async persist(queues?: readonly MessageQueue[]): Promise<void> {
    const keys = queues === undefined ? [...this.#pending.keys()] : queues.map(messageQueueKey)
    await this.#persistAll(keys.filter((key) => this.#pending.has(key)))
  }

  async persistDue(): Promise<void> {
    const now = monotonicNow()
    await this.#persistAll([...this.#pending.keys()].filter((key) => this.#isDue(key, now)))
  }

  remove(queue: MessageQueue): void {
    const key = messageQueueKey(queue)
    this.#pending.delete(key)
    this.#failed.delete(key)
  }

  /** One that is just being stored may fail: then there is a wait first. */
  #isDue(key: string, now: number): boolean {
    return !this.#storing.has(key) && (this.#failed.get(key)?.againAt ?? now) <= now
  }

  async #persistAll(keys: readonly string[]): Promise<void> {
    await Promise.all(keys.map((key) => this.#persistSoon(key)))
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
    // While it waits to be stored, the queue may be given up, or something newer be set.
    const newest = () => {
      const settles = this.#pending.get(key)
      return settles && { offset: settles.offset, settles }
    }
    await this.#store(pending.queue, {}, newest).catch((error: unknown) => this.#onFailed(key, pending, error))
  }

  #onFailed(key: string, { queue: { brokerName }, offset }: PendingOffset, error: unknown): void {
    const what = `the offset ${offset} of ${key} was not stored; it is tried again`
    const isKnown = [...this.#failed.values()].some((failed) => failed.brokerName === brokerName)
    if (isKnown) this.#client.logger.debug(what, { error })
    else this.#report(error, what)
    this.#failed.set(key, { brokerName, againAt: monotonicNow() + RETRY_DELAY })
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

  /** @param offsetOf - Asked when its turn has come; undefined: there is nothing to store any more. */
  async #store(
    queue: MessageQueue,
    { timeout = this.#client.options.requestTimeout, signal }: WaitOptions,
    offsetOf: () => StoredOffset | undefined,
  ): Promise<void> {
    const startedAt = monotonicNow()
    const rest = () => restOf({ timeout, signal }, startedAt)
    const address = await this.#addressOf(queue, { timeout, signal })
    const store = async () => {
      const stored = offsetOf()
      if (stored !== undefined) await this.#storeAt(address, queue, stored, rest())
      return stored !== undefined
    }
    await this.#firstAlone.run(
      `${queue.topic}@${address}`,
      (other) => waitForOther(other, address, timeout, rest()),
      store,
    )
  }

  async #storeAt(
    address: string,
    queue: MessageQueue,
    { offset, settles }: StoredOffset,
    options: WaitOptions,
  ): Promise<void> {
    const { topic, queueId, brokerName } = queue
    const header = { consumerGroup: this.#consumerGroup, topic, queueId, commitOffset: offset, brokerName }
    const { remoting } = this.#client
    await this.#asKnownGroup(queue, address, options, (wait) =>
      remoting.invoke(address, updateConsumerOffset, header, wait),
    )
    // An offset that was set while this one was on its way is newer.
    const key = messageQueueKey(queue)
    if (this.#pending.get(key) === settles) this.#pending.delete(key)
    this.#failed.delete(key)
  }

  /** A broker that has not heard of the group yet is told of it, and the offset stored once more. */
  async #asKnownGroup(
    queue: MessageQueue,
    address: string,
    options: WaitOptions,
    store: (wait: WaitOptions) => Promise<unknown>,
  ): Promise<void> {
    const startedAt = monotonicNow()
    try {
      await store(options)
    } catch (error) {
      if (!(error instanceof BrokerError) || error.responseName !== 'SUBSCRIPTION_GROUP_NOT_EXIST') throw error
      await introduceGroup(this.#client, this.#consumerGroup, queue, address, restOf(options, startedAt), error)
      await store(restOf(options, startedAt))
    }
  }
}

/** Waits for the store of another queue's offset, as long as this one's may. */
function waitForOther(other: Promise<void>, address: string, timeout: number, rest: WaitOptions): Promise<void> {
  const late = `storing an offset at ${address}: within ${timeout} ms, the broker has not answered to another queue's that goes first`
  const onTimeout = () => new RemotingError('TIMEOUT', late, { address })
  return withDeadline(other, rest.timeout, rest.signal, 'storing an offset', onTimeout)
}
