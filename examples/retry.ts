// Chooses when a message comes again on which the handler failed, and looks after those that were given up, in the dead-letter topic.
//   NAMESRV_ADDR=localhost:9876 npx tsx examples/retry.ts [topic]
import { once } from 'node:events'
import { DefaultProducer, type MessageExt, PushConsumer } from 'rocketmq-remoting'

const topic = process.argv[2] ?? 'ExampleTopic'
const consumerGroup = 'example-retry'
const done = new EventTarget()
const left = new Set(['mail-1', 'mail-2', 'mail-3'])

const consumer = new PushConsumer({
  consumerGroup,
  // How often a message comes again. The default is 16 times, later each time: for nearly five hours altogether.
  maxReconsumeTimes: 2,
})
await consumer.subscribe(topic)
consumer.onMessage(async ([message], context) => {
  if (message === undefined) return
  try {
    deliver(message)
  } catch (error) {
    // A level of the brokers: 1 is a second, 2 are 5, 3 are 10. −1: not again, to the dead letters at once. Without it, the broker chooses.
    context.delayLevelWhenNextConsume = error instanceof TypeError ? -1 : 1
    throw error
  }
})
consumer.on('consumeFailed', ({ messages: [message], error }) => console.log(`${message?.keys}: ${error}`))

// All that a group gave up is in a topic of its own: somebody should look at it.
const deadLetters = new PushConsumer({
  consumerGroup: 'example-dead-letters',
  consumeFromWhere: 'FIRST',
  // Brokers make that topic for the first dead letter; until then it is looked for so often.
  rebalanceInterval: 1_000,
})
await deadLetters.subscribe(`%DLQ%${consumerGroup}`)
deadLetters.onMessage(([message]) => {
  if (message !== undefined) finish(message, `dead after ${message.reconsumeTimes} returns`)
})
const producer = new DefaultProducer({ producerGroup: 'example-producer' })
try {
  await Promise.all([producer.start(), consumer.start(), deadLetters.start()])
  const finished = once(done, 'finished')
  for (const key of left) await producer.send({ topic, keys: key, body: `please deliver ${key}` })
  await finished
} finally {
  await Promise.all([producer.shutdown(), consumer.shutdown(), deadLetters.shutdown()])
}

function deliver(message: MessageExt): void {
  const [key] = message.keys
  if (key === 'mail-2') throw new Error('nobody opens the door')
  if (key === 'mail-3') throw new TypeError('no address')
  finish(message, 'delivered')
}

function finish(message: MessageExt, what: string): void {
  const [key = ''] = message.keys
  // Of earlier runs there may be others.
  if (!left.delete(key)) return
  console.log(`${key}: ${what}`)
  if (left.size === 0) done.dispatchEvent(new Event('finished'))
}
