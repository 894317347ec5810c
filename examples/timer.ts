// Has a message delivered at a time of your choice, up to three days ahead; for brokers from 5.0 on.
//   NAMESRV_ADDR=localhost:9876 npx tsx examples/timer.ts [topic]
import { ClientError, DefaultProducer, type MessageExt, type MessageQueue, PullConsumer } from 'rocketmq-remoting'

const topic = process.argv[2] ?? 'ExampleTopic'

const producer = new DefaultProducer({ producerGroup: 'example-producer' })
const consumer = new PullConsumer({ consumerGroup: 'example-consumer' })
try {
  await Promise.all([producer.start(), consumer.start()])

  const { messageQueue: queue, queueOffset } = await producer.send({ topic, body: 'at once' })
  const deliverAt = new Date(Date.now() + 3_000)
  // `delayMs: 3_000` would do the same, by the broker's clock alone.
  const { msgId } = await producer.send({ topic, body: 'at its time', deliverAt }, { queue })
  console.log(`sent for ${deliverAt.toISOString()}, waiting for it ...`)

  const message = await waitFor(msgId, queue, queueOffset + 1)
  console.log(`"${message.body}" was delivered at ${new Date(message.storeTimestamp).toISOString()}`)
} catch (error) {
  if (!(error instanceof ClientError) || error.code !== 'UNSUPPORTED_BY_BROKER') throw error
  console.log(`Timer messages need a broker of RocketMQ 5.0 or newer: ${error.message}`)
} finally {
  await Promise.all([producer.shutdown(), consumer.shutdown()])
}

async function waitFor(msgId: string, queue: MessageQueue, offset: number): Promise<MessageExt> {
  for (let next = offset; ; ) {
    const { messages, nextBeginOffset } = await consumer.pullBlockIfNotFound(queue, { offset: next })
    const found = messages.find((message) => message.msgId === msgId)
    if (found !== undefined) return found
    next = nextBeginOffset
  }
}
