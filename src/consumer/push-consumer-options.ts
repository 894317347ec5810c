import { MEMBER_OPTION_NAMES, memberOptionsOf } from '../client/member.js'
import {
  flag,
  invalid,
  milliseconds,
  type OptionRule,
  oneOf,
  resolveOptions,
  wholeNumber,
} from '../client/option-rules.js'
import { type MessageTraceOptions, messageTraceRule } from '../client/trace/trace-options.js'
import { consumerHooksRule } from './consume-hook-runner.js'
import type { ConsumerHooks } from './consume-hooks.js'
import { type GroupConsumerOptions, groupConsumerOptionRules } from './group-consumer-options.js'
import type { UndecodableMessagePolicy } from './pull-loop-host.js'
import { checkSuspendTime, MAX_BYTES, pullOptionRules } from './pull-option-rules.js'

/**
 * How messages are handed out. `'concurrently'`: as they come, so many at a time. `'orderly'`: those of a queue one batch after the other; a batch on which the handler
 * fails comes again, and its queue waits for it. `'keyOrdered'`: those with the same sharding key one after the other, all others as they come; only those of a message's
 * key wait for it. In order, no two members of a group work on a queue at a time: brokers give each queue's lock to one of them. All members of a group must have the same
 * mode but for the last two, which get on with each other, and with `MessageListenerOrderly` of Java.
 */
export type ConsumeMode = 'concurrently' | 'orderly' | 'keyOrdered'

/** Options of a {@link PushConsumer}. */
export interface PushConsumerOptions extends GroupConsumerOptions {
  /** How messages are handed out. Default `'concurrently'`; see {@link ConsumeMode}. */
  consumeMode?: ConsumeMode
  /** Calls of the handler at a time, over all queues. Default 20. It can be changed later by `updateConsumeConcurrency`. */
  consumeConcurrency?: number
  /** Messages that a call of the handler gets at most, all of one queue. Default 1. */
  consumeMessageBatchMaxSize?: number
  /**
   * How often a message comes back at most before it goes to the dead-letter topic. Default −1: 16 times where messages are handed out concurrently; where they keep their
   * order, without end.
   */
  maxReconsumeTimes?: number
  /**
   * How long a call of the handler may take, in milliseconds. Then its signal fires, its messages come again after the third delay level, and its place is free for others;
   * where messages keep their order, those behind them wait on for the handler. Default 900000, a quarter of an hour.
   */
  consumeTimeout?: number
  /**
   * Where messages keep their order: how long those of a handler that failed wait until they come again, in milliseconds. A handler can set another time in its context.
   * Default 1000.
   */
  suspendCurrentQueueTimeMillis?: number
  /**
   * Between two storings of offsets, in milliseconds; longer where more than 1,000 queues a second would have theirs stored. Default 100 where brokers keep them, so that
   * few messages come again after a crash; 5000 where messages are broadcast, or an `offsetStore` of yours keeps the offsets.
   */
  persistConsumerOffsetInterval?: number
  /** Messages in a second that are handed out at most, over all queues. Default: no limit. */
  consumeRateLimit?: number
  /** Messages of one pull. Default 32, which brokers give at most unless they are configured otherwise. */
  pullBatchSize?: number
  /** Between two pulls of a queue that brought messages, in milliseconds. Default 0. */
  pullInterval?: number
  /**
   * No pull begins for a queue that has so many messages which are not consumed yet. Default 1000. But with `consumeMode: 'keyOrdered'`, pulling also pauses while a queue has
   * its share of the 1024 messages of a topic that wait for a handler, or of twice as many as handlers can have: more would gain nothing.
   */
  pullThresholdForQueue?: number
  /** No pull begins for a queue whose messages that are not consumed yet have bodies of so many bytes. Default 100 MiB. */
  pullThresholdSizeForQueue?: number
  /** Instead of `pullThresholdForQueue`: for all queues of a topic that this consumer has, which share it evenly. Default −1: no such limit. */
  pullThresholdForTopic?: number
  /** Instead of `pullThresholdSizeForQueue`, in bytes: for all queues of a topic that this consumer has, which share it evenly. Default −1: no such limit. */
  pullThresholdSizeForTopic?: number
  /**
   * No pull begins for a queue whose oldest and newest message that are not consumed yet are further apart than so many offsets; not in mode `'orderly'`. Default 2000.
   */
  consumeConcurrentlyMaxSpan?: number
  /** How long brokers hold a pull that finds nothing, in milliseconds. Default 15000. With `popMode` the first one behind a message is held for a second, and those after it for longer. */
  brokerSuspendMaxTimeMillis?: number
  /** For a pull altogether, in milliseconds; longer than `brokerSuspendMaxTimeMillis`, to which brokers add some seconds. Default 30000. */
  consumerTimeoutMillisWhenSuspend?: number
  /** After a pull that failed, in milliseconds. Default 1000. */
  pullTimeDelayMillsWhenException?: number
  /**
   * Let brokers hand out the messages one by one (POP) instead of queue by queue: members of the group share the messages of each queue, and there may be more members than
   * queues. Brokers from 5.0 on can do that, with `timerWheelEnable`. The consumer tells them that its group pops these topics, as `mqadmin setConsumeMode` does, and they
   * keep it: all members of the group must have this mode, or with Java `setClientRebalance(false)`. Only for `'concurrently'` and `'CLUSTERING'`. Default `false`.
   *
   * Messages on which the handler fails come again after 10 s, 30 s, 1, 2, 3 minutes and so on up to 2 hours, by `delayLevelWhenNextConsume` or by how often they came.
   */
  popMode?: boolean
  /**
   * With `popMode`: for how long a message is this consumer's, in milliseconds, before its group gets it again; 5000 to 300000. Default 60000.
   */
  popInvisibleTime?: number
  /** With `popMode`: prolong that time while a message waits for the handler or the handler has it, up to `consumeTimeout` for each. Java does not. Default `true`. */
  popRenewInvisibleTime?: boolean
  /** With `popMode`: messages of one pop, at most 32. Default 32. */
  popBatchNums?: number
  /** With `popMode`: no pop begins for a queue, or for all that a broker has of a topic, of which more messages than that are not acknowledged. Default 96. */
  popThresholdForQueue?: number
  /** With `popMode`: of how many other members each one pops the queues, too. Default 0: of all. */
  popShareQueueNum?: number
  /** Send the expression along with every pull, so that brokers need not have it by the group's heartbeat. Default `false`. */
  postSubscriptionWhenPull?: boolean
  /** Largest body after decompression, in bytes: a guard against bodies made to blow up. Default 4 MiB, as brokers have it. */
  maxMessageSize?: number
  /**
   * What becomes of a queue whose next message can't be read, after it was pulled four times: `'stop'`: it stands still, tries again with a growing pause, and every try
   * is an `error` event. `'skip'`: it goes on behind the message, which is lost. Default `'stop'`.
   */
  undecodableMessagePolicy?: UndecodableMessagePolicy
  /** Let administrators hand a message to the handler beside all queues (`mqadmin consumeMessage`, dashboards). Default `true`. */
  consumeDirectlyEnabled?: boolean
  /** Functions of yours around each call of the handler; one set or several. */
  hooks?: ConsumerHooks | readonly ConsumerHooks[]
  /** Write the way of each message to the trace topic, for `mqadmin queryMsgTraceById`. Default `false`. */
  messageTrace?: boolean | MessageTraceOptions
}

const MAX_INT = 0x7fff_ffff
const MAX_CONSUME_TIMEOUT = 7 * 24 * 3_600_000
/** Between two storings of offsets at brokers, in milliseconds. Java's go with each pull as well. */
const PERSIST_INTERVAL_AT_BROKERS = 100

/** The rules of these options but for those that every consumer of a group has. */
const rules = {
  ...pullOptionRules,
  consumeMode: oneOf(['concurrently', 'orderly', 'keyOrdered'], 'concurrently'),
  consumeConcurrency: wholeNumber(20, { min: 1, max: 100_000 }),
  consumeMessageBatchMaxSize: wholeNumber(1, { min: 1, max: 1024 }),
  maxReconsumeTimes: wholeNumber(-1, { min: -1, max: MAX_INT }),
  consumeTimeout: wholeNumber(900_000, { min: 1, max: MAX_CONSUME_TIMEOUT, unit: 'ms' }),
  suspendCurrentQueueTimeMillis: wholeNumber(1_000, { min: 10, max: 30_000, unit: 'ms' }),
  consumeRateLimit: { read: readRateLimit } satisfies OptionRule<number | undefined>,
  pullBatchSize: wholeNumber(32, { min: 1, max: 1024 }),
  pullInterval: wholeNumber(0, { min: 0, max: 65_535, unit: 'ms' }),
  pullThresholdForTopic: unlessNone(wholeNumber(-1, { min: 1, max: 6_553_500 })),
  pullThresholdSizeForTopic: unlessNone(wholeNumber(-1, { min: 1, max: MAX_BYTES, unit: 'bytes' })),
  consumeConcurrentlyMaxSpan: wholeNumber(2000, { min: 1, max: 65_535 }),
  brokerSuspendMaxTimeMillis: milliseconds(15_000, 0),
  popMode: flag(false),
  popInvisibleTime: wholeNumber(60_000, { min: 5_000, max: 300_000, unit: 'ms' }),
  popRenewInvisibleTime: flag(true),
  popBatchNums: wholeNumber(32, { min: 1, max: 32 }),
  popThresholdForQueue: wholeNumber(96, { min: 1, max: 65_535 }),
  popShareQueueNum: wholeNumber(0, { min: 0, max: MAX_INT }),
  postSubscriptionWhenPull: flag(false),
  consumeDirectlyEnabled: flag(true),
  hooks: consumerHooksRule,
  messageTrace: messageTraceRule,
}

export type ResolvedPushConsumerOptions = ReturnType<typeof resolvePushConsumerOptions>

export function resolvePushConsumerOptions(options: PushConsumerOptions, owner: string) {
  const own = memberOptionsOf(options, owner)
  const all = resolveOptions({ ...groupConsumerOptionRules, ...rules }, own, owner, MEMBER_OPTION_NAMES)
  const isAtBrokers = all.messageModel === 'CLUSTERING' && all.offsetStore === undefined
  const persistConsumerOffsetInterval =
    isAtBrokers && own.persistConsumerOffsetInterval === undefined
      ? PERSIST_INTERVAL_AT_BROKERS
      : all.persistConsumerOffsetInterval
  const resolved = { ...all, persistConsumerOffsetInterval }
  checkSuspendTime(resolved, owner)
  if (!resolved.popMode) return resolved
  const { consumeMode, messageModel } = resolved
  const name = `option popMode of ${owner}`
  if (consumeMode !== 'concurrently') throw invalid(name, true, `false with consumeMode '${consumeMode}'`)
  if (messageModel !== 'CLUSTERING') throw invalid(name, true, `false with messageModel '${messageModel}'`)
  if (own.clientRebalance === true) throw invalid(name, true, 'false with clientRebalance: true')
  return { ...resolved, clientRebalance: false }
}

/** −1 stands for none. */
function unlessNone(rule: OptionRule<number>): OptionRule<number> {
  return { read: (value, name) => (value === -1 ? -1 : rule.read(value, name)) }
}

function readRateLimit(value: unknown, name: string): number | undefined {
  if (value === undefined) return undefined
  if (typeof value === 'number' && value > 0 && value <= MAX_INT) return value
  throw invalid(name, value, 'messages in a second, more than 0,')
}
