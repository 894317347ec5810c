import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { type Cluster, startCluster } from '../support/cluster.js'
import { uniqueName } from '../support/names.js'
import { type Oracle, startOracle } from '../support/oracle.js'
import {
  Deliveries,
  forEachOf,
  keysReadByJava,
  naturalOrder,
  QUICK_CHECKS,
  startTransactionProducer,
} from '../support/transactions.js'
import { until } from '../support/until.js'
import { createTopic } from './create-topic.js'
import { executeTransaction, TransactionRecord } from './transaction-record.js'

const CHILD = fileURLToPath(new URL('transaction-child.ts', import.meta.url))
const COUNT = 1_500

let cluster: Cluster
let oracle: Oracle

beforeAll(async () => {
  cluster = await startCluster({ route: 'java', config: QUICK_CHECKS, log: () => {} })
  oracle = await startOracle(cluster.version)
})

afterAll(async () => {
  await oracle?.stop()
  await cluster?.stop()
})

async function newTopic(): Promise<string> {
  const topic = uniqueName('tx')
  await createTopic(cluster, topic)
  return topic
}

async function newRecord(): Promise<{ record: TransactionRecord; file: string }> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'rocketmq-transactions-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const file = path.join(folder, 'record')
  await writeFile(file, '')
  return { record: new TransactionRecord(file), file }
}

test('a producer killed in the middle of transactions, after 1,500 of them: another process of its group answers for it, and Java reads exactly what was committed, once', async () => {
  const { namesrvAddr } = cluster
  const topic = await newTopic()
  const producerGroup = uniqueName('pg')
  const { record, file } = await newRecord()
  const asked = new Set<string>()
  let isChildAlive = true
  await startTransactionProducer({
    producerGroup,
    namesrvAddr,
    topics: [topic],
    checkLocalTransaction: ({ keys: [key = ''] }) => {
      asked.add(key)
      // What has written nothing will never do so once its process is gone.
      return record.read().get(key) ?? (isChildAlive ? 'UNKNOWN' : 'ROLLBACK')
    },
  })
  const args = ['--import', 'tsx', CHILD, namesrvAddr, topic, producerGroup, file]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  const ended = once(child, 'close')
  await until(() => record.read().size >= COUNT, 60_000)
  child.kill('SIGKILL')
  expect(await ended).toEqual([null, 'SIGKILL'])
  isChildAlive = false

  const written = record.read().size
  const committed = record.keysOf('COMMIT')
  expect(committed.length).toBeGreaterThan(COUNT / 2)
  const deliveries = await Deliveries.watch(namesrvAddr)
  await deliveries.atLeast(topic, committed.length)
  await deliveries.settled(await newTopic())
  expect(record.read().size).toBe(written)
  expect(await keysReadByJava(oracle, namesrvAddr, topic)).toEqual(naturalOrder(committed))
  const notTold = committed.filter((key) => Number(key.slice(1)) % 3 === 2)
  expect(notTold.filter((key) => !asked.has(key))).toEqual([])
})

test('a broker killed between half messages and their ends asks after its restart: every committed message is delivered, no other is', async () => {
  const { namesrvAddr } = cluster
  const broker = cluster.broker('broker-a')
  const topic = await newTopic()
  const { record } = await newRecord()
  let isSending = true
  const producer = await startTransactionProducer({
    namesrvAddr,
    checkLocalTransaction: ({ keys: [key = ''] }) => record.read().get(key) ?? (isSending ? 'UNKNOWN' : 'ROLLBACK'),
  })
  let notStored = 0
  let notTold = 0
  let killed: Promise<void> | undefined
  await forEachOf(300, 50, async (i) => {
    const message = { topic, keys: `k${i}`, body: `message ${i}` }
    try {
      const { endTransactionError } = await producer.sendInTransaction(message, async () => {
        if (i === 150) killed = broker.kill()
        const state = executeTransaction(record, i)
        if (i >= 150) await killed
        return state
      })
      if (endTransactionError !== undefined) notTold++
    } catch {
      notStored++
    }
  })
  isSending = false
  expect(notTold).toBeGreaterThan(0)
  expect(notStored).toBeGreaterThan(0)
  await broker.restart()

  const committed = naturalOrder(record.keysOf('COMMIT'))
  expect(committed.length).toBeGreaterThan(0)
  const deliveries = await Deliveries.watch(namesrvAddr)
  await deliveries.atLeast(topic, committed.length)
  await deliveries.settled(await newTopic())
  // Not "each once": what a broker noted of an end just before it was killed is lost, so that it asks and delivers again.
  const read = await keysReadByJava(oracle, namesrvAddr, topic)
  expect(naturalOrder(new Set(read))).toEqual(committed)
})
