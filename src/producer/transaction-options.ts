import { checkTopic } from '../client/name-check.js'
import {
  invalid,
  type OptionRule,
  optionalValue,
  required,
  resolveOptions,
  wholeNumber,
} from '../client/option-rules.js'
import { ClientError, shown } from '../errors.js'
import type { Message, MessageExt } from '../message/message.js'
import { MessageProperty } from '../message/message-properties.js'
import type { SendOptions } from './default-producer.js'
import type { LocalTransactionAnswer, TransactionMessage } from './local-transaction.js'
import { timingOf } from './message-timing.js'
import { checkIsMessage } from './outgoing-message.js'
import type { ProducerOptions } from './producer-options.js'

export interface TransactionProducerOptions extends ProducerOptions {
  /** The local transaction of messages that are sent without an executor of their own. `arg` is what `sendInTransaction` was given. */
  executeLocalTransaction?(message: TransactionMessage, arg: unknown): LocalTransactionAnswer
  /**
   * Required. Says how the transaction `message.msgId` has ended, when a broker asks because nobody told it: a producer crashed, its answer was lost, or the
   * state was unknown. Any member of the group may be asked, so the answer must come from what is kept outside of this process. `'UNKNOWN'` while it is still
   * running; one that throws counts as that.
   */
  checkLocalTransaction(message: MessageExt): LocalTransactionAnswer
  /** Topics to get to know at the start, so that their brokers can ask this producer before it has sent anything. Default none. */
  topics?: readonly string[]
  /** Checks that run at a time. A `checkLocalTransaction` that never settles keeps its place. Default 16. */
  checkConcurrency?: number
  /** Checks that wait; further ones are dropped, and the broker asks again. Default 2000, as in Java. */
  checkRequestHoldMax?: number
}

export interface TransactionSendOptions extends SendOptions {
  /**
   * How long the broker waits before it asks for the first time, in milliseconds; rounded up to seconds. An answer of the local transaction that comes later
   * than that is refused by brokers from 5.0 on: then the check settles it. Default: the broker's `transactionTimeOut`, 6 seconds, without such a refusal.
   */
  checkImmunityTime?: number
}

/** No reserved name: as in Java, a user may set it as any other property (`MessageConst.PROPERTY_CHECK_IMMUNITY_TIME_IN_SECONDS`). */
const CHECK_IMMUNITY_TIME_IN_SECONDS = 'CHECK_IMMUNITY_TIME_IN_SECONDS'

type Executor = Exclude<TransactionProducerOptions['executeLocalTransaction'], undefined>

const isExecutor = (value: unknown): value is Executor => typeof value === 'function'

const rules = {
  executeLocalTransaction: optionalValue(isExecutor, 'a function (message, arg)'),
  checkLocalTransaction: required((value, name) => {
    if (typeof value === 'function') return value as TransactionProducerOptions['checkLocalTransaction']
    throw invalid(name, value, "a function (message) that gives 'COMMIT', 'ROLLBACK' or 'UNKNOWN'")
  }),
  topics: { read: readTopics } satisfies OptionRule<readonly string[]>,
  checkConcurrency: wholeNumber(16, { min: 1, max: 10_000 }),
  checkRequestHoldMax: wholeNumber(2000, { min: 1, max: 1_000_000 }),
}

export type ResolvedTransactionOptions = ReturnType<typeof resolveTransactionOptions>['own']

/**
 * Takes what belongs to transactions from the options; the rest is for the producer beneath.
 *
 * @throws {@link ClientError} `INVALID_OPTION`, `INVALID_ARGUMENT` (a topic's name).
 */
export function resolveTransactionOptions(options: TransactionProducerOptions) {
  const own: Record<string, unknown> = {}
  const rest: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(options ?? {})) {
    if (Object.hasOwn(rules, name)) own[name] = value
    else rest[name] = value
  }
  return { own: resolveOptions(rules, own, 'TransactionProducer'), rest: rest as unknown as ProducerOptions }
}

/**
 * Refuses what a message of a transaction can't have.
 *
 * @throws {@link ClientError} `INVALID_ARGUMENT`.
 */
export function checkHalfMessage(message: Message): void {
  checkIsMessage(message)
  // Brokers don't obey them when a message belongs to a transaction.
  const [unfit] = timingOf(message)
  if (unfit === undefined) return
  throw new ClientError(
    'INVALID_ARGUMENT',
    `a message of a transaction has ${unfit} ${shown(message[unfit])}: it can be neither delayed nor have a priority; leave it out`,
  )
}

/**
 * The properties that make a message the first half of a transaction.
 *
 * @throws {@link ClientError} `INVALID_ARGUMENT`.
 */
export function halfProperties(producerGroup: string, options: TransactionSendOptions): Record<string, string> {
  const properties = {
    [MessageProperty.TRANSACTION_PREPARED]: 'true',
    [MessageProperty.PRODUCER_GROUP]: producerGroup,
  }
  const { checkImmunityTime } = options
  if (checkImmunityTime === undefined) return properties
  const seconds = Math.ceil(checkImmunityTime / 1000)
  if (typeof checkImmunityTime !== 'number' || !Number.isSafeInteger(seconds) || seconds <= 0) {
    throw new ClientError(
      'INVALID_ARGUMENT',
      `option checkImmunityTime is ${shown(checkImmunityTime)}, milliseconds above 0 expected`,
    )
  }
  return { ...properties, [CHECK_IMMUNITY_TIME_IN_SECONDS]: String(seconds) }
}

function readTopics(value: unknown, name: string): readonly string[] {
  if (value === undefined) return []
  if (!Array.isArray(value)) throw invalid(name, value, 'a list of topics')
  return value.map(checkTopic)
}
