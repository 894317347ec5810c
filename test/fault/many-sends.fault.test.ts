import { execFile } from 'node:child_process'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Cluster, startCluster } from '../support/cluster.js'
import { uniqueName } from '../support/names.js'
import { startConsumer } from './clients-under-test.js'
import { createTopic } from './create-topic.js'
import type { Outcome } from './many-sends-child.js'

const SENDS = 200_000
const HEAP_LIMIT_MIB = 256
const CHILD = path.join(import.meta.dirname, 'many-sends-child.ts')

let cluster: Cluster

beforeAll(async () => {
  cluster = await startCluster({ route: 'java', config: { osPageCacheBusyTimeOutMills: '10000' }, log: () => {} })
})

afterAll(() => cluster?.stop())

test('200,000 sends that are awaited all at once succeed within a heap of 256 MiB, with 16 MiB of bodies in flight', async () => {
  const topic = uniqueName('many')
  await createTopic(cluster, topic)
  // A process that needs more ends with "heap out of memory".
  const args = [`--max-old-space-size=${HEAP_LIMIT_MIB}`, '--import', 'tsx', CHILD, cluster.namesrvAddr, topic]
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 240_000 })
  const outcome = JSON.parse(stdout) as Outcome
  expect(outcome).toMatchObject({ resolved: SENDS, errors: [] })
  expect(outcome.peakHeap).toBeLessThan(HEAP_LIMIT_MIB * 1024 * 1024)

  const consumer = await startConsumer({ namesrvAddr: cluster.namesrvAddr })
  const queues = await consumer.fetchSubscribeMessageQueues(topic)
  const counts = await Promise.all(queues.map((queue) => consumer.maxOffset(queue)))
  expect(counts.reduce((sum, count) => sum + count)).toBe(SENDS)
}, 300_000)
