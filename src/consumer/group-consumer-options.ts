import type { ClientOptions } from '../client/member-options.js'
import { checkGroup } from '../client/name-check.js'
import {
  flag,
  invalid,
  milliseconds,
  type OptionRule,
  oneOf,
  optionalValue,
  required,
  type resolveOptions,
} from '../client/option-rules.js'
import type { MessageModel } from '../client/subscription-data.js'
import { allocateAveragely } from './allocate/allocate-averagely.js'
import type { AllocateMessageQueueStrategy } from './allocate/allocate-message-queue-strategy.js'
import type { OffsetStore } from './offset-store.js'

/** Where a group begins with a queue of which it has no offset. */
export type ConsumeFromWhere = 'LAST' | 'FIRST' | 'TIMESTAMP'

/** What every consumer takes whose group divides the queues among its members. */
export interface GroupConsumerOptions extends ClientOptions {
  /** Required. The members of a group share the messages of its topics, so all of them must subscribe to the same. */
  consumerGroup: string
  /** `'CLUSTERING'`: each message goes to one member. `'BROADCASTING'`: to every one, with offsets in a file of its host. Default `'CLUSTERING'`. */
  messageModel?: MessageModel
  /**
   * Where to begin with a queue of which the group has no offset. Default `'LAST'`: with what comes from now on.
   *
   * As with Java's consumers, a queue that is so young that its first message is still in the broker's memory is read from its beginning, whatever is said here, and
   * retry topics are.
   */
  consumeFromWhere?: ConsumeFromWhere
  /** For `consumeFromWhere: 'TIMESTAMP'`: a Date, ms since the epoch, or Java's `'yyyyMMddHHmmss'` in local time. Default: half an hour before the consumer is made. */
  consumeTimestamp?: Date | number | string
  /** How queues are divided among the members; the same for all members of a group. Default `allocateAveragely`. */
  allocateMessageQueueStrategy?: AllocateMessageQueueStrategy
  /** `false`: the brokers divide the queues (5.0 on), unless messages are broadcast or consumed orderly. Default `true`. */
  clientRebalance?: boolean
  /** Between two divisions of the queues that nothing else asks for, in milliseconds. Default 20000. */
  rebalanceInterval?: number
  /** Between two storings of offsets, in milliseconds. Default 5000. */
  persistConsumerOffsetInterval?: number
  /** Between two `lag` events, in milliseconds. Default 0: none. */
  lagReportInterval?: number
  /** Keeps the offsets instead of the brokers or of the file. */
  offsetStore?: OffsetStore
  /** Folder of the offset files of broadcasting consumers. Default `~/.rocketmq_offsets`, as in Java. */
  localOffsetStoreDir?: string
  /** Tells brokers that the group belongs to a unit, as in Java. Default `false`. */
  unitMode?: boolean
}

const HALF_AN_HOUR = 30 * 60 * 1000
const STORE_METHODS = ['load', 'read', 'update', 'commit', 'persist', 'remove'] as const

/** The rules of these options, for the resolvers of subclasses. */
export const groupConsumerOptionRules = {
  consumerGroup: required((value) => checkGroup(value, 'consumerGroup')),
  messageModel: oneOf(['CLUSTERING', 'BROADCASTING'], 'CLUSTERING'),
  consumeFromWhere: oneOf(['LAST', 'FIRST', 'TIMESTAMP'], 'LAST'),
  consumeTimestamp: { read: readConsumeTimestamp } satisfies OptionRule<number>,
  allocateMessageQueueStrategy: { read: readStrategy } satisfies OptionRule<AllocateMessageQueueStrategy>,
  clientRebalance: flag(true),
  rebalanceInterval: milliseconds(20_000, 10),
  persistConsumerOffsetInterval: milliseconds(5_000, 10),
  lagReportInterval: milliseconds(0, 0),
  offsetStore: optionalValue(isOffsetStore, `an object with ${STORE_METHODS.join(', ')}`),
  localOffsetStoreDir: optionalValue((value): value is string => typeof value === 'string' && value !== '', 'a path'),
  unitMode: flag(false),
}

export type ResolvedGroupConsumerOptions = ReturnType<typeof resolveOptions<typeof groupConsumerOptionRules>>

/** @returns ms since the epoch. */
function readConsumeTimestamp(value: unknown, name: string): number {
  if (value === undefined) return Date.now() - HALF_AN_HOUR
  const time = value instanceof Date ? value.getTime() : typeof value === 'string' ? parseJavaTime(value) : value
  if (typeof time === 'number' && Number.isSafeInteger(time) && time >= 0) return time
  throw invalid(name, value, "a Date, ms since the epoch, or 'yyyyMMddHHmmss'")
}

/** `yyyyMMddHHmmss` in local time; NaN for anything else, also for a day that no month has. @see UtilAll.parseDate */
function parseJavaTime(text: string): number {
  const parts = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)$/.exec(text)?.slice(1).map(Number)
  if (parts === undefined) return Number.NaN
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts
  const date = new Date(year, month - 1, day, hour, minute, second)
  const isReal = date.getMonth() === month - 1 && date.getDate() === day && hour < 24 && minute < 60 && second < 60
  return isReal ? date.getTime() : Number.NaN
}

function readStrategy(value: unknown, name: string): AllocateMessageQueueStrategy {
  if (value === undefined) return allocateAveragely
  if (typeof value === 'function') return value as AllocateMessageQueueStrategy
  throw invalid(name, value, 'a function (group, currentClientId, queues, clientIds) => MessageQueue[]')
}

function isOffsetStore(value: unknown): value is OffsetStore {
  if (typeof value !== 'object' || value === null) return false
  return STORE_METHODS.every((method) => typeof (value as Record<string, unknown>)[method] === 'function')
}
