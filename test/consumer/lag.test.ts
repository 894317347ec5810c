import { describe, expect, it } from 'vitest'
import { Namespace } from '../../src/client/namespace.js'
import { buildSubscriptionData } from '../../src/client/subscription-data.js'
import { type ConsumerLag, consumerLag, type LagSource } from '../../src/consumer/lag.js'
import { FakeQueue } from '../support/group-consumer-under-test.js'
import { litePullSetUp } from '../support/lite-pull-under-test.js'
import { pushConsumer, pushSetUp } from '../support/push-consumer-under-test.js'
import { Code } from '../support/scripted-cluster.js'
import { pullAnswer } from '../support/stored-message-bytes.js'
import { rejectionOf, turns, until } from '../support/until.js'

const PULL_OFFSET_MOVED = 21
const QUEUE = { topic: 'T', brokerName: 'broker-a', queueId: 0 }
/** As stored messages have it in these tests. */
const STORED_AT = 1_700_000_000_005

/** A started consumer whose handler keeps what it gets. */
async function lagging(options: Parameters<typeof pushConsumer>[1] = {}, queueCount = 1) {
  const setUp = await pushSetUp(queueCount)
  const { broker, queues, cluster, offsets } = setUp
  for (const queueId of queues.keys()) offsets.stored.set(`T-${queueId}`, 0)
  broker.scripts.set(Code.MAX_OFFSET, (request, connection) => {
    const queue = queues[Number(request.field('queueId'))]
    connection.answer(request, { fields: { offset: queue?.maxOffset ?? 0 } })
  })
  const consumer = pushConsumer(cluster, options)
  let count = 0
  consumer.onMessage(() => {
    count++
    return new Promise(() => undefined)
  })
  await consumer.subscribe('T')
  return { ...setUp, consumer, counted: (wanted: number) => until(() => count === wanted) }
}

const ofTopic = (lag: ConsumerLag, topic = 'T') => lag.queues.filter(({ queue }) => queue.topic === topic)

describe('the lag of a consumer', () => {
  it('is what the brokers have and it has not consumed, queue by queue and in sum, with the age of the oldest', async () => {
    const { consumer, queues, counted } = await lagging({}, 2)
    queues[0]?.fill(3)
    queues[1]?.fill(5)
    await consumer.start()
    await counted(8)
    const before = Date.now()
    const lag = await consumer.lag()
    expect(ofTopic(lag)).toEqual(
      [3, 5].map((diff, queueId) => ({
        queue: { ...QUEUE, queueId },
        brokerOffset: diff,
        consumerOffset: 0,
        diff,
        oldestUnconsumedTimestamp: STORED_AT,
        age: expect.any(Number),
      })),
    )
    expect(lag).toMatchObject({ diff: 8, failures: [] })
    expect(lag.age).toBeGreaterThanOrEqual(before - STORED_AT)
  })

  it('is none where all is consumed', async () => {
    const { consumer, queue } = await lagging()
    consumer.onMessage(() => undefined)
    queue.fill(3)
    await consumer.start()
    await until(async () => ofTopic(await consumer.lag())[0]?.consumerOffset === 3)
    expect(await consumer.lag()).toMatchObject({ diff: 0, age: 0, failures: [] })
    const [only] = ofTopic(await consumer.lag())
    expect(only).toMatchObject({ diff: 0, oldestUnconsumedTimestamp: undefined, age: undefined })
  })

  it('has the age of the oldest message also where queues are assigned', async () => {
    const { consumer, queue } = await litePullSetUp()
    queue.fill(3)
    consumer.pause([QUEUE])
    await consumer.assign([QUEUE])
    await consumer.start()
    expect(ofTopic(await consumer.lag())).toMatchObject([{ diff: 3, oldestUnconsumedTimestamp: STORED_AT }])
  })

  it('asks for the oldest message where none was fetched, and leaves it there', async () => {
    const { consumer, queue, offsets } = await lagging()
    queue.fill(9)
    // So it pulls nothing by itself.
    consumer.suspend()
    await consumer.start()
    await until(() => consumer.assignment().length === 1)
    const [only] = ofTopic(await consumer.lag())
    expect(only).toMatchObject({ diff: 9, oldestUnconsumedTimestamp: STORED_AT })
    expect(queue.lastPull.extFields).toMatchObject({ queueOffset: '0', maxMsgNums: '1', suspendTimeoutMillis: '0' })
    expect(offsets.history).toEqual([])
  })

  it('finds a reset by an administrator, which the broker tells once only, and does what it says', async () => {
    const { consumer, broker, offsets } = await lagging()
    const resets: unknown[] = []
    consumer.on('offsetsReset', (one) => resets.push(one))
    offsets.stored.set('T-0', 900)
    broker.scripts.set(Code.MAX_OFFSET, (request, connection) =>
      connection.answer(request, { fields: { offset: 950 } }),
    )
    broker.scripts.set(Code.PULL, (request, connection) => {
      connection.answer(request, { ...pullAnswer(PULL_OFFSET_MOVED, { nextBeginOffset: 3 }), remark: 'OFFSET_RESET' })
    })
    consumer.suspend()
    await consumer.start()
    await until(() => consumer.assignment().length === 1)
    expect(ofTopic(await consumer.lag())[0]).toMatchObject({ diff: 50, oldestUnconsumedTimestamp: undefined })
    await until(() => consumer.health().queues[0]?.commitOffset === 3)
    expect(resets).toEqual([{ queue: QUEUE, from: 900, to: 3 }])
    expect(offsets.stored.get('T-0')).toBe(3)
  })

  it('is told without the queues whose broker does not answer', async () => {
    const { consumer, broker } = await lagging({}, 2)
    await consumer.start()
    await until(() => consumer.assignment().length === 2)
    broker.scripts.set(Code.MAX_OFFSET, (request, connection) => {
      if (request.field('queueId') === '1') connection.answer(request, { fields: { offset: 7 } })
    })
    const lag = await consumer.lag({ timeout: 500 })
    expect(lag).toMatchObject({ diff: 7, queues: [{ queue: { queueId: 1 } }] })
    expect(lag.failures).toMatchObject([{ queue: QUEUE, error: { retryable: true } }])
  })

  it('can be given up', async () => {
    const { consumer, broker } = await lagging()
    await consumer.start()
    await until(() => consumer.assignment().length === 1)
    broker.scripts.set(Code.MAX_OFFSET, () => undefined)
    const controller = new AbortController()
    const asking = rejectionOf(consumer.lag({ signal: controller.signal }))
    await until(() => broker.server.requestsOf(Code.MAX_OFFSET).length > 0)
    controller.abort()
    expect(await asking).toMatchObject({ code: 'ABORTED' })
    expect(await rejectionOf(consumer.lag({ timeout: Number.NaN }))).toMatchObject({ code: 'INVALID_ARGUMENT' })
  })

  it('is refused before the start', async () => {
    const { consumer } = await lagging()
    expect(await rejectionOf(consumer.lag())).toMatchObject({ code: 'NOT_STARTED' })
  })

  it('is an event from time to time, as long as the consumer runs, where that is wanted', async () => {
    const { consumer, queue, counted } = await lagging({ lagReportInterval: 10 })
    const lags: number[] = []
    consumer.on('lag', ({ diff }) => {
      lags.push(diff)
      throw new Error('a listener')
    })
    queue.fill(2)
    await consumer.start()
    await counted(2)
    await until(() => lags.filter((diff) => diff === 2).length === 3)
    await consumer.shutdown({ timeout: 0 })
    const { length } = lags
    await turns(20)
    expect(lags).toHaveLength(length)
  })
})

describe('the lag of a queue that is popped', () => {
  function source(parts: Partial<LagSource>): LagSource {
    return {
      namespace: new Namespace(undefined),
      queues: () => [new FakeQueue({ ...QUEUE, queueId: -1 }, 'POP')],
      subscription: (topic) => buildSubscriptionData(topic),
      queuesOf: () => [QUEUE, { ...QUEUE, queueId: 1 }],
      maxOffset: async () => 10,
      consumerOffset: async ({ queueId }) => (queueId === 0 ? 4 : -1),
      peek: async () => {
        throw new Error('no')
      },
      ...parts,
    }
  }

  it('is that of all queues of the broker, by the offsets that the broker has', async () => {
    expect(await consumerLag(source({}), {})).toEqual({
      queues: [
        {
          queue: QUEUE,
          brokerOffset: 10,
          consumerOffset: 4,
          diff: 6,
          oldestUnconsumedTimestamp: undefined,
          age: undefined,
        },
        {
          queue: { ...QUEUE, queueId: 1 },
          brokerOffset: 10,
          consumerOffset: 10,
          diff: 0,
          oldestUnconsumedTimestamp: undefined,
          age: undefined,
        },
      ],
      diff: 6,
      age: 0,
      failures: [],
    })
  })
})
