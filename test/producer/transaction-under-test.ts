import { onTestFinished } from 'vitest'
import type { RemotingCommand } from '../../src/codec/remoting-command.js'
import type { TransactionProducerOptions } from '../../src/producer/transaction-options.js'
import { TransactionProducer } from '../../src/producer/transaction-producer.js'
import type { ScriptedBroker, ScriptedCluster } from '../support/scripted-cluster.js'
import { ONEWAY } from '../support/scripted-server.js'
import { type StoredParts, storedMessage } from '../support/stored-message-bytes.js'

export const END_TRANSACTION = 37
export const CHECK_TRANSACTION_STATE = 39

/** A transaction producer of the group `p` that is started, and shut down when the running test ends. Its checks give COMMIT. */
export async function startedTransactionProducer(
  cluster: ScriptedCluster,
  options: Partial<TransactionProducerOptions> = {},
): Promise<TransactionProducer> {
  const producer = new TransactionProducer({
    producerGroup: 'p',
    namesrvAddr: cluster.namesrvAddr,
    checkLocalTransaction: () => 'COMMIT',
    ...options,
  })
  onTestFinished(() => producer.shutdown({ timeout: 0 }))
  await producer.start()
  return producer
}

/** The ends of transactions that a broker was told. */
export function endsAt(broker: ScriptedBroker): RemotingCommand[] {
  return broker.server.requestsOf(END_TRANSACTION)
}

/** The header of a command, as text. */
export function fieldsOf(command: RemotingCommand | undefined, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(names.map((name) => [name, command?.field(name)]))
}

export interface CheckParts extends Partial<StoredParts> {
  readonly msgId: string
  /** Default `p`. */
  readonly group?: string
  /** Both offsets of the header; the commit-log offset is a thousand times it. Default 500. */
  readonly offset?: number
  readonly brokerName?: string
  readonly stored?: Uint8Array
}

/** Has a broker ask how a transaction has ended, by the connection that was opened first. */
export function askFor(broker: ScriptedBroker, parts: CheckParts): void {
  const { msgId, group = 'p', offset = 500, properties, stored, brokerName = broker.name } = parts
  const body =
    stored ??
    storedMessage({
      queueOffset: 3,
      ...parts,
      properties: { UNIQ_KEY: msgId, PGROUP: group, TRAN_MSG: 'true', ...properties },
    })
  const fields = {
    topic: 'RMQ_SYS_TRANS_HALF_TOPIC',
    tranStateTableOffset: offset,
    commitLogOffset: offset * 1_000,
    msgId,
    transactionId: msgId,
    offsetMsgId: '7F00000100002A9F0000000000000000',
    ...(brokerName === '' ? undefined : { bname: brokerName }),
  }
  const [connection] = broker.server.openConnections
  if (connection === undefined) throw new Error(`nobody is connected to ${broker.name}`)
  connection.request({ code: CHECK_TRANSACTION_STATE, flag: ONEWAY, fields, body })
}

/** A promise and how to settle it. */
export function gate<T>(): { readonly promise: Promise<T>; readonly open: (value: T) => void } {
  let open: (value: T) => void = () => undefined
  const promise = new Promise<T>((resolve) => {
    open = resolve
  })
  return { promise, open }
}
