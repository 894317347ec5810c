import { setMaxListeners } from 'node:events'
import { ClientError, shown } from '../errors.js'

/** A clock that no one sets back. In milliseconds, from an arbitrary start. */
export function monotonicNow(): number {
  return performance.now()
}

/** The error of a call whose AbortSignal fired; the signal's reason is its cause. */
export function abortError(what: string, signal: AbortSignal, sent = false): ClientError {
  const error = new ClientError('ABORTED', `${what} was aborted`, { cause: signal.reason })
  error.sent = sent
  return error
}

/** What every call that waits takes. */
export interface WaitOptions {
  /** In milliseconds. */
  readonly timeout?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** What is left for a later step of what began at `startedAt`, by the monotonic clock. */
export function restOf({ timeout, signal }: WaitOptions, startedAt: number): WaitOptions {
  return { timeout: timeout === undefined ? undefined : timeout - (monotonicNow() - startedAt), signal }
}

/** The longest that Node's timers take: about 24.8 days. */
const MAX_TIMEOUT = 0x7fff_ffff

/**
 * Checks a timeout that the user gave for one call.
 *
 * @throws {@link ClientError} `INVALID_ARGUMENT`.
 */
export function checkTimeout(timeout: number | undefined): void {
  if (timeout === undefined || (typeof timeout === 'number' && timeout <= MAX_TIMEOUT)) return
  throw new ClientError('INVALID_ARGUMENT', `timeout is ${shown(timeout)}, milliseconds up to ${MAX_TIMEOUT} expected`)
}

/**
 * Checks a signal that the user gave for one call: an AbortController in its place, say, would fail when it is listened to.
 *
 * @throws {@link ClientError} `INVALID_ARGUMENT`.
 */
export function checkSignal(signal: AbortSignal | undefined): void {
  if (signal === undefined) return
  const { addEventListener, removeEventListener } = (signal ?? {}) as Partial<AbortSignal>
  if (typeof addEventListener === 'function' && typeof removeEventListener === 'function') return
  throw new ClientError('INVALID_ARGUMENT', `signal is ${shown(signal)}, an AbortSignal is expected`)
}

/** Calls `listener` when the signal fires. @throws as {@link checkSignal}. */
export function listenToAbort(signal: AbortSignal, listener: () => void): void {
  checkSignal(signal)
  // Any number of calls may share one signal; Node would warn of a leak from the eleventh on.
  if (signal instanceof EventTarget) setMaxListeners(0, signal)
  signal.addEventListener('abort', listener, { once: true })
}

/**
 * Waits for `promise`, but no longer than `timeout` where one is given, and not after `signal` fires. The promise itself goes on, and its later rejection is nobody's.
 *
 * @param onTimeout - Makes the error to reject with when the time is over.
 */
export function withDeadline<T>(
  promise: Promise<T>,
  timeout: number | undefined,
  signal: AbortSignal | undefined,
  what: string,
  onTimeout: () => Error,
): Promise<T> {
  if (timeout === undefined && signal === undefined) return promise
  return new Promise<T>((resolve, reject) => {
    checkTimeout(timeout)
    checkSignal(signal)
    let timer: NodeJS.Timeout | undefined
    const expire = () => finish(() => reject(onTimeout()))
    const onAbort = () => finish(() => reject(abortError(what, signal as AbortSignal)))
    const finish = (settle: () => void) => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      settle()
    }
    promise.then(
      (value) => finish(() => resolve(value)),
      (error: unknown) => finish(() => reject(error)),
    )
    if (timeout !== undefined) timer = setTimeout(expire, Math.max(0, timeout))
    if (signal?.aborted) onAbort()
    else if (signal !== undefined) listenToAbort(signal, onAbort)
  })
}

/** Resolves after `delay`; rejects at once with `ABORTED` when the signal fires. */
export function sleep(delay: number, signal: AbortSignal | undefined, what: string): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(abortError(what, signal))
    const onAbort = () => {
      clearTimeout(timer)
      reject(abortError(what, signal as AbortSignal))
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    }, delay)
    if (signal !== undefined) listenToAbort(signal, onAbort)
  })
}
