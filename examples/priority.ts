// Sends messages that overtake others; for brokers from 5.4 on. Create the topic first, with a queue for each priority:
//   mqadmin updateTopic -n localhost:9876 -c DefaultCluster -t ExamplePriorities -r 4 -w 4 -a +message.type=PRIORITY
//   NAMESRV_ADDR=localhost:9876 npx tsx examples/priority.ts [topic]
import { ClientError, DefaultProducer } from 'rocketmq-remoting'

const topic = process.argv[2] ?? 'ExamplePriorities'

const producer = new DefaultProducer({ producerGroup: 'example-producer' })
// A topic of another type would not tell: its messages come in no order of priority.
producer.on('warning', ({ message }) => console.log(`warning: ${message}`))
try {
  await producer.start()
  for (const priority of [1, 0, 3, 2]) {
    const { messageQueue } = await producer.send({ topic, body: `priority ${priority}`, priority })
    console.log(`priority ${priority} is in queue ${messageQueue.queueId}`)
  }
  console.log('brokers hand out the queues with the highest numbers first, to POP consumers')
} catch (error) {
  if (!(error instanceof ClientError) || error.code !== 'UNSUPPORTED_BY_BROKER') throw error
  console.log(`Priorities need a broker of RocketMQ 5.4 or newer: ${error.message}`)
} finally {
  await producer.shutdown()
}
