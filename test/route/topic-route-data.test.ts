import { describe, expect, it } from 'vitest'
import {
  isReadable,
  isWritable,
  parseOrderTopicConf,
  parseTopicRouteData,
  routeFingerprint,
} from '../../src/route/topic-route-data.js'
import { golden } from '../codec/golden.js'
import { watchPrototypes } from '../codec/pollution-canary.js'
import { faultOf } from '../codec/wire.js'

watchPrototypes()

function parse(text: string) {
  return parseTopicRouteData(Buffer.from(text))
}

function parseValue(route: unknown) {
  return parse(JSON.stringify(route))
}

const queueData = { brokerName: 'broker-a', readQueueNums: 4, writeQueueNums: 8, perm: 6, topicSysFlag: 0 }
const brokerData = {
  brokerName: 'broker-a',
  cluster: 'C',
  brokerAddrs: { 0: '10.0.0.1:10911' },
  enableActingMaster: false,
}

describe('parseTopicRouteData', () => {
  const javaRoutes = golden<{ name: string; version: string; text: string }>('fastjson').filter(({ name }) =>
    name.startsWith('TopicRouteData'),
  )

  it.each(javaRoutes)('reads what Java prints: $name ($version)', ({ text }) => {
    // The fixture has a broker id beyond 2^53, which no broker has: the next test.
    const route = parse(text.replace('9007199254740993', '7'))
    expect(route).toEqual({
      orderTopicConf: 'broker-a:8;broker-b:4',
      queueDatas: [
        { brokerName: 'broker-a', readQueueNums: 8, writeQueueNums: 8, perm: 6 },
        { brokerName: 'broker-b', readQueueNums: 4, writeQueueNums: 4, perm: 4 },
      ],
      brokerDatas: [
        {
          cluster: 'DefaultCluster',
          brokerName: 'broker-a',
          brokerAddrs: new Map([
            [0, '192.0.2.1:10911'],
            [1, '192.0.2.2:10911'],
          ]),
        },
        {
          cluster: 'DefaultCluster',
          brokerName: 'broker-b',
          brokerAddrs: new Map([
            [0, '::1:47911'],
            [7, '192.0.2.3:10911'],
          ]),
        },
      ],
      topicQueueMappings: [{ bname: 'broker-a', scope: '__global__', totalQueues: 8, epoch: 3, logicIds: [0, 7] }],
    })
  })

  it.each(javaRoutes)(
    'refuses a broker id that a number can not hold, instead of rounding it: $name ($version)',
    ({ text }) => {
      const fault = faultOf(() => parse(text))
      expect(fault.code).toBe('JSON_MALFORMED')
      expect(fault.message).toContain("brokerAddrs of a route is '9007199254740993'")
    },
  )

  it('gives empty lists for a route without queues and brokers', () => {
    const empty = { orderTopicConf: undefined, queueDatas: [], brokerDatas: [], topicQueueMappings: [] }
    expect(parse('{}')).toEqual(empty)
    expect(parse('{"brokerDatas":null,"queueDatas":null,"orderTopicConf":null,"filterServerTable":{}}')).toEqual(empty)
    expect(parse('{"brokerDatas":[],"queueDatas":[],"orderTopicConf":""}')).toEqual(empty)
  })

  it('sorts queues and brokers by name, and addresses by id, so that equal routes have equal fingerprints', () => {
    const rows = ['b', 'a', 'C', 'c'].map((brokerName) => ({ ...queueData, brokerName }))
    const brokers = ['b', 'a', 'C', 'c'].map((brokerName) => ({
      ...brokerData,
      brokerName,
      brokerAddrs: { 10: 'x:1', 9: 'y:1', 0: 'z:1' },
    }))
    const route = parseValue({ queueDatas: rows, brokerDatas: brokers })
    const reversed = parseValue({ queueDatas: [...rows].reverse(), brokerDatas: [...brokers].reverse() })
    expect(route.queueDatas.map(({ brokerName }) => brokerName)).toEqual(['C', 'a', 'b', 'c'])
    expect([...(route.brokerDatas[0]?.brokerAddrs.keys() ?? [])]).toEqual([0, 9, 10])
    expect(routeFingerprint(route)).toBe(routeFingerprint(reversed))
  })

  it.each([
    ['the count of queues', { queueDatas: [{ ...queueData, writeQueueNums: 9 }], brokerDatas: [brokerData] }],
    ['the permission', { queueDatas: [{ ...queueData, perm: 4 }], brokerDatas: [brokerData] }],
    ['an address', { queueDatas: [queueData], brokerDatas: [{ ...brokerData, brokerAddrs: { 0: '10.0.0.2:10911' } }] }],
    [
      'a slave more',
      { queueDatas: [queueData], brokerDatas: [{ ...brokerData, brokerAddrs: { 0: '10.0.0.1:10911', 1: 'b:1' } }] },
    ],
    [
      'the order of an ordered topic',
      { queueDatas: [queueData], brokerDatas: [brokerData], orderTopicConf: 'broker-a:1' },
    ],
  ])('tells routes apart by %s', (_, other) => {
    const route = parseValue({ queueDatas: [queueData], brokerDatas: [brokerData] })
    expect(routeFingerprint(parseValue(other))).not.toBe(routeFingerprint(route))
  })

  it('leaves out addresses that are null, empty or the word null: a broker that is just leaving', () => {
    const addresses = '{"0":"null","1":null,"2":"","3":"10.0.0.1:10911"}'
    const [broker] = parse(`{"brokerDatas":[{"brokerName":"b","brokerAddrs":${addresses}}]}`).brokerDatas
    expect([...(broker?.brokerAddrs ?? [])]).toEqual([[3, '10.0.0.1:10911']])
  })

  it.each(['{}', 'null'])('takes a broker whose addresses are %s for one without addresses', (addresses) => {
    const [broker] = parse(`{"brokerDatas":[{"brokerName":"b","brokerAddrs":${addresses}}]}`).brokerDatas
    expect([broker?.brokerName, broker?.cluster, broker?.brokerAddrs.size]).toEqual(['b', '', 0])
  })

  it('takes a broker that has no member for its addresses', () => {
    expect(parse('{"brokerDatas":[{"brokerName":"b"}]}').brokerDatas[0]?.brokerAddrs.size).toBe(0)
  })

  it('keeps addresses as they are: without a port, of IPv6 with and without brackets, of names', () => {
    const given = ['10.0.0.1', '::1:10911', '[::1]:10911', 'broker.example:10911']
    const brokerAddrs = Object.fromEntries(given.entries())
    const [broker] = parseValue({ brokerDatas: [{ ...brokerData, brokerAddrs }] }).brokerDatas
    expect([...(broker?.brokerAddrs.values() ?? [])]).toEqual(given)
  })

  it('takes __proto__ and constructor for names like others', () => {
    const text =
      '{"__proto__":{"queueDatas":[1]},"constructor":5,"queueDatas":[{"brokerName":"__proto__","readQueueNums":1,"writeQueueNums":1,"perm":6}]}'
    expect(parse(text).queueDatas.map(({ brokerName }) => brokerName)).toEqual(['__proto__'])
  })

  it('takes 65535 queues of a broker, and a hundred thousand queues of two', () => {
    const most = { ...queueData, readQueueNums: 65_535 }
    expect(parseValue({ queueDatas: [most] }).queueDatas[0]?.readQueueNums).toBe(65_535)
    const two = [most, { ...queueData, brokerName: 'broker-b', writeQueueNums: 34_465 }]
    expect(parseValue({ queueDatas: two }).queueDatas).toHaveLength(2)
  })

  it.each<[string, unknown, string]>([
    ['a route that is a list', [], 'route of a route is a list'],
    ['a route that is null', null, 'route of a route is null'],
    ['a route that is a text', 'route', "route of a route is 'route'"],
    ['queues that are no list', { queueDatas: {} }, 'queueDatas of a route is an object, a list expected'],
    ['brokers that are no list', { brokerDatas: 'broker-a' }, "brokerDatas of a route is 'broker-a'"],
    ['a row that is null', { queueDatas: [null] }, 'queueDatas[0] of a route is null'],
    ['a row that is a list', { queueDatas: [queueData, []] }, 'queueDatas[1] of a route is a list'],
    [
      'a row without a broker',
      { queueDatas: [{ ...queueData, brokerName: undefined }] },
      'queueDatas[0].brokerName of a route is undefined',
    ],
    [
      'an empty broker name',
      { queueDatas: [{ ...queueData, brokerName: '' }] },
      "queueDatas[0].brokerName of a route is ''",
    ],
    [
      'a broker name that is an object',
      { queueDatas: [{ ...queueData, brokerName: {} }] },
      'is an object, a name expected',
    ],
    [
      'no count of queues',
      { queueDatas: [{ ...queueData, readQueueNums: undefined }] },
      'queueDatas[0].readQueueNums of a route is undefined',
    ],
    [
      'a negative count',
      { queueDatas: [{ ...queueData, readQueueNums: -1 }] },
      'readQueueNums of a route is -1, 0 to 65535 expected',
    ],
    [
      '100,000 queues on one broker',
      { queueDatas: [{ ...queueData, writeQueueNums: 100_000 }] },
      'writeQueueNums of a route is 100000, 0 to 65535',
    ],
    [
      'a fraction of a queue',
      { queueDatas: [{ ...queueData, readQueueNums: 1.5 }] },
      'readQueueNums of a route is 1.5, an integer expected',
    ],
    [
      'a count as text',
      { queueDatas: [{ ...queueData, readQueueNums: '4' }] },
      "readQueueNums of a route is '4', an integer expected",
    ],
    ['no permission', { queueDatas: [{ ...queueData, perm: null }] }, 'queueDatas[0].perm of a route is null'],
    [
      'a broker without a name',
      { brokerDatas: [{ ...brokerData, brokerName: undefined }] },
      'brokerDatas[0].brokerName of a route is undefined',
    ],
    [
      'addresses that are a list',
      { brokerDatas: [{ ...brokerData, brokerAddrs: ['a:1'] }] },
      'brokerDatas[0].brokerAddrs of a route is a list',
    ],
    [
      'a broker id of letters',
      { brokerDatas: [{ ...brokerData, brokerAddrs: { x: 'a:1' } }] },
      "brokerAddrs of a route is 'x', numeric broker ids expected",
    ],
    [
      'a negative broker id',
      { brokerDatas: [{ ...brokerData, brokerAddrs: { '-1': 'a:1' } }] },
      "brokerAddrs of a route is '-1'",
    ],
  ])('refuses %s, and names the member', (_, route, message) => {
    const fault = faultOf(() => parseValue(route))
    expect(fault.code).toBe('JSON_MALFORMED')
    expect(fault.message).toContain(message)
  })

  it.each([
    [
      'a count beyond 2^53',
      '{"queueDatas":[{"brokerName":"b","readQueueNums":9007199254740993}]}',
      'is 9007199254740993, an integer expected',
    ],
    ['a count that is NaN', '{"queueDatas":[{"brokerName":"b","readQueueNums":NaN}]}', 'is NaN, an integer expected'],
    [
      'addresses whose keys are objects',
      '{"brokerDatas":[{"brokerName":"b","brokerAddrs":{{}:"a:1"}}]}',
      'brokerAddrs of a route is a map whose keys are objects, an object expected',
    ],
    ['text that is no JSON', 'function () {}', 'the word "function" at character 0'],
    ['HTML', '<html>', 'no value or key at character 0'],
    ['nothing', '', 'the text ends where a value is expected'],
  ])('refuses %s', (_, text, message) => {
    const fault = faultOf(() => parse(text))
    expect(fault.code).toBe('JSON_MALFORMED')
    expect(fault.message).toContain(message)
  })

  it('refuses more queues than there is memory for, before any of them is made', () => {
    const queueDatas = Array.from({ length: 10_000 }, (_, index) => ({
      ...queueData,
      brokerName: `b${index}`,
      readQueueNums: 65_535,
    }))
    expect(faultOf(() => parseValue({ queueDatas })).message).toContain('655350000, at most 200000 queues expected')
    const orderTopicConf = Array.from({ length: 10_000 }, (_, index) => `b${index}:99999`).join(';')
    expect(faultOf(() => parseValue({ orderTopicConf })).message).toContain('orderTopicConf of a route is 999990000')
  })

  it('takes two hundred thousand queues of a topic, and not one more', () => {
    const counts = [65_535, 65_535, 65_535, 3_395]
    const datas = (last: number) =>
      [...counts, last].map((readQueueNums, i) => ({
        ...queueData,
        brokerName: `b${i}`,
        readQueueNums,
        writeQueueNums: 0,
      }))
    expect(parseValue({ queueDatas: datas(0) }).queueDatas).toHaveLength(5)
    expect(faultOf(() => parseValue({ queueDatas: datas(1) })).message).toContain('is 200001, at most 200000 queues')
  })

  it('takes ten thousand addresses of brokers, and not one more: to each there would be a connection', () => {
    const brokers = (count: number) =>
      Array.from({ length: count }, (_, i) => ({
        ...brokerData,
        brokerName: `b${i}`,
        brokerAddrs: { 0: 'a:1', 1: 'b:1' },
      }))
    expect(parseValue({ brokerDatas: brokers(5_000) }).brokerDatas).toHaveLength(5_000)
    const fault = faultOf(() => parseValue({ brokerDatas: brokers(5_001) }))
    expect(fault.message).toBe('brokerDatas of a route is 10002, at most 10000 addresses expected')
  })

  it('names a hostile member without going through it', () => {
    const hostile = Object.fromEntries(Array.from({ length: 100_000 }, (_, index) => [`member${index}`, index]))
    expect(faultOf(() => parseValue({ queueDatas: hostile })).message).toBe(
      'queueDatas of a route is an object, a list expected',
    )
  })
})

describe('parseOrderTopicConf', () => {
  it.each([
    ['broker-a:4;broker-b:2', ['broker-a 4', 'broker-b 2']],
    ['broker-a:4;', ['broker-a 4']],
    ['broker-a:4:x', ['broker-a 4']],
    ['broker-a:0', ['broker-a 0']],
    ['broker-a;:4;broker-b:x;broker-c:-1;broker-d:123456;broker-e:1', ['broker-e 1']],
    [';;', []],
    ['', []],
  ])('reads %j', (text, expected) => {
    expect(parseOrderTopicConf(text).map(({ brokerName, count }) => `${brokerName} ${count}`)).toEqual(expected)
  })
})

describe('permissions', () => {
  it.each([
    [0, false, false],
    [1, false, false],
    [2, false, true],
    [4, true, false],
    [6, true, true],
    [7, true, true],
    [8, false, false],
    [14, true, true],
  ])('of %d allow reading: %s, writing: %s', (perm, readable, writable) => {
    expect([isReadable(perm), isWritable(perm)]).toEqual([readable, writable])
  })
})
