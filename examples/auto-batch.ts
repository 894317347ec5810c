// Sends ten thousand messages one by one: with autoBatch they leave in few requests, and each has a result of its own.
//   NAMESRV_ADDR=localhost:9876 npx tsx examples/auto-batch.ts [topic]
import { DefaultProducer } from 'rocketmq-remoting'

const topic = process.argv[2] ?? 'ExampleTopic'

const producer = new DefaultProducer({
  producerGroup: 'example-producer',
  autoBatch: { maxDelay: 5 },
  // Ten thousand sends at once may take their time.
  sendTimeout: 20_000,
})
await producer.start()
try {
  const sends = Array.from({ length: 10_000 }, (_, i) =>
    producer.send({ topic, keys: `key-${i}`, body: `message ${i}` }),
  )
  const results = await Promise.all(sends)
  const [first] = results
  console.log(`the first one: ${first?.sendStatus} ${first?.msgId} at offset ${first?.queueOffset}`)
  const requests = producer.statistics().byBroker.reduce((sum, { latency }) => sum + latency.count, 0)
  console.log(`sent ${results.length} messages to ${topic} in ${requests} requests`)
} finally {
  await producer.shutdown()
}
