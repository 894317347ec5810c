import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildSubscriptionData } from '../../src/client/subscription-data.js'
import { runningInfo } from '../../src/consumer/running-info.js'
import { encodeConsumerStatus, encodeDirectResult, encodeRunningInfo } from '../../src/remoting/commands/console.js'
import { FakeQueue } from '../support/group-consumer-under-test.js'
import { type Oracle, startOracle } from '../support/oracle.js'

const VERSIONS = ['5.5.0', '5.4.0', '5.3.3', '5.1.4', '4.9.7']
/** What needs an escape, and what does not fit one byte. */
const NAME = '%RETRY%"订单"\\'
const QUEUE = { topic: NAME, brokerName: 'broker-a', queueId: 3 }
const POPPED = { topic: 'T', brokerName: 'broker-a', queueId: -1 }
const STATUS = {
  pullRT: 0,
  pullTPS: 1.5,
  consumeRT: 1e-7,
  consumeOKTPS: 1e21,
  consumeFailedTPS: 12345678.9,
  consumeFailedMsgs: 4_294_967_296,
}

function assigned() {
  const pulled = new FakeQueue(QUEUE)
  pulled.stateParts = {
    commitOffset: Number.MAX_SAFE_INTEGER,
    cachedCount: 3,
    cachedBytes: 5 * 1024 * 1024 + 1,
    cachedMinOffset: 7,
    cachedMaxOffset: 12,
    inFlight: 2,
    oldestInFlight: { msgId: 'm1', since: 1_700_000_000_000 },
    isLocked: true,
    lastLockTimestamp: 1_700_000_000_001,
    lastPullTimestamp: 1_700_000_000_002,
    lastConsumeTimestamp: 1_700_000_000_003,
  }
  pulled.msgIds = ['m1', 'm2']
  const popped = new FakeQueue(POPPED, 'POP')
  popped.stateParts = { cachedCount: 9, lastPullTimestamp: 1_700_000_000_004 }
  return [pulled, popped]
}

const INFO = runningInfo(
  {
    nameServers: ['127.0.0.1:9876', '[::1]:9876'],
    consumeType: 'CONSUME_PASSIVELY',
    isOrderly: true,
    startTimestamp: 1_700_000_000_005,
    options: { consumerGroup: NAME, pullBatchSize: 32, unitMode: false },
    consumeConcurrency: 20,
    subscriptions: [buildSubscriptionData(NAME, 'TagA || 标签', 77), buildSubscriptionData('T', undefined, 78)],
    queues: assigned(),
    status: (topic) => (topic === 'T' ? STATUS : undefined),
  },
  true,
)

describe.each(VERSIONS)('what a consumer answers to consoles is read by Java of RocketMQ %s', (version) => {
  let oracle: Oracle | undefined

  beforeAll(async () => {
    oracle = await startOracle(version)
  })

  afterAll(() => oracle?.stop())

  type BodyClass = 'ConsumerRunningInfo' | 'GetConsumerStatusBody' | 'ConsumeMessageDirectlyResult'
  const read = (name: BodyClass, body: Buffer) => oracle?.call('readBody', { class: name, text: body.toString() })

  it('as its running info, queue by queue', async () => {
    const info = await read('ConsumerRunningInfo', encodeRunningInfo(INFO))
    expect(info).toMatchObject({
      properties: {
        PROP_NAMESERVER_ADDR: '127.0.0.1:9876;[::1]:9876;',
        PROP_CONSUME_TYPE: 'CONSUME_PASSIVELY',
        PROP_CONSUMEORDERLY: 'true',
        PROP_THREADPOOL_CORE_SIZE: '20',
        PROP_CONSUMER_START_TIMESTAMP: '1700000000005',
        consumerGroup: NAME,
        pullBatchSize: '32',
        unitMode: 'false',
      },
      subscriptionSet: expect.arrayContaining([
        expect.objectContaining({ topic: NAME, subString: 'TagA || 标签', subVersion: 77, classFilterMode: false }),
        expect.objectContaining({ topic: 'T', subString: '*', subVersion: 78 }),
      ]),
      mqTable: [
        {
          ...QUEUE,
          commitOffset: Number.MAX_SAFE_INTEGER,
          cachedMsgMinOffset: 7,
          cachedMsgMaxOffset: 12,
          cachedMsgCount: 3,
          cachedMsgSizeInMiB: 5,
          transactionMsgMinOffset: 7,
          transactionMsgMaxOffset: 8,
          transactionMsgCount: 2,
          locked: true,
          tryUnlockTimes: 0,
          lastLockTimestamp: 1_700_000_000_001,
          droped: false,
          lastPullTimestamp: 1_700_000_000_002,
          lastConsumeTimestamp: 1_700_000_000_003,
        },
      ],
      statusTable: { T: STATUS },
      jstack: INFO.jstack,
    })
    expect(INFO.jstack).toContain('handlers have 2, for the longest time m1')
    const popped = [{ ...POPPED, waitAckCount: 9, droped: false, lastPopTimestamp: 1_700_000_000_004 }]
    // Popping came with 5.0.
    expect(info?.mqPopTable).toEqual(version.startsWith('4.') ? undefined : popped)
  })

  it('as its status', async () => {
    const body = encodeConsumerStatus([
      { queue: QUEUE, offset: 5 },
      { queue: POPPED, offset: Number.MAX_SAFE_INTEGER },
    ])
    const { messageQueueTable } = (await read('GetConsumerStatusBody', body)) ?? {}
    expect(messageQueueTable).toHaveLength(2)
    expect(messageQueueTable).toEqual(
      expect.arrayContaining([
        { ...QUEUE, offset: 5 },
        { ...POPPED, offset: Number.MAX_SAFE_INTEGER },
      ]),
    )
  })

  it.each(['CR_SUCCESS', 'CR_THROW_EXCEPTION'] as const)(
    'as the outcome of a message consumed directly: %s',
    async (consumeResult) => {
      const result = { order: true, autoCommit: false, consumeResult, remark: `no: ${NAME}\n`, spentTimeMills: 17 }
      expect(await read('ConsumeMessageDirectlyResult', encodeDirectResult(result))).toEqual(result)
      const silent = await read('ConsumeMessageDirectlyResult', encodeDirectResult({ ...result, remark: undefined }))
      expect(silent).toEqual({ ...result, remark: null })
    },
  )
})
