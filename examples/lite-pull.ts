// Asks for messages when it can take some, says itself how far it has come, and reads a part once more.
//   NAMESRV_ADDR=localhost:9876 npx tsx examples/lite-pull.ts [topic]
import { DefaultProducer, LitePullConsumer, type MessageExt } from 'rocketmq-remoting'

const topic = process.argv[2] ?? 'ExampleTopic'

const producer = new DefaultProducer({ producerGroup: 'example-producer' })
await producer.start()
try {
  for (let i = 1; i <= 20; i++) await producer.send({ topic, body: `reading ${i}` })
} finally {
  await producer.shutdown()
}

// Shut down at the end, whatever happens. With autoCommit, which is the default, commit() is needed at the very end only.
await using consumer = new LitePullConsumer({
  consumerGroup: 'example-lite-pull',
  consumeFromWhere: 'FIRST',
  autoCommit: false,
  pullBatchSize: 5,
})
await consumer.subscribe(topic)
await consumer.start()

// Each message comes at least once: by its id it is known when it comes again.
const messages = new Map<string, MessageExt>()
while (messages.size < 20) {
  // An empty list when none came in five seconds: there is always another round.
  const batch = await consumer.poll()
  for (const message of batch) messages.set(message.msgId, message)
  // Stored when it resolves: what was handled before is not read again after a crash.
  if (batch.length > 0) await consumer.commit()
}
console.log(`polled ${messages.size} messages`)

for (const queue of consumer.assignment()) {
  console.log(`${queue.brokerName}[${queue.queueId}] is committed up to ${await consumer.committed(queue)}`)
}

// Reads one queue once more, from a time on; the others wait meanwhile.
const [first] = messages.values()
const queue = consumer.assignment().find(({ queueId }) => queueId === first?.queueId)
if (first === undefined || queue === undefined) throw new Error('the queue went to another member of the group')
consumer.pause(consumer.assignment().filter((other) => other !== queue))
await consumer.seek(queue, await consumer.offsetForTimestamp(queue, first.storeTimestamp))
const [again] = await consumer.poll()
console.log(`once more: ${again?.body.toString()}`)
