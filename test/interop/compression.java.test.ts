import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { type CompressionType, isZstdWritable } from '../../src/codec/compression.js'
import { crc32 } from '../../src/codec/crc32.js'
import { DefaultProducer, type MessageExt, PullConsumer } from '../../src/index.js'
import { type Cluster, startCluster } from '../support/cluster.js'
import { differencesFromJava, differencesFromSent, placeOf, readPulled } from '../support/interop-compare.js'
import { bytesOf, toMessage } from '../support/interop-messages.js'
import { uniqueName } from '../support/names.js'
import { type Oracle, startOracle } from '../support/oracle.js'
import type { MessageSpec } from '../support/oracle-verbs.js'
import { readTopic } from '../support/read-topic.js'

const KIB = 1024
const MIB = 1024 * KIB
const IS_VERSION_4 = process.env.ROCKETMQ_VERSION?.startsWith('4.') ?? false
/** Brokers of 4.x count the properties too. */
const LARGEST = 4 * MIB - (IS_VERSION_4 ? 64 * KIB : 0)
const SIZES = [4095, 4096, 4097, 16 * KIB, 16 * KIB + 1, 64 * KIB, 128 * KIB - 1, MIB, MIB + 1, 3_000_000, LARGEST]
/** What this client writes, of what the Java client of this version reads: those of 4.x know ZLIB alone. */
const TYPES = (['ZLIB', 'LZ4', 'ZSTD'] as const).filter(
  (type) => (!IS_VERSION_4 || type === 'ZLIB') && (type !== 'ZSTD' || isZstdWritable()),
)

let cluster: Cluster
let oracle: Oracle

beforeAll(async () => {
  cluster = await startCluster({ route: 'java', config: { osPageCacheBusyTimeOutMills: '30000' }, log: () => {} })
  oracle = await startOracle(cluster.version)
})

afterAll(async () => {
  await oracle?.stop()
  await cluster?.stop()
})

/** For each size a body of text, which gets smaller, and one of noise, which does not. */
const specs: readonly MessageSpec[] = SIZES.flatMap((size, index) => [
  { body: { text: textOf(size) }, tags: 'text', keys: [`text-${size}`] },
  { body: { seed: 31, index, size }, tags: 'noise', keys: [`noise-${size}`] },
])

function textOf(size: number): string {
  let text = ''
  for (let i = 0; text.length < size; i++) text += `order ${i} of user-${(i * 31) % 977}; `
  return text.slice(0, size)
}

async function send(topic: string, compressType: CompressionType, compressLevel?: number): Promise<void> {
  const producer = new DefaultProducer({
    producerGroup: uniqueName('pg'),
    namesrvAddr: cluster.namesrvAddr,
    requestTimeout: 60_000,
    sendTimeout: 120_000,
    compressType,
    ...(compressLevel !== undefined && { compressLevel }),
  })
  onTestFinished(() => producer.shutdown())
  await producer.start()
  const queue = { topic, brokerName: 'broker-a', queueId: 0 }
  for (const spec of specs) await producer.send(toMessage(spec, topic), { queue })
}

/** What this client reads, after it was found to be the same that Java reads. */
async function readByBoth(topic: string): Promise<MessageExt[]> {
  const { namesrvAddr } = cluster
  const folder = await mkdtemp(path.join(os.tmpdir(), 'rocketmq-interop-'))
  const consumer = new PullConsumer({ consumerGroup: uniqueName('cg'), namesrvAddr, consumerPullTimeoutMillis: 60_000 })
  onTestFinished(async () => {
    await consumer.shutdown()
    await rm(folder, { recursive: true, force: true })
  })
  await consumer.start()
  const ours = await readTopic(consumer, topic, specs.length)
  const file = path.join(folder, 'pulled.jsonl')
  await oracle.call('pullAll', { namesrvAddr, topic, file, timeout: 60_000 })
  const java = await readPulled(file)
  expect([...java.keys()]).toEqual(ours.map(placeOf))
  const differences = ours.flatMap((message) => {
    const twin = java.get(placeOf(message))
    return twin === undefined ? ['not read by Java'] : differencesFromJava(message, twin)
  })
  expect(differences).toEqual([])
  return ours
}

const isCompressed = (message: MessageExt) => crc32(message.body) !== message.bodyCRC

describe.each(TYPES)('bodies that this client compressed by %s', (compressType) => {
  test.each(compressType === 'LZ4' ? [undefined] : [undefined, 9])(
    'of 4,095 bytes to 4 MiB are read by the Java client as they were, on level %s',
    async (compressLevel) => {
      const topic = uniqueName('compression')
      await oracle.call('createTopic', { namesrvAddr: cluster.namesrvAddr, topic, queues: 1 })
      await send(topic, compressType, compressLevel)
      const messages = await readByBoth(topic)
      const differences = messages.flatMap((message, i) => differencesFromSent(message, specs[i] as MessageSpec))
      expect(differences).toEqual([])
      const expected = specs.map(({ body, tags }) => tags === 'text' && bytesOf(body).length >= 4096)
      expect(messages.map(isCompressed)).toEqual(expected)
    },
  )
})
