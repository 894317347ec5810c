import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { FakeQueue, groupConsumer } from '../support/group-consumer-under-test.js'
import { scriptedCluster } from '../support/scripted-cluster.js'
import { GroupCode, ScriptedGroup } from '../support/scripted-group.js'
import { turns, until } from '../support/until.js'

const WATCHDOG_INTERVAL = 5_000

/** A started member of topic T with a namespace, whose watchdog looks when the test says so. */
async function watched() {
  const cluster = await scriptedCluster(['a'])
  cluster.addTopic('ns%T', 2)
  const group = new ScriptedGroup(cluster, 'ns%g')
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  onTestFinished(() => void vi.useRealTimers())
  const consumer = groupConsumer(cluster, { namespace: 'ns' })
  const events: unknown[] = []
  consumer.on('queueStalled', ({ queue, reason }) => events.push(['stalled', queue, reason]))
  consumer.on('queueRepaired', ({ queue, reason }) => events.push(['repaired', queue, reason]))
  await consumer.subscribe('T')
  await consumer.start()
  await until(() => consumer.has.length === 2)
  await until(() => consumer.health().isHealthy)
  const look = () => vi.advanceTimersByTime(WATCHDOG_INTERVAL)
  return { cluster, group, consumer, events, look }
}

const QUEUE = { topic: 'T', brokerName: 'a', queueId: 1 }
const WIRE_QUEUE = { ...QUEUE, topic: 'ns%T' }

describe('a queue that stands still', () => {
  it('is told of, makes the health bad, and is opened anew until it goes on', async () => {
    const { consumer, events, look } = await watched()
    const broken = consumer.openOf(WIRE_QUEUE)
    broken.stateParts = { isBroken: true }
    let mayOpen = false
    consumer.onOpen = async (queue) => (mayOpen ? new FakeQueue(queue) : undefined)
    look()
    await until(() => broken.isClosed)
    expect(events).toEqual([['stalled', QUEUE, 'NO_PULL']])
    expect(consumer.health()).toMatchObject({ isHealthy: false, stalled: [QUEUE] })
    mayOpen = true
    await until(() => consumer.has.length === 2)
    look()
    expect(consumer.health()).toMatchObject({ isHealthy: false, stalled: [QUEUE] })
    expect(consumer.health().queues[1]).toMatchObject({ queue: QUEUE, isStalled: true })
    consumer.openOf(WIRE_QUEUE).stateParts = { lastAnswerTimestamp: Date.now() }
    look()
    expect(events[1]).toEqual(['repaired', QUEUE, 'NO_PULL'])
    expect(consumer.health()).toMatchObject({ isHealthy: true, stalled: [] })
  })

  it('is left alone after the shutdown, and a listener that throws harms nothing', async () => {
    const { consumer, events, look } = await watched()
    consumer.on('queueStalled', () => {
      throw new Error('a listener')
    })
    const [first] = consumer.opened
    if (first !== undefined) first.stateParts = { isBroken: true }
    look()
    await until(() => consumer.opened.length === 3)
    await consumer.shutdown()
    for (const one of consumer.opened) one.stateParts = { isBroken: true }
    look()
    await turns()
    expect(events).toHaveLength(1)
    expect(consumer.opened).toHaveLength(3)
  })
})

describe('a broker that did not take a heartbeat', () => {
  it('is told again, long before the next one is due', async () => {
    const { cluster, consumer, look } = await watched()
    const broker = cluster.broker()
    const take = broker.scripts.get(GroupCode.HEARTBEAT)
    broker.scripts.set(GroupCode.HEARTBEAT, (request, connection) => connection.answer(request, { code: 1 }))
    cluster.addTopic('ns%U', 1)
    await consumer.subscribe('U')
    const beats = () => broker.server.requestsOf(GroupCode.HEARTBEAT)
    await until(() => beats().at(-1)?.body.toString().includes('ns%U'))
    if (take !== undefined) broker.scripts.set(GroupCode.HEARTBEAT, take)
    await turns()
    const before = beats().length
    look()
    await until(() => beats().length === before + 1)
    await turns()
    look()
    await turns()
    expect(beats()).toHaveLength(before + 1)
  })
})
