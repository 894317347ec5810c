import type { Client } from '../client/client.js'
import { buildSubscriptionData, type FilterExpression, type SubscriptionData } from '../client/subscription-data.js'
import { ClientError, shown } from '../errors.js'
import type { MessageQueue } from '../message/message.js'
import { TopicStatistics } from './consume-statistics.js'
import { LitePullQueue } from './lite-pull-queue.js'
import type { MessagesOptions } from './message-stream.js'
import { MessageSupply } from './message-supply.js'
import type { OffsetStore } from './offset-store.js'
import { OpenQueues } from './open-queues.js'
import type { ResolvedPullConsumerOptions } from './pull-consumer-options.js'
import type { PullLoopOptions } from './pull-loop-host.js'
import { checkOffset } from './queue-arguments.js'
import { QueueLoopSource } from './queue-loop-source.js'
import type { QueueRequests } from './queue-requests.js'

/** Which messages of a queue loops have. */
export interface PullMessagesOptions extends MessagesOptions {
  /** The queue offset of the first message wanted. Default: the group's offset; where it has none, that of the oldest message. */
  readonly offset?: number
  /** `'TagA || TagB'`, `'*'` for all, which is the default, or `sql('a > 5')`. */
  readonly expression?: FilterExpression
  /** Messages of one pull, 1 to 1024. Default 32. */
  readonly maxNums?: number
  /** Messages that are pulled and not consumed, at the most; 1 to 65535. Default 128. */
  readonly highWaterMark?: number
  /** Make the offset behind what is consumed the group's: it is stored every `persistConsumerOffsetInterval`, and at the end of the loop. Default `false`. */
  readonly commit?: boolean
}

/** What loops over a queue need of their consumer. Queues have the names that servers know. */
export interface PullMessagesHost {
  readonly client: Client
  readonly requests: QueueRequests
  readonly offsets: OffsetStore
  readonly options: ResolvedPullConsumerOptions
  /** The queues that loops are at work on. */
  readonly loops: Set<QueueLoopSource>
  subscribe(topic: string, expression: FilterExpression | undefined): SubscriptionData
  checkRunning(what: string): void
  report(error: unknown, what: string): void
}

const DEFAULT_MAX_NUMS = 32
const DEFAULT_HIGH_WATER_MARK = 128
const RETRY_DELAY = 1_000

/** Has loops get the messages of a queue. @throws {@link ClientError} `INVALID_ARGUMENT`. */
export function pullMessages(
  queue: MessageQueue,
  options: PullMessagesOptions,
  host: PullMessagesHost,
): QueueLoopSource {
  const { offset, expression, commit = false } = options
  if (offset !== undefined) checkOffset(offset)
  // Checks it.
  buildSubscriptionData(queue.topic, expression)
  if (typeof commit !== 'boolean') throw new ClientError('INVALID_ARGUMENT', `commit is ${shown(commit)}, no boolean`)
  const pullOptions = pullOptionsOf(options, host.options)
  const { client, requests, offsets } = host
  const supply = new MessageSupply({ observers: [], pullThresholdForAll: pullOptions.pullThresholdForQueue })
  const makeQueue = (from: number) => {
    host.checkRunning('messages')
    const subscription = host.subscribe(queue.topic, expression)
    const context = {
      client,
      requests,
      offsets,
      supply,
      openQueues: new OpenQueues(),
      pullOptions,
      readAhead: undefined,
      autoCommit: commit,
      isPaused: () => false,
      filter: undefined,
      subscription: () => subscription,
      onOffsetCorrected: (corrected: MessageQueue, correction: object) =>
        client.logger.warn('the offset of a queue was corrected', { queue: corrected, ...correction }),
      report: (error: unknown, what: string) => host.report(error, what),
    }
    return new LitePullQueue(queue, from, new TopicStatistics(), context)
  }
  return new QueueLoopSource(supply, {
    firstOffset: async () => offset ?? (await groupOffset(queue, host)),
    makeQueue,
    onOpened: (source) => host.loops.add(source),
    onClosed: (source) => host.loops.delete(source),
  })
}

async function groupOffset(
  queue: MessageQueue,
  { requests, offsets, checkRunning }: PullMessagesHost,
): Promise<number> {
  checkRunning('messages')
  const stored = await offsets.read(queue, {})
  return stored >= 0 ? stored : requests.minOffset(queue, {})
}

function pullOptionsOf(
  { maxNums = DEFAULT_MAX_NUMS, highWaterMark = DEFAULT_HIGH_WATER_MARK }: PullMessagesOptions,
  options: ResolvedPullConsumerOptions,
): PullLoopOptions {
  const { brokerSuspendMaxTimeMillis, consumerTimeoutMillisWhenSuspend, maxMessageSize } = options
  return {
    pullBatchSize: checkCount('maxNums', maxNums, 1024),
    pullThresholdForQueue: checkCount('highWaterMark', highWaterMark, 65_535),
    // How many there are is limit enough.
    pullThresholdSizeForQueue: Number.MAX_SAFE_INTEGER,
    pullThresholdForTopic: -1,
    pullThresholdSizeForTopic: -1,
    consumeConcurrentlyMaxSpan: undefined,
    readAhead: undefined,
    pullInterval: 0,
    brokerSuspendMaxTimeMillis,
    consumerTimeoutMillisWhenSuspend,
    pullTimeDelayMillsWhenException: RETRY_DELAY,
    postSubscriptionWhenPull: true,
    maxMessageSize,
    undecodableMessagePolicy: 'stop',
    isLite: false,
  }
}

function checkCount(name: string, value: unknown, max: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= max) return value
  throw new ClientError('INVALID_ARGUMENT', `${name} is ${shown(value)}, 1 to ${max} expected`)
}
