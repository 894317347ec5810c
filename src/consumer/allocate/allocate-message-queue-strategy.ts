import type { MessageQueue } from '../../message/message.js'

/**
 * Divides the queues of a topic among the members of a group. Each member calls it for itself, so it must come to the same division everywhere: by nothing but what it
 * is given. Names have their namespace.
 *
 * @see AllocateMessageQueueStrategy
 */
export interface AllocateMessageQueueStrategy {
  /**
   * @param consumerGroup - The group.
   * @param currentClientId - The member that asks.
   * @param queues - All queues of one topic, in RocketMQ's order.
   * @param clientIds - All members of the group, sorted. The one that asks may be missing, when the brokers don't know it yet: it gets nothing then.
   * @returns the queues of the member that asks.
   */
  (
    consumerGroup: string,
    currentClientId: string,
    queues: readonly MessageQueue[],
    clientIds: readonly string[],
  ): readonly MessageQueue[]
  /** By which brokers know it where they divide the queues (`clientRebalance: false`): `getName` of the Java class. Brokers have `AVG` and `AVG_BY_CIRCLE`. */
  readonly strategyName?: string
}

/** @internal Gives a strategy the name of its Java class. */
export function named<S extends AllocateMessageQueueStrategy>(strategyName: string, strategy: S): S {
  return Object.assign(strategy, { strategyName })
}
