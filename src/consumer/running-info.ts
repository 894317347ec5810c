import { type ConsumeType, type SubscriptionData, subscriptionToWire } from '../client/subscription-data.js'
import { CLIENT_VERSION_NAME } from '../codec/remoting-command.js'
import { messageQueueKey } from '../message/message-queue.js'
import type { ConsumerRunningInfo, PopProcessQueueInfo, ProcessQueueInfo } from '../remoting/commands/console.js'
import type { AssignedQueue, QueueState } from './assigned-queue.js'
import type { ConsumeStatus } from './consume-statistics.js'
import type { JavaOptions } from './java-options.js'

/** What a consumer's running info is made of. Names of topics, queues and the group are those that servers know. */
export interface RunningInfoSource {
  readonly nameServers: readonly string[]
  readonly consumeType: ConsumeType
  readonly isOrderly: boolean
  /** In ms since the epoch. */
  readonly startTimestamp: number
  /** Options by the names that they have in Java. */
  readonly options: JavaOptions
  /** Handlers at a time; undefined for who has no handlers. */
  readonly consumeConcurrency: number | undefined
  readonly subscriptions: readonly SubscriptionData[]
  readonly queues: readonly AssignedQueue[]
  /** Of a topic; undefined where nothing is counted. */
  status(topic: string): ConsumeStatus | undefined
}

const MEBIBYTE = 1024 * 1024
const MAX_IDS_SHOWN = 10

/**
 * What `mqadmin consumerStatus` and dashboards show of a consumer.
 *
 * @see DefaultMQPushConsumerImpl.consumerRunningInfo, MQClientInstance.consumerRunningInfo
 */
export function runningInfo(source: RunningInfoSource, isInFlightWanted: boolean): ConsumerRunningInfo {
  const states = source.queues.map((assigned) => ({ mode: assigned.mode, state: assigned.state() }))
  const pulled = states.filter(({ mode }) => mode === 'PULL')
  const popped = states.filter(({ mode }) => mode === 'POP')
  return {
    properties: propertiesOf(source),
    subscriptionSet: source.subscriptions.map(subscriptionToWire),
    mqTable: pulled.map(({ state }) => [state.queue, processQueueInfo(state, source.isOrderly)]),
    mqPopTable: popped.map(({ state }) => [state.queue, popProcessQueueInfo(state)]),
    statusTable: statusTable(source),
    jstack: isInFlightWanted ? describeInFlight(source.queues) : undefined,
  }
}

function propertiesOf(source: RunningInfoSource): Record<string, string> {
  const properties: Record<string, string> = {
    PROP_NAMESERVER_ADDR: source.nameServers.map((address) => `${address};`).join(''),
    PROP_CONSUME_TYPE: source.consumeType,
    PROP_CONSUMEORDERLY: String(source.isOrderly),
    PROP_CLIENT_VERSION: CLIENT_VERSION_NAME,
    PROP_CONSUMER_START_TIMESTAMP: String(source.startTimestamp),
  }
  if (source.consumeConcurrency !== undefined) {
    properties.PROP_THREADPOOL_CORE_SIZE = String(source.consumeConcurrency)
  }
  for (const [name, value] of Object.entries(source.options)) properties[name] = String(value)
  return properties
}

function processQueueInfo(state: QueueState, isOrderly: boolean): ProcessQueueInfo {
  const { cachedMinOffset = 0, cachedMaxOffset = 0, inFlight } = state
  const hasTransaction = isOrderly && inFlight > 0
  return {
    commitOffset: state.commitOffset,
    cachedMsgMinOffset: cachedMinOffset,
    cachedMsgMaxOffset: cachedMaxOffset,
    cachedMsgCount: state.cachedCount,
    cachedMsgSizeInMiB: Math.floor(state.cachedBytes / MEBIBYTE),
    // What an orderly handler has comes before all else.
    transactionMsgMinOffset: hasTransaction ? cachedMinOffset : 0,
    transactionMsgMaxOffset: hasTransaction ? Math.min(cachedMaxOffset, cachedMinOffset + inFlight - 1) : 0,
    transactionMsgCount: hasTransaction ? inFlight : 0,
    locked: state.isLocked,
    tryUnlockTimes: 0,
    lastLockTimestamp: state.lastLockTimestamp,
    droped: false,
    lastPullTimestamp: state.lastPullTimestamp,
    lastConsumeTimestamp: state.lastConsumeTimestamp,
  }
}

function popProcessQueueInfo(state: QueueState): PopProcessQueueInfo {
  return { waitAckCount: state.cachedCount, droped: false, lastPopTimestamp: state.lastPullTimestamp }
}

function statusTable(source: RunningInfoSource): Record<string, ConsumeStatus> {
  // A topic may be called __proto__.
  const table = Object.create(null) as Record<string, ConsumeStatus>
  for (const { topic } of source.subscriptions) {
    const status = source.status(topic)
    if (status !== undefined) table[topic] = status
  }
  return table
}

/** Where Java answers with the stacks of its threads: what handlers have, and since when. Nothing of the process is told. */
function describeInFlight(queues: readonly AssignedQueue[]): string {
  const now = Date.now()
  const lines: string[] = []
  for (const assigned of queues) {
    const { queue, inFlight, oldestInFlight } = assigned.state()
    if (oldestInFlight === undefined) continue
    const { msgId, since } = oldestInFlight
    const others = assigned.unfinished().filter((id) => id !== msgId)
    const shown = others.slice(0, MAX_IDS_SHOWN).join(', ') + (others.length > MAX_IDS_SHOWN ? ', ...' : '')
    lines.push(
      `${messageQueueKey(queue)}: handlers have ${inFlight}, for the longest time ${msgId}: since ${new Date(since).toISOString()} (${now - since} ms)${shown === '' ? '' : `; then ${shown}`}`,
    )
  }
  return lines.length === 0 ? 'no handler is at work\n' : `${lines.join('\n')}\n`
}
