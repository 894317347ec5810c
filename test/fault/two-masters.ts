import { afterAll, beforeAll } from 'vitest'
import { type Cluster, type ClusterNode, startCluster } from '../support/cluster.js'

export interface TwoMasters {
  readonly cluster: Cluster
  readonly first: ClusterNode
  readonly second: ClusterNode
}

/** A cluster of two masters, `broker-a` and `broker-b`, from before the first test of the calling file until behind its last one. */
export function twoMasters(): TwoMasters {
  let cluster: Cluster
  beforeAll(async () => {
    cluster = await startCluster({
      route: 'java',
      brokers: [{ name: 'broker-a' }, { name: 'broker-b' }],
      config: { osPageCacheBusyTimeOutMills: '10000' },
      log: () => {},
    })
  })
  afterAll(() => cluster?.stop())
  return {
    get cluster() {
      return cluster
    },
    get first() {
      return cluster.broker('broker-a')
    },
    get second() {
      return cluster.broker('broker-b')
    },
  }
}
