import type { RemotingCommand } from '../codec/remoting-command.js'
import { RemotingError } from '../errors.js'
import { abortError, listenToAbort, monotonicNow } from './deadline.js'

/** One request that waits for its answer. It settles exactly once. */
export class PendingCall {
  readonly name: string
  readonly address: string
  readonly timeout: number
  readonly startedAt: number
  readonly deadline: number
  readonly promise: Promise<RemotingCommand>
  opaque = 0
  /** Whether the frame was handed to the socket. */
  isSent = false
  isSettled = false
  /** Tells the owner that the call is over, however it ended. */
  onSettled: ((call: PendingCall) => void) | undefined
  #resolve!: (response: RemotingCommand) => void
  #reject!: (error: Error) => void
  readonly #signal: AbortSignal | undefined
  #onAbort: (() => void) | undefined

  constructor(name: string, address: string, timeout: number, signal: AbortSignal | undefined) {
    this.name = name
    this.address = address
    this.timeout = timeout
    this.startedAt = monotonicNow()
    this.deadline = this.startedAt + timeout
    this.#signal = signal
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    if (signal !== undefined) this.#listen(signal)
  }

  resolve(response: RemotingCommand): void {
    if (this.#settle()) this.#resolve(response)
  }

  reject(error: Error): void {
    if (this.#settle()) this.#reject(error)
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

  #listen(signal: AbortSignal): void {
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
