import type { TransactionCheck } from '../client/transaction-checks.js'
import type { LocalTransactionState } from './local-transaction.js'

/**
 * A transaction that is executed or checked here now.
 *
 * A broker stores the message anew for each of its questions, and delivers every copy that it is told to commit. So only the newest question is answered, and
 * one that has been answered by the local transaction's end isn't answered again by its check.
 */
export class OpenTransaction {
  readonly transactionId: string
  /** The newest question. */
  check: TransactionCheck | undefined
  isExecuting = false
  /** Its check waits or runs. */
  isChecking = false
  #answered: { check: TransactionCheck; state: LocalTransactionState } | undefined

  constructor(transactionId: string) {
    this.transactionId = transactionId
  }

  /** Takes note of an answer to the newest question; that the state is unknown is none. */
  answer(state: LocalTransactionState): void {
    if (this.check !== undefined && state !== 'UNKNOWN') this.#answered = { check: this.check, state }
  }

  /** What the newest question was answered, if it was. */
  get answered(): LocalTransactionState | undefined {
    return this.#answered?.check === this.check ? this.#answered?.state : undefined
  }
}

export interface CheckLimits {
  readonly checkConcurrency: number
  readonly checkRequestHoldMax: number
}

/** Bytes of the messages that wait for their check. */
const MAX_WAITING_BYTES = 64 * 1024 * 1024

/** The transactions that are executed or checked here now, and the queue of those that wait for their check. */
export class OpenTransactions {
  readonly #limits: CheckLimits
  readonly #runCheck: (transaction: OpenTransaction, check: TransactionCheck) => Promise<void>
  readonly #open = new Map<string, OpenTransaction>()
  readonly #waiting = new Map<OpenTransaction, number>()
  #waitingBytes = 0
  #running = 0
  #isClosed = false

  /** @param runCheck - Must not reject. */
  constructor(limits: CheckLimits, runCheck: (transaction: OpenTransaction, check: TransactionCheck) => Promise<void>) {
    this.#limits = limits
    this.#runCheck = runCheck
  }

  /** Takes note that the local transaction of a message is executed here. */
  begin(transactionId: string): OpenTransaction {
    const transaction = this.#get(transactionId)
    transaction.isExecuting = true
    return transaction
  }

  /** Forgets a transaction whose execution or check has ended, unless there is the other one too. */
  end(transaction: OpenTransaction): void {
    if (!transaction.isExecuting && !transaction.isChecking) this.#open.delete(transaction.transactionId)
  }

  /**
   * Takes a question of a broker. One about a transaction whose check waits or runs already replaces the older question.
   *
   * @returns false when it is dropped: too many wait, or it was closed.
   */
  add(check: TransactionCheck): boolean {
    if (this.#isClosed) return false
    const transaction = this.#get(check.message.msgId)
    transaction.check = check
    if (transaction.isChecking) return true
    if (this.#running < this.#limits.checkConcurrency) {
      void this.#run(transaction)
      return true
    }
    if (!this.#hasRoom(check)) {
      this.end(transaction)
      return false
    }
    transaction.isChecking = true
    this.#waiting.set(transaction, check.bytes.length)
    this.#waitingBytes += check.bytes.length
    return true
  }

  /** Lets no further check begin, and drops those that wait: the broker asks other members of the group. @returns how many were dropped. */
  close(): number {
    this.#isClosed = true
    const dropped = this.#waiting.size
    this.#waiting.clear()
    return dropped
  }

  #get(transactionId: string): OpenTransaction {
    let transaction = this.#open.get(transactionId)
    if (transaction === undefined) {
      transaction = new OpenTransaction(transactionId)
      this.#open.set(transactionId, transaction)
    }
    return transaction
  }

  #hasRoom(check: TransactionCheck): boolean {
    const { checkRequestHoldMax } = this.#limits
    return this.#waiting.size < checkRequestHoldMax && this.#waitingBytes + check.bytes.length <= MAX_WAITING_BYTES
  }

  async #run(transaction: OpenTransaction): Promise<void> {
    this.#running++
    transaction.isChecking = true
    if (transaction.check !== undefined) await this.#runCheck(transaction, transaction.check)
    transaction.isChecking = false
    this.#running--
    this.end(transaction)
    this.#runNext()
  }

  #runNext(): void {
    for (const [transaction, bytes] of this.#waiting) {
      if (this.#running >= this.#limits.checkConcurrency) return
      this.#waiting.delete(transaction)
      this.#waitingBytes -= bytes
      void this.#run(transaction)
    }
  }
}
