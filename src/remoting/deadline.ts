import { ClientError } from '../errors.js'

/** A clock that no one sets back. In milliseconds, from an arbitrary start. */
export function monotonicNow(): number {
  return performance.now()
}

/** The error of a call whose AbortSignal fired; the signal's reason is its cause. */
export function abortError(what: string, signal: AbortSignal): ClientError {
  return new ClientError('ABORTED', `${what} was aborted`, { cause: signal.reason })
}

/** What every call that waits takes. */
export interface WaitOptions {
  /** In milliseconds. */
  readonly timeout?: number | undefined
  readonly signal?: AbortSignal | undefined
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
    const expire = () => finish(() => reject(onTimeout()))
    const timer = timeout === undefined ? undefined : setTimeout(expire, Math.max(0, timeout))
    const onAbort = () => finish(() => reject(abortError(what, signal as AbortSignal)))
    const finish = (settle: () => void) => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      settle()
    }
    if (signal?.aborted) return onAbort()
    signal?.addEventListener('abort', onAbort, { once: true })
    promise.then(
      (value) => finish(() => resolve(value)),
      (error: unknown) => finish(() => reject(error)),
    )
    return undefined
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
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}
