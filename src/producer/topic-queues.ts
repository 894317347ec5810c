import type { MessageQueue } from '../message/message.js'
import type { TopicRoute } from '../route/topic-route.js'

/** Takes the queues of one topic in turn, from a random one on. */
export class TopicQueues {
  #next = Math.floor(Math.random() * 0x4000_0000)

  /**
   * The next queue. Left out, as long as there are others: those of `avoid`, the broker that failed last, and those that can't be reached now.
   *
   * @see TopicPublishInfo.selectOneMessageQueue
   */
  next(
    route: TopicRoute,
    avoid: string | undefined,
    isReachable: (queue: MessageQueue) => boolean,
  ): MessageQueue | undefined {
    const queues = route.publishQueues
    let secondBest: MessageQueue | undefined
    let last: MessageQueue | undefined
    for (let i = 0; i < queues.length; i++) {
      this.#next = (this.#next + 1) & 0x7fff_ffff
      last = queues[this.#next % queues.length]
      if (last === undefined || last.brokerName === avoid) continue
      if (isReachable(last)) return last
      secondBest ??= last
    }
    return secondBest ?? last
  }
}
