import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { beforeAll, expect, inject, test } from 'vitest'
import { PullConsumer } from '../src/index.js'
import { secretIn } from './support/secrets.js'
import type { SecuredAccess } from './support/secured-cluster.js'
import { isAtLeast } from './support/server-version.js'
import { createTypedTopic } from './support/typed-topic.js'

const run = promisify(execFile)
const DEADLINE = 30_000
const version = inject('rocketmqVersion')

// The examples import the package by its name, as its users do, so it must be built.
beforeAll(() => run(process.execPath, ['scripts/set-up.mjs']))

test('there is a test for every example', () => {
  const names = readdirSync('examples').map((file) => file.replace(/\.ts$/, ''))
  expect(names.sort()).toEqual([
    'auto-batch',
    'batch',
    'broadcasting',
    'compression',
    'delay',
    'filter',
    'for-await',
    'health',
    'key-ordered-consumer',
    'lite-pull',
    'oneway',
    'ordered-by-key',
    'orderly-consumer',
    'pop-consumer',
    'priority',
    'pull-and-commit',
    'push-consumer',
    'recall',
    'request-reply',
    'retry',
    'secured',
    'send',
    'simple-consumer',
    'timer',
    'trace',
    'transaction',
  ])
})

test('send and pull-and-commit hand ten messages over, once', async () => {
  const topic = newTopic()
  const sent = await runExample('send', topic)
  expect(sent).toContain(`sent 10 messages to ${topic}`)
  expect(sent.match(/^SEND_OK /gm)).toHaveLength(10)
  await waitForMessages(topic, 10)

  const pulled = await runExample('pull-and-commit', topic)
  for (let i = 1; i <= 10; i++)
    expect(pulled).toMatch(new RegExp(`(even|odd) greeting-${i} \\{"greeting":"Hello ${i}"\\}`))
  expect(pulled).toContain(`read 10 messages of ${topic}`)

  expect(await runExample('pull-and-commit', topic)).toContain(`read 0 messages of ${topic}`)
})

test('push-consumer hands out what it subscribed to, and again what its handler failed on', async () => {
  const output = await runExample('push-consumer', newTopic())
  const lines = output.split('\n')
  for (const line of [
    'order-1 was created (created, delivery 1)',
    'order-2 was created (created, delivery 2)',
    'order-3 was created (created, delivery 1)',
  ])
    expect(lines).toContain(line)
  expect(output).toMatch(/^\w+ comes again: Error: the database is busy$/m)
  expect(output).not.toContain('nobody')
})

test('orderly-consumer hands out the steps of each order in their order, and waits for what failed', async () => {
  const lines = (await runExample('orderly-consumer', newTopic())).split('\n')
  for (const order of ['order-1', 'order-2', 'order-3']) {
    const steps = ['created', 'paid', 'shipped'].map((step) => `${order} ${step}`)
    expect(lines.filter((line) => line.startsWith(`${order} `))).toEqual(steps)
  }
  expect(lines.filter((line) => line === 'Error: order-2 is not paid yet (its queue waits)')).toHaveLength(2)
})

test('key-ordered-consumer works on many orders at a time, and on each in its order', async () => {
  const output = await runExample('key-ordered-consumer', newTopic())
  expect(output.match(/^order-\d+: created, paid, shipped$/gm)).toHaveLength(20)
  expect(output).toContain('Error: order-7 is not paid yet (only this order waits)')
  const [, most] = /^up to (\d+) at a time$/m.exec(output) ?? []
  // A new topic has fewer queues.
  expect(Number(most)).toBeGreaterThan(8)
})

test('lite-pull polls and commits everything, and reads its first message once more', async () => {
  const output = await runExample('lite-pull', newTopic())
  expect(output).toContain('polled 20 messages')
  const committed = [...output.matchAll(/^\S+\[\d\] is committed up to (\d+)$/gm)].map(([, offset]) => Number(offset))
  // A send that is answered late may be stored twice.
  expect(committed.reduce((sum, offset) => sum + offset, 0)).toBeGreaterThanOrEqual(20)
  expect(output).toMatch(/^once more: reading \d+$/m)
})

test('for-await gets every message in one loop, in four, and as a stream', async () => {
  expect((await runExample('for-await', newTopic())).split('\n')).toEqual([
    'one loop got 12 messages',
    'four loops got everything but 0 messages',
    'the stream got 12 messages, among them "event 7"',
    '',
  ])
})

test('simple-consumer acknowledges each job, and gets again what it puts off, or says that the broker is too old', async () => {
  const output = await runExample('simple-consumer', newTopic())
  if (!isAtLeast(version, '5.0.0')) {
    expect(output).toMatch(/^SimpleConsumer needs brokers of RocketMQ 5\.0 or newer: .* is older than 5\.0\.0/m)
    return
  }
  const lines = output.trim().split('\n')
  expect(lines.slice(0, 4).sort()).toEqual([
    'job-1 is done (delivery 1)',
    'job-2 is done (delivery 2)',
    'job-2 is put off',
    'job-3 is done (delivery 1)',
  ])
  expect(lines.slice(4).sort()).toEqual([4, 5, 6].map((i) => `job-${i} is done in the loop`))
})

test('pop-consumer has three members work on one queue, or says that the broker is too old', async () => {
  const output = await runExample('pop-consumer', newTopic())
  if (!isAtLeast(version, '5.0.0')) {
    expect(output).toMatch(/^POP needs brokers of RocketMQ 5\.0 or newer: .* is older than 5\.0\.0/m)
    return
  }
  expect(output).toContain('all 60 tasks are done')
  const shares = [...output.matchAll(/^(?:anna|ben|cleo) did (\d+)$/gm)].map(([, share]) => Number(share))
  expect(shares).toHaveLength(3)
  expect(shares.reduce((sum, share) => sum + share, 0)).toBe(60)
  expect(Math.min(...shares)).toBeGreaterThan(0)
})

test('broadcasting has every member get every message', async () => {
  const output = await runExample('broadcasting', newTopic())
  expect(output.trim().split('\n')).toEqual([
    'the shop in the north has forgotten all but 0 prices',
    'the shop in the south has forgotten all but 0 prices',
  ])
})

test('filter gets what has the tags, and what has the properties', async () => {
  expect((await runExample('filter', newTopic())).trim().split('\n')).toEqual([
    'fruit || flower: apple, melon, tulip',
    "price BETWEEN 3 AND 8 AND country IN ('FR', 'ES'): apple, melon",
  ])
})

test('retry has a message come again as often as it may, and finds it among the dead letters', async () => {
  const lines = (await runExample('retry', newTopic())).trim().split('\n')
  expect(lines.filter((line) => line.startsWith('mail-1'))).toEqual(['mail-1: delivered'])
  const failures = lines.filter((line) => line === 'mail-2: Error: nobody opens the door')
  expect(failures).toHaveLength(3)
  expect(lines.filter((line) => line === 'mail-3: TypeError: no address')).toHaveLength(1)
  expect(lines.filter((line) => /^mail-[23]: dead after \d returns$/.test(line))).toHaveLength(2)
})

test('health is well when the consumer runs, and sees what piles up and when it is gone', async () => {
  const output = await runExample('health', newTopic())
  expect(output).toMatch(/^before the start: 503 \{"isHealthy":false,/m)
  expect(output).toMatch(/^running: 200 \{"isHealthy":true,"queues":[1-9]\d*,"stalled":0,/m)
  const [, behind] = /^suspended: (\d+) messages behind, the oldest has waited for \d+ ms$/m.exec(output) ?? []
  // A broker answers a send before it counts the message.
  expect(Number(behind)).toBeGreaterThanOrEqual(10)
  expect(output).toContain('resumed: nothing is left, 21 messages were handled')
})

test('batch puts a hundred messages into one queue', async () => {
  const topic = newTopic()
  const output = await runExample('batch', topic)
  expect(output).toMatch(/^SEND_OK: \S+\[\d+\] from 0 to 99$/m)
  await waitForMessages(topic, 100)
})

test('compression shows how little is stored of a large text', async () => {
  const output = await runExample('compression', newTopic())
  const [, size] = /^a body of (\d+) bytes:$/m.exec(output) ?? []
  const stored = [...output.matchAll(/^(ZLIB|LZ4): (\d+) bytes stored, (\d+) bytes read$/gm)]
  expect(stored.map(([, type]) => type)).toEqual(['ZLIB', 'LZ4'])
  for (const [, , bytes, read] of stored) {
    expect(read).toBe(size)
    expect(Number(bytes)).toBeLessThan(Number(size) / 4)
  }
  expect(output).toMatch(/^ZSTD: (\d+ bytes stored, \d+ bytes read|option compressType is 'ZSTD')/m)
})

test('auto-batch sends ten thousand messages in few requests', async () => {
  const topic = newTopic()
  const output = await runExample('auto-batch', topic)
  expect(output).toMatch(/^the first one: SEND_OK \w{32,56} at offset \d+$/m)
  const [, requests] = /^sent 10000 messages to \S+ in (\d+) requests$/m.exec(output) ?? []
  expect(Number(requests)).toBeLessThan(500)
  await waitForMessages(topic, 10_000)
})

test('ordered-by-key reads the events of each order in their order', async () => {
  const output = await runExample('ordered-by-key', newTopic())
  expect(output.match(/^order-\d in \S+: created, paid, shipped$/gm)).toHaveLength(3)
})

test('oneway hands its messages to a broker that stores them', async () => {
  const topic = newTopic()
  expect(await runExample('oneway', topic)).toContain(`handed 1000 messages for ${topic}`)
  await waitForMessages(topic, 1000)
})

test('request-reply gets the replies of its service, and none where that says nothing', async () => {
  const output = await runExample('request-reply', newTopic())
  expect(output).toBe('apple costs 3\npear costs 4\nmelon: no reply in time\n')
})

test('trace finds what became of its messages', async () => {
  const topic = newTopic()
  const output = await runExample('trace', topic)
  expect(output.match(/ example-producer sent order-\d to \S+:\d+ in \d+ ms$/gm)).toHaveLength(3)
  expect(output).toContain(`found the trace of 3 messages of ${topic}`)
})

test('transaction delivers what was committed, at once or when the broker has asked', async () => {
  const topic = newTopic()
  const output = await runExample('transaction', topic)
  for (const line of ['order-1: COMMIT', 'order-2: ROLLBACK', 'order-3: UNKNOWN', 'order-3: the broker asks, COMMIT'])
    expect(output.split('\n')).toContain(line)
  await waitForMessages(topic, 2)
})

test('delay waits for its message', async () => {
  const output = await runExample('delay', newTopic())
  const [, seconds] = /^"delayed" was delivered (\d+\.\d) s after it was sent$/m.exec(output) ?? []
  // Level 2, by the clocks of client and broker, which are one here.
  expect(Number(seconds)).toBeGreaterThanOrEqual(5)
})

test('timer waits for the time of its message, or says that the broker is too old', async () => {
  const output = await runExample('timer', newTopic())
  expect(output).toMatch(
    isAtLeast(version, '5.0.0')
      ? /^"at its time" was delivered at \d{4}-\d\d-\d\dT/m
      : /^Timer messages need a broker of RocketMQ 5\.0 or newer: .* is older than 5\.0\.0/m,
  )
})

test('recall takes its message back, or says that the broker is too old', async () => {
  const output = await runExample('recall', newTopic())
  if (isAtLeast(version, '5.3.2')) expect(output).toMatch(/^recalled \w+\ndelivered: your order is here, thank you$/m)
  else if (isAtLeast(version, '5.0.0')) expect(output).toContain('recall needs RocketMQ 5.3.2 or newer')
  else expect(output).toContain('Recall needs RocketMQ 5.3.2 or newer, with recallMessageEnable=true: ')
})

test('priority has each message in the queue of its priority, or says that the broker is too old', async () => {
  const topic = newTopic()
  const hasPriorities = isAtLeast(version, '5.4.0')
  await createTypedTopic({
    namesrvAddr: inject('namesrvAddr'),
    brokerAddress: inject('brokerAddress'),
    topic,
    queues: 4,
    ...(hasPriorities && { messageType: 'PRIORITY' }),
  })
  const output = await runExample('priority', topic)
  if (hasPriorities) {
    expect(output.match(/^priority (\d) is in queue \1$/gm)).toHaveLength(4)
    expect(output).not.toContain('warning')
  } else expect(output).toMatch(/^Priorities need a broker of RocketMQ 5\.4 or newer: .* is older than 5\.4\.0/m)
})

// With access control and TLS it runs in test/interop/tls.java.test.ts, whatever the shared cluster has.
test('secured sends and receives', async () => {
  expect(await runExample('secured', newTopic())).toBe('sent: SEND_OK\nreceived: for your eyes only\n')
})

test('the program at the top of the README sends a message and receives it', async () => {
  const [, program = ''] = /```ts\n(.*?)```/s.exec(await readFile('README.md', 'utf8')) ?? []
  const code = program.replaceAll('localhost:9876', inject('namesrvAddr')).replaceAll('Orders', newTopic())
  const stdout = await runNode(['--input-type=module', '-e', code])
  expect(stdout).toBe('Hello, RocketMQ\n')
})

/** Runs an example as the README says, and answers what it printed. */
async function runExample(name: string, topic: string, namesrvAddr = inject('namesrvAddr')): Promise<string> {
  return runNode(['--import', 'tsx', `examples/${name}.ts`, topic], { NAMESRV_ADDR: namesrvAddr })
}

/** Runs a program; where the shared cluster is secured, its clients get in without it having to know. */
async function runNode(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
  const access = inject('securedAccess')
  const imports = access === undefined ? [] : ['--import', './test/support/secured-child.mjs']
  const options = access === undefined ? {} : { ROCKETMQ_SECURED_OPTIONS: JSON.stringify(optionsOf(access)) }
  const { stdout, stderr } = await run(process.execPath, [...imports, ...args], {
    env: { ...process.env, ...env, ...options },
    timeout: DEADLINE,
  })
  expect(secretIn(stdout + stderr)).toBeUndefined()
  return stdout
}

function optionsOf({ credentials, tls }: SecuredAccess): object {
  return { credentials, tls }
}

/** Brokers make messages readable a moment after they have stored them. */
async function waitForMessages(topic: string, count: number): Promise<void> {
  await expect.poll(() => countMessages(topic), { timeout: DEADLINE, interval: 200 }).toBe(count)
}

function newTopic(): string {
  return `example-${randomUUID()}`
}

async function countMessages(topic: string): Promise<number> {
  const consumer = new PullConsumer({ consumerGroup: 'example-count', namesrvAddr: inject('namesrvAddr') })
  await consumer.start()
  try {
    const queues = await consumer.fetchSubscribeMessageQueues(topic)
    const counts = await Promise.all(
      queues.map(async (queue) => (await consumer.maxOffset(queue)) - (await consumer.minOffset(queue))),
    )
    return counts.reduce((total, count) => total + count, 0)
  } finally {
    await consumer.shutdown()
  }
}
