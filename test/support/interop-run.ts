import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { crc32 } from '../../src/codec/crc32.js'
import { DefaultProducer, type MessageExt, PullConsumer, type SendResult } from '../../src/index.js'
import { differencesFromJava, differencesFromSent, placeOf, readPulled } from './interop-compare.js'
import { bytesOf, type InteropOptions, interopMessage, toMessage } from './interop-messages.js'
import { uniqueName } from './names.js'
import type { Oracle } from './oracle.js'
import type { FailedOutcome, MessageSpec, ProduceArgs, PulledMessage, SendOutcome } from './oracle-verbs.js'

const CALL_TIMEOUT = 300_000
const SENDERS = 64
/** The Java oracle holds all messages of one call in its memory. */
const MAX_MESSAGES_OF_CALL = 2_000
const MAX_BYTES_OF_CALL = 24 * 1024 * 1024
/** Of each hundred messages, so many first ones are sent as one batch, by us. */
const BATCH = 20
const MAX_BATCHED_BODY = 16 * 1024
const SHOWN_PROBLEMS = 10
/** Java clients from 5.0 on give a batch an id, which brokers before 5.4 then store as the id of each of its messages. */
const LOSES_PART_IDS = /^5\.[0-3]\./

export interface InteropRun {
  readonly namesrvAddr: string
  readonly oracle: Oracle
  readonly seed: number
  readonly count: number
  /** How the producer compresses bodies of 4 KiB and more. Default ZLIB. */
  readonly compressType?: NonNullable<ProduceArgs['compressType']>
}

export interface InteropReport {
  readonly messages: number
  /** Of bodies. */
  readonly bytes: number
  readonly largest: number
  /** Requests that held several messages. */
  readonly batches: number
  /** Messages that were stored compressed. */
  readonly compressed: number
}

type SpecOf = (index: number) => MessageSpec

/** What a producer said of a message that it sent. */
interface Sent {
  readonly index: number
  /** Undefined where what the producer says is not what is stored. */
  readonly msgId: string | undefined
  readonly offsetMsgId: string
}

/**
 * Sends messages by this client, has the official Java client read them back, reads them itself, and compares all fields of all of them.
 *
 * @throws Error that lists what differs.
 */
export async function sendToJava(run: InteropRun): Promise<InteropReport> {
  const topic = await createTopic(run)
  const options = optionsOf(run)
  const specOf: SpecOf = (index) => interopMessage(options, index)
  const sent = new Map<string, Sent>()
  const producer = new DefaultProducer({
    producerGroup: uniqueName('pg'),
    namesrvAddr: run.namesrvAddr,
    requestTimeout: 60_000,
    sendTimeout: 120_000,
    ...(run.compressType && { compressType: run.compressType }),
  })
  let batches = 0
  await producer.start()
  try {
    await inParallel(jobs(specOf, run.count), async (indexes) => {
      const messages = indexes.map((index) => toMessage(specOf(index), topic))
      const [message] = messages
      if (message === undefined) return
      if (messages.length > 1) batches++
      const result = await (messages.length > 1 ? producer.sendBatch(messages) : producer.send(message))
      note(sent, indexes, { ...result, ...result.messageQueue })
    })
  } finally {
    await producer.shutdown()
  }
  return { ...(await compare(run, topic, sent, specOf)), batches }
}

/**
 * Has the official Java client send messages, reads them back by this client and by the Java client, and compares all fields of all of them.
 *
 * @throws Error that lists what differs.
 */
export async function sendFromJava(run: InteropRun): Promise<InteropReport> {
  const topic = await createTopic(run)
  const options = optionsOf(run)
  const batched = Array.from({ length: BATCH }, (_, i) => run.count + i)
  const specOf: SpecOf = (index) =>
    index < run.count
      ? interopMessage(options, index)
      : { ...interopMessage(options, index), body: { text: `part ${index}` } }
  const sent = new Map<string, Sent>()
  await withFolder(async (folder) => {
    const messages = path.join(folder, 'messages.jsonl')
    const { namesrvAddr, oracle, compressType } = run
    const args = { namesrvAddr, topic, messages, timeout: 60_000, ...(compressType && { compressType }) }
    const writeSpecs = (indexes: readonly number[]) =>
      writeFile(messages, indexes.map((index) => `${JSON.stringify(specOf(index))}\n`).join(''))
    for (const indexes of chunks(specOf, run.count)) {
      await writeSpecs(indexes)
      const { outcomes } = await oracle.call('produce', args, CALL_TIMEOUT)
      for (const [i, outcome] of outcomes.entries()) note(sent, [indexes[i] ?? -1], successOf(outcome))
    }
    // One batch only: each such call makes a producer.
    await writeSpecs(batched)
    const outcome = await oracle.call('produceBatch', args, CALL_TIMEOUT)
    note(sent, batched, outcome, !LOSES_PART_IDS.test(oracle.version))
  })
  return { ...(await compare(run, topic, sent, specOf)), batches: 1 }
}

function optionsOf({ oracle, seed }: InteropRun): InteropOptions {
  return { seed, takesLargest: !oracle.version.startsWith('4.') }
}

async function createTopic({ namesrvAddr, oracle }: InteropRun): Promise<string> {
  const topic = uniqueName('interop')
  await oracle.call('createTopic', { namesrvAddr, topic, queues: 8 })
  return topic
}

/** The indexes of the messages of each request of ours. */
function* jobs(specOf: SpecOf, count: number): Generator<number[]> {
  for (let index = 0; index < count; index++) {
    const batch = Array.from({ length: Math.min(BATCH, count - index) }, (_, i) => index + i)
    const isBatch = index % 100 === 0 && batch.every((each) => sizeOf(specOf(each)) <= MAX_BATCHED_BODY)
    yield isBatch ? batch : [index]
    if (isBatch) index += batch.length - 1
  }
}

/** The indexes of the messages of each call of the oracle. */
function* chunks(specOf: SpecOf, count: number): Generator<number[]> {
  let indexes: number[] = []
  let bytes = 0
  for (let index = 0; index < count; index++) {
    const size = sizeOf(specOf(index))
    if (indexes.length === MAX_MESSAGES_OF_CALL || (indexes.length > 0 && bytes + size > MAX_BYTES_OF_CALL)) {
      yield indexes
      indexes = []
      bytes = 0
    }
    indexes.push(index)
    bytes += size
  }
  if (indexes.length > 0) yield indexes
}

function sizeOf({ body }: MessageSpec): number {
  return 'size' in body ? body.size : bytesOf(body).length
}

async function inParallel<T>(items: Iterable<T>, work: (item: T) => Promise<void>): Promise<void> {
  const queue = items[Symbol.iterator]()
  const worker = async () => {
    for (let next = queue.next(); !next.done; next = queue.next()) await work(next.value)
  }
  await Promise.all(Array.from({ length: SENDERS }, worker))
}

/** Takes note, by place, of the messages of one request; those of a batch stand one behind the other. */
function note(
  sent: Map<string, Sent>,
  indexes: readonly number[],
  result: Pick<SendResult & SendOutcome, 'msgId' | 'offsetMsgId' | 'brokerName' | 'queueId' | 'queueOffset'>,
  isMsgIdStored = true,
): void {
  const { brokerName, queueId, queueOffset } = result
  const offsetMsgIds = result.offsetMsgId.split(',')
  for (const [i, msgId] of result.msgId.split(',').entries()) {
    const place = placeOf({ brokerName, queueId, queueOffset: queueOffset + i })
    const stored = isMsgIdStored ? msgId : undefined
    sent.set(place, { index: indexes[i] ?? -1, msgId: stored, offsetMsgId: offsetMsgIds[i] ?? '' })
  }
}

function successOf(outcome: SendOutcome | FailedOutcome): SendOutcome {
  if ('error' in outcome) throw new Error(`Java could not send: ${JSON.stringify(outcome.error)}`)
  return outcome
}

async function compare(
  { namesrvAddr, oracle }: InteropRun,
  topic: string,
  sent: Map<string, Sent>,
  specOf: SpecOf,
): Promise<Omit<InteropReport, 'batches'>> {
  const messages = sent.size
  const problems: string[] = []
  let bytes = 0
  let largest = 0
  let compressed = 0
  const pulled = await withFolder(async (folder) => {
    const file = path.join(folder, 'pulled.jsonl')
    await oracle.call('pullAll', { namesrvAddr, topic, file, timeout: 60_000 }, CALL_TIMEOUT)
    return readPulled(file)
  })
  await readTopic(namesrvAddr, topic, (ours) => {
    bytes += ours.body.length
    largest = Math.max(largest, ours.body.length)
    if (crc32(ours.body) !== ours.bodyCRC) compressed++
    problems.push(...problemsOf(ours, pulled, sent, specOf))
  })
  for (const place of pulled.keys()) problems.push(`${place} was read by Java and not by this client`)
  for (const [place, { index }] of sent) problems.push(`${place}, where message ${index} was sent to, was not read`)
  if (problems.length > 0) {
    throw new Error(`${problems.length} problems:\n${problems.slice(0, SHOWN_PROBLEMS).join('\n')}`)
  }
  return { messages, bytes, largest, compressed }
}

/** Compares one message, and takes it out of what is still to be read. */
function problemsOf(
  ours: MessageExt,
  pulled: Map<string, PulledMessage>,
  sent: Map<string, Sent>,
  specOf: SpecOf,
): string[] {
  const place = placeOf(ours)
  const java = pulled.get(place)
  const known = sent.get(place)
  pulled.delete(place)
  sent.delete(place)
  if (java === undefined) return [`${place} was read by this client and not by Java`]
  if (known === undefined) return [`${place} holds ${ours.msgId}, which no producer said that it sent there`]
  const problems = [...differencesFromJava(ours, java), ...differencesFromSent(ours, specOf(known.index))]
  if (known.msgId !== undefined && known.msgId !== ours.msgId)
    problems.push(`the producer said that its id is ${known.msgId}, not ${ours.msgId}`)
  if (known.offsetMsgId !== ours.offsetMsgId)
    problems.push(`the producer said that its offset id is ${known.offsetMsgId}`)
  return problems.map((problem) => `message ${known.index} at ${place}: ${problem}`)
}

async function readTopic(namesrvAddr: string, topic: string, onMessage: (message: MessageExt) => void): Promise<void> {
  const consumer = new PullConsumer({ consumerGroup: uniqueName('cg'), namesrvAddr, consumerPullTimeoutMillis: 60_000 })
  await consumer.start()
  try {
    for (const queue of await consumer.fetchSubscribeMessageQueues(topic)) {
      const end = await consumer.maxOffset(queue)
      let offset = await consumer.minOffset(queue)
      while (offset < end) {
        const { messages, nextBeginOffset, fault } = await consumer.pull(queue, { offset })
        if (fault !== undefined) throw fault
        if (nextBeginOffset <= offset) throw new Error(`pulling ${topic} stands still at ${offset} of ${end}`)
        for (const message of messages) onMessage(message)
        offset = nextBeginOffset
      }
    }
  } finally {
    await consumer.shutdown()
  }
}

async function withFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'rocketmq-interop-'))
  try {
    return await work(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
