import { abortError, listenToAbort } from '../remoting/deadline.js'
import type { ConsumeRun } from './consumed-queue.js'
import type { MessageSupply } from './message-supply.js'

/**
 * Takes messages, or waits for some: up to `timeout` milliseconds, when it resolves with undefined. So it does when nothing comes any more.
 *
 * @throws {@link ClientError} `ABORTED`; then nothing was taken.
 */
export function takeInTime(
  supply: MessageSupply,
  max: number,
  timeout: number,
  signal: AbortSignal | undefined,
): Promise<ConsumeRun | undefined> {
  if (signal?.aborted) return Promise.reject(abortError('poll', signal))
  const run = timeout <= 0 ? supply.takeAnyway(max) : supply.take(max)
  if (run !== undefined || timeout <= 0) return Promise.resolve(run)
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      supply.cancel(taker)
    }
    const give = (found: ConsumeRun | undefined) => {
      end()
      resolve(found)
    }
    const onAbort = () => {
      end()
      reject(abortError('poll', signal as AbortSignal))
    }
    const taker = { max, give }
    const timer = setTimeout(() => give(undefined), timeout)
    if (signal !== undefined) listenToAbort(signal, onAbort)
    supply.wait(taker)
  })
}
