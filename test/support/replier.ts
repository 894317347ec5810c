import { setTimeout as delay } from 'node:timers/promises'
import type { EventEmitter } from 'eventemitter3'
import { onTestFinished } from 'vitest'
import {
  createReplyMessage,
  type DefaultProducer,
  type Message,
  type MessageExt,
  type MessageQueue,
  type PullConsumer,
  type RocketMQError,
  type SendResult,
} from '../../src/index.js'
import type { LateReply } from '../../src/message/request-reply.js'
import { rejectionOf } from './until.js'

/** Makes the body of the reply, or the whole reply; undefined: no reply. */
export type Answer = (request: MessageExt) => string | Uint8Array | Message | undefined

const PAUSE_AFTER_ERROR = 50

/** Answers the requests of a topic as they come. */
export class Replier {
  /** All requests that came, in their order; one that was sent twice stands there twice. */
  readonly requests: MessageExt[] = []
  readonly sent: SendResult[] = []
  readonly failures: RocketMQError[] = []
  readonly #consumer: PullConsumer
  readonly #producer: DefaultProducer
  readonly #answer: Answer
  readonly #stopped = new AbortController()
  #loops: Promise<unknown> = Promise.resolve()

  constructor(consumer: PullConsumer, producer: DefaultProducer, answer: Answer) {
    this.#consumer = consumer
    this.#producer = producer
    this.#answer = answer
  }

  async start(topic: string): Promise<void> {
    const queues = await this.#consumer.fetchSubscribeMessageQueues(topic)
    this.#loops = Promise.all(queues.map((queue) => this.#read(queue)))
  }

  /** Takes no further requests; resolves when the replies under way are settled. */
  async stop(): Promise<void> {
    this.#stopped.abort()
    await this.#loops
  }

  /** Reads on whatever happens: servers may come and go. */
  async #read(queue: MessageQueue): Promise<void> {
    const { signal } = this.#stopped
    const replies: Promise<void>[] = []
    let offset = 0
    while (!signal.aborted) {
      try {
        const { messages, nextBeginOffset } = await this.#consumer.pullBlockIfNotFound(queue, { offset, signal })
        offset = nextBeginOffset
        for (const message of messages) replies.push(this.#reply(message))
      } catch {
        await delay(PAUSE_AFTER_ERROR)
      }
    }
    await Promise.all(replies)
  }

  async #reply(request: MessageExt): Promise<void> {
    this.requests.push(request)
    const answer = this.#answer(request)
    if (answer === undefined) return
    const isBody = typeof answer === 'string' || answer instanceof Uint8Array
    const reply = isBody ? createReplyMessage(request, answer) : answer
    try {
      this.sent.push(await this.#producer.send(reply, { timeout: 30_000 }))
    } catch (error) {
      this.failures.push(error as RocketMQError)
    }
  }
}

/** A replier that is stopped when the running test ends. */
export async function startReplier(
  consumer: PullConsumer,
  producer: DefaultProducer,
  topic: string,
  answer: Answer,
): Promise<Replier> {
  const replier = new Replier(consumer, producer, answer)
  await replier.start(topic)
  onTestFinished(() => replier.stop())
  return replier
}

/** The late replies that a producer tells of from now on, each of which is handed to `onLate` too. */
export function lateRepliesOf(producer: DefaultProducer, onLate?: (reply: LateReply) => void): LateReply[] {
  const late: LateReply[] = []
  const listen = producer as EventEmitter
  listen.on('lateReply', (reply: LateReply) => {
    late.push(reply)
    onLate?.(reply)
  })
  return late
}

/**
 * Requests with longer and longer timeouts, until one was stored before its time was over: on a busy machine a short one may not come so far.
 *
 * @returns its error, and its correlation id as the error names it.
 */
export async function expireStored(
  ask: (timeout: number) => Promise<unknown>,
): Promise<{ error: RocketMQError; correlationId: string }> {
  for (let timeout = 50; ; timeout *= 4) {
    const error = (await rejectionOf(ask(timeout))) as RocketMQError
    const isStored = error.message.includes('the request was stored')
    if (!isStored && error.code === 'REQUEST_TIMEOUT' && timeout < 10_000) continue
    return { error, correlationId: /^request (\S+) /.exec(error.message)?.[1] ?? '' }
  }
}
