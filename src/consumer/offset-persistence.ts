import { ClientError } from '../errors.js'
import type { MessageQueue } from '../message/message.js'
import { withDeadline } from '../remoting/deadline.js'
import type { AssignedQueue } from './assigned-queue.js'
import type { OffsetStore } from './offset-store.js'

/** Where very many queues move, their offsets are stored less often: there is so much time for each of them, in milliseconds. */
const TIME_PER_QUEUE = 1
const NOT_STORED = 'the offset store failed: offsets were not stored'

/** Has the offsets of a consumer's queues stored: on a period, at its end, and when somebody asks for it. What fails is reported. */
export class OffsetPersistence {
  readonly #store: OffsetStore
  readonly #queues: () => readonly AssignedQueue[]
  readonly #report: (error: unknown, what: string) => void
  #timer: NodeJS.Timeout | undefined

  constructor(
    store: OffsetStore,
    queues: () => readonly AssignedQueue[],
    report: (error: unknown, what: string) => void,
  ) {
    this.#store = store
    this.#queues = queues
    this.#report = report
  }

  /** @param interval - In milliseconds. */
  start(interval: number): void {
    this.#timer ??= setTimeout(() => this.#tick(interval), interval)
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  /** Never rejects. */
  async persist(): Promise<void> {
    this.#save()
    await this.#tryTo(() => this.#store.persist())
  }

  /** For the last time: it is not waited for any longer than `timeout` milliseconds. Never rejects. */
  async persistInTime(timeout: number): Promise<void> {
    const late = () => new ClientError('NOT_CLOSED', `shutdown: the offset store takes longer than ${timeout} ms`)
    try {
      await withDeadline(this.persist(), timeout, undefined, 'shutdown', late)
    } catch (error) {
      this.#report(error, NOT_STORED)
    }
  }

  #tick(interval: number): void {
    const moved = this.#save()
    // Somebody who was told of a fault may have ended this.
    if (this.#timer === undefined) return
    // Not waited for: a broker that does not answer must not keep offsets from the others.
    void this.#tryTo(() => this.#store.persistDue?.() ?? this.#store.persist())
    this.#timer = setTimeout(() => this.#tick(interval), Math.max(interval, moved * TIME_PER_QUEUE))
  }

  /** @returns of how many queues the offset has moved. */
  #save(): number {
    let moved = 0
    for (const assigned of this.#queues()) if (assigned.saveOffset?.()) moved++
    return moved
  }

  async #tryTo(persist: () => Promise<void>): Promise<void> {
    try {
      await persist()
    } catch (error) {
      this.#report(error, NOT_STORED)
    }
  }

  /** A queue was given up, and its offset is stored. */
  forget(queue: MessageQueue): void {
    try {
      this.#store.remove(queue)
    } catch (error) {
      this.#report(error, 'the offset store failed')
    }
  }
}
