import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { QueueRequests } from '../../src/consumer/queue-requests.js'
import { type MessageExt, PushConsumer, type PushConsumerOptions } from '../../src/index.js'
import { type Cluster, type ClusterNode, startCluster } from '../support/cluster.js'
import { uniqueName } from '../support/names.js'
import { until } from '../support/until.js'
import { SendHistory, startProducer } from './clients-under-test.js'
import { createTopic } from './create-topic.js'
import { type FaultyNetwork, faultyNetwork } from './faulty-network.js'
import { pause } from './nodes-under-test.js'

const DEADLINE = 90_000
/** A pull ends a few seconds after the broker would have answered, so that what is silent is found soon. */
const FAST = { brokerSuspendMaxTimeMillis: 500, consumerTimeoutMillisWhenSuspend: 7_000, pollNameServerInterval: 1_000 }

let cluster: Cluster
let broker: ClusterNode

beforeAll(async () => {
  cluster = await startCluster({ route: 'java', log: () => {} })
  broker = cluster.broker('broker-a')
})

afterAll(() => cluster?.stop())

/** A consumer behind a network of its own, a producer that is not, and what the one was told and the other sent. */
async function setUp(options: Partial<PushConsumerOptions> = {}) {
  const topic = uniqueName('stalled')
  await createTopic(cluster, topic)
  const { namesrvAddr } = cluster
  const network: FaultyNetwork = await faultyNetwork([namesrvAddr, broker.address])
  const consumer = new PushConsumer({
    consumerGroup: uniqueName('cg'),
    namesrvAddr,
    addressMap: network.addressMap,
    ...FAST,
    ...options,
  })
  onTestFinished(() => consumer.shutdown())
  const received = new Map<string, MessageExt>()
  const events: string[] = []
  consumer.on('queueStalled', ({ reason, queue }) => {
    if (queue.topic === topic) events.push(`stalled ${reason}`)
  })
  consumer.on('queueRepaired', ({ reason, queue }) => {
    if (queue.topic === topic) events.push(`repaired ${reason}`)
  })
  consumer.on('error', () => undefined)
  consumer.onMessage((messages) => {
    for (const message of messages) received.set(message.body.toString(), message)
  })
  await consumer.subscribe(topic)
  await consumer.start()
  const producer = await startProducer({ namesrvAddr })
  const history = new SendHistory()
  const send = async (name: string, count = 20) => {
    for (let i = 0; i < count; i++) {
      const body = `${name} ${i}`
      await history.note(body, producer.send({ topic, body }))
    }
  }
  /** Waits until the consumer has all that was sent. */
  const all = () => until(() => [...history.acknowledged.keys()].every((body) => received.has(body)), DEADLINE)
  await until(() => consumer.assignment().filter((queue) => queue.topic === topic).length === 4, DEADLINE)
  return { topic, consumer, producer, network, events, send, all, history }
}

test('goes on where connections swallow everything in silence, by new ones', async () => {
  const { consumer, network, events, send, all } = await setUp()
  await send('before')
  await all()
  network.swallow()
  await send('after')
  await all()
  await until(() => consumer.health().isHealthy, DEADLINE)
  expect(events).toEqual([])
})

test('tells of queues whose broker is silent for long, keeps them, and goes on when it is back', async () => {
  const { topic, consumer, network, events, send, all } = await setUp()
  await send('before')
  await all()
  const before = consumer.assignment()
  pause(broker)
  await until(() => events.length === 4, DEADLINE)
  expect(events).toEqual(Array(4).fill('stalled NO_ANSWER'))
  const { isHealthy, stalled } = consumer.health()
  expect(isHealthy).toBe(false)
  expect(stalled.filter((queue) => queue.topic === topic)).toHaveLength(4)

  network.cut()
  broker.resume()
  await until(() => events.length === 8, DEADLINE)
  expect(events.slice(4)).toEqual(Array(4).fill('repaired NO_ANSWER'))
  await send('after')
  await all()
  expect(consumer.assignment()).toEqual(expect.arrayContaining(before))
  await until(() => consumer.health().isHealthy, DEADLINE)
})

test('opens a queue anew whose pull never ends, which then goes on where it was', async () => {
  const { topic, consumer, events, send, all } = await setUp()
  await send('before')
  await all()
  const { pullOnce } = QueueRequests.prototype
  let lost = 0
  const spy = vi.spyOn(QueueRequests.prototype, 'pullOnce').mockImplementation(function (this: QueueRequests, request) {
    if (request.queue.topic !== topic || request.queue.queueId !== 2 || lost > 0) return pullOnce.call(this, request)
    lost++
    return new Promise(() => undefined)
  })
  onTestFinished(() => spy.mockRestore())
  await until(() => lost === 1, DEADLINE)
  await send('meanwhile')
  await until(() => events.includes('stalled NO_PULL'), DEADLINE)
  await all()
  await until(() => events.length === 2, DEADLINE)
  expect(events).toEqual(['stalled NO_PULL', 'repaired NO_PULL'])
  expect(consumer.health().stalled).toEqual([])
})
