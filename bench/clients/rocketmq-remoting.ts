import { pathToFileURL } from 'node:url'
import type { Job } from './job.js'
import { TAGS } from './job.js'
import type { Receiver } from './receiver.js'
import { jobOfThisProcess, runClient } from './run-job.js'
import type { Sender } from './send-loop.js'

type Package = typeof import('../../src/index.js')

const job = jobOfThisProcess()
/** The built package by its name, as users have it, or another build of it. Not a literal: the types must not need a build. */
const entry: string = job.packageFile === '' ? 'rocketmq-remoting' : pathToFileURL(job.packageFile).href
const { DefaultProducer, PullConsumer, PushConsumer } = (await import(entry)) as Package

/** A busy broker must not make one client send again. */
const SEND_TIMEOUT = 30_000
/** Bodies are sent as they are by all clients: what zlib costs is no matter of the client. */
const NEVER = 1024 * 1024 * 1024

runClient(
  { sender, consume: (job, receiver) => (job.kind === 'pull' ? pull(job, receiver) : push(job, receiver)) },
  job,
)

async function sender({ kind, topic, namesrvAddr, group, batch, inFlight }: Job): Promise<Sender> {
  const producer = new DefaultProducer({
    namesrvAddr,
    producerGroup: group,
    sendTimeout: SEND_TIMEOUT,
    compressBodyOver: NEVER,
    maxInFlight: Math.max(1024, inFlight),
    autoBatch: kind === 'auto-batch',
  })
  await producer.start()
  if (kind === 'batch') {
    return {
      send(body) {
        const messages = Array.from({ length: batch }, () => ({ topic, tags: TAGS, body }))
        return producer.sendBatch(messages)
      },
    }
  }
  if (kind === 'oneway') {
    return { send: (body) => producer.sendOneway({ topic, tags: TAGS, body }), flush: () => producer.shutdown() }
  }
  return { send: (body) => producer.send({ topic, tags: TAGS, body }) }
}

async function pull({ namesrvAddr, group, topic, batch }: Job, receiver: Receiver): Promise<void> {
  const consumer = new PullConsumer({ namesrvAddr, consumerGroup: group })
  await consumer.start()
  const queues = await consumer.fetchSubscribeMessageQueues(topic)
  const read = async (queue: (typeof queues)[number]): Promise<void> => {
    let offset = 0
    while (receiver.isOpen) {
      const result = await consumer.pull(queue, { offset, maxNums: batch })
      if (result.fault !== undefined) throw result.fault
      if (result.pullStatus !== 'FOUND') return
      for (const message of result.messages) receiver.receive(message)
      offset = result.nextBeginOffset
    }
  }
  await Promise.all(queues.map(read))
}

async function push({ namesrvAddr, group, topic, kind, batch }: Job, receiver: Receiver): Promise<void> {
  const consumer = new PushConsumer({
    namesrvAddr,
    // A producer of the same process has the other name.
    consumerGroup: `${group}-consumer`,
    consumeFromWhere: 'FIRST',
    consumeMode: kind === 'ordered' ? 'orderly' : 'concurrently',
    pullBatchSize: batch,
  })
  consumer.onMessage((messages) => {
    for (const message of messages) receiver.receive(message)
  })
  consumer.subscribe(topic)
  await consumer.start()
}
