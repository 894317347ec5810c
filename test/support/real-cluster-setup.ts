import type {} from 'vitest'
import type { TestProject } from 'vitest/node'
import { type ClusterRoute, startCluster } from './cluster.js'

declare module 'vitest' {
  export interface ProvidedContext {
    namesrvAddr: string
    rocketmqVersion: string
    clusterRoute: ClusterRoute
    /** `host:port` of the master `broker-a`, or of an external cluster's first broker. */
    brokerAddress: string
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
  const cluster = await startCluster({ config: CONFIG, log: (line) => console.log(line) })
  const [broker] = cluster.brokers
  if (broker === undefined) throw new Error('the cluster has no broker')
  project.provide('namesrvAddr', cluster.namesrvAddr)
  project.provide('rocketmqVersion', cluster.version)
  project.provide('clusterRoute', cluster.route)
  project.provide('brokerAddress', broker.address)
  return () => cluster.stop()
}
