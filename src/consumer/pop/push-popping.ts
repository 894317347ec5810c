import type { Client } from '../../client/client.js'
import type { SubscriptionData } from '../../client/subscription-data.js'
import type { MessageQueue } from '../../message/message.js'
import type { ConsumeHookRunner } from '../consume-hook-runner.js'
import type { TopicStatistics } from '../consume-statistics.js'
import type { Consumption } from '../consumption.js'
import type { OpenQueues } from '../open-queues.js'
import type { QueueRequests } from '../queue-requests.js'
import { LeaseRenewal } from './lease-renewal.js'
import { LeaseRequests } from './lease-requests.js'
import type { PopLoopOptions } from './pop-loop.js'
import { PopQueue, type PopQueueContext } from './pop-queue.js'
import { PopRequests } from './pop-requests.js'

export interface PushPoppingOptions extends PopLoopOptions {
  readonly maxReconsumeTimes: number
  /** Whether messages are kept for as long as handlers have them. */
  readonly popRenewInvisibleTime: boolean
  readonly consumeTimeout: number
}

/** What a push consumer brings along for the queues that it pops. None of the functions may throw. */
export interface PushPoppingHost {
  readonly client: Client
  readonly requests: QueueRequests
  readonly consumption: Consumption
  readonly openQueues: OpenQueues
  readonly filter: ConsumeHookRunner | undefined
  subscription(topic: string): SubscriptionData | undefined
  report(error: unknown, what: string): void
}

/** What messages have waited for a handler may be as long as what the handler takes. */
const HOLD_TIMES = 2

/** The queues that a push consumer pops instead of pulling them. */
export class PushPopping {
  readonly #context: PopQueueContext
  readonly #renewal: LeaseRenewal | undefined

  constructor(host: PushPoppingHost, options: PushPoppingOptions) {
    const { client, requests } = host
    const popRequests = new PopRequests(client, requests.consumerGroup)
    const leaseRequests = new LeaseRequests(client, popRequests)
    if (options.popRenewInvisibleTime) {
      this.#renewal = new LeaseRenewal({
        renew: (lease, invisibleTime) => leaseRequests.changeInvisibleTime(lease, invisibleTime, {}),
        onFailed: (lease, error) =>
          client.logger.warn('an invisible time could not be prolonged', { message: lease.title, error }),
      })
    }
    this.#context = {
      client,
      requests,
      consumption: host.consumption,
      openQueues: host.openQueues,
      filter: host.filter,
      subscription: (topic) => host.subscription(topic),
      report: (error, what) => host.report(error, what),
      popRequests,
      leaseRequests,
      popOptions: options,
      maxReconsumeTimes: options.maxReconsumeTimes,
      renewal: this.#renewal,
      maxHoldTime: HOLD_TIMES * options.consumeTimeout,
    }
  }

  open(queue: MessageQueue, statistics: TopicStatistics): PopQueue {
    return new PopQueue(queue, statistics, this.#context)
  }

  /** Ends timers. Queues have to be closed before. */
  stop(): void {
    this.#renewal?.stop()
  }
}
