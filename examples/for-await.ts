// Loops over messages: a message is consumed when the loop asks for the next one.
//   NAMESRV_ADDR=localhost:9876 npx tsx examples/for-await.ts [topic]
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { DefaultProducer, LitePullConsumer, PushConsumer } from 'rocketmq-remoting'

const topic = process.argv[2] ?? 'ExampleTopic'
const count = 12

const producer = new DefaultProducer({ producerGroup: 'example-producer' })
await producer.start()
try {
  for (let i = 1; i <= count; i++) await producer.send({ topic, keys: `event-${i}`, body: `event ${i}` })
} finally {
  await producer.shutdown()
}

await loop()
await parallelLoops()
await stream()

/** One after the other. Messages wait at the broker while the loop is busy. */
async function loop(): Promise<void> {
  await using consumer = new LitePullConsumer({ consumerGroup: 'example-loop', consumeFromWhere: 'FIRST' })
  await consumer.subscribe(topic)
  let seen = 0
  const messages = consumer.messages()
  for await (const message of messages) {
    seen++
    if (seen < count) continue
    // A loop that is left by break looks like one that failed: its last message comes again, unless it is acknowledged.
    messages.ack(message)
    break
  }
  console.log(`one loop got ${seen} messages`)
}

/** Four at a time; what fails comes again later, and after maxReconsumeTimes goes to the dead-letter topic. */
async function parallelLoops(): Promise<void> {
  await using consumer = new PushConsumer({ consumerGroup: 'example-loops', consumeFromWhere: 'FIRST' })
  await consumer.subscribe(topic)
  const left = new Set(Array.from({ length: count }, (_, i) => `event-${i + 1}`))
  // Ends all loops, each behind the message that it has. So does a shutdown.
  const enough = new AbortController()
  const messages = consumer.messages({ signal: enough.signal })
  const work = async () => {
    for await (const { keys } of messages) {
      for (const key of keys) left.delete(key)
      if (left.size === 0) enough.abort()
    }
  }
  await Promise.all([work(), work(), work(), work()])
  console.log(`four loops got everything but ${left.size} messages`)
}

/** A stream asks for messages as fast as the slowest part of its pipeline. A few that it has in its buffers count as consumed. */
async function stream(): Promise<void> {
  await using consumer = new LitePullConsumer({ consumerGroup: 'example-stream', consumeFromWhere: 'FIRST' })
  await consumer.subscribe(topic)
  const bodies: string[] = []
  await pipeline(
    Readable.from(consumer)
      .map((message) => message.body.toString())
      .take(count),
    async (lines: AsyncIterable<string>) => {
      for await (const line of lines) bodies.push(line)
    },
  )
  console.log(`the stream got ${bodies.length} messages, among them "${bodies.find((body) => body === 'event 7')}"`)
}
