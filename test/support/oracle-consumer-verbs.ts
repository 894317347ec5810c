import type { QueueOffset } from './oracle-consumer-admin-verbs.js'
import type { ClusterArgs, PulledMessage, QueueName } from './oracle-verbs.js'

/** A subscription of the official consumer. */
export interface JavaSubscription {
  readonly topic: string
  /** Default `*`. */
  readonly expression?: string
  /** Default TAG. */
  readonly type?: 'TAG' | 'SQL92'
}

/** An official strategy, with its own properties. */
export type JavaStrategy =
  | { readonly name: 'AVG' | 'AVG_BY_CIRCLE' }
  | {
      readonly name: 'CONSISTENT_HASH'
      /** Default 10. */
      readonly virtualNodeCnt?: number
    }
  | { readonly name: 'CONFIG'; readonly messageQueueList: readonly QueueName[] }
  | { readonly name: 'MACHINE_ROOM'; readonly consumeridcs: readonly string[] }
  | {
      readonly name: 'MACHINE_ROOM_NEARBY'
      readonly inner: JavaStrategy
      /** A regular expression whose first group finds the room in a broker's name, for example `^(.+)-`. */
      readonly brokerRoom: string
      /** The same for a client id. */
      readonly consumerRoom: string
    }

/** Properties of `ClientConfig`, by Java's names. */
interface JavaClientOptions {
  readonly instanceName?: string
  readonly clientIP?: string
  readonly unitName?: string
  readonly unitMode?: boolean
  /** From 5.2 on. */
  readonly namespaceV2?: string
  /** From 5.2 on. */
  readonly useHeartbeatV2?: boolean
  readonly heartbeatBrokerInterval?: number
  readonly pollNameServerInterval?: number
  readonly persistConsumerOffsetInterval?: number
  readonly pullTimeDelayMillsWhenException?: number
}

/** Properties of both official consumers, by Java's names. */
interface JavaConsumerOptions extends JavaClientOptions {
  readonly messageModel?: 'CLUSTERING' | 'BROADCASTING'
  readonly consumeFromWhere?: 'CONSUME_FROM_LAST_OFFSET' | 'CONSUME_FROM_FIRST_OFFSET' | 'CONSUME_FROM_TIMESTAMP'
  /** `yyyyMMddHHmmss`; the JVM's time zone is UTC. */
  readonly consumeTimestamp?: string
  readonly pullBatchSize?: number
  readonly pullThresholdForQueue?: number
  readonly pullThresholdSizeForQueue?: number
}

/** Properties of `DefaultMQPushConsumer`, by Java's names; a version that has no such property says so. */
export interface JavaPushOptions extends JavaConsumerOptions {
  readonly consumeThreadMin?: number
  readonly consumeThreadMax?: number
  readonly consumeMessageBatchMaxSize?: number
  readonly maxReconsumeTimes?: number
  readonly suspendCurrentQueueTimeMillis?: number
  /** In minutes. */
  readonly consumeTimeout?: number
  readonly pullThresholdForTopic?: number
  readonly consumeConcurrentlyMaxSpan?: number
  readonly postSubscriptionWhenPull?: boolean
  /** False has the brokers divide the queues, which POP needs; from 5.0 on. */
  readonly clientRebalance?: boolean
  readonly popInvisibleTime?: number
  readonly popBatchNums?: number
  readonly popThresholdForQueue?: number
}

/** Properties of `DefaultLitePullConsumer`, by Java's names. */
export interface JavaLitePullOptions extends JavaConsumerOptions {
  readonly autoCommit?: boolean
  readonly autoCommitIntervalMillis?: number
  readonly topicMetadataCheckIntervalMillis?: number
}

/** What the official listener does. Without any of it, it accepts every message at once. */
export interface JavaHandler {
  /** Milliseconds before it answers. */
  readonly sleep?: number
  /** Whether it doesn't return until `stopConsumer`. */
  readonly hang?: boolean
  /** Which of its calls it refuses: every nth one. */
  readonly failEvery?: number
  /** Refuses messages that were redelivered fewer times than this. */
  readonly failBelow?: number
  /** Of refused messages, concurrently: `delayLevelWhenNextConsume`. Default 0, the broker's choice. */
  readonly delayLevel?: number
}

/** One message that the official consumer handed to its listener; also one line of the `file` of `startPushConsumer`. */
export interface JavaDelivery extends QueueName {
  readonly msgId: string
  readonly queueOffset: number
  readonly keys: string | null
  readonly tags: string | null
  readonly shardingKey: string | null
  /** Of the message property that `startPushConsumer` was asked to record. */
  readonly property?: string | null
  readonly reconsumeTimes: number
  readonly bodySha256: string
  /** What the listener was going to answer. */
  readonly outcome: 'OK' | 'FAIL'
  /** Milliseconds since the epoch, by the JVM's clock. */
  readonly t: number
}

export interface JavaOwnedQueue extends QueueName {
  readonly mode: 'PULL' | 'POP'
  /** Of an orderly consumer: whether it believes that it has the broker's lock. Others of 5.x say true. */
  readonly locked: boolean
}

type Nothing = Readonly<Record<never, never>>

/** The verbs of the Java oracle about consumers: what each takes and what it answers. */
export interface ConsumerVerbs {
  /** Starts the official push consumer, which the later verbs know by its client id. It is ended by {@link ConsumerVerbs.stopConsumer}, or with its JVM. */
  startPushConsumer: {
    args: ClusterArgs & {
      readonly group: string
      readonly topics: readonly JavaSubscription[]
      /** Default concurrently. */
      readonly mode?: 'concurrently' | 'orderly'
      /** Default AVG. */
      readonly strategy?: JavaStrategy
      readonly options?: JavaPushOptions
      readonly handler?: JavaHandler
      /** A path: deliveries are appended to it, one {@link JavaDelivery} a line, and not kept for `consumed`. It outlives a JVM that is killed. */
      readonly file?: string
      /** The name of a message property to record. */
      readonly property?: string
    }
    result: { readonly clientId: string }
  }
  /** What it was given, in that order, from number `from` on; also of a stopped one. `count` is of all, those in a file included. */
  consumed: {
    args: { readonly clientId: string; readonly from?: number }
    result: { readonly count: number; readonly deliveries: readonly JavaDelivery[] }
  }
  /** The queues that it works on now, retry topics included, with the names of the wire. */
  ownedQueues: { args: { readonly clientId: string }; result: { readonly queues: readonly JavaOwnedQueue[] } }
  stopConsumer: {
    args: {
      readonly clientId: string
      /** Whether it waits for its listener; then its offsets are true. Default true, unlike the official client's own. */
      readonly graceful?: boolean
    }
    result: Nothing
  }
  /** Starts the official lite pull consumer with subscriptions or with queues. It is ended by {@link ConsumerVerbs.liteStop}. */
  startLitePull: {
    args: ClusterArgs & {
      readonly group: string
      readonly topics?: readonly JavaSubscription[]
      readonly assign?: readonly QueueName[]
      readonly options?: JavaLitePullOptions
    }
    result: { readonly clientId: string }
  }
  /** One poll: of what it has pulled so far, or nothing after `pollTimeout` milliseconds, 5000 by default. */
  litePoll: {
    args: { readonly clientId: string; readonly pollTimeout?: number }
    result: { readonly messages: readonly PulledMessage[] }
  }
  /** Stores the offsets of what it has polled. The polls that commit on their own do so only after the next poll. */
  liteCommit: { args: { readonly clientId: string }; result: Nothing }
  liteStop: { args: { readonly clientId: string }; result: Nothing }
  /** Which queues a member gets, by the official strategy. Both lists are taken as they come: the official client sorts them first. */
  allocate: {
    args: {
      readonly strategy: JavaStrategy
      /** Default `group`. */
      readonly group?: string
      readonly clientId: string
      readonly queues: readonly QueueName[]
      readonly clientIds: readonly string[]
    }
    result: { readonly queues: readonly QueueName[] }
  }
  /** Has Java write the offsets of a broadcasting group to this file, whose folders it makes. */
  writeLocalOffsets: {
    args: { readonly file: string; readonly offsets: readonly QueueOffset[] }
    result: Nothing
  }
  /** What Java reads from such a file, or from the copy beside it; nothing where there is no file. */
  readLocalOffsets: { args: { readonly file: string }; result: { readonly offsets: readonly QueueOffset[] } }
}
