import type { Client } from '../client/client.js'
import type { ConsumerRequestHandlers } from '../client/consumer-requests.js'
import type { ConsumerDataSource } from '../client/heartbeat.js'

/** How long a consumer waits for brokers to say whether they let it in, in milliseconds. */
const ADMISSION_TIMEOUT = 1_000

/**
 * Makes a consumer a member of its group: brokers hear of it by heartbeats, and their requests go to its handlers. Waits until brokers have taken the first heartbeat. A
 * group that one of them refuses is taken back: the consumer does not start.
 *
 * @throws {@link ClientError} `GROUP_EXISTS`.
 * @throws {@link BrokerError} with `denial`, when the access control of a broker does not allow what the group subscribes to.
 */
export async function joinGroup(
  { heartbeat, consumerRequests }: Client,
  wireGroup: string,
  source: ConsumerDataSource,
  handlers: ConsumerRequestHandlers,
): Promise<void> {
  // First, because it is refused where another consumer of the group was quicker.
  heartbeat.addConsumer(wireGroup, source)
  consumerRequests.registerConsumer(wireGroup, handlers)
  try {
    await heartbeat.checkAccess(ADMISSION_TIMEOUT)
  } catch (error) {
    consumerRequests.unregister(wireGroup)
    await heartbeat.removeConsumer(wireGroup)
    throw error
  }
}
