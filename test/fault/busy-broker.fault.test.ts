import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Cluster, startCluster } from '../support/cluster.js'
import { uniqueName } from '../support/names.js'
import { readTopic } from '../support/read-topic.js'
import { copies, SendHistory, startConsumer, startProducer } from './clients-under-test.js'
import { createTopic } from './create-topic.js'

const SENDS = 500

let cluster: Cluster

beforeAll(async () => {
  cluster = await startCluster({
    route: 'java',
    // One send is worked on, one more may wait; a send that comes then is refused.
    config: {
      sendMessageThreadPoolNums: '1',
      sendThreadPoolQueueCapacity: '1',
      osPageCacheBusyTimeOutMills: '10000',
      flushDiskType: 'SYNC_FLUSH',
    },
    log: () => {},
  })
})

afterAll(() => cluster?.stop())

test('sends that a busy broker refuses are tried again until all are stored', async () => {
  const topic = uniqueName('patient')
  await createTopic(cluster, topic)
  const { namesrvAddr } = cluster
  const producer = await startProducer({
    namesrvAddr,
    requestTimeout: 30_000,
    sendTimeout: 90_000,
    retryTimesWhenSendFailed: 100,
  })
  const history = new SendHistory()
  await Promise.all(
    Array.from({ length: SENDS }, (_, i) => history.note(`m${i}`, producer.send({ topic, body: `m${i}` }))),
  )
  expect([...history.rejected.values()]).toEqual([])
  const consumer = await startConsumer({ namesrvAddr })
  const stored = await readTopic(consumer, topic, SENDS)
  expect(history.compare(stored)).toEqual({ lost: [], falselyDenied: [] })
  expect(stored).toHaveLength(SENDS)
  expect(Math.max(...copies(stored).values())).toBe(1)
})

test('sends that a busy broker refuses too often reject with SYSTEM_BUSY and are not stored', async () => {
  const topic = uniqueName('hasty')
  await createTopic(cluster, topic)
  const { namesrvAddr } = cluster
  const producer = await startProducer({ namesrvAddr, requestTimeout: 30_000, sendTimeout: 60_000 })
  const history = new SendHistory()
  await Promise.all(
    Array.from({ length: SENDS }, (_, i) => history.note(`m${i}`, producer.send({ topic, body: `m${i}` }))),
  )
  expect(history.acknowledged.size).toBeGreaterThan(0)
  expect(history.rejected.size).toBeGreaterThan(0)
  for (const error of history.rejected.values()) {
    expect(error).toMatchObject({
      name: 'BrokerError',
      code: 'SYSTEM_BUSY',
      responseCode: 2,
      retryable: true,
      mayBeStored: false,
      address: cluster.broker('broker-a').address,
    })
    expect(error.attempts).toHaveLength(3)
  }
  const consumer = await startConsumer({ namesrvAddr })
  const stored = await readTopic(consumer, topic, history.acknowledged.size)
  expect(history.compare(stored)).toEqual({ lost: [], falselyDenied: [] })
  expect(stored).toHaveLength(history.acknowledged.size)
})
