import { DefaultProducer } from '../../src/producer/default-producer.js'
import { bodyOf, TAGS } from '../clients/job.js'
import type { ConnectedCases } from './channel-cases.js'
import type { Case } from './micro-case.js'

/** Messages of one call. */
const MESSAGES = 1_024
const BATCH = 32
const topic = 'Echo'
const body = bodyOf(128)

/** Whole sends of a producer: what a message costs between the call and its result where no broker takes its time. */
export async function producerCases(address: string): Promise<ConnectedCases> {
  const options = { namesrvAddr: address, sendTimeout: 30_000, requestTimeout: 30_000, maxInFlight: MESSAGES }
  const producer = new DefaultProducer({ ...options, producerGroup: 'micro' })
  const autoBatching = new DefaultProducer({ ...options, producerGroup: 'micro-auto-batch', autoBatch: true })
  await Promise.all([producer.start(), autoBatching.start()])
  return {
    cases: [
      sends('send, 1 in flight', 1, () => producer.send({ topic, tags: TAGS, body })),
      sends('send, 64 in flight', 64, () => producer.send({ topic, tags: TAGS, body })),
      sends(`send of a batch of ${BATCH}, 16 in flight`, 16, () => producer.sendBatch(batch()), BATCH),
      sends(`send by auto-batch, ${MESSAGES} in flight`, MESSAGES, () =>
        autoBatching.send({ topic, tags: TAGS, body }),
      ),
      sends('oneway send, 64 in flight', 64, () => producer.sendOneway({ topic, tags: TAGS, body })),
    ],
    async [Symbol.asyncDispose]() {
      await Promise.all([producer.shutdown(), autoBatching.shutdown()])
    },
  }
}

function batch(): { topic: string; tags: string; body: Buffer }[] {
  return Array.from({ length: BATCH }, () => ({ topic, tags: TAGS, body }))
}

function sends(what: string, inFlight: number, send: () => Promise<unknown>, each = 1): Case {
  const loop = async (): Promise<void> => {
    for (let i = 0; i < MESSAGES / each / inFlight; i++) await send()
  }
  const all = async (): Promise<void> => {
    await Promise.all(Array.from({ length: inFlight }, loop))
  }
  return { name: `${what}, 128 B`, by: 'rocketmq-remoting', operations: MESSAGES, body: all }
}
