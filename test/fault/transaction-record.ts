import { appendFileSync, readFileSync } from 'node:fs'
import type { LocalTransactionState } from '../../src/producer/local-transaction.js'

/** What local transactions have written, in a file: it outlives the process that wrote it, as a database does. */
export class TransactionRecord {
  readonly #file: string

  constructor(file: string) {
    this.#file = file
  }

  write(key: string, state: LocalTransactionState): void {
    appendFileSync(this.#file, `${key} ${state}\n`)
  }

  /** How each local transaction ended, by the key of its message. */
  read(): Map<string, LocalTransactionState> {
    const lines = readFileSync(this.#file, 'utf8').split('\n').filter(Boolean)
    return new Map(lines.map((line) => line.split(' ') as [string, LocalTransactionState]))
  }

  keysOf(state: LocalTransactionState): string[] {
    return [...this.read()].filter(([, each]) => each === state).map(([key]) => key)
  }
}

/**
 * A local transaction: number i writes COMMIT or ROLLBACK and says so a moment later; of three, one keeps to itself what it has written. So at any time some
 * have written what the broker has not heard.
 */
export async function executeTransaction(record: TransactionRecord, i: number): Promise<LocalTransactionState> {
  const written = i % 3 === 1 ? 'ROLLBACK' : 'COMMIT'
  record.write(`k${i}`, written)
  await new Promise((resolve) => setTimeout(resolve, i % 20))
  return i % 3 === 2 ? 'UNKNOWN' : written
}
