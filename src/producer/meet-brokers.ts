import pRetry from 'p-retry'
import type { Client } from '../client/client.js'
import type { NewTopicOptions } from '../route/route-cache.js'

const MIN_WAIT = 1_000
const MAX_WAIT = 30_000

/**
 * Gets to know the brokers of topics, so that they get heartbeats and may ask this client for the outcome of transactions.
 *
 * Resolves when each topic was asked for once. One that is not known then is asked for again in the background: a NameServer that has just started learns of
 * its brokers little by little.
 *
 * @param signal - Ends the background work.
 */
export async function meetBrokers(
  client: Client,
  topics: readonly string[],
  newTopic: NewTopicOptions,
  signal: AbortSignal,
): Promise<void> {
  const { namespace, routes, logger, options } = client
  const meet = async (topic: string): Promise<void> => {
    await routes.publishRoute(namespace.wrap(topic), newTopic, { timeout: options.requestTimeout, signal })
  }
  const meetLater = (topic: string): void => {
    const retry = { retries: Number.POSITIVE_INFINITY, minTimeout: MIN_WAIT, maxTimeout: MAX_WAIT, randomize: true }
    // The first try, which has failed, and the wait after it.
    let isFirst = true
    pRetry(
      async () => {
        if (!isFirst) return meet(topic)
        isFirst = false
        throw new Error('not known yet')
      },
      { ...retry, signal },
    ).catch(() => undefined)
  }
  const meetNow = async (topic: string): Promise<void> => {
    try {
      await meet(topic)
    } catch (error) {
      if (signal.aborted) return
      const problem = `the brokers of topic ${topic} are not known yet: until then they can't ask for the outcome of transactions`
      logger.warn(problem, { error })
      meetLater(topic)
    }
  }
  await Promise.all(topics.map(meetNow))
}
