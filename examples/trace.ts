// Sends messages with message trace on, and reads from the trace topic what became of them. The brokers need `traceTopicEnable=true`.
//   NAMESRV_ADDR=localhost:9876 npx tsx examples/trace.ts [topic]
import { setTimeout as sleep } from 'node:timers/promises'
import { DefaultProducer, type MessageQueue, PullConsumer } from 'rocketmq-remoting'

const topic = process.argv[2] ?? 'ExampleTopic'

const producer = new DefaultProducer({ producerGroup: 'example-producer', messageTrace: true })
const consumer = new PullConsumer({ consumerGroup: 'example-consumer' })
try {
  await Promise.all([producer.start(), consumer.start()])
  const queues = await consumer.fetchSubscribeMessageQueues('RMQ_SYS_TRACE_TOPIC')
  const ends = await Promise.all(queues.map((queue) => consumer.maxOffset(queue)))

  const ids = new Set<string>()
  for (let i = 1; i <= 3; i++) {
    const { msgId } = await producer.send({ topic, keys: `order-${i}`, body: `message ${i}` })
    ids.add(msgId)
  }
  // Trace is sent in the background, a few seconds later at most; a shutdown sends what is waiting.
  await producer.shutdown()

  let found = 0
  const next = new Map(queues.map((queue, i) => [queue, ends[i] ?? 0]))
  for (const deadline = Date.now() + 20_000; found < ids.size && Date.now() < deadline; await sleep(100)) {
    for (const [queue, offset] of next) {
      const { records, nextBeginOffset } = await readRecords(queue, offset)
      next.set(queue, nextBeginOffset)
      for (const fields of records) if (show(fields, ids)) found++
    }
  }
  console.log(`found the trace of ${found} messages of ${topic}`)
} finally {
  await Promise.all([producer.shutdown(), consumer.shutdown()])
}

/** A trace message holds several records, and a record several fields. */
async function readRecords(queue: MessageQueue, offset: number) {
  const { messages, nextBeginOffset } = await consumer.pull(queue, { offset })
  const records = messages.flatMap(({ body }) => body.toString().split('\u0002'))
  return { records: records.map((record) => record.split('\u0001')), nextBeginOffset }
}

/** RocketMQ's own tool shows the same. */
function show([type, time, , group, , msgId = '', , keys, broker, , cost]: string[], ids: Set<string>): boolean {
  if (type !== 'Pub' || !ids.has(msgId)) return false
  console.log(`${new Date(Number(time)).toISOString()} ${group} sent ${keys} to ${broker} in ${cost} ms`)
  console.log(`  mqadmin queryMsgTraceById -i ${msgId}`)
  return true
}
