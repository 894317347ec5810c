import { chooseRoutes, requireSimpleRequest, resolveRequest } from './cluster-request.js'
import type { Cluster, ClusterOptions, ClusterRequest, ClusterRoute } from './cluster-types.js'
import { startDockerCluster } from './docker-cluster.js'
import { NoDockerEngine, NoDockerImage } from './docker-engine.js'
import { useExternalCluster } from './external-cluster.js'
import { startJavaCluster } from './java-cluster.js'
import { MissingTool } from './java-home.js'

export type {
  BrokerRole,
  BrokerSpec,
  Cluster,
  ClusterNode,
  ClusterOptions,
  ClusterRoute,
  Credentials,
} from './cluster-types.js'

/**
 * Finds or starts a real RocketMQ: the cluster that `ROCKETMQ_NAMESRV` names, else containers where a Docker engine answers, else
 * JVMs with the jars from Maven Central. `route` or `ROCKETMQ_CLUSTER` forces one of them.
 *
 * The servers keep this process alive until {@link Cluster.stop}, and never outlive it.
 *
 * @throws Error that says what to install when no route is possible, and with the ends of the logs when the servers don't start.
 */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const request = resolveRequest(options)
  const refusals: string[] = []
  const routes = chooseRoutes(options.route)
  for (const route of routes) {
    const startedAt = Date.now()
    try {
      const cluster = await startBy(route, request)
      const seconds = ((Date.now() - startedAt) / 1000).toFixed(1)
      request.log(`RocketMQ ${cluster.version} by ${route} at ${cluster.namesrvAddr}, ready after ${seconds} s`)
      return cluster
    } catch (error) {
      if (routes.length === 1 || !isRouteMissing(error)) throw error
      request.log(`not by ${route}: ${error.message}`)
      refusals.push(error.message)
    }
  }
  throw new Error(
    `no RocketMQ to test against (${refusals.join('; ')}): start Docker, or install Java 17 and Maven, or set ROCKETMQ_NAMESRV to the host:port of a running NameServer`,
  )
}

/** Whether the machine lacks what a route needs, unlike a route that was taken and failed. */
function isRouteMissing(error: unknown): error is Error {
  return error instanceof NoDockerEngine || error instanceof NoDockerImage || error instanceof MissingTool
}

function startBy(route: ClusterRoute, request: ClusterRequest): Promise<Cluster> {
  if (route !== 'java') requireSimpleRequest(request, route)
  if (route === 'docker') return startDockerCluster(request)
  if (route === 'java') return startJavaCluster(request)
  const namesrvAddr = process.env.ROCKETMQ_NAMESRV
  if (!namesrvAddr) throw new Error('the route external needs ROCKETMQ_NAMESRV=host:port of a running NameServer')
  return useExternalCluster(namesrvAddr, request)
}
