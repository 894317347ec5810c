import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest'
import { DefaultProducer, PullConsumer, type SendResult } from '../../src/index.js'
import { uniqueName } from '../support/names.js'
import { PATIENCE } from '../support/patience.js'
import { readTopic } from '../support/read-topic.js'
import { recallHandleOf } from '../support/recall-handle-of.js'
import { isAtLeast } from '../support/server-version.js'
import { createTypedTopic } from '../support/typed-topic.js'
import { rejectionOf } from '../support/until.js'

const namesrvAddr = inject('namesrvAddr')
const brokerAddress = inject('brokerAddress')
const version = inject('rocketmqVersion')
const HOUR = 3_600_000
const ID = 'AC11000100002A9F0000000000000000'

const producer = new DefaultProducer({ producerGroup: uniqueName('pg'), namesrvAddr, ...PATIENCE })
const consumer = new PullConsumer({ consumerGroup: uniqueName('cg'), namesrvAddr })

beforeAll(async () => {
  await producer.start()
  await consumer.start()
})

afterAll(async () => {
  await producer.shutdown()
  await consumer.shutdown()
})

async function newTopic(wireName = (name: string) => name): Promise<string> {
  const topic = uniqueName('recall')
  await createTypedTopic({ namesrvAddr, brokerAddress, topic: wireName(topic), queues: 1 })
  return topic
}

/** The bodies in a topic when so many messages are delivered. */
async function bodiesOf(topic: string, count: number): Promise<string[]> {
  const messages = await readTopic(consumer, topic, count)
  return messages.map(({ body }) => body.toString())
}

function handleOf({ recallHandle }: SendResult): string {
  if (recallHandle === undefined) throw new Error('the send result has no recall handle')
  return recallHandle
}

if (isAtLeast(version, '5.3.2')) {
  describe('recall', () => {
    it('makes a timer message never arrive, and no other', async () => {
      const topic = await newTopic()
      const deliverAt = Date.now() + 4_000
      const recalled = await producer.send({ topic, body: 'recalled', deliverAt })
      await producer.send({ topic, body: 'at the same time', deliverAt })
      // When this one is there, the time of the others is past.
      await producer.send({ topic, body: 'a second later', deliverAt: deliverAt + 1_000 })
      await expect(producer.recall(topic, handleOf(recalled))).resolves.toBe(recalled.msgId)
      expect(await bodiesOf(topic, 2)).toEqual(['at the same time', 'a second later'])
    })

    it('works from another client, more than once, and with a namespace', async () => {
      const namespace = uniqueName('ns')
      const topic = await newTopic((name) => `${namespace}%${name}`)
      const first = new DefaultProducer({ producerGroup: uniqueName('pg'), namesrvAddr, namespace })
      const second = new DefaultProducer({ producerGroup: uniqueName('pg'), namesrvAddr, namespace })
      onTestFinished(async () => {
        await first.shutdown()
        await second.shutdown()
      })
      await first.start()
      await second.start()
      const deliverAt = Date.now() + 4_000
      const recalled = await first.send({ topic, body: 'recalled', deliverAt })
      await first.send({ topic, body: 'a second later', deliverAt: deliverAt + 1_000 })
      await expect(second.recall(topic, handleOf(recalled))).resolves.toBe(recalled.msgId)
      await expect(second.recall(topic, handleOf(recalled))).resolves.toBe(recalled.msgId)
      expect(await bodiesOf(`${namespace}%${topic}`, 1)).toEqual(['a second later'])
    })

    it('is too late when the time is past: the message was delivered', async () => {
      const topic = await newTopic()
      const result = await producer.send({ topic, body: 'delivered', delayMs: 500 })
      expect(await bodiesOf(topic, 1)).toEqual(['delivered'])
      const error = await rejectionOf(producer.recall(topic, handleOf(result)))
      expect(error).toMatchObject({ name: 'ClientError', code: 'INVALID_ARGUMENT' })
      expect(error.message).toContain(`message ${result.msgId} can not be recalled any more`)
    })

    it('passes the refusal of a time beyond the limit on', async () => {
      const topic = await newTopic()
      const handle = recallHandleOf('v1', topic, 'broker-a', Date.now() + 100 * HOUR, ID)
      const error = await rejectionOf(producer.recall(topic, handle))
      expect(error).toMatchObject({ name: 'BrokerError', code: 'ILLEGAL_OPERATION', responseCode: 604 })
      expect(error.message).toContain('timerMaxDelaySec')
    })

    it('says so when the broker of the handle is not there', async () => {
      const topic = await newTopic()
      const handle = recallHandleOf('v1', topic, 'no-such-broker', Date.now() + HOUR, ID)
      const error = await rejectionOf(producer.recall(topic, handle))
      expect(error).toMatchObject({ name: 'ClientError', code: 'NO_BROKER' })
    })
  })
} else {
  describe('recall at a broker that does not know it', () => {
    it('says that the broker is too old', async () => {
      const topic = await newTopic()
      const handle = recallHandleOf('v1', topic, 'broker-a', Date.now() + HOUR, ID)
      const error = await rejectionOf(producer.recall(topic, handle))
      expect(error).toMatchObject({ name: 'ClientError', code: 'UNSUPPORTED_BY_BROKER' })
      expect(error.message).toContain('brokers from 5.3.2 on do')
    })
  })
}
