import type { Client } from '../client/client.js'
import type { ConsumerRequestHandlers } from '../client/consumer-requests.js'
import { notifyConsumerIdsChanged } from '../remoting/commands/group.js'
import { ConsoleRequests } from './console-requests.js'
import { runningInfo } from './running-info.js'
import type { ResolvedSimpleConsumerOptions } from './simple-consumer-options.js'
import type { Subscriptions } from './subscriptions.js'

/** What a simple consumer answers to brokers and consoles: it has no queues, and no handler. */
export class SimpleConsole {
  readonly #client: Client
  readonly #options: ResolvedSimpleConsumerOptions
  readonly #subscriptions: Subscriptions
  readonly #onMembersChanged: () => void
  readonly #startTimestamp = Date.now()

  /** @param onMembersChanged - Others of the group came or went. Must not throw. */
  constructor(
    client: Client,
    options: ResolvedSimpleConsumerOptions,
    subscriptions: Subscriptions,
    onMembersChanged: () => void,
  ) {
    this.#client = client
    this.#options = options
    this.#subscriptions = subscriptions
    this.#onMembersChanged = onMembersChanged
  }

  handlers(): ConsumerRequestHandlers {
    const { namespace, logger } = this.#client
    const requests = new ConsoleRequests({
      namespace,
      logger,
      maxMessageSize: this.#options.maxMessageSize,
      isOrderly: this.#options.order,
      queues: () => [],
      // Brokers that can be popped set the offsets themselves.
      resetOffsets: async () => undefined,
      runningInfo: (isInFlightWanted) => runningInfo(this.#source(), isInFlightWanted),
      consumeDirectly: undefined,
    })
    const notified = () => {
      this.#onMembersChanged()
      return undefined
    }
    return new Map([...requests.handlers(), [notifyConsumerIdsChanged.code, notified]])
  }

  #source() {
    const { consumerGroup, invisibleDuration, awaitDuration, maxReconsumeTimes } = this.#options
    return {
      nameServers: this.#client.nameServers.addresses,
      consumeType: 'CONSUME_POP' as const,
      isOrderly: this.#options.order,
      startTimestamp: this.#startTimestamp,
      options: { consumerGroup, invisibleDuration, awaitDuration, maxReconsumeTimes },
      consumeConcurrency: undefined,
      subscriptions: this.#subscriptions.values(),
      queues: [],
      status: () => undefined,
    }
  }
}
