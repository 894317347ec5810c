import type { RemotingCommand } from '../../src/codec/remoting-command.js'
import type { ScriptedBroker, ScriptedCluster } from './scripted-cluster.js'
import type { ScriptedConnection } from './scripted-server.js'

export const GroupCode = {
  HEARTBEAT: 34,
  UNREGISTER: 35,
  CONSUMER_LIST: 38,
  IDS_CHANGED: 40,
  CHECK_CLIENT_CONFIG: 46,
  CONSUMER_CONNECTION: 203,
  QUERY_ASSIGNMENT: 400,
} as const

const SYSTEM_ERROR = 1
const ONEWAY = 2

interface ConsumerData {
  readonly groupName: string
  readonly subscriptionDataSet: readonly { readonly topic: string; readonly subString: string }[]
}

/** Brokers that keep account of one consumer group: who is in it, and what was subscribed to last. */
export class ScriptedGroup {
  readonly name: string
  readonly cluster: ScriptedCluster
  /** By broker name: members that sent a heartbeat and did not leave. */
  readonly registered = new Map<string, Set<string>>()
  /** Members that are on no connection here. */
  others: string[] = []
  /** What the other members subscribe to, by topic, unless a member here has spoken since. */
  subscriptions: Record<string, object> = { T: { topic: 'T', subString: '*', tagsSet: [], expressionType: 'TAG' } }

  constructor(cluster: ScriptedCluster, name = 'g') {
    this.cluster = cluster
    this.name = name
    for (const broker of cluster.brokers) this.#script(broker)
  }

  /** Who is in the group, as a broker answers it. */
  membersAt(broker: ScriptedBroker): string[] {
    return [...(this.registered.get(broker.name) ?? []), ...this.others]
  }

  /** Tells all members, by all of their connections, that some came or went. */
  notify(): void {
    for (const broker of this.cluster.brokers) {
      for (const connection of broker.server.openConnections) {
        connection.request({ code: GroupCode.IDS_CHANGED, flag: ONEWAY, fields: { consumerGroup: this.name } })
      }
    }
  }

  #script(broker: ScriptedBroker): void {
    const members = new Set<string>()
    this.registered.set(broker.name, members)
    broker.scripts.set(GroupCode.HEARTBEAT, (request, connection) => {
      this.#onHeartbeat(request, members)
      connection.answer(request)
    })
    broker.scripts.set(GroupCode.UNREGISTER, (request, connection) => {
      members.delete(request.field('clientID') ?? '')
      connection.answer(request)
    })
    broker.scripts.set(GroupCode.CONSUMER_LIST, (request, connection) => this.#list(request, connection, broker))
    broker.scripts.set(GroupCode.CONSUMER_CONNECTION, (request, connection) => {
      const connectionSet = this.membersAt(broker).map((clientId) => ({ clientId, language: 'JAVA', version: 493 }))
      const body = Buffer.from(JSON.stringify({ connectionSet, subscriptionTable: this.subscriptions }))
      connection.answer(request, connectionSet.length === 0 ? { code: 206 } : { body })
    })
  }

  #onHeartbeat(request: RemotingCommand, members: Set<string>): void {
    const { clientID, consumerDataSet } = JSON.parse(request.body.toString())
    const own = (consumerDataSet as ConsumerData[]).find(({ groupName }) => groupName === this.name)
    if (own === undefined) return
    members.add(clientID)
    this.subscriptions = Object.fromEntries(own.subscriptionDataSet.map((data) => [data.topic, data]))
  }

  #list(request: RemotingCommand, connection: ScriptedConnection, broker: ScriptedBroker): void {
    const consumerIdList = this.membersAt(broker)
    if (consumerIdList.length > 0) connection.answer(request, { body: Buffer.from(JSON.stringify({ consumerIdList })) })
    else connection.answer(request, { code: SYSTEM_ERROR, remark: `no consumer for this group, ${this.name}` })
  }
}
