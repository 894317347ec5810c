import { MEMBER_OPTION_NAMES, memberOptionsOf } from '../client/member.js'
import type { ClientOptions } from '../client/member-options.js'
import { checkGroup } from '../client/name-check.js'
import { flag, milliseconds, oneOf, required, resolveOptions, wholeNumber } from '../client/option-rules.js'

/** Options of a {@link SimpleConsumer}. */
export interface SimpleConsumerOptions extends ClientOptions {
  /** Required. The members of a group share the messages of its topics, so all of them must subscribe to the same. */
  consumerGroup: string
  /** Messages of one `receive`, at most 32, which brokers give at most. Default 32. */
  maxMessages?: number
  /** For how long what was received is this consumer's, in milliseconds; what is not acknowledged by then comes again. 1 second to 12 hours. Default 60000. */
  invisibleDuration?: number
  /** How long a `receive` waits when there is nothing, in milliseconds. Default 15000. */
  awaitDuration?: number
  /**
   * Keep the order of each queue: while somebody of the group has messages of a queue, nobody gets others of it. All members of a group must agree. Default `false`.
   */
  order?: boolean
  /**
   * Where to begin with a queue of which the group has no offset. Default `'LAST'`: with what comes from now on, and the message before that.
   *
   * As with Java's consumers, a queue that is so young that its first message is still in the broker's memory is read from its beginning, whatever is said here.
   */
  consumeFromWhere?: 'LAST' | 'FIRST'
  /** How often a message comes back at most, because it was not acknowledged, before it goes to the dead-letter topic. Default 16. */
  maxReconsumeTimes?: number
  /**
   * Prolong the invisible time of what was received until it is acknowledged, for `consumeTimeout` at most. Messages that `for await` has are always kept so. Default `false`.
   */
  renewInvisibleDuration?: boolean
  /** How long a message is kept from others by prolonging its invisible time, in milliseconds. Default 900000, a quarter of an hour. */
  consumeTimeout?: number
  /** Largest body after decompression, in bytes: a guard against bodies made to blow up. Default 4 MiB, as brokers have it. */
  maxMessageSize?: number
}

const MIB = 1024 * 1024
const HOUR = 3_600_000
/** The limits of what brokers take as an invisible time. */
export const MIN_INVISIBLE_DURATION = 1_000
export const MAX_INVISIBLE_DURATION = 12 * HOUR
export const MAX_MESSAGES = 32

const rules = {
  consumerGroup: required((value) => checkGroup(value, 'consumerGroup')),
  maxMessages: wholeNumber(32, { min: 1, max: MAX_MESSAGES }),
  invisibleDuration: wholeNumber(60_000, { min: MIN_INVISIBLE_DURATION, max: MAX_INVISIBLE_DURATION, unit: 'ms' }),
  awaitDuration: milliseconds(15_000, 0),
  order: flag(false),
  consumeFromWhere: oneOf(['LAST', 'FIRST'], 'LAST'),
  maxReconsumeTimes: wholeNumber(16, { min: 0, max: 0x7fff_ffff }),
  renewInvisibleDuration: flag(false),
  consumeTimeout: wholeNumber(900_000, { min: 1, max: 7 * 24 * HOUR, unit: 'ms' }),
  maxMessageSize: wholeNumber(4 * MIB, { min: 4 * MIB, max: 1024 * MIB, unit: 'bytes' }),
}

export type ResolvedSimpleConsumerOptions = ReturnType<typeof resolveSimpleConsumerOptions>

export function resolveSimpleConsumerOptions(options: SimpleConsumerOptions, owner: string) {
  return resolveOptions(rules, memberOptionsOf(options, owner), owner, MEMBER_OPTION_NAMES)
}
