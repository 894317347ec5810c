import { mutate } from '../../codec/mutation.js'
import { Code } from '../scripted-cluster.js'
import { GroupCode } from '../scripted-group.js'
import { LockCode } from '../scripted-locks.js'
import { type BadKind, costly, json, kind, pick } from './answer.js'

/** Requests that are answered with JSON. */
const WITH_JSON = [
  Code.ROUTE,
  GroupCode.CONSUMER_LIST,
  GroupCode.CONSUMER_CONNECTION,
  GroupCode.QUERY_ASSIGNMENT,
  LockCode.LOCK,
]
const ROUTE = [Code.ROUTE]

const text = (name: string, texts: readonly string[], codes = WITH_JSON) =>
  kind(name, 'open', (answer, random) => json({ ...answer, body: Buffer.from(pick(texts, random)) }), codes)

const queues = (value: unknown) =>
  JSON.stringify({
    queueDatas: [{ brokerName: 'b', perm: 6, readQueueNums: value, writeQueueNums: value }],
    brokerDatas: [],
  })
const addresses = (value: string) =>
  `{"queueDatas":[],"brokerDatas":[{"brokerName":"b","cluster":"c","brokerAddrs":${value}}]}`
const many = (count: number, item: (i: number) => string) => Array.from({ length: count }, (_, i) => item(i)).join(',')

/** Answers whose bodies should be JSON about routes, members, locks or assignments. */
export const badBodies: readonly BadKind[] = [
  text('a body that is no JSON', [
    '',
    '{',
    '}',
    'nonsense',
    '<html/>',
    '{"a"',
    '"',
    "'",
    '{"a":1}}',
    '\u0000',
    '{a:\\u12}',
    '"\\q"',
    '01x',
  ]),
  text('a body that is other JSON', [
    'null',
    '[]',
    '7',
    'true',
    '"x"',
    '{}',
    '[[]]',
    '{{}:1}',
    'NaN',
    '99999999999999999999',
  ]),
  text('a body that is nested deep', [
    '['.repeat(9_000),
    '{"a":'.repeat(9_000),
    '{{'.repeat(9_000),
    `${'['.repeat(255)}${']'.repeat(255)}`,
  ]),
  kind(
    'a body with some bytes changed',
    'open',
    (answer, random) => json({ ...answer, body: mutate(answer.body, random).bytes }),
    WITH_JSON,
  ),
  text('a body with members of the wrong type', [
    '{"queueDatas":7}',
    '{"queueDatas":{},"brokerDatas":"x"}',
    '{"queueDatas":[null]}',
    '{"brokerDatas":[[]]}',
    '{"consumerIdList":"x"}',
    '{"consumerIdList":[1,null,{}]}',
    '{"consumerIdList":{"a":1}}',
    '{"lockOKMQSet":7}',
    '{"lockOKMQSet":[{"topic":1}]}',
    '{"lockOKMQSet":[{"topic":"T","brokerName":"other","queueId":77}]}',
    '{"messageQueueAssignments":{}}',
    '{"messageQueueAssignments":[{"messageQueue":7,"mode":"X"}]}',
    '{"messageQueueAssignments":[{"messageQueue":{"topic":"T","brokerName":"nobody","queueId":-5},"mode":"POP"}]}',
    '{"connectionSet":[{"clientId":[]}],"subscriptionTable":{"__proto__":{"subString":"x"}}}',
  ]),
  text('a body with names that every object has', [
    '{"__proto__":{"queueDatas":[]},"constructor":{"prototype":{"polluted":1}}}',
    '{"queueDatas":[{"brokerName":"__proto__","perm":6,"readQueueNums":1,"writeQueueNums":1}],"brokerDatas":[{"brokerName":"__proto__","brokerAddrs":{"__proto__":"x"}}]}',
    '{"consumerIdList":["__proto__","constructor"]}',
  ]),
  text('a list of members that leaves this one out', [
    '{"consumerIdList":[]}',
    '{"consumerIdList":["other@x","other@x"]}',
  ]),
  costly(text('a list of very many members', [`{"consumerIdList":[${many(20_000, (i) => `"${i}@x"`)}]}`])),
  text(
    'a route without queues or brokers',
    ['{"queueDatas":[],"brokerDatas":[]}', '{"queueDatas":null,"brokerDatas":null}'],
    ROUTE,
  ),
  text(
    'a route with numbers of queues that no broker has',
    [-1, 2 ** 31, 65_536, 1.5, '4', null, 2 ** 60].map(queues),
    ROUTE,
  ),
  costly(
    text(
      'a route with twenty thousand queues',
      [
        `{"queueDatas":[${many(2, (i) => `{"brokerName":"b${i}","perm":6,"readQueueNums":10000,"writeQueueNums":10000}`)}],"brokerDatas":[]}`,
      ],
      ROUTE,
    ),
  ),
  costly(
    text(
      'a route that asks for more memory than there is',
      [
        `{"queueDatas":[${many(200, (i) => `{"brokerName":"b${i}","perm":6,"readQueueNums":65535,"writeQueueNums":65535}`)}]}`,
        `{"queueDatas":[],"brokerDatas":[],"topicQueueMappingByBroker":{${many(5_000, (i) => `"b${i}":{"bname":"b${i}","scope":"s${i}","totalQueues":1000000,"epoch":1}`)}}}`,
        `{"orderTopicConf":"${many(200, (i) => `b${i}:65535`).replaceAll(',', ';')}","queueDatas":[],"brokerDatas":[]}`,
        `{"queueDatas":[],"brokerDatas":[${many(20_000, (i) => `{"brokerName":"b${i}","cluster":"c","brokerAddrs":{0:"127.0.0.1:1"}}`)}]}`,
      ],
      ROUTE,
    ),
  ),
  text(
    'a route with addresses that are none',
    [
      ...[
        '{}',
        '{1:"127.0.0.1:1"}',
        '{0:"127.0.0.1"}',
        '{0:"[::1]:1"}',
        '{0:"::1:1"}',
        '{0:"null"}',
        '{0:null}',
        '{0:7}',
      ],
      ...[
        '{0:""}',
        '{0:":"}',
        '{0:"a b:1"}',
        '{0:"x:99999"}',
        '{-1:"a:1"}',
        '{"x":"a:1"}',
        '{0:"file:///etc/passwd"}',
        '{0:"127.0.0.1:1"}',
      ],
    ].map(addresses),
    ROUTE,
  ),
]
