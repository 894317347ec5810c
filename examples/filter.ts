// Gets a part of the messages of a topic: those with certain tags, or with certain properties. Brokers leave the others out.
//   NAMESRV_ADDR=localhost:9876 npx tsx examples/filter.ts [topic]
import { BrokerError, DefaultProducer, type FilterExpression, LitePullConsumer, sql } from 'rocketmq-remoting'

const topic = process.argv[2] ?? 'ExampleFiltered'

const producer = new DefaultProducer({ producerGroup: 'example-producer' })
await producer.start()
try {
  await producer.send({ topic, tags: 'fruit', body: 'apple', properties: { price: '3', country: 'FR' } })
  await producer.send({ topic, tags: 'fruit', body: 'melon', properties: { price: '7', country: 'ES' } })
  await producer.send({ topic, tags: 'vegetable', body: 'carrot', properties: { price: '2', country: 'FR' } })
  await producer.send({ topic, tags: 'flower', body: 'tulip', properties: { price: '9', country: 'NL' } })
} finally {
  await producer.shutdown()
}

await show('example-tags', 'fruit || flower')
try {
  // What brokers can't read, or can't filter by, is refused here, not passed over.
  await show('example-sql', sql("price BETWEEN 3 AND 8 AND country IN ('FR', 'ES')"))
} catch (error) {
  if (!(error instanceof BrokerError)) throw error
  console.log(`the broker does not filter by SQL92: ${error.message}`)
}

/** All members of a group must want the same, so another expression needs another group. */
async function show(consumerGroup: string, expression: FilterExpression): Promise<void> {
  await using consumer = new LitePullConsumer({ consumerGroup, consumeFromWhere: 'FIRST' })
  await consumer.subscribe(topic, expression)
  await consumer.start()
  const names: string[] = []
  let messages = await consumer.poll()
  while (messages.length > 0) {
    for (const { body } of messages) names.push(body.toString())
    messages = await consumer.poll({ timeout: 2_000 })
  }
  await consumer.commit()
  console.log(`${typeof expression === 'string' ? expression : expression.expression}: ${names.toSorted().join(', ')}`)
}
