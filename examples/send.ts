// Sends ten messages to a topic.
//   NAMESRV_ADDR=localhost:9876 npx tsx examples/send.ts [topic]
import { DefaultProducer } from 'rocketmq-remoting'

const topic = process.argv[2] ?? 'ExampleTopic'

const producer = new DefaultProducer({ producerGroup: 'example-producer' })
await producer.start()
try {
  for (let i = 1; i <= 10; i++) {
    const { sendStatus, msgId, messageQueue, queueOffset } = await producer.send({
      topic,
      tags: i % 2 === 0 ? 'even' : 'odd',
      keys: `greeting-${i}`,
      body: JSON.stringify({ greeting: `Hello ${i}` }),
    })
    console.log(`${sendStatus} ${msgId} in ${messageQueue.brokerName}[${messageQueue.queueId}] at ${queueOffset}`)
  }
} finally {
  await producer.shutdown()
}
console.log(`sent 10 messages to ${topic}`)
