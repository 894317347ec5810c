import { onTestFinished } from 'vitest'
import { type DefaultProducer, PushConsumer, type PushConsumerOptions } from '../../src/index.js'
import { uniqueName } from '../support/names.js'
import type { Oracle } from '../support/oracle.js'
import type { JavaHandler, JavaPushOptions } from '../support/oracle-consumer-verbs.js'
import { until } from '../support/until.js'

const DEADLINE = 120_000
/** How long the official consumer is waited for: how it does is measured, not tested. */
const JAVA_DEADLINE = 60_000

interface Delivery {
  readonly msgId: string
  /** In ms since the epoch. */
  readonly at: number
}

export interface PairOptions {
  readonly namesrvAddr: string
  readonly topic: string
  readonly queues: number
  readonly node?: Partial<PushConsumerOptions>
  readonly java?: JavaPushOptions
  readonly handler?: JavaHandler
}

/** A consumer of ours and the official one, each of a group of its own, that read the same topic. */
export class NodeAndJava {
  readonly consumer: PushConsumer
  readonly node: Delivery[] = []
  readonly #oracle: Oracle
  readonly #options: PairOptions
  #javaClientId = ''

  constructor(oracle: Oracle, options: PairOptions) {
    const { namesrvAddr, node, handler } = options
    this.#oracle = oracle
    this.#options = options
    this.consumer = new PushConsumer({
      consumerGroup: uniqueName('cg'),
      namesrvAddr,
      consumeFromWhere: 'FIRST',
      ...node,
    })
    const time = handler?.sleep ?? 0
    this.consumer.onMessage(async (messages) => {
      for (const { msgId } of messages) this.node.push({ msgId, at: Date.now() })
      if (time > 0) await new Promise((resolve) => setTimeout(resolve, time))
    })
    // Faults are what these tests are about.
    this.consumer.on('error', () => undefined)
  }

  /** Resolves when both have all queues. */
  async start(): Promise<void> {
    const { namesrvAddr, topic, queues, java, handler } = this.#options
    await this.consumer.subscribe(topic)
    await this.consumer.start()
    const args = {
      namesrvAddr,
      group: uniqueName('jg'),
      topics: [{ topic }],
      options: { consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET', ...java },
      ...(handler && { handler }),
    } as const
    // On a busy machine its three seconds for a request may be over before it has started.
    const { clientId } = await until(
      () => this.#oracle.call('startPushConsumer', args).catch(() => undefined),
      DEADLINE,
    )
    this.#javaClientId = clientId
    const owned = () => this.consumer.assignment().filter((queue) => queue.topic === topic).length
    await until(() => owned() === queues, DEADLINE)
    await until(async () => {
      const { queues: owned } = await this.#oracle.call('ownedQueues', { clientId })
      return owned.filter((queue) => queue.topic === topic).length === queues
    }, DEADLINE)
  }

  async java(): Promise<Delivery[]> {
    const { deliveries } = await this.#oracle.call('consumed', { clientId: this.#javaClientId })
    return deliveries.map(({ msgId, t }) => ({ msgId, at: t }))
  }

  /** Waits until ours has these messages, and the official one too, or for a minute. */
  async all(msgIds: readonly string[]): Promise<void> {
    await until(() => missingIn(this.node, msgIds) === 0, DEADLINE)
    await until(async () => missingIn(await this.java(), msgIds) === 0, JAVA_DEADLINE).catch(() => undefined)
  }

  /** Prints how long each went without a message since a fault, and which of these messages came twice or not at all. */
  async print(fault: string, since: number, msgIds: readonly string[]): Promise<void> {
    const [node, java] = [this.node, await this.java()].map((deliveries) => describe(deliveries, since, msgIds))
    console.log(`${fault}: ${node}; the Java client ${java}`)
  }

  async stop(): Promise<void> {
    await this.consumer.shutdown({ timeout: 1_000 })
    if (this.#javaClientId !== '') await this.#oracle.call('stopConsumer', { clientId: this.#javaClientId })
  }
}

/** Both, started, until the running test ends. */
export async function nodeAndJava(oracle: Oracle, options: PairOptions): Promise<NodeAndJava> {
  const pair = new NodeAndJava(oracle, options)
  onTestFinished(() => pair.stop())
  await pair.start()
  return pair
}

/**
 * Sends one message after the other, whatever becomes of them.
 *
 * @returns the ids of those that are stored, and a function that ends it.
 */
export function keepSendingSlowly(
  producer: DefaultProducer,
  topic: string,
): { sent: string[]; end: () => Promise<void> } {
  const sent: string[] = []
  let isEnded = false
  const sending = (async () => {
    while (!isEnded) {
      await producer.send({ topic, body: 'x' }).then(
        ({ msgId }) => sent.push(msgId),
        () => undefined,
      )
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  })()
  const end = async () => {
    isEnded = true
    await sending
  }
  onTestFinished(end)
  return { sent, end }
}

function missingIn(deliveries: readonly Delivery[], msgIds: readonly string[]): number {
  const got = new Set(deliveries.map(({ msgId }) => msgId))
  return msgIds.filter((msgId) => !got.has(msgId)).length
}

function describe(deliveries: readonly Delivery[], since: number, msgIds: readonly string[]): string {
  const missing = missingIn(deliveries, msgIds)
  // One that has not got over it yet is still waiting.
  const times = deliveries.map(({ at }) => at).filter((at) => at >= since)
  if (missing > 0) times.push(Date.now())
  let last = since
  let longest = 0
  for (const at of times) {
    longest = Math.max(longest, at - last)
    last = at
  }
  const twice = deliveries.length - new Set(deliveries.map(({ msgId }) => msgId)).size
  return `went ${longest} ms without a message, ${twice} came twice, ${missing} had not come a minute later`
}
