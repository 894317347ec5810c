import { defineCommand } from '../../codec/command.js'
import { type JsonObject, parseFastjson } from '../../codec/fastjson.js'
import { string } from '../../codec/header-field.js'
import { isAbsent, JsonChecks } from '../../codec/json-value.js'

/** The answer's body is read by {@link readConsumerIdList}. A group without members is refused with SYSTEM_ERROR. */
export const getConsumerListByGroup = defineCommand({
  code: 38,
  name: 'GET_CONSUMER_LIST_BY_GROUP',
  javaHeader: 'GetConsumerListByGroupRequestHeader',
  requestHeader: { consumerGroup: string() },
})

/** Sent by brokers, oneway: members of the group came or went, or subscribe to other topics. */
export const notifyConsumerIdsChanged = defineCommand({
  code: 40,
  name: 'NOTIFY_CONSUMER_IDS_CHANGED',
  javaHeader: 'NotifyConsumerIdsChangedRequestHeader',
  requestHeader: { consumerGroup: string() },
})

/** Asks whether the broker can filter by a subscription. The body is made by `JSON.stringify` of {@link CheckClientConfigBody}. */
export const checkClientConfig = defineCommand({ code: 46, name: 'CHECK_CLIENT_CONFIG' })

export interface CheckClientConfigBody {
  readonly clientId: string
  readonly group: string
  readonly subscriptionData: object
}

/** The answer's body is read by {@link readConsumerConnection}. */
export const getConsumerConnectionList = defineCommand({
  code: 203,
  name: 'GET_CONSUMER_CONNECTION_LIST',
  javaHeader: 'GetConsumerConnectionListRequestHeader',
  requestHeader: { consumerGroup: string() },
})

/** What a broker knows of a group (`ConsumerConnection`). */
export interface ConsumerConnection {
  readonly clientIds: readonly string[]
  /** By topic: what the member wants that said it last. */
  readonly subscriptions: ReadonlyMap<string, KnownSubscription>
}

export interface KnownSubscription {
  readonly subString: string
  readonly expressionType: string
  readonly tagsSet: readonly string[]
}

/**
 * The ids of a group's members.
 *
 * @throws {@link MessageError} `JSON_MALFORMED`.
 */
export function readConsumerIdList(body: Buffer): string[] {
  const checks = new JsonChecks('a consumer list')
  const root = checks.object(parseFastjson(body.toString('utf8')), 'the body')
  return checks.list(root.consumerIdList, 'consumerIdList').map((id, i) => checks.text(id, `consumerIdList[${i}]`))
}

/** @throws {@link MessageError} `JSON_MALFORMED`. */
export function readConsumerConnection(body: Buffer): ConsumerConnection {
  const checks = new JsonChecks('a consumer connection list')
  const root = checks.object(parseFastjson(body.toString('utf8')), 'the body')
  const clientIds = checks
    .list(root.connectionSet, 'connectionSet')
    .map((connection, i) => checks.object(connection, `connectionSet[${i}]`))
    .map((connection, i) => checks.text(connection.clientId, `connectionSet[${i}].clientId`))
  const table = isAbsent(root.subscriptionTable) ? {} : checks.object(root.subscriptionTable, 'subscriptionTable')
  const subscriptions = new Map<string, KnownSubscription>()
  for (const topic of Object.keys(table)) {
    subscriptions.set(topic, knownSubscription(checks.object(table[topic], `subscriptionTable.${topic}`)))
  }
  return { clientIds: [...new Set(clientIds)], subscriptions }
}

function knownSubscription(data: JsonObject): KnownSubscription {
  const { subString, expressionType, tagsSet } = data
  return {
    subString: typeof subString === 'string' ? subString : '',
    expressionType: typeof expressionType === 'string' ? expressionType : 'TAG',
    tagsSet: Array.isArray(tagsSet) ? tagsSet.filter((tag) => typeof tag === 'string') : [],
  }
}
