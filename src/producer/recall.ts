import type { Client } from '../client/client.js'
import { checkTopic } from '../client/name-check.js'
import { BrokerError, ClientError, RemotingError } from '../errors.js'
import { DLQ_TOPIC_PREFIX, RETRY_TOPIC_PREFIX } from '../message/names.js'
import { recallMessage } from '../remoting/commands/recall.js'
import { checkTimeout, monotonicNow } from '../remoting/deadline.js'
import { ResponseCode } from '../remoting/response-code.js'
import { decodeRecallHandle, type RecallHandle } from './recall-handle.js'

export interface RecallCall {
  /** In milliseconds. */
  readonly timeout: number
  readonly signal: AbortSignal | undefined
}

/**
 * Asks the broker that holds a timer message not to deliver it.
 *
 * @param topic - As the user knows it.
 * @returns the id of the message.
 * @throws {@link ClientError} `INVALID_ARGUMENT`, `TOPIC_NOT_FOUND`, `NO_BROKER`, `UNSUPPORTED_BY_BROKER`.
 * @throws {@link BrokerError} when the broker refuses.
 * @see DefaultMQProducerImpl.recallMessage
 */
export async function recall(
  client: Client,
  producerGroup: string,
  topic: string,
  recallHandle: string,
  call: RecallCall,
): Promise<string> {
  checkTimeout(call.timeout)
  const startedAt = monotonicNow()
  const { namespace, options, remoting, routes } = client
  const wireTopic = checkTopic(namespace.wrap(checkRecallTopic(topic)))
  const handle = decodeRecallHandle(recallHandle)
  if (handle.topic !== wireTopic)
    throw new ClientError(
      'INVALID_ARGUMENT',
      `the recall handle is of a message for topic ${namespace.unwrap(handle.topic)}, not for ${namespace.unwrap(wireTopic)}`,
    )
  checkTime(handle)
  const address = await addressOf(client, handle, call)
  const header = {
    producerGroup: namespace.wrap(producerGroup),
    topic: wireTopic,
    recallHandle,
    brokerName: handle.brokerName,
  }
  const remaining = call.timeout - (monotonicNow() - startedAt)
  const timeout = Math.min(remaining, options.requestTimeout)
  try {
    const response = await remoting.invoke(address, recallMessage, header, { timeout, signal: call.signal })
    return response.header.msgId
  } catch (error) {
    // The broker may have another master by now.
    if (error instanceof RemotingError || isOf(error, ResponseCode.SLAVE_NOT_AVAILABLE)) routes.refreshSoon(wireTopic)
    throw error instanceof BrokerError ? explained(error, handle) : error
  }
}

function checkRecallTopic(topic: string): string {
  const name = checkTopic(topic)
  if (!name.startsWith(RETRY_TOPIC_PREFIX) && !name.startsWith(DLQ_TOPIC_PREFIX)) return name
  throw new ClientError(
    'INVALID_ARGUMENT',
    `topic is ${name}: messages of retry and dead-letter topics can not be recalled`,
  )
}

function checkTime({ deliverMs, msgId }: RecallHandle): void {
  const late = Date.now() - deliverMs
  if (late < 0) return
  throw new ClientError(
    'INVALID_ARGUMENT',
    `message ${msgId} can not be recalled any more: its time, ${isoTime(deliverMs)}, is past by ${late} ms by this host's clock`,
  )
}

async function addressOf(client: Client, { topic, brokerName }: RecallHandle, call: RecallCall): Promise<string> {
  const known = client.masterAddress(brokerName)
  if (known !== undefined) return known
  await client.routes.refresh(topic, call)
  const address = client.masterAddress(brokerName)
  if (address !== undefined) return address
  throw new ClientError(
    'NO_BROKER',
    `broker ${brokerName}, which holds the message to recall, has no master in the route of topic ${client.namespace.unwrap(topic)} now`,
    { retryable: true },
  )
}

function isOf(error: unknown, responseCode: number): boolean {
  return error instanceof BrokerError && error.responseCode === responseCode
}

/** The refusal with what its remark leaves out. */
function explained(error: BrokerError, handle: RecallHandle): Error {
  const { address, responseCode, responseName, remark } = error
  if (responseCode === ResponseCode.REQUEST_CODE_NOT_SUPPORTED)
    return new ClientError(
      'UNSUPPORTED_BY_BROKER',
      `recall of message ${handle.msgId}: the server at ${address} does not know it; brokers from 5.3.2 on do`,
      { cause: error },
    )
  const hint = hintOf(responseCode, handle)
  if (hint === undefined) return error
  const fields = { address, responseCode, responseName, remark, retryable: false, cause: error }
  return new BrokerError(`${error.message}; ${hint}`, fields)
}

function hintOf(responseCode: number, { deliverMs }: RecallHandle): string | undefined {
  switch (responseCode) {
    case ResponseCode.NO_PERMISSION:
      return 'the broker needs recallMessageEnable=true, which is not the default'
    case ResponseCode.ILLEGAL_OPERATION:
      return `the message's time is ${isoTime(deliverMs)}: by the broker's clock it must lie ahead, and by less than its timerMaxDelaySec`
    case ResponseCode.SYSTEM_ERROR:
      return "it was not recalled; one reason can be the broker's timerWheelEnable=false, another that the message's time has just come"
    default:
      return undefined
  }
}

/** Of a time that came from elsewhere: not every number is one that a Date holds. */
function isoTime(ms: number): string {
  const time = new Date(ms)
  return Number.isNaN(time.getTime()) ? String(ms) : time.toISOString()
}
