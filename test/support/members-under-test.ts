import { onTestFinished } from 'vitest'
import { PullConsumer } from '../../src/consumer/pull-consumer.js'
import type { PullConsumerOptions } from '../../src/consumer/pull-consumer-options.js'
import { DefaultProducer } from '../../src/producer/default-producer.js'
import type { ProducerOptions } from '../../src/producer/producer-options.js'
import type { ScriptedCluster } from './scripted-cluster.js'
import { until } from './until.js'

/** A producer that is started, and shut down when the running test ends. */
export async function startedProducer(
  cluster: ScriptedCluster,
  options: Partial<ProducerOptions> = {},
): Promise<DefaultProducer> {
  const producer = new DefaultProducer({ producerGroup: 'p', namesrvAddr: cluster.namesrvAddr, ...options })
  onTestFinished(() => producer.shutdown({ timeout: 0 }))
  await producer.start()
  return producer
}

/** Waits until a producer knows its topic's brokers and is connected to all of them, so that short timeouts are a server's silence and no slow start. */
export async function connected(producer: DefaultProducer, topic = 'T'): Promise<DefaultProducer> {
  await producer.fetchPublishMessageQueues(topic)
  await until(() => producer.health().isHealthy)
  return producer
}

/** A consumer that is started, and shut down when the running test ends. */
export async function startedConsumer(
  cluster: ScriptedCluster,
  options: Partial<PullConsumerOptions> = {},
): Promise<PullConsumer> {
  const consumer = new PullConsumer({ consumerGroup: 'c', namesrvAddr: cluster.namesrvAddr, ...options })
  onTestFinished(() => consumer.shutdown())
  await consumer.start()
  return consumer
}
