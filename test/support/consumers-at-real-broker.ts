import { afterAll, beforeAll, inject, onTestFinished } from 'vitest'
import {
  DefaultProducer,
  type FilterExpression,
  type Message,
  type MessageExt,
  type MessageHandler,
  type MessageQueue,
  PullConsumer,
  PushConsumer,
  type PushConsumerOptions,
} from '../../src/index.js'
import { createTopicOn } from './create-topic-on.js'
import { uniqueName } from './names.js'
import { PATIENCE } from './patience.js'
import { until } from './until.js'

export interface Consuming {
  readonly consumer: PushConsumer
  /** What the handler got, in its order. */
  readonly messages: MessageExt[]
}

export interface ConsumersAtRealBroker {
  readonly namesrvAddr: string
  readonly brokerAddress: string
  readonly producer: DefaultProducer
  readonly reader: PullConsumer
  /** The queues of a topic that NameServers know. */
  newTopic(queues?: number): Promise<MessageQueue[]>
  /** Sends to one queue, one message after the other. */
  send(queue: MessageQueue, bodies: readonly (number | string)[], parts?: Partial<Message>): Promise<void>
  /** A consumer that is shut down when the test ends. */
  newConsumer(options?: Partial<PushConsumerOptions>): PushConsumer
  /** A started consumer of one topic. */
  consuming(
    topic: string,
    options?: Partial<PushConsumerOptions>,
    handler?: MessageHandler,
    expression?: FilterExpression,
  ): Promise<Consuming>
}

export const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i)
export const bodiesOf = (messages: readonly MessageExt[]): string[] => messages.map(({ body }) => body.toString())
/** The bodies as numbers, sorted. */
export const numbersOf = (messages: readonly MessageExt[]): number[] =>
  bodiesOf(messages)
    .map(Number)
    .sort((a, b) => a - b)

/** What tests of consumers need of the cluster that all tests share; to be called once in a file. */
export function consumersAtRealBroker(): ConsumersAtRealBroker {
  const namesrvAddr = inject('namesrvAddr')
  const brokerAddress = inject('brokerAddress')
  const producer = new DefaultProducer({ producerGroup: uniqueName('pg'), namesrvAddr, ...PATIENCE })
  const reader = new PullConsumer({ consumerGroup: uniqueName('cg'), namesrvAddr })
  beforeAll(async () => {
    await producer.start()
    await reader.start()
  })
  afterAll(async () => {
    await producer.shutdown()
    await reader.shutdown()
  })

  const newConsumer = (options: Partial<PushConsumerOptions> = {}) => {
    // A shared client knows its NameServers.
    const own = options.client === undefined ? { namesrvAddr } : {}
    const consumer = new PushConsumer({ consumerGroup: uniqueName('cg'), ...own, ...options })
    onTestFinished(() => consumer.shutdown({ timeout: 0 }))
    return consumer
  }
  return {
    namesrvAddr,
    brokerAddress,
    producer,
    reader,
    newConsumer,
    async newTopic(queues = 4) {
      const topic = uniqueName('features')
      await createTopicOn(brokerAddress, { topic, queues })
      return until(() => reader.fetchSubscribeMessageQueues(topic).catch(() => undefined), 30_000)
    },
    async send(queue, bodies, parts = {}) {
      for (const body of bodies) await producer.send({ topic: queue.topic, body: String(body), ...parts }, { queue })
    },
    async consuming(topic, options = {}, handler = () => undefined, expression = '*') {
      const consumer = newConsumer(options)
      const messages: MessageExt[] = []
      consumer.onMessage((batch, context) => {
        messages.push(...batch)
        return handler(batch, context)
      })
      await consumer.subscribe(topic, expression)
      await consumer.start()
      return { consumer, messages }
    },
  }
}
