import { afterAll, beforeAll, expect, test } from 'vitest'
import type { DefaultProducer } from '../../src/index.js'
import { startConsumer, startProducer } from '../fault/clients-under-test.js'
import { type Cluster, startCluster } from '../support/cluster.js'
import { uniqueName } from '../support/names.js'
import { type Oracle, startOracle } from '../support/oracle.js'
import { readTopic } from '../support/read-topic.js'
import { traceConsumption } from '../support/traced-consumption.js'

const DEADLINE = 60_000

let cluster: Cluster
let oracle: Oracle

beforeAll(async () => {
  cluster = await startCluster({ route: 'java', config: { traceTopicEnable: 'true' }, log: () => {} })
  oracle = await startOracle(cluster.version)
})

afterAll(async () => {
  await oracle?.stop()
  await cluster?.stop()
})

/** What `mqadmin queryMsgTraceById` prints of a message, as soon as it has so many rows: one for each send and each consumption. */
async function printed(msgId: string, count: number): Promise<string[][]> {
  const args = ['queryMsgTraceById', '-n', cluster.namesrvAddr, '-i', msgId]
  let rows: string[][] = []
  const print = async () => {
    const { stdout } = await oracle.call('mqadmin', { args })
    rows = stdout
      .split('\n')
      .filter((line) => /^(Pub|Sub) /.test(line))
      .map((line) => line.trim().split(/\s+/))
    return rows
  }
  // Brokers put messages into their index a moment after they have stored them.
  await expect.poll(print, { timeout: DEADLINE, interval: 300 }).toHaveLength(count)
  return rows
}

function tracedProducer(options: object = {}): Promise<DefaultProducer> {
  return startProducer({ namesrvAddr: cluster.namesrvAddr, messageTrace: true, ...options })
}

test('mqadmin prints that a message was sent and consumed', async () => {
  const { namesrvAddr } = cluster
  const topic = uniqueName('traced')
  const producer = await tracedProducer()
  const { msgId } = await producer.send({ topic, body: 'grüße', tags: 'TagÄ', keys: 'k1' })
  await producer.shutdown()
  const messages = await readTopic(await startConsumer({ namesrvAddr }), topic, 1)

  const group = uniqueName('cg')
  await traceConsumption(namesrvAddr, group, messages)

  const rows = await printed(msgId, 2)
  expect(rows.map(([type, name]) => [type, name]).sort()).toEqual([
    ['Pub', producer.producerGroup],
    ['Sub', group],
  ])
  expect(rows.map((row) => row.at(-1))).toEqual(['success', 'success'])
  expect(rows.find(([type]) => type === 'Pub')?.at(-2)).toMatch(/^\d+ms$/)
})

test('mqadmin prints the send of each message of a batch', async () => {
  const topic = uniqueName('traced')
  const producer = await tracedProducer()
  const { msgId } = await producer.sendBatch(['a', 'b', 'c'].map((body) => ({ topic, body })))
  await producer.shutdown()
  const msgIds = msgId.split(',')
  expect(msgIds).toHaveLength(3)
  for (const each of msgIds) {
    const [row] = await printed(each, 1)
    expect(row?.slice(0, 2)).toEqual(['Pub', producer.producerGroup])
    expect(row?.at(-1)).toBe('success')
  }
})

test('mqadmin prints the sends that autoBatch put together', async () => {
  const topic = uniqueName('traced')
  const producer = await tracedProducer({ autoBatch: true })
  const results = await Promise.all(['a', 'b', 'c'].map((body) => producer.send({ topic, body, keys: body })))
  await producer.shutdown()
  for (const { msgId } of results) expect((await printed(msgId, 1))[0]?.[0]).toBe('Pub')
})
