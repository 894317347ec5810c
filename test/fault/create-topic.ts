import type { Cluster, ClusterNode } from '../support/cluster.js'
import { createTopicOn } from '../support/create-topic-on.js'
import { topicBrokers } from '../support/remoting-probe.js'
import { until } from '../support/until.js'

/** Creates a topic on brokers, all by default, and waits until every NameServer that answers shows it on all of them. */
export async function createTopic(
  cluster: Cluster,
  topic: string,
  { queues = 4, brokers = cluster.brokers }: { queues?: number; brokers?: readonly ClusterNode[] } = {},
): Promise<void> {
  for (const broker of brokers) await createTopicOn(broker.address, { topic, queues })
  const names = brokers.map((broker) => broker.name).sort()
  for (const { address, pid } of cluster.nameServers) {
    if (pid === undefined) continue
    await until(async () => (await topicBrokers(address, topic))?.join() === names.join(), 30_000)
  }
}
