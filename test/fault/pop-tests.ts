import { afterAll, beforeAll, test } from 'vitest'
import { type Cluster, startCluster } from '../support/cluster.js'
import { killPopMember, type PopKillOptions } from './pop-member-killed.js'

type Kind = Pick<PopKillOptions, 'kind' | 'messages'>

/** The same for a short run and for a long one: of three processes that pop, one is killed. */
export function testPop(kinds: readonly Kind[], options: Pick<PopKillOptions, 'invisibleTime' | 'timeout'>): void {
  let cluster: Cluster

  beforeAll(async () => {
    cluster = await startCluster({
      route: 'java',
      config: { timerWheelEnable: 'true', osPageCacheBusyTimeOutMills: '10000' },
      log: () => {},
    })
  })

  afterAll(() => cluster?.stop())

  test.each(kinds)(
    'of $messages messages that are popped by three processes with a $kind each, none is lost and only those of one that is killed come again, in their time',
    (kind) => killPopMember(cluster, { ...kind, ...options }),
    options.timeout,
  )
}
