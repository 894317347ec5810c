import type { Client } from '../client/client.js'
import { ClientError, type RemotingError } from '../errors.js'
import type { MessageQueue } from '../message/message.js'
import { messageQueueKey } from '../message/message-queue.js'
import { encodeLockBatch, lockBatchMq, readLockedQueues, unlockBatchMq } from '../remoting/commands/lock.js'
import { monotonicNow } from '../remoting/deadline.js'
import { QueueLock } from './queue-lock.js'

const RENEWAL_INTERVAL = 20_000
/** Between two looks at what is due; also after a lock was refused or could not be renewed. */
const TICK = 1_000
/** As for Java's requests. */
const REQUEST_TIMEOUT = 1_000

/** What a broker was asked for, at which time, and what it gave. */
interface Grant {
  readonly keys: ReadonlySet<string>
  /** Monotonic, in milliseconds. */
  readonly askedAt: number
}

/** Where the lock of a queue is asked for. Behind a proxy several brokers have one address; it hands a request to the broker of its first queue. */
interface Place {
  readonly key: string
  readonly address: string
}

/** Queues of one broker whose request goes out in the next turn of the event loop, with those that come until then. */
interface Batch<T> {
  readonly queues: MessageQueue[]
  readonly answer: Promise<T>
}

/**
 * The locks that a member of a group has, or had and wants back. They are asked for and renewed broker by broker, all of a broker with one request.
 *
 * A lock counts from the time at which the request was sent, so that it never counts longer than its broker keeps it.
 *
 * @see RebalanceImpl.lock, RebalanceImpl.lockAll, RebalanceLockManager
 */
export class QueueLocks {
  readonly #client: Client
  readonly #consumerGroup: string
  readonly #locks = new Map<string, QueueLock>()
  readonly #takes = new Map<string, Batch<Grant>>()
  readonly #releases = new Map<string, Batch<void>>()
  /** By place, monotonic: when its locks are due. */
  readonly #renewAt = new Map<string, number>()
  /** Renewals under way, by place. */
  readonly #renewals = new Map<string, Promise<void>>()
  readonly #onDisconnect = ({ address, error }: { address: string; error: RemotingError | undefined }) => {
    if (error !== undefined) this.#doubt(address)
  }
  #timer: NodeJS.Timeout | undefined
  #isStopped = false

  /** @param consumerGroup - With its namespace. */
  constructor(client: Client, consumerGroup: string) {
    this.#client = client
    this.#consumerGroup = consumerGroup
  }

  start(): void {
    this.#timer ??= setInterval(() => this.#tick(), TICK)
    this.#client.remoting.on('disconnect', this.#onDisconnect)
  }

  /** Ends timers, and gives back what is still there. */
  async stop(): Promise<void> {
    this.#isStopped = true
    clearInterval(this.#timer)
    this.#client.remoting.off('disconnect', this.#onDisconnect)
    await Promise.all([...this.#locks.values()].map((lock) => this.release(lock)))
  }

  /**
   * Takes the lock of a queue.
   *
   * @param queue - As servers know it.
   * @returns undefined when another member has it.
   * @throws when its broker can't be asked.
   */
  async take(queue: MessageQueue): Promise<QueueLock | undefined> {
    const place = this.#placeOf(queue)
    if (place === undefined) throw this.#noBroker(queue)
    const { address } = place
    const { keys, askedAt } = await batched(this.#takes, place, queue, (queues) => this.#ask(address, queues))
    const key = messageQueueKey(queue)
    if (!keys.has(key)) return undefined
    const lock = new QueueLock(queue, address, askedAt)
    this.#locks.set(key, lock)
    if (!this.#renewAt.has(place.key)) this.#renewAt.set(place.key, askedAt + TICK)
    if (!this.#isStopped) return lock
    await this.release(lock)
    return undefined
  }

  /** Gives a lock back. Resolves when its broker knows it, or can't be told: then it keeps the lock for a minute. */
  async release(lock: QueueLock): Promise<void> {
    const key = messageQueueKey(lock.queue)
    if (this.#locks.get(key) !== lock) return
    this.#locks.delete(key)
    if (lock.loss === 'REFUSED') return
    await this.#unlock(lock.address, lock.queue)
  }

  #tick(): void {
    const now = monotonicNow()
    const due = new Map<string, { place: Place; locks: QueueLock[] }>()
    const used = new Set<string>()
    for (const lock of this.#locks.values()) {
      if (!lock.isHeld) lock.lose('EXPIRED')
      const place = this.#placeOf(lock.queue)
      if (place === undefined) continue
      const { key, address } = place
      used.add(key)
      if (address !== lock.address) lock.lose('MOVED')
      if (now < (this.#renewAt.get(key) ?? 0) || this.#renewals.has(key)) continue
      const others = due.get(key)
      if (others === undefined) due.set(key, { place, locks: [lock] })
      else others.locks.push(lock)
    }
    for (const key of this.#renewAt.keys()) if (!used.has(key)) this.#renewAt.delete(key)
    for (const { place, locks } of due.values()) this.#renew(place, locks)
  }

  #renew(place: Place, locks: readonly QueueLock[]): void {
    const renewal = this.#renewNow(place, locks).finally(() => this.#renewals.delete(place.key))
    this.#renewals.set(place.key, renewal)
  }

  /** Never rejects. */
  async #renewNow({ key: placeKey, address }: Place, locks: readonly QueueLock[]): Promise<void> {
    let isComplete = true
    try {
      const queues = locks.map(({ queue }) => queue)
      const { keys, askedAt } = await this.#ask(address, queues)
      for (const lock of locks) {
        const key = messageQueueKey(lock.queue)
        if (this.#locks.get(key) !== lock) {
          // It was given back meanwhile, to the broker that it was from.
          const isLeft = keys.has(key) && lock.address !== address && !this.#locks.has(key)
          if (isLeft) void this.#unlock(address, lock.queue)
          continue
        }
        if (keys.has(key)) {
          lock.take(address, askedAt)
        } else {
          lock.lose('REFUSED')
          isComplete = false
        }
      }
    } catch (error) {
      isComplete = false
      this.#client.logger.warn(`${locks.length} queue locks were not renewed by ${address}; it is tried again`, {
        error,
      })
    }
    // Half a tick less: a tick that comes a little early must not put it off to the next one.
    this.#renewAt.set(placeKey, monotonicNow() + (isComplete ? RENEWAL_INTERVAL : TICK) - TICK / 2)
  }

  async #ask(address: string, queues: readonly MessageQueue[]): Promise<Grant> {
    const askedAt = monotonicNow()
    const options = { body: this.#body(queues), timeout: REQUEST_TIMEOUT }
    const { body } = await this.#client.remoting.invoke(address, lockBatchMq, {}, options)
    return { keys: new Set(readLockedQueues(body).map(messageQueueKey)), askedAt }
  }

  /** Never rejects. */
  #unlock(address: string, queue: MessageQueue): Promise<void> {
    const place = placeAt(this.#brokerNameOf(queue), address)
    return batched(this.#releases, place, queue, (queues) => this.#giveBack(place, queues))
  }

  /** Never rejects. */
  async #giveBack({ key, address }: Place, queues: readonly MessageQueue[]): Promise<void> {
    // A broker that handles both at a time might renew what was given back before.
    await this.#renewals.get(key)
    try {
      const options = { body: this.#body(queues), timeout: REQUEST_TIMEOUT }
      await this.#client.remoting.invoke(address, unlockBatchMq, {}, options)
    } catch (error) {
      const what = `${queues.length} queue locks were not given back to ${address}, which keeps them for a minute`
      this.#client.logger.warn(what, { error })
    }
  }

  #doubt(address: string): void {
    let isConcerned = false
    for (const lock of this.#locks.values()) {
      if (lock.address !== address) continue
      lock.lose('DISCONNECTED')
      isConcerned = true
      this.#renewAt.delete(placeAt(this.#brokerNameOf(lock.queue), address).key)
    }
    if (!isConcerned) return
    // Not before the connection has been put away.
    setImmediate(() => {
      if (!this.#isStopped) this.#tick()
    })
  }

  #body(mqSet: readonly MessageQueue[]): Buffer {
    return encodeLockBatch({ consumerGroup: this.#consumerGroup, clientId: this.#client.clientId, mqSet })
  }

  #placeOf(queue: MessageQueue): Place | undefined {
    const brokerName = this.#brokerNameOf(queue)
    const address = this.#client.masterAddress(brokerName)
    return address === undefined ? undefined : placeAt(brokerName, address)
  }

  #brokerNameOf(queue: MessageQueue): string {
    return this.#client.routes.brokerNameOfQueue(queue)
  }

  #noBroker(queue: MessageQueue): ClientError {
    this.#client.routes.refreshSoon(queue.topic)
    const problem = `The broker[${queue.brokerName}] not exist: no route names a master for it now, which could give the lock of ${messageQueueKey(queue)}`
    return new ClientError('NO_BROKER', problem, { retryable: true })
  }
}

function placeAt(brokerName: string, address: string): Place {
  return { key: `${brokerName}@${address}`, address }
}

function batched<T>(
  batches: Map<string, Batch<T>>,
  { key }: Place,
  queue: MessageQueue,
  send: (queues: readonly MessageQueue[]) => Promise<T>,
): Promise<T> {
  let batch = batches.get(key)
  if (batch === undefined) {
    const queues: MessageQueue[] = []
    const answer = nextTurn().then(() => {
      batches.delete(key)
      return send(queues)
    })
    batch = { queues, answer }
    batches.set(key, batch)
  }
  batch.queues.push(queue)
  return batch.answer
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
