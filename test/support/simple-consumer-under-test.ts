import { onTestFinished } from 'vitest'
import { SimpleConsumer } from '../../src/consumer/simple-consumer.js'
import type { SimpleConsumerOptions } from '../../src/consumer/simple-consumer-options.js'
import { type ScriptedCluster, scriptedCluster } from './scripted-cluster.js'
import { ScriptedPop } from './scripted-pop.js'

export interface SimpleSetUp {
  readonly cluster: ScriptedCluster
  /** Of each broker. */
  readonly pops: readonly ScriptedPop[]
  readonly pop: ScriptedPop
  readonly consumer: SimpleConsumer
}

/** A consumer that is shut down when the running test ends. */
export function simpleConsumer(
  cluster: Pick<ScriptedCluster, 'namesrvAddr'>,
  options: Partial<SimpleConsumerOptions> = {},
): SimpleConsumer {
  const connection = options.client === undefined ? { namesrvAddr: cluster.namesrvAddr } : {}
  const consumer = new SimpleConsumer({ consumerGroup: 'g', ...connection, ...options })
  onTestFinished(() => consumer.shutdown({ timeout: 0 }))
  return consumer
}

/** Brokers that can be popped, and a started consumer of topic T. */
export async function simpleSetUp(
  options: Partial<SimpleConsumerOptions> = {},
  brokerNames: readonly string[] = ['broker-a'],
  expression?: Parameters<SimpleConsumer['subscribe']>[1],
): Promise<SimpleSetUp> {
  const cluster = await scriptedCluster(brokerNames)
  const pops = cluster.brokers.map((broker) => new ScriptedPop(broker))
  const consumer = simpleConsumer(cluster, options)
  await consumer.subscribe('T', expression)
  await consumer.start()
  return { cluster, pops, pop: pops[0] as ScriptedPop, consumer }
}
