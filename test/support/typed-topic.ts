import { createTopicOn } from './create-topic-on.js'
import { topicBrokers } from './remoting-probe.js'
import { until } from './until.js'

export interface TypedTopic {
  readonly namesrvAddr: string
  /** Where it is created. */
  readonly brokerAddress: string
  readonly topic: string
  readonly queues: number
  /** `message.type`, for brokers from 5.0 on. */
  readonly messageType?: string
}

/** Creates a topic on one broker, and waits until the NameServer shows it. */
export async function createTypedTopic({
  namesrvAddr,
  brokerAddress,
  topic,
  queues,
  messageType,
}: TypedTopic): Promise<void> {
  const attributes = messageType === undefined ? undefined : `+message.type=${messageType}`
  await createTopicOn(brokerAddress, { topic, queues, ...(attributes !== undefined && { attributes }) })
  const [nameServer = ''] = namesrvAddr.split(';')
  await until(async () => (await topicBrokers(nameServer, topic)) !== undefined, 30_000)
}
