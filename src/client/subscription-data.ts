import { ClientError, shown } from '../errors.js'
import { javaHashCode } from '../message/java-hash.js'

/** What a consumer wants of a topic, as brokers keep it (`SubscriptionData`). */
export interface SubscriptionData {
  readonly topic: string
  readonly subString: string
  readonly tagsSet: readonly string[]
  readonly codeSet: readonly number[]
  /** When it was made or last confirmed by a rebalance, in ms since the epoch: brokers keep the newest of a group. */
  readonly subVersion: number
  readonly expressionType: ExpressionType
}

export type ExpressionType = 'TAG' | 'SQL92'

/** Made by {@link sql}. */
export interface SqlExpression {
  readonly type: 'SQL92'
  /** The condition, as brokers read it. */
  readonly expression: string
}

/** Which messages of a topic a consumer wants: tags as in `'TagA || TagB'`, `'*'` for all, or a condition on properties made by {@link sql}. */
export type FilterExpression = string | SqlExpression

/** A consumer group's entry in a heartbeat (`ConsumerData`). */
export interface ConsumerData {
  readonly groupName: string
  readonly consumeType: ConsumeType
  readonly messageModel: MessageModel
  readonly consumeFromWhere: WireConsumeFromWhere
  readonly subscriptionDataSet: readonly SubscriptionData[]
  /** Default `false`. */
  readonly unitMode?: boolean
}

export type ConsumeType = 'CONSUME_ACTIVELY' | 'CONSUME_PASSIVELY' | 'CONSUME_POP'

export type WireConsumeFromWhere = 'CONSUME_FROM_LAST_OFFSET' | 'CONSUME_FROM_FIRST_OFFSET' | 'CONSUME_FROM_TIMESTAMP'

/** `'CLUSTERING'`: each message goes to one member of the group. `'BROADCASTING'`: to every one. @see MessageModel */
export type MessageModel = 'CLUSTERING' | 'BROADCASTING'

export const SUBSCRIBE_ALL = '*'

/**
 * A condition on the properties of messages, which brokers check: `sql("price > 5 AND TAGS IN ('a', 'b')")`. It needs `enablePropertyFilter=true` at the brokers.
 *
 * The grammar: `AND OR NOT`, `> >= < <= = <>`, `BETWEEN`, `IN` with texts, `IS NULL`, `TRUE`, `FALSE`, numbers and `'texts'`.
 *
 * @throws {@link ClientError} `INVALID_ARGUMENT` for what is no text, or an empty one.
 * @see MessageSelector.bySql
 */
export function sql(expression: string): SqlExpression {
  if (typeof expression !== 'string' || expression.trim() === '') {
    throw new ClientError('INVALID_ARGUMENT', `the SQL92 expression is ${shown(expression)}, a condition is expected`)
  }
  return { type: 'SQL92', expression }
}

/**
 * Reads what a user says of a topic: tags, all, or SQL92.
 *
 * @throws {@link ClientError} `INVALID_ARGUMENT`.
 * @see FilterAPI.build
 */
export function buildSubscriptionData(
  topic: string,
  expression: FilterExpression = SUBSCRIBE_ALL,
  subVersion = 0,
): SubscriptionData {
  if (typeof expression !== 'object' || expression === null) return tagSubscription(topic, expression, subVersion)
  if (expression.type !== 'SQL92') throw noExpression(topic, expression)
  const { expression: subString } = sql(expression.expression)
  return { topic, subString, tagsSet: [], codeSet: [], subVersion, expressionType: 'SQL92' }
}

/**
 * Reads a tag expression such as `'TagA || TagB'`; `'*'` and an empty one stand for all messages.
 *
 * @throws {@link ClientError} `INVALID_ARGUMENT` for what names no tag.
 * @see FilterAPI.buildSubscriptionData
 */
export function tagSubscription(topic: string, expression: string = SUBSCRIBE_ALL, subVersion = 0): SubscriptionData {
  if (typeof expression !== 'string') throw noExpression(topic, expression)
  if (expression === '' || expression === SUBSCRIBE_ALL) {
    return { topic, subString: SUBSCRIBE_ALL, tagsSet: [], codeSet: [], subVersion, expressionType: 'TAG' }
  }
  const tags = expression
    .split('||')
    .map((tag) => tag.trim())
    .filter((tag) => tag !== '')
  const tagsSet = [...new Set(tags)]
  if (tagsSet.length === 0) {
    throw new ClientError('INVALID_ARGUMENT', `expression ${shown(expression)} of topic ${topic} names no tag`)
  }
  const codeSet = [...new Set(tagsSet.map(javaHashCode))]
  return { topic, subString: expression, tagsSet, codeSet, subVersion, expressionType: 'TAG' }
}

/** As it stands in the JSON of requests. */
export function subscriptionToWire(subscription: SubscriptionData): object {
  return { classFilterMode: false, ...subscription }
}

function noExpression(topic: string, expression: unknown): ClientError {
  return new ClientError(
    'INVALID_ARGUMENT',
    `expression of topic ${topic} is ${shown(expression)}, a text such as 'TagA || TagB' or sql('a > 5') is expected`,
  )
}
