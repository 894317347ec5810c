// Consumes the messages of each queue one after the other: a message that fails comes again before those behind it.
//   NAMESRV_ADDR=localhost:9876 npx tsx examples/orderly-consumer.ts [topic]
import { once } from 'node:events'
import { DefaultProducer, type MessageExt, PushConsumer } from 'rocketmq-remoting'

const topic = process.argv[2] ?? 'ExampleOrders'
const orders = ['order-1', 'order-2', 'order-3']
const steps = ['created', 'paid', 'shipped']
const done = new EventTarget()
let left = orders.length * steps.length

const consumer = new PushConsumer({
  consumerGroup: 'example-orderly-consumer',
  consumeMode: 'orderly',
  // Without it, a message that always fails would hold up its queue for ever. So often it comes again; then it goes to the dead-letter topic, and the queue goes on.
  maxReconsumeTimes: 5,
})
await consumer.subscribe(topic)
consumer.onMessage(async ([message], context) => {
  if (message === undefined) return
  try {
    await handle(message)
  } catch (error) {
    // Instead of the option suspendCurrentQueueTimeMillis, a second by default. So long the whole queue waits.
    context.suspendCurrentQueueTimeMillis = 100 * (message.reconsumeTimes + 1)
    throw error
  }
})
consumer.on('consumeFailed', ({ error }) => console.log(`${error} (its queue waits)`))
// Another member of the group, or nobody, works on the queue until its lock is there again.
consumer.on('queueLockLost', ({ queue, reason }) => console.log(`lost the lock of queue ${queue.queueId}: ${reason}`))
consumer.on('error', ({ what, error }) => console.error(what, error))
await consumer.start()

const producer = new DefaultProducer({ producerGroup: 'example-producer' })
await producer.start()
try {
  const finished = once(done, 'finished')
  for (const step of steps) {
    // The sharding key chooses the queue: all messages of an order go into the same one.
    for (const order of orders) await producer.send({ topic, shardingKey: order, keys: order, body: step })
  }
  await finished
} finally {
  await producer.shutdown()
  // Lets handlers finish, stores how far the group came, and gives the locks back, so that another member can go on at once.
  await consumer.shutdown()
}

async function handle(message: MessageExt): Promise<void> {
  const step = message.body.toString()
  const [order] = message.keys
  if (order === 'order-2' && step === 'paid' && message.reconsumeTimes < 2) throw new Error(`${order} is not paid yet`)
  console.log(`${order} ${step}`)
  left--
  if (left === 0) done.dispatchEvent(new Event('finished'))
}
