import { javaHashCode } from '../message/java-hash.js'
import type { ConsumerData, SubscriptionData } from './subscription-data.js'

/** Every Java client has this producer, for what it sends on its own account. */
const CLIENT_INNER_PRODUCER = 'CLIENT_INNER_PRODUCER'
/** Of `Boolean.FALSE`. */
const FALSE_HASH = 1237

/**
 * What members of a group compare to see whether their heartbeats say the same: the hash of the text that Java would print of a heartbeat, without the client id and the
 * versions of subscriptions. In a group of Java and Node members it must be Java's, so the text has its order of names and of sets.
 *
 * @see HeartbeatData.computeHeartbeatFingerprint
 */
export function heartbeatFingerprint(producerGroups: readonly string[], consumers: readonly ConsumerData[]): number {
  const producers = [CLIENT_INNER_PRODUCER, ...producerGroups].map((groupName) => ({ groupName }))
  const text = JSON.stringify({
    clientID: '',
    consumerDataSet: consumers.map(consumerInJavaOrder),
    heartbeatFingerprint: 0,
    producerDataSet: producers,
    withoutSub: false,
  })
  return javaHashCode(text)
}

function consumerInJavaOrder(data: ConsumerData): object {
  return {
    consumeFromWhere: data.consumeFromWhere,
    consumeType: data.consumeType,
    groupName: data.groupName,
    messageModel: data.messageModel,
    subscriptionDataSet: hashSetOrder(data.subscriptionDataSet, subscriptionHash).map(subscriptionInJavaOrder),
    unitMode: data.unitMode ?? false,
  }
}

function subscriptionInJavaOrder(subscription: SubscriptionData): object {
  return {
    classFilterMode: false,
    codeSet: hashSetOrder(subscription.codeSet, (code) => code),
    expressionType: subscription.expressionType,
    subString: subscription.subString,
    subVersion: 0,
    tagsSet: hashSetOrder(subscription.tagsSet, javaHashCode),
    topic: subscription.topic,
  }
}

/** @see SubscriptionData.hashCode */
function subscriptionHash({ codeSet, subString, tagsSet, topic, expressionType }: SubscriptionData): number {
  const parts = [
    FALSE_HASH,
    codeSet.reduce((sum, code) => (sum + code) | 0, 0),
    javaHashCode(subString),
    tagsSet.reduce((sum, tag) => (sum + javaHashCode(tag)) | 0, 0),
    javaHashCode(topic),
    javaHashCode(expressionType),
  ]
  return parts.reduce((hash, part) => (Math.imul(hash, 31) + part) | 0, 1)
}

/** The order in which a Java `HashSet` hands out what was put in: by the bucket, then by the time of its coming. */
function hashSetOrder<T>(values: readonly T[], hashOf: (value: T) => number): T[] {
  let buckets = 16
  while (values.length > buckets * 0.75) buckets *= 2
  const bucketOf = (value: T): number => {
    const hash = hashOf(value)
    return (hash ^ (hash >>> 16)) & (buckets - 1)
  }
  return [...values].sort((a, b) => bucketOf(a) - bucketOf(b))
}
