import type { RemotingCommand } from '../codec/remoting-command.js'
import { ClientError } from '../errors.js'
import type { Logger } from '../logger.js'
import type { LateReply } from '../message/request-reply.js'
import type { ServerReply } from '../remoting/channel.js'
import { pushReplyMessageToClient } from '../remoting/commands/reply.js'
import type { RemotingClient } from '../remoting/remoting-client.js'
import { ResponseCode } from '../remoting/response-code.js'
import type { RouteCache } from '../route/route-cache.js'
import type { Namespace } from './namespace.js'
import { PendingRequest } from './pending-request.js'
import { PushedReply } from './pushed-reply.js'
import type { ReplyRegistration } from './reply-registration.js'

/** As many as calls on one connection. */
const MAX_PENDING_REQUESTS = 65_535

export interface PendingRequestsOptions {
  /** Largest body of a reply once it is decompressed, in bytes. */
  readonly maxBodySize: number
  readonly logger: Logger
  /** Taken off the topics of replies. Default: none. */
  readonly namespace?: Namespace
  /** How many may wait at a time. Default 65535. */
  readonly maxPending?: number
}

/**
 * The requests of all producers of a client that wait for their replies, by correlation id.
 *
 * @see RequestFutureHolder
 */
export class PendingRequests {
  /** Knows whether brokers can push replies to this client. */
  readonly registration: ReplyRegistration
  readonly #routes: RouteCache
  readonly #options: PendingRequestsOptions
  readonly #maxPending: number
  readonly #pending = new Map<string, PendingRequest>()
  readonly #lateListeners = new Set<(late: LateReply) => void>()
  #lateReplies = 0

  constructor(
    remoting: RemotingClient,
    routes: RouteCache,
    registration: ReplyRegistration,
    options: PendingRequestsOptions,
  ) {
    this.registration = registration
    registration.onDoubt = () => this.#repair()
    this.#routes = routes
    this.#options = options
    this.#maxPending = options.maxPending ?? MAX_PENDING_REQUESTS
    remoting.registerProcessor(pushReplyMessageToClient.code, (request, address) => this.#receive(request, address))
  }

  get size(): number {
    return this.#pending.size
  }

  /** How many replies have come that no request waited for any more. */
  get lateReplies(): number {
    return this.#lateReplies
  }

  /**
   * Makes a request wait for its reply from now on.
   *
   * @throws {@link ClientError} `TOO_MANY_REQUESTS`.
   */
  open(topic: string, producerGroup: string, timeout: number, signal: AbortSignal | undefined): PendingRequest {
    if (this.#pending.size >= this.#maxPending) {
      throw new ClientError(
        'TOO_MANY_REQUESTS',
        `request to topic ${topic}: ${this.#maxPending} requests of this client wait for their replies already; it was not sent`,
        { retryable: true },
      )
    }
    const request = new PendingRequest(topic, producerGroup, timeout, signal, this.#forget, this.#onExpired)
    if (!request.isSettled) this.#pending.set(request.correlationId, request)
    return request
  }

  /** Tells of every late reply to any producer of this client. */
  onLateReply(listener: (late: LateReply) => void): void {
    this.#lateListeners.add(listener)
  }

  offLateReply(listener: (late: LateReply) => void): void {
    this.#lateListeners.delete(listener)
  }

  /** Fails the requests of one producer group, or all of them. */
  close(producerGroup: string | undefined, why: string): void {
    for (const request of [...this.#pending.values()]) {
      if (producerGroup === undefined || request.producerGroup === producerGroup) request.close(why)
    }
  }

  /** To be called when brokers were told that a producer left: with it, they have forgotten how to reach the others of this client. */
  producerLeft(): void {
    this.registration.doubtAll()
    this.#repair()
  }

  /** Where no request waits, the next one sees to it. */
  #repair(): void {
    const [waiting] = this.#pending.values()
    if (waiting !== undefined) this.registration.repair(waiting.producerGroup)
  }

  readonly #forget = (request: PendingRequest): void => {
    this.#pending.delete(request.correlationId)
  }

  readonly #onExpired = (request: PendingRequest): void => {
    if (request.isStored) this.registration.doubtSilent(request.startedAt, request.producerGroup)
  }

  /** What this throws is answered as an error, so that the replier learns of it. */
  async #receive(request: RemotingCommand, address: string): Promise<ServerReply> {
    const reply = new PushedReply(request)
    this.registration.pushed(address)
    const { maxBodySize, namespace } = this.#options
    const message = reply.toMessage(this.#routes.brokerNameOf(address) ?? '', maxBodySize, namespace)
    const pending = this.#pending.get(reply.correlationId)
    pending?.resolve(message)
    const decoded = await message
    if (pending === undefined) this.#reportLate({ correlationId: reply.correlationId, message: decoded }, address)
    return { code: ResponseCode.SUCCESS }
  }

  #reportLate(late: LateReply, address: string): void {
    this.#lateReplies++
    const { correlationId, message } = late
    const { logger } = this.#options
    logger.warn('a reply came that no request waits for', { correlationId, broker: address, from: message.bornHost })
    for (const listener of this.#lateListeners) listener(late)
  }
}
