// Takes messages when it wants some, each for a while: what is not acknowledged by then comes again. For brokers from 5.0 on.
//   NAMESRV_ADDR=localhost:9876 npx tsx examples/simple-consumer.ts [topic]
import { ClientError, DefaultProducer, SimpleConsumer } from 'rocketmq-remoting'

const topic = process.argv[2] ?? 'ExampleTopic'

const producer = new DefaultProducer({ producerGroup: 'example-producer' })
const consumer = new SimpleConsumer({
  consumerGroup: 'example-simple-consumer',
  consumeFromWhere: 'FIRST',
  // So long a message is kept from others: after a crash, they get it by then.
  invisibleDuration: 30_000,
})
try {
  await producer.start()
  await send('job-1', 'job-2', 'job-3')
  await consumer.subscribe(topic)
  await consumer.start()
  await receive(new Set(['job-1', 'job-2', 'job-3']))

  await send('job-4', 'job-5', 'job-6')
  await loop(new Set(['job-4', 'job-5', 'job-6']))
} catch (error) {
  if (!(error instanceof ClientError) || error.code !== 'UNSUPPORTED_BY_BROKER') throw error
  console.log(`SimpleConsumer needs brokers of RocketMQ 5.0 or newer: ${error.message}`)
} finally {
  await Promise.all([producer.shutdown(), consumer.shutdown()])
}

/** You ask for messages, and say what becomes of each. */
async function receive(left: Set<string>): Promise<void> {
  while (left.size > 0) {
    // An empty list when nothing came in that time: there is always another round.
    for (const message of await consumer.receive({ maxMessages: 10, timeout: 5_000 })) {
      const [job = ''] = message.keys
      if (job === 'job-2' && message.reconsumeTimes === 0) {
        // Not now: its group gets it again after a second. A long time would keep it from others for longer.
        await consumer.changeInvisibleDuration(message, 1_000)
        console.log(`${job} is put off`)
        continue
      }
      console.log(`${job} is done (delivery ${message.reconsumeTimes + 1})`)
      await consumer.ack(message)
      left.delete(job)
    }
  }
}

/** Or a loop does: each message is kept for as long as the loop has it, and acknowledged when the loop asks for the next one. */
async function loop(left: Set<string>): Promise<void> {
  const messages = consumer.messages()
  for await (const message of messages) {
    const [job = ''] = message.keys
    console.log(`${job} is done in the loop`)
    left.delete(job)
    if (left.size > 0) continue
    // A loop that is left by break looks like one that failed: its last message comes again, unless it is acknowledged.
    messages.ack(message)
    break
  }
}

async function send(...jobs: string[]): Promise<void> {
  for (const job of jobs) await producer.send({ topic, keys: job, body: `please do ${job}` })
}
