import type { WireConsumeFromWhere } from '../client/subscription-data.js'
import type { ConsumeFromWhere, ResolvedGroupConsumerOptions } from './group-consumer-options.js'
import type { ResolvedLitePullConsumerOptions } from './lite-pull-options.js'
import type { ResolvedPushConsumerOptions } from './push-consumer-options.js'

/** Options by their names in Java and in Java's units, for consoles. */
export type JavaOptions = Readonly<Record<string, string | number | boolean>>

export const WIRE_CONSUME_FROM_WHERE: Readonly<Record<ConsumeFromWhere, WireConsumeFromWhere>> = {
  LAST: 'CONSUME_FROM_LAST_OFFSET',
  FIRST: 'CONSUME_FROM_FIRST_OFFSET',
  TIMESTAMP: 'CONSUME_FROM_TIMESTAMP',
}

const MIB = 1024 * 1024
const MINUTE = 60_000

/** Of every consumer of a group. */
export function groupJavaOptions(options: ResolvedGroupConsumerOptions): JavaOptions {
  const { consumerGroup, messageModel, persistConsumerOffsetInterval, clientRebalance, unitMode } = options
  const consumeFromWhere = WIRE_CONSUME_FROM_WHERE[options.consumeFromWhere]
  return { consumerGroup, messageModel, consumeFromWhere, persistConsumerOffsetInterval, clientRebalance, unitMode }
}

/** Of a push consumer, beside those. */
export function pushJavaOptions(options: ResolvedPushConsumerOptions, consumeConcurrency: number): JavaOptions {
  const { pullThresholdSizeForTopic } = options
  return {
    consumeThreadMin: consumeConcurrency,
    consumeThreadMax: consumeConcurrency,
    consumeMessageBatchMaxSize: options.consumeMessageBatchMaxSize,
    maxReconsumeTimes: options.maxReconsumeTimes,
    suspendCurrentQueueTimeMillis: options.suspendCurrentQueueTimeMillis,
    consumeTimeout: options.consumeTimeout / MINUTE,
    pullBatchSize: options.pullBatchSize,
    pullInterval: options.pullInterval,
    pullThresholdForQueue: options.pullThresholdForQueue,
    pullThresholdSizeForQueue: options.pullThresholdSizeForQueue / MIB,
    pullThresholdForTopic: options.pullThresholdForTopic,
    pullThresholdSizeForTopic: pullThresholdSizeForTopic < 0 ? -1 : pullThresholdSizeForTopic / MIB,
    consumeConcurrentlyMaxSpan: options.consumeConcurrentlyMaxSpan,
    popInvisibleTime: options.popInvisibleTime,
    popBatchNums: options.popBatchNums,
    popThresholdForQueue: options.popThresholdForQueue,
    postSubscriptionWhenPull: options.postSubscriptionWhenPull,
  }
}

/** Of a lite pull consumer, beside those. */
export function litePullJavaOptions(options: ResolvedLitePullConsumerOptions): JavaOptions {
  return {
    autoCommit: options.autoCommit,
    autoCommitIntervalMillis: options.autoCommitIntervalMillis,
    pollTimeoutMillis: options.pollTimeoutMillis,
    pullBatchSize: options.pullBatchSize,
    pullThresholdForAll: options.pullThresholdForAll,
    pullThresholdForQueue: options.pullThresholdForQueue,
    pullThresholdSizeForQueue: options.pullThresholdSizeForQueue / MIB,
    consumeMaxSpan: options.consumeMaxSpan,
  }
}
