import { type ProbeOptions, probe } from './remoting-probe.js'

const UPDATE_AND_CREATE_TOPIC = 17

export interface TopicSpec {
  readonly topic: string
  readonly queues: number
  /** As `mqadmin` takes them, for brokers from 5.0 on: `+message.type=FIFO`. */
  readonly attributes?: string
}

/** Has one broker create a topic. NameServers show it a moment later. */
export async function createTopicOn(
  brokerAddress: string,
  { topic, queues, attributes }: TopicSpec,
  options: Pick<ProbeOptions, 'credentials' | 'tls'> = {},
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
    ...(attributes !== undefined && { attributes }),
  }
  const { code, remark } = await probe(
    brokerAddress,
    { code: UPDATE_AND_CREATE_TOPIC, fields },
    { ...options, timeout: 10_000 },
  )
  if (code !== 0) throw new Error(`${brokerAddress} did not create topic ${topic}: ${code} ${remark}`)
}
