import { ClientError, RocketMQError, shown } from '../errors.js'
import type { Message, MessageQueue } from '../message/message.js'
import { abortError } from '../remoting/deadline.js'
import { batchObstacle, MAX_BATCH_COUNT, partSize, toParts } from './batch.js'
import type { OutgoingMessage } from './outgoing-message.js'
import type { PartsSender } from './parts-sender.js'
import type { SendResult } from './send-result.js'

/** What became of messages that were sent in one request: `result` or `error`. */
export interface BatchPart {
  readonly topic: string
  /** Positions in the list that was given, in the order in which the messages are stored. */
  readonly indexes: readonly number[]
  /** As of `sendBatch`; of a message that went alone, as of `send`. */
  readonly result?: SendResult
  readonly error?: RocketMQError
}

/** Messages that fit into one request. */
export interface SplitPart {
  readonly topic: string
  /** Positions in the list that was given. */
  readonly indexes: readonly number[]
  readonly queue: MessageQueue | undefined
}

/** Chooses the queue of a message; undefined for any. */
export type QueueChooser = (outgoing: OutgoingMessage, message: Message) => MessageQueue | undefined

/** What splitting needs of the producer. */
export interface BatchesSender extends PartsSender {
  /** Checks and encodes one message. */
  encode(message: Message): OutgoingMessage
  /** Finds the topic's queues. */
  queueChooser(topic: string, timeout: number, signal: AbortSignal | undefined): Promise<QueueChooser>
}

export interface SendBatchesLimits {
  readonly maxMessageSize: number
  /** Of each request with its attempts, in milliseconds. */
  readonly timeout: number
  readonly signal: AbortSignal | undefined
}

/** Topics whose parts are sent side by side. */
const TOPICS_AT_ONCE = 8

interface OpenPart extends SplitPart {
  readonly indexes: number[]
  readonly waitStoreMsgOk: boolean
  readonly isAlone: boolean
  size: number
}

/**
 * Splits messages of any topics and any total size into requests that brokers take.
 *
 * Those of one topic and queue keep their order: a part ends where the next message does not fit, differs in `waitStoreMsgOk`, or can only go alone.
 *
 * @param queueOf - The queue that a message must go to; undefined for any. Default: any.
 * @returns the parts in the order of their first messages.
 */
export function splitBatch(
  messages: readonly OutgoingMessage[],
  maxMessageSize: number,
  queueOf: (index: number) => MessageQueue | undefined = () => undefined,
): SplitPart[] {
  const parts: OpenPart[] = []
  const openParts = new Map<string, OpenPart>()
  messages.forEach((message, index) => {
    const { topic, waitStoreMsgOk } = message
    const queue = queueOf(index)
    const key = queue === undefined ? topic : `${topic}\n${queue.brokerName}\n${queue.queueId}`
    const size = partSize(message)
    const isAlone = batchObstacle(message) !== undefined
    const open = openParts.get(key)
    if (
      open !== undefined &&
      !open.isAlone &&
      !isAlone &&
      open.waitStoreMsgOk === waitStoreMsgOk &&
      open.indexes.length < MAX_BATCH_COUNT &&
      open.size + size <= maxMessageSize
    ) {
      open.indexes.push(index)
      open.size += size
      return
    }
    const part = { topic, indexes: [index], queue, waitStoreMsgOk, isAlone, size }
    parts.push(part)
    openParts.set(key, part)
  })
  return parts.map(({ topic, indexes, queue }) => ({ topic, indexes, queue }))
}

/**
 * Sends messages of any topics and any total size in as few requests as they take: the parts of one topic one after the other, several topics side by side.
 *
 * @returns what became of each part, in the order of their first messages. A part that fails keeps no other from being sent.
 * @throws {@link ClientError} for a list or a message that is wrong in itself, before anything is sent; it says which one.
 */
export async function sendBatches(
  messages: readonly Message[],
  limits: SendBatchesLimits,
  sender: BatchesSender,
): Promise<BatchPart[]> {
  if (!Array.isArray(messages)) {
    throw new ClientError('INVALID_ARGUMENT', `messages of sendBatches is ${shown(messages)}, a list is expected`)
  }
  const outgoing = toParts(messages, (message) => sender.encode(message))
  const topics = [...groupByTopic(outgoing).values()]
  const done: BatchPart[] = []
  const sendTopics = async (): Promise<void> => {
    for (let indexes = topics.shift(); indexes !== undefined; indexes = topics.shift()) {
      const topic = new TopicSend(indexes, messages, outgoing, limits, sender)
      done.push(...(await topic.send()))
    }
  }
  await Promise.all(Array.from({ length: Math.min(TOPICS_AT_ONCE, topics.length) }, sendTopics))
  return done.sort((a, b) => (a.indexes[0] as number) - (b.indexes[0] as number))
}

function groupByTopic(outgoing: readonly OutgoingMessage[]): Map<string, number[]> {
  const groups = new Map<string, number[]>()
  outgoing.forEach(({ topic }, index) => {
    const group = groups.get(topic)
    if (group === undefined) groups.set(topic, [index])
    else group.push(index)
  })
  return groups
}

/** The messages of one topic on their way. */
class TopicSend {
  readonly #indexes: readonly number[]
  readonly #messages: readonly Message[]
  readonly #outgoing: readonly OutgoingMessage[]
  readonly #limits: SendBatchesLimits
  readonly #sender: BatchesSender

  constructor(
    indexes: readonly number[],
    messages: readonly Message[],
    outgoing: readonly OutgoingMessage[],
    limits: SendBatchesLimits,
    sender: BatchesSender,
  ) {
    this.#indexes = indexes
    this.#messages = messages
    this.#outgoing = outgoing
    this.#limits = limits
    this.#sender = sender
  }

  async send(): Promise<BatchPart[]> {
    const split = await outcomeOf(() => this.#split())
    if ('error' in split) return [this.#report(this.#indexes, split)]
    const done: BatchPart[] = []
    for (const { indexes, queue } of split.result) {
      done.push(this.#report(indexes, await outcomeOf(() => this.#sendPart(indexes, queue))))
    }
    return done
  }

  async #split(): Promise<SplitPart[]> {
    const { maxMessageSize, timeout, signal } = this.#limits
    const { topic } = this.#outgoingAt(this.#indexes[0] as number)
    const chooser = await this.#sender.queueChooser(topic, timeout, signal)
    const outgoing = this.#indexes.map((index) => this.#outgoingAt(index))
    const queues = this.#indexes.map((index) => chooser(this.#outgoingAt(index), this.#messageAt(index)))
    const parts = splitBatch(outgoing, maxMessageSize, (position) => queues[position])
    return parts.map((part) => ({
      ...part,
      indexes: part.indexes.map((position) => this.#indexes[position] as number),
    }))
  }

  #sendPart(indexes: readonly number[], queue: MessageQueue | undefined): Promise<SendResult> {
    const { timeout, signal } = this.#limits
    const parts = indexes.map((index) => this.#outgoingAt(index))
    const messages = indexes.map((index) => this.#messageAt(index))
    const [first] = parts as [OutgoingMessage]
    const [message] = messages as [Message]
    if (signal?.aborted) throw abortError(`send to topic ${first.topic}`, signal)
    return parts.length === 1
      ? this.#sender.sendOne(first, message, { queue }, timeout, signal)
      : this.#sender.sendParts(parts, messages, { queue }, timeout, signal)
  }

  /** The topic as the user gave it. */
  #report(indexes: readonly number[], outcome: Pick<BatchPart, 'result' | 'error'>): BatchPart {
    const { topic } = this.#messageAt(indexes[0] as number)
    return { topic, indexes, ...outcome }
  }

  #outgoingAt(index: number): OutgoingMessage {
    return this.#outgoing[index] as OutgoingMessage
  }

  #messageAt(index: number): Message {
    return this.#messages[index] as Message
  }
}

type Outcome<T> = { readonly result: T } | { readonly error: RocketMQError }

async function outcomeOf<T>(work: () => Promise<T>): Promise<Outcome<T>> {
  try {
    return { result: await work() }
  } catch (error) {
    if (error instanceof RocketMQError) return { error }
    throw error
  }
}
