import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { Client } from '../../src/client/client.js'
import type { LockLoss, QueueLock } from '../../src/consumer/queue-lock.js'
import { QueueLocks } from '../../src/consumer/queue-locks.js'
import type { MessageQueue } from '../../src/message/message.js'
import { brokerData, queueData, routeBody, type ScriptedCluster, scriptedCluster } from '../support/scripted-cluster.js'
import { LockCode, ScriptedLocks } from '../support/scripted-locks.js'
import { scriptedServer } from '../support/scripted-server.js'
import { rejectionOf, turns, until } from '../support/until.js'

const SYSTEM_ERROR = 1

function queue(queueId: number, brokerName = 'broker-a'): MessageQueue {
  return { topic: 'T', brokerName, queueId }
}

async function setUp(brokerNames: readonly string[] = ['broker-a']) {
  const cluster = await scriptedCluster(brokerNames)
  const locksOf = cluster.brokers.map((broker) => new ScriptedLocks(broker))
  const client = new Client({ namesrvAddr: cluster.namesrvAddr })
  onTestFinished(() => client.shutdown())
  await client.start()
  await client.routes.route('T')
  const locks = new QueueLocks(client, 'ns%g')
  onTestFinished(() => locks.stop())
  locks.start()
  return { cluster, broker: cluster.broker(), client, locks, locksOf, atBroker: locksOf[0] as ScriptedLocks }
}

/** Time stands still until the test moves it. */
function fakeTime() {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance', 'Date'] })
  onTestFinished(() => void vi.useRealTimers())
}

/** A lock with what its listener is told. */
async function watched(locks: QueueLocks, queueId = 0) {
  const lock = (await locks.take(queue(queueId))) as QueueLock
  const told: (LockLoss | 'TAKEN')[] = []
  lock.listener = { onLockLost: (loss) => told.push(loss), onLockTaken: () => told.push('TAKEN') }
  return { lock, told }
}

/** Makes another server the broker's master. */
async function moveBroker(cluster: ScriptedCluster) {
  const server = await scriptedServer()
  const body = routeBody({
    queueDatas: [queueData('broker-a')],
    brokerDatas: [brokerData('broker-a', { 0: server.address })],
  })
  cluster.nameServer.routes.set('T', body)
  return server
}

describe('locks', () => {
  it('are asked for broker by broker where several have one address, which is a proxy, and given back so', async () => {
    const { cluster, client, locks, atBroker, broker } = await setUp()
    const names = ['broker-a', 'broker-b']
    const body = routeBody({
      queueDatas: names.map((name) => queueData(name)),
      brokerDatas: names.map((name) => brokerData(name, { 0: broker.address })),
    })
    cluster.nameServer.routes.set('T', body)
    await client.routes.refresh('T')
    const wanted = [queue(0), queue(1, 'broker-b'), queue(2), queue(3, 'broker-b')]
    const taken = await Promise.all(wanted.map((one) => locks.take(one)))
    expect(taken.map((lock) => lock?.isHeld)).toEqual([true, true, true, true])
    expect(atBroker.locks.map(({ queues }) => queues)).toEqual([
      ['T-0', 'T-2'],
      ['T-1', 'T-3'],
    ])
    await locks.stop()
    expect(atBroker.unlocks.map(({ queues }) => queues)).toEqual([
      ['T-0', 'T-2'],
      ['T-1', 'T-3'],
    ])
  })

  it('are taken broker by broker, all that are wanted at a time with one request', async () => {
    const { locks, locksOf, client } = await setUp(['broker-a', 'broker-b'])
    const wanted = [queue(0), queue(1), queue(2), queue(0, 'broker-b')]
    const taken = await Promise.all(wanted.map((one) => locks.take(one)))
    expect(taken.map((lock) => lock?.isHeld)).toEqual([true, true, true, true])
    const { clientId } = client
    expect(locksOf.map(({ requests }) => requests)).toEqual([
      [{ kind: 'lock', clientId, group: 'ns%g', queues: ['T-0', 'T-1', 'T-2'] }],
      [{ kind: 'lock', clientId, group: 'ns%g', queues: ['T-0'] }],
    ])
  })

  it('are not there when another member has them', async () => {
    const { locks, atBroker } = await setUp()
    atBroker.owners.set('T-1', 'another')
    const taken = await Promise.all([locks.take(queue(0)), locks.take(queue(1))])
    expect(taken.map((lock) => lock?.isHeld)).toEqual([true, undefined])
    atBroker.owners.clear()
    expect(await locks.take(queue(1))).toMatchObject({ isHeld: true })
  })

  it('are not there when a broker gives those of other queues', async () => {
    const { locks, atBroker } = await setUp()
    atBroker.onLock = (request, connection) => {
      const lockOKMQSet = [queue(7), { ...queue(0), topic: 'U' }, queue(0, 'broker-b')]
      connection.answer(request, { body: Buffer.from(JSON.stringify({ lockOKMQSet })) })
    }
    expect(await locks.take(queue(0))).toBeUndefined()
  })

  it('are refused to nobody by a broker that fails: that is an error', async () => {
    const { locks, atBroker } = await setUp()
    atBroker.onLock = (request, connection) => connection.answer(request, { code: SYSTEM_ERROR, remark: 'busy' })
    expect(await rejectionOf(locks.take(queue(0)))).toMatchObject({ code: 'SYSTEM_ERROR' })
    atBroker.onLock = (request, connection) => connection.answer(request, { body: Buffer.from('no JSON') })
    expect(await rejectionOf(locks.take(queue(0)))).toMatchObject({ code: 'JSON_MALFORMED' })
    expect(await rejectionOf(locks.take(queue(0, 'broker-z')))).toMatchObject({ code: 'NO_BROKER', retryable: true })
  })

  it('are renewed after a second and then every 20 seconds, all of a broker with one request', async () => {
    fakeTime()
    const { locks, locksOf } = await setUp(['broker-a', 'broker-b'])
    const wanted = [queue(0), queue(1), queue(0, 'broker-b')]
    const taken = await Promise.all(wanted.map((one) => locks.take(one)))
    for (let i = 1; i <= 4; i++) {
      vi.advanceTimersByTime(i === 1 ? 1_000 : 20_000)
      for (const one of locksOf) await until(() => one.locks.length === 1 + i)
      await turns(5)
      expect(taken.map((lock) => lock?.isHeld)).toEqual([true, true, true])
    }
    expect(locksOf[0]?.locks.at(-1)?.queues).toEqual(['T-0', 'T-1'])
    vi.advanceTimersByTime(18_000)
    await turns()
    expect(locksOf.map((one) => one.locks.length)).toEqual([5, 5])
  })

  it('count from the time at which they were asked for', async () => {
    fakeTime()
    const { locks, atBroker } = await setUp()
    atBroker.onLock = (request, connection) => {
      vi.advanceTimersByTime(900)
      atBroker.grant(request, connection)
      atBroker.onLock = () => undefined
    }
    const { lock } = await watched(locks)
    vi.advanceTimersByTime(29_000)
    expect(lock.isHeld).toBe(true)
    vi.advanceTimersByTime(100)
    expect(lock.isHeld).toBe(false)
  })
})

describe('a lock', () => {
  it('is lost at once when a broker does not renew it; it is asked for every second, and may come back', async () => {
    fakeTime()
    const { locks, atBroker, client } = await setUp()
    const { lock, told } = await watched(locks)
    const other = await watched(locks, 1)
    atBroker.owners.set('T-0', 'another')
    vi.advanceTimersByTime(1_000)
    await until(() => !lock.isHeld)
    expect(told).toEqual(['REFUSED'])
    vi.advanceTimersByTime(1_000)
    await until(() => atBroker.locks.length === 4)
    await turns(5)
    atBroker.owners.delete('T-0')
    vi.advanceTimersByTime(1_000)
    await until(() => lock.isHeld)
    expect(told).toEqual(['REFUSED', 'TAKEN'])
    expect(atBroker.owners.get('T-0')).toBe(client.clientId)
    expect(other).toMatchObject({ lock: { isHeld: true }, told: [] })
  })

  it('is lost when it could not be renewed for 30 seconds, and asked for again', async () => {
    fakeTime()
    const { locks, atBroker } = await setUp()
    const { lock, told } = await watched(locks)
    atBroker.onLock = (request, connection) => connection.answer(request, { code: SYSTEM_ERROR, remark: 'busy' })
    for (let second = 1; second <= 29; second++) {
      vi.advanceTimersByTime(1_000)
      await until(() => atBroker.locks.length === 1 + second)
      await turns(2)
      expect(lock.isHeld).toBe(true)
    }
    vi.advanceTimersByTime(1_000)
    expect(lock.isHeld).toBe(false)
    expect(told).toEqual(['EXPIRED'])
    await until(() => atBroker.locks.length === 31)
    await turns(2)
    atBroker.onLock = undefined
    vi.advanceTimersByTime(1_000)
    await until(() => lock.isHeld)
    expect(told).toEqual(['EXPIRED', 'TAKEN'])
  })

  it('tells that it had expired also when it is renewed before anybody noticed', async () => {
    fakeTime()
    const { locks } = await setUp()
    const { lock, told } = await watched(locks)
    lock.take(lock.address, performance.now())
    expect(told).toEqual([])
    // A process that stood still.
    vi.setSystemTime(Date.now() + 40_000)
    const now = performance.now()
    vi.spyOn(performance, 'now').mockImplementation(() => now + 40_000)
    onTestFinished(() => void vi.restoreAllMocks())
    expect(lock.isHeld).toBe(false)
    lock.take(lock.address, performance.now())
    expect(told).toEqual(['EXPIRED', 'TAKEN'])
    expect(lock.isHeld).toBe(true)
  })

  it('is in doubt when the connection to its broker is cut, until the broker has renewed it', async () => {
    const { locks, broker, atBroker } = await setUp()
    const { lock, told } = await watched(locks)
    for (const connection of broker.server.openConnections) connection.reset()
    await until(() => told.length === 2)
    expect(told).toEqual(['DISCONNECTED', 'TAKEN'])
    expect(lock.isHeld).toBe(true)
    expect(atBroker.locks).toHaveLength(2)
  })

  it('is lost when another member was given it while the connection was cut', async () => {
    const { locks, broker, atBroker } = await setUp()
    const { lock, told } = await watched(locks)
    atBroker.owners.set('T-0', 'another')
    for (const connection of broker.server.openConnections) connection.reset()
    await until(() => told.length === 2)
    expect(told).toEqual(['DISCONNECTED', 'REFUSED'])
    expect(lock.isHeld).toBe(false)
  })

  it('outlives cuts of connections to other brokers', async () => {
    const { locks, cluster, client } = await setUp(['broker-a', 'broker-b'])
    const { lock, told } = await watched(locks)
    await locks.take(queue(0, 'broker-b'))
    let cuts = 0
    client.remoting.on('disconnect', () => cuts++)
    for (const connection of cluster.broker(1).server.openConnections) connection.reset()
    await until(() => cuts === 1)
    expect(lock.isHeld).toBe(true)
    expect(told).toEqual([])
  })

  it('is taken anew from the broker that has the queue now', async () => {
    fakeTime()
    const { locks, cluster, client } = await setUp()
    const { lock, told } = await watched(locks)
    const server = await moveBroker(cluster)
    await client.routes.refresh('T')
    server.script = (request, connection) => {
      const { mqSet } = request.code === LockCode.LOCK ? JSON.parse(request.body.toString()) : { mqSet: [] }
      connection.answer(request, { body: Buffer.from(JSON.stringify({ lockOKMQSet: mqSet })) })
    }
    vi.advanceTimersByTime(1_000)
    expect(told).toEqual(['MOVED'])
    await until(() => lock.isHeld)
    expect(lock.address).toBe(server.address)
    expect(told).toEqual(['MOVED', 'TAKEN'])
  })

  it('is given back to the broker that has the queue now when that gives it after it was given up', async () => {
    fakeTime()
    const { locks, cluster, client } = await setUp()
    const { lock } = await watched(locks)
    await watched(locks, 1)
    const server = await moveBroker(cluster)
    await client.routes.refresh('T')
    const held: (() => void)[] = []
    server.script = (request, connection) => {
      if (request.code !== LockCode.LOCK) connection.answer(request)
      else {
        const lockOKMQSet = JSON.parse(request.body.toString()).mqSet
        held.push(() => connection.answer(request, { body: Buffer.from(JSON.stringify({ lockOKMQSet })) }))
      }
    }
    vi.advanceTimersByTime(1_000)
    await until(() => held.length === 1)
    await locks.release(lock)
    held[0]?.()
    await until(() => server.requestsOf(LockCode.UNLOCK).length === 1)
    const [unlock] = server.requestsOf(LockCode.UNLOCK)
    expect(JSON.parse(unlock?.body.toString() ?? '').mqSet).toEqual([queue(0)])
  })

  it('says when it was renewed last', async () => {
    fakeTime()
    const { locks } = await setUp()
    const { lock } = await watched(locks)
    const takenAt = lock.lastLockTimestamp
    expect(takenAt).toBe(Date.now())
    vi.advanceTimersByTime(1_000)
    await until(() => lock.lastLockTimestamp === takenAt + 1_000)
  })
})

describe('giving locks back', () => {
  it('is told to the broker with one request, and they are not renewed any more', async () => {
    fakeTime()
    const { locks, atBroker } = await setUp()
    const [first, second] = await Promise.all([locks.take(queue(0)), locks.take(queue(1)), locks.take(queue(2))])
    await Promise.all([locks.release(first as QueueLock), locks.release(second as QueueLock)])
    expect(atBroker.unlocks).toMatchObject([{ queues: ['T-0', 'T-1'], group: 'ns%g' }])
    expect([...atBroker.owners.keys()]).toEqual(['T-2'])
    vi.advanceTimersByTime(1_000)
    await until(() => atBroker.locks.length === 2)
    expect(atBroker.locks.at(-1)?.queues).toEqual(['T-2'])
  })

  it('waits for a renewal under way, which might come later than it to the broker', async () => {
    fakeTime()
    const { locks, atBroker } = await setUp()
    const { lock, told } = await watched(locks)
    const held: (() => void)[] = []
    atBroker.onLock = (request, connection) => held.push(() => atBroker.grant(request, connection))
    vi.advanceTimersByTime(1_000)
    await until(() => held.length === 1)
    const released = locks.release(lock)
    await turns()
    expect(atBroker.unlocks).toEqual([])
    held[0]?.()
    await released
    expect(atBroker.requests.map(({ kind }) => kind)).toEqual(['lock', 'lock', 'unlock'])
    expect(atBroker.owners.size).toBe(0)
    expect(told).toEqual([])
  })

  it('is not needed of one that another member has', async () => {
    fakeTime()
    const { locks, atBroker } = await setUp()
    const { lock } = await watched(locks)
    atBroker.owners.set('T-0', 'another')
    vi.advanceTimersByTime(1_000)
    await until(() => !lock.isHeld)
    await locks.release(lock)
    expect(atBroker.unlocks).toEqual([])
  })

  it('happens once, and never to another lock of the same queue', async () => {
    const { locks, atBroker } = await setUp()
    const { lock } = await watched(locks)
    await Promise.all([locks.release(lock), locks.release(lock)])
    await watched(locks)
    await locks.release(lock)
    expect(atBroker.unlocks).toHaveLength(1)
    expect(atBroker.owners.size).toBe(1)
  })

  it('does not fail when the broker does', async () => {
    const { locks, broker } = await setUp()
    const { lock } = await watched(locks)
    broker.scripts.set(LockCode.UNLOCK, (request, connection) => connection.answer(request, { code: SYSTEM_ERROR }))
    await locks.release(lock)
    expect(broker.server.requestsOf(LockCode.UNLOCK)).toHaveLength(1)
  })
})

describe('at the end', () => {
  it('what is left is given back, nobody listens and nothing is asked for any more', async () => {
    fakeTime()
    const { locks, atBroker, client } = await setUp()
    await Promise.all([locks.take(queue(0)), locks.take(queue(1))])
    const listeners = client.remoting.listenerCount('disconnect')
    await locks.stop()
    expect(atBroker.unlocks).toMatchObject([{ queues: ['T-0', 'T-1'] }])
    expect(client.remoting.listenerCount('disconnect')).toBe(listeners - 1)
    vi.advanceTimersByTime(60_000)
    await turns()
    expect(atBroker.locks).toHaveLength(1)
  })

  it('a lock that comes too late is given back at once', async () => {
    const { locks, atBroker } = await setUp()
    const held: (() => void)[] = []
    atBroker.onLock = (request, connection) => held.push(() => atBroker.grant(request, connection))
    const taking = locks.take(queue(0))
    await until(() => held.length === 1)
    await locks.stop()
    held[0]?.()
    expect(await taking).toBeUndefined()
    expect(atBroker.owners.size).toBe(0)
  })
})
