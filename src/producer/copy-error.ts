import { BrokerError, ClientError, MessageError, RemotingError, RocketMQError } from '../errors.js'

/** An error of its own for each of those that share a failure: of the same class, with the same fields. */
export function copyError(error: RocketMQError): RocketMQError {
  const copy = sameKind(error, error.message, error.cause)
  if (error.attempts !== undefined) copy.attempts = error.attempts
  if (error.mayBeStored !== undefined) copy.mayBeStored = error.mayBeStored
  return copy
}

/** An error of the same class and with the same fields, but for the message and the cause. */
export function sameKind(error: RocketMQError, message: string, cause: unknown): RocketMQError {
  const { retryable } = error
  if (error instanceof BrokerError) {
    const { code, address, responseCode, responseName, remark, denial } = error
    return new BrokerError(message, { code, address, responseCode, responseName, remark, denial, retryable, cause })
  }
  if (error instanceof RemotingError) {
    const { address, sent } = error
    return new RemotingError(error.code as 'TIMEOUT', message, { address, sent, retryable, cause })
  }
  if (error instanceof MessageError) {
    const { position } = error
    return new MessageError(error.code as 'HEADER_MALFORMED', message, {
      retryable,
      cause,
      ...(position !== undefined && { position }),
    })
  }
  if (error instanceof ClientError) {
    const copy = new ClientError(error.code, message, { retryable, cause })
    if (error.sent !== undefined) copy.sent = error.sent
    return copy
  }
  return new RocketMQError(error.code, message, { retryable, cause })
}
