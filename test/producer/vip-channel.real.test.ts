import { expect, inject, onTestFinished, test } from 'vitest'
import { DefaultProducer, type ProducerOptions, PullConsumer } from '../../src/index.js'
import { uniqueName } from '../support/names.js'
import { readTopic } from '../support/read-topic.js'

const namesrvAddr = inject('namesrvAddr')
const brokerAddress = inject('brokerAddress')
const [, host, port] = /^(.*):(\d+)$/.exec(brokerAddress) ?? []
const secondAddress = `${host}:${Number(port) - 2}`

async function startProducer(options: Partial<ProducerOptions>): Promise<DefaultProducer> {
  const producer = new DefaultProducer({ producerGroup: uniqueName('pg'), namesrvAddr, ...options })
  onTestFinished(() => producer.shutdown())
  await producer.start()
  return producer
}

test('with vipChannel, messages go to the second port of their broker, which stores them like any other', async () => {
  const topic = uniqueName('vip')
  const connected: string[] = []
  const producer = await startProducer({
    vipChannel: true,
    // Nothing listens there: what is sent by the first port fails.
    addressMap: (address) => (address === brokerAddress ? '127.0.0.1:1' : address),
  })
  producer.on('connect', ({ address }) => connected.push(address))
  const sent = [
    await producer.send({ topic, body: 'by the second port' }),
    await producer.sendBatch([{ topic, body: 'in a batch' }]),
  ]
  await producer.sendOneway({ topic, body: 'oneway' })
  expect(connected).toContain(secondAddress)
  expect(connected).not.toContain(brokerAddress)

  const consumer = new PullConsumer({ consumerGroup: uniqueName('cg'), namesrvAddr })
  onTestFinished(() => consumer.shutdown())
  await consumer.start()
  const messages = await readTopic(consumer, topic, 3)
  expect(messages.map(({ body }) => body.toString()).sort()).toEqual(['by the second port', 'in a batch', 'oneway'])
  const stored = new Set(messages.map(({ msgId }) => msgId))
  expect(sent.filter(({ msgId }) => !stored.has(msgId))).toEqual([])
})

test('without it, they go to the first port, and the second one is not connected', async () => {
  const connected: string[] = []
  const producer = await startProducer({})
  producer.on('connect', ({ address }) => connected.push(address))
  await producer.send({ topic: uniqueName('vip'), body: 'by the first port' })
  expect(connected).toContain(brokerAddress)
  expect(connected).not.toContain(secondAddress)
})
