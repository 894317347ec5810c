import type { Client } from '../client/client.js'
import { getMaxOffset } from '../remoting/commands/offset.js'
import type { ServiceDetector } from '../route/latency-fault-tolerance.js'

/**
 * Asks brokers for the end of queue 0 of a topic that they have.
 *
 * @param topics - The topics that the producer sends to.
 * @see DefaultMQProducerImpl.pickTopic
 */
export function serviceDetector(client: Client, topics: () => Iterable<string>): ServiceDetector {
  const topicOf = (brokerName: string): string | undefined => {
    for (const topic of topics()) {
      const queues = client.routes.cached(topic)?.publishQueues
      if (queues?.some((queue) => queue.brokerName === brokerName)) return topic
    }
    return undefined
  }
  return {
    addressOf: (brokerName) => client.masterAddress(brokerName),
    async detect(brokerName, address, timeout) {
      const topic = topicOf(brokerName)
      if (topic === undefined) return false
      await client.remoting.invoke(address, getMaxOffset, { topic, queueId: 0, brokerName }, { timeout })
      return true
    },
  }
}
