import { expect, test } from 'vitest'
import type { DefaultProducer, ProducerOptions } from '../../src/index.js'
import { silentLogger } from '../../src/logger.js'
import type { ClusterNode } from '../support/cluster.js'
import { uniqueName } from '../support/names.js'
import { PATIENCE } from '../support/patience.js'
import { readTopic } from '../support/read-topic.js'
import { until } from '../support/until.js'
import { SendHistory, startConsumer, startProducer } from './clients-under-test.js'
import { createTopic } from './create-topic.js'
import { pause } from './nodes-under-test.js'
import { twoMasters } from './two-masters.js'

const masters = twoMasters()

/** A failed attempt counts as ten seconds; an attempt that is only slow, on a busy machine, changes nothing. */
const FAILED_ONLY = [10_000]

class Sender {
  readonly topic: string
  readonly producer: DefaultProducer
  readonly history = new SendHistory()
  #next = 0

  constructor(topic: string, producer: DefaultProducer) {
    this.topic = topic
    this.producer = producer
  }

  /** Sends one message behind the other, and gives the names of the brokers that took them. */
  async send(count = 1): Promise<Set<string>> {
    const brokers = new Set<string>()
    for (let i = 0; i < count; i++) {
      const body = `m${this.#next++}`
      await this.history.note(body, this.producer.send({ topic: this.topic, body }))
      const result = this.history.acknowledged.get(body)
      if (result !== undefined) brokers.add(result.messageQueue.brokerName)
    }
    return brokers
  }

  /** Sends until a broker takes a message. */
  async sendUntilTakenBy(broker: ClusterNode): Promise<void> {
    await until(async () => (await this.send()).has(broker.name), 60_000)
  }

  /** Sends until an attempt fails at a broker. */
  async sendUntilFailedAt(broker: ClusterNode): Promise<void> {
    const before = this.failedAt(broker)
    await until(async () => (await this.send()) && this.failedAt(broker) > before, 60_000)
  }

  failedAt(broker: ClusterNode): number {
    return this.producer.statistics().byBroker.find(({ brokerName }) => brokerName === broker.name)?.failed ?? 0
  }

  /** Holds that every send was acknowledged, and that all of them are stored. */
  async expectAllStored(): Promise<void> {
    expect([...this.history.rejected.values()]).toEqual([])
    const { requestTimeout } = PATIENCE
    const consumer = await startConsumer({ namesrvAddr: masters.cluster.namesrvAddr, requestTimeout })
    const stored = await readTopic(consumer, this.topic, this.history.acknowledged.size, 30_000)
    expect(this.history.compare(stored)).toEqual({ lost: [], falselyDenied: [] })
  }
}

/** A producer that both brokers have answered. */
async function startSender(options: Omit<ProducerOptions, 'producerGroup'>): Promise<Sender> {
  const topic = uniqueName('faults')
  const { cluster, first, second } = masters
  await createTopic(cluster, topic)
  const { namesrvAddr } = cluster
  // An attempt gets a third of the time, so that the silent broker costs two seconds at most.
  const sender = new Sender(topic, await startProducer({ namesrvAddr, sendTimeout: 6_000, ...options }))
  for (const broker of [first, second]) await sender.sendUntilTakenBy(broker)
  return sender
}

test('a silent broker is left alone after its first failure, as long as the table says, and is used again after that', async () => {
  const { first, second } = masters
  const sender = await startSender({
    latencyFaultTolerance: { latencyMax: FAILED_ONLY, notAvailableDuration: [20_000] },
  })

  pause(first)
  await sender.sendUntilFailedAt(first)
  const failed = sender.failedAt(first)
  expect(await sender.send(60)).toEqual(new Set([second.name]))
  expect(sender.failedAt(first)).toBe(failed)
  const { retried } = sender.producer.statistics()
  expect(retried).toBe(failed + sender.failedAt(second))

  first.resume()
  await sender.sendUntilTakenBy(first)
  expect(await sender.send(40)).toEqual(new Set([first.name, second.name]))
  await sender.expectAllStored()
})

test('while no broker is available, sends go to the one that the detector finds well again', async () => {
  const { first, second } = masters
  const news: string[] = []
  const sender = await startSender({
    latencyFaultTolerance: {
      latencyMax: FAILED_ONLY,
      notAvailableDuration: [3_600_000],
      startDetector: true,
      detectTimeout: 1_000,
    },
    logger: { ...silentLogger, info: (message) => void news.push(message) },
  })
  const isFoundWell = (broker: ClusterNode) => news.includes(`broker ${broker.name} is reachable again`)

  pause(first)
  await sender.sendUntilFailedAt(first)
  expect(await sender.send(40)).toEqual(new Set([second.name]))
  expect(isFoundWell(first)).toBe(false)
  first.resume()
  await until(() => isFoundWell(first), 60_000)

  pause(second)
  await sender.sendUntilFailedAt(second)
  const failed = sender.failedAt(second)
  expect(await sender.send(60)).toEqual(new Set([first.name]))
  expect(sender.failedAt(second)).toBe(failed)
  expect(isFoundWell(second)).toBe(false)

  second.resume()
  await until(() => isFoundWell(second), 60_000)
  await sender.sendUntilTakenBy(second)
  expect(await sender.send(40)).toEqual(new Set([first.name, second.name]))
  await sender.expectAllStored()
})
