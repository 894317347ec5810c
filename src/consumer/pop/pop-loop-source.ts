import { DrainWaiters } from '../../client/drain-waiters.js'
import { sleep } from '../../remoting/deadline.js'
import type { LoopMessage, LoopSource, LoopWaiter } from '../loop-source.js'
import type { Lease } from './lease.js'
import type { PoppedMessage } from './pop-requests.js'

export interface PopLoopSourceHost {
  /** Loops start their consumer where that was not done. */
  start(): Promise<void>
  /** Some messages, as soon as there are any; an empty list when there are none for a while. */
  receive(signal: AbortSignal): Promise<PoppedMessage[]>
  acknowledge(lease: Lease): void
  /** Acknowledgements that are not done. */
  ackCount(): number
  /** Keeps messages from others until they are acknowledged or given back. */
  hold(lease: Lease): void
  /** Has messages come again at once. Must not reject. */
  giveBack(popped: readonly PoppedMessage[]): Promise<void>
  report(error: unknown, what: string): void
}

/** After a `receive` that failed, in milliseconds. */
const RETRY_DELAY = 1_000
/** Nothing is received while so many acknowledgements are not done. */
const MAX_ACKS = 1_024
const ACK_DELAY = 20

/** Has loops wait for what is popped. A few messages are popped ahead: as many as one request brings, and the next are fetched when half of them are gone. */
export class PopLoopSource implements LoopSource {
  readonly #host: PopLoopSourceHost
  readonly #readAhead: number
  #ahead: PoppedMessage[] = []
  readonly #waiters = new Set<LoopWaiter>()
  readonly #drained = new DrainWaiters()
  /** Loops that have begun. */
  #open = 0
  /** Messages that loops have. */
  #held = 0
  #fetching: AbortController | undefined
  #isEnded = false

  /** @param readAhead - Messages of one request. */
  constructor(host: PopLoopSourceHost, readAhead: number) {
    this.#host = host
    this.#readAhead = readAhead
  }

  async open(): Promise<void> {
    await this.#host.start()
    this.#open++
    this.#fetchSoon()
  }

  async close(): Promise<void> {
    this.#open--
    if (this.#open > 0) return
    this.#fetching?.abort()
    await this.#giveBackAhead()
  }

  take(): LoopMessage | undefined {
    const popped = this.#nextAhead()
    this.#fetchSoon()
    return popped === undefined ? undefined : this.#handOut(popped)
  }

  wait(waiter: LoopWaiter): void {
    if (this.#isEnded) waiter.give(undefined)
    else this.#waiters.add(waiter)
    this.#fetchSoon()
  }

  cancel(waiter: LoopWaiter): void {
    this.#waiters.delete(waiter)
  }

  /**
   * Ends all loops. Resolves when none has a message any more, or when the time is over.
   *
   * @param timeout - In milliseconds.
   */
  async end(timeout: number): Promise<void> {
    this.#isEnded = true
    this.#fetching?.abort()
    for (const waiter of [...this.#waiters]) waiter.give(undefined)
    this.#waiters.clear()
    await this.#giveBackAhead()
    if (this.#held > 0) await this.#drained.wait(timeout)
  }

  #handOut(popped: PoppedMessage): LoopMessage {
    let isDone = false
    const done = (): boolean => {
      if (isDone) return false
      isDone = true
      this.#held--
      if (this.#held === 0) this.#drained.tell()
      return true
    }
    this.#held++
    return {
      message: popped.message,
      consumed: () => {
        if (done()) this.#host.acknowledge(popped.lease)
      },
      giveBack: () => {
        if (done()) void this.#host.giveBack([popped])
      },
    }
  }

  /** Those that could not be kept are passed over: the group gets them again. */
  #nextAhead(): PoppedMessage | undefined {
    let next = this.#ahead.shift()
    while (next?.lease.isExpired()) next = this.#ahead.shift()
    return next
  }

  #fetchSoon(): void {
    const isWanted = this.#open > 0 && !this.#isEnded && this.#ahead.length <= this.#readAhead / 2
    if (!isWanted || this.#fetching !== undefined) return
    this.#fetching = new AbortController()
    void this.#fetch(this.#fetching)
  }

  /** Never rejects. */
  async #fetch(fetching: AbortController): Promise<void> {
    const { signal } = fetching
    try {
      while (this.#host.ackCount() > MAX_ACKS) await sleep(ACK_DELAY, signal, 'for await')
      this.#add(await this.#host.receive(signal))
    } catch (error) {
      if (!signal.aborted) {
        this.#host.report(error, 'messages for a loop could not be received; it is tried again')
        await sleep(RETRY_DELAY, signal, 'for await').catch(() => undefined)
      }
    }
    this.#fetching = undefined
    this.#fetchSoon()
  }

  #add(popped: readonly PoppedMessage[]): void {
    for (const one of popped) {
      this.#host.hold(one.lease)
      this.#ahead.push(one)
    }
    for (const waiter of [...this.#waiters]) {
      const next = this.#nextAhead()
      if (next === undefined) break
      this.#waiters.delete(waiter)
      waiter.give(this.#handOut(next))
    }
    if (this.#open === 0 || this.#isEnded) void this.#giveBackAhead()
  }

  async #giveBackAhead(): Promise<void> {
    const ahead = this.#ahead
    this.#ahead = []
    await this.#host.giveBack(ahead)
  }
}
