import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { createReplyMessage, type MessageExt } from '../../src/index.js'
import { startConsumer, startProducer } from '../fault/clients-under-test.js'
import { type Cluster, startCluster } from '../support/cluster.js'
import { bodyOf } from '../support/deterministic-body.js'
import { uniqueName } from '../support/names.js'
import { type Oracle, startOracle } from '../support/oracle.js'
import type { FailedOutcome, MessageSpec, OracleVerbs, ReplyOutcome } from '../support/oracle-verbs.js'
import { type Replier, startReplier } from '../support/replier.js'

const REQUESTS = 1_000
const SEED = 71
const SIZE = 200
/** Generous, since only a failing test waits so long. */
const TIMEOUT = 60_000

let cluster: Cluster
let oracle: Oracle

beforeAll(async () => {
  const brokers = [{ name: 'broker-a' }, { name: 'broker-b' }]
  const config = { osPageCacheBusyTimeOutMills: '30000' }
  cluster = await startCluster({ route: 'java', brokers, config, log: () => {} })
  oracle = await startOracle(cluster.version)
})

afterAll(async () => {
  await oracle?.stop()
  await cluster?.stop()
})

async function createTopic(options: { brokerAddr?: string } = {}): Promise<string> {
  const topic = uniqueName('request')
  await oracle.call('createTopic', { namesrvAddr: cluster.namesrvAddr, topic, queues: 4, ...options })
  return topic
}

/** This client answers as the Java replier does: the body behind `re: `, and the property `index`. */
function reply(request: MessageExt) {
  const { index } = request.properties
  const answer = createReplyMessage(request, Buffer.concat([Buffer.from('re: '), request.body]))
  return index === undefined ? answer : { ...answer, properties: { index } }
}

async function startOwnReplier(topic: string): Promise<Replier> {
  const { namesrvAddr } = cluster
  const consumer = await startConsumer({ namesrvAddr })
  // Some replies are compressed.
  const producer = await startProducer({ namesrvAddr, compressBodyOver: 4_000 })
  return startReplier(consumer, producer, topic, reply)
}

/** A Java replier that is stopped when the running test ends; answers with what stops it earlier, and says what it did. */
async function startJavaReplier(
  topic: string,
  options: { compressOver?: number } = {},
): Promise<() => Promise<OracleVerbs['stopReplier']['result']>> {
  const group = uniqueName('repliers')
  await oracle.call('startReplier', { namesrvAddr: cluster.namesrvAddr, topic, group, ...options })
  let stopped: Promise<OracleVerbs['stopReplier']['result']> | undefined
  const stop = () => {
    stopped ??= oracle.call('stopReplier', { group })
    return stopped
  }
  onTestFinished(async () => void (await stop()))
  return stop
}

/** A Java consumer that has just started may get messages twice, and answers them twice then. */
function expectAnswered({ answered, failures }: OracleVerbs['stopReplier']['result'], count: number): void {
  expect(failures).toEqual([])
  expect(answered).toBeGreaterThanOrEqual(count)
}

function failuresIn(outcomes: readonly (ReplyOutcome | FailedOutcome)[]): FailedOutcome[] {
  return outcomes.filter((outcome): outcome is FailedOutcome => 'error' in outcome)
}

function repliesIn(outcomes: readonly (ReplyOutcome | FailedOutcome)[]): ReplyOutcome[] {
  return outcomes.filter((outcome): outcome is ReplyOutcome => 'reply' in outcome)
}

test('1,000 requests of the Java client are answered by this one, none lost and none crossed', async () => {
  const { namesrvAddr } = cluster
  const topic = await createTopic()
  const replier = await startOwnReplier(topic)
  const args = { namesrvAddr, topic, group: uniqueName('pg'), count: REQUESTS, seed: SEED, size: SIZE }
  const { clientId, outcomes } = await oracle.call('request', { ...args, requestTimeout: TIMEOUT }, 110_000)

  expect(failuresIn(outcomes)).toEqual([])
  const replies = repliesIn(outcomes)
  expect(replies).toHaveLength(REQUESTS)
  expect(new Set(replies.map(({ correlationId }) => correlationId)).size).toBe(REQUESTS)
  for (const [i, outcome] of replies.entries()) {
    const { properties, bodyHex, topic: replyTopic } = outcome.reply
    expect(bodyHex).toBe(`${Buffer.from('re: ').toString('hex')}${bodyOf(SEED, i, SIZE).toString('hex')}`)
    expect(replyTopic).toBe('DefaultCluster_REPLY_TOPIC')
    expect(properties).toMatchObject({
      MSG_TYPE: 'reply',
      CORRELATION_ID: outcome.correlationId,
      REPLY_TO_CLIENT: clientId,
      TTL: String(TIMEOUT),
      index: String(i),
    })
  }
  expect(replier.failures).toEqual([])
  expect(replier.sent.length).toBeGreaterThanOrEqual(REQUESTS)
  expect(new Set(replier.sent.map(({ messageQueue }) => messageQueue.brokerName)).size).toBe(2)
})

test('1,000 requests of this client are answered by the Java client, none lost and none crossed', async () => {
  const { namesrvAddr } = cluster
  const topic = await createTopic()
  const stop = await startJavaReplier(topic)
  const requester = await startProducer({ namesrvAddr })
  const indexes = Array.from({ length: REQUESTS }, (_, i) => i)
  const replies = await Promise.all(
    indexes.map((i) => {
      const message = { topic, body: bodyOf(SEED, i, SIZE), properties: { index: String(i) } }
      return requester.request(message, { timeout: TIMEOUT })
    }),
  )
  for (const [i, { body, properties, topic: replyTopic }] of replies.entries()) {
    expect(body.equals(Buffer.concat([Buffer.from('re: '), bodyOf(SEED, i, SIZE)]))).toBe(true)
    expect(replyTopic).toBe('DefaultCluster_REPLY_TOPIC')
    expect(properties).toMatchObject({
      MSG_TYPE: 'reply',
      REPLY_TO_CLIENT: requester.clientId,
      TTL: String(TIMEOUT),
      index: String(i),
    })
  }
  expect(new Set(replies.map(({ properties }) => properties.CORRELATION_ID)).size).toBe(REQUESTS)
  expect(new Set(replies.map(({ brokerName }) => brokerName))).toEqual(new Set(['broker-a', 'broker-b']))
  expectAnswered(await stop(), REQUESTS)
})

test('replies come by every broker of the cluster, also by those that do not have the topic of the request', async () => {
  const topic = await createTopic({ brokerAddr: cluster.broker('broker-a').address })
  const stop = await startJavaReplier(topic)
  const requester = await startProducer({ namesrvAddr: cluster.namesrvAddr })
  const replies = await Promise.all(
    Array.from({ length: 50 }, (_, i) => requester.request({ topic, body: `${i}` }, { timeout: TIMEOUT })),
  )
  expect(replies.map(({ body }) => body.toString())).toEqual(replies.map((_, i) => `re: ${i}`))
  expect(new Set(replies.map(({ brokerName }) => brokerName))).toEqual(new Set(['broker-a', 'broker-b']))
  expectAnswered(await stop(), 50)
})

test('requests and replies that are compressed are read by the other client', async () => {
  const { namesrvAddr } = cluster
  const text = 'a body that repeats itself, 世界; '.repeat(1_000)
  const folder = await mkdtemp(path.join(os.tmpdir(), 'rocketmq-interop-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const messages = path.join(folder, 'messages.jsonl')
  const specs: MessageSpec[] = Array.from({ length: 5 }, (_, i) => ({ body: { text: `${i} ${text}` } }))
  await writeFile(messages, specs.map((spec) => `${JSON.stringify(spec)}\n`).join(''))

  const toUs = await createTopic()
  const replier = await startOwnReplier(toUs)
  const { outcomes } = await oracle.call('request', { namesrvAddr, topic: toUs, messages })
  expect(failuresIn(outcomes)).toEqual([])
  const bodies = repliesIn(outcomes).map((outcome) => Buffer.from(outcome.reply.bodyHex, 'hex').toString())
  expect(bodies).toEqual(specs.map((_, i) => `re: ${i} ${text}`))
  expect(replier.failures).toEqual([])

  const toJava = await createTopic()
  await startJavaReplier(toJava, { compressOver: 1_000 })
  const requester = await startProducer({ namesrvAddr, compressBodyOver: 1_000 })
  for (let i = 0; i < 5; i++) {
    const answer = await requester.request({ topic: toJava, body: `${i} ${text}` }, { timeout: TIMEOUT })
    expect(answer.body.toString()).toBe(`re: ${i} ${text}`)
    // What it was compressed by is still there, that it is compressed is not.
    expect(answer.sysFlag & 1).toBe(0)
  }
})
