import { onTestFinished } from 'vitest'
import { LitePullConsumer } from '../../src/consumer/lite-pull-consumer.js'
import type { LitePullConsumerOptions } from '../../src/consumer/lite-pull-options.js'
import type { MessageExt, MessageQueue } from '../../src/message/message.js'
import { type PushSetUp, pushSetUp } from './push-consumer-under-test.js'
import { Code, type ScriptedCluster } from './scripted-cluster.js'
import { until } from './until.js'

export const QUEUE: MessageQueue = { topic: 'T', brokerName: 'broker-a', queueId: 0 }

export interface LitePullSetUp extends PushSetUp {
  readonly consumer: LitePullConsumer
}

/** A broker with a topic T, whose queues say where they begin and end, and a consumer that is not started. */
export async function litePullSetUp(
  options: Partial<LitePullConsumerOptions> = {},
  queueCount = 1,
): Promise<LitePullSetUp> {
  const setUp = await pushSetUp(queueCount)
  const { broker, queues, cluster } = setUp
  for (const [code, end] of [
    [Code.MIN_OFFSET, 'minOffset'],
    [Code.MAX_OFFSET, 'maxOffset'],
  ] as const) {
    broker.scripts.set(code, (request, connection) => {
      const offset = queues[Number(request.field('queueId'))]?.[end] ?? 0
      connection.answer(request, { fields: { offset } })
    })
  }
  return { ...setUp, consumer: litePullConsumer(cluster, options) }
}

/** A consumer that is shut down when the running test ends. It begins with the first message. */
export function litePullConsumer(
  cluster: Pick<ScriptedCluster, 'namesrvAddr'>,
  options: Partial<LitePullConsumerOptions> = {},
): LitePullConsumer {
  const connection = options.client === undefined ? { namesrvAddr: cluster.namesrvAddr } : {}
  const consumer = new LitePullConsumer({ consumerGroup: 'g', consumeFromWhere: 'FIRST', ...connection, ...options })
  onTestFinished(() => consumer.shutdown({ timeout: 0 }))
  return consumer
}

/** Polls until there were so many messages. */
export async function pollAll(consumer: LitePullConsumer, count: number): Promise<MessageExt[]> {
  const messages: MessageExt[] = []
  await until(async () => {
    messages.push(...(await consumer.poll({ timeout: 100 })))
    return messages.length >= count
  })
  return messages
}

/** What would be committed now, of the first queue. */
export function positionOf(consumer: LitePullConsumer): number | undefined {
  return consumer.health().queues[0]?.commitOffset
}
