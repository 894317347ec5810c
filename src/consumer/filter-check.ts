import type { Client } from '../client/client.js'
import type { ClientWarning } from '../client/member.js'
import { type SubscriptionData, subscriptionToWire } from '../client/subscription-data.js'
import { BrokerError } from '../errors.js'
import { checkClientConfig } from '../remoting/commands/group.js'
import type { WaitOptions } from '../remoting/deadline.js'
import { isDenied } from '../remoting/refusal.js'
import { askAnyBroker } from './any-broker.js'

/**
 * Asks a broker of the topic whether it can filter by this subscription. Tags need no question.
 *
 * A broker that can't be reached is no obstacle: then it is not known, and pulls will tell. Behind a proxy nobody tells: it says yes to everything, and its brokers
 * pass over an expression that they can't read.
 *
 * @throws {@link BrokerError} when it can't: the expression is wrong, or the broker filters by tags only.
 * @see MQClientInstance.checkClientInBroker
 */
export async function checkFilter(
  client: Client,
  wireGroup: string,
  subscription: SubscriptionData,
  options: WaitOptions,
  warn: (warning: ClientWarning) => void,
): Promise<void> {
  if (subscription.expressionType === 'TAG') return
  const { clientId, logger, remoting } = client
  const data = { clientId, group: wireGroup, subscriptionData: subscriptionToWire(subscription) }
  const body = Buffer.from(JSON.stringify(data))
  const ask = async (address: string) => {
    await remoting.invoke(address, checkClientConfig, {}, { ...options, body })
    if (remoting.isProxy(address)) warn(unchecked(address, subscription, client.namespace.unwrap(subscription.topic)))
  }
  try {
    await askAnyBroker(client, subscription.topic, options, ask, isRefusal)
  } catch (error) {
    if (options.signal?.aborted) throw error
    if (isDenied(error)) throw error
    if (isRefusal(error)) throw refused(error, subscription, client.namespace.unwrap(subscription.topic))
    logger.warn(`whether brokers can filter topic ${subscription.topic} by SQL92 is not known`, { error })
  }
}

function unchecked(address: string, { subString }: SubscriptionData, topic: string): ClientWarning {
  const expression = JSON.stringify(subString)
  const message = `the proxy at ${address} checks no SQL92 expressions: all messages of topic ${topic} are delivered where ${expression} is wrong`
  return { code: 'EXPRESSION_UNCHECKED', message, topic }
}

function isRefusal(error: unknown): error is BrokerError {
  return error instanceof BrokerError
}

function refused(error: BrokerError, { subString }: SubscriptionData, topic: string): BrokerError {
  const { address, responseCode, responseName, remark } = error
  const isSyntax = responseName === 'SUBSCRIPTION_PARSE_FAILED'
  const advice = isSyntax ? 'correct the expression' : 'set enablePropertyFilter=true there, or filter by tags'
  return new BrokerError(
    `topic ${topic} can't be filtered by the SQL92 expression ${JSON.stringify(subString)}: broker ${address} refused it with ${responseCode} ${responseName}: ${remark}; ${advice}`,
    { address, responseCode, responseName, remark, cause: error },
  )
}
