// Shares the messages of one queue among several members of a group: brokers hand them out one by one (POP). For brokers from 5.0 on, with timerWheelEnable.
//   NAMESRV_ADDR=localhost:9876 npx tsx examples/pop-consumer.ts [topic]
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { ClientError, DefaultProducer, PushConsumer } from 'rocketmq-remoting'

const topic = process.argv[2] ?? 'ExampleOneQueue'
const count = 60
const events = new EventTarget()
const left = new Set(Array.from({ length: count }, (_, i) => `task-${i + 1}`))
const busy = new Set<string>()
const allBusy = once(events, 'allBusy')

// A topic with one queue, where it does not exist yet. Without popMode one of the members would have it, and the others nothing.
const producer = new DefaultProducer({ producerGroup: 'example-producer', defaultTopicQueueNums: 1 })
const members = ['anna', 'ben', 'cleo'].map((name) => ({ name, handled: 0, consumer: makeConsumer(name) }))
try {
  await producer.start()
  await producer.send({ topic, keys: 'first', body: 'creates the topic' })
  await Promise.all(
    members.map(async ({ consumer }) => {
      await consumer.subscribe(topic)
      await consumer.start()
    }),
  )
  const finished = once(events, 'finished')
  for (const key of left) await producer.send({ topic, keys: key, body: key })
  await finished
  console.log(`all ${count} tasks are done`)
  for (const { name, handled } of members) console.log(`${name} did ${handled}`)
} catch (error) {
  if (!(error instanceof ClientError) || error.code !== 'UNSUPPORTED_BY_BROKER') throw error
  console.log(`POP needs brokers of RocketMQ 5.0 or newer: ${error.message}`)
} finally {
  await producer.shutdown()
  // What is popped and not handled goes to other members at once.
  await Promise.all(members.map(({ consumer }) => consumer.shutdown()))
}

function makeConsumer(name: string): PushConsumer {
  const consumer = new PushConsumer({
    consumerGroup: 'example-pop-consumer',
    consumeFromWhere: 'FIRST',
    popMode: true,
    consumeConcurrency: 2,
    // Of a member that crashes, others get its messages after that. It is prolonged while a handler is at work.
    popInvisibleTime: 30_000,
    // Little is popped ahead, so that members that are free get some.
    popBatchNums: 4,
    popThresholdForQueue: 4,
  })
  consumer.onMessage(async ([message]) => {
    const [key = ''] = message?.keys ?? []
    if (!left.has(key)) return
    // Brokers promise nobody a share: a member that is quick may do it all. Here nobody begins before each has a task.
    busy.add(name)
    if (busy.size === members.length) events.dispatchEvent(new Event('allBusy'))
    await allBusy
    // Work on it.
    await delay(20)
    const member = members.find((one) => one.name === name)
    if (!left.delete(key) || member === undefined) return
    member.handled++
    if (left.size === 0) events.dispatchEvent(new Event('finished'))
  })
  consumer.on('error', ({ what, error }) => console.error(what, error))
  return consumer
}
