import type { Namespace } from '../client/namespace.js'
import type { StoredMessage } from '../codec/stored-message.js'
import { MessageProperty } from '../message/message-properties.js'
import { RETRY_TOPIC_PREFIX } from '../message/names.js'

export function isRetryTopic(topic: string): boolean {
  return topic.startsWith(RETRY_TOPIC_PREFIX)
}

/** What stands behind the group in the name of a retry topic of popped messages. */
const POP_SEPARATOR = '_'

/**
 * Gives messages of a retry topic the topic that they were sent to.
 *
 * @param consumerGroup - As the user knows it: a group that popped before has retry topics that say the first topic in their names only.
 * @see DefaultMQPushConsumerImpl.resetRetryAndNamespace, DefaultMQPushConsumerImpl.tryResetPopRetryTopic
 */
export function withOriginalTopics(
  messages: readonly StoredMessage[],
  namespace: Namespace,
  consumerGroup: string,
): StoredMessage[] {
  const popPrefix = RETRY_TOPIC_PREFIX + consumerGroup + POP_SEPARATOR
  return messages.map((message) => {
    const popped = message.topic.startsWith(popPrefix) ? message.topic.slice(popPrefix.length) : undefined
    const topic = message.property(MessageProperty.RETRY_TOPIC) ?? popped
    return topic === undefined ? message : message.derive({ topic: namespace.unwrap(topic) }, message.body)
  })
}
