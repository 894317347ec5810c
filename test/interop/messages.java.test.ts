import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Cluster, startCluster } from '../support/cluster.js'
import { type InteropReport, type InteropRun, sendFromJava, sendToJava } from '../support/interop-run.js'
import { type Oracle, startOracle } from '../support/oracle.js'

const SEED = 20_240_229
const MIB = 1024 * 1024

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

function run(seed: number, count: number, compressType?: InteropRun['compressType']): InteropRun {
  return { namesrvAddr: cluster.namesrvAddr, oracle, seed, count, ...(compressType && { compressType }) }
}

/** Some are large, but not so many that the test takes long. */
function expectSizes({ bytes, largest }: InteropReport): void {
  expect(largest).toBeGreaterThan(3.9 * MIB)
  expect(bytes).toBeLessThan(300 * MIB)
}

test('10,000 messages of this client, those from 4 KiB on compressed, are read back by the Java client and by this one with every field the same', async () => {
  const report = await sendToJava(run(SEED, 10_000))
  expect(report.messages).toBe(10_000)
  expect(report.compressed).toBeGreaterThan(300)
  expect(report.batches).toBeGreaterThan(50)
  expectSizes(report)
}, 300_000)

test('10,000 messages of the Java client, those from 4 KiB on compressed, are read by this one with every field the same', async () => {
  const report = await sendFromJava(run(SEED + 1, 9_980))
  expect(report).toMatchObject({ messages: 10_000, batches: 1 })
  expect(report.compressed).toBeGreaterThan(300)
  expectSizes(report)
}, 300_000)

// Clients of 4.x know no other compression than ZLIB.
test.each(process.env.ROCKETMQ_VERSION?.startsWith('4.') ? [] : (['LZ4', 'ZSTD'] as const))(
  'messages that the Java client compressed by %s are read by this one with every field the same',
  async (compressType) => {
    const report = await sendFromJava(run(SEED + 2, 980, compressType))
    expect(report).toMatchObject({ messages: 1_000, batches: 1 })
    expect(report.compressed).toBeGreaterThan(30)
  },
)
