import { ByteReader } from '../codec/byte-reader.js'
import { readStoredMessage } from '../codec/message-codec.js'
import type { RemotingCommand } from '../codec/remoting-command.js'
import type { StoredMessage } from '../codec/stored-message.js'
import { MessageError } from '../errors.js'
import type { Logger } from '../logger.js'
import { MessageProperty } from '../message/message-properties.js'
import { type CheckTransactionStateHeader, checkTransactionState } from '../remoting/commands/transaction.js'
import type { RemotingClient } from '../remoting/remoting-client.js'
import type { RouteCache } from '../route/route-cache.js'

/** The question of a broker how a local transaction has ended. */
export interface TransactionCheck {
  /** Its offsets belong to the copy of the message that the broker made for this question. */
  readonly header: CheckTransactionStateHeader
  /** Of the broker; the answer goes there. */
  readonly address: string
  readonly brokerName: string
  /** The half message: its topic as the broker knows it, its body as it is stored. */
  readonly message: StoredMessage
  /** The same, not decoded yet. A copy: it may wait while other bytes come in. */
  readonly bytes: Buffer
}

export type TransactionCheckHandler = (check: TransactionCheck) => void

/**
 * Hands the checks that brokers send to the producer whose group they name. There is one for all members of a `Client`.
 *
 * Nothing is answered to what nobody here can say: the broker asks again, and in turn all members of the group.
 *
 * @see ClientRemotingProcessor.checkTransactionState
 */
export class TransactionChecks {
  readonly #routes: RouteCache
  readonly #logger: Logger
  /** By group as brokers know it. */
  readonly #handlers = new Map<string, TransactionCheckHandler>()

  constructor(remoting: RemotingClient, routes: RouteCache, logger: Logger) {
    this.#routes = routes
    this.#logger = logger
    remoting.registerProcessor(checkTransactionState.code, (request, address) => this.#receive(request, address))
  }

  /** @param producerGroup - As brokers know it, with its namespace. */
  register(producerGroup: string, handler: TransactionCheckHandler): void {
    this.#handlers.set(producerGroup, handler)
  }

  unregister(producerGroup: string): void {
    this.#handlers.delete(producerGroup)
  }

  #receive(request: RemotingCommand, address: string): undefined {
    try {
      this.#dispatch(request, address)
    } catch (error) {
      if (!(error instanceof MessageError)) throw error
      this.#logger.warn(`a transaction check of broker ${address} can't be read, it is not answered`, { error })
    }
  }

  #dispatch(request: RemotingCommand, address: string): void {
    const header = checkTransactionState.request.read(request)
    // Brokers of 4.x don't say their names.
    const brokerName = header.brokerName ?? this.#routes.brokerNameOf(address) ?? ''
    const bytes = Buffer.from(request.body)
    const message = readStoredMessage(new ByteReader(bytes, 'MESSAGE_MALFORMED'), { brokerName, maxBodySize: 0 })
    const producerGroup = message.property(MessageProperty.PRODUCER_GROUP)
    const handler = producerGroup === undefined ? undefined : this.#handlers.get(producerGroup)
    if (handler === undefined) {
      const problem = `broker ${address} asks for a transaction of the producer group ${producerGroup ?? '(none)'}, of which there is no transaction producer here; it is not answered`
      this.#logger.warn(problem, { topic: message.topic, msgId: message.msgId })
      return
    }
    handler({ header, address, brokerName, message, bytes })
  }
}
