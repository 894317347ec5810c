import { describe, expect, it } from 'vitest'
import { TopicRoute } from '../../src/route/topic-route.js'
import { parseTopicRouteData } from '../../src/route/topic-route-data.js'

interface Row {
  readonly broker: string
  readonly read: number
  readonly write: number
  readonly perm?: number
  /** Default: a master and no slave. */
  readonly addresses?: Readonly<Record<number, string>>
}

function routeData(rows: readonly Row[], orderTopicConf?: string) {
  const queueDatas = rows.map(({ broker, read, write, perm = 6 }) => ({
    brokerName: broker,
    readQueueNums: read,
    writeQueueNums: write,
    perm,
  }))
  const brokerDatas = rows.map(({ broker, addresses = { 0: `${broker}:10911` } }) => ({
    brokerName: broker,
    cluster: 'C',
    brokerAddrs: addresses,
  }))
  return parseTopicRouteData(Buffer.from(JSON.stringify({ queueDatas, brokerDatas, orderTopicConf })))
}

function queuesOf(route: TopicRoute, kind: 'publishQueues' | 'subscribeQueues'): string[] {
  for (const queue of route[kind]) expect(queue.topic).toBe(route.topic)
  return route[kind].map(({ brokerName, queueId }) => `${brokerName}:${queueId}`)
}

describe('TopicRoute', () => {
  it('publishes to writable queues of brokers with a master, and reads readable queues of all brokers', () => {
    const route = new TopicRoute(
      'T',
      routeData([
        { broker: 'broker-b', read: 1, write: 2 },
        { broker: 'broker-a', read: 3, write: 1 },
        { broker: 'broker-c', read: 1, write: 1, perm: 4 },
        { broker: 'broker-d', read: 1, write: 1, perm: 2 },
        { broker: 'broker-e', read: 1, write: 1, addresses: { 1: 'slave:10911' } },
        { broker: 'broker-f', read: 0, write: 0 },
      ]),
    )
    expect(queuesOf(route, 'publishQueues')).toEqual(['broker-a:0', 'broker-b:0', 'broker-b:1', 'broker-d:0'])
    expect(queuesOf(route, 'subscribeQueues')).toEqual([
      'broker-a:0',
      'broker-a:1',
      'broker-a:2',
      'broker-b:0',
      'broker-c:0',
      'broker-e:0',
    ])
  })

  it('has no queues for a route without brokers, or whose queues name brokers that it does not have', () => {
    const nothing = new TopicRoute('T', routeData([]))
    expect([nothing.publishQueues, nothing.subscribeQueues]).toEqual([[], []])
    const rows = JSON.stringify({ queueDatas: [{ brokerName: 'gone', readQueueNums: 1, writeQueueNums: 1, perm: 6 }] })
    expect(new TopicRoute('T', parseTopicRouteData(Buffer.from(rows))).publishQueues).toEqual([])
  })

  it('publishes an ordered topic to exactly the queues that its configuration names, in that order, master or not', () => {
    const route = new TopicRoute(
      'T',
      routeData([{ broker: 'broker-a', read: 8, write: 8 }], 'broker-b:2;broker-a:1;bad;:3;broker-c:x'),
    )
    expect(queuesOf(route, 'publishQueues')).toEqual(['broker-b:0', 'broker-b:1', 'broker-a:0'])
    expect(queuesOf(route, 'subscribeQueues')).toHaveLength(8)
  })

  it('makes a topic that does not exist yet with at most so many queues as are wanted', () => {
    const template = routeData([
      { broker: 'broker-a', read: 8, write: 8 },
      { broker: 'broker-b', read: 2, write: 16, perm: 7 },
    ])
    const route = TopicRoute.forNewTopic('New', template, 4)
    expect(route.topic).toBe('New')
    // The count is that of the template's readable queues for both, as in Java.
    expect(route.data.queueDatas.map(({ readQueueNums, writeQueueNums }) => [readQueueNums, writeQueueNums])).toEqual([
      [4, 4],
      [2, 2],
    ])
    expect(queuesOf(route, 'publishQueues')).toHaveLength(6)
    expect(template.queueDatas[0]?.writeQueueNums).toBe(8)
  })

  it('has the same fingerprint for the same data, in whatever order they came', () => {
    const rows: Row[] = [
      { broker: 'broker-a', read: 1, write: 1 },
      { broker: 'broker-b', read: 2, write: 2 },
    ]
    const route = new TopicRoute('T', routeData(rows))
    expect(new TopicRoute('T', routeData([...rows].reverse())).fingerprint).toBe(route.fingerprint)
    expect(new TopicRoute('T', routeData(rows.slice(1))).fingerprint).not.toBe(route.fingerprint)
  })
})
