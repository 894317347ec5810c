import type { Client } from '../client/client.js'
import { checkTopic } from '../client/name-check.js'
import { BrokerError, ClientError, RemotingError, shown } from '../errors.js'
import { getRouteInfoByTopic } from '../remoting/commands/route.js'
import { sendMessage } from '../remoting/commands/send.js'
import { abortError, checkTimeout, monotonicNow } from '../remoting/deadline.js'
import { isDenied } from '../remoting/refusal.js'
import type { NewTopicOptions } from '../route/route-cache.js'

export interface CredentialsCheck {
  /** As it goes over the wire. */
  readonly producerGroup: string
  readonly newTopic: NewTopicOptions
  /** For all questions together, in milliseconds. */
  readonly timeout: number
  readonly signal: AbortSignal | undefined
}

/** No topic has that many queues: every broker refuses to store such a message, after its access control has looked at it. */
const NO_QUEUE = 0x7fff_ffff

/**
 * Asks every NameServer for the topics, and the masters that take messages for them whether this client may send there. Nothing is stored, and no topic is created.
 *
 * A NameServer that can't be reached is left out, as for sends; a broker must answer.
 *
 * @param topics - As the user knows them.
 */
export async function verifyCredentials(
  client: Client,
  topics: string | readonly string[],
  check: CredentialsCheck,
): Promise<void> {
  checkTimeout(check.timeout)
  const { signal } = check
  if (signal?.aborted) throw abortError('verifyCredentials', signal)
  const deadline = monotonicNow() + check.timeout
  await Promise.all(
    listOf(topics).map(async (given) => {
      const topic = checkTopic(client.namespace.wrap(checkTopic(given)))
      await Promise.all([askNameServers(client, topic, check), askBrokers(client, topic, deadline, check)])
    }),
  )
}

function listOf(topics: string | readonly string[]): readonly string[] {
  const list = typeof topics === 'string' ? [topics] : topics
  if (Array.isArray(list) && list.length > 0) return [...new Set(list)]
  throw new ClientError('INVALID_ARGUMENT', `topics is ${shown(topics)}, a topic or a list of topics expected`)
}

async function askNameServers(
  { nameServers, remoting }: Client,
  topic: string,
  { timeout, signal }: CredentialsCheck,
): Promise<void> {
  const header = { topic, acceptStandardJsonOnly: true }
  await Promise.all(
    nameServers.addresses.map(async (address) => {
      try {
        await remoting.invoke(address, getRouteInfoByTopic, header, { timeout, signal })
      } catch (error) {
        if (isDenied(error) || !(error instanceof BrokerError || error instanceof RemotingError)) throw error
      }
    }),
  )
}

async function askBrokers(client: Client, topic: string, deadline: number, check: CredentialsCheck): Promise<void> {
  const { routes, heartbeat } = client
  const { signal, newTopic } = check
  const rest = () => ({ timeout: deadline - monotonicNow(), signal })
  const { publishQueues } = await routes.publishRoute(topic, newTopic, rest())
  const brokers = new Set(publishQueues.map((queue) => routes.brokerNameOfQueue(queue)))
  await Promise.all(
    [...brokers].map(async (brokerName) => {
      const address = client.masterAddress(brokerName)
      if (address === undefined) return
      // A message for a topic that does not exist yet would create it: there the broker is only asked whether it knows who asks.
      if (routes.isNewTopic(topic)) await heartbeat.beat(address, rest())
      else await askToSend(client, { topic, brokerName, address }, check, rest())
    }),
  )
}

async function askToSend(
  { remoting }: Client,
  { topic, brokerName, address }: { topic: string; brokerName: string; address: string },
  { producerGroup, newTopic }: CredentialsCheck,
  wait: { timeout: number; signal: AbortSignal | undefined },
): Promise<void> {
  const header = {
    producerGroup,
    topic,
    defaultTopic: newTopic.createTopicKey,
    defaultTopicQueueNums: newTopic.defaultTopicQueueNums,
    queueId: NO_QUEUE,
    sysFlag: 0,
    bornTimestamp: Date.now(),
    flag: 0,
    properties: '',
    brokerName,
  }
  try {
    await remoting.invoke(address, sendMessage, header, { ...wait, body: Buffer.from('verifyCredentials') })
  } catch (error) {
    // The refusal of the queue is what comes behind the access control.
    if (isDenied(error) || !(error instanceof BrokerError)) throw error
  }
}
