import { buildSubscriptionData, type FilterExpression, type SubscriptionData } from '../client/subscription-data.js'

/** The topics of one consumer group's member, and what it wants of each. Topics have the names that servers know. */
export class Subscriptions {
  readonly #byTopic = new Map<string, SubscriptionData>()

  /**
   * Adds a topic, or takes another expression for it.
   *
   * @throws {@link ClientError} `INVALID_ARGUMENT` for what is no expression; then nothing changes.
   */
  set(topic: string, expression?: FilterExpression): SubscriptionData {
    const subscription = buildSubscriptionData(topic, expression, this.#nextVersion(topic))
    this.#byTopic.set(topic, subscription)
    return subscription
  }

  delete(topic: string): boolean {
    return this.#byTopic.delete(topic)
  }

  get(topic: string): SubscriptionData | undefined {
    return this.#byTopic.get(topic)
  }

  has(topic: string): boolean {
    return this.#byTopic.has(topic)
  }

  values(): SubscriptionData[] {
    return [...this.#byTopic.values()]
  }

  get topics(): string[] {
    return [...this.#byTopic.keys()]
  }

  /** Makes the subscription the newest of its group, after a rebalance that changed something. @see RebalancePushImpl.messageQueueChanged */
  renew(topic: string): void {
    const subscription = this.#byTopic.get(topic)
    if (subscription === undefined) return
    this.#byTopic.set(topic, { ...subscription, subVersion: this.#nextVersion(topic) })
  }

  /** Brokers take no other expression with the version that they have. */
  #nextVersion(topic: string): number {
    return Math.max(Date.now(), (this.#byTopic.get(topic)?.subVersion ?? 0) + 1)
  }
}
