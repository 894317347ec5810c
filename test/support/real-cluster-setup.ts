import type {} from 'vitest'
import type { TestProject } from 'vitest/node'
import { type Cluster, type ClusterOptions, type ClusterRoute, startCluster } from './cluster.js'
import { resolveRequest } from './cluster-request.js'
import { type SecuredAccess, securedCluster } from './secured-cluster.js'

declare module 'vitest' {
  export interface ProvidedContext {
    /** Of the NameServers, or in the project `proxy` that of the proxy. */
    namesrvAddr: string
    rocketmqVersion: string
    clusterRoute: ClusterRoute
    /** `host:port` of the master `broker-a`, or of an external cluster's first broker. */
    brokerAddress: string
    /** How clients get in where `ROCKETMQ_SECURED` says that the cluster is secured. */
    securedAccess: SecuredAccess | undefined
  }
}

/** Every feature that a test may ask for is on, and what takes minutes by default takes seconds. */
const CONFIG = {
  timerWheelEnable: 'true',
  timerPrecisionMs: '100',
  timerFlushIntervalMs: '200',
  enablePropertyFilter: 'true',
  filterSupportRetry: 'true',
  recallMessageEnable: 'true',
  traceTopicEnable: 'true',
  messageDelayLevel: '1s 5s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 2s 3s',
  flushDelayOffsetInterval: '1000',
  flushConsumerOffsetInterval: '1000',
  transactionCheckInterval: '1000',
  transactionTimeOut: '1000',
  transactionCheckMax: '15',
  transactionOpBatchInterval: '100',
  waitTimeMillsInPullQueue: '15000',
  osPageCacheBusyTimeOutMills: '10000',
  fileReservedTime: '48',
}

/** Starts the one cluster that all tests of the project `real` share; the answer stops it. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const secured = await securedCluster(resolveRequest({}).version)
  if (secured === undefined) return startSharedCluster(project)
  const { options, access } = secured
  const config = { ...CONFIG, ...options.config }
  const stop = await startSharedCluster(project, { ...options, config }, access, (cluster) =>
    secured.createRules(cluster),
  )
  return async () => {
    await stop()
    await secured.remove()
  }
}

/** Starts a cluster and tells all tests of a project where it is; the answer stops it. */
export async function startSharedCluster(
  project: TestProject,
  options: ClusterOptions = {},
  access?: SecuredAccess,
  onStarted?: (cluster: Cluster) => Promise<void>,
): Promise<() => Promise<void>> {
  const cluster = await startCluster({ config: CONFIG, log: (line) => console.log(line), ...options })
  await onStarted?.(cluster)
  const [broker] = cluster.brokers
  if (broker === undefined) throw new Error('the cluster has no broker')
  project.provide('namesrvAddr', cluster.proxy?.address ?? cluster.namesrvAddr)
  project.provide('rocketmqVersion', cluster.version)
  project.provide('clusterRoute', cluster.route)
  project.provide('brokerAddress', broker.address)
  project.provide('securedAccess', access)
  return () => cluster.stop()
}
