import type { Client } from '../client/client.js'
import type { MessageQueue } from '../message/message.js'
import { PullSysFlag } from '../message/sys-flag.js'
import { pullMessage } from '../remoting/commands/pull.js'
import { type WaitOptions, withDeadline } from '../remoting/deadline.js'

/**
 * Makes the broker of a queue know a group: by the heartbeat, which may be under way still. A proxy keeps heartbeats to itself; its brokers hear of a group by its first pull.
 *
 * @param consumerGroup - With its namespace.
 * @param otherwise - The error when the timeout is over.
 */
export async function introduceGroup(
  { heartbeat, remoting }: Client,
  consumerGroup: string,
  { topic, queueId, brokerName }: MessageQueue,
  address: string,
  options: WaitOptions,
  otherwise: Error,
): Promise<void> {
  const { timeout, signal } = options
  await withDeadline(heartbeat.ensure(address), timeout, signal, 'introducing a group', () => otherwise)
  if (!remoting.isProxy(address)) return
  const header = {
    consumerGroup,
    topic,
    queueId,
    queueOffset: 0,
    maxMsgNums: 1,
    sysFlag: PullSysFlag.SUBSCRIPTION,
    commitOffset: 0,
    suspendTimeoutMillis: 0,
    subscription: '*',
    subVersion: 0,
    expressionType: 'TAG',
    brokerName,
  }
  await remoting.invoke(address, pullMessage, header, options)
}
