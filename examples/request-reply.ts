// Asks a service over a topic and waits for its replies. The service is the second half of this program; elsewhere it is one of its own.
//   NAMESRV_ADDR=localhost:9876 npx tsx examples/request-reply.ts [topic]
import {
  createReplyMessage,
  DefaultProducer,
  isRocketMQError,
  type MessageQueue,
  PullConsumer,
} from 'rocketmq-remoting'

const topic = process.argv[2] ?? 'ExampleRequests'
const prices = new Map([
  ['apple', 3],
  ['pear', 4],
])

const requester = new DefaultProducer({ producerGroup: 'example-requester' })
const consumer = new PullConsumer({ consumerGroup: 'example-service' })
const replier = new DefaultProducer({ producerGroup: 'example-service' })
const stopping = new AbortController()
let service: Promise<void> | undefined
try {
  await Promise.all([requester.start(), consumer.start(), replier.start()])
  // One queue is enough here; a service reads all queues of its topic.
  const { messageQueue, queueOffset } = await requester.send({ topic, body: 'no request: it makes the topic' })
  service = answerRequests(messageQueue, queueOffset + 1)

  for (const fruit of ['apple', 'pear', 'melon']) {
    try {
      const reply = await requester.request({ topic, body: fruit }, { timeout: 3000, queue: messageQueue })
      console.log(`${fruit} costs ${reply.body}`)
    } catch (error) {
      if (!isRocketMQError(error) || error.code !== 'REQUEST_TIMEOUT') throw error
      console.log(`${fruit}: no reply in time`)
    }
  }
} finally {
  stopping.abort()
  await service
  await Promise.all([requester.shutdown(), consumer.shutdown(), replier.shutdown()])
}

async function answerRequests(queue: MessageQueue, from: number): Promise<void> {
  const { signal } = stopping
  for (let offset = from; !signal.aborted; ) {
    const pulled = await consumer.pullBlockIfNotFound(queue, { offset, signal }).catch((error: unknown) => {
      if (!signal.aborted) throw error
    })
    if (pulled === undefined) return
    for (const request of pulled.messages) {
      const price = prices.get(request.body.toString())
      if (price !== undefined) await replier.send(createReplyMessage(request, String(price)))
    }
    offset = pulled.nextBeginOffset
  }
}
