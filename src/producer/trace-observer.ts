import type { TraceDispatcher } from '../client/trace/trace-dispatcher.js'
import type { PubRecord, TraceMessageType } from '../client/trace/trace-record.js'
import { findProperty } from '../codec/properties.js'
import type { Message } from '../message/message.js'
import { MessageProperty } from '../message/message-properties.js'
import { monotonicNow } from '../remoting/deadline.js'
import type { OutgoingMessage } from './outgoing-message.js'
import type { EndTransactionContext } from './producer-hooks.js'
import type { SendAttemptView, SendObserver } from './send-observer.js'
import type { SendResult } from './send-result.js'

/**
 * Writes a trace record for each attempt that a broker answered.
 *
 * @see SendMessageTraceHookImpl
 */
export function traceObserver(dispatcher: TraceDispatcher): SendObserver {
  return {
    after(attempt, result) {
      if (result === undefined) return
      const record = pubRecord(attempt, result)
      if (!attempt.outgoing.isBatch) dispatcher.append(record)
      else for (const part of partRecords(attempt.messages, record)) dispatcher.append(part)
    },
  }
}

/** @see EndTransactionTraceHookImpl */
export function traceEndTransaction(dispatcher: TraceDispatcher, context: EndTransactionContext): void {
  const { message, msgId, brokerAddress, transactionId, transactionState, fromTransactionCheck } = context
  dispatcher.append({
    traceType: 'EndTransaction',
    timestamp: Date.now(),
    topic: message.topic,
    regionId: undefined,
    msgId,
    tags: message.tags,
    keys: keysOf(message),
    storeHost: brokerAddress,
    transactionId,
    transactionState,
    fromTransactionCheck,
  })
}

function pubRecord({ outgoing, messages, address, startedAt }: SendAttemptView, result: SendResult): PubRecord {
  const cost = monotonicNow() - startedAt
  const { msgId, offsetMsgId, regionId, sendStatus } = result
  return {
    traceType: 'Pub',
    startedAt: Date.now() - Math.round(cost),
    topic: messages[0]?.topic ?? outgoing.topic,
    regionId,
    msgId,
    offsetMsgId,
    tags: findProperty(outgoing.properties, MessageProperty.TAGS),
    keys: findProperty(outgoing.properties, MessageProperty.KEYS),
    storeHost: address,
    bodyLength: outgoing.body.length,
    cost: Math.round(cost),
    msgType: messageTypeOf(outgoing),
    success: sendStatus === 'SEND_OK',
    traceOn: result.traceOn,
  }
}

/** One for each message, so that each is found by its id: Java has one for the batch, which no tool finds. */
function partRecords(messages: readonly Message[], batch: PubRecord): PubRecord[] {
  const msgIds = batch.msgId.split(',')
  const offsetMsgIds = batch.offsetMsgId.split(',')
  return messages.map((message, i) => ({
    ...batch,
    msgId: msgIds[i] ?? batch.msgId,
    offsetMsgId: offsetMsgIds[i] ?? batch.offsetMsgId,
    tags: message.tags,
    keys: keysOf(message),
    bodyLength: Buffer.byteLength(message.body),
  }))
}

function messageTypeOf({ kind, isDelayed }: OutgoingMessage): TraceMessageType {
  if (kind === 'HALF') return 'Trans_Msg_Half'
  return isDelayed ? 'Delay_Msg' : 'Normal_Msg'
}

function keysOf({ keys }: Message): string | undefined {
  if (keys === undefined || typeof keys === 'string') return keys
  return keys.length > 0 ? keys.join(' ') : undefined
}
