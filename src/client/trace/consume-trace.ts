import type { MessageExt } from '../../message/message.js'
import { MessageProperty } from '../../message/message-properties.js'
import type { TraceDispatcher } from './trace-dispatcher.js'
import type { ConsumeReturnType, TracedMessage } from './trace-record.js'

/** So that the ids of a record's messages fit into the keys of one trace message. */
const MESSAGES_PER_RECORD = 100

/**
 * The trace of messages that one call hands to a listener: begun before the call, ended after it.
 *
 * @see ConsumeMessageTraceHookImpl
 */
export class ConsumeTrace {
  readonly #dispatcher: TraceDispatcher
  readonly #topic: string
  readonly #regionId: string | undefined
  readonly #startedAt: number
  readonly #messageCount: number
  /** Each part has its own request id: by it, the two records are brought together. */
  readonly #parts: { readonly requestId: string; readonly messages: readonly TracedMessage[] }[] = []

  /** Appends the record of the beginning. Messages whose broker said `TRACE_ON=false` are left out. */
  constructor(dispatcher: TraceDispatcher, messages: readonly MessageExt[], now: number = Date.now()) {
    const traced = messages.filter(({ properties }) => properties[MessageProperty.TRACE_ON] !== 'false')
    this.#dispatcher = dispatcher
    this.#topic = traced[0]?.topic ?? ''
    this.#regionId = traced.at(-1)?.properties[MessageProperty.MSG_REGION]
    this.#startedAt = now
    this.#messageCount = messages.length
    for (let at = 0; at < traced.length; at += MESSAGES_PER_RECORD) {
      const part = traced.slice(at, at + MESSAGES_PER_RECORD).map(toTracedMessage)
      this.#parts.push({ requestId: dispatcher.newRequestId(), messages: part })
    }
    const base = { topic: this.#topic, regionId: this.#regionId, timestamp: now }
    for (const part of this.#parts) dispatcher.append({ traceType: 'SubBefore', ...base, ...part })
  }

  /** Appends the record of the end. */
  end(success: boolean, returnType: ConsumeReturnType, now: number = Date.now()): void {
    // As in Java: each message's share.
    const cost = Math.floor((now - this.#startedAt) / this.#messageCount)
    const base = { topic: this.#topic, regionId: this.#regionId, timestamp: now, cost, success, returnType }
    for (const part of this.#parts) this.#dispatcher.append({ traceType: 'SubAfter', ...base, ...part })
  }
}

/** Properties are read here, while the message is at hand: a record that waits must not keep its body. */
function toTracedMessage({ msgId, reconsumeTimes, properties }: MessageExt): TracedMessage {
  return { msgId, retryTimes: reconsumeTimes, keys: properties[MessageProperty.KEYS] }
}
