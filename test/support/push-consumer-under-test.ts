import { onTestFinished } from 'vitest'
import { PushConsumer } from '../../src/consumer/push-consumer.js'
import type { PushConsumerOptions } from '../../src/consumer/push-consumer-options.js'
import { ScriptedQueue } from '../consumer/scripted-queue.js'
import { Code, type ScriptedBroker, type ScriptedCluster, scriptedCluster } from './scripted-cluster.js'
import { ScriptedGroup } from './scripted-group.js'

const QUERY_NOT_FOUND = 22

/** A broker that keeps the offsets of one group, by topic and queue: `T-0`. */
export class ScriptedOffsets {
  readonly stored = new Map<string, number>()
  /** All that were stored, by request of their own or with a pull, in their order. */
  readonly history: [string, number][] = []

  constructor(broker: ScriptedBroker) {
    broker.scripts.set(Code.QUERY_OFFSET, (request, connection) => {
      const offset = this.stored.get(`${request.field('topic')}-${request.field('queueId')}`)
      if (offset === undefined) connection.answer(request, { code: QUERY_NOT_FOUND, remark: 'Not found' })
      else connection.answer(request, { fields: { offset } })
    })
    broker.scripts.set(Code.UPDATE_OFFSET, (request, connection) => {
      const key = `${request.field('topic')}-${request.field('queueId')}`
      const offset = Number(request.field('commitOffset'))
      this.stored.set(key, offset)
      this.history.push([key, offset])
      connection.answer(request)
    })
    broker.scripts.set(Code.MAX_OFFSET, (request, connection) => connection.answer(request, { fields: { offset: 0 } }))
  }
}

export interface PushSetUp {
  readonly cluster: ScriptedCluster
  readonly broker: ScriptedBroker
  readonly group: ScriptedGroup
  readonly offsets: ScriptedOffsets
  /** Of topic T. */
  readonly queues: readonly ScriptedQueue[]
  readonly queue: ScriptedQueue
}

/** A broker with a topic T and a group g, whose queues and offsets the test sets. */
export async function pushSetUp(queueCount = 1, groupName = 'g', topic = 'T'): Promise<PushSetUp> {
  const cluster = await scriptedCluster()
  cluster.addTopic(topic, queueCount)
  const broker = cluster.broker()
  const group = new ScriptedGroup(cluster, groupName)
  const offsets = new ScriptedOffsets(broker)
  const queues = Array.from({ length: queueCount }, (_, queueId) => new ScriptedQueue(broker, queueId))
  return { cluster, broker, group, offsets, queues, queue: queues[0] as ScriptedQueue }
}

/** A consumer that is not started, and shut down when the running test ends. */
export function pushConsumer(
  cluster: Pick<ScriptedCluster, 'namesrvAddr'>,
  options: Partial<PushConsumerOptions> = {},
): PushConsumer {
  const connection = options.client === undefined ? { namesrvAddr: cluster.namesrvAddr } : {}
  const consumer = new PushConsumer({ consumerGroup: 'g', ...connection, ...options })
  onTestFinished(() => consumer.shutdown({ timeout: 0 }))
  return consumer
}
