import type { Client } from '../client/client.js'
import { checkSendTopic } from '../client/name-check.js'
import type { PendingRequest } from '../client/pending-request.js'
import { ClientError, shown } from '../errors.js'
import type { Message, MessageExt } from '../message/message.js'
import { MessageProperty } from '../message/message-properties.js'
import type { LateReply } from '../message/request-reply.js'
import { withSystemProperties } from '../message/system-properties.js'
import { PROXY_HINT } from '../remoting/refusal.js'
import type { TopicRoute } from '../route/topic-route.js'
import { kindOf } from './message-kind.js'
import { bodyLength } from './outgoing-message.js'
import type { ResolvedProducerOptions } from './producer-options.js'
import type { QueueChoice } from './queue-selector.js'
import type { SendResult } from './send-result.js'

export interface RequestOptions extends QueueChoice {
  /** For the send and the reply together, in milliseconds. Required: only you know how long the reply may take. */
  timeout: number
  signal?: AbortSignal
}

/** What {@link Requester} needs of the producer that it belongs to. */
export interface RequestingProducer {
  readonly client: Client
  readonly options: ResolvedProducerOptions
  deliver(message: Message, options: RequestOptions): Promise<SendResult>
  /** Told of late replies from the first request on. */
  onLateReply(late: LateReply): void
}

const MAX_TIMEOUT = 0x7fff_ffff

/**
 * The requests of one producer.
 *
 * @see DefaultMQProducerImpl.request
 */
export class Requester {
  readonly #producer: RequestingProducer
  /** As brokers know it. */
  readonly #producerGroup: string
  readonly #onLateReply: (late: LateReply) => void

  constructor(producer: RequestingProducer) {
    this.#producer = producer
    this.#producerGroup = producer.client.namespace.wrap(producer.options.producerGroup)
    this.#onLateReply = (late) => producer.onLateReply(late)
  }

  /** Sends a request and waits for its reply; see `DefaultProducer.request`. */
  async request(message: Message, options: RequestOptions): Promise<MessageExt> {
    const { timeout, signal } = checkOptions(options)
    const topic = checkRequest(message)
    const { pendingRequests } = this.#producer.client
    pendingRequests.onLateReply(this.#onLateReply)
    const request = pendingRequests.open(topic, this.#producerGroup, timeout, signal)
    if (!request.isSettled) this.#send(request, message, options).catch((error: unknown) => request.fail(error))
    return request.reply
  }

  /** Fails the requests that wait for their replies. */
  close(): void {
    const { pendingRequests } = this.#producer.client
    pendingRequests.close(this.#producerGroup, 'the producer was shut down before a reply came')
    pendingRequests.offLateReply(this.#onLateReply)
  }

  async #send(request: PendingRequest, message: Message, options: RequestOptions): Promise<void> {
    const { signal } = options
    await this.#register(request, signal)
    if (request.isSettled) return
    const properties = {
      [MessageProperty.CORRELATION_ID]: request.correlationId,
      [MessageProperty.REPLY_TO_CLIENT]: this.#producer.client.clientId,
      [MessageProperty.TTL]: String(Math.ceil(options.timeout)),
    }
    request.sending()
    const timeout = request.remaining
    const result = await this.#producer.deliver(withSystemProperties(message, properties), { ...options, timeout })
    const { brokerName, queueId } = result.messageQueue
    request.stored(`${brokerName}[${queueId}] at ${result.queueOffset}`)
  }

  /** Without it, the reply to a first request could be quicker than the heartbeat by which brokers know where it belongs. */
  async #register(request: PendingRequest, signal: AbortSignal | undefined): Promise<void> {
    const { client, options } = this.#producer
    const topic = client.namespace.wrap(request.topic)
    const wait = { timeout: request.remaining, signal }
    const route = client.routes.cachedPublishRoute(topic) ?? (await client.routes.publishRoute(topic, options, wait))
    checkReplies(client, route, request.topic)
    // Time must be left for the request itself.
    const timeout = request.remaining / 2
    await client.pendingRequests.registration.ensure(route, this.#producerGroup, { timeout, signal })
  }
}

/** @throws {@link ClientError} `UNSUPPORTED_BY_BROKER`: a proxy pushes no replies, so that each request would end by its timeout. */
function checkReplies({ remoting }: Client, route: TopicRoute, topic: string): void {
  for (const { brokerAddrs } of route.data.brokerDatas) {
    for (const address of brokerAddrs.values()) {
      if (remoting.isProxy(address))
        throw new ClientError('UNSUPPORTED_BY_BROKER', `request to topic ${topic} by ${address}: ${PROXY_HINT}`)
    }
  }
}

function checkOptions(options: RequestOptions): RequestOptions {
  const timeout: unknown = (options as RequestOptions | undefined)?.timeout
  if (typeof timeout === 'number' && timeout > 0 && timeout <= MAX_TIMEOUT) return options
  throw new ClientError(
    'INVALID_ARGUMENT',
    `timeout of a request is ${shown(timeout)}, milliseconds above 0 and up to ${MAX_TIMEOUT} expected`,
  )
}

/** @returns its topic. */
function checkRequest(message: Message): string {
  bodyLength(message)
  if (kindOf(message) === 'NORMAL') return checkSendTopic(message.topic)
  throw new ClientError('INVALID_ARGUMENT', 'a reply can not be a request too: send it by send()')
}
