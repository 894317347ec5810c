import { createTopicOn } from './create-topic-on.js'
import { probe } from './remoting-probe.js'
import type { TypedTopic } from './typed-topic.js'
import { until } from './until.js'

const GET_ROUTEINFO_BY_TOPIC = 105

/**
 * Gives a topic another number of queues, and waits until the NameServer shows it.
 *
 * A change of a topic that the NameServer knows is lost there when the broker changes another topic at the same moment: both come with the version of the later one, and
 * what comes second counts as no news. So it is changed again.
 */
export async function resizeTopic({ namesrvAddr, brokerAddress, topic, queues }: TypedTopic): Promise<void> {
  const [nameServer = ''] = namesrvAddr.split(';')
  const wanted = `"readQueueNums":${queues},`
  await until(async () => {
    await createTopicOn(brokerAddress, { topic, queues })
    const { body } = await probe(nameServer, { code: GET_ROUTEINFO_BY_TOPIC, fields: { topic } })
    return body.includes(wanted)
  }, 30_000)
}
