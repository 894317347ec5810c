import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { createReplyMessage, type DefaultProducer, type MessageExt, type RocketMQError } from '../../src/index.js'
import { type Cluster, type ClusterNode, startCluster } from '../support/cluster.js'
import { uniqueName } from '../support/names.js'
import { lateRepliesOf, type Replier, startReplier } from '../support/replier.js'
import { rejectionOf, until } from '../support/until.js'
import { startConsumer, startProducer, works } from './clients-under-test.js'
import { createTopic } from './create-topic.js'
import { faultyNetwork } from './faulty-network.js'
import { kill, stop } from './nodes-under-test.js'

const CHILD = path.join(import.meta.dirname, 'requester-child.ts')
/** Generous, since only a failing test waits so long. */
const TIMEOUT = 90_000

let cluster: Cluster
let broker: ClusterNode

beforeAll(async () => {
  cluster = await startCluster({ route: 'java', config: { osPageCacheBusyTimeOutMills: '10000' }, log: () => {} })
  broker = cluster.broker('broker-a')
})

afterAll(() => cluster?.stop())

async function newTopic(): Promise<string> {
  const topic = uniqueName('request')
  await createTopic(cluster, topic)
  return topic
}

/** A replier that answers what it is told to: at once, or not by itself. */
async function replierOf(topic: string, answers: boolean): Promise<{ replier: Replier; producer: DefaultProducer }> {
  const { namesrvAddr } = cluster
  const producer = await startProducer({ namesrvAddr, sendTimeout: 10_000 })
  const consumer = await startConsumer({ namesrvAddr })
  const replier = await startReplier(consumer, producer, topic, (request) =>
    answers ? `re: ${request.body}` : undefined,
  )
  return { replier, producer }
}

async function requestOf(replier: Replier, body: string): Promise<MessageExt> {
  return until(() => replier.requests.find((request) => request.body.toString() === body), 30_000)
}

/** Sends a reply until it is there: a broker that has just come back may not know the requester yet. */
async function replyWhenPossible(producer: DefaultProducer, request: MessageExt, body: string): Promise<void> {
  await until(() => works(() => producer.send(createReplyMessage(request, body))), 60_000)
}

test.each([
  ['stopped', stop],
  ['killed', kill],
])('a reply finds its request after the broker was %s and started again between them', async (how, end) => {
  const topic = await newTopic()
  const requester = await startProducer({ namesrvAddr: cluster.namesrvAddr })
  const { replier, producer } = await replierOf(topic, false)
  const waiting = requester.request({ topic, body: how }, { timeout: TIMEOUT })
  const request = await requestOf(replier, how)
  // A request that is read may be one whose acknowledgement is still on its way; it would fail with the connection.
  await until(() => requester.statistics().sent === 1)

  await end(broker)
  await until(() => !requester.health().isHealthy)
  await broker.restart()
  await replyWhenPossible(producer, request, `${how}, and back`)
  expect((await waiting).body.toString()).toBe(`${how}, and back`)
})

test('while the broker is killed and started again under load, each request gets its own reply or an error, and then all get theirs', async () => {
  const topic = await newTopic()
  const requester = await startProducer({ namesrvAddr: cluster.namesrvAddr, sendTimeout: 10_000 })
  const { replier } = await replierOf(topic, true)
  const late = lateRepliesOf(requester)
  const answered = new Map<string, string>()
  const failed = new Map<string, RocketMQError>()
  let isStopped = false
  let next = 0
  const ask = async () => {
    while (!isStopped) {
      const body = `request ${next++}`
      try {
        const reply = await requester.request({ topic, body }, { timeout: 5_000 })
        answered.set(body, reply.body.toString())
      } catch (error) {
        failed.set(body, error as RocketMQError)
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }
  }
  const askers = Promise.all(Array.from({ length: 8 }, ask))
  onTestFinished(async () => {
    isStopped = true
    await askers
  })

  await until(() => answered.size >= 200, 30_000)
  await kill(broker)
  await until(() => failed.size >= 8, 30_000)
  await broker.restart()
  const answeredAtRestart = answered.size
  await until(() => answered.size >= answeredAtRestart + 200, 60_000)
  const firstOfLast = next
  await until(() => [...answered.keys()].filter(isOfLast).length >= 200, 60_000)
  isStopped = true
  await askers

  function isOfLast(body: string): boolean {
    return Number(body.slice('request '.length)) >= firstOfLast
  }
  expect([...failed.keys()].filter(isOfLast)).toEqual([])
  for (const [body, reply] of answered) expect(reply).toBe(`re: ${body}`)
  for (const error of failed.values()) {
    expect(error.name).toMatch(/^(Client|Remoting|Broker)Error$/)
    if (error.code === 'REQUEST_TIMEOUT') expect(error.message).toMatch(/; the request was stored|may have been stored/)
  }
  // What came too late was the reply to a request of its own, too.
  const requests = new Map(replier.requests.map((each) => [each.properties.CORRELATION_ID, each.body.toString()]))
  for (const { correlationId, message } of late) {
    expect(message.body.toString()).toBe(`re: ${requests.get(correlationId)}`)
  }
})

test('a reply comes by the new connection when the old one was cut between request and reply', async () => {
  const topic = await newTopic()
  const network = await faultyNetwork([broker.address])
  const requester = await startProducer({ namesrvAddr: cluster.namesrvAddr, addressMap: network.addressMap })
  const { replier, producer } = await replierOf(topic, false)
  for (let round = 0; round < 30; round++) {
    const waiting = requester.request({ topic, body: `round ${round}` }, { timeout: TIMEOUT })
    const request = await requestOf(replier, `round ${round}`)
    await until(() => requester.statistics().sent === round + 1)
    network.cut()
    await replyWhenPossible(producer, request, `reply ${round}`)
    expect((await waiting).body.toString()).toBe(`reply ${round}`)
  }
})

test('requests are answered again when their connection has gone dead without a word', async () => {
  const topic = await newTopic()
  const network = await faultyNetwork([broker.address])
  const { namesrvAddr } = cluster
  const requester = await startProducer({ namesrvAddr, addressMap: network.addressMap, requestTimeout: 500 })
  await replierOf(topic, true)
  await requester.request({ topic, body: 'before' }, { timeout: TIMEOUT })
  network.swallow()
  await rejectionOf(requester.request({ topic, body: 'into nothing' }, { timeout: 300 }))
  await until(() => works(() => requester.request({ topic, body: 'again' }, { timeout: 3_000 })), 60_000)
  for (let i = 0; i < 20; i++) {
    const reply = await requester.request({ topic, body: `after ${i}` }, { timeout: TIMEOUT })
    expect(reply.body.toString()).toBe(`re: after ${i}`)
  }
})

test('a reply to a requester that was killed fails with the error of the broker, which names the requester', async () => {
  const topic = await newTopic()
  const { replier, producer } = await replierOf(topic, false)
  const child = spawn(process.execPath, ['--import', 'tsx', CHILD, cluster.namesrvAddr, topic], { stdio: 'inherit' })
  onTestFinished(() => void child.kill('SIGKILL'))
  const request = await until(() => replier.requests[0], 60_000)
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
  // The broker is told of the end by the machine's kernel, a moment later.
  const error = await until(async () => {
    return producer.send(createReplyMessage(request, 'to nobody')).then(() => undefined, namesRequester)
  }, 30_000)

  function namesRequester(failure: RocketMQError): RocketMQError | undefined {
    return failure.message.includes('not found') ? failure : undefined
  }
  expect(error).toMatchObject({
    name: 'BrokerError',
    code: 'SYSTEM_ERROR',
    responseCode: 1,
    address: broker.address,
    remark: `push reply message fail, channel of <${request.body}> not found.`,
  })
})
