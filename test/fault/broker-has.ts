import type { ClusterNode } from '../support/cluster.js'
import { probe } from '../support/remoting-probe.js'

const PULL_MESSAGE = 11

/** Whether a broker, a slave too, has a message of a queue. */
export async function brokerHas(broker: ClusterNode, topic: string, queueId: number, offset: number): Promise<boolean> {
  const fields = {
    consumerGroup: 'probe',
    topic,
    queueId: String(queueId),
    queueOffset: String(offset),
    maxMsgNums: '1',
    sysFlag: '4',
    commitOffset: '0',
    suspendTimeoutMillis: '0',
    subscription: '*',
    subVersion: '0',
    expressionType: 'TAG',
  }
  return (await probe(broker.address, { code: PULL_MESSAGE, fields }, { timeout: 5_000 })).code === 0
}
