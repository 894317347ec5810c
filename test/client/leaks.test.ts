import { describe, it } from 'vitest'
import { Client } from '../../src/client/client.js'
import { PullConsumer } from '../../src/consumer/pull-consumer.js'
import { DefaultProducer } from '../../src/producer/default-producer.js'
import { usedHeap } from '../support/garbage.js'
import { activeResources, isNoMoreThan } from '../support/resources.js'
import { scriptedCluster } from '../support/scripted-cluster.js'
import { unusedAddress } from '../support/scripted-server.js'
import { rejectionOf, turns, until } from '../support/until.js'

/** The heap of a process at rest goes up and down by half a mebibyte. One client that is kept for each round would be ten times as much as this. */
const ALLOWED_GROWTH = 1.5 * 1024 * 1024

/** Runs a round some times to warm up, then as often as told, and compares heap and handles before and after. */
async function expectNoGrowth(
  rounds: number,
  round: () => Promise<void>,
  forget: () => void = () => undefined,
): Promise<void> {
  const run = async (count: number) => {
    for (let i = 0; i < count; i++) await round()
    forget()
    await turns()
  }
  await run(100)
  const [handles, heap] = [activeResources(), usedHeap()]
  await run(rounds)
  await until(() => isNoMoreThan(handles))
  await until(() => usedHeap() - heap < ALLOWED_GROWTH)
}

describe('again and again', () => {
  it('1,000 times start and shutdown of a producer and a consumer leave no handle and no memory', async () => {
    const cluster = await scriptedCluster()
    const { namesrvAddr } = cluster
    await expectNoGrowth(
      1_000,
      async () => {
        const producer = new DefaultProducer({ producerGroup: 'p', namesrvAddr })
        const consumer = new PullConsumer({ consumerGroup: 'c', namesrvAddr })
        await Promise.all([producer.start(), consumer.start()])
        await producer.send({ topic: 'T', body: 'x' })
        consumer.updateConsumeOffset({ topic: 'T', brokerName: 'broker-a', queueId: 0 }, 1)
        await Promise.all([producer.shutdown(), consumer.shutdown()])
      },
      () => forget(cluster),
    )
  }, 120_000)

  it('1,000 times a start that fails leaves no handle and no memory', async () => {
    const namesrvAddr = unusedAddress()
    await expectNoGrowth(1_000, async () => {
      const producer = new DefaultProducer({ producerGroup: 'p', namesrvAddr })
      const consumer = new PullConsumer({ consumerGroup: 'c', namesrvAddr })
      await Promise.all([rejectionOf(producer.start()), rejectionOf(consumer.start())])
    })
  }, 120_000)

  it('a start that fails and is tried again leaves no handle and no memory', async () => {
    const client = new Client({ namesrvAddr: unusedAddress() })
    await expectNoGrowth(300, async () => {
      await rejectionOf(client.start())
    })
    await client.shutdown()
  }, 120_000)

  it('members that come and go at a shared client leave no handle and no memory', async () => {
    const cluster = await scriptedCluster()
    const client = new Client({ namesrvAddr: cluster.namesrvAddr })
    await expectNoGrowth(
      300,
      async () => {
        const producer = new DefaultProducer({ producerGroup: 'p', client })
        await producer.start()
        await producer.send({ topic: 'T', body: 'x' })
        await producer.shutdown()
      },
      () => forget(cluster),
    )
    await client.shutdown()
  }, 120_000)

  it('a send that fails, and one with a signal, leave no handle and no memory', async () => {
    const cluster = await scriptedCluster()
    cluster.broker().scripts.set(310, (request, connection) => connection.answer(request, { code: 13, remark: 'no' }))
    const producer = new DefaultProducer({ producerGroup: 'p', namesrvAddr: cluster.namesrvAddr })
    await producer.start()
    const { signal } = new AbortController()
    await expectNoGrowth(
      300,
      async () => void (await rejectionOf(producer.send({ topic: 'T', body: 'x' }, { signal }))),
      () => forget(cluster),
    )
    await producer.shutdown()
  }, 120_000)
})

/** The servers of the test remember everything; that is no leak of the client. */
function forget(cluster: Awaited<ReturnType<typeof scriptedCluster>>): void {
  for (const server of [cluster.nameServer.server, ...cluster.brokers.map((broker) => broker.server)]) server.forget()
}
