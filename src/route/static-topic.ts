import type { JsonValue } from '../codec/fastjson.js'
import { isAbsent, type JsonChecks } from '../codec/json-value.js'
import type { MessageQueue } from '../message/message.js'
import { compareMessageQueues } from '../message/message-queue.js'

/** Broker names that begin so belong to no broker: they stand for all queues of a static topic, wherever these lie now. */
const MOCK_BROKER_PREFIX = '__syslo__'
const GLOBAL_SCOPE = '__global__'

/** Which logic queues of a static topic lie on one broker (`TopicQueueMappingInfo`). */
export interface TopicQueueMapping {
  /** The broker. */
  readonly bname: string
  readonly scope: string
  /** Of the whole topic. */
  readonly totalQueues: number
  /** Of two brokers that say they have a queue, the one with the greater epoch has it. */
  readonly epoch: number
  /** Ids of the logic queues. */
  readonly logicIds: readonly number[]
}

/** A logic queue, and the broker that has it now; undefined when none says so. */
export interface LogicQueue {
  readonly queue: MessageQueue
  readonly brokerName: string | undefined
}

export function isMockBrokerName(brokerName: string): boolean {
  return brokerName.startsWith(MOCK_BROKER_PREFIX)
}

/**
 * All logic queues of a static topic, in RocketMQ's order.
 *
 * @see ClientMetadata.topicRouteData2EndpointsForStaticTopic
 */
export function logicQueues(topic: string, mappings: readonly TopicQueueMapping[]): LogicQueue[] {
  const newestFirst = [...mappings].sort((a, b) => b.epoch - a.epoch)
  return [...byScope(newestFirst)]
    .flatMap(([scope, ofScope]) => queuesOfScope(topic, mockBrokerName(scope), ofScope))
    .sort((a, b) => compareMessageQueues(a.queue, b.queue))
}

/** How many logic queues each scope has. */
export function logicQueueCounts(mappings: readonly TopicQueueMapping[]): number[] {
  return [...byScope(mappings).values()].map(logicQueueCount)
}

function byScope(mappings: readonly TopicQueueMapping[]): Map<string, TopicQueueMapping[]> {
  const scopes = new Map<string, TopicQueueMapping[]>()
  for (const mapping of mappings) {
    const known = scopes.get(mapping.scope)
    if (known === undefined) scopes.set(mapping.scope, [mapping])
    else known.push(mapping)
  }
  return scopes
}

function logicQueueCount(mappings: readonly TopicQueueMapping[]): number {
  return mappings.reduce((most, { totalQueues }) => Math.max(most, totalQueues), 0)
}

function queuesOfScope(topic: string, mockName: string, newestFirst: readonly TopicQueueMapping[]): LogicQueue[] {
  const owners = new Map<number, TopicQueueMapping>()
  for (const mapping of newestFirst) {
    // Of two with the same epoch, the last one wins, as in Java.
    for (const id of mapping.logicIds)
      if ((owners.get(id)?.epoch ?? mapping.epoch) <= mapping.epoch) owners.set(id, mapping)
  }
  return Array.from({ length: logicQueueCount(newestFirst) }, (_, queueId) => ({
    queue: { topic, brokerName: mockName, queueId },
    brokerName: owners.get(queueId)?.bname,
  }))
}

/** @see TopicQueueMappingUtils.getMockBrokerName */
function mockBrokerName(scope: string): string {
  return MOCK_BROKER_PREFIX + (scope === GLOBAL_SCOPE ? scope.slice(2) : scope)
}

/** @throws {@link MessageError} `JSON_MALFORMED`. */
export function readTopicQueueMappings(value: JsonValue | undefined, checks: JsonChecks): TopicQueueMapping[] {
  if (isAbsent(value)) return []
  const byBroker = checks.object(value, 'topicQueueMappingByBroker')
  return Object.keys(byBroker)
    .sort()
    .map((name) => topicQueueMapping(byBroker[name], `topicQueueMappingByBroker.${name}`, checks))
}

function topicQueueMapping(value: JsonValue | undefined, path: string, checks: JsonChecks): TopicQueueMapping {
  const info = checks.object(value, path)
  const ids = isAbsent(info.currIdMap) ? [] : Object.keys(checks.object(info.currIdMap, `${path}.currIdMap`))
  const notId = ids.find((id) => !/^\d{1,9}$/.test(id))
  if (notId !== undefined) throw checks.fault(`${path}.currIdMap`, notId, 'numeric queue ids')
  return {
    bname: checks.text(info.bname, `${path}.bname`),
    scope: isAbsent(info.scope) ? GLOBAL_SCOPE : checks.text(info.scope, `${path}.scope`),
    totalQueues: checks.integer(info.totalQueues, `${path}.totalQueues`),
    // Only compared: one beyond 2^53 may be rounded.
    epoch: Number(info.epoch ?? 0),
    logicIds: ids.map(Number).sort((a, b) => a - b),
  }
}
