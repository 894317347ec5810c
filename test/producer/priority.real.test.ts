import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import type { ClientWarning } from '../../src/client/member.js'
import { Client, DefaultProducer, type MessageQueue, PullConsumer } from '../../src/index.js'
import { withSystemProperties } from '../../src/message/system-properties.js'
import { uniqueName } from '../support/names.js'
import { popMessages } from '../support/pop.js'
import { readTopic } from '../support/read-topic.js'
import { isAtLeast } from '../support/server-version.js'
import { createTypedTopic } from '../support/typed-topic.js'
import { rejectionOf, until } from '../support/until.js'

const namesrvAddr = inject('namesrvAddr')
const brokerAddress = inject('brokerAddress')
const version = inject('rocketmqVersion')
const QUEUES = 4
/** The last two are both for the last queue. */
const PRIORITIES = [1, 0, 3, 2, 0, 9, 2, 1]

const client = new Client({ namesrvAddr })
const producer = new DefaultProducer({ producerGroup: uniqueName('pg'), client })
const consumer = new PullConsumer({ consumerGroup: uniqueName('cg'), client })
const warnings: ClientWarning[] = []
producer.on('warning', (warning) => warnings.push(warning))

beforeAll(async () => {
  await producer.start()
  await consumer.start()
})

afterAll(async () => {
  await producer.shutdown()
  await consumer.shutdown()
  await client.shutdown()
})

function createTopic(topic: string, messageType?: string): Promise<void> {
  return createTypedTopic({
    namesrvAddr,
    brokerAddress,
    topic,
    queues: QUEUES,
    ...(messageType !== undefined && { messageType }),
  })
}

function queueOf(topic: string, queueId: number): MessageQueue {
  return { topic, brokerName: 'broker-a', queueId }
}

if (isAtLeast(version, '5.4.0')) {
  describe('a message with a priority', () => {
    it('is stored in the queue of its priority, whatever queue is asked for, and handed out in the order of priorities', async () => {
      const topic = uniqueName('priority')
      await createTopic(topic, 'PRIORITY')
      for (const [i, priority] of PRIORITIES.entries()) {
        const { messageQueue } = await producer.send(
          { topic, body: `${priority} as number ${i}`, priority },
          { queue: queueOf(topic, 1) },
        )
        expect(messageQueue.queueId).toBe(Math.min(priority, QUEUES - 1))
      }
      const stored = await readTopic(consumer, topic, PRIORITIES.length)
      expect(stored.map(({ properties }) => Number(properties._SYS_MSG_PRIORITY_)).sort()).toEqual(
        [...PRIORITIES].sort(),
      )

      const group = uniqueName('pop')
      const popped: string[] = []
      for (let i = 0; i < PRIORITIES.length; i++) {
        const messages = await popMessages(client.remoting, brokerAddress, group, topic, 1)
        popped.push(...messages.map(({ body }) => body.toString()))
      }
      expect(popped).toEqual([
        '3 as number 2',
        '9 as number 5',
        '2 as number 3',
        '2 as number 6',
        '1 as number 0',
        '1 as number 7',
        '0 as number 1',
        '0 as number 4',
      ])
      expect(warnings.filter((warning) => warning.topic === topic)).toEqual([])
    })

    it.each([
      ['created by its first message', undefined],
      ['of the type FIFO', 'FIFO'],
    ])('brings one warning for a topic %s', async (_what, messageType) => {
      const topic = uniqueName('warned')
      if (messageType !== undefined) await createTopic(topic, messageType)
      await producer.send({ topic, body: 'x', priority: 3 })
      const warning = await until(() => warnings.find((each) => each.topic === topic))
      expect(warning.code).toBe('PRIORITY_IGNORED')
      expect(warning.message).toContain(`it is of the type ${messageType ?? 'NORMAL'} on broker broker-a`)
      await producer.send({ topic, body: 'x', priority: 2 })
      await readTopic(consumer, topic, 2)
      expect(warnings.filter((each) => each.topic === topic)).toHaveLength(1)
    })
  })
} else {
  describe('a message with a priority for a broker that knows none', () => {
    it('is refused before it is sent', async () => {
      const topic = uniqueName('priority')
      await createTopic(topic)
      const error = await rejectionOf(producer.send({ topic, body: 'x', priority: 3 }))
      expect(error).toMatchObject({ name: 'ClientError', code: 'UNSUPPORTED_BY_BROKER', mayBeStored: false })
      expect(error.message).toContain('is older than 5.4.0')
      const oneway = await rejectionOf(producer.sendOneway({ topic, body: 'x', priority: 3 }))
      expect(oneway).toMatchObject({ code: 'UNSUPPORTED_BY_BROKER' })
      await producer.send({ topic, body: 'plain' })
      const messages = await readTopic(consumer, topic, 1)
      expect(messages.map(({ body }) => body.toString())).toEqual(['plain'])
    })

    it('would be stored anywhere', async () => {
      const topic = uniqueName('priority')
      await createTopic(topic)
      const message = withSystemProperties({ topic, body: 'x' }, { _SYS_MSG_PRIORITY_: '3' })
      const { messageQueue } = await producer.send(message, { queue: queueOf(topic, 1) })
      expect(messageQueue.queueId).toBe(1)
    })
  })
}
