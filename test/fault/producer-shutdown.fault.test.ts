import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { type Cluster, startCluster } from '../support/cluster.js'
import { uniqueName } from '../support/names.js'
import { readTopic } from '../support/read-topic.js'
import { copies, SendHistory, startConsumer, startProducer } from './clients-under-test.js'
import { createTopic } from './create-topic.js'
import { pause } from './nodes-under-test.js'
import type { Outcome } from './producer-child.js'

const CHILD = fileURLToPath(new URL('producer-child.ts', import.meta.url))

let cluster: Cluster

beforeAll(async () => {
  cluster = await startCluster({ route: 'java', config: { osPageCacheBusyTimeOutMills: '10000' }, log: () => {} })
})

afterAll(() => cluster?.stop())

/** Starts the child process of this test; killed when the test ends. */
function startChild(topic: string, mode: 'burst' | 'stream') {
  const child: ChildProcess = spawn(process.execPath, ['--import', 'tsx', CHILD, cluster.namesrvAddr, topic, mode], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  if (child.stdout === null) throw new Error('the child has no standard output')
  const lines: string[] = []
  const reader = createInterface({ input: child.stdout })
  reader.on('line', (line) => lines.push(line))
  const ready = once(reader, 'line')
  const ended = once(child, 'close').then(([code, signal]) => ({ code, signal }))
  return {
    ready,
    child,
    ended,
    outcome: (): Outcome => JSON.parse(lines.at(-1) ?? '') as Outcome,
  }
}

async function storedBodies(topic: string, atLeast: number): Promise<Set<string>> {
  const consumer = await startConsumer({ namesrvAddr: cluster.namesrvAddr })
  return new Set((await readTopic(consumer, topic, atLeast)).map((message) => message.body.toString()))
}

test('a shutdown with 1,000 sends in flight waits for each, all are stored, and the process ends by itself', async () => {
  const topic = uniqueName('burst')
  await createTopic(cluster, topic)
  const { ended, outcome } = startChild(topic, 'burst')
  expect(await ended).toEqual({ code: 0, signal: null })
  const { started, acknowledged, rejected } = outcome()
  expect({ started, acknowledged: acknowledged.length, rejected }).toEqual({
    started: 1_000,
    acknowledged: 1_000,
    rejected: [],
  })
  const stored = await storedBodies(topic, 1_000)
  expect(acknowledged.filter((body) => !stored.has(body))).toEqual([])
})

test('a shutdown at SIGTERM settles every send, what was acknowledged is stored, and the process ends by itself', async () => {
  const topic = uniqueName('term')
  await createTopic(cluster, topic)
  const { ready, child, ended, outcome } = startChild(topic, 'stream')
  await ready
  child.kill('SIGTERM')
  expect(await ended).toEqual({ code: 0, signal: null })
  const { started, acknowledged, rejected } = outcome()
  expect(started).toBeGreaterThanOrEqual(1_000)
  expect(acknowledged.length + rejected.length).toBe(started)
  // Only what was sent after the shutdown began.
  expect(rejected.filter((send) => send.code !== 'CLOSED')).toEqual([])
  const stored = await storedBodies(topic, acknowledged.length)
  expect(acknowledged.filter((body) => !stored.has(body))).toEqual([])
  expect(stored.size).toBe(acknowledged.length)
})

test('a shutdown that may not wait longer settles sends to a silent broker as closed and perhaps stored', async () => {
  const topic = uniqueName('silent')
  await createTopic(cluster, topic)
  const { namesrvAddr } = cluster
  const producer = await startProducer({ namesrvAddr, sendTimeout: 60_000, requestTimeout: 60_000 })
  const history = new SendHistory()
  await history.note('first', producer.send({ topic, body: 'first' }))
  const broker = cluster.broker('broker-a')

  pause(broker)
  const sends = Promise.all(
    Array.from({ length: 1_000 }, (_, i) => history.note(`m${i}`, producer.send({ topic, body: `m${i}` }))),
  )
  await producer.shutdown({ timeout: 50 })
  await sends
  expect(history.acknowledged.size).toBe(1)
  expect(history.rejected.size).toBe(1_000)
  for (const error of history.rejected.values()) {
    expect(error).toMatchObject({ name: 'RemotingError', code: 'CONNECTION_CLOSED', mayBeStored: true })
    expect(error.message).toContain(`${broker.address}: this client closed the connection`)
  }

  broker.resume()
  const consumer = await startConsumer({ namesrvAddr })
  const stored = await readTopic(consumer, topic, 1, 30_000)
  expect(history.compare(stored)).toEqual({ lost: [], falselyDenied: [] })
  expect(Math.max(...copies(stored).values())).toBe(1)
})
