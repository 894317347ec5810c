import type { Client } from '../client/client.js'
import type { TransactionCheck } from '../client/transaction-checks.js'
import { parseOffsetMsgId } from '../codec/message-id.js'
import { RemotingError } from '../errors.js'
import type { Message } from '../message/message.js'
import { MessageSysFlag } from '../message/sys-flag.js'
import { endTransaction } from '../remoting/commands/transaction.js'
import type { LocalOutcome, LocalTransactionState } from './local-transaction.js'
import type { SendResult } from './send-result.js'

/** `commitOrRollback` of the command. */
const DECISION: Readonly<Record<LocalTransactionState, number>> = {
  COMMIT: MessageSysFlag.TRANSACTION_COMMIT,
  ROLLBACK: MessageSysFlag.TRANSACTION_ROLLBACK,
  UNKNOWN: 0,
}

/** Enough to tell what went wrong in the broker's log. */
const MAX_REMARK = 1024

/** Which copy of a half message is to be ended, and where it is. */
export interface TransactionEnd {
  readonly address: string
  /** As the broker knows it. */
  readonly topic: string
  readonly brokerName: string
  readonly tranStateTableOffset: number
  readonly commitLogOffset: number
  readonly msgId: string
  readonly transactionId: string
  readonly fromTransactionCheck: boolean
}

/**
 * The end of a message that was sent here: at the master of the broker that stored it.
 *
 * @throws {@link RemotingError} `CONNECT_FAILED` when the broker has no master now; {@link ClientError}, {@link MessageError} for a send result that can't be used.
 * @see DefaultMQProducerImpl.endTransaction
 */
export function endOfSend(client: Client, message: Message, result: SendResult): TransactionEnd {
  const brokerName = client.routes.brokerNameOfQueue(client.namespace.wrapQueue(result.messageQueue))
  const address = client.masterAddress(brokerName)
  if (address === undefined) {
    const problem = `the end of transaction ${result.msgId} was not sent: broker ${brokerName} has no master in the routes`
    throw new RemotingError('CONNECT_FAILED', problem, { address: brokerName })
  }
  return {
    address,
    topic: client.namespace.wrap(message.topic),
    brokerName,
    tranStateTableOffset: result.queueOffset,
    commitLogOffset: parseOffsetMsgId(result.offsetMsgId).commitLogOffset,
    msgId: result.msgId,
    transactionId: result.transactionId ?? result.msgId,
    fromTransactionCheck: false,
  }
}

/**
 * The end of a message that a broker asked for: of the copy that it made for its question. The topic is the message's own, not that of the header, which is a
 * system topic that nobody may publish to.
 *
 * @see DefaultMQProducerImpl.checkTransactionState
 */
export function endOfCheck({ header, address, brokerName, message }: TransactionCheck): TransactionEnd {
  const { tranStateTableOffset, commitLogOffset, transactionId = message.msgId } = header
  return {
    address,
    topic: message.topic,
    brokerName,
    tranStateTableOffset,
    commitLogOffset,
    msgId: message.msgId,
    transactionId,
    fromTransactionCheck: true,
  }
}

/** Tells a broker how a transaction has ended. It gives no answer, so that nobody knows whether it has heard. */
export function sendEnd(
  client: Client,
  producerGroup: string,
  end: TransactionEnd,
  { state, error }: LocalOutcome,
  timeout: number,
): Promise<void> {
  const { address, ...header } = end
  const what = end.fromTransactionCheck ? 'checkLocalTransaction' : 'executeLocalTransaction'
  const remark = error === undefined ? undefined : `${what}: ${error}`.slice(0, MAX_REMARK)
  const options = { timeout, remark }
  return client.remoting.invokeOneway(
    address,
    endTransaction,
    { ...header, producerGroup, commitOrRollback: DECISION[state] },
    options,
  )
}
