import type { Client } from '../client/client.js'
import type { MessageModel } from '../client/subscription-data.js'
import { BrokerError } from '../errors.js'
import { RETRY_TOPIC_PREFIX } from '../message/names.js'
import {
  type MessageQueueAssignment,
  queryAssignment,
  readAssignments,
  setMessageRequestMode,
} from '../remoting/commands/assignment.js'
import { askAnyBroker } from './any-broker.js'

/** The strategies that brokers have. */
export const SERVER_STRATEGIES: ReadonlySet<string | undefined> = new Set(['AVG', 'AVG_BY_CIRCLE'])

export interface ServerAssignmentOptions {
  /** With its namespace. */
  readonly consumerGroup: string
  readonly strategyName: string
  readonly messageModel: MessageModel
  /** Has the group pop its topics: of how many other members each one pops the queues, 0 for all. Undefined: it fetches them as brokers say. */
  readonly popShareQueueNum?: number | undefined
}

/** Queues as brokers divide them among the members of a group, and how each is to be fetched. */
export class ServerAssignment {
  readonly #client: Client
  readonly #options: ServerAssignmentOptions
  #isSupported = true

  constructor(client: Client, options: ServerAssignmentOptions) {
    this.#client = client
    this.#options = options
  }

  /** False when a broker said that it does not know this: those before 5.0. */
  get isSupported(): boolean {
    return this.#isSupported
  }

  /**
   * The queues of a topic that this member shall have; undefined when the broker can't say now, or not at all.
   *
   * @throws {@link RemotingError}, {@link BrokerError}, {@link MessageError} when no broker of the topic can be asked.
   * @see MQClientInstance.queryAssignment
   */
  async query(topic: string): Promise<MessageQueueAssignment[] | undefined> {
    try {
      return await askAnyBroker(this.#client, topic, {}, (address) => this.#ask(address, topic), isUnsupported)
    } catch (error) {
      if (!isUnsupported(error)) throw error
      this.#isSupported = false
      return undefined
    }
  }

  async #ask(address: string, topic: string): Promise<MessageQueueAssignment[] | undefined> {
    await this.#client.heartbeat.ensure(address)
    const assigned = await this.#query(address, topic)
    // A member that gets none of the queues is not told how they are fetched. With POP it gets some.
    const isPopped = assigned === undefined || assigned.some(({ mode }) => mode === 'POP')
    if (this.#options.popShareQueueNum === undefined || isPopped || topic.startsWith(RETRY_TOPIC_PREFIX))
      return assigned
    await this.#popFromNowOn(address, topic, this.#options.popShareQueueNum)
    return this.#query(address, topic)
  }

  async #query(address: string, topic: string): Promise<MessageQueueAssignment[] | undefined> {
    const { remoting, clientId } = this.#client
    const { consumerGroup, strategyName, messageModel } = this.#options
    const body = Buffer.from(JSON.stringify({ topic, clientId, consumerGroup, strategyName, messageModel }))
    const response = await remoting.invoke(address, queryAssignment, {}, { body })
    return readAssignments(response.body)?.filter(({ queue }) => queue.topic === topic)
  }

  /** Each broker keeps for itself how a group fetches a topic. @see DefaultMQAdminExt.setMessageRequestMode */
  async #popFromNowOn(address: string, topic: string, popShareQueueNum: number): Promise<void> {
    const { consumerGroup } = this.#options
    const body = Buffer.from(JSON.stringify({ topic, consumerGroup, mode: 'POP', popShareQueueNum }))
    await this.#client.remoting.invoke(address, setMessageRequestMode, {}, { body })
    this.#client.logger.info(`broker ${address} lets the group pop from now on`, { topic, group: consumerGroup })
  }
}

function isUnsupported(error: unknown): boolean {
  return error instanceof BrokerError && error.responseName === 'REQUEST_CODE_NOT_SUPPORTED'
}
