import type { Client } from '../client/client.js'
import { ClientError } from '../errors.js'
import type { WaitOptions } from '../remoting/deadline.js'
import type { TopicRoute } from '../route/topic-route.js'
import { MASTER_ID } from '../route/topic-route-data.js'

/**
 * Asks a broker of the topic, chosen at random; another one when it fails. Each of them can answer what concerns the whole group.
 *
 * @param isLast - Whether an error is an answer, which no other broker is asked for.
 * @throws what the last broker asked threw; {@link ClientError} `NO_BROKER` when the route names none.
 * @see MQClientInstance.findBrokerAddrByTopic
 */
export async function askAnyBroker<T>(
  client: Client,
  topic: string,
  options: WaitOptions,
  ask: (address: string) => Promise<T>,
  isLast: (error: unknown) => boolean = () => false,
): Promise<T> {
  const addresses = shuffled(brokerAddresses(await client.routes.route(topic, options)))
  // Those that could not be reached just now come last.
  addresses.sort((a, b) => Number(client.remoting.isBackingOff(a)) - Number(client.remoting.isBackingOff(b)))
  let fault: unknown = new ClientError('NO_BROKER', `the route of topic ${topic} names no broker`, { retryable: true })
  for (const address of addresses) {
    try {
      return await ask(address)
    } catch (error) {
      fault = error
      if (options.signal?.aborted || isLast(error)) break
    }
  }
  client.routes.refreshSoon(topic)
  throw fault
}

/** Of each broker its master's address; of one without a master any replica's. */
export function brokerAddresses(route: TopicRoute): string[] {
  return route.data.brokerDatas.flatMap(({ brokerAddrs }) => {
    const address = brokerAddrs.get(MASTER_ID) ?? brokerAddrs.values().next().value
    return address === undefined ? [] : [address]
  })
}

function shuffled<T>(values: T[]): T[] {
  for (let i = values.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1))
    const value = values[i] as T
    values[i] = values[j] as T
    values[j] = value
  }
  return values
}
