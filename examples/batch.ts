// Sends a hundred messages in one request: they are stored in one queue, one behind the other.
//   NAMESRV_ADDR=localhost:9876 npx tsx examples/batch.ts [topic]
import { DefaultProducer, type Message } from 'rocketmq-remoting'

const topic = process.argv[2] ?? 'ExampleTopic'

const producer = new DefaultProducer({ producerGroup: 'example-producer' })
await producer.start()
try {
  const messages = Array.from({ length: 100 }, (_, i): Message => ({ topic, tags: 'batch', body: `message ${i}` }))
  const { sendStatus, messageQueue, queueOffset, msgId } = await producer.sendBatch(messages)
  const last = queueOffset + messages.length - 1
  console.log(`${sendStatus}: ${messageQueue.brokerName}[${messageQueue.queueId}] from ${queueOffset} to ${last}`)
  console.log(`the first id is ${msgId.split(',')[0]}`)
} finally {
  await producer.shutdown()
}
console.log(`sent 100 messages to ${topic} in one request`)
