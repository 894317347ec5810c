// Has a message delivered later, after one of the brokers' delay levels: 1s 5s 10s 30s 1m and so on up to 2h, unless they are configured otherwise.
//   NAMESRV_ADDR=localhost:9876 npx tsx examples/delay.ts [topic] [level]
import { DefaultProducer, type MessageExt, type MessageQueue, PullConsumer } from 'rocketmq-remoting'

const topic = process.argv[2] ?? 'ExampleTopic'
const delayLevel = Number(process.argv[3] ?? 2)

const producer = new DefaultProducer({ producerGroup: 'example-producer' })
const consumer = new PullConsumer({ consumerGroup: 'example-consumer' })
try {
  await Promise.all([producer.start(), consumer.start()])

  const { messageQueue: queue, queueOffset } = await producer.send({ topic, body: 'at once' })
  const { msgId } = await producer.send({ topic, body: 'delayed', delayLevel }, { queue })
  console.log(`sent with the delay level ${delayLevel}, waiting for it ...`)

  const message = await waitFor(msgId, queue, queueOffset + 1)
  const seconds = (message.storeTimestamp - message.bornTimestamp) / 1000
  console.log(`"${message.body}" was delivered ${seconds.toFixed(1)} s after it was sent`)
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
