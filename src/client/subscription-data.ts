import { ClientError, shown } from '../errors.js'
import { javaHashCode } from '../message/java-hash.js'

/** What a consumer wants of a topic, as brokers keep it (`SubscriptionData`). */
export interface SubscriptionData {
  readonly topic: string
  readonly subString: string
  readonly tagsSet: readonly string[]
  readonly codeSet: readonly number[]
  readonly subVersion: number
  readonly expressionType: 'TAG'
}

/** A consumer group's entry in a heartbeat (`ConsumerData`). */
export interface ConsumerData {
  readonly groupName: string
  readonly consumeType: 'CONSUME_ACTIVELY' | 'CONSUME_PASSIVELY'
  readonly messageModel: MessageModel
  readonly consumeFromWhere: 'CONSUME_FROM_LAST_OFFSET'
  readonly subscriptionDataSet: readonly SubscriptionData[]
}

export type MessageModel = 'CLUSTERING' | 'BROADCASTING'

export const SUBSCRIBE_ALL = '*'

/**
 * Reads a tag expression such as `'TagA || TagB'`; `'*'` and an empty one stand for all messages.
 *
 * @throws {@link ClientError} `INVALID_ARGUMENT` for what names no tag.
 * @see FilterAPI.buildSubscriptionData
 */
export function tagSubscription(topic: string, expression: string = SUBSCRIBE_ALL, subVersion = 0): SubscriptionData {
  if (typeof expression !== 'string') {
    throw new ClientError(
      'INVALID_ARGUMENT',
      `expression of topic ${topic} is ${shown(expression)}, a text such as 'TagA || TagB' is expected`,
    )
  }
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
