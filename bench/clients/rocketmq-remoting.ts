import type { Receiver } from './backlog-receiver.js'
import { bodyOf, PULL_BATCH, TAGS } from './job.js'
import { readFully } from './read-message.js'
import { pumpOf, runClient } from './run-job.js'

type Package = typeof import('../../src/index.js')

/** The built package by its name, as users have it. Not a literal: the types must not need a build. */
const PACKAGE: string = 'rocketmq-remoting'
const { DefaultProducer, PullConsumer } = (await import(PACKAGE)) as Package

runClient({
  async send(job) {
    const { topic } = job
    const producer = new DefaultProducer({ namesrvAddr: job.namesrvAddr, producerGroup: job.group })
    await producer.start()
    const body = bodyOf(job.bodySize)
    return pumpOf(job, () => producer.send({ topic, tags: TAGS, body }))
  },
  async consume(job, receiver) {
    const consumer = new PullConsumer({ namesrvAddr: job.namesrvAddr, consumerGroup: job.group })
    await consumer.start()
    const queues = await consumer.fetchSubscribeMessageQueues(job.topic)
    await Promise.all(queues.map((queue) => readQueue(consumer, queue, receiver)))
  },
})

async function readQueue(
  consumer: InstanceType<Package['PullConsumer']>,
  queue: import('../../src/index.js').MessageQueue,
  receiver: Receiver,
): Promise<void> {
  let offset = 0
  while (receiver.isOpen) {
    const result = await consumer.pull(queue, { offset, maxNums: PULL_BATCH })
    if (result.fault !== undefined) throw result.fault
    if (result.pullStatus !== 'FOUND') return
    for (const message of result.messages) {
      readFully(message)
      receiver.receive(message)
    }
    offset = result.nextBeginOffset
  }
}
