import { describe, expect, it } from 'vitest'
import { BrokerError, ClientError } from '../../src/errors.js'
import { decodeRecallHandle } from '../../src/producer/recall-handle.js'
import { connected, startedProducer } from '../support/members-under-test.js'
import { recallHandleOf } from '../support/recall-handle-of.js'
import { brokerData, queueData, routeBody, type ScriptedCluster, scriptedCluster } from '../support/scripted-cluster.js'
import { type Script, staySilent } from '../support/scripted-server.js'
import { rejectionOf } from '../support/until.js'

const RECALL = 370
const ID = 'AC11000100002A9F0000000000000000'
const AHEAD = Date.now() + 3_600_000

function handle(changes: { topic?: string; brokerName?: string; deliverMs?: number | string } = {}): string {
  const { topic = 'T', brokerName = 'broker-a', deliverMs = AHEAD } = changes
  return recallHandleOf('v1', topic, brokerName, deliverMs, ID)
}

function refusalOf(recallHandle: unknown): string {
  try {
    decodeRecallHandle(recallHandle as string)
  } catch (error) {
    expect(error).toBeInstanceOf(ClientError)
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' })
    return (error as Error).message
  }
  throw new Error('nothing was refused')
}

const recalled: Script = (request, connection) => connection.answer(request, { fields: { msgId: ID } })

async function clusterThat(script: Script, brokerNames?: readonly string[]): Promise<ScriptedCluster> {
  const cluster = await scriptedCluster(brokerNames)
  for (const broker of cluster.brokers) broker.scripts.set(RECALL, script)
  return cluster
}

describe('a recall handle', () => {
  it('is read as a broker made it', () => {
    const made = 'djEgVDEgYnJva2VyLWEgMTc5NTM5MDQ4MzUwMSBDMDAwMDIwMjM2RDA2Q0UzQzA2MTcxMzRCRThDMDAwMQ=='
    const read = {
      topic: 'T1',
      brokerName: 'broker-a',
      deliverMs: 1_795_390_483_501,
      msgId: 'C000020236D06CE3C0617134BE8C0001',
    }
    expect(decodeRecallHandle(made)).toEqual(read)
    expect(decodeRecallHandle(made.replace('==', ''))).toEqual(read)
    expect(decodeRecallHandle(recallHandleOf('v1', '%RETRY%ns%g', 'b>ö?', 1, 'x', 'more'))).toEqual({
      topic: '%RETRY%ns%g',
      brokerName: 'b>ö?',
      deliverMs: 1,
      msgId: 'x',
    })
  })

  it.each<[string, unknown, string]>([
    ['empty', '', 'a text is expected'],
    ['no text', 7, 'a text is expected'],
    ['no base64', 'v1 T broker-a 1 x', 'it is not base64 in its URL-safe form'],
    ['of the other base64', 'djEg+/==', 'it is not base64'],
    ['cut off', 'djEgVDEgY', 'it is not base64'],
    ['padded wrongly', 'djEgVDEg=', 'it is not base64'],
    ['only padding', '==', 'it is not base64'],
    ['the id of a message', ID, 'its version is'],
    ['of another version', recallHandleOf('v2', 'T', 'b', 1, 'x'), "its version is 'v2', this client knows v1"],
    ['without an id', recallHandleOf('v1', 'T', 'b', 1), 'it has not all of its parts: version, topic, broker, time'],
    ['with an empty part', recallHandleOf('v1', '', 'b', 1, 'x'), 'it has not all of its parts'],
    ['of a time that is no number', recallHandleOf('v1', 'T', 'b', 'soon', 'x'), "its time is 'soon'"],
    ['of a time beyond all numbers', recallHandleOf('v1', 'T', 'b', '9'.repeat(30), 'x'), 'its time is'],
  ])('that is %s is refused, and the error says so', (_what, recallHandle, problem) => {
    expect(refusalOf(recallHandle)).toContain(problem)
  })
})

describe('recall', () => {
  it('asks the master of the broker that holds the message, and resolves with its id', async () => {
    const cluster = await clusterThat(recalled, ['broker-a', 'broker-b'])
    const producer = await startedProducer(cluster)
    const recallHandle = handle({ brokerName: 'broker-b' })
    await expect(producer.recall('T', recallHandle)).resolves.toBe(ID)
    expect(cluster.broker(0).server.requestsOf(RECALL)).toEqual([])
    const [request] = cluster.broker(1).server.requestsOf(RECALL)
    expect(request?.extFields).toEqual({ producerGroup: 'p', topic: 'T', recallHandle, bname: 'broker-b' })
  })

  it('names topic and group as servers know them where there is a namespace', async () => {
    const cluster = await clusterThat(recalled)
    cluster.addTopic('ns%T')
    const producer = await startedProducer(cluster, { namespace: 'ns' })
    await expect(producer.recall('T', handle({ topic: 'ns%T' }))).resolves.toBe(ID)
    const [request] = cluster.broker().server.requestsOf(RECALL)
    expect(request?.extFields).toMatchObject({ producerGroup: 'ns%p', topic: 'ns%T' })
    const error = await rejectionOf(producer.recall('T', handle({ topic: 'ns%Other' })))
    expect(error.message).toBe('the recall handle is of a message for topic Other, not for T')
  })

  it.each<[string, string, string, string]>([
    ['a handle of another topic', 'T', handle({ topic: 'Other' }), 'is of a message for topic Other, not for T'],
    ['a time that is past', 'T', handle({ deliverMs: 1_700_000_000_000 }), '2023-11-14T22:13:20.000Z, is past by'],
    ['a handle that is none', 'T', 'no handle', 'not base64'],
    ['a retry topic', '%RETRY%g', handle({ topic: '%RETRY%g' }), 'topic is %RETRY%g: messages of retry'],
    ['a dead-letter topic', '%DLQ%g', handle({ topic: '%DLQ%g' }), 'topic is %DLQ%g: messages of retry'],
    ['a topic that is no name', 'a b', handle(), 'illegal characters'],
  ])('refuses %s, and asks no broker', async (_what, topic, recallHandle, problem) => {
    const cluster = await clusterThat(recalled)
    const producer = await startedProducer(cluster)
    const error = await rejectionOf(producer.recall(topic, recallHandle))
    expect(error).toMatchObject({ name: 'ClientError', code: 'INVALID_ARGUMENT' })
    expect(error.message).toContain(problem)
    expect(cluster.broker().server.requestsOf(RECALL)).toEqual([])
  })

  it.each([
    [16, 'recall failed, operation is forbidden', 'the broker needs recallMessageEnable=true'],
    [604, 'recall failed, timestamp invalid', `the message's time is ${new Date(AHEAD).toISOString()}`],
    [1, 'recall failed, execute error', 'timerWheelEnable=false'],
    [17, 'recall failed, the topic[T] not exist', 'with 17 TOPIC_NOT_EXIST: recall failed, the topic[T] not exist'],
  ])('passes the refusal %i on, and says what its remark %s leaves out', async (code, remark, hint) => {
    const cluster = await clusterThat((request, connection) => connection.answer(request, { code, remark }))
    const producer = await startedProducer(cluster)
    const error = await rejectionOf(producer.recall('T', handle()))
    expect(error).toBeInstanceOf(BrokerError)
    expect(error).toMatchObject({ responseCode: code, remark, address: cluster.broker().address })
    expect(error.message).toContain(remark)
    expect(error.message).toContain(hint)
  })

  it('says that the broker is too old where it does not know the request', async () => {
    const remark = ' request type 370 not supported'
    const cluster = await clusterThat((request, connection) => connection.answer(request, { code: 3, remark }))
    const producer = await startedProducer(cluster)
    const error = await rejectionOf(producer.recall('T', handle()))
    expect(error).toMatchObject({ name: 'ClientError', code: 'UNSUPPORTED_BY_BROKER', retryable: false })
    expect(error.message).toContain(`${cluster.broker().address} does not know it; brokers from 5.3.2 on do`)
    expect(error.cause).toMatchObject({ responseCode: 3 })
  })

  it('looks for the broker in a new route, and says that it has no master there', async () => {
    const cluster = await clusterThat(recalled)
    const producer = await startedProducer(cluster)
    await producer.fetchPublishMessageQueues('T')
    const recallHandle = handle({ brokerName: 'broker-new' })
    const error = await rejectionOf(producer.recall('T', recallHandle))
    expect(error).toMatchObject({ name: 'ClientError', code: 'NO_BROKER', retryable: true })
    expect(error.message).toContain('broker broker-new, which holds the message to recall')

    const { address } = cluster.broker()
    cluster.nameServer.routes.set(
      'T',
      routeBody({ queueDatas: [queueData('broker-new')], brokerDatas: [brokerData('broker-new', { 0: address })] }),
    )
    await expect(producer.recall('T', recallHandle)).resolves.toBe(ID)
    const notFound = await rejectionOf(producer.recall('Unknown', handle({ topic: 'Unknown', brokerName: 'broker-x' })))
    expect(notFound).toMatchObject({ code: 'TOPIC_NOT_FOUND' })
  })

  it('ends at its timeout, and when its signal fires', async () => {
    const cluster = await clusterThat(staySilent)
    const producer = await connected(await startedProducer(cluster))
    const late = await rejectionOf(producer.recall('T', handle(), { timeout: 50 }))
    expect(late).toMatchObject({ name: 'RemotingError', code: 'TIMEOUT', sent: true })
    const abort = new AbortController()
    const aborted = rejectionOf(producer.recall('T', handle(), { signal: abort.signal }))
    abort.abort()
    expect(await aborted).toMatchObject({ code: 'ABORTED' })
    expect(await rejectionOf(producer.recall('T', handle(), { timeout: Number.NaN }))).toMatchObject({
      code: 'INVALID_ARGUMENT',
    })
    await producer.shutdown()
    expect(await rejectionOf(producer.recall('T', handle()))).toMatchObject({ code: 'CLOSED' })
  })
})
