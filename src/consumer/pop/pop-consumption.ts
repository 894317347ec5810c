import type { StoredMessage } from '../../codec/stored-message.js'
import { ConcurrentConsumption } from '../concurrent-consumption.js'
import type { ConsumeOutcome } from '../consume-observer.js'
import type { ConsumedQueue, ConsumeRun } from '../consumed-queue.js'
import { PoppedQueue } from './popped-queue.js'

/**
 * Hands out messages of queues that are pulled and of queues that are popped, all by the same places: where brokers say how a topic is fetched, a consumer may have both.
 *
 * @see ConsumeMessagePopConcurrentlyService
 */
export class PopConsumption extends ConcurrentConsumption {
  protected override take(queue: ConsumedQueue, max: number): StoredMessage[] {
    return queue instanceof PoppedQueue ? queue.take(max) : super.take(queue, max)
  }

  protected override hasMore(queue: ConsumedQueue): boolean {
    return queue instanceof PoppedQueue ? queue.waitingCount > 0 : super.hasMore(queue)
  }

  protected override settle(run: ConsumeRun, outcome: ConsumeOutcome): Promise<void> | undefined {
    if (!(run.queue instanceof PoppedQueue)) return super.settle(run, outcome)
    run.queue.settle(run, outcome)
    return undefined
  }
}
