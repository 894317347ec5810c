// Takes a timer message back before it is delivered; for brokers from 5.3.2 on with `recallMessageEnable=true`.
//   NAMESRV_ADDR=localhost:9876 npx tsx examples/recall.ts [topic]
import { DefaultProducer, isRocketMQError, type MessageQueue, PullConsumer } from 'rocketmq-remoting'

const topic = process.argv[2] ?? 'ExampleTopic'

const producer = new DefaultProducer({ producerGroup: 'example-producer' })
const consumer = new PullConsumer({ consumerGroup: 'example-consumer' })
try {
  await Promise.all([producer.start(), consumer.start()])

  const { messageQueue: queue, queueOffset } = await producer.send({ topic, body: 'your order is here' })
  const reminder = await producer.send({ topic, body: 'please pay', delayMs: 4_000 }, { queue })
  const thanks = await producer.send({ topic, body: 'thank you', delayMs: 6_000 }, { queue })
  console.log('sent a reminder for later; now the customer pays')

  if (reminder.recallHandle === undefined) {
    console.log('This broker gives no recall handle: recall needs RocketMQ 5.3.2 or newer')
  } else {
    await producer.recall(topic, reminder.recallHandle)
    console.log(`recalled ${reminder.msgId}`)
    console.log(`delivered: ${(await readUntil(thanks.msgId, queue, queueOffset)).join(', ')}`)
  }
} catch (error) {
  if (!isRocketMQError(error)) throw error
  if (error.code !== 'UNSUPPORTED_BY_BROKER' && error.code !== 'NO_PERMISSION') throw error
  console.log(`Recall needs RocketMQ 5.3.2 or newer, with recallMessageEnable=true: ${error.message}`)
} finally {
  await Promise.all([producer.shutdown(), consumer.shutdown()])
}

/** The bodies in a queue up to the message with this id. */
async function readUntil(msgId: string, queue: MessageQueue, offset: number): Promise<string[]> {
  const bodies: string[] = []
  for (let next = offset; ; ) {
    const { messages, nextBeginOffset } = await consumer.pullBlockIfNotFound(queue, { offset: next })
    for (const message of messages) {
      bodies.push(message.body.toString())
      if (message.msgId === msgId) return bodies
    }
    next = nextBeginOffset
  }
}
