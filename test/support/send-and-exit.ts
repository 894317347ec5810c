import { PullConsumer } from '../../src/consumer/pull-consumer.js'
import { DefaultProducer } from '../../src/producer/default-producer.js'

/**
 * A program as a user writes it: starts, sends, reads, commits, shuts down, and has nothing left to do. It never calls process.exit().
 * Usage: send-and-exit.ts NAMESRV_ADDR
 */
const namesrvAddr = process.argv[2] ?? ''
const producer = new DefaultProducer({ producerGroup: 'p', namesrvAddr })
const consumer = new PullConsumer({ consumerGroup: 'c', namesrvAddr })
await Promise.all([producer.start(), consumer.start()])
const { messageQueue } = await producer.send({ topic: 'T', body: 'x' })
const { nextBeginOffset } = await consumer.pull(messageQueue, { offset: 0 })
consumer.updateConsumeOffset(messageQueue, nextBeginOffset)
await Promise.all([producer.shutdown(), consumer.shutdown()])
console.log('shut down', nextBeginOffset)
