import {
  CONSUME_RETURN_TYPES,
  type EndTransactionRecord,
  type PubRecord,
  type SubAfterRecord,
  type SubBeforeRecord,
  TRACE_MESSAGE_TYPES,
  type TraceRecord,
} from './trace-record.js'

/** Between two fields (`TraceConstants.CONTENT_SPLITOR`). */
const FIELD_END = '\u0001'
/** Behind each record (`TraceConstants.FIELD_SPLITOR`). */
const RECORD_END = '\u0002'
const KEY_SEPARATOR = ' '
/** `MixAll.DEFAULT_TRACE_REGION_ID`. */
const DEFAULT_REGION = 'DefaultRegion'
const TRANSACTION_COMMIT = TRACE_MESSAGE_TYPES.indexOf('Trans_msg_Commit')

const TRANSACTION_STATES = { COMMIT: 'COMMIT_MESSAGE', ROLLBACK: 'ROLLBACK_MESSAGE', UNKNOWN: 'UNKNOW' } as const

/**
 * A record as text; those about several messages have a line for each.
 *
 * @param groupName - Of the member, without namespace.
 * @see TraceDataEncoder.encoderFromContextBean
 */
export function encodeTraceRecord(record: TraceRecord, groupName: string): string {
  switch (record.traceType) {
    case 'Pub':
      return encodePub(record, groupName)
    case 'SubBefore':
      return encodeSubBefore(record, groupName)
    case 'SubAfter':
      return encodeSubAfter(record, groupName)
    case 'EndTransaction':
      return encodeEndTransaction(record, groupName)
    case 'Recall':
      return line([...head(record, record.timestamp, groupName), record.topic, record.msgId, record.success])
  }
}

/** What a record is to be found by: the messages' ids before their keys. */
export function traceKeys(record: TraceRecord): string[] {
  const messages: readonly Found[] = 'messages' in record ? record.messages : [record]
  const found: string[] = []
  for (const { msgId } of messages) found.push(msgId)
  for (const { keys } of messages) {
    if (keys === undefined) continue
    for (const key of keys.split(KEY_SEPARATOR)) if (key !== '') found.push(key)
  }
  return found
}

interface Found {
  readonly msgId: string
  readonly keys?: string | undefined
}

function encodePub(record: PubRecord, groupName: string): string {
  return line([
    ...head(record, record.startedAt, groupName),
    record.topic,
    record.msgId,
    record.tags,
    record.keys,
    record.storeHost,
    record.bodyLength,
    whole(record.cost),
    TRACE_MESSAGE_TYPES.indexOf(record.msgType),
    record.offsetMsgId,
    record.success,
  ])
}

function encodeSubBefore(record: SubBeforeRecord, groupName: string): string {
  const first = [...head(record, record.timestamp, groupName), record.requestId]
  let text = ''
  for (const { msgId, retryTimes, keys } of record.messages) text += line([...first, msgId, retryTimes, keys])
  return text
}

function encodeSubAfter(record: SubAfterRecord, groupName: string): string {
  const { traceType, requestId, cost, success, returnType, timestamp } = record
  const code = CONSUME_RETURN_TYPES.indexOf(returnType)
  let text = ''
  for (const { msgId, keys } of record.messages) {
    text += line([traceType, requestId, msgId, whole(cost), success, keys, code, whole(timestamp), groupName])
  }
  return text
}

function encodeEndTransaction(record: EndTransactionRecord, groupName: string): string {
  return line([
    ...head(record, record.timestamp, groupName),
    record.topic,
    record.msgId,
    record.tags,
    record.keys,
    record.storeHost,
    TRANSACTION_COMMIT,
    record.transactionId,
    TRANSACTION_STATES[record.transactionState],
    record.fromTransactionCheck,
  ])
}

type Field = string | number | boolean | undefined

function head({ traceType, regionId }: TraceRecord, time: number, groupName: string): Field[] {
  return [traceType, whole(time), regionId || DEFAULT_REGION, groupName]
}

function line(fields: readonly Field[]): string {
  let text = ''
  for (let i = 0; i < fields.length; i++) {
    if (i > 0) text += FIELD_END
    // As Java prints what is absent.
    text += fields[i] ?? 'null'
  }
  return text + RECORD_END
}

/** Readers parse whole numbers only. */
function whole(value: number): number {
  return Math.max(0, Math.round(value))
}
