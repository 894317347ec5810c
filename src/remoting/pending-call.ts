import type { RemotingCommand } from '../codec/remoting-command.js'
import { RemotingError } from '../errors.js'
import { abortError, listenToAbort, monotonicNow } from './deadline.js'

/** One request that waits for its answer. It settles exactly once. */
export abstract class PendingCall {
  /** Of its command. */
  abstract readonly name: string
  abstract readonly address: string
  /** In milliseconds. */
  readonly timeout: number
  readonly startedAt = monotonicNow()
  opaque = 0
  /** Whether the frame was handed to the socket. */
  isSent = false
  isSettled = false
  /** Tells the owner that the call is over, however it ended. */
  onSettled: ((call: PendingCall) => void) | undefined
  readonly #signal: AbortSignal | undefined
  #onAbort: (() => void) | undefined

  constructor(timeout: number, signal: AbortSignal | undefined) {
    this.timeout = timeout
    this.#signal = signal
  }

  get deadline(): number {
    return this.startedAt + this.timeout
  }

  /** The answer, whatever code it has; in the turn in which it comes: a promise between the two would cost as much as reading it. Must not throw. */
  protected abstract onAnswer(response: RemotingCommand): void

  /** Must not throw. */
  protected abstract onFailure(error: Error): void

  /** Ends the call when its signal fires, or has fired. To be called once. */
  watchSignal(): void {
    if (this.#signal !== undefined) this.#watch(this.#signal)
  }

  resolve(response: RemotingCommand): void {
    if (this.#settle()) this.onAnswer(response)
  }

  reject(error: Error): void {
    if (this.#settle()) this.onFailure(error)
  }

  expire(): void {
    const elapsed = Math.round(monotonicNow() - this.startedAt)
    const what = this.isSent ? 'no answer' : 'not written, because earlier data is still waiting to be sent,'
    this.reject(
      new RemotingError('TIMEOUT', `${this.name} to ${this.address}: ${what} within ${elapsed} ms`, {
        address: this.address,
        sent: this.isSent,
      }),
    )
  }

  #watch(signal: AbortSignal): void {
    const onAbort = () => this.reject(abortError(`${this.name} to ${this.address}`, signal, this.isSent))
    this.#onAbort = onAbort
    if (signal.aborted) onAbort()
    else listenToAbort(signal, onAbort)
  }

  #settle(): boolean {
    if (this.isSettled) return false
    this.isSettled = true
    if (this.#onAbort !== undefined) this.#signal?.removeEventListener('abort', this.#onAbort)
    this.onSettled?.(this)
    return true
  }
}

/** A call with a promise. */
export class PromisedCall extends PendingCall {
  readonly name: string
  readonly address: string
  readonly #resolve: (response: RemotingCommand) => void
  readonly #reject: (error: Error) => void

  constructor(
    name: string,
    address: string,
    timeout: number,
    signal: AbortSignal | undefined,
    resolve: (response: RemotingCommand) => void,
    reject: (error: Error) => void,
  ) {
    super(timeout, signal)
    this.name = name
    this.address = address
    this.#resolve = resolve
    this.#reject = reject
  }

  protected override onAnswer(response: RemotingCommand): void {
    this.#resolve(response)
  }

  protected override onFailure(error: Error): void {
    this.#reject(error)
  }
}
