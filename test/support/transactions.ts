import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { onTestFinished } from 'vitest'
import { PullConsumer, TransactionProducer, type TransactionProducerOptions } from '../../src/index.js'
import { readPulled } from './interop-compare.js'
import { uniqueName } from './names.js'
import type { Oracle } from './oracle.js'
import { PATIENCE } from './patience.js'
import { until } from './until.js'

/**
 * Sets a broker up to ask soon. But not while a transaction of a test is under way on a busy machine, and not again before it has heard the answers to a
 * thousand questions: it would deliver twice what is answered twice.
 */
export const QUICK_CHECKS: Readonly<Record<string, string>> = {
  transactionTimeOut: '5000',
  transactionCheckInterval: '8000',
  transactionOpBatchInterval: '100',
  osPageCacheBusyTimeOutMills: '30000',
}

const DEADLINE = 60_000

/** A transaction producer that is started, and shut down when the running test ends. */
export async function startTransactionProducer(
  options: Omit<TransactionProducerOptions, 'producerGroup'> & { producerGroup?: string },
): Promise<TransactionProducer> {
  const producer = new TransactionProducer({ producerGroup: uniqueName('pg'), ...PATIENCE, ...options })
  onTestFinished(() => producer.shutdown({ timeout: 5_000 }))
  await producer.start()
  return producer
}

/** Watches topics of one cluster: what transactions deliver to them. */
export class Deliveries {
  readonly #consumer: PullConsumer
  readonly #namesrvAddr: string

  private constructor(consumer: PullConsumer, namesrvAddr: string) {
    this.#consumer = consumer
    this.#namesrvAddr = namesrvAddr
  }

  /** Ends when the running test ends. */
  static async watch(namesrvAddr: string): Promise<Deliveries> {
    const consumer = new PullConsumer({ consumerGroup: uniqueName('cg'), namesrvAddr })
    onTestFinished(() => consumer.shutdown())
    await consumer.start()
    return new Deliveries(consumer, namesrvAddr)
  }

  /** How many messages consumers can read. */
  async count(topic: string): Promise<number> {
    const queues = await this.#consumer.fetchSubscribeMessageQueues(topic)
    const ends = await Promise.all(queues.map((queue) => this.#consumer.maxOffset(queue)))
    return ends.reduce((sum, end) => sum + end, 0)
  }

  /** Waits until consumers can read so many messages, or more. */
  async atLeast(topic: string, count: number, deadline = DEADLINE): Promise<void> {
    let last = 0
    try {
      await until(async () => {
        last = await this.count(topic)
        return last >= count
      }, deadline)
    } catch (error) {
      throw new Error(`${last} messages of ${topic} are delivered, ${count} expected`, { cause: error })
    }
  }

  /**
   * Resolves when the broker has had its say on every half message that was sent before: it asks in the order in which they are stored, so when one that was
   * sent after them is asked for and delivered, nothing of theirs is still to come.
   *
   * @param topic - One of its own, which exists.
   */
  async settled(topic: string): Promise<void> {
    const producer = await startTransactionProducer({
      namesrvAddr: this.#namesrvAddr,
      checkLocalTransaction: () => 'COMMIT',
    })
    const before = await this.count(topic)
    await producer.sendInTransaction({ topic, body: 'sentinel' }, () => 'UNKNOWN')
    await this.atLeast(topic, before + 1)
  }
}

/** The keys of all messages that the Java client reads from a topic, in their natural order: `k2` before `k10`. */
export async function keysReadByJava(oracle: Oracle, namesrvAddr: string, topic: string): Promise<string[]> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'rocketmq-transactions-'))
  try {
    const file = path.join(folder, `${randomUUID()}.jsonl`)
    await oracle.call('pullAll', { namesrvAddr, topic, file })
    return naturalOrder([...(await readPulled(file)).values()].map((message) => message.keys ?? '(none)'))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

export function naturalOrder(keys: Iterable<string>): string[] {
  return [...keys].sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
}

/** Does a piece of work for each number from 0 on, some at a time. */
export async function forEachOf(count: number, atATime: number, work: (i: number) => Promise<unknown>): Promise<void> {
  let next = 0
  const worker = async () => {
    while (next < count) await work(next++)
  }
  await Promise.all(Array.from({ length: atATime }, worker))
}
