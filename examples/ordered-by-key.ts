// Keeps the events of each order in order: messages of one sharding key go to one queue.
//   NAMESRV_ADDR=localhost:9876 npx tsx examples/ordered-by-key.ts [topic]
import { DefaultProducer, type MessageQueue, PullConsumer } from 'rocketmq-remoting'

const topic = process.argv[2] ?? 'ExampleOrders'
const orders = ['order-1', 'order-2', 'order-3']
const events = ['created', 'paid', 'shipped']

const producer = new DefaultProducer({ producerGroup: 'example-producer' })
const consumer = new PullConsumer({ consumerGroup: 'example-consumer' })
try {
  await Promise.all([producer.start(), consumer.start()])

  /** Where the first event of each order is. */
  const first = new Map<string, { queue: MessageQueue; offset: number }>()
  for (const event of events) {
    for (const order of orders) {
      const { messageQueue, queueOffset } = await producer.send({ topic, shardingKey: order, keys: order, body: event })
      if (!first.has(order)) first.set(order, { queue: messageQueue, offset: queueOffset })
    }
  }

  for (const [order, { queue, offset }] of first) {
    const received = await readOrder(order, queue, offset)
    console.log(`${order} in ${queue.brokerName}[${queue.queueId}]: ${received.join(', ')}`)
  }
} finally {
  await Promise.all([producer.shutdown(), consumer.shutdown()])
}

async function readOrder(order: string, queue: MessageQueue, offset: number): Promise<string[]> {
  const received: string[] = []
  for (let next = offset; received.length < events.length; ) {
    const { messages, nextBeginOffset } = await consumer.pullBlockIfNotFound(queue, { offset: next })
    for (const { keys, body } of messages) if (keys.includes(order)) received.push(body.toString())
    next = nextBeginOffset
  }
  return received
}
