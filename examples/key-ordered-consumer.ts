// Consumes many messages of a queue at a time, but those of one sharding key one after the other: what fails holds up its own key only.
//   NAMESRV_ADDR=localhost:9876 npx tsx examples/key-ordered-consumer.ts [topic]
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { DefaultProducer, type MessageExt, PushConsumer } from 'rocketmq-remoting'

const topic = process.argv[2] ?? 'ExampleOrders'
const orders = Array.from({ length: 20 }, (_, i) => `order-${i + 1}`)
const steps = ['created', 'paid', 'shipped']
const done = new EventTarget()
const handled = new Map<string, string[]>(orders.map((order) => [order, []]))
let left = orders.length * steps.length
let running = 0
let mostRunning = 0

const consumer = new PushConsumer({
  consumerGroup: 'example-key-ordered-consumer',
  consumeMode: 'keyOrdered',
  // Over all keys and queues.
  consumeConcurrency: 50,
  maxReconsumeTimes: 5,
  suspendCurrentQueueTimeMillis: 500,
})
await consumer.subscribe(topic)
consumer.onMessage(async ([message]) => {
  if (message === undefined) return
  running++
  mostRunning = Math.max(mostRunning, running)
  try {
    await handle(message)
  } finally {
    running--
  }
})
consumer.on('consumeFailed', ({ error }) => console.log(`${error} (only this order waits)`))
consumer.on('error', ({ what, error }) => console.error(what, error))
await consumer.start()

const producer = new DefaultProducer({ producerGroup: 'example-producer' })
await producer.start()
try {
  const finished = once(done, 'finished')
  const sendAll = orders.map(async (order) => {
    for (const step of steps) await producer.send({ topic, shardingKey: order, keys: order, body: step })
  })
  await Promise.all(sendAll)
  await finished
  for (const [order, had] of handled) console.log(`${order}: ${had.join(', ')}`)
  console.log(`up to ${mostRunning} at a time`)
} finally {
  await producer.shutdown()
  await consumer.shutdown()
}

async function handle(message: MessageExt): Promise<void> {
  const [order = ''] = message.keys
  const step = message.body.toString()
  if (order === 'order-7' && step === 'paid' && message.reconsumeTimes === 0)
    throw new Error(`${order} is not paid yet`)
  // A call to a database, for example.
  await delay(20)
  handled.get(order)?.push(step)
  left--
  if (left === 0) done.dispatchEvent(new Event('finished'))
}
