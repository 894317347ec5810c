import type { Client } from '../client/client.js'
import type { SubscriptionData } from '../client/subscription-data.js'
import { type DecodedMessages, decodeMessages } from '../codec/message-codec.js'
import type { StoredMessage } from '../codec/stored-message.js'
import { MessageError } from '../errors.js'
import type { MessageQueue } from '../message/message.js'
import { MessageProperty } from '../message/message-properties.js'
import { PullSysFlag } from '../message/sys-flag.js'
import { pullMessage } from '../remoting/commands/pull.js'
import { type PullResult, type PullStatus, pullStatusOf } from './pull-result.js'

export interface PullRequest {
  readonly consumerGroup: string
  readonly queue: MessageQueue
  readonly subscription: SubscriptionData
  readonly offset: number
  readonly maxNums: number
  /** How long the broker may hold the request when it finds nothing; 0: not at all. */
  readonly suspendTimeoutMillis: number
  readonly timeout: number
  readonly signal: AbortSignal | undefined
  readonly maxBodySize: number
}

export interface PullAnswer {
  readonly result: PullResult
  /** The id of the broker that had better be asked next: a slave when the master has too much to do. */
  readonly suggestWhichBrokerId: number
}

/**
 * One pull: request, decode, filter by tag once more (brokers compare hashes only).
 *
 * @throws {@link MessageError} when already the first message can't be read; then nothing was delivered and the offset must stay.
 * @see PullAPIWrapper
 */
export async function pullFrom(client: Client, address: string, request: PullRequest): Promise<PullAnswer> {
  const { queue, subscription } = request
  const header = {
    consumerGroup: request.consumerGroup,
    topic: queue.topic,
    queueId: queue.queueId,
    queueOffset: request.offset,
    maxMsgNums: request.maxNums,
    sysFlag: PullSysFlag.SUBSCRIPTION | (request.suspendTimeoutMillis > 0 ? PullSysFlag.SUSPEND : 0),
    commitOffset: 0,
    suspendTimeoutMillis: request.suspendTimeoutMillis,
    subscription: subscription.subString,
    subVersion: 0,
    expressionType: subscription.expressionType,
    brokerName: queue.brokerName,
  }
  const { timeout, signal } = request
  const { code, header: answer, body } = await client.remoting.invoke(address, pullMessage, header, { timeout, signal })
  const { nextBeginOffset, minOffset, maxOffset, suggestWhichBrokerId } = answer
  const pullStatus = pullStatusOf(code)
  if (pullStatus !== 'FOUND') {
    const next = nextOffset(pullStatus, request, nextBeginOffset, address)
    return { result: { pullStatus, nextBeginOffset: next, minOffset, maxOffset, messages: [] }, suggestWhichBrokerId }
  }
  const options = {
    brokerName: queue.brokerName,
    maxBodySize: request.maxBodySize,
    offsetDelta: answer.offsetDelta ?? 0,
  }
  const decoded = await decodeMessages(body, options)
  const found = keepOffsetBehindFault(decoded, request, nextBeginOffset, address)
  const messages = filterByTag(fromOffset(decoded.messages, request.offset), subscription)
  const range = { [MessageProperty.MIN_OFFSET]: String(minOffset), [MessageProperty.MAX_OFFSET]: String(maxOffset) }
  for (const message of messages) message.addProperties(range)
  return { result: { pullStatus, minOffset, maxOffset, messages, ...found }, suggestWhichBrokerId }
}

/** Without messages the offset stays or moves on; only where it lay outside the queue it may go back. */
function nextOffset(pullStatus: PullStatus, request: PullRequest, nextBeginOffset: number, address: string): number {
  if (nextBeginOffset < 0) throw pullFault(request, address, incomplete(request, nextBeginOffset, undefined))
  return pullStatus === 'OFFSET_ILLEGAL' ? nextBeginOffset : Math.max(request.offset, nextBeginOffset)
}

/** The offset moves to the server's next one only if everything before it was delivered; else just behind the last message that was. */
function keepOffsetBehindFault(
  decoded: DecodedMessages,
  request: PullRequest,
  nextBeginOffset: number,
  address: string,
): { nextBeginOffset: number; fault?: MessageError } {
  const last = decoded.messages.at(-1)
  const isBeyond = last !== undefined && last.queueOffset >= request.offset
  if (decoded.fault === undefined && isBeyond && nextBeginOffset > last.queueOffset) return { nextBeginOffset }
  const fault = pullFault(request, address, decoded.fault ?? incomplete(request, nextBeginOffset, last))
  if (!isBeyond) throw fault
  return { nextBeginOffset: last.queueOffset + 1, fault }
}

function pullFault({ queue, offset }: PullRequest, address: string, fault: MessageError): MessageError {
  return new MessageError(
    fault.code as 'MESSAGE_MALFORMED',
    `pulling ${queue.topic} ${queue.brokerName}[${queue.queueId}] at ${offset} from ${address}: ${fault.message}`,
    { cause: fault, retryable: true, ...(fault.position === undefined ? undefined : { position: fault.position }) },
  )
}

function incomplete(request: PullRequest, nextBeginOffset: number, last: StoredMessage | undefined): MessageError {
  const { queue, offset } = request
  const end = last === undefined ? 'without a message' : `ending at ${last.queueOffset}`
  return new MessageError(
    'MESSAGE_MALFORMED',
    `an answer ${end} says that queue ${queue.queueId} goes on from ${offset} at ${nextBeginOffset}`,
  )
}

/** A batch that is stored as one message comes whole, also when its middle was asked for. */
function fromOffset(messages: StoredMessage[], offset: number): StoredMessage[] {
  const [first] = messages
  const isExact = first === undefined || first.queueOffset >= offset
  return isExact ? messages : messages.filter((message) => message.queueOffset >= offset)
}

function filterByTag(messages: StoredMessage[], subscription: SubscriptionData): StoredMessage[] {
  if (subscription.tagsSet.length === 0) return messages
  return messages.filter((message) => {
    const { tags } = message
    return tags !== undefined && subscription.tagsSet.includes(tags)
  })
}
