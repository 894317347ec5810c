import pRetry from 'p-retry'
import { ClientError } from '../errors.js'
import { monotonicNow, withDeadline } from '../remoting/deadline.js'
import { isTopicNotFound, type RouteCache } from '../route/route-cache.js'

/** Brokers tell NameServers at once of a topic that its first message makes, but not within the answer to that message. */
const LONGEST_WAIT = 3_000
const retry = { retries: Number.POSITIVE_INFINITY, minTimeout: 20, maxTimeout: 500, randomize: true }

/**
 * Waits until the route of a topic is known that may have been created a moment ago, for three seconds at most.
 *
 * @param timeout - For all queries together, in milliseconds.
 * @throws {@link ClientError} `TOPIC_NOT_FOUND` when it is not known by then, `ABORTED`; {@link RemotingError} when no NameServer answers.
 */
export async function waitForYoungTopic(
  routes: RouteCache,
  topic: string,
  timeout: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (routes.cached(topic) !== undefined) return
  const startedAt = monotonicNow()
  let notFound: ClientError | undefined
  const find = async (): Promise<void> => {
    try {
      await routes.route(topic, { timeout: timeout - (monotonicNow() - startedAt), signal })
    } catch (error) {
      if (isTopicNotFound(error)) notFound = error
      // What was answered last counts, not that there is no time to ask once more.
      throw isOutOfTime(error) ? (notFound ?? error) : error
    }
  }
  const shouldRetry = ({ error }: { error: Error }) => isTopicNotFound(error)
  const found = pRetry(find, { ...retry, maxRetryTime: Math.min(timeout, LONGEST_WAIT), shouldRetry })
  // The waits between two tries don't look at the signal.
  await withDeadline(found, undefined, signal, `the route of topic ${topic}`, () => new Error('has no timeout'))
}

function isOutOfTime(error: unknown): boolean {
  return error instanceof ClientError && error.code === 'NO_ROUTE_IN_TIME'
}
