import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { ClientError } from '../../src/errors.js'
import { silentLogger } from '../../src/logger.js'
import type { MessageQueue } from '../../src/message/message.js'
import type { MessageQueueSelector } from '../../src/producer/queue-selector.js'
import { TopicQueues } from '../../src/producer/topic-queues.js'
import { LatencyFaultTolerance } from '../../src/route/latency-fault-tolerance.js'
import { TopicRoute } from '../../src/route/topic-route.js'
import { connected, startedProducer } from '../support/members-under-test.js'
import {
  brokerData,
  Code,
  queueData,
  routeBody,
  type ScriptedBroker,
  type ScriptedCluster,
  scriptedCluster,
} from '../support/scripted-cluster.js'
import { type Script, scriptedServer, unusedAddress } from '../support/scripted-server.js'
import { rejectionOf, until } from '../support/until.js'

const message = { topic: 'T', body: 'x' }

/** How many sends each queue of a broker got. */
function perQueue(broker: ScriptedBroker): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const request of broker.sends) counts[`${request.field('e')}`] = (counts[`${request.field('e')}`] ?? 0) + 1
  return counts
}

function queue(brokerName: string, queueId: number): MessageQueue {
  return { topic: 'T', brokerName, queueId }
}

/** Two brokers in the route, of which the second one is not there. */
async function halfDeadCluster(): Promise<{ cluster: ScriptedCluster; deadAddress: string }> {
  const cluster = await scriptedCluster()
  const deadAddress = unusedAddress()
  const body = routeBody({
    queueDatas: [queueData('broker-a'), queueData('broker-b')],
    brokerDatas: [brokerData('broker-a', { 0: cluster.broker().address }), brokerData('broker-b', { 0: deadAddress })],
  })
  cluster.nameServer.routes.set('T', body)
  return { cluster, deadAddress }
}

describe('sends without a queue of their own', () => {
  it('go to all queues in turn', async () => {
    const cluster = await scriptedCluster(['broker-a', 'broker-b'])
    const producer = await startedProducer(cluster)
    for (let i = 0; i < 80; i++) await producer.send(message)
    const even = { 0: 10, 1: 10, 2: 10, 3: 10 }
    expect(cluster.brokers.map(perQueue)).toEqual([even, even])
  })

  it('go to all queues in turn also when they are started at once', async () => {
    const cluster = await scriptedCluster(['broker-a', 'broker-b'])
    const producer = await startedProducer(cluster)
    await producer.send(message)
    await Promise.all(Array.from({ length: 79 }, () => producer.send(message)))
    expect(cluster.brokers.map((broker) => broker.sends.length)).toEqual([40, 40])
  })

  it('go in turn for each topic by itself', async () => {
    const cluster = await scriptedCluster()
    cluster.addTopic('U', 4)
    const producer = await startedProducer(cluster)
    for (let i = 0; i < 8; i++) {
      await producer.send(message)
      await producer.send({ topic: 'U', body: 'x' })
    }
    for (const topic of ['T', 'U']) {
      const queues = cluster
        .broker()
        .sends.filter((send) => send.field('b') === topic)
        .map((send) => send.field('e'))
      expect(new Set(queues.slice(0, 4)).size).toBe(4)
      expect(queues.slice(4)).toEqual(queues.slice(0, 4))
    }
  })

  it('leave out a broker that can not be reached, and keep to turns among the others', async () => {
    const { cluster } = await halfDeadCluster()
    const producer = await startedProducer(cluster)
    // One of these may find out that the broker is dead; it goes to the other one then.
    for (let i = 0; i < 8; i++) await producer.send(message)
    const before = cluster.broker().sends.length
    for (let i = 0; i < 40; i++) await producer.send(message)
    expect(cluster.broker().sends.length - before).toBe(40)
    const last = cluster
      .broker()
      .sends.slice(-40)
      .map((send) => send.field('e'))
    for (const queueId of ['0', '1', '2', '3']) expect(last.filter((each) => each === queueId)).toHaveLength(10)
  })

  it('come back to a broker that can be reached again', async () => {
    const { cluster, deadAddress } = await halfDeadCluster()
    const back = await scriptedServer({ script: cluster.broker().server.script })
    let isBack = false
    const addressMap = (address: string) => (isBack && address === deadAddress ? back.address : address)
    const producer = await startedProducer(cluster, { addressMap })
    await producer.send(message)
    isBack = true
    await until(async () => {
      await producer.send(message)
      return back.requestsOf(Code.SEND).length > 0
    })
  })

  it('leave out brokers without a master and topics that are not writable there', async () => {
    const cluster = await scriptedCluster(['broker-a', 'broker-b', 'broker-c'])
    const [a, b, c] = cluster.brokers.map((broker) => broker.address)
    const body = routeBody({
      queueDatas: [queueData('broker-a'), queueData('broker-b'), queueData('broker-c', 4, 4)],
      brokerDatas: [
        brokerData('broker-a', { 0: `${a}` }),
        brokerData('broker-b', { 1: `${b}` }),
        brokerData('broker-c', { 0: `${c}` }),
      ],
    })
    cluster.nameServer.routes.set('T', body)
    const producer = await startedProducer(cluster)
    for (let i = 0; i < 12; i++) await producer.send(message)
    expect(cluster.brokers.map((broker) => broker.sends.length)).toEqual([12, 0, 0])
  })

  it('are NO_BROKER when there is no writable queue at all, after the route was asked for once more', async () => {
    const cluster = await scriptedCluster()
    cluster.nameServer.routes.set(
      'T',
      routeBody({ queueDatas: [queueData('broker-a', 4, 4)], brokerDatas: [brokerData('broker-a', { 0: 'a:1' })] }),
    )
    const producer = await startedProducer(cluster)
    const error = await rejectionOf(producer.send(message))
    expect(error).toBeInstanceOf(ClientError)
    expect(error).toMatchObject({ code: 'NO_BROKER', retryable: true })
    expect(error.message).toContain('topic T')
    expect(cluster.nameServer.asked('T')).toBe(2)
  })

  it('find the queues that a topic got meanwhile', async () => {
    const cluster = await scriptedCluster()
    const producer = await startedProducer(cluster, { pollNameServerInterval: 20 })
    await producer.send(message)
    cluster.addTopic('T', 6)
    await until(async () => {
      await producer.send(message)
      return perQueue(cluster.broker())[5]
    })
  })
})

/** A route with two queues on each broker. */
function routeOf(...brokerNames: string[]): TopicRoute {
  return new TopicRoute('T', {
    orderTopicConf: undefined,
    topicQueueMappings: [],
    queueDatas: brokerNames.map((brokerName) => ({
      brokerName,
      readQueueNums: 2,
      writeQueueNums: 2,
      perm: 6,
      topicSysFlag: 0,
    })),
    brokerDatas: brokerNames.map((brokerName) => ({
      cluster: 'c',
      brokerName,
      brokerAddrs: new Map([[0, `${brokerName}:10911`]]),
    })),
  })
}

/** Any failure is an hour of isolation; there is no detector. */
function hourOfIsolation(): LatencyFaultTolerance {
  const settings = {
    latencyMax: [1_000],
    notAvailableDuration: [3_600_000],
    startDetector: false,
    detectInterval: 2_000,
    detectTimeout: 200,
  }
  return new LatencyFaultTolerance(settings, { addressOf: () => undefined, detect: async () => false }, silentLogger)
}

describe('the turns of a topic', () => {
  const route = routeOf('broker-a', 'broker-b', 'broker-c')
  const everywhere = () => true

  /** How often each queue is chosen in 60 turns. */
  function turns(
    faults: LatencyFaultTolerance | undefined,
    { avoid, isConnected = everywhere }: { avoid?: string; isConnected?: (queue: MessageQueue) => boolean } = {},
  ): Record<string, number> {
    const queues = new TopicQueues()
    const counts: Record<string, number> = {}
    for (let i = 0; i < 60; i++) {
      const chosen = queues.next(route, avoid, isConnected, faults)
      const name = `${chosen?.brokerName.slice(-1)}${chosen?.queueId}`
      counts[name] = (counts[name] ?? 0) + 1
    }
    return counts
  }

  const all = { a0: 10, a1: 10, b0: 10, b1: 10, c0: 10, c1: 10 }

  it('are even while no broker is slow, with latency fault tolerance and without', () => {
    expect(turns(undefined)).toEqual(all)
    expect(turns(hourOfIsolation())).toEqual(all)
  })

  it('leave out a broker that is unavailable, and are even among the others', () => {
    const faults = hourOfIsolation()
    faults.update('broker-b', 5, true, true)
    expect(turns(faults)).toEqual({ a0: 15, a1: 15, c0: 15, c1: 15 })
  })

  it('leave out the broker that failed last, and those that are unavailable', () => {
    const faults = hourOfIsolation()
    faults.update('broker-b', 5, true, true)
    expect(Object.keys(turns(faults, { avoid: 'broker-a' })).sort()).toEqual(['c0', 'c1'])
  })

  it('leave out a broker without a connection, and those that are unavailable', () => {
    const faults = hourOfIsolation()
    faults.update('broker-b', 5, true, true)
    const isConnected = ({ brokerName }: MessageQueue) => brokerName !== 'broker-c'
    expect(turns(faults, { isConnected })).toEqual({ a0: 30, a1: 30 })
  })

  it('go to brokers that are reachable, while none is available', () => {
    const faults = hourOfIsolation()
    faults.update('broker-a', 5, true, false)
    faults.update('broker-b', 5, true, true)
    faults.update('broker-c', 5, true, true)
    expect(turns(faults)).toEqual({ b0: 15, b1: 15, c0: 15, c1: 15 })
    expect(Object.keys(turns(faults, { avoid: 'broker-b' })).sort()).toEqual(['c0', 'c1'])
  })

  it('go to all that have a connection, while none is available and none reachable', () => {
    const faults = hourOfIsolation()
    for (const name of ['broker-a', 'broker-b', 'broker-c']) faults.update(name, 5, true, false)
    expect(turns(faults)).toEqual(all)
    const isConnected = ({ brokerName }: MessageQueue) => brokerName !== 'broker-c'
    expect(turns(faults, { isConnected })).toEqual({ a0: 15, a1: 15, b0: 15, b1: 15 })
  })

  it('prefer a broker that is unavailable to one without a connection', () => {
    const faults = hourOfIsolation()
    faults.update('broker-a', 5, true, false)
    expect(turns(faults, { isConnected: ({ brokerName }) => brokerName === 'broker-a' })).toEqual({ a0: 30, a1: 30 })
  })

  it.each([undefined, hourOfIsolation()])('are even also while no broker has a connection', (faults) => {
    faults?.update('broker-b', 5, true, true)
    expect(turns(faults, { isConnected: () => false })).toEqual(all)
  })

  it.each([undefined, hourOfIsolation()])(
    'come back to the broker that failed last when it is the only one',
    (faults) => {
      faults?.update('broker-a', 5, true, true)
      const queues = new TopicQueues()
      const chosen = Array.from({ length: 50 }, () => queues.next(routeOf('broker-a'), 'broker-a', everywhere, faults))
      expect(new Set(chosen.map((each) => each?.queueId))).toEqual(new Set([0, 1]))
    },
  )

  it.each([undefined, hourOfIsolation()])('end when a route has no queue', (faults) => {
    faults?.update('broker-a', 5, true, true)
    expect(new TopicQueues().next(routeOf(), undefined, everywhere, faults)).toBeUndefined()
  })
})

describe('with latency fault tolerance, sends', () => {
  const BUSY = 2
  const MESSAGE_ILLEGAL = 13
  const refuse =
    (code: number): Script =>
    (request, connection) =>
      connection.answer(request, { code, remark: 'no' })

  it('leave a broker alone after one refusal, as long as the table says', async () => {
    const cluster = await scriptedCluster(['broker-a', 'broker-b'])
    const producer = await startedProducer(cluster, { latencyFaultTolerance: true })
    await connected(producer)
    cluster.broker(0).scripts.set(Code.SEND, refuse(BUSY))
    await until(async () => {
      await producer.send(message)
      return cluster.broker(0).sends.length > 0
    })
    cluster.broker(0).scripts.delete(Code.SEND)
    for (let i = 0; i < 40; i++) await producer.send(message)
    expect(cluster.broker(0).sends).toHaveLength(1)
  })

  it('come back to the broker when its time is over', async () => {
    const cluster = await scriptedCluster(['broker-a', 'broker-b'])
    const latencyFaultTolerance = { latencyMax: [5_000], notAvailableDuration: [100] }
    const producer = await startedProducer(cluster, { latencyFaultTolerance })
    await connected(producer)
    cluster.broker(0).scripts.set(Code.SEND, refuse(BUSY))
    await until(async () => {
      await producer.send(message)
      return cluster.broker(0).sends.length > 0
    })
    cluster.broker(0).scripts.delete(Code.SEND)
    await until(async () => (await producer.send(message)).messageQueue.brokerName === 'broker-a')
  })

  it('do not blame the broker for a message that it refuses for good', async () => {
    const cluster = await scriptedCluster(['broker-a', 'broker-b'])
    const producer = await startedProducer(cluster, { latencyFaultTolerance: true })
    await connected(producer)
    cluster.broker(0).scripts.set(Code.SEND, refuse(MESSAGE_ILLEGAL))
    const ends = await Promise.allSettled(Array.from({ length: 40 }, () => producer.send(message)))
    expect(ends.filter(({ status }) => status === 'rejected')).toHaveLength(20)
    expect(cluster.broker(0).sends).toHaveLength(20)
  })

  it('go to the broker that the detector finds well again, while all are unavailable', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    onTestFinished(() => void vi.useRealTimers())
    const cluster = await scriptedCluster(['broker-a', 'broker-b'])
    const latencyFaultTolerance = {
      latencyMax: [5_000],
      notAvailableDuration: [3_600_000],
      startDetector: true,
      detectTimeout: 5_000,
    }
    const news: string[] = []
    const logger = { ...silentLogger, info: (text: string) => void news.push(text) }
    const options = { latencyFaultTolerance, logger, retryTimesWhenSendFailed: 0 }
    const producer = await startedProducer(cluster, options)
    await connected(producer)
    await producer.send(message)
    for (const broker of cluster.brokers) broker.scripts.set(Code.SEND, refuse(BUSY))
    cluster.broker(0).scripts.set(Code.MAX_OFFSET, refuse(BUSY))
    cluster.broker(1).scripts.set(Code.MAX_OFFSET, (request, connection) => {
      connection.answer(request, { fields: { offset: 7 } })
    })
    for (const name of ['broker-a', 'broker-b']) await rejectionOf(producer.send(message, { queue: queue(name, 0) }))
    vi.advanceTimersByTime(3_000)
    await until(() => news.includes('broker broker-b is reachable again'))
    const [asked] = cluster.broker(1).server.requestsOf(Code.MAX_OFFSET)
    expect([asked?.field('topic'), asked?.field('queueId')]).toEqual(['T', '0'])

    for (const broker of cluster.brokers) broker.scripts.delete(Code.SEND)
    const results = await Promise.all(Array.from({ length: 20 }, () => producer.send(message)))
    expect(new Set(results.map(({ messageQueue }) => messageQueue.brokerName))).toEqual(new Set(['broker-b']))
  })
})

describe('a send with a queue of its own', () => {
  it('goes there and nowhere else', async () => {
    const cluster = await scriptedCluster(['broker-a', 'broker-b'])
    const producer = await startedProducer(cluster)
    for (let i = 0; i < 5; i++) {
      const result = await producer.send(message, { queue: queue('broker-b', 2) })
      expect(result.messageQueue).toEqual(queue('broker-b', 2))
    }
    expect(perQueue(cluster.broker(1))).toEqual({ 2: 5 })
    expect(cluster.broker(0).sends).toHaveLength(0)
  })

  it.each<[string, unknown]>([
    ['of another topic', { topic: 'U', brokerName: 'broker-a', queueId: 0 }],
    ['of an unknown broker', { topic: 'T', brokerName: 'broker-x', queueId: 0 }],
    ['with an id out of range', { topic: 'T', brokerName: 'broker-a', queueId: 4 }],
    ['with a negative id', { topic: 'T', brokerName: 'broker-a', queueId: -1 }],
    ['with an id that is text', { topic: 'T', brokerName: 'broker-a', queueId: '0' }],
    ['that is null', null],
    ['that is a number', 3],
    ['that is an empty object', {}],
  ])('is refused before anything is sent when it is one %s', async (_what, given) => {
    const cluster = await scriptedCluster()
    const producer = await startedProducer(cluster)
    const error = await rejectionOf(producer.send(message, { queue: given as MessageQueue }))
    expect(error).toBeInstanceOf(ClientError)
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' })
    expect(error.message).toContain('broker-a:0, broker-a:1, broker-a:2, broker-a:3')
    expect(cluster.broker().sends).toHaveLength(0)
  })
})

describe('a selector', () => {
  it('gets all queues in order and the message, and chooses', async () => {
    const cluster = await scriptedCluster(['broker-b', 'broker-a'])
    const producer = await startedProducer(cluster)
    const seen: unknown[] = []
    const selector: MessageQueueSelector = (queues, given) => {
      seen.push(queues.map(({ brokerName, queueId }) => `${brokerName}${queueId}`).join(), given)
      return queues[5] as MessageQueue
    }
    const { messageQueue } = await producer.send(message, { selector })
    expect(seen).toEqual(['broker-a0,broker-a1,broker-a2,broker-a3,broker-b0,broker-b1,broker-b2,broker-b3', message])
    expect(messageQueue).toEqual(queue('broker-b', 1))
  })

  it.each<[string, MessageQueueSelector, RegExp]>([
    [
      'throws',
      () => {
        throw new Error('I can not choose')
      },
      /the queue selector threw: .*I can not choose/s,
    ],
    ['returns nothing', (() => undefined) as never, /the queue that the selector returned, undefined/],
    ['returns a number', (() => 2) as never, /the queue that the selector returned, 2/],
    [
      'returns a promise',
      (async (queues: unknown[]) => queues[0]) as never,
      /the queue that the selector returned, Promise/,
    ],
    ['returns a queue that is not there', () => queue('broker-a', 9), /queueId: 9/],
  ])("that %s is the caller's fault: nothing is sent", async (_what, selector, problem) => {
    const cluster = await scriptedCluster()
    const producer = await startedProducer(cluster)
    const error = await rejectionOf(producer.send(message, { selector }))
    expect(error).toBeInstanceOf(ClientError)
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' })
    expect(error.message).toMatch(problem)
    expect(cluster.broker().sends).toHaveLength(0)
  })
})

describe('a sharding key', () => {
  it('leads to one queue, the same whether it stands in the message or in the options', async () => {
    const cluster = await scriptedCluster(['broker-a', 'broker-b'])
    const producer = await startedProducer(cluster)
    for (let i = 0; i < 50; i++) {
      const shardingKey = `order-${i}`
      const first = await producer.send({ ...message, shardingKey })
      const second = await producer.send(message, { shardingKey })
      expect(second.messageQueue).toEqual(first.messageQueue)
    }
    expect(
      new Set(cluster.brokers.flatMap((broker) => broker.sends.map((send) => `${broker.name}${send.field('e')}`))).size,
    ).toBe(8)
  })

  it.each([
    ['a', 97 % 8],
    ['polygenelubricants', 0],
    ['TagA', 2598919 % 8],
  ])("chooses by Java's hash: %s", async (shardingKey, index) => {
    const cluster = await scriptedCluster(['broker-a', 'broker-b'])
    const producer = await startedProducer(cluster)
    const { messageQueue } = await producer.send(message, { shardingKey })
    expect(messageQueue).toEqual(queue(index < 4 ? 'broker-a' : 'broker-b', index % 4))
  })

  it.each([7, {}, ''])('in the options must be a text: not %j', async (shardingKey) => {
    const cluster = await scriptedCluster()
    const producer = await startedProducer(cluster)
    const error = await rejectionOf(producer.send(message, { shardingKey: shardingKey as string }))
    expect(error).toBeInstanceOf(ClientError)
    expect(error.message).toContain('shardingKey')
    expect(cluster.broker().sends).toHaveLength(0)
  })
})

describe('fetchPublishMessageQueues', () => {
  it('gives the queues in order, from the NameServer', async () => {
    const cluster = await scriptedCluster(['broker-b', 'broker-a'])
    const producer = await startedProducer(cluster)
    const queues = await producer.fetchPublishMessageQueues('T')
    expect(queues.map(({ brokerName, queueId }) => `${brokerName}${queueId}`).join()).toBe(
      'broker-a0,broker-a1,broker-a2,broker-a3,broker-b0,broker-b1,broker-b2,broker-b3',
    )
    cluster.addTopic('T', 1)
    expect(await producer.fetchPublishMessageQueues('T')).toHaveLength(2)
  })

  it("gives a list of the caller's own", async () => {
    const cluster = await scriptedCluster()
    const producer = await startedProducer(cluster)
    ;(await producer.fetchPublishMessageQueues('T')).length = 0
    expect(await producer.fetchPublishMessageQueues('T')).toHaveLength(4)
    await expect(producer.send(message)).resolves.toBeDefined()
  })

  it('is TOPIC_NOT_FOUND for a topic that is not there', async () => {
    const producer = await startedProducer(await scriptedCluster())
    expect(await rejectionOf(producer.fetchPublishMessageQueues('Missing'))).toMatchObject({ code: 'TOPIC_NOT_FOUND' })
    expect(await rejectionOf(producer.fetchPublishMessageQueues('a b'))).toMatchObject({ code: 'INVALID_ARGUMENT' })
  })
})
