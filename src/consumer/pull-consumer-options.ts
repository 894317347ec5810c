import { MEMBER_OPTION_NAMES, memberOptionsOf } from '../client/member.js'
import type { ClientOptions } from '../client/member-options.js'
import { checkGroup } from '../client/name-check.js'
import { milliseconds, oneOf, optionalValue, required, resolveOptions, wholeNumber } from '../client/option-rules.js'
import type { MessageModel } from '../client/subscription-data.js'

/** Options of a {@link PullConsumer}. */
export interface PullConsumerOptions extends ClientOptions {
  /** Required. Offsets belong to the group. */
  consumerGroup: string
  /** `'CLUSTERING'`: offsets are kept by the brokers. `'BROADCASTING'`: in a file of this host. Default `'CLUSTERING'`. */
  messageModel?: MessageModel
  /** Between two storings of the offsets that `updateConsumeOffset` set, in milliseconds. Default 5000. */
  persistConsumerOffsetInterval?: number
  /** How long brokers hold a `pullBlockIfNotFound` that finds nothing, in milliseconds. Default 20000. */
  brokerSuspendMaxTimeMillis?: number
  /** For a `pullBlockIfNotFound` altogether, in milliseconds. Default 30000. */
  consumerTimeoutMillisWhenSuspend?: number
  /** For a `pull`, in milliseconds. Default 10000. */
  consumerPullTimeoutMillis?: number
  /** Largest body after decompression, in bytes: a guard against bodies made to blow up. Default 4 MiB, as brokers have it. */
  maxMessageSize?: number
  /** Folder of the offset files of broadcasting consumers. Default `~/.rocketmq_offsets`, as in Java. */
  localOffsetStoreDir?: string
}

const rules = {
  consumerGroup: required((value) => checkGroup(value, 'consumerGroup')),
  messageModel: oneOf(['CLUSTERING', 'BROADCASTING'], 'CLUSTERING'),
  persistConsumerOffsetInterval: milliseconds(5_000, 10),
  brokerSuspendMaxTimeMillis: milliseconds(20_000, 0),
  consumerTimeoutMillisWhenSuspend: milliseconds(30_000),
  consumerPullTimeoutMillis: milliseconds(10_000),
  maxMessageSize: wholeNumber(4 * 1024 * 1024, { min: 4 * 1024 * 1024, max: 1024 * 1024 * 1024, unit: 'bytes' }),
  localOffsetStoreDir: optionalValue((value): value is string => typeof value === 'string' && value !== '', 'a path'),
}

export type ResolvedPullConsumerOptions = ReturnType<typeof resolvePullConsumerOptions>

export function resolvePullConsumerOptions(options: PullConsumerOptions, owner: string) {
  return resolveOptions(rules, memberOptionsOf(options, owner), owner, MEMBER_OPTION_NAMES)
}
