import { checkTopic } from '../client/name-check.js'
import type { Namespace } from '../client/namespace.js'
import type { FilterExpression, SubscriptionData } from '../client/subscription-data.js'
import { ClientError, shown } from '../errors.js'
import type { MessageQueue } from '../message/message.js'
import type { WaitOptions } from '../remoting/deadline.js'
import { checkMessageQueue } from './queue-arguments.js'
import { Subscriptions } from './subscriptions.js'

/** How queues are assigned. `timeout` and `signal` end the call's wait. */
export interface AssignOptions extends WaitOptions {
  /** Which messages are wanted of a topic, by topic. Default: all of each. */
  readonly expressions?: Readonly<Record<string, FilterExpression>>
}

/** Queues that a member consumes because its user said so, and what it wants of their topics. Names are those that servers know. */
export class ManualAssignment {
  readonly queues: readonly MessageQueue[]
  readonly #subscriptions: Subscriptions

  private constructor(queues: readonly MessageQueue[], subscriptions: Subscriptions) {
    this.queues = queues
    this.#subscriptions = subscriptions
  }

  /** @throws {@link ClientError} `INVALID_ARGUMENT`. */
  static of(given: readonly MessageQueue[], options: AssignOptions, namespace: Namespace): ManualAssignment {
    if (!Array.isArray(given))
      throw new ClientError('INVALID_ARGUMENT', `queues is ${shown(given)}, a list is expected`)
    const queues = given.map((queue) => namespace.wrapQueue(checkMessageQueue(queue)))
    const subscriptions = new Subscriptions()
    for (const { topic } of queues) subscriptions.set(checkTopic(topic))
    for (const [topic, expression] of Object.entries(options.expressions ?? {})) {
      const wireTopic = namespace.wrap(topic)
      if (!subscriptions.has(wireTopic)) {
        throw new ClientError('INVALID_ARGUMENT', `expressions name topic ${topic}, of which no queue is assigned`)
      }
      subscriptions.set(wireTopic, expression)
    }
    return new ManualAssignment(queues, subscriptions)
  }

  subscription(topic: string): SubscriptionData | undefined {
    return this.#subscriptions.get(topic)
  }

  /** Of the topics of its queues. */
  subscriptions(): SubscriptionData[] {
    const topics = new Set(this.queues.map(({ topic }) => topic))
    return this.#subscriptions.values().filter(({ topic }) => topics.has(topic))
  }

  /** The same without the queues of a topic. */
  without(topic: string): ManualAssignment {
    return new ManualAssignment(
      this.queues.filter((queue) => queue.topic !== topic),
      this.#subscriptions,
    )
  }
}
