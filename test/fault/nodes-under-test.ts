import { onTestFinished } from 'vitest'
import type { ClusterNode } from '../support/cluster.js'

/** Freezes a server, until the test resumes it or ends. */
export function pause(node: ClusterNode): void {
  node.pause()
  onTestFinished(() => node.resume())
}

/** Kills a server; it runs again when the test has ended. */
export async function kill(node: ClusterNode): Promise<void> {
  await end(node, () => node.kill())
}

/** Stops a server orderly; it runs again when the test has ended. */
export async function stop(node: ClusterNode): Promise<void> {
  await end(node, () => node.stop())
}

async function end(node: ClusterNode, how: () => Promise<void>): Promise<void> {
  onTestFinished(async () => {
    if (node.pid === undefined) await node.restart()
  })
  await how()
}
