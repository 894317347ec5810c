// Sends the same large text compressed in each way that this Node can write, and shows how much of it the broker stores.
//   NAMESRV_ADDR=localhost:9876 npx tsx examples/compression.ts [topic]
import { ClientError, type CompressionType, DefaultProducer, PullConsumer } from 'rocketmq-remoting'

const topic = process.argv[2] ?? 'ExampleTopic'
const body = JSON.stringify(Array.from({ length: 2_000 }, (_, i) => ({ order: i, state: 'SHIPPED' })))

const consumer = new PullConsumer({ consumerGroup: 'example-consumer' })
await consumer.start()
try {
  console.log(`a body of ${body.length} bytes:`)
  for (const compressType of ['ZLIB', 'LZ4', 'ZSTD'] as const) await sendCompressed(compressType)
} finally {
  await consumer.shutdown()
}

async function sendCompressed(compressType: CompressionType): Promise<void> {
  try {
    await using producer = new DefaultProducer({ producerGroup: 'example-producer', compressType })
    await producer.start()
    const { messageQueue, queueOffset } = await producer.send({ topic, body })
    const { messages } = await consumer.pullBlockIfNotFound(messageQueue, { offset: queueOffset, maxNums: 1 })
    const [message] = messages
    console.log(`${compressType}: ${message?.storeSize} bytes stored, ${message?.body.length} bytes read`)
  } catch (error) {
    if (!(error instanceof ClientError) || error.code !== 'COMPRESSION_UNSUPPORTED') throw error
    console.log(`${compressType}: ${error.message}`)
  }
}
