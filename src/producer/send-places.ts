import { DrainWaiters } from '../client/drain-waiters.js'
import { ClientError } from '../errors.js'
import {
  abortError,
  checkSignal,
  checkTimeout,
  listenToAbort,
  monotonicNow,
  type WaitOptions,
} from '../remoting/deadline.js'
import type { Outcome } from '../remoting/outcome.js'
import { Waiter, WaitingLine, type Work } from './waiting-line.js'

/** At least so long between two looks at who has waited too long, in milliseconds: each look is at all of them. */
const MIN_SWEEP_GAP = 10

/**
 * Gives each send its place in flight, and lets those wait for which there is none: so memory stays bounded, however many are started at once.
 *
 * Who waits enters in the order of coming. A message larger than all the bytes that are allowed enters when nothing else is in flight.
 *
 * One that waits costs its promise and one object: no timer or listener of its own, no function, and no work begun.
 */
export class SendPlaces {
  readonly #maxCount: number
  readonly #maxBytes: number
  readonly #line = new WaitingLine()
  readonly #signals = new Map<AbortSignal, WatchedSignal>()
  readonly #drainWaiters = new DrainWaiters()
  readonly #giveBack = (bytes: number): void => {
    this.#count--
    this.#bytes -= bytes
    this.#admit()
  }
  #count = 0
  #bytes = 0
  #isAdmitting = false
  #timer: NodeJS.Timeout | undefined
  #wakeAt = Number.POSITIVE_INFINITY

  constructor(maxCount: number, maxBytes: number) {
    this.#maxCount = maxCount
    this.#maxBytes = maxBytes
  }

  get inFlight(): number {
    return this.#count
  }

  get inFlightBytes(): number {
    return this.#bytes
  }

  get waiting(): number {
    return this.#line.length
  }

  /**
   * Does `work` in a place of so many bytes: at once, where there is room and nobody waits; else when its turn comes.
   *
   * @param options - End the wait; what becomes of the work is its own. With a `timeout`, the work is told that it began with this call; without one, with its place.
   * @throws {@link ClientError} `INVALID_ARGUMENT` at once, for the timeout and the signal.
   * @returns what the work tells its place; rejects with {@link ClientError} `TOO_MANY_REQUESTS` when no place came within the timeout, `ABORTED` or `CLOSED`: then it
   * was not begun.
   */
  run<Options extends WaitOptions, Subject, T>(
    bytes: number,
    options: Options,
    work: Work<Options, Subject, T>,
    subject: Subject,
  ): Promise<T> {
    const { timeout, signal } = options
    checkTimeout(timeout)
    checkSignal(signal)
    if (signal?.aborted) return Promise.reject(abortError('send', signal))
    if (this.#line.length === 0 && this.#hasRoom(bytes))
      return new Promise((resolve) => this.#hold(bytes, work, monotonicNow(), 0, options, subject, resolve))
    const since = timeout === undefined ? 0 : monotonicNow()
    // The promise is rejected by resolving it with one that is: so its other function need not be kept.
    return new Promise<T>((resolve) => {
      const anyWork = work as Work<WaitOptions, unknown, unknown>
      this.#append(new Waiter(bytes, options, anyWork, subject, resolve as (result: unknown) => void, since))
    })
  }

  /** Resolves with the number of sends that are left, waiting ones included: 0, unless `timeout` ends first. */
  async drained(timeout: number | undefined): Promise<number> {
    if (this.#total > 0) await this.#drainWaiters.wait(timeout)
    return this.#total
  }

  /** Fails those that still wait: they will not be sent. */
  close(): void {
    for (let waiter = this.#line.first; waiter !== undefined; waiter = this.#line.first)
      this.#fail(waiter, new ClientError('CLOSED', 'the producer was shut down before it sent this message'))
    this.#tellIfEmpty()
  }

  get #total(): number {
    return this.#count + this.#line.length
  }

  #hasRoom(bytes: number): boolean {
    return this.#count === 0 || (this.#count < this.#maxCount && this.#bytes + bytes <= this.#maxBytes)
  }

  #hold<Options, Subject, T>(
    bytes: number,
    work: Work<Options, Subject, T>,
    now: number,
    waited: number,
    options: Options,
    subject: Subject,
    resolve: Resolve<T>,
  ): void {
    this.#count++
    this.#bytes += bytes
    const place = new Place(this.#giveBack, bytes, resolve)
    try {
      work(now, waited, options, subject, place)
    } catch (error) {
      place.reject(error)
    }
  }

  /** Lets those in for whom there is room now, in their order. Whose work fails at once has left when the next one is looked at: no matter how many, the stack does not grow. */
  #admit(): void {
    if (this.#isAdmitting) return
    this.#isAdmitting = true
    try {
      this.#admitAll()
    } finally {
      this.#isAdmitting = false
    }
    this.#tellIfEmpty()
  }

  #admitAll(): void {
    for (let waiter = this.#line.first; waiter !== undefined; waiter = this.#line.first) {
      if (!this.#hasRoom(waiter.bytes)) return
      this.#leave(waiter)
      const { bytes, work, options, subject } = waiter
      const now = monotonicNow()
      const waited = options.timeout === undefined ? 0 : now - waiter.since
      this.#hold(bytes, work, now, waited, options, subject, waiter.resolve)
    }
  }

  #append(waiter: Waiter): void {
    this.#line.append(waiter)
    const { signal } = waiter.options
    if (signal !== undefined) this.#watch(signal)
    if (waiter.deadline < this.#wakeAt) this.#wake(waiter.deadline, 1)
  }

  #leave(waiter: Waiter): void {
    this.#line.remove(waiter)
    const { signal } = waiter.options
    if (signal !== undefined) this.#unwatch(signal)
    if (this.#line.length === 0) this.#stopTimer()
  }

  #fail(waiter: Waiter, error: ClientError): void {
    this.#leave(waiter)
    waiter.resolve(Promise.reject(error))
  }

  /** One listener for all that wait with one signal: adding each its own would be a look at all others each time. */
  #watch(signal: AbortSignal): void {
    const known = this.#signals.get(signal)
    if (known !== undefined) {
      known.waiting++
      return
    }
    const onAbort = () =>
      this.#failAll(({ options }) => (options.signal === signal ? abortError('send', signal) : undefined))
    this.#signals.set(signal, { waiting: 1, onAbort })
    listenToAbort(signal, onAbort)
  }

  #unwatch(signal: AbortSignal): void {
    const watched = this.#signals.get(signal)
    if (watched === undefined || --watched.waiting > 0) return
    this.#signals.delete(signal)
    signal.removeEventListener('abort', watched.onAbort)
  }

  #wake(at: number, atLeast: number): void {
    clearTimeout(this.#timer)
    this.#wakeAt = at
    this.#timer = setTimeout(() => this.#sweep(), Math.max(atLeast, Math.ceil(at - monotonicNow())))
  }

  #stopTimer(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#wakeAt = Number.POSITIVE_INFINITY
  }

  #sweep(): void {
    this.#stopTimer()
    const now = monotonicNow()
    let next = Number.POSITIVE_INFINITY
    this.#failAll((waiter) => {
      if (waiter.deadline <= now) return this.#noPlace(waiter.options.timeout)
      if (waiter.deadline < next) next = waiter.deadline
      return undefined
    })
    if (next < Number.POSITIVE_INFINITY) this.#wake(next, MIN_SWEEP_GAP)
  }

  /** Fails those for whom there is an error. Who stood behind a large one may have room then. */
  #failAll(errorOf: (waiter: Waiter) => ClientError | undefined): void {
    let waiter = this.#line.first
    while (waiter !== undefined) {
      const { next } = waiter
      const error = errorOf(waiter)
      if (error !== undefined) this.#fail(waiter, error)
      waiter = next
    }
    this.#admit()
  }

  #noPlace(timeout: number | undefined): ClientError {
    return new ClientError(
      'TOO_MANY_REQUESTS',
      `send: no place within ${timeout} ms: ${this.#count} sends with ${this.#bytes} bytes are in flight, ${this.#maxCount} with ${this.#maxBytes} bytes are allowed (maxInFlight, maxInFlightBytes); the message was not sent`,
      { retryable: true },
    )
  }

  #tellIfEmpty(): void {
    if (this.#total === 0) this.#drainWaiters.tell()
  }
}

type Resolve<T> = (result: T | Promise<T>) => void

/** A place that is taken. */
class Place<T> implements Outcome<T> {
  readonly #giveBack: (bytes: number) => void
  readonly #bytes: number
  readonly #resolve: Resolve<T>

  constructor(giveBack: (bytes: number) => void, bytes: number, resolve: Resolve<T>) {
    this.#giveBack = giveBack
    this.#bytes = bytes
    this.#resolve = resolve
  }

  resolve(result: T): void {
    this.#resolve(result)
    this.#giveBack(this.#bytes)
  }

  /** By resolving the promise with one that is rejected: so its other function need not be kept. */
  reject(error: unknown): void {
    this.#resolve(Promise.reject(error))
    this.#giveBack(this.#bytes)
  }
}

interface WatchedSignal {
  waiting: number
  readonly onAbort: () => void
}
