// Hands messages to a function, so many at a time. What it throws on comes again after a while.
//   NAMESRV_ADDR=localhost:9876 npx tsx examples/push-consumer.ts [topic]
import { once } from 'node:events'
import { DefaultProducer, type MessageExt, PushConsumer } from 'rocketmq-remoting'

const topic = process.argv[2] ?? 'ExampleTopic'
const done = new EventTarget()
const left = new Set(['order-1', 'order-2', 'order-3'])

const consumer = new PushConsumer({
  consumerGroup: 'example-push-consumer',
  consumeConcurrency: 10,
  maxReconsumeTimes: 5,
})
await consumer.subscribe(topic, 'created || paid')
consumer.onMessage(async (messages, { signal }) => {
  // One message, unless consumeMessageBatchMaxSize says otherwise.
  for (const message of messages) await handle(message, signal)
})
// Without a listener, nobody hears of what handlers throw: the message comes again, and after maxReconsumeTimes goes to %DLQ%example-push-consumer.
consumer.on('consumeFailed', ({ msgIds, error }) => console.log(`${msgIds} comes again: ${String(error)}`))
consumer.on('error', ({ what, error }) => console.error(what, error))
await consumer.start()

const producer = new DefaultProducer({ producerGroup: 'example-producer' })
await producer.start()
try {
  const finished = once(done, 'finished')
  for (const key of left) await producer.send({ topic, keys: key, tags: 'created', body: `${key} was created` })
  await producer.send({ topic, tags: 'noticed', body: 'nobody subscribes to this tag' })
  await finished
} finally {
  await producer.shutdown()
  // Lets handlers finish and stores how far the group came, so that the next start goes on there.
  await consumer.shutdown()
}

/** Must be ready to get a message twice: after a crash, and when another member of the group takes a queue over. */
async function handle(message: MessageExt, signal: AbortSignal): Promise<void> {
  // Fires when this message is given to another handler: pass it on to fetch, a database and so on.
  signal.throwIfAborted()
  const [key = ''] = message.keys
  if (key === 'order-2' && message.reconsumeTimes === 0) throw new Error('the database is busy')
  console.log(`${message.body.toString()} (${message.tags}, delivery ${message.reconsumeTimes + 1})`)
  left.delete(key)
  if (left.size === 0) done.dispatchEvent(new Event('finished'))
}
