import type { Client } from '../client/client.js'
import { BrokerError } from '../errors.js'
import { getConsumerListByGroup, readConsumerIdList } from '../remoting/commands/group.js'
import { askAnyBroker } from './any-broker.js'

/** Who is in a consumer group, as brokers know it. */
export class GroupMembers {
  readonly #client: Client
  readonly #consumerGroup: string

  /** @param wireGroup - With its namespace. */
  constructor(client: Client, wireGroup: string) {
    this.#client = client
    this.#consumerGroup = wireGroup
  }

  /**
   * The client ids of the group's members, sorted. Empty when the broker knows no member: not even this one, which has told it.
   *
   * @throws {@link RemotingError}, {@link BrokerError} when no broker of the topic can say.
   * @see MQClientInstance.findConsumerIdList
   */
  list(topic: string): Promise<string[]> {
    return askAnyBroker(this.#client, topic, {}, (address) => this.#ask(address))
  }

  async #ask(address: string): Promise<string[]> {
    const { heartbeat, clientId } = this.#client
    await heartbeat.ensure(address)
    const clientIds = await this.#askOnce(address)
    if (clientIds.includes(clientId)) return clientIds
    // It may have forgotten us, as a broker does that was started anew.
    await heartbeat.beat(address)
    return this.#askOnce(address)
  }

  async #askOnce(address: string): Promise<string[]> {
    try {
      const header = { consumerGroup: this.#consumerGroup }
      const { body } = await this.#client.remoting.invoke(address, getConsumerListByGroup, header)
      return [...new Set(readConsumerIdList(body))].sort()
    } catch (error) {
      // So a broker says that a group has no members.
      if (error instanceof BrokerError && error.code === 'SYSTEM_ERROR') return []
      throw error
    }
  }
}
