import {
  ClientError,
  type MessageExt,
  type MessageQueue,
  type PullConsumer,
  type PullOptions,
} from '../../src/index.js'

/** Every message of a queue, from its beginning to its end. */
export async function readQueue(
  consumer: PullConsumer,
  queue: MessageQueue,
  options: Partial<PullOptions> = {},
): Promise<MessageExt[]> {
  const messages: MessageExt[] = []
  let offset = options.offset ?? (await consumer.minOffset(queue))
  const end = await consumer.maxOffset(queue)
  while (offset < end) {
    const result = await consumer.pull(queue, { ...options, offset })
    if (result.nextBeginOffset <= offset) throw new Error(`pulling stands still at ${offset}: ${result.pullStatus}`)
    messages.push(...result.messages)
    offset = result.nextBeginOffset
  }
  return messages
}

/** Every message of a topic that `count` messages were sent to; waits until brokers have made them all visible. */
export async function readTopic(
  consumer: PullConsumer,
  topic: string,
  count: number,
  timeout = 20_000,
): Promise<MessageExt[]> {
  const deadline = Date.now() + timeout
  for (;;) {
    const queues = await queuesOf(consumer, topic, deadline)
    const ends = await Promise.all(queues.map((queue) => consumer.maxOffset(queue)))
    const starts = await Promise.all(queues.map((queue) => consumer.minOffset(queue)))
    const stored = ends.reduce((sum, end, i) => sum + end - (starts[i] ?? 0), 0)
    if (stored >= count || Date.now() > deadline) {
      const lists = await Promise.all(queues.map((queue) => readQueue(consumer, queue)))
      return lists.flat()
    }
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** The queues of a topic that was made by its first message: brokers of 4.x tell the NameServer a moment later. */
async function queuesOf(consumer: PullConsumer, topic: string, deadline: number): Promise<MessageQueue[]> {
  for (;;) {
    try {
      return await consumer.fetchSubscribeMessageQueues(topic)
    } catch (error) {
      if (!(error instanceof ClientError) || error.code !== 'TOPIC_NOT_FOUND' || Date.now() > deadline) throw error
    }
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
