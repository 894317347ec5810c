import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest'
import type { ConsumerLag } from '../../src/consumer/lag.js'
import { DefaultProducer, type MessageExt, PushConsumer, type PushConsumerOptions } from '../../src/index.js'
import { uniqueName } from '../support/names.js'
import { PATIENCE } from '../support/patience.js'
import { probe } from '../support/remoting-probe.js'
import { createTypedTopic } from '../support/typed-topic.js'
import { until } from '../support/until.js'

const RESET_OFFSET = 222
const RUNNING_INFO = 307
const CONSUME_DIRECTLY = 309
const GET_CONSUMER_STATUS = 223
const DEADLINE = 30_000

describe('a consumer and a real broker', () => {
  const namesrvAddr = inject('namesrvAddr')
  const brokerAddress = inject('brokerAddress')
  const producer = new DefaultProducer({ producerGroup: uniqueName('pg'), namesrvAddr, ...PATIENCE })

  beforeAll(() => producer.start())
  afterAll(() => producer.shutdown())

  /** A topic with `count` messages on each of its two queues. */
  async function filledTopic(count: number) {
    const topic = uniqueName('console')
    await createTypedTopic({ namesrvAddr, brokerAddress, topic, queues: 2 })
    const more = async (count: number) => {
      const queues = await producer.fetchPublishMessageQueues(topic)
      const sends = queues.flatMap((queue) =>
        Array.from({ length: count }, (_, i) => producer.send({ topic, body: `${queue.queueId}-${i}` }, { queue })),
      )
      return Promise.all(sends)
    }
    return { topic, sent: await more(count), more }
  }

  async function consume(topic: string, options: Partial<PushConsumerOptions> = {}) {
    const group = uniqueName('cg')
    const consumer = new PushConsumer({ consumerGroup: group, namesrvAddr, consumeFromWhere: 'FIRST', ...options })
    onTestFinished(() => consumer.shutdown({ timeout: 0 }))
    const messages: MessageExt[] = []
    consumer.onMessage((batch) => void messages.push(...batch))
    await consumer.subscribe(topic)
    await consumer.start()
    const owned = () => consumer.assignment().filter((queue) => queue.topic === topic).length
    await until(() => owned() === 2, DEADLINE)
    return { consumer, group, messages }
  }

  const ofTopic = (lag: ConsumerLag, topic: string) => lag.queues.filter(({ queue }) => queue.topic === topic)

  it('knows how far it is behind, while its handlers are slow, while it is suspended, and when it has caught up', async () => {
    const { topic, more } = await filledTopic(3)
    const { consumer, messages } = await consume(topic, { consumeConcurrency: 1, lagReportInterval: 50 })
    const reports: number[] = []
    consumer.on('lag', ({ diff }) => reports.push(diff))
    await until(async () => (await consumer.lag()).diff === 0, DEADLINE)
    consumer.suspend()
    const before = Date.now()
    await more(4)
    const lag = await until(async () => {
      const lag = await consumer.lag()
      return lag.diff === 8 && lag
    }, DEADLINE)
    expect(lag.failures).toEqual([])
    for (const { brokerOffset, consumerOffset, diff, oldestUnconsumedTimestamp, age } of ofTopic(lag, topic)) {
      expect({ brokerOffset, consumerOffset, diff }).toEqual({ brokerOffset: 7, consumerOffset: 3, diff: 4 })
      expect(oldestUnconsumedTimestamp).toBeGreaterThanOrEqual(before - 1_000)
      expect(age).toBeLessThanOrEqual(Date.now() - before + 1_000)
    }
    await until(() => reports.includes(8), DEADLINE)
    consumer.resume()
    await until(async () => (await consumer.lag()).diff === 0, DEADLINE)
    expect(messages).toHaveLength(14)
  })

  it('tells the broker how it is, when a console asks', async () => {
    const { topic } = await filledTopic(2)
    const { consumer, group, messages } = await consume(topic)
    await until(() => messages.length === 4, DEADLINE)
    const fields = { consumerGroup: group, clientId: consumer.clientId, jstackEnable: 'true' }
    const info = await until(async () => {
      const answer = await probe(brokerAddress, { code: RUNNING_INFO, fields }, { timeout: 10_000 })
      expect(answer.code).toBe(0)
      return answer.body.includes('"commitOffset":2') && answer.body
    }, DEADLINE)
    expect(info).toContain(`{"brokerName":"${consumer.assignment()[0]?.brokerName}","queueId":0,"topic":"${topic}"}:`)
    expect(info).toContain('"jstack":"no handler is at work\\n"')
    const status = await probe(
      brokerAddress,
      { code: GET_CONSUMER_STATUS, fields: { topic, group } },
      { timeout: 10_000 },
    )
    expect(status.body).toContain(consumer.clientId)
  })

  it.each(['concurrently', 'orderly', 'keyOrdered'] as const)(
    'goes back where an administrator wants it to, in mode %s, and tells how it is',
    async (consumeMode) => {
      const { topic } = await filledTopic(3)
      const { consumer, group, messages } = await consume(topic, { consumeMode, brokerSuspendMaxTimeMillis: 500 })
      await until(async () => messages.length === 6 && (await consumer.lag()).diff === 0, DEADLINE)
      const fields = { consumerGroup: group, clientId: consumer.clientId }
      const info = await probe(brokerAddress, { code: RUNNING_INFO, fields }, { timeout: 10_000 })
      const isOrderly = consumeMode !== 'concurrently'
      expect(info.body).toContain(`"PROP_CONSUMEORDERLY":"${isOrderly}"`)
      expect(info.body.includes('"locked":true')).toBe(isOrderly)

      const resets: number[] = []
      consumer.on('offsetsReset', ({ queue, from, to }) => resets.push(queue.queueId, from, to))
      const reset = { code: RESET_OFFSET, fields: { topic, group, timestamp: '0', isForce: 'true' } }
      await until(async () => (await probe(brokerAddress, reset, { timeout: 10_000 })).code === 0, DEADLINE)
      await until(() => resets.length === 6 && messages.length === 12, DEADLINE)
      expect(resets.sort()).toEqual([0, 0, 0, 1, 3, 3])
      for (const queueId of [0, 1]) {
        const offsets = messages.filter((message) => message.queueId === queueId).map(({ queueOffset }) => queueOffset)
        expect(isOrderly ? offsets : offsets.sort()).toEqual(isOrderly ? [0, 1, 2, 0, 1, 2] : [0, 0, 1, 1, 2, 2])
      }
    },
  )

  it('consumes what a console hands to it, and what it can not in time is told', async () => {
    const { topic, sent } = await filledTopic(1)
    const { consumer, group, messages } = await consume(topic)
    await until(() => messages.length === 2, DEADLINE)
    const { offsetMsgId = '', msgId } = sent[0] ?? {}
    const fields = { consumerGroup: group, clientId: consumer.clientId, msgId: offsetMsgId, topic }
    const request = { code: CONSUME_DIRECTLY, fields }
    const answer = await probe(brokerAddress, request, { timeout: 20_000 })
    expect(answer.code).toBe(0)
    expect(answer.body).toContain('"consumeResult":"CR_SUCCESS"')
    expect(messages.slice(2).map((message) => message.msgId)).toEqual([msgId])

    let signal: AbortSignal | undefined
    consumer.onMessage((_messages, context) => {
      signal = context.signal
      return new Promise(() => undefined)
    })
    const late = await probe(brokerAddress, request, { timeout: 20_000 })
    expect(late.code).toBe(0)
    expect(JSON.parse(late.body)).toMatchObject({
      consumeResult: 'CR_THROW_EXCEPTION',
      remark: expect.stringContaining('not ended within 9000 ms'),
    })
    expect(signal?.aborted).toBe(true)
  })
})
