import { describe, expect, it } from 'vitest'
import type { ProducerOptions } from '../../src/index.js'
import { startedProducer } from '../support/members-under-test.js'
import { scriptedCluster } from '../support/scripted-cluster.js'

const KEY = { shardingKey: 'order-1' }

/** The bodies in the order in which the broker got them, taken out of their batches. */
function numbers(bodies: readonly Buffer[]): number[] {
  return bodies.flatMap((body) => [...body.toString('latin1').matchAll(/#(\d+)#/g)].map(([, digits]) => Number(digits)))
}

describe.each<[string, Partial<ProducerOptions>]>([
  ['plain sends', { compressBodyOver: 1024 * 1024 }],
  ['autoBatch', { autoBatch: { maxDelay: 1 }, compressBodyOver: 1024 * 1024 }],
])('sends of one sharding key, by %s', (_what, options) => {
  it('leave in the order of their calls, also when the route is known only to the later ones', async () => {
    const cluster = await scriptedCluster()
    const producer = await startedProducer(cluster, options)
    const send = (i: number) => producer.send({ topic: 'T', body: `#${i}#` }, KEY)
    const queues = producer.fetchPublishMessageQueues('T')
    const sends = [send(0), send(1)]
    await queues
    for (let i = 2; i < 20; i++) sends.push(send(i))
    await Promise.all(sends)
    expect(numbers(cluster.broker().sends.map(({ body }) => body))).toEqual(Array.from({ length: 20 }, (_, i) => i))
  })
})

describe('sends of one sharding key', () => {
  it('leave in the order of their calls, also when a large body takes its time to be compressed', async () => {
    const cluster = await scriptedCluster()
    const producer = await startedProducer(cluster)
    await producer.send({ topic: 'T', body: 'first' })
    const sizes = [100_000, 1, 50_000, 1, 1]
    await Promise.all(sizes.map((size) => producer.send({ topic: 'T', body: 'x'.repeat(size) }, KEY)))
    const compressed = cluster
      .broker()
      .sends.slice(1)
      .map(({ body }) => body.length > 1)
    expect(compressed).toEqual([true, false, true, false, false])
  })

  it('do not hold up those of other topics, nor those without a key', async () => {
    const cluster = await scriptedCluster()
    const producer = await startedProducer(cluster)
    await producer.send({ topic: 'T', body: 'first' })
    const large = producer.send({ topic: 'T', body: 'x'.repeat(1024 * 1024) }, KEY)
    await producer.send({ topic: 'T', body: 'any' })
    expect(cluster.broker().sends.map(({ body }) => body.toString('latin1'))).toEqual(['first', 'any'])
    await large
  })

  it('end at their own time while they wait for their turn', async () => {
    const cluster = await scriptedCluster()
    const producer = await startedProducer(cluster)
    await producer.send({ topic: 'T', body: 'first' })
    const large = producer.send({ topic: 'T', body: Buffer.alloc(4 * 1024 * 1024, 'x1y') }, KEY)
    const controller = new AbortController()
    const aborted = producer.send({ topic: 'T', body: 'a' }, { ...KEY, signal: controller.signal })
    controller.abort()
    await expect(aborted).rejects.toMatchObject({ code: 'ABORTED' })
    await large
    await producer.send({ topic: 'T', body: 'last' }, KEY)
    expect(cluster.broker().sends).toHaveLength(3)
  })
})
