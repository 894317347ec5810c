// Reads what a group has not read yet, and commits how far it came: run it twice, and the second run finds nothing.
//   NAMESRV_ADDR=localhost:9876 npx tsx examples/pull-and-commit.ts [topic]
import { type MessageExt, type MessageQueue, PullConsumer } from 'rocketmq-remoting'

const topic = process.argv[2] ?? 'ExampleTopic'

const consumer = new PullConsumer({ consumerGroup: 'example-consumer' })
await consumer.start()
let count = 0
try {
  for (const queue of await consumer.fetchSubscribeMessageQueues(topic)) count += await readToEnd(queue)
} finally {
  await consumer.shutdown()
}
console.log(`read ${count} messages of ${topic}`)

async function readToEnd(queue: MessageQueue): Promise<number> {
  const committed = await consumer.fetchConsumeOffset(queue)
  let offset = committed >= 0 ? committed : await consumer.minOffset(queue)
  const end = await consumer.maxOffset(queue)
  let read = 0
  while (offset < end) {
    const { messages, nextBeginOffset } = await consumer.pull(queue, { offset })
    for (const message of messages) handle(message)
    // Only now: what is committed before it was handled is lost if this process ends in between.
    await consumer.commitOffset(queue, nextBeginOffset)
    read += messages.length
    offset = nextBeginOffset
  }
  console.log(`${queue.brokerName}[${queue.queueId}]: ${read} messages, committed ${offset}`)
  return read
}

function handle(message: MessageExt): void {
  console.log(`  ${message.queueOffset} ${message.tags ?? '-'} ${message.keys.join(',')} ${message.body.toString()}`)
}
