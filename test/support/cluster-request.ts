import type { ClusterOptions, ClusterRequest, ClusterRoute, ResolvedBroker } from './cluster-types.js'
import { nodeName } from './cluster-types.js'

const DEFAULT_VERSION = '5.5.0'
const DEFAULT_HOST = '127.0.0.1'
const ROUTES: readonly ClusterRoute[] = ['external', 'docker', 'java']

/**
 * The routes to try, best first: the one that the options or `ROCKETMQ_CLUSTER` force, else a running cluster when
 * `ROCKETMQ_NAMESRV` names one, else Docker and then Java.
 *
 * @throws Error when `ROCKETMQ_CLUSTER` is no route.
 */
export function chooseRoutes(forced: ClusterRoute | undefined, env: NodeJS.ProcessEnv = process.env): ClusterRoute[] {
  if (forced !== undefined) return [forced]
  if (env.ROCKETMQ_CLUSTER) {
    const route = ROUTES.find((candidate) => candidate === env.ROCKETMQ_CLUSTER)
    if (route === undefined) {
      throw new Error(
        `ROCKETMQ_CLUSTER=${env.ROCKETMQ_CLUSTER} is no route: set it to ${ROUTES.join(', ')} or not at all`,
      )
    }
    return [route]
  }
  return env.ROCKETMQ_NAMESRV ? ['external'] : ['docker', 'java']
}

/**
 * Fills in the defaults.
 *
 * @throws Error when two brokers have the same name and id.
 */
export function resolveRequest(options: ClusterOptions, env: NodeJS.ProcessEnv = process.env): ClusterRequest {
  const brokers = (options.brokers ?? [{ name: 'broker-a' }]).map((spec): ResolvedBroker => {
    const id = spec.id ?? 0
    return { name: spec.name, id, role: spec.role ?? (id === 0 ? 'ASYNC_MASTER' : 'SLAVE'), config: spec.config ?? {} }
  })
  const names = brokers.map(nodeName)
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined)
    throw new Error(`two brokers of the cluster are "${twice}": give them different names or ids`)
  return {
    version: options.version ?? (env.ROCKETMQ_VERSION || DEFAULT_VERSION),
    nameServers: options.nameServers ?? 1,
    brokers,
    config: options.config ?? {},
    nameServerConfig: options.nameServerConfig ?? {},
    proxy: options.proxy,
    jvmOptions: options.jvmOptions ?? [],
    files: options.files ?? {},
    host: options.host ?? DEFAULT_HOST,
    credentials: options.credentials,
    tls: options.tls,
    log: options.log ?? ((line) => console.error(`cluster: ${line}`)),
  }
}

/**
 * Refuses what only JVMs of one's own can do.
 *
 * @throws Error that says what is asked for and how to get it.
 */
export function requireSimpleRequest(request: ClusterRequest, route: ClusterRoute): void {
  const asked: string[] = []
  if (request.brokers.length > 1) asked.push(`${request.brokers.length} brokers`)
  if (request.nameServers > 1) asked.push(`${request.nameServers} NameServers`)
  if (request.proxy !== undefined) asked.push('a proxy')
  if (request.jvmOptions.length > 0) asked.push('JVM options')
  if (Object.keys(request.files).length > 0) asked.push('files of its own')
  if (request.host !== DEFAULT_HOST) asked.push(`the host ${request.host}`)
  if (asked.length === 0) return
  throw new Error(
    `a cluster with ${asked.join(' and ')} can not be had by ${route}: pass route: 'java' to startCluster, which needs Java 17 and Maven`,
  )
}
