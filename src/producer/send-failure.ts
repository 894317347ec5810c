import {
  BrokerError,
  ClientError,
  MessageError,
  RemotingError,
  type RocketMQError,
  type SendAttempt,
} from '../errors.js'

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
  const error = withMessage(last, message)
  error.attempts = attempts
  error.mayBeStored = mayBeStored
  return error
}

function withMessage(last: RocketMQError, message: string): RocketMQError {
  if (last instanceof BrokerError) {
    const { address, responseCode, responseName, remark, retryable } = last
    return new BrokerError(message, { address, responseCode, responseName, remark, retryable, cause: last })
  }
  if (last instanceof RemotingError) {
    return new RemotingError(last.code as 'TIMEOUT', message, { address: last.address, sent: last.sent, cause: last })
  }
  if (last instanceof MessageError) {
    return new MessageError(last.code as 'HEADER_MALFORMED', message, { cause: last, retryable: last.retryable })
  }
  return new ClientError(last.code, message, { cause: last, retryable: last.retryable })
}
