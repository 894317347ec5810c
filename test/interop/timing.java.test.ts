import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { DefaultProducer, type Message, PullConsumer, type SendResult } from '../../src/index.js'
import { decodeRecallHandle } from '../../src/producer/recall-handle.js'
import { type Cluster, startCluster } from '../support/cluster.js'
import { differencesFromJava, placeOf, readPulled } from '../support/interop-compare.js'
import { uniqueName } from '../support/names.js'
import { type Oracle, startOracle } from '../support/oracle.js'
import type { MessageSpec, PulledMessage, SendOutcome } from '../support/oracle-verbs.js'
import { PATIENCE } from '../support/patience.js'
import { readTopic } from '../support/read-topic.js'
import { recallHandleOf } from '../support/recall-handle-of.js'
import { probe } from '../support/remoting-probe.js'
import { isAtLeast } from '../support/server-version.js'
import { rejectionOf } from '../support/until.js'

const { ROCKETMQ_VERSION = '5.5.0' } = process.env
const HAS_TIMERS = isAtLeast(ROCKETMQ_VERSION, '5.0.0')
const HAS_RECALL = isAtLeast(ROCKETMQ_VERSION, '5.3.2')
const HAS_PRIORITY = isAtLeast(ROCKETMQ_VERSION, '5.4.0')

const UPDATE_BROKER_CONFIG = 25
const HOUR = 3_600_000
const ID = 'AC11000100002A9F0000000000000000'
/** Their values differ from message to message. */
const OF_ONE_MESSAGE: ReadonlySet<string> = new Set([
  'UNIQ_KEY',
  'TIMER_OUT_MS',
  'TIMER_ENQUEUE_MS',
  'TIMER_DEQUEUE_MS',
  'MIN_OFFSET',
  'MAX_OFFSET',
])

const config = {
  timerWheelEnable: 'true',
  timerPrecisionMs: '100',
  timerFlushIntervalMs: '200',
  recallMessageEnable: 'true',
  messageDelayLevel: '1s 2s',
}

let cluster: Cluster
let oracle: Oracle
let producer: DefaultProducer
let consumer: PullConsumer

beforeAll(async () => {
  cluster = await startCluster({ version: ROCKETMQ_VERSION, route: 'java', config, log: () => {} })
  oracle = await startOracle(cluster.version)
  const { namesrvAddr } = cluster
  producer = new DefaultProducer({ producerGroup: uniqueName('pg'), namesrvAddr, ...PATIENCE })
  consumer = new PullConsumer({ consumerGroup: uniqueName('cg'), namesrvAddr })
  await producer.start()
  await consumer.start()
})

afterAll(async () => {
  await producer?.shutdown()
  await consumer?.shutdown()
  await oracle?.stop()
  await cluster?.stop()
})

async function newTopic(attributes?: Readonly<Record<string, string>>): Promise<string> {
  const topic = uniqueName('timing')
  const { namesrvAddr } = cluster
  await oracle.call('createTopic', { namesrvAddr, topic, queues: 1, ...(attributes !== undefined && { attributes }) })
  return topic
}

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'rocketmq-interop-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** Sends by the Java client; answers with the outcome of the first message. */
async function javaSends(topic: string, ...specs: readonly MessageSpec[]): Promise<SendOutcome> {
  const messages = path.join(await temporaryFolder(), 'messages.jsonl')
  await writeFile(messages, specs.map((spec) => `${JSON.stringify(spec)}\n`).join(''))
  const { outcomes } = await oracle.call('produce', { namesrvAddr: cluster.namesrvAddr, topic, messages })
  const failed = outcomes.find((outcome) => 'error' in outcome)
  const [first] = outcomes
  if (failed !== undefined || first === undefined || 'error' in first)
    throw new Error(`Java did not send: ${JSON.stringify(outcomes)}`)
  return first
}

/** What the Java client reads of a topic in which so many messages are delivered, after it was found to be the same that this client reads. */
async function readByBoth(topic: string, count: number): Promise<PulledMessage[]> {
  const ours = await readTopic(consumer, topic, count)
  const file = path.join(await temporaryFolder(), 'pulled.jsonl')
  await oracle.call('pullAll', { namesrvAddr: cluster.namesrvAddr, topic, file })
  const java = await readPulled(file)
  expect(ours.map(placeOf)).toEqual([...java.keys()])
  for (const message of ours) {
    const twin = java.get(placeOf(message))
    expect(twin === undefined ? 'not read by Java' : differencesFromJava(message, twin)).toEqual([])
  }
  return [...java.values()]
}

function commonProperties({ properties }: PulledMessage): Record<string, string> {
  const entries = Object.entries(properties)
  return Object.fromEntries(entries.map(([name, value]) => [name, OF_ONE_MESSAGE.has(name) ? 'its own' : value]))
}

function handleOf({ recallHandle }: SendResult | SendOutcome): string {
  if (recallHandle == null) throw new Error('there is no recall handle')
  return recallHandle
}

async function setBrokerConfig(settings: Readonly<Record<string, string>>): Promise<void> {
  const [broker] = cluster.brokers
  const body = Object.entries(settings)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('')
  const { code, remark } = await probe(broker?.address ?? '', { code: UPDATE_BROKER_CONFIG, body }, { timeout: 10_000 })
  if (code !== 0) throw new Error(`the broker's settings were not changed: ${code} ${remark}`)
}

interface Kind {
  readonly what: string
  readonly ours: Partial<Message>
  readonly java: Partial<MessageSpec>
  readonly attributes?: Readonly<Record<string, string>>
}

const PAST = 1_700_000_000_000
const KINDS: readonly Kind[] = [
  { what: 'a delay level', ours: { delayLevel: 1 }, java: { delayTimeLevel: 1 } },
  ...(HAS_TIMERS
    ? [
        { what: 'a delay', ours: { delayMs: 700 }, java: { delayTimeMs: 700 } },
        { what: 'a time that is past', ours: { deliverAt: PAST }, java: { deliverTimeMs: PAST } },
      ]
    : []),
  ...(HAS_PRIORITY
    ? [
        {
          what: 'a priority',
          ours: { priority: 3 },
          java: { priority: 3 },
          attributes: { 'message.type': 'PRIORITY' },
        },
      ]
    : []),
]

test.each(KINDS)(
  '$what of this client is stored with the same properties as of the Java client, and read by both',
  async ({ ours, java, attributes }) => {
    const topic = await newTopic(attributes)
    const { msgId } = await producer.send({ topic, body: 'x', ...ours })
    const outcome = await javaSends(topic, { body: { text: 'x' }, ...java })
    const messages = await readByBoth(topic, 2)
    expect(new Set(messages.map((message) => message.msgId))).toEqual(new Set([msgId, outcome.msgId]))
    const [first, second] = messages as [PulledMessage, PulledMessage]
    expect(commonProperties(first)).toEqual(commonProperties(second))
  },
)

if (HAS_RECALL) {
  describe('recall', () => {
    test('works with the handle of the other client, both ways, and touches nothing else', async () => {
      const { namesrvAddr } = cluster
      const topic = await newTopic()
      const deliverAt = Date.now() + 10_000
      const ofJava = (text: string) => ({ body: { text }, deliverTimeMs: deliverAt })
      const ours = await producer.send({ topic, body: 'ours', deliverAt })
      const java = await javaSends(topic, ofJava('of Java'), ofJava('not recalled'))
      await producer.send({ topic, body: 'a second later', deliverAt: deliverAt + 1_000 })

      await expect(producer.recall(topic, handleOf(java))).resolves.toBe(java.msgId)
      const byJava = await oracle.call('recall', { namesrvAddr, topic, recallHandle: handleOf(ours) })
      expect(byJava.msgId).toBe(ours.msgId)

      const messages = await readTopic(consumer, topic, 2, 60_000)
      expect(messages.map(({ body }) => body.toString())).toEqual(['not recalled', 'a second later'])
    })

    test('reads in a handle what the Java client reads', async () => {
      const topic = await newTopic()
      const made = await producer.send({ topic, body: 'x', delayMs: HOUR })
      const handles = [handleOf(made), recallHandleOf('v1', '%RETRY%ns%g', 'b>ö?', 1_795_390_483_501, ID, 'more')]
      for (const recallHandle of handles) {
        const { topic, brokerName, timestamp, messageId, encoded } = await oracle.call('recallHandle', { recallHandle })
        const ours = decodeRecallHandle(recallHandle)
        expect(ours).toEqual({ topic, brokerName, deliverMs: Number(timestamp), msgId: messageId })
        expect(decodeRecallHandle(encoded)).toEqual(ours)
      }
      expect(handles[0]).toBe((await oracle.call('recallHandle', { recallHandle: handles[0] ?? '' })).encoded)
    })

    test.each([
      ['empty', ''],
      ['no base64', 'v1 T b 1 x'],
      ['of another version', recallHandleOf('v2', 'T', 'b', 1, 'x')],
      ['too short', recallHandleOf('v1', 'T', 'b', 1)],
      ['padded wrongly', 'djEgVDEg='],
    ])('finds a handle that is %s unfit, as the Java client does', async (_what, recallHandle) => {
      await expect(oracle.call('recallHandle', { recallHandle })).rejects.toMatchObject({
        javaError: { message: 'recall handle is invalid' },
      })
      expect(() => decodeRecallHandle(recallHandle)).toThrow('recallHandle is ')
    })

    test('is refused to both clients where it is switched off, and ours names the switch', async () => {
      const { namesrvAddr } = cluster
      const topic = await newTopic()
      const recallHandle = handleOf(await producer.send({ topic, body: 'x', delayMs: HOUR }))
      await setBrokerConfig({ recallMessageEnable: 'false' })
      onTestFinished(() => setBrokerConfig({ recallMessageEnable: 'true' }))
      const error = await rejectionOf(producer.recall(topic, recallHandle))
      expect(error).toMatchObject({ name: 'BrokerError', code: 'NO_PERMISSION', responseCode: 16 })
      expect(error.message).toContain('the broker needs recallMessageEnable=true')
      await expect(oracle.call('recall', { namesrvAddr, topic, recallHandle })).rejects.toMatchObject({ code: 16 })
    })
  })
} else {
  test('a timer message brings no recall handle to either client, and a recall says that the broker is too old', async () => {
    const topic = await newTopic()
    const java = await javaSends(topic, { body: { text: 'x' }, rawProperties: { TIMER_DELAY_MS: String(HOUR) } })
    expect(java.recallHandle).toBeNull()
    const handle = recallHandleOf('v1', topic, 'broker-a', Date.now() + HOUR, ID)
    const error = await rejectionOf(producer.recall(topic, handle))
    expect(error).toMatchObject({ name: 'ClientError', code: 'UNSUPPORTED_BY_BROKER' })
  })
}

if (HAS_TIMERS) {
  test('a timer message is refused where timers are switched off, and the error names the switch', async () => {
    const topic = await newTopic()
    await setBrokerConfig({ timerWheelEnable: 'false' })
    onTestFinished(() => setBrokerConfig({ timerWheelEnable: 'true' }))
    const error = await rejectionOf(producer.send({ topic, body: 'timed', delayMs: 100 }))
    expect(error).toMatchObject({ name: 'BrokerError', code: 'SYSTEM_ERROR', mayBeStored: false })
    expect(error.message).toContain('it needs timerWheelEnable=true')
    await producer.send({ topic, body: 'by level', delayLevel: 1 })
    const messages = await readTopic(consumer, topic, 1)
    expect(messages.map(({ body }) => body.toString())).toEqual(['by level'])
  })
} else {
  test('a timer message of the Java client is delivered at once, where this client sends none', async () => {
    const topic = await newTopic()
    const error = await rejectionOf(producer.send({ topic, body: 'ours', delayMs: HOUR }))
    expect(error).toMatchObject({ name: 'ClientError', code: 'UNSUPPORTED_BY_BROKER' })
    const java = await javaSends(topic, { body: { text: 'of Java' }, rawProperties: { TIMER_DELAY_MS: String(HOUR) } })
    const messages = await readByBoth(topic, 1)
    expect(messages.map(({ msgId }) => msgId)).toEqual([java.msgId])
  })
}
