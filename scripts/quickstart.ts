// Starts a real RocketMQ, or takes one that runs; sends 1,000 messages, pulls them back, commits the offsets and checks them.
//   npm run quickstart              the cluster ends with it
//   npm run quickstart -- --keep    the cluster stays until Ctrl-C, for the examples
import { randomUUID } from 'node:crypto'
import { DefaultProducer, isRocketMQError, type MessageQueue, PullConsumer } from 'rocketmq-remoting'
import { type Cluster, startCluster } from '../test/support/cluster.js'
import { Progress } from './lib/progress.js'

const MESSAGE_COUNT = 1000
/** Sends that wait for their answers at the same time. */
const CONCURRENCY = 50
const TOPIC = 'QuickStart'
const GROUP = 'quick-start'
/** Tells the messages of this run from those of earlier ones. */
const RUN = randomUUID()

/** What is in a queue, and how far the group has come in it. */
interface QueueProgress {
  readonly queue: MessageQueue
  readonly maxOffset: number
  readonly committed: number
}

const options = process.argv.slice(2)
const unknown = options.find((option) => option !== '--keep')
if (unknown === undefined) await main(options.includes('--keep'))
else fail(`unknown option ${unknown}: there is --keep`)

async function main(isKept: boolean): Promise<void> {
  const interrupted = interruption()
  let cluster: Cluster | undefined
  try {
    console.log('Starting RocketMQ')
    cluster = await startCluster({ log: (line) => console.log(`  ${line}`) })
    const run = demonstrate(cluster.namesrvAddr)
    await Promise.race([run, interrupted.then(() => Promise.reject(new Error('interrupted')))])
    if (isKept) {
      console.log(`\nThe cluster stays until Ctrl-C. In another terminal:`)
      console.log(`  NAMESRV_ADDR='${cluster.namesrvAddr}' npx tsx examples/send.ts`)
      await interrupted
    }
  } catch (error) {
    fail(isRocketMQError(error) || error instanceof Error ? error.message : String(error))
  } finally {
    if (cluster !== undefined && cluster.route !== 'external') console.log('Stopping RocketMQ')
    await cluster?.stop()
  }
}

async function demonstrate(namesrvAddr: string): Promise<void> {
  const ends = await send(namesrvAddr)
  const received = await pullAndCommit(namesrvAddr, ends)
  const queues = await readProgress(namesrvAddr)
  report(queues)
  const behind = queues.filter(({ queue, committed }) => committed < (ends.get(nameOf(queue)) ?? 0))
  if (received !== MESSAGE_COUNT || behind.length > 0) {
    throw new Error(
      `${received} of ${MESSAGE_COUNT} messages came back, and the group is behind in ${behind.length} queues`,
    )
  }
  console.log(`\nAll ${MESSAGE_COUNT} messages came back, and the offsets are committed.`)
}

/** Sends the messages, and answers up to which offset each queue holds some of them. */
async function send(namesrvAddr: string): Promise<Map<string, number>> {
  const producer = new DefaultProducer({ namesrvAddr, producerGroup: GROUP })
  await producer.start()
  try {
    const progress = new Progress('Sending', MESSAGE_COUNT)
    const ends = new Map<string, number>()
    let next = 0
    const sendOn = async (): Promise<void> => {
      while (next < MESSAGE_COUNT) {
        const number = next++
        const message = { topic: TOPIC, keys: `${RUN}-${number}`, body: `message ${number}` }
        const { messageQueue, queueOffset } = await producer.send(message)
        const name = nameOf(messageQueue)
        ends.set(name, Math.max(ends.get(name) ?? 0, queueOffset + 1))
        progress.add(1)
      }
    }
    await Promise.all(Array.from({ length: CONCURRENCY }, sendOn))
    progress.end()
    return ends
  } finally {
    await producer.shutdown()
  }
}

/** Reads from where the group is, and answers how many different messages of this run came. */
async function pullAndCommit(namesrvAddr: string, ends: ReadonlyMap<string, number>): Promise<number> {
  const consumer = new PullConsumer({ namesrvAddr, consumerGroup: GROUP })
  await consumer.start()
  try {
    const progress = new Progress('Pulling', MESSAGE_COUNT)
    const received = new Set<string>()
    for (const queue of await consumer.fetchSubscribeMessageQueues(TOPIC)) {
      const committed = await consumer.fetchConsumeOffset(queue)
      let offset = committed >= 0 ? committed : await consumer.minOffset(queue)
      while (offset < (ends.get(nameOf(queue)) ?? 0)) {
        const { messages, nextBeginOffset } = await consumer.pullBlockIfNotFound(queue, { offset })
        const before = received.size
        for (const { keys } of messages) if (keys[0]?.startsWith(RUN)) received.add(keys[0])
        progress.add(received.size - before)
        offset = nextBeginOffset
        await consumer.commitOffset(queue, offset)
      }
    }
    progress.end()
    return received.size
  } finally {
    await consumer.shutdown()
  }
}

/** Asks the brokers as a new member of the group, which knows nothing of what the first one has done. */
async function readProgress(namesrvAddr: string): Promise<QueueProgress[]> {
  const consumer = new PullConsumer({ namesrvAddr, consumerGroup: GROUP })
  await consumer.start()
  try {
    const queues = await consumer.fetchSubscribeMessageQueues(TOPIC)
    return await Promise.all(
      queues.map(async (queue) => ({
        queue,
        maxOffset: await consumer.maxOffset(queue),
        committed: await consumer.fetchConsumeOffset(queue),
      })),
    )
  } finally {
    await consumer.shutdown()
  }
}

function report(queues: readonly QueueProgress[]): void {
  const rows = queues.map(({ queue, maxOffset, committed }) =>
    [queue.brokerName, queue.queueId, maxOffset, committed, maxOffset - committed].map(String),
  )
  const table = [['broker', 'queue', 'broker offset', 'committed', 'behind'], ...rows]
  console.log(`\nTopic ${TOPIC}, group ${GROUP}, as a second member of the group sees it:`)
  for (const row of table) {
    console.log(`  ${row.map((cell, i) => (i === 0 ? cell.padEnd(12) : cell.padStart(14))).join('')}`)
  }
}

/** Resolves at Ctrl-C; a second one ends this process at once. The listeners stay: a library that finds none ends the process itself. */
function interruption(): Promise<void> {
  let count = 0
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => {
        if (++count > 1) process.exit(1)
        resolve()
      })
    }
  })
}

function nameOf(queue: MessageQueue): string {
  return `${queue.brokerName}[${queue.queueId}]`
}

function fail(problem: string): void {
  console.error(`quick start: ${problem}`)
  process.exitCode = 1
}
