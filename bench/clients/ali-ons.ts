import { createRequire } from 'node:module'
import { type Job, TAGS } from './job.js'
import type { ReceivedMessage } from './receiver.js'
import { runClient } from './run-job.js'

/** What is used of ali-ons, which has no types. */
interface AliOns {
  readonly Message: new (topic: string, tags: string, body: Buffer) => object
  readonly Producer: new (options: object) => AliEmitter & { send(message: object): Promise<unknown> }
  readonly Consumer: new (options: object) => AliEmitter & { subscribe(...subscription: AliSubscription): void }
}

interface AliEmitter {
  ready(): Promise<void>
  on(event: 'error', listener: (error: Error) => void): void
}

type AliSubscription = [topic: string, expression: string, handler: (message: ReceivedMessage) => Promise<void>]

// This file runs compiled, from bench/dist/bench/clients.
const peers = createRequire(new URL('../../../peers/package.json', import.meta.url))
const { Message, Producer, Consumer } = peers('ali-ons') as AliOns
const nothing = (): void => undefined
const silent = { debug: nothing, info: nothing, warn: nothing, error: nothing }

runClient({
  async sender(job) {
    if (job.kind === 'batch' || job.kind === 'oneway') throw new Error(`ali-ons has no ${job.kind}`)
    const { topic } = job
    const producer = new Producer({
      ...commonOptions(job),
      producerGroup: job.group,
      sendMsgTimeout: 30_000,
      compressMsgBodyOverHowmuch: 1024 * 1024 * 1024,
    })
    producer.on('error', reportError)
    await producer.ready()
    return { send: (body) => producer.send(new Message(topic, TAGS, body)) }
  },
  async consume(job, receiver) {
    if (job.kind === 'pull' || job.kind === 'ordered') throw new Error(`ali-ons has no ${job.kind}`)
    const consumer = new Consumer({
      ...commonOptions(job),
      consumerGroup: `${job.group}-consumer`,
      consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET',
      pullBatchSize: job.batch,
      // As many at a time as it permits.
      parallelConsumeLimit: job.batch,
      // By default a queue with 500 messages waiting is left alone for 5 seconds, which would be all that is measured.
      pullTimeDelayMillsWhenFlowControl: 1,
    })
    consumer.on('error', reportError)
    consumer.subscribe(job.topic, '*', async (message) => {
      receiver.receive(message)
    })
    await consumer.ready()
  },
})

function commonOptions(job: Job): object {
  // It insists on an HTTP client, even where the NameServer is given and none is needed.
  const httpclient = { request: () => Promise.reject(new Error('no HTTP request is expected')) }
  return { nameSrv: job.namesrvAddr, httpclient, logger: silent }
}

function reportError(error: Error): void {
  console.error(error)
}
