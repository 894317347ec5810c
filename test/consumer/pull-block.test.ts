import { describe, expect, it } from 'vitest'
import type { RemotingCommand } from '../../src/codec/remoting-command.js'
import { RemotingError } from '../../src/errors.js'
import { startedConsumer } from '../support/members-under-test.js'
import { Code, scriptedCluster } from '../support/scripted-cluster.js'
import { type ScriptedConnection, staySilent } from '../support/scripted-server.js'
import { pullAnswer, storedMessage } from '../support/stored-message-bytes.js'
import { rejectionOf, turns, until } from '../support/until.js'

const queue = { topic: 'T', brokerName: 'broker-a', queueId: 0 }
const SUCCESS = 0
const PULL_NOT_FOUND = 19
const SUSPEND = 2
const nothingNew = pullAnswer(PULL_NOT_FOUND, { nextBeginOffset: 5 })
const found = pullAnswer(SUCCESS, { nextBeginOffset: 6 }, storedMessage({ queueOffset: 5, body: 'at last' }))

/** A broker that holds requests that may wait, and tells the others that there is nothing. */
async function setUp(answerOfLastLook = nothingNew) {
  const cluster = await scriptedCluster()
  const held: [RemotingCommand, ScriptedConnection][] = []
  cluster.broker().scripts.set(Code.PULL, (request, connection) => {
    if ((Number(request.field('sysFlag')) & SUSPEND) !== 0) held.push([request, connection])
    else connection.answer(request, answerOfLastLook)
  })
  return { cluster, held, pulls: () => cluster.broker().server.requestsOf(Code.PULL) }
}

describe('pullBlockIfNotFound', () => {
  it('asks the broker to hold the request', async () => {
    const { cluster, held } = await setUp()
    const consumer = await startedConsumer(cluster, { brokerSuspendMaxTimeMillis: 4_000 })
    const pulling = consumer.pullBlockIfNotFound(queue, { offset: 5, maxNums: 3 })
    const [request, connection] = await until(() => held[0])
    expect(request.extFields).toMatchObject({
      sysFlag: '6',
      suspendTimeoutMillis: '4000',
      queueOffset: '5',
      maxMsgNums: '3',
    })
    connection.answer(request, nothingNew)
    await expect(pulling).resolves.toMatchObject({ pullStatus: 'NO_NEW_MSG', nextBeginOffset: 5 })
  })

  it('asks it to hold the request no longer than the caller waits', async () => {
    const { cluster, held } = await setUp()
    const consumer = await startedConsumer(cluster)
    const pulling = consumer.pullBlockIfNotFound(queue, { offset: 5, timeout: 4_000 })
    const [request, connection] = await until(() => held[0])
    expect(Number(request.field('suspendTimeoutMillis'))).toBeLessThan(4_000)
    connection.answer(request, found)
    await pulling
  })

  it('wakes up when a message comes', async () => {
    const { cluster, held, pulls } = await setUp()
    const consumer = await startedConsumer(cluster)
    const pulling = consumer.pullBlockIfNotFound(queue, { offset: 5 })
    const [request, connection] = await until(() => held[0])
    let isOver = false
    pulling.then(() => {
      isOver = true
    })
    await turns()
    expect(isOver).toBe(false)
    connection.answer(request, found)
    const { messages } = await pulling
    expect(messages.map((message) => message.body.toString())).toEqual(['at last'])
    expect(pulls()).toHaveLength(1)
  })

  it('looks once more without waiting when its time runs out, and says that there is nothing', async () => {
    const { cluster, pulls } = await setUp()
    const consumer = await startedConsumer(cluster)
    const result = await consumer.pullBlockIfNotFound(queue, { offset: 5, timeout: 1_500 })
    expect(result).toMatchObject({ pullStatus: 'NO_NEW_MSG', nextBeginOffset: 5 })
    expect(pulls().map((request) => request.field('sysFlag'))).toEqual(['6', '4'])
  })

  it('finds by that last look what came while the broker slept', async () => {
    const { cluster } = await setUp(found)
    const consumer = await startedConsumer(cluster)
    const { messages } = await consumer.pullBlockIfNotFound(queue, { offset: 5, timeout: 1_500 })
    expect(messages).toHaveLength(1)
  })

  it('takes consumerTimeoutMillisWhenSuspend where the caller gives no timeout', async () => {
    const { cluster, pulls } = await setUp()
    const consumer = await startedConsumer(cluster, { consumerTimeoutMillisWhenSuspend: 1_500 })
    await expect(consumer.pullBlockIfNotFound(queue, { offset: 5 })).resolves.toMatchObject({
      pullStatus: 'NO_NEW_MSG',
    })
    expect(pulls()).toHaveLength(2)
  })

  it('drops what the broker answers to the first request after that, and the next call gets its own answer', async () => {
    const { cluster, held } = await setUp()
    const consumer = await startedConsumer(cluster)
    await consumer.pullBlockIfNotFound(queue, { offset: 5, timeout: 1_500 })
    for (const [request, connection] of held.splice(0)) connection.answer(request, found)
    const pulling = consumer.pullBlockIfNotFound(queue, { offset: 5 })
    const [request, connection] = await until(() => held[0])
    connection.answer(request, nothingNew)
    await expect(pulling).resolves.toMatchObject({ pullStatus: 'NO_NEW_MSG' })
    expect(cluster.broker().server.connection(0).isClosed).toBe(false)
  })

  it('is a TIMEOUT when the last look finds no answer either', async () => {
    const { cluster, pulls } = await setUp()
    cluster.broker().scripts.set(Code.PULL, staySilent)
    const consumer = await startedConsumer(cluster)
    // What is short here is the time for answers, not that for the route.
    await consumer.fetchSubscribeMessageQueues('T')
    const error = await rejectionOf(consumer.pullBlockIfNotFound(queue, { offset: 5, timeout: 1_000 }))
    expect(error).toBeInstanceOf(RemotingError)
    expect(error).toMatchObject({ code: 'TIMEOUT' })
    expect(pulls()).toHaveLength(2)
  })

  it('does not look once more after another failure', async () => {
    const { cluster, held, pulls } = await setUp()
    const consumer = await startedConsumer(cluster)
    const pulling = rejectionOf(consumer.pullBlockIfNotFound(queue, { offset: 5 }))
    const [request, connection] = await until(() => held[0])
    connection.answer(request, { code: 24, remark: 'no subscription' })
    expect(await pulling).toMatchObject({ responseCode: 24 })
    expect(pulls()).toHaveLength(1)
  })

  it('ends when its signal fires, and is not asked again', async () => {
    const { cluster, held, pulls } = await setUp()
    const consumer = await startedConsumer(cluster)
    const controller = new AbortController()
    const pulling = rejectionOf(consumer.pullBlockIfNotFound(queue, { offset: 5, signal: controller.signal }))
    await until(() => held.length === 1)
    controller.abort()
    expect(await pulling).toMatchObject({ code: 'ABORTED' })
    expect(pulls()).toHaveLength(1)
  })

  it('ends when the consumer shuts down', async () => {
    const { cluster, held } = await setUp()
    const consumer = await startedConsumer(cluster)
    const pulling = rejectionOf(consumer.pullBlockIfNotFound(queue, { offset: 5 }))
    await until(() => held.length === 1)
    await consumer.shutdown()
    expect(await pulling).toMatchObject({ code: 'CONNECTION_CLOSED' })
  })

  it('may wait on many queues at once over one connection', async () => {
    const { cluster, held } = await setUp()
    const consumer = await startedConsumer(cluster)
    const pulling = [0, 1, 2, 3].map((queueId) => consumer.pullBlockIfNotFound({ ...queue, queueId }, { offset: 5 }))
    await until(() => held.length === 4)
    for (const [request, connection] of held.reverse()) {
      const body = storedMessage({ queueOffset: 5, queueId: Number(request.field('queueId')) })
      connection.answer(request, pullAnswer(SUCCESS, { nextBeginOffset: 6 }, body))
    }
    const results = await Promise.all(pulling)
    expect(results.map((result) => result.messages[0]?.queueId)).toEqual([0, 1, 2, 3])
    expect(cluster.broker().server.connections).toHaveLength(1)
  })

  it('waits until a topic is known that was created a moment ago', async () => {
    const { cluster, held } = await setUp()
    const { nameServer } = cluster
    const route = nameServer.routes.get('T')
    if (route === undefined) throw new Error('the scripted cluster has no route')
    nameServer.routes.delete('T')
    const consumer = await startedConsumer(cluster)
    const pulling = consumer.pullBlockIfNotFound(queue, { offset: 5 })
    await until(() => nameServer.asked('T') >= 3)
    nameServer.routes.set('T', route)
    const [request, connection] = await until(() => held[0])
    connection.answer(request, found)
    await expect(pulling).resolves.toMatchObject({ pullStatus: 'FOUND' })
  })

  it('rejects for a topic that stays unknown, within its timeout, and at once when it is aborted', async () => {
    const consumer = await startedConsumer(await scriptedCluster())
    const missing = { ...queue, topic: 'Missing' }
    const error = await rejectionOf(consumer.pullBlockIfNotFound(missing, { offset: 0, timeout: 1_500 }))
    expect(error).toMatchObject({ name: 'ClientError', code: 'TOPIC_NOT_FOUND' })
    const controller = new AbortController()
    const aborted = rejectionOf(consumer.pullBlockIfNotFound(missing, { offset: 0, signal: controller.signal }))
    await turns()
    controller.abort()
    expect(await aborted).toMatchObject({ name: 'ClientError', code: 'ABORTED' })
  })

  it('gives a NameServer that falls silent meanwhile no more than the rest of its time', async () => {
    const cluster = await scriptedCluster()
    const consumer = await startedConsumer(cluster)
    let queries = 0
    cluster.nameServer.onRouteRequest = () => ++queries > 2
    const missing = { ...queue, topic: 'Missing' }
    const error = await rejectionOf(consumer.pullBlockIfNotFound(missing, { offset: 0, timeout: 1_000 }))
    // With all of its time again, the last query would have ended as one that had no answer at all.
    expect(error).toMatchObject({ name: 'ClientError', code: 'TOPIC_NOT_FOUND' })
    expect(queries).toBeGreaterThan(2)
  })
})
