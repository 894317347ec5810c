import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { ClientError, MessageError, RemotingError } from '../../src/errors.js'
import { silentLogger } from '../../src/logger.js'
import { NameServerClient } from '../../src/route/name-server-client.js'
import { RouteCache, type RouteCacheOptions, type RouteEvents } from '../../src/route/route-cache.js'
import { remotingClient } from '../support/remoting-under-test.js'
import {
  brokerData,
  queueData,
  routeBody,
  type ScriptedNameServer,
  scriptedNameServer,
} from '../support/scripted-cluster.js'
import { unusedAddress } from '../support/scripted-server.js'
import { rejectionOf, turns, until } from '../support/until.js'

const POLL_INTERVAL = 30_000
const NEW_TOPIC = { createTopicKey: 'TBW102', defaultTopicQueueNums: 4 }

function cacheOf(addresses: readonly string[], options: Partial<RouteCacheOptions> = {}): RouteCache {
  const nameServers = new NameServerClient(remotingClient(), { addresses })
  const cache = new RouteCache(nameServers, {
    pollNameServerInterval: POLL_INTERVAL,
    requestTimeout: 2_000,
    logger: silentLogger,
    ...options,
  })
  onTestFinished(() => cache.stop())
  return cache
}

async function setUp(): Promise<{
  server: ScriptedNameServer
  cache: RouteCache
  changes: RouteEvents['routeChange'][0][]
}> {
  const server = await scriptedNameServer()
  const cache = cacheOf([server.address])
  const changes: RouteEvents['routeChange'][0][] = []
  cache.on('routeChange', (change) => changes.push(change))
  return { server, cache, changes }
}

function route(queues = 4, address = '10.0.0.1:10911'): Buffer {
  return routeBody({ queueDatas: [queueData('a', queues)], brokerDatas: [brokerData('a', { 0: address })] })
}

function fakeTime(): void {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'] })
  onTestFinished(() => void vi.useRealTimers())
}

describe('RouteCache', () => {
  it('asks for a topic on first use, and not again', async () => {
    const { server, cache } = await setUp()
    server.routes.set('T', route())
    expect(cache.cached('T')).toBeUndefined()
    const first = await cache.route('T')
    expect(await cache.route('T')).toBe(first)
    expect(cache.cached('T')).toBe(first)
    expect(server.asked('T')).toBe(1)
    expect(first.publishQueues.map((queue) => queue.queueId)).toEqual([0, 1, 2, 3])
    expect(cache.brokers.get('a')?.brokerAddrs.get(0)).toBe('10.0.0.1:10911')
  })

  it('asks once for callers that come at once, refreshes included', async () => {
    const { server, cache } = await setUp()
    server.routes.set('T', route())
    const routes = await Promise.all(
      Array.from({ length: 30 }, (_, i) => (i % 2 === 0 ? cache.route('T') : cache.refresh('T', { timeout: 1_000 }))),
    )
    expect(new Set(routes).size).toBe(1)
    expect(server.asked('T')).toBe(1)
  })

  it('asks the NameServer for standard JSON', async () => {
    const { server, cache } = await setUp()
    server.routes.set('T', route())
    await cache.route('T')
    expect(server.server.requestsOf(105)[0]?.extFields).toEqual({ topic: 'T', acceptStandardJsonOnly: 'true' })
  })

  it('asks again for every topic in use on a period', async () => {
    fakeTime()
    const { server, cache, changes } = await setUp()
    for (const topic of ['T', 'U', 'V']) server.routes.set(topic, route())
    for (const topic of ['T', 'U']) await cache.route(topic)
    cache.start()
    server.routes.set('T', route(8))
    vi.advanceTimersByTime(POLL_INTERVAL)
    await until(() => cache.cached('T')?.publishQueues.length === 8)
    await until(() => server.asked('U') === 2)
    vi.advanceTimersByTime(POLL_INTERVAL)
    await until(() => server.asked('T') === 3 && server.asked('U') === 3)
    expect(server.asked('V')).toBe(0)
    expect(changes.map((change) => change.topic)).toEqual(['T', 'U', 'T'])
  })

  it('asks no more after stop', async () => {
    fakeTime()
    const { server, cache } = await setUp()
    server.routes.set('T', route())
    await cache.route('T')
    cache.start()
    cache.start()
    cache.stop()
    vi.advanceTimersByTime(10 * POLL_INTERVAL)
    await turns()
    expect(server.asked('T')).toBe(1)
    expect(vi.getTimerCount()).toBeLessThanOrEqual(1)
  })

  it('keeps the route of a topic that vanishes', async () => {
    const { server, cache, changes } = await setUp()
    server.routes.set('T', route())
    const known = await cache.route('T')
    server.routes.delete('T')
    expect(await rejectionOf(cache.refresh('T'))).toMatchObject({ code: 'TOPIC_NOT_FOUND' })
    expect(cache.cached('T')).toBe(known)
    expect(await cache.route('T')).toBe(known)
    expect(cache.brokers.has('a')).toBe(true)
    expect(changes).toHaveLength(1)
  })

  it('tells of a change with the route before and after, and of nothing when nothing changed', async () => {
    const { server, cache, changes } = await setUp()
    server.routes.set('T', route(4))
    const first = await cache.route('T')
    expect(await cache.refresh('T')).toBe(first)
    server.routes.set('T', route(4, '10.0.0.2:10911'))
    const second = await cache.refresh('T')
    expect(changes).toEqual([
      { topic: 'T', route: first, previous: undefined },
      { topic: 'T', route: second, previous: first },
    ])
    expect(cache.brokers.get('a')?.brokerAddrs.get(0)).toBe('10.0.0.2:10911')
  })

  it('believes of a broker what the route says that changed last, though another topic has not been asked for since', async () => {
    const { server, cache } = await setUp()
    for (const topic of ['T', 'U']) {
      server.routes.set(topic, route(4, '10.0.0.1:10911'))
      await cache.route(topic)
    }
    server.routes.set('T', route(4, '10.0.0.2:10911'))
    await cache.refresh('T')
    expect(cache.brokers.get('a')?.brokerAddrs.get(0)).toBe('10.0.0.2:10911')
  })

  it('sees no change in another order of brokers and queues', async () => {
    const { server, cache, changes } = await setUp()
    const [queues, brokers] = [
      [queueData('a'), queueData('b')],
      [brokerData('a', { 0: '10.0.0.1:1' }), brokerData('b', { 0: '10.0.0.2:1' })],
    ]
    server.routes.set('T', routeBody({ queueDatas: queues, brokerDatas: brokers }))
    const first = await cache.route('T')
    server.routes.set('T', routeBody({ queueDatas: [...queues].reverse(), brokerDatas: [...brokers].reverse() }))
    expect(await cache.refresh('T')).toBe(first)
    expect(changes).toHaveLength(1)
  })

  it('is not hurt by a listener that throws', async () => {
    const { server, cache } = await setUp()
    server.routes.set('T', route())
    cache.on('routeChange', () => {
      throw new Error('from a listener')
    })
    await expect(cache.route('T')).resolves.toMatchObject({ topic: 'T' })
  })

  it('refreshes soon, but a topic at most once a second; what comes sooner waits for its second', async () => {
    fakeTime()
    const { server, cache } = await setUp()
    server.routes.set('T', route())
    cache.start()
    await cache.route('T')
    const refreshSoon = () => {
      for (let i = 0; i < 100; i++) cache.refreshSoon('T')
    }
    for (let round = 1; round <= 3; round++) {
      refreshSoon()
      vi.advanceTimersByTime(900)
      refreshSoon()
      await turns()
      expect(server.asked('T')).toBe(round)
      vi.advanceTimersByTime(200)
      await until(() => server.asked('T') === round + 1)
      await turns()
    }
    vi.advanceTimersByTime(1_001)
    refreshSoon()
    await until(() => server.asked('T') === 5)
  })

  it('forgets the refreshes that are due when it stops', async () => {
    fakeTime()
    const { server, cache } = await setUp()
    server.routes.set('T', route())
    cache.start()
    await cache.route('T')
    cache.refreshSoon('T')
    cache.stop()
    cache.refreshSoon('T')
    vi.advanceTimersByTime(10_000)
    await turns()
    expect(server.asked('T')).toBe(1)
  })

  it('swallows the failure of a refresh that nobody waits for', async () => {
    const cache = cacheOf([unusedAddress()])
    cache.refreshSoon('T')
    await turns()
  })
})

describe('a topic that no NameServer has', () => {
  it('is TOPIC_NOT_FOUND, with what to do', async () => {
    const { server, cache } = await setUp()
    const error = await rejectionOf(cache.route('Missing'))
    expect(error).toBeInstanceOf(ClientError)
    expect(error).toMatchObject({ code: 'TOPIC_NOT_FOUND', retryable: true })
    expect(error.message).toContain('No route info of this topic: Missing')
    expect(error.message).toContain(server.address)
    expect(error.message).toContain('No topic route info in name server')
  })

  it('is asked for again by the next caller', async () => {
    const { server, cache } = await setUp()
    await rejectionOf(cache.route('T'))
    server.routes.set('T', route())
    await expect(cache.route('T')).resolves.toMatchObject({ topic: 'T' })
  })

  it('is TOPIC_NOT_FOUND too when the answer has neither queues nor brokers', async () => {
    const { server, cache } = await setUp()
    server.routes.set('T', routeBody({}))
    expect(await rejectionOf(cache.route('T'))).toMatchObject({ code: 'TOPIC_NOT_FOUND' })
    expect(cache.cached('T')).toBeUndefined()
  })

  it("goes by the template's brokers, with as many queues as the producer wants at most", async () => {
    const { server, cache } = await setUp()
    server.routes.set(
      'TBW102',
      routeBody({
        queueDatas: [queueData('a', 8, 7), queueData('b', 2, 7)],
        brokerDatas: [brokerData('a', { 0: '10.0.0.1:1' }), brokerData('b', { 0: '10.0.0.2:1' })],
      }),
    )
    const publish = await cache.publishRoute('New', NEW_TOPIC)
    expect(publish.publishQueues.map(({ topic, brokerName, queueId }) => `${topic} ${brokerName} ${queueId}`)).toEqual([
      'New a 0',
      'New a 1',
      'New a 2',
      'New a 3',
      'New b 0',
      'New b 1',
    ])
    expect(cache.isNewTopic('New')).toBe(true)
    expect(cache.cached('New')).toBeUndefined()
    expect(await cache.publishRoute('New', NEW_TOPIC)).toBe(publish)
    expect(server.asked('New')).toBe(1)
  })

  it('goes by its own route as soon as there is one', async () => {
    const { server, cache, changes } = await setUp()
    server.routes.set('TBW102', route(8))
    await cache.publishRoute('New', NEW_TOPIC)
    server.routes.set('New', route(2))
    await cache.refresh('New')
    expect(cache.isNewTopic('New')).toBe(false)
    expect(cache.cachedPublishRoute('New')?.publishQueues).toHaveLength(2)
    expect(changes.at(-1)).toMatchObject({ topic: 'New', previous: undefined })
  })

  it('is asked for again on the period while it goes by the template', async () => {
    fakeTime()
    const { server, cache } = await setUp()
    server.routes.set('TBW102', route(8))
    await cache.publishRoute('New', NEW_TOPIC)
    cache.start()
    server.routes.set('New', route(2))
    vi.advanceTimersByTime(POLL_INTERVAL)
    await until(() => !cache.isNewTopic('New'))
  })

  it('is TOPIC_NOT_FOUND itself where brokers create no topics', async () => {
    const { cache } = await setUp()
    const error = await rejectionOf(cache.publishRoute('Missing', NEW_TOPIC))
    expect(error).toMatchObject({ code: 'TOPIC_NOT_FOUND' })
    expect(error.message).toContain('No route info of this topic: Missing')
    expect(error.message).not.toContain('TBW102')
  })
})

describe('waiting for a route', () => {
  it('has one timeout for the topic and its template together', async () => {
    const { server, cache } = await setUp()
    server.onRouteRequest = (topic, request, connection) => {
      if (topic === 'New') setTimeout(() => server.answerRoute(request, connection), 200)
      return true
    }
    const error = await rejectionOf(cache.publishRoute('New', NEW_TOPIC, { timeout: 1_500 }))
    expect(error).toMatchObject({ code: 'NO_ROUTE_IN_TIME' })
    const [, rest] = /topic TBW102 did not come within (\d+) ms/.exec(error.message) ?? []
    expect(Number(rest)).toBeLessThan(1_302)
  })

  it('ends with the error of the NameServers when none can be reached', async () => {
    const cache = cacheOf([unusedAddress(), unusedAddress()])
    const error = await rejectionOf(cache.route('T'))
    expect(error).toBeInstanceOf(RemotingError)
    expect(error).toMatchObject({ code: 'CONNECT_FAILED' })
  })

  it('ends at its own timeout; the question goes on and serves the next', async () => {
    const { server, cache } = await setUp()
    server.routes.set('T', route())
    const held: (() => void)[] = []
    server.onRouteRequest = (_topic, request, connection) => {
      held.push(() => server.answerRoute(request, connection))
      return true
    }
    const error = await rejectionOf(cache.route('T', { timeout: 30 }))
    expect(error).toMatchObject({ code: 'NO_ROUTE_IN_TIME', retryable: true })
    expect(error.message).toContain('within 30 ms')
    const next = cache.route('T')
    await until(() => held.length > 0)
    held[0]?.()
    await expect(next).resolves.toMatchObject({ topic: 'T' })
    expect(server.asked('T')).toBe(1)
  })

  it('ends when its signal fires, without disturbing others', async () => {
    const { server, cache } = await setUp()
    server.routes.set('T', route())
    const controller = new AbortController()
    const [aborted, other] = [rejectionOf(cache.route('T', { signal: controller.signal })), cache.route('T')]
    controller.abort()
    expect(await aborted).toMatchObject({ code: 'ABORTED' })
    await expect(other).resolves.toMatchObject({ topic: 'T' })
  })

  it('leaves no rejection unhandled when it was aborted from the start and the NameServer is dead', async () => {
    const cache = cacheOf([unusedAddress()])
    expect(await rejectionOf(cache.route('T', { signal: AbortSignal.abort() }))).toMatchObject({ code: 'ABORTED' })
    await turns()
  })
})

const BAD_ROUTES: [string, string][] = [
  ['nothing at all', ''],
  ['null', 'null'],
  ['a list', '[]'],
  ['a number', '17'],
  ['HTML', '<html><body>502 Bad Gateway</body></html>'],
  ['JSON that ends early', '{"brokerDatas":[{"brokerAddrs":{0:"10.0.0.1'],
  ['queueDatas that are no list', '{"queueDatas":{"a":1},"brokerDatas":[]}'],
  ['a queue that is null', '{"queueDatas":[null],"brokerDatas":[]}'],
  [
    'a queue without a broker name',
    '{"queueDatas":[{"readQueueNums":4,"writeQueueNums":4,"perm":6}],"brokerDatas":[]}',
  ],
  ['a queue without a count', '{"queueDatas":[{"brokerName":"a","readQueueNums":4,"perm":6}],"brokerDatas":[]}'],
  ['a negative queue count', '{"queueDatas":[{"brokerName":"a","readQueueNums":4,"writeQueueNums":-1,"perm":6}]}'],
  [
    '65,536 queues on one broker',
    '{"queueDatas":[{"brokerName":"a","readQueueNums":65536,"writeQueueNums":4,"perm":6}]}',
  ],
  [
    'a queue count that is no integer',
    '{"queueDatas":[{"brokerName":"a","readQueueNums":4.5,"writeQueueNums":4,"perm":6}]}',
  ],
  ['a queue count that is text', '{"queueDatas":[{"brokerName":"a","readQueueNums":"4","writeQueueNums":4,"perm":6}]}'],
  ['no permission', '{"queueDatas":[{"brokerName":"a","readQueueNums":4,"writeQueueNums":4}]}'],
  ['a broker without a name', '{"queueDatas":[],"brokerDatas":[{"brokerAddrs":{"0":"10.0.0.1:1"}}]}'],
  ['addresses that are a list', '{"queueDatas":[],"brokerDatas":[{"brokerName":"a","brokerAddrs":["10.0.0.1:1"]}]}'],
  [
    'a broker id that is no number',
    '{"queueDatas":[],"brokerDatas":[{"brokerName":"a","brokerAddrs":{"x":"10.0.0.1:1"}}]}',
  ],
  ['more queues than any topic has', manyQueues(17)],
  ['an order with more queues than any topic has', ordered(`${'a:65535;'.repeat(16)}b:65535`)],
]

function manyQueues(brokers: number): string {
  const queueDatas = Array.from({ length: brokers }, (_, i) => queueData(`broker-${i}`, 65_535))
  return JSON.stringify({ queueDatas, brokerDatas: [] })
}

function ordered(orderTopicConf: string): string {
  return JSON.stringify({ orderTopicConf, queueDatas: [queueData('a')], brokerDatas: [] })
}

describe('a route that can not be read', () => {
  it.each(BAD_ROUTES)('is a MessageError, and the route before stays: %s', async (_what, body) => {
    const { server, cache, changes } = await setUp()
    server.routes.set('T', Buffer.from(body))
    const error = await rejectionOf(cache.route('T'))
    expect(error).toBeInstanceOf(MessageError)
    expect(error).toMatchObject({ code: 'JSON_MALFORMED' })
    expect(error.message.length).toBeLessThan(500)
    server.routes.set('T', route())
    const known = await cache.route('T')
    server.routes.set('T', Buffer.from(body))
    expect(await rejectionOf(cache.refresh('T'))).toBeInstanceOf(MessageError)
    expect(cache.cached('T')).toBe(known)
    expect(changes).toHaveLength(1)
  })
})

describe('a route that is unusual', () => {
  const read = async (body: string) => {
    const { server, cache } = await setUp()
    server.routes.set('T', Buffer.from(body))
    return cache.route('T')
  }
  const withAddresses = (brokerAddrs: string) =>
    `{"queueDatas":[{"brokerName":"a","readQueueNums":2,"writeQueueNums":2,"perm":6}],"brokerDatas":[{"brokerName":"a","cluster":"c","brokerAddrs":${brokerAddrs}}]}`

  it('may have bare numbers for broker ids', async () => {
    const { data } = await read(withAddresses('{1:"10.0.0.2:1",0:"10.0.0.1:1"}'))
    expect([...(data.brokerDatas[0]?.brokerAddrs ?? [])]).toEqual([
      [0, '10.0.0.1:1'],
      [1, '10.0.0.2:1'],
    ])
  })

  it('may have a broker whose master is gone: nothing can be sent there, and much be read', async () => {
    const slaveOnly = await read(withAddresses('{1:"10.0.0.2:1"}'))
    expect(slaveOnly.publishQueues).toEqual([])
    expect(slaveOnly.subscribeQueues).toHaveLength(2)
  })

  it.each(['{}', '{"0":"null"}', '{"0":null}', '{"0":""}'])(
    'may have a broker without an address: %s',
    async (addresses) => {
      const { data, publishQueues } = await read(withAddresses(addresses))
      expect(data.brokerDatas[0]?.brokerAddrs.size).toBe(0)
      expect(publishQueues).toEqual([])
    },
  )

  it.each(['10.0.0.1', '2001:db8::1:10911', '[2001:db8::1]:10911'])('may have the address %s', async (address) => {
    const { data } = await read(withAddresses(JSON.stringify({ 0: address })))
    expect(data.brokerDatas[0]?.brokerAddrs.get(0)).toBe(address)
  })

  it('may have 100,000 queues', async () => {
    const { publishQueues, subscribeQueues } = await read(
      JSON.stringify({
        queueDatas: Array.from({ length: 10 }, (_, i) => queueData(`b${i}`, 10_000)),
        brokerDatas: Array.from({ length: 10 }, (_, i) => brokerData(`b${i}`, { 0: `10.0.0.${i}:1` })),
      }),
    )
    expect(publishQueues).toHaveLength(100_000)
    expect(subscribeQueues.at(-1)).toEqual({ topic: 'T', brokerName: 'b9', queueId: 9_999 })
  })

  it('may have an order of its own', async () => {
    const { publishQueues } = await read(ordered('b:1;a:2'))
    expect(publishQueues.map((queue) => `${queue.brokerName}${queue.queueId}`)).toEqual(['b0', 'a0', 'a1'])
  })
})
