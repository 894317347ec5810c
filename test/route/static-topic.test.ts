import { describe, expect, it } from 'vitest'
import { MessageError } from '../../src/errors.js'
import type { MessageQueue } from '../../src/message/message.js'
import { TopicRoute } from '../../src/route/topic-route.js'
import { parseTopicRouteData } from '../../src/route/topic-route-data.js'
import { golden } from '../codec/golden.js'

interface StaticTopicCase {
  readonly name: string
  readonly route: string
  readonly endpoints: Readonly<Record<string, string>>
  readonly subscribed: readonly string[]
  readonly publishIds: readonly number[]
}

const NO_BROKER = '__syslo__none__'

function routeOf(text: string): TopicRoute {
  return new TopicRoute('T', parseTopicRouteData(Buffer.from(text)))
}

function text({ brokerName, queueId }: MessageQueue): string {
  return `${brokerName}:${queueId}`
}

function mapping(info: object): string {
  const whole = { bname: 'broker-a', scope: '__global__', totalQueues: 2, epoch: 1, currIdMap: { 0: 0 }, ...info }
  return JSON.stringify({ topicQueueMappingByBroker: { 'broker-a': whole } })
}

/** A route whose topic has a thousand queues in each of so many scopes. */
function scopes(count: number): string {
  const names = Array.from({ length: count }, (_, i) => `s${i}`)
  const mappings = names.map((scope) => [scope, { bname: 'broker-a', scope, totalQueues: 1_000, epoch: 1 }])
  return JSON.stringify({ topicQueueMappingByBroker: Object.fromEntries(mappings) })
}

describe('the route of a static topic', () => {
  const cases = golden<StaticTopicCase>('static-topics')

  it.each(cases)('has the queues that Java reads from it: $name', ({ route, subscribed }) => {
    expect(routeOf(route).subscribeQueues.map(text)).toEqual(subscribed)
  })

  it.each(cases)('knows the broker of each queue as Java does: $name', ({ route, endpoints }) => {
    const own = routeOf(route)
    const brokers = own.subscribeQueues.map((queue) => [text(queue), own.brokerNameOf(queue) ?? NO_BROKER])
    expect(Object.fromEntries(brokers)).toEqual(endpoints)
  })

  it.each(cases)('offers for sending the queues that some broker has: $name', ({ route, endpoints, publishIds }) => {
    const own = routeOf(route)
    const reachable = own.subscribeQueues.filter((queue) => endpoints[text(queue)] !== NO_BROKER)
    expect(own.publishQueues).toEqual(reachable)
    // Java offers the others too.
    expect(own.subscribeQueues.map(({ queueId }) => queueId).sort()).toEqual([...publishIds].sort())
  })

  it('says of queues of other topics that they lie where they say', () => {
    const route = routeOf(mapping({}))
    expect(route.brokerNameOf({ topic: 'T', brokerName: 'broker-x', queueId: 0 })).toBe('broker-x')
    expect(route.brokerNameOf({ topic: 'T', brokerName: '__syslo__other', queueId: 0 })).toBeUndefined()
  })

  it('is another one when a queue moves', () => {
    const before = routeOf(mapping({}))
    expect(routeOf(mapping({})).fingerprint).toBe(before.fingerprint)
    expect(routeOf(mapping({ epoch: 2 })).fingerprint).not.toBe(before.fingerprint)
    expect(routeOf(mapping({ currIdMap: { 1: 0 } })).fingerprint).not.toBe(before.fingerprint)
  })

  it('may have two hundred thousand queues in two hundred scopes', () => {
    expect(routeOf(scopes(200)).subscribeQueues).toHaveLength(200_000)
  })

  it.each([
    ['mappings that are no object', '{"topicQueueMappingByBroker":[]}', 'topicQueueMappingByBroker of a route'],
    ['a mapping that is none', '{"topicQueueMappingByBroker":{"a":5}}', 'topicQueueMappingByBroker.a of a route'],
    ['a mapping without a broker', mapping({ bname: '' }), 'bname of a route'],
    ['a count that is none', mapping({ totalQueues: 'many' }), "totalQueues of a route is 'many'"],
    ['more queues than there can be', mapping({ totalQueues: 2_000_000 }), 'at most 200000 queues'],
    ['more queues of all scopes than there can be', scopes(201), 'topicQueueMappingByBroker of a route is 201000'],
    ['fewer queues than none', mapping({ totalQueues: -1 }), 'at most 200000 queues'],
    ['an id that is none', mapping({ currIdMap: { x: 0 } }), "currIdMap of a route is 'x'"],
  ])('is refused with %s', (_what, route, problem) => {
    expect(() => routeOf(route)).toThrowError(MessageError)
    expect(() => routeOf(route)).toThrowError(problem)
  })
})
