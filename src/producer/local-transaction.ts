import { ClientError, shown } from '../errors.js'
import type { Message, MessageExt } from '../message/message.js'

/**
 * How a local transaction stands. `'COMMIT'`: consumers get the message. `'ROLLBACK'`: they never do. `'UNKNOWN'`: the broker asks later.
 *
 * @see LocalTransactionState
 */
export type LocalTransactionState = 'COMMIT' | 'ROLLBACK' | 'UNKNOWN'

/** What says how a local transaction stands. TypeScript takes the text that an async function returns for any text, so that a promise's is checked when it is there. */
export type LocalTransactionAnswer = LocalTransactionState | Promise<string>

/** A message whose first half is stored. */
export interface TransactionMessage extends Message {
  /** What a check will name the transaction by, as `msgId` of its message: keep it with what the local transaction writes. */
  readonly transactionId: string
}

/** The local transaction that belongs to a message. One that throws leaves the state unknown. */
export type LocalTransactionExecutor = (message: TransactionMessage) => LocalTransactionAnswer

/** What a function of the user made of a transaction. */
export interface LocalOutcome {
  readonly state: LocalTransactionState
  /** Why the state is unknown, where a function of the user did not say so itself. */
  readonly error: Error | undefined
}

const STATES: ReadonlySet<unknown> = new Set<LocalTransactionState>(['COMMIT', 'ROLLBACK', 'UNKNOWN'])

/** Calls a function of the user. Never rejects: whatever goes wrong leaves the state unknown. */
export async function localOutcome(name: string, call: () => LocalTransactionAnswer): Promise<LocalOutcome> {
  try {
    const state: unknown = await call()
    if (STATES.has(state)) return { state: state as LocalTransactionState, error: undefined }
    const problem = `${name} gave ${shown(state)}, 'COMMIT', 'ROLLBACK' or 'UNKNOWN' expected; it is taken for 'UNKNOWN'`
    return { state: 'UNKNOWN', error: new ClientError('INVALID_ARGUMENT', problem) }
  } catch (error) {
    return { state: 'UNKNOWN', error: error instanceof Error ? error : new Error(shown(error)) }
  }
}

/** A received message in the form of one to send, for hooks. */
export function toMessage(received: MessageExt): Message {
  const { topic, body, tags, keys, flag, properties } = received
  const message: Message = { topic, body, keys, flag, properties: { ...properties } }
  if (tags !== undefined) message.tags = tags
  return message
}
