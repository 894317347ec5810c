import { expect, test } from 'vitest'
import { uniqueName } from '../support/names.js'
import { readTopic } from '../support/read-topic.js'
import { rejectionOf, until } from '../support/until.js'
import { copies, keepSending, SendHistory, startConsumer, startProducer } from './clients-under-test.js'
import { createTopic } from './create-topic.js'
import { kill } from './nodes-under-test.js'
import { twoMasters } from './two-masters.js'

const masters = twoMasters()

test('no send fails when one of two masters is killed, nothing acknowledged is lost, and the master is used again once it is back', async () => {
  const { cluster, first: victim, second: other } = masters
  const topic = uniqueName('survive')
  await createTopic(cluster, topic)
  const { namesrvAddr } = cluster
  const options = { namesrvAddr, pollNameServerInterval: 500 }
  const producer = await startProducer({ ...options, requestTimeout: 10_000, sendTimeout: 20_000 })
  const consumer = await startConsumer(options)
  const history = new SendHistory()
  const brokerOfLast = () => [...history.acknowledged.values()].at(-1)?.messageQueue.brokerName
  const stopSending = keepSending(producer, topic, history)
  const usedBrokers = async (count: number) => {
    const from = history.acknowledged.size
    await until(() => history.acknowledged.size >= from + count, 60_000)
    return new Set([...history.acknowledged.values()].slice(from).map((result) => result.messageQueue.brokerName))
  }
  expect(await usedBrokers(400)).toEqual(new Set([victim.name, other.name]))

  await kill(victim)
  const queue = { topic, brokerName: victim.name, queueId: 0 }
  const error = await rejectionOf(consumer.pull(queue, { offset: 0 }))
  expect(error).toMatchObject({ name: expect.stringMatching(/^(Remoting|Client)Error$/), retryable: true })
  expect(error.message).toMatch(new RegExp(`${victim.name}|${victim.address}`))
  await until(async () => (await producer.fetchPublishMessageQueues(topic)).length === 4, 30_000)
  expect(await usedBrokers(400)).toEqual(new Set([other.name]))
  expect(history.rejected.size).toBe(0)

  await victim.restart()
  await until(() => brokerOfLast() === victim.name, 60_000)
  expect(await usedBrokers(400)).toEqual(new Set([victim.name, other.name]))
  await stopSending()

  expect([...history.rejected.values()]).toEqual([])
  const stored = await readTopic(consumer, topic, history.acknowledged.size, 30_000)
  expect(history.compare(stored)).toEqual({ lost: [], falselyDenied: [] })
  expect(Math.max(...copies(stored).values())).toBeLessThanOrEqual(3)
})

test('no send fails when a master is killed in the middle of 2,000 sends at once', async () => {
  const { cluster, first: victim } = masters
  const topic = uniqueName('burst')
  await createTopic(cluster, topic)
  const { namesrvAddr } = cluster
  const producer = await startProducer({ namesrvAddr, requestTimeout: 10_000, sendTimeout: 30_000 })
  const history = new SendHistory()
  await producer.send({ topic, body: 'first' })
  const body = (i: number) => `${i} ${'x'.repeat(4_000)}`
  const sends = Promise.all(
    Array.from({ length: 2_000 }, (_, i) => history.note(body(i), producer.send({ topic, body: body(i) }))),
  )
  await until(() => history.acknowledged.size > 0)
  await kill(victim)
  await sends

  expect([...history.rejected.values()]).toEqual([])
  await victim.restart()
  const consumer = await startConsumer({ namesrvAddr })
  const stored = await readTopic(consumer, topic, 2_001, 30_000)
  expect(history.compare(stored)).toEqual({ lost: [], falselyDenied: [] })
})
