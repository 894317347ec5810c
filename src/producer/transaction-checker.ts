import type { Client } from '../client/client.js'
import type { TransactionCheck } from '../client/transaction-checks.js'
import { decodeMessages } from '../codec/message-codec.js'
import type { Message, MessageExt } from '../message/message.js'
import { type LocalOutcome, localOutcome, toMessage } from './local-transaction.js'
import type { OpenTransaction } from './open-transactions.js'
import { endOfCheck, type TransactionEnd } from './transaction-end.js'
import type { TransactionProducerOptions } from './transaction-options.js'

export interface TransactionCheckerOptions {
  readonly checkLocalTransaction: TransactionProducerOptions['checkLocalTransaction']
  /** Of a decompressed body, in bytes. */
  readonly maxBodySize: number
  readonly end: (end: TransactionEnd, message: Message, outcome: LocalOutcome) => Promise<void>
  readonly report: (error: unknown, what: string) => void
}

/** Has the user's function say how a transaction has ended, and tells the broker that asked. */
export class TransactionChecker {
  readonly #client: Client
  readonly #options: TransactionCheckerOptions

  constructor(client: Client, options: TransactionCheckerOptions) {
    this.#client = client
    this.#options = options
  }

  /** Never rejects: what goes wrong is reported, and the broker asks again. */
  async check(transaction: OpenTransaction, asked: TransactionCheck): Promise<void> {
    const { checkLocalTransaction, end, report } = this.#options
    const { transactionId } = transaction
    try {
      const message = await this.#decode(asked)
      const outcome = await localOutcome('checkLocalTransaction', () => checkLocalTransaction(message))
      if (outcome.error !== undefined)
        report(outcome.error, `the check of transaction ${transactionId} failed, its state is unknown`)
      const { check = asked, answered } = transaction
      // The local transaction ended meanwhile and has answered this very question.
      if (answered !== undefined) return
      transaction.answer(outcome.state)
      await end(endOfCheck(check), toMessage(message), outcome)
    } catch (error) {
      report(error, `the check of transaction ${transactionId} was not answered; the broker will ask again`)
    }
  }

  async #decode({ bytes, brokerName }: TransactionCheck): Promise<MessageExt> {
    const { messages, fault } = await decodeMessages(bytes, { brokerName, maxBodySize: this.#options.maxBodySize })
    const [message] = messages
    if (message === undefined) throw fault
    return message.derive({ topic: this.#client.namespace.unwrap(message.topic) }, message.body)
  }
}
