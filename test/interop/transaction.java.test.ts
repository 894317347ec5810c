import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import type { LocalTransactionState } from '../../src/producer/local-transaction.js'
import { type Cluster, startCluster } from '../support/cluster.js'
import { uniqueName } from '../support/names.js'
import { type Oracle, startOracle } from '../support/oracle.js'
import type { MessageSpec } from '../support/oracle-verbs.js'
import {
  Deliveries,
  forEachOf,
  keysReadByJava,
  naturalOrder,
  QUICK_CHECKS,
  startTransactionProducer,
} from '../support/transactions.js'
import { until } from '../support/until.js'

const STATES = ['COMMIT', 'ROLLBACK', 'UNKNOWN'] as const
/** Of the transactions whose state is unknown, one in ten turns out to be rolled back. */
const checkedState = (i: number): LocalTransactionState => (i % 30 === 2 ? 'ROLLBACK' : 'COMMIT')
const executedState = (i: number): LocalTransactionState => STATES[i % 3] ?? 'UNKNOWN'
const isDelivered = (i: number): boolean =>
  executedState(i) === 'COMMIT' || (executedState(i) === 'UNKNOWN' && checkedState(i) === 'COMMIT')

let cluster: Cluster
let oracle: Oracle
let namesrvAddr: string

beforeAll(async () => {
  cluster = await startCluster({ route: 'java', config: QUICK_CHECKS, log: () => {} })
  namesrvAddr = cluster.namesrvAddr
  oracle = await startOracle(cluster.version)
})

afterAll(async () => {
  await oracle?.stop()
  await cluster?.stop()
})

async function createTopic(): Promise<string> {
  const topic = uniqueName('tx')
  await oracle.call('createTopic', { namesrvAddr, topic, queues: 4 })
  return topic
}

const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i)
const keysOf = (chosen: readonly number[]): string[] => chosen.map((i) => `k${i}`)
const numberOf = (keys: readonly string[]): number => Number(keys[0]?.slice(1))

/** What Java reads as soon as there are as many messages as are expected, or, where a test looks for one too many, as soon as no more can come. */
async function readByJava(topic: string, expected: number, end: 'AT_ONCE' | 'SETTLED' = 'AT_ONCE'): Promise<string[]> {
  const deliveries = await Deliveries.watch(namesrvAddr)
  await deliveries.atLeast(topic, expected)
  if (end === 'SETTLED') await deliveries.settled(await createTopic())
  return keysReadByJava(oracle, namesrvAddr, topic)
}

/** Java's transaction producer, with messages of which number i says by its properties how it decides. */
async function startJava(group: string, topic: string) {
  const { clientId } = await oracle.call('startTransactionProducer', { namesrvAddr, group, topic })
  let isStopped = false
  const stop = async () => {
    if (isStopped) return
    isStopped = true
    await oracle.call('stopTransactionProducer', { clientId })
  }
  onTestFinished(stop)
  const send = async (topic: string, specs: readonly MessageSpec[]) => {
    const folder = await mkdtemp(path.join(os.tmpdir(), 'rocketmq-transactions-'))
    onTestFinished(() => rm(folder, { recursive: true, force: true }))
    const messages = path.join(folder, 'messages.jsonl')
    await writeFile(messages, specs.map((spec) => `${JSON.stringify(spec)}\n`).join(''))
    const { outcomes } = await oracle.call('sendInTransaction', { clientId, topic, messages })
    return outcomes
  }
  const checks = async () => (await oracle.call('transactionChecks', { clientId })).transactionIds
  return { clientId, stop, send, checks }
}

/** Waits until the broker has a heartbeat of this member of the group. */
async function waitForMember(group: string, topic: string, clientId: string): Promise<void> {
  const args = ['producerConnection', '-n', namesrvAddr, '-g', group, '-t', topic]
  const view = () => oracle.call('mqadmin', { args }).then(({ stdout }) => stdout, String)
  await until(async () => (await view()).includes(clientId), 60_000)
}

test('of 3,000 half messages the Java client reads exactly the committed ones and those that a check committed, each once', async () => {
  const count = 3_000
  const topic = await createTopic()
  const asked = new Set<number>()
  const producer = await startTransactionProducer({
    namesrvAddr,
    checkLocalTransaction: ({ keys }) => {
      asked.add(numberOf(keys))
      return checkedState(numberOf(keys))
    },
  })
  const states: Record<string, number> = {}
  await forEachOf(count, 100, async (i) => {
    const message = { topic, keys: `k${i}`, body: `message ${i}` }
    const options = { timeout: 30_000 }
    const result = await producer.sendInTransaction(message, async () => executedState(i), options)
    expect(result).toMatchObject({ sendStatus: 'SEND_OK', localTransactionState: executedState(i) })
    expect(result.endTransactionError).toBeUndefined()
    states[result.localTransactionState] = (states[result.localTransactionState] ?? 0) + 1
  })
  expect(states).toEqual({ COMMIT: 1_000, ROLLBACK: 1_000, UNKNOWN: 1_000 })

  const expected = numbers(count).filter(isDelivered)
  expect(expected).toHaveLength(1_900)
  expect(await readByJava(topic, expected.length, 'SETTLED')).toEqual(keysOf(expected))
  const unknown = numbers(count).filter((i) => executedState(i) === 'UNKNOWN')
  expect([...asked].sort((a, b) => a - b)).toEqual(unknown)
})

test('half messages of a Java producer that is gone are checked by a member of its group that is this client', async () => {
  const count = 300
  const topic = await createTopic()
  const group = uniqueName('pg')
  const asked = new Map<string, string>()
  const ours = await startTransactionProducer({
    producerGroup: group,
    namesrvAddr,
    topics: [topic],
    checkLocalTransaction: ({ keys, msgId, topic: name, body, tags }) => {
      asked.set(msgId, `${keys} ${name} ${tags} ${body.toString()}`)
      return checkedState(numberOf(keys))
    },
  })
  await waitForMember(group, topic, ours.clientId)
  const java = await startJava(group, topic)
  const outcomes = await java.send(
    topic,
    numbers(count).map((i) => ({
      body: { text: `message ${i} 世界` },
      tags: 'T',
      keys: `k${i}`,
      properties: { onExecute: executedState(i), onCheck: 'UNKNOWN' },
    })),
  )
  await java.stop()
  expect(outcomes.filter(({ sendStatus }) => sendStatus !== 'SEND_OK')).toEqual([])

  const expected = numbers(count).filter(isDelivered)
  expect(await readByJava(topic, expected.length)).toEqual(keysOf(expected))
  const unknown = numbers(count).filter((i) => executedState(i) === 'UNKNOWN')
  const questions = unknown.map((i) => [outcomes[i]?.msgId ?? '', `k${i} ${topic} T message ${i} 世界`] as const)
  expect(asked).toEqual(new Map(questions))
})

test('half messages of this client, which is gone, are checked by a Java member of its group', async () => {
  const count = 300
  const topic = await createTopic()
  const group = uniqueName('pg')
  const java = await startJava(group, topic)
  const ours = await startTransactionProducer({
    producerGroup: group,
    namesrvAddr,
    checkLocalTransaction: () => 'UNKNOWN',
  })
  const ids = new Map<number, string>()
  await forEachOf(count, 20, async (i) => {
    const properties = { onCheck: checkedState(i) }
    const message = { topic, keys: `k${i}`, body: `message ${i}`, properties }
    const { transactionId } = await ours.sendInTransaction(message, () => executedState(i))
    ids.set(i, transactionId)
  })
  await ours.shutdown()

  const expected = numbers(count).filter(isDelivered)
  expect(await readByJava(topic, expected.length)).toEqual(keysOf(expected))
  const unknown = numbers(count).filter((i) => executedState(i) === 'UNKNOWN')
  expect(naturalOrder(new Set(await java.checks()))).toEqual(naturalOrder(unknown.map((i) => ids.get(i) ?? '')))
})

test('members of both kinds in one group share its checks, and no message is delivered twice', async () => {
  const count = 200
  const topic = await createTopic()
  const group = uniqueName('pg')
  const asked: string[] = []
  const ours = await startTransactionProducer({
    producerGroup: group,
    namesrvAddr,
    topics: [topic],
    checkLocalTransaction: ({ msgId, properties }) => {
      asked.push(msgId)
      return properties.onCheck as LocalTransactionState
    },
  })
  const java = await startJava(group, topic)
  await waitForMember(group, topic, ours.clientId)
  await waitForMember(group, topic, java.clientId)
  const propertiesOf = (i: number) => ({ onExecute: 'UNKNOWN', onCheck: checkedState(i) })
  const ofJava = await java.send(
    topic,
    numbers(count).map((i) => ({ body: { text: `java ${i}` }, keys: `k${i}`, properties: propertiesOf(i) })),
  )
  const ofOurs = new Set<string>()
  await forEachOf(count, 20, async (n) => {
    const i = count + n
    const message = { topic, keys: `k${i}`, body: `ours ${i}`, properties: propertiesOf(i) }
    ofOurs.add((await ours.sendInTransaction(message, () => 'UNKNOWN')).transactionId)
  })

  const expected = numbers(2 * count).filter((i) => checkedState(i) === 'COMMIT')
  expect(await readByJava(topic, expected.length, 'SETTLED')).toEqual(keysOf(expected))
  const askedOfJava = await java.checks()
  const all = new Set([...ofJava.map(({ msgId }) => msgId), ...ofOurs])
  expect(new Set([...asked, ...askedOfJava])).toEqual(all)
  expect(asked.length).toBeGreaterThan(0)
  expect(askedOfJava.length).toBeGreaterThan(0)
})
