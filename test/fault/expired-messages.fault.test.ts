import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { type MessageExt, PushConsumer } from '../../src/index.js'
import { type Cluster, startCluster } from '../support/cluster.js'
import { range } from '../support/consumers-at-real-broker.js'
import { uniqueName } from '../support/names.js'
import { PATIENCE } from '../support/patience.js'
import { until } from '../support/until.js'
import { startConsumer, startProducer } from './clients-under-test.js'
import { createTopic } from './create-topic.js'

const DEADLINE = 60_000
const FILE_SIZE = 1024 * 1024
const BODY_SIZE = 100 * 1024
/** Five files. */
const MESSAGES = 50

let cluster: Cluster
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rocketmq-commitlog-'))
  const config = { mappedFileSizeCommitLog: String(FILE_SIZE), storePathCommitLog: folder }
  cluster = await startCluster({ route: 'java', config, log: () => {} })
})

afterAll(async () => {
  await cluster?.stop()
  await rm(folder, { recursive: true, force: true })
})

/** What a broker does with files that are old enough; it looks for them a minute after its start for the first time, which is long for a test. */
async function deleteOldMessages(): Promise<void> {
  const broker = cluster.broker('broker-a')
  await broker.stop()
  const files = (await readdir(folder)).sort()
  for (const file of files.slice(0, 3)) await rm(join(folder, file))
  await broker.restart()
}

test('a consumer goes on with the oldest message that is left where those that come next were deleted, and tells of it', async () => {
  const topic = uniqueName('expired')
  await createTopic(cluster, topic, { queues: 1 })
  const { namesrvAddr } = cluster
  const producer = await startProducer({ namesrvAddr, ...PATIENCE })
  const reader = await startConsumer({ namesrvAddr })
  const queue = { topic, brokerName: 'broker-a', queueId: 0 }

  async function consuming(consumerGroup: string) {
    const consumer = new PushConsumer({ consumerGroup, namesrvAddr, persistConsumerOffsetInterval: 100 })
    onTestFinished(() => consumer.shutdown({ timeout: 0 }))
    const offsets: number[] = []
    const corrections: object[] = []
    consumer.onMessage((messages: readonly MessageExt[]) => {
      for (const { queueOffset } of messages) offsets.push(queueOffset)
    })
    consumer.on('offsetCorrected', (correction) => corrections.push(correction))
    await consumer.subscribe(topic)
    await consumer.start()
    return { consumer, offsets, corrections }
  }
  const send = () => producer.send({ topic, body: randomBytes(BODY_SIZE) }, { queue })

  const consumerGroup = uniqueName('cg')
  const leaving = await consuming(consumerGroup)
  for (const _ of range(0, 3)) await send()
  await until(() => leaving.offsets.length === 3, DEADLINE)
  await leaving.consumer.shutdown()
  for (const _ of range(3, MESSAGES)) await send()
  await deleteOldMessages()
  const oldest = await until(() => reader.minOffset(queue).catch(() => undefined), DEADLINE)
  expect(oldest).toBeGreaterThan(3)
  expect(oldest).toBeLessThan(MESSAGES)

  const { consumer, offsets, corrections } = await consuming(consumerGroup)
  await until(() => offsets.at(-1) === MESSAGES - 1, DEADLINE)
  expect(corrections).toEqual([{ queue, from: 3, to: oldest, reason: expect.stringMatching(/\w/) }])
  expect(offsets).toEqual(range(oldest, MESSAGES))
  await until(async () => (await consumer.lag()).diff === 0, DEADLINE)
})
