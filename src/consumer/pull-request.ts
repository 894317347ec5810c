import type { Client } from '../client/client.js'
import type { Namespace } from '../client/namespace.js'
import type { SubscriptionData } from '../client/subscription-data.js'
import { type DecodedMessages, decodeMessages } from '../codec/message-codec.js'
import type { Properties } from '../codec/properties.js'
import type { StoredMessage } from '../codec/stored-message.js'
import { MessageError } from '../errors.js'
import type { MessageQueue } from '../message/message.js'
import { MessageProperty } from '../message/message-properties.js'
import { PullSysFlag } from '../message/sys-flag.js'
import { litePullMessage, pullMessage } from '../remoting/commands/pull.js'
import { type PullResult, type PullStatus, pullStatusOf } from './pull-result.js'
import { offsetOfFirstMessage } from './undecodable-message.js'

export interface PullRequest {
  readonly consumerGroup: string
  readonly queue: MessageQueue
  readonly subscription: SubscriptionData
  /** Brokers refuse a request that is newer than what the group's heartbeat said. */
  readonly subVersion: number
  /** Whether the expression goes with the request. Without it, brokers take what the group's heartbeat said. */
  readonly postSubscription: boolean
  readonly offset: number
  readonly maxNums: number
  /** How long the broker may hold the request when it finds nothing; 0: not at all. */
  readonly suspendTimeoutMillis: number
  readonly timeout: number
  readonly signal: AbortSignal | undefined
  readonly maxBodySize: number
  /** Whether it is a lite pull consumer that asks. */
  readonly isLite: boolean
}

/** Which broker is asked. */
export interface PullTarget {
  readonly address: string
  readonly isMaster: boolean
}

export interface StoredPullResult extends PullResult {
  readonly messages: StoredMessage[]
}

export interface PullAnswer {
  readonly result: StoredPullResult
  /** The id of the broker that had better be asked next: a slave when the master has too much to do. */
  readonly suggestWhichBrokerId: number
  /** What the broker said of its answer; where the offset was illegal, why. */
  readonly remark: string
  /** The first message can't be read: the result has none, its offset stays and `fault` says why. Whoever gives that message up goes on here. */
  readonly skipTo: number | undefined
}

/** The ordinal of `MQVersion.V5_1_4`. Brokers of 4.9 don't know the lite pull. */
const LITE_PULL_VERSION = 441

/**
 * One pull: request, decode, filter by tag once more (brokers compare hashes only).
 *
 * @throws {@link MessageError} when the answer's offset is none.
 * @see PullAPIWrapper
 */
export async function pullFrom(client: Client, target: PullTarget, request: PullRequest): Promise<PullAnswer> {
  const { address } = target
  const { queue, subscription } = request
  const isLite = request.isLite && client.remoting.serverVersion(address) >= LITE_PULL_VERSION
  const command = isLite ? litePullMessage : pullMessage
  const header = {
    consumerGroup: request.consumerGroup,
    topic: queue.topic,
    queueId: queue.queueId,
    queueOffset: request.offset,
    maxMsgNums: request.maxNums,
    sysFlag: sysFlagOf(request),
    // Java's offsets ride on pulls, too. Brokers store those beside what comes by itself, so that an older one may undo a newer one, the last of a queue included.
    commitOffset: 0,
    suspendTimeoutMillis: request.suspendTimeoutMillis,
    subscription: request.postSubscription ? subscription.subString : undefined,
    subVersion: request.subVersion,
    expressionType: subscription.expressionType,
    brokerName: queue.brokerName,
  }
  const { timeout, signal } = request
  const response = await client.remoting.invoke(address, command, header, { timeout, signal })
  const { nextBeginOffset, minOffset, maxOffset, suggestWhichBrokerId } = response.header
  const remark = response.command.remark ?? ''
  const pullStatus = pullStatusOf(response.code)
  if (pullStatus !== 'FOUND') {
    const next = nextOffset(pullStatus, request, nextBeginOffset, address)
    const result = { pullStatus, nextBeginOffset: next, minOffset, maxOffset, messages: [] }
    return { result, suggestWhichBrokerId, remark, skipTo: undefined }
  }
  const offsetDelta = response.header.offsetDelta ?? 0
  const { brokerName, queueId } = queue
  const options = { brokerName, queueId, maxBodySize: request.maxBodySize, offsetDelta }
  const decoded = inOrder(await decodeMessages(response.body, options))
  const found = keepOffsetBehindFault(decoded, request, nextBeginOffset, address)
  const range = { [MessageProperty.MIN_OFFSET]: String(minOffset), [MessageProperty.MAX_OFFSET]: String(maxOffset) }
  const messages = wantedMessages(decoded.messages, request, client.namespace, range)
  const isStuck = found.fault !== undefined && found.nextBeginOffset === request.offset
  const skipTo = isStuck ? offsetOfFirstMessage(response.body, request.offset, offsetDelta) + 1 : undefined
  return { result: { pullStatus, minOffset, maxOffset, messages, ...found }, suggestWhichBrokerId, remark, skipTo }
}

function sysFlagOf(request: PullRequest): number {
  let sysFlag = 0
  if (request.suspendTimeoutMillis > 0) sysFlag |= PullSysFlag.SUSPEND
  if (request.postSubscription) sysFlag |= PullSysFlag.SUBSCRIPTION
  if (request.isLite) sysFlag |= PullSysFlag.LITE_PULL
  return sysFlag
}

/** Without messages the offset stays or moves on; only where it lay outside the queue it may go back. */
function nextOffset(pullStatus: PullStatus, request: PullRequest, nextBeginOffset: number, address: string): number {
  if (nextBeginOffset < 0) throw pullFault(request, address, incomplete(request, nextBeginOffset, undefined))
  return pullStatus === 'OFFSET_ILLEGAL' ? nextBeginOffset : Math.max(request.offset, nextBeginOffset)
}

/** Ends before a message that does not follow the one before it: the offset of what is delivered says what is not. */
function inOrder(decoded: DecodedMessages): DecodedMessages {
  const { messages } = decoded
  for (let i = 1; i < messages.length; i++) {
    const { queueOffset } = messages[i] as StoredMessage
    const before = (messages[i - 1] as StoredMessage).queueOffset
    if (queueOffset > before) continue
    const fault = new MessageError('MESSAGE_MALFORMED', `the message at ${queueOffset} comes behind that at ${before}`)
    return { messages: messages.slice(0, i), fault }
  }
  return decoded
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
  return { nextBeginOffset: isBeyond ? last.queueOffset + 1 : request.offset, fault }
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

/**
 * What was asked for, as users know it: without the first part of a batch that is stored as one message, without other tags, without namespace.
 *
 * @see PullAPIWrapper.processPullResult
 */
function wantedMessages(
  decoded: StoredMessage[],
  { offset, subscription }: PullRequest,
  namespace: Namespace,
  range: Properties,
): StoredMessage[] {
  const { tagsSet } = subscription
  const hasNamespace = namespace.name !== undefined
  const messages: StoredMessage[] = []
  for (const message of decoded) {
    if (message.queueOffset < offset) continue
    if (tagsSet.length > 0) {
      const { tags } = message
      if (tags === undefined || !tagsSet.includes(tags)) continue
    }
    const wanted = hasNamespace ? message.derive({ topic: namespace.unwrap(message.topic) }, message.body) : message
    wanted.addProperties(range)
    messages.push(wanted)
  }
  return messages
}
