import type { MessageQueue } from '../message/message.js'
import { monotonicNow } from '../remoting/deadline.js'
import type { LatencyFaultTolerance } from '../route/latency-fault-tolerance.js'
import type { TopicRoute } from '../route/topic-route.js'

/** Ranks of queues that are not the best: the lower, the sooner they are taken. */
const UNAVAILABLE = 0
const UNREACHABLE = 1
const NOT_CONNECTED = 2
const FAILED_LAST = 3

/** Takes the queues of one topic in turn, from a random one on. */
export class TopicQueues {
  #next = randomStart()

  /**
   * The next queue. Left out, as long as there are others: those of `avoid`, the broker that failed last, and those that can't be reached now.
   *
   * @param faults - Where latency fault tolerance is on: brokers that it finds unavailable are left out too; when there is nothing else, those that are
   * reachable are taken before those that are not.
   * @see MQFaultStrategy.selectOneMessageQueue
   */
  next(
    route: TopicRoute,
    avoid: string | undefined,
    isReachable: (queue: MessageQueue) => boolean,
    faults?: LatencyFaultTolerance,
  ): MessageQueue | undefined {
    if (faults?.hasFaults) return this.#nextByFaults(route, avoid, isReachable, faults)
    const queues = route.publishQueues
    let secondBest = -1
    for (let i = 0; i < queues.length; i++) {
      this.#next = (this.#next + 1) & 0x7fff_ffff
      const queue = queues[this.#next % queues.length]
      if (queue === undefined || queue.brokerName === avoid) continue
      if (isReachable(queue)) return queue
      if (secondBest < 0) secondBest = this.#next
    }
    return this.#goOnFrom(secondBest, queues)
  }

  #nextByFaults(
    route: TopicRoute,
    avoid: string | undefined,
    isReachable: (queue: MessageQueue) => boolean,
    faults: LatencyFaultTolerance,
  ): MessageQueue | undefined {
    const queues = route.publishQueues
    const now = monotonicNow()
    // As in Java: the retries of many sends that failed together are spread.
    if (avoid !== undefined) this.#next = randomStart()
    let best = -1
    let bestRank = FAILED_LAST
    for (let i = 0; i < queues.length; i++) {
      this.#next = (this.#next + 1) & 0x7fff_ffff
      const queue = queues[this.#next % queues.length]
      if (queue === undefined || queue.brokerName === avoid) continue
      const isConnected = isReachable(queue)
      if (isConnected && faults.isAvailable(queue.brokerName, now)) return queue
      const isFaulty = !faults.isReachable(queue.brokerName)
      const rank = isConnected ? (isFaulty ? UNREACHABLE : UNAVAILABLE) : NOT_CONNECTED
      if (rank >= bestRank) continue
      best = this.#next
      bestRank = rank
    }
    return this.#goOnFrom(best, queues)
  }

  /** Takes a queue that was passed over before; the next turn is that of the one behind it. Without one, just the next. */
  #goOnFrom(index: number, queues: readonly MessageQueue[]): MessageQueue | undefined {
    if (queues.length === 0) return undefined
    this.#next = index >= 0 ? index : (this.#next + 1) & 0x7fff_ffff
    return queues[this.#next % queues.length]
  }
}

function randomStart(): number {
  return Math.floor(Math.random() * 0x4000_0000)
}
