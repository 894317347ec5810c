import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { beforeAll, expect, inject, test } from 'vitest'
import { PullConsumer } from '../src/index.js'

const run = promisify(execFile)
const DEADLINE = 30_000

// The examples import the package by its name, as its users do, so it must be built.
beforeAll(() => run(process.execPath, ['scripts/set-up.mjs']))

test('there is a test for every example', () => {
  const names = readdirSync('examples').map((file) => file.replace(/\.ts$/, ''))
  expect(names.sort()).toEqual(['batch', 'oneway', 'ordered-by-key', 'pull-and-commit', 'send'])
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

test('batch puts a hundred messages into one queue', async () => {
  const topic = newTopic()
  const output = await runExample('batch', topic)
  expect(output).toMatch(/^SEND_OK: \S+\[\d+\] from 0 to 99$/m)
  await waitForMessages(topic, 100)
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

test('the program at the top of the README sends a message and receives it', async () => {
  const [, program = ''] = /```ts\n(.*?)```/s.exec(await readFile('README.md', 'utf8')) ?? []
  const code = program.replaceAll('localhost:9876', inject('namesrvAddr')).replaceAll('Orders', newTopic())
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', code], { timeout: DEADLINE })
  expect(stdout).toBe('Hello, RocketMQ\n')
})

test.for(['send', 'pull-and-commit', 'batch', 'ordered-by-key', 'oneway'])(
  '%s ends with an exit code of 1 and says why when no NameServer answers',
  async (name) => {
    const failure = runExample(name, newTopic(), '127.0.0.1:1')
    await expect(failure).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining('no NameServer of 127.0.0.1:1 can be reached'),
    })
  },
)

/** Runs an example as the README says, and answers what it printed. */
async function runExample(name: string, topic: string, namesrvAddr = inject('namesrvAddr')): Promise<string> {
  const { stdout } = await run(process.execPath, ['--import', 'tsx', `examples/${name}.ts`, topic], {
    env: { ...process.env, NAMESRV_ADDR: namesrvAddr },
    timeout: DEADLINE,
  })
  return stdout
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
