// Tells whether a consumer is well, for a readiness probe, and how far it is behind, for a graph.
//   NAMESRV_ADDR=localhost:9876 npx tsx examples/health.ts [topic]
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { DefaultProducer, PushConsumer } from 'rocketmq-remoting'

const topic = process.argv[2] ?? 'ExampleTopic'
const count = 20
let handled = 0

const consumer = new PushConsumer({
  consumerGroup: 'example-health',
  consumeFromWhere: 'FIRST',
  // Between two `lag` events. lag() asks at any time.
  lagReportInterval: 1_000,
})
await consumer.subscribe(topic)
consumer.onMessage((messages) => {
  handled += messages.length
})
// What a watchdog finds: the queue is closed and opened again where that helps.
consumer.on('queueStalled', ({ queue, reason }) => console.log(`queue ${queue.queueId} stands still: ${reason}`))
consumer.on('queueRepaired', ({ queue, elapsed }) => console.log(`queue ${queue.queueId} goes on after ${elapsed} ms`))
// Members that subscribe to different things, topics that do not exist: what else would be silence.
consumer.on('warning', ({ code, message }) => console.log(`${code}: ${message}`))

/** What Kubernetes and others ask. */
const probe = createServer((_request, response) => {
  const { isHealthy, queues, stalled, lag } = consumer.health()
  response.statusCode = isHealthy ? 200 : 503
  response.end(JSON.stringify({ isHealthy, queues: queues.length, stalled: stalled.length, lag }))
})
const producer = new DefaultProducer({ producerGroup: 'example-producer' })
try {
  await producer.start()
  await producer.send({ topic, body: 'creates the topic' })
  probe.listen(0, '127.0.0.1')
  await once(probe, 'listening')
  console.log(`before the start: ${await ask()}`)
  await consumer.start()
  console.log(`running: ${await ask()}`)

  // Messages pile up while no handler gets any.
  consumer.suspend()
  for (let i = 1; i <= count; i++) await producer.send({ topic, body: `reading ${i}` })
  const { diff, age } = await consumer.lag()
  console.log(`suspended: ${diff} messages behind, the oldest has waited for ${age} ms`)

  const caughtUp = new Promise<void>((resolve) => {
    // The event brings what lag() gives.
    consumer.on('lag', (lag) => lag.diff === 0 && resolve())
  })
  consumer.resume()
  await caughtUp
  console.log(`resumed: nothing is left, ${handled} messages were handled`)
} finally {
  probe.close()
  await Promise.all([producer.shutdown(), consumer.shutdown()])
}

async function ask(): Promise<string> {
  const { port } = probe.address() as AddressInfo
  const response = await fetch(`http://127.0.0.1:${port}/ready`)
  return `${response.status} ${await response.text()}`
}
