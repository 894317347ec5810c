import type { TestProject } from 'vitest/node'
import { startSharedCluster } from './real-cluster-setup.js'

/**
 * The cluster of the project `real` with a proxy before it, which the clients take for the NameServer. Its check of message types is off, as brokers have none: with it,
 * topics are not created by their first message.
 */
export function setup(project: TestProject): Promise<() => Promise<void>> {
  return startSharedCluster(project, { route: 'java', proxy: { enableTopicMessageTypeCheck: false } })
}
