import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { DefaultProducer, type Message, type MessageExt, PullConsumer } from '../../src/index.js'
import { withSystemProperties } from '../../src/message/system-properties.js'
import { decodeRecallHandle } from '../../src/producer/recall-handle.js'
import { uniqueName } from '../support/names.js'
import { PATIENCE } from '../support/patience.js'
import { readTopic } from '../support/read-topic.js'
import { isAtLeast } from '../support/server-version.js'
import { createTypedTopic } from '../support/typed-topic.js'
import { rejectionOf } from '../support/until.js'

const namesrvAddr = inject('namesrvAddr')
const brokerAddress = inject('brokerAddress')
const version = inject('rocketmqVersion')
const HAS_TIMERS = isAtLeast(version, '5.0.0')
const HAS_RECALL = isAtLeast(version, '5.3.2')

/** Of the cluster's timer wheel: brokers round times down to it, and deliver when that much more is over. */
const PRECISION = 100
const HOUR = 3_600_000
const DAY = 24 * HOUR

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

async function newTopic(): Promise<string> {
  const topic = uniqueName('timing')
  await createTypedTopic({ namesrvAddr, brokerAddress, topic, queues: 1 })
  return topic
}

/** Sends a plain message and then this one, and waits until the broker delivers both. All times of the answer are by its clock. */
async function delivered(
  fields: Partial<Message> | (() => Partial<Message>),
): Promise<{ sentAfter: number; message: MessageExt }> {
  const topic = await newTopic()
  await producer.send({ topic, body: 'before' })
  const timing = typeof fields === 'function' ? fields() : fields
  const { msgId } = await producer.send({ topic, body: 'timed', ...timing })
  const messages = await readTopic(consumer, topic, 2)
  expect(messages.map(({ body }) => body.toString())).toEqual(['before', 'timed'])
  const [before, message] = messages as [MessageExt, MessageExt]
  expect(message.msgId).toBe(msgId)
  return { sentAfter: before.storeTimestamp, message }
}

describe('a message with a delay level', () => {
  it('is delivered when the time of its level is over, not before', async () => {
    const { sentAfter, message } = await delivered({ delayLevel: 17 })
    expect(message.storeTimestamp - sentAfter).toBeGreaterThanOrEqual(2_000)
    expect(message.properties.REAL_TOPIC).toBe(message.topic)
  })

  it('is delivered after the time of the highest level where its own is above', async () => {
    const { sentAfter, message } = await delivered({ delayLevel: 500 })
    expect(message.storeTimestamp - sentAfter).toBeGreaterThanOrEqual(3_000)
  })

  it('is delivered at once with level 0', async () => {
    const { message } = await delivered({ delayLevel: 0 })
    expect(message.properties.REAL_TOPIC).toBeUndefined()
  })
})

if (HAS_TIMERS) {
  describe('a timer message', () => {
    it('is delivered when its delay is over, not before', async () => {
      const { sentAfter, message } = await delivered({ delayMs: 1_500 })
      expect(message.storeTimestamp - sentAfter).toBeGreaterThanOrEqual(1_500)
      expect(message.storeTimestamp).toBeGreaterThanOrEqual(Number(message.properties.TIMER_OUT_MS))
    })

    it.each([
      ['number', (time: number) => time],
      ['Date', (time: number) => new Date(time)],
    ])('is delivered at its time, given as a %s, not before', async (_what, form) => {
      let time = 0
      const { message } = await delivered(() => {
        time = Date.now() + 3_000
        return { deliverAt: form(time) }
      })
      expect(message.properties.TIMER_DELIVER_MS).toBe(String(time))
      expect(message.storeTimestamp).toBeGreaterThanOrEqual(time)
      const out = Number(message.properties.TIMER_OUT_MS)
      expect(out).toBeGreaterThanOrEqual(time - PRECISION)
      expect(out).toBeLessThan(time)
    })

    it.each([
      ['a time that is past', { deliverAt: Date.now() - HOUR }],
      ['no delay', { delayMs: 0 }],
    ])('is delivered at once with %s', async (_what, fields) => {
      const { message } = await delivered(fields)
      expect(message.properties.TIMER_OUT_MS).toBeUndefined()
    })

    it('is refused beyond the limit of the broker, which the error names, and not stored', async () => {
      const topic = await newTopic()
      const error = await rejectionOf(producer.send({ topic, body: 'x', delayMs: 3 * DAY + HOUR }))
      expect(error).toMatchObject({ name: 'BrokerError', code: 'MESSAGE_ILLEGAL', mayBeStored: false })
      const limit = 3 * DAY
      expect(error.message).toContain(`delayMs is ${limit + HOUR}, and the broker's limit is ${limit} ms ahead`)
      expect(error.message).toContain('timerMaxDelaySec=259200')
    })

    it('may wait as long as the limit', async () => {
      const topic = await newTopic()
      const { sendStatus } = await producer.send({ topic, body: 'x', delayMs: 3 * DAY - HOUR })
      expect(sendStatus).toBe('SEND_OK')
    })

    it('brings a recall handle where the broker knows recall, and no other message does', async () => {
      const topic = await newTopic()
      const time = Date.now() + HOUR
      const { recallHandle, msgId } = await producer.send({ topic, body: 'x', deliverAt: time })
      if (HAS_RECALL) {
        const handle = decodeRecallHandle(recallHandle ?? '')
        expect(handle).toMatchObject({ topic, brokerName: 'broker-a', msgId })
        // One more than the time that was rounded down.
        expect(handle.deliverMs % PRECISION).toBe(1)
        expect(handle.deliverMs).toBeGreaterThan(time - PRECISION)
        expect(handle.deliverMs).toBeLessThanOrEqual(time)
      } else expect(recallHandle).toBeUndefined()
      for (const fields of [{}, { delayLevel: 1 }, { deliverAt: 1 }]) {
        expect(await producer.send({ topic, body: 'x', ...fields })).not.toHaveProperty('recallHandle')
      }
    })
  })
} else {
  describe('a timer message for a broker that knows none', () => {
    it.each([{ delayMs: HOUR }, { deliverAt: Date.now() + HOUR }, { delayMs: 4 * DAY }])(
      'is refused before it is sent: %o',
      async (fields) => {
        const topic = await newTopic()
        const error = await rejectionOf(producer.send({ topic, body: 'timed', ...fields }))
        expect(error).toMatchObject({ name: 'ClientError', code: 'UNSUPPORTED_BY_BROKER', mayBeStored: false })
        expect(error.message).toContain('is older than 5.0.0')
        const oneway = await rejectionOf(producer.sendOneway({ topic, body: 'timed', ...fields }))
        expect(oneway).toMatchObject({ code: 'UNSUPPORTED_BY_BROKER' })
        await producer.send({ topic, body: 'plain' })
        const messages = await readTopic(consumer, topic, 1)
        expect(messages.map(({ body }) => body.toString())).toEqual(['plain'])
      },
    )

    it('would be delivered at once', async () => {
      const topic = await newTopic()
      await producer.send(withSystemProperties({ topic, body: 'x' }, { TIMER_DELAY_MS: String(HOUR) }))
      const [message] = await readTopic(consumer, topic, 1)
      expect(message?.properties).toMatchObject({ TIMER_DELAY_MS: String(HOUR) })
    })
  })
}
