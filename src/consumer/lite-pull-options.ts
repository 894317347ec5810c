import { MEMBER_OPTION_NAMES, memberOptionsOf } from '../client/member.js'
import { flag, milliseconds, resolveOptions, wholeNumber } from '../client/option-rules.js'
import { type MessageTraceOptions, messageTraceRule } from '../client/trace/trace-options.js'
import { consumerHooksRule } from './consume-hook-runner.js'
import type { ConsumerHooks } from './consume-hooks.js'
import { type GroupConsumerOptions, groupConsumerOptionRules } from './group-consumer-options.js'
import type { UndecodableMessagePolicy } from './pull-loop-host.js'
import { checkSuspendTime, pullOptionRules } from './pull-option-rules.js'

/** Options of a {@link LitePullConsumer}. Its members divide the queues themselves, as in Java. */
export interface LitePullConsumerOptions
  extends Omit<GroupConsumerOptions, 'clientRebalance' | 'persistConsumerOffsetInterval'> {
  /** Store, every `autoCommitIntervalMillis` and at the end, how far messages are consumed. `false`: only {@link LitePullConsumer.commit} does, but for the place where a group begins that has no offset. Default `true`. */
  autoCommit?: boolean
  /** Between two automatic commits, in milliseconds; 1000 at least. Default 5000. */
  autoCommitIntervalMillis?: number
  /** How long a `poll` waits for messages unless it says something else, in milliseconds. Default 5000. */
  pollTimeoutMillis?: number
  /** Messages of one pull, and of one `poll`, at most. Default 10. */
  pullBatchSize?: number
  /** No pull begins while all queues together have so many messages that are not consumed yet. Default 10000. */
  pullThresholdForAll?: number
  /** No pull begins for a queue that has so many messages which are not consumed yet. Default 1000. */
  pullThresholdForQueue?: number
  /** No pull begins for a queue whose messages that are not consumed yet have bodies of so many bytes. Default 100 MiB. */
  pullThresholdSizeForQueue?: number
  /** No pull begins for a queue whose oldest and newest message that are not consumed yet are further apart than so many offsets. Default 2000. */
  consumeMaxSpan?: number
  /** How long brokers hold a pull that finds nothing, in milliseconds. Default 20000. */
  brokerSuspendMaxTimeMillis?: number
  /** For a pull altogether, in milliseconds; longer than `brokerSuspendMaxTimeMillis`, to which brokers add some seconds. Default 30000. */
  consumerTimeoutMillisWhenSuspend?: number
  /** After a pull that failed, in milliseconds. Default 1000. */
  pullTimeDelayMillsWhenException?: number
  /** Largest body after decompression, in bytes: a guard against bodies made to blow up. Default 4 MiB, as brokers have it. */
  maxMessageSize?: number
  /**
   * What becomes of a queue whose next message can't be read, after it was pulled four times: `'stop'`: it stands still, tries again with a growing pause, and every try
   * is an `error` event. `'skip'`: it goes on behind the message, which is lost. Default `'stop'`.
   */
  undecodableMessagePolicy?: UndecodableMessagePolicy
  /** Functions of yours that are called when messages are handed out, and when they are consumed; one set or several. */
  hooks?: ConsumerHooks | readonly ConsumerHooks[]
  /** Write the way of each message to the trace topic, for `mqadmin queryMsgTraceById`. Default `false`. */
  messageTrace?: boolean | MessageTraceOptions
}

/** As in Java, the members divide the queues themselves; and what persists the offsets is the automatic commit. */
const {
  clientRebalance: _byMembers,
  persistConsumerOffsetInterval: _byCommit,
  ...groupRules
} = groupConsumerOptionRules

const rules = {
  ...groupRules,
  ...pullOptionRules,
  autoCommit: flag(true),
  autoCommitIntervalMillis: milliseconds(5_000, 1_000),
  pollTimeoutMillis: milliseconds(5_000, 0),
  pullBatchSize: wholeNumber(10, { min: 1, max: 1024 }),
  pullThresholdForAll: wholeNumber(10_000, { min: 1, max: 6_553_500 }),
  consumeMaxSpan: wholeNumber(2000, { min: 1, max: 65_535 }),
  brokerSuspendMaxTimeMillis: milliseconds(20_000, 0),
  hooks: consumerHooksRule,
  messageTrace: messageTraceRule,
}

export type ResolvedLitePullConsumerOptions = ReturnType<typeof resolveLitePullConsumerOptions>

export function resolveLitePullConsumerOptions(options: LitePullConsumerOptions, owner: string) {
  const resolved = resolveOptions(rules, memberOptionsOf(options, owner), owner, MEMBER_OPTION_NAMES)
  checkSuspendTime(resolved, owner)
  return { ...resolved, clientRebalance: true, persistConsumerOffsetInterval: resolved.autoCommitIntervalMillis }
}
