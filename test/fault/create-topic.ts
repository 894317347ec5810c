import type { Cluster, ClusterNode } from '../support/cluster.js'
import { probe, topicBrokers } from '../support/remoting-probe.js'
import { until } from '../support/until.js'

const UPDATE_AND_CREATE_TOPIC = 17

/** Creates a topic on brokers, all by default, and waits until every NameServer that answers shows it on all of them. */
export async function createTopic(
  cluster: Cluster,
  topic: string,
  { queues = 4, brokers = cluster.brokers }: { queues?: number; brokers?: readonly ClusterNode[] } = {},
): Promise<void> {
  const fields = {
    topic,
    defaultTopic: 'TBW102',
    readQueueNums: String(queues),
    writeQueueNums: String(queues),
    perm: '6',
    topicFilterType: 'SINGLE_TAG',
    topicSysFlag: '0',
    order: 'false',
  }
  for (const broker of brokers) {
    const { code, remark } = await probe(broker.address, { code: UPDATE_AND_CREATE_TOPIC, fields }, { timeout: 10_000 })
    if (code !== 0) throw new Error(`${broker.name} did not create topic ${topic}: ${code} ${remark}`)
  }
  const names = brokers.map((broker) => broker.name).sort()
  for (const { address, pid } of cluster.nameServers) {
    if (pid === undefined) continue
    await until(async () => (await topicBrokers(address, topic))?.join() === names.join(), 30_000)
  }
}
