import { defineCommand } from '../../codec/command.js'
import { JsonEntries, parseFastjson } from '../../codec/fastjson.js'
import { type Printable, PrintableEntries, printFastjson } from '../../codec/fastjson-writer.js'
import { boolean, long, optional, string } from '../../codec/header-field.js'
import { isAbsent, isJsonObject, JsonChecks } from '../../codec/json-value.js'
import type { MessageQueue } from '../../message/message.js'

/**
 * Sent by brokers, oneway, to all members of a group: an administrator wants a topic to be consumed from elsewhere. The body is read by {@link readResetOffsets}. What
 * `isForce` means is decided already: it is in the offsets.
 */
export const resetConsumerClientOffset = defineCommand({
  code: 220,
  name: 'RESET_CONSUMER_CLIENT_OFFSET',
  javaHeader: 'ResetOffsetRequestHeader',
  requestHeader: { topic: string(), group: string(), timestamp: long(), isForce: boolean() },
})

/** Sent by brokers: what would be committed of a topic's queues now? The answer's body is made by {@link encodeConsumerStatus}. */
export const getConsumerStatusFromClient = defineCommand({
  code: 221,
  name: 'GET_CONSUMER_STATUS_FROM_CLIENT',
  javaHeader: 'GetConsumerStatusRequestHeader',
  requestHeader: { topic: string(), group: string() },
})

/** Sent by brokers for a console: how is the consumer? The answer's body is made by {@link encodeRunningInfo}. */
export const getConsumerRunningInfo = defineCommand({
  code: 307,
  name: 'GET_CONSUMER_RUNNING_INFO',
  javaHeader: 'GetConsumerRunningInfoRequestHeader',
  requestHeader: { consumerGroup: string(), clientId: string(), jstackEnable: optional(boolean()) },
})

/** Sent by brokers for a console: consume this message, beside the queues. The body is the stored message; the answer's is made by {@link encodeDirectResult}. */
export const consumeMessageDirectly = defineCommand({
  code: 309,
  name: 'CONSUME_MESSAGE_DIRECTLY',
  javaHeader: 'ConsumeMessageDirectlyResultRequestHeader',
  requestHeader: {
    consumerGroup: string(),
    clientId: optional(string()),
    msgId: optional(string()),
    brokerName: optional(string()),
  },
})

export interface QueueOffset {
  readonly queue: MessageQueue
  readonly offset: number
}

/** One queue of a running info. Times are ms since the epoch. @see ProcessQueueInfo */
export interface ProcessQueueInfo {
  readonly commitOffset: number
  readonly cachedMsgMinOffset: number
  readonly cachedMsgMaxOffset: number
  readonly cachedMsgCount: number
  readonly cachedMsgSizeInMiB: number
  /** What an orderly handler has. */
  readonly transactionMsgMinOffset: number
  readonly transactionMsgMaxOffset: number
  readonly transactionMsgCount: number
  readonly locked: boolean
  readonly tryUnlockTimes: number
  readonly lastLockTimestamp: number
  /** Java spells it so. */
  readonly droped: boolean
  readonly lastPullTimestamp: number
  readonly lastConsumeTimestamp: number
}

/** One queue that is popped. @see PopProcessQueueInfo */
export interface PopProcessQueueInfo {
  readonly waitAckCount: number
  readonly droped: boolean
  readonly lastPopTimestamp: number
}

/** @see ConsumerRunningInfo */
export interface ConsumerRunningInfo {
  readonly properties: Readonly<Record<string, string>>
  /** As in a heartbeat. */
  readonly subscriptionSet: readonly object[]
  readonly mqTable: readonly (readonly [MessageQueue, ProcessQueueInfo])[]
  readonly mqPopTable: readonly (readonly [MessageQueue, PopProcessQueueInfo])[]
  /** By topic. @see ConsumeStatus */
  readonly statusTable: Readonly<Record<string, object>>
  readonly jstack: string | undefined
}

/** How a message that a console had consumed was taken. @see CMResult */
export type ConsumeResult = 'CR_SUCCESS' | 'CR_THROW_EXCEPTION'

/** @see ConsumeMessageDirectlyResult */
export interface ConsumeMessageDirectlyResult {
  readonly order: boolean
  readonly autoCommit: boolean
  readonly consumeResult: ConsumeResult
  readonly remark: string | undefined
  readonly spentTimeMills: number
}

/**
 * Where the queues of a reset are to be consumed from.
 *
 * @throws {@link MessageError} `JSON_MALFORMED`.
 */
export function readResetOffsets(body: Buffer): QueueOffset[] {
  const checks = new JsonChecks('a reset of offsets')
  if (body.length === 0) return []
  const { offsetTable } = checks.object(parseFastjson(body.toString('utf8')), 'the body')
  if (isAbsent(offsetTable) || (isJsonObject(offsetTable) && Object.keys(offsetTable).length === 0)) return []
  if (!(offsetTable instanceof JsonEntries)) throw checks.fault('offsetTable', offsetTable, 'a map by queue')
  return offsetTable.entries.map(([key, value], i) => {
    const queue = checks.messageQueue(key, `offsetTable[${i}]`)
    const offset = checks.integer(value, `offsetTable[${i}].offset`)
    if (offset < 0) throw checks.fault(`offsetTable[${i}].offset`, offset, 'an offset from 0 on')
    return { queue, offset }
  })
}

/** `GetConsumerStatusBody`. */
export function encodeConsumerStatus(offsets: readonly QueueOffset[]): Buffer {
  return encode({
    consumerTable: {},
    messageQueueTable: byQueue(offsets.map(({ queue, offset }) => [queue, offset] as const)),
  })
}

export function encodeRunningInfo(info: ConsumerRunningInfo): Buffer {
  return encode({
    ...info,
    subscriptionSet: info.subscriptionSet as readonly Printable[],
    statusTable: info.statusTable as Record<string, Printable>,
    mqTable: byQueue(info.mqTable),
    mqPopTable: byQueue(info.mqPopTable),
    userConsumerInfo: {},
  })
}

export function encodeDirectResult(result: ConsumeMessageDirectlyResult): Buffer {
  return encode({ ...result })
}

function byQueue(entries: readonly (readonly [MessageQueue, object | number])[]): PrintableEntries {
  return new PrintableEntries(
    entries.map(([{ brokerName, queueId, topic }, value]) => [{ brokerName, queueId, topic }, value as Printable]),
  )
}

function encode(value: Printable): Buffer {
  return Buffer.from(printFastjson(value))
}
