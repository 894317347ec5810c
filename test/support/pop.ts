import { decodeMessages } from '../../src/codec/message-codec.js'
import type { MessageExt } from '../../src/index.js'
import { ALL_QUEUES, ConsumeInitMode, popMessage } from '../../src/remoting/commands/pop.js'
import type { RemotingClient } from '../../src/remoting/remoting-client.js'
import { ResponseCode } from '../../src/remoting/response-code.js'

/** Takes up to `maxMsgNums` messages of a topic in the order in which a broker from 5.0 on gives them; nobody else of the group sees them for a minute. */
export async function popMessages(
  remoting: RemotingClient,
  brokerAddress: string,
  consumerGroup: string,
  topic: string,
  maxMsgNums: number,
): Promise<readonly MessageExt[]> {
  const header = {
    consumerGroup,
    topic,
    queueId: ALL_QUEUES,
    maxMsgNums,
    invisibleTime: 60_000,
    pollTime: 0,
    bornTime: Date.now(),
    initMode: ConsumeInitMode.MIN,
    expType: 'TAG',
    exp: '*',
    order: false,
  }
  const { code, body } = await remoting.invoke(brokerAddress, popMessage, header)
  if (code !== ResponseCode.SUCCESS) return []
  const { messages } = await decodeMessages(body, { brokerName: '', maxBodySize: 1024 * 1024 })
  return messages
}
