// Sends without waiting for answers: the cheapest way, for what may get lost, such as metrics.
//   NAMESRV_ADDR=localhost:9876 npx tsx examples/oneway.ts [topic]
import { DefaultProducer } from 'rocketmq-remoting'

const topic = process.argv[2] ?? 'ExampleTopic'

const producer = new DefaultProducer({ producerGroup: 'example-producer' })
await producer.start()
try {
  const startedAt = performance.now()
  for (let i = 0; i < 1000; i++) await producer.sendOneway({ topic, tags: 'metric', body: `cpu=${i % 100}` })
  const elapsed = performance.now() - startedAt
  console.log(`handed 1000 messages for ${topic} to the sockets in ${elapsed.toFixed(0)} ms`)
} finally {
  // Waits until they are written. Whether brokers stored them, nobody knows.
  await producer.shutdown()
}
