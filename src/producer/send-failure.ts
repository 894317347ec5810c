import type { RocketMQError, SendAttempt } from '../errors.js'
import { sameKind } from './copy-error.js'

/**
 * The error of a send that failed: of the last attempt's class, with that one's fields, and all attempts in its message.
 */
export function sendFailure(
  last: RocketMQError,
  topic: string,
  attempts: readonly SendAttempt[],
  elapsed: number,
): RocketMQError {
  const mayBeStored = attempts.some((attempt) => attempt.stored === 'unknown')
  const stored = mayBeStored ? 'the message may have been stored all the same' : 'the message was not stored'
  const tries = attempts.map(
    (attempt, i) =>
      `${i + 1}. ${attempt.brokerName}[${attempt.queueId}] ${attempt.address ?? '(no address)'} after ${attempt.elapsed} ms: ${attempt.message}`,
  )
  const count = attempts.length === 1 ? 'one attempt' : `${attempts.length} attempts`
  const message = `send to topic ${topic} failed in ${Math.round(elapsed)} ms and ${count}; ${stored}: ${tries.join('; ')}`
  const error = sameKind(last, message, last)
  error.attempts = attempts
  error.mayBeStored = mayBeStored
  return error
}
