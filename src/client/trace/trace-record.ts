/** In the order of Java's `MessageType`, whose ordinals stand in the records. */
export const TRACE_MESSAGE_TYPES = [
  'Normal_Msg',
  'Trans_Msg_Half',
  'Trans_msg_Commit',
  'Delay_Msg',
  'Order_Msg',
] as const
export type TraceMessageType = (typeof TRACE_MESSAGE_TYPES)[number]

/** How a listener ended, in the order of Java's `ConsumeReturnType`. */
export const CONSUME_RETURN_TYPES = ['SUCCESS', 'TIME_OUT', 'EXCEPTION', 'RETURNNULL', 'FAILED'] as const
export type ConsumeReturnType = (typeof CONSUME_RETURN_TYPES)[number]

interface TraceRecordBase {
  /** Of the traced message, as the user knows it: without namespace. */
  readonly topic: string
  /** As the broker said; it says none only where it is older, or stored the message as part of a batch. */
  readonly regionId: string | undefined
}

/** An attempt to send that a broker answered. */
export interface PubRecord extends TraceRecordBase {
  readonly traceType: 'Pub'
  /** In ms since the epoch. */
  readonly startedAt: number
  readonly msgId: string
  readonly offsetMsgId: string
  readonly tags?: string | undefined
  /** With a space between, as in the property `KEYS`. */
  readonly keys?: string | undefined
  /** `host:port` of the broker. */
  readonly storeHost: string
  /** Of the body as it was sent, in bytes. */
  readonly bodyLength: number
  /** In milliseconds. */
  readonly cost: number
  readonly msgType: TraceMessageType
  /** Whether the status was `SEND_OK`. */
  readonly success: boolean
  /** `false` when the broker said `TRACE_ON=false`: then the record is left out. */
  readonly traceOn?: boolean | undefined
}

/** One message of a {@link SubBeforeRecord} or {@link SubAfterRecord}. */
export interface TracedMessage {
  readonly msgId: string
  readonly retryTimes: number
  readonly keys?: string | undefined
}

/** Messages that are about to be handed to a listener. */
export interface SubBeforeRecord extends TraceRecordBase {
  readonly traceType: 'SubBefore'
  readonly timestamp: number
  /** A unique id that the record of the end has too. */
  readonly requestId: string
  readonly messages: readonly TracedMessage[]
}

/** Messages that a listener is done with. */
export interface SubAfterRecord extends TraceRecordBase {
  readonly traceType: 'SubAfter'
  readonly timestamp: number
  readonly requestId: string
  readonly messages: readonly TracedMessage[]
  /** For each of the messages, in milliseconds. */
  readonly cost: number
  readonly success: boolean
  readonly returnType: ConsumeReturnType
}

/** A transaction that its producer ended. */
export interface EndTransactionRecord extends TraceRecordBase {
  readonly traceType: 'EndTransaction'
  readonly timestamp: number
  readonly msgId: string
  readonly tags?: string | undefined
  readonly keys?: string | undefined
  readonly storeHost: string
  readonly transactionId: string | undefined
  readonly transactionState: 'COMMIT' | 'ROLLBACK' | 'UNKNOWN'
  /** Whether the broker had asked. */
  readonly fromTransactionCheck: boolean
}

/** A timer message that was called back. */
export interface RecallRecord extends TraceRecordBase {
  readonly traceType: 'Recall'
  readonly timestamp: number
  readonly msgId: string
  readonly success: boolean
}

/** What a member tells of a message's way. A plain object, kept until it is encoded: it must not be changed. */
export type TraceRecord = PubRecord | SubBeforeRecord | SubAfterRecord | EndTransactionRecord | RecallRecord
