import { onTestFinished } from 'vitest'
import {
  DefaultProducer,
  type MessageExt,
  type ProducerOptions,
  PullConsumer,
  type PullConsumerOptions,
  type RocketMQError,
  type SendResult,
} from '../../src/index.js'
import { uniqueName } from '../support/names.js'

/** A started producer that is shut down when the running test ends. */
export async function startProducer(options: Omit<ProducerOptions, 'producerGroup'>): Promise<DefaultProducer> {
  const producer = new DefaultProducer({ producerGroup: uniqueName('pg'), ...options })
  onTestFinished(() => producer.shutdown())
  await producer.start()
  return producer
}

/** A started consumer that is shut down when the running test ends. */
export async function startConsumer(
  options: Omit<PullConsumerOptions, 'consumerGroup'> & { consumerGroup?: string },
): Promise<PullConsumer> {
  const consumer = new PullConsumer({ consumerGroup: uniqueName('cg'), ...options })
  onTestFinished(() => consumer.shutdown())
  await consumer.start()
  return consumer
}

/** How sends ended: what was acknowledged, and what was rejected with which error, by body. */
export class SendHistory {
  readonly acknowledged = new Map<string, SendResult>()
  readonly rejected = new Map<string, RocketMQError>()

  /** Takes note of one send's outcome; never rejects. */
  async note(body: string, send: Promise<SendResult>): Promise<void> {
    try {
      this.acknowledged.set(body, await send)
    } catch (error) {
      this.rejected.set(body, error as RocketMQError)
    }
  }

  /**
   * Holds what the producer said against what is in the store.
   *
   * @returns the bodies that were acknowledged and are not stored, and those that are stored though the producer said that they are not.
   */
  compare(stored: readonly MessageExt[]): { lost: string[]; falselyDenied: string[] } {
    const bodies = new Set(stored.map((message) => message.body.toString()))
    const lost = [...this.acknowledged.keys()].filter((body) => !bodies.has(body))
    const denied = [...this.rejected].filter(([, error]) => error.mayBeStored !== true).map(([body]) => body)
    return { lost, falselyDenied: denied.filter((body) => bodies.has(body)) }
  }
}

/** How many copies of each message are stored. */
export function copies(stored: readonly MessageExt[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const { msgId } of stored) counts.set(msgId, (counts.get(msgId) ?? 0) + 1)
  return counts
}

/**
 * Eight senders that go on whatever happens, each with a short pause after every send.
 *
 * @returns ends them; resolves when the last send has settled.
 */
export function keepSending(producer: DefaultProducer, topic: string, history: SendHistory): () => Promise<void> {
  let isStopped = false
  let next = 0
  const sender = async () => {
    while (!isStopped) {
      const body = `load ${next++}`
      await history.note(body, producer.send({ topic, body }))
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
  }
  const senders = Promise.all(Array.from({ length: 8 }, sender))
  const end = async () => {
    isStopped = true
    await senders
  }
  onTestFinished(end)
  return end
}

/** Whether a call resolves. */
export function works(call: () => Promise<unknown>): Promise<boolean> {
  return call().then(
    () => true,
    () => false,
  )
}
