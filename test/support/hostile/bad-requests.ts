import { mutate, type Random } from '../../codec/mutation.js'
import { type FrameParts, frame, ONEWAY } from '../scripted-server.js'
import { storedMessage } from '../stored-message-bytes.js'
import { pick } from './answer.js'

const NOTIFY_IDS_CHANGED = 40
const CHECK_TRANSACTION = 39
const RESET_OFFSETS = 220
const GET_STATUS = 221
const RUNNING_INFO = 307
const CONSUME_DIRECTLY = 309
const PUSH_REPLY = 326

/** Names that a client here has, and some that nobody has. */
const GROUPS = ['push', 'orderly', 'pop', 'broadcasting', 'lite', 'simple', 'transactions', 'nobody', '', '__proto__']
const NUMBERS = ['0', '-1', 'x', '', '9223372036854775807', '1e3']
const queue = (queueId: unknown) => `{"topic":"T","brokerName":"broker-a","queueId":${queueId}}`

const RESETS = [
  '',
  '{}',
  'null',
  '[',
  '{"offsetTable":7}',
  '{"offsetTable":{"x":5}}',
  `{"offsetTable":{${queue(0)}:-1}}`,
  `{"offsetTable":{${queue(-7)}:5,${queue('"x"')}:5}}`,
  `{"offsetTable":{${queue(0)}:9223372036854775807}}`,
  `{"offsetTable":{${queue(0)}:3,${queue(1)}:4}}`,
]

const LONG_HOST = `${'%'.repeat(30_000)}\n:1`

function half(random: Random): Buffer {
  const properties = { PGROUP: pick(GROUPS, random), UNIQ_KEY: pick(['id', '', '__proto__'], random), TRAN_MSG: 'true' }
  return mutate(storedMessage({ queueOffset: random(100), properties }), random).bytes
}

function parts(random: Random): FrameParts {
  const group = pick(GROUPS, random)
  const number = () => pick(NUMBERS, random)
  switch (random(8)) {
    case 0:
      return { code: NOTIFY_IDS_CHANGED, fields: { consumerGroup: group } }
    case 1:
      return {
        code: RESET_OFFSETS,
        fields: { topic: 'T', group, timestamp: number(), isForce: 'true' },
        body: Buffer.from(pick(RESETS, random)),
      }
    case 2:
      return { code: GET_STATUS, fields: pick([{}, { topic: 'T', group }, { group }], random) }
    case 3:
      return {
        code: RUNNING_INFO,
        fields: pick([{}, { consumerGroup: group, clientId: 'x', jstackEnable: 'maybe' }], random),
      }
    case 4:
      return { code: CONSUME_DIRECTLY, fields: { consumerGroup: group, clientId: 'x', msgId: 'x' }, body: half(random) }
    case 5:
      return {
        code: CHECK_TRANSACTION,
        fields: {
          tranStateTableOffset: number(),
          commitLogOffset: number(),
          msgId: 'x',
          transactionId: 'x',
          offsetMsgId: 'x',
        },
        body: half(random),
      }
    case 6:
      return {
        code: PUSH_REPLY,
        fields: {
          ...{
            producerGroup: 'p',
            topic: 'T',
            defaultTopic: 'x',
            defaultTopicQueueNums: 4,
            queueId: number(),
            sysFlag: pick(['0', '1', '-1'], random),
          },
          ...{
            bornTimestamp: number(),
            flag: 0,
            bornHost: pick(['', LONG_HOST, 'x', '::1:5', '%%:1'], random),
            storeHost: 'x:1',
            storeTimestamp: 1,
          },
          properties: pick(
            ['', 'CORRELATION_ID\u0001x\u0002', 'CORRELATION_ID\u0001__proto__\u0002', '\u0001\u0002'.repeat(500)],
            random,
          ),
        },
        body: Buffer.from('reply'),
      }
    default:
      return {
        code: pick([0, 1, 11, 34, 105, 310, 9999, -1, 2 ** 31 - 1], random),
        fields: { a: 'b' },
        body: half(random),
      }
  }
}

/** A request that no server should send: of a code that clients don't answer, or with nonsense in it. */
export function badRequest(random: Random): Buffer {
  return frame({ ...parts(random), opaque: random(2 ** 31), flag: random(2) * ONEWAY })
}
