import { defineCommand, type Header } from '../../codec/command.js'
import { boolean, int, long, optional, string } from '../../codec/header-field.js'

/** Always sent oneway: a broker does not answer a state that is unknown. */
export const endTransaction = defineCommand({
  code: 37,
  name: 'END_TRANSACTION',
  javaHeader: 'EndTransactionRequestHeader',
  requestHeader: {
    topic: optional(string()),
    producerGroup: string(),
    tranStateTableOffset: long(),
    commitLogOffset: long(),
    commitOrRollback: int(),
    fromTransactionCheck: optional(boolean()),
    msgId: string(),
    transactionId: optional(string()),
    brokerName: optional(string('bname')),
  },
})

const checkTransactionStateHeader = {
  topic: optional(string()),
  tranStateTableOffset: long(),
  commitLogOffset: long(),
  msgId: optional(string()),
  transactionId: optional(string()),
  offsetMsgId: optional(string()),
  brokerName: optional(string('bname')),
} as const

/** Sent by brokers, oneway; its body is the half message. The answer is an {@link endTransaction} with these offsets. */
export const checkTransactionState = defineCommand({
  code: 39,
  name: 'CHECK_TRANSACTION_STATE',
  javaHeader: 'CheckTransactionStateRequestHeader',
  requestHeader: checkTransactionStateHeader,
})

export type CheckTransactionStateHeader = Header<typeof checkTransactionStateHeader>
