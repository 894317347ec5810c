import type { Client } from '../client/client.js'
import type { Command } from '../codec/command.js'
import { ClientError, RemotingError, RocketMQError } from '../errors.js'
import type { MessageExt, MessageQueue } from '../message/message.js'
import { messageQueueKey } from '../message/message-queue.js'
import {
  getEarliestMsgStoreTime,
  getMaxOffset,
  getMinOffset,
  searchOffsetByTimestamp,
} from '../remoting/commands/offset.js'
import { consumerSendMsgBack } from '../remoting/commands/send.js'
import { monotonicNow, type WaitOptions } from '../remoting/deadline.js'
import { MASTER_ID } from '../route/topic-route-data.js'
import { type PullAnswer, type PullRequest, type PullTarget, pullFrom } from './pull-request.js'
import type { PullResult } from './pull-result.js'

/** How a message goes back to its broker. */
export interface SendBackOptions extends WaitOptions {
  /** 0: the broker chooses by how often the message came back; −1: to the dead-letter topic at once; else a delay level. */
  readonly delayLevel: number
  /** After so many returns the message goes to the dead-letter topic. */
  readonly maxReconsumeTimes: number
}

/** Answers that a broker gives when the route by which it was asked is out of date. */
const STALE_ROUTE_CODES: ReadonlySet<string> = new Set(['TOPIC_NOT_EXIST', 'NO_PERMISSION', 'NOT_LEADER_FOR_QUEUE'])

/**
 * What consumers ask brokers about queues: the right address, the request, and what an answer says about whom to ask next. Queues, topics and the group are as
 * servers know them, with their namespace.
 */
export class QueueRequests {
  readonly consumerGroup: string
  readonly #client: Client
  readonly #report: (error: unknown, what: string) => void
  /** Which broker id to ask for a queue, where the last answer suggested another than the master. */
  readonly #suggestedBrokerIds = new Map<string, number>()

  constructor(client: Client, wireGroup: string, report: (error: unknown, what: string) => void) {
    this.#client = client
    this.consumerGroup = wireGroup
    this.#report = report
  }

  /**
   * Pulls from the broker that is best asked for the queue.
   *
   * @throws {@link MessageError} when already the first message can't be read; then nothing was delivered and the offset must stay.
   */
  async pull(request: PullRequest): Promise<PullResult> {
    const { result, skipTo } = await this.pullOnce(request)
    if (result.fault === undefined) return result
    if (skipTo !== undefined) throw result.fault
    this.#report(result.fault, 'a pulled message can not be read')
    return result
  }

  /** {@link QueueRequests.pull} for who goes on by itself: a first message that can't be read is an answer with `skipTo`. */
  async pullOnce(request: PullRequest): Promise<PullAnswer> {
    const { queue } = request
    const startedAt = monotonicNow()
    const target = await this.#pullTarget(queue, request)
    try {
      const timeout = request.timeout - (monotonicNow() - startedAt)
      const answer = await pullFrom(this.#client, target, { ...request, timeout })
      this.#follow(queue, answer.suggestWhichBrokerId)
      return answer
    } catch (error) {
      // A slave that refuses may be all that is left of the broker in the route: its master may be back.
      const isStale = error instanceof RemotingError || STALE_ROUTE_CODES.has(codeOf(error)) || !target.isMaster
      if (isStale) this.#onStaleRoute(queue)
      throw error
    }
  }

  /** The address for a queue's data: its master's, where there is one. @throws {@link ClientError} `NO_BROKER`. */
  async address(queue: MessageQueue, options: WaitOptions): Promise<string> {
    const addresses = await this.#addressesOf(queue, options)
    const master = addresses?.get(MASTER_ID)
    if (master !== undefined) return master
    const slave = addresses?.values().next().value
    if (slave === undefined) return this.#noBroker(queue)
    this.#client.routes.refreshSoon(queue.topic)
    return slave
  }

  /** The offset of the oldest message that is still there. */
  async minOffset(queue: MessageQueue, options: WaitOptions): Promise<number> {
    return (await this.#ask(getMinOffset, queue, {}, options)).offset
  }

  /** The offset that the next message of the queue will have. */
  async maxOffset(queue: MessageQueue, options: WaitOptions): Promise<number> {
    return (await this.#ask(getMaxOffset, queue, {}, options)).offset
  }

  /** The offset of the first message stored at a time (ms since the epoch) or after it. */
  async searchOffset(queue: MessageQueue, timestamp: number, options: WaitOptions): Promise<number> {
    return (await this.#ask(searchOffsetByTimestamp, queue, { timestamp }, options)).offset
  }

  /** When the oldest message of the queue was stored, in ms since the epoch; −1 when it has none. */
  async earliestMsgStoreTime(queue: MessageQueue, options: WaitOptions): Promise<number> {
    return (await this.#ask(getEarliestMsgStoreTime, queue, {}, options)).timestamp
  }

  /**
   * Gives a message back to its broker: the group gets it again by its retry topic.
   *
   * @param topic - Of the message, with its namespace.
   */
  async sendMessageBack(message: MessageExt, topic: string, options: SendBackOptions): Promise<void> {
    const { brokerName, queueId } = message
    const address = await this.address({ topic, brokerName, queueId }, options)
    const header = {
      offset: message.commitLogOffset,
      group: this.consumerGroup,
      delayLevel: options.delayLevel,
      originMsgId: message.msgId,
      originTopic: topic,
      unitMode: false,
      maxReconsumeTimes: options.maxReconsumeTimes,
      brokerName,
    }
    const { timeout, signal } = options
    await this.#client.remoting.invoke(address, consumerSendMsgBack, header, { timeout, signal })
  }

  /** Forgets what is known of a queue that is not pulled any more. */
  forget(queue: MessageQueue): void {
    this.#suggestedBrokerIds.delete(messageQueueKey(queue))
  }

  #follow(queue: MessageQueue, brokerId: number): void {
    if (brokerId !== MASTER_ID) this.#suggestedBrokerIds.set(messageQueueKey(queue), brokerId)
    else if (this.#suggestedBrokerIds.size > 0) this.#suggestedBrokerIds.delete(messageQueueKey(queue))
  }

  #onStaleRoute(queue: MessageQueue): void {
    this.#suggestedBrokerIds.delete(messageQueueKey(queue))
    this.#client.routes.refreshSoon(queue.topic)
  }

  /**
   * The suggested broker; else the master; else any replica that is left. A replica that could not be reached just now is passed over where another one is.
   *
   * @see MQClientInstance.findBrokerAddressInSubscribe
   */
  async #pullTarget(queue: MessageQueue, options: WaitOptions): Promise<PullTarget> {
    const addresses = await this.#addressesOf(queue, options)
    if (addresses === undefined || addresses.size === 0) return this.#noBroker(queue)
    const master = addresses.get(MASTER_ID)
    const suggestedId =
      this.#suggestedBrokerIds.size === 0 ? undefined : this.#suggestedBrokerIds.get(messageQueueKey(queue))
    let address = (suggestedId === undefined ? undefined : addresses.get(suggestedId)) ?? master
    if (address === undefined || this.#client.remoting.isBackingOff(address)) {
      for (const other of addresses.values()) {
        if (other !== address && !this.#client.remoting.isBackingOff(other)) {
          address = other
          break
        }
      }
    }
    address ??= addresses.values().next().value as string
    return { address, isMaster: address === master }
  }

  async #addressesOf(queue: MessageQueue, options: WaitOptions): Promise<ReadonlyMap<number, string> | undefined> {
    const { routes } = this.#client
    if (routes.cached(queue.topic) === undefined) await routes.route(queue.topic, options)
    return routes.brokers.get(routes.brokerNameOfQueue(queue))?.brokerAddrs
  }

  #noBroker(queue: MessageQueue): never {
    this.#client.routes.refreshSoon(queue.topic)
    throw new ClientError(
      'NO_BROKER',
      `The broker[${queue.brokerName}] not exist: no route names an address for it now (topic ${queue.topic})`,
      { retryable: true },
    )
  }

  async #ask<Q extends { topic: string; queueId: number; brokerName?: string | undefined }, S>(
    command: Command<Q, S>,
    queue: MessageQueue,
    more: Omit<Q, 'topic' | 'queueId' | 'brokerName'>,
    options: WaitOptions,
  ): Promise<S> {
    const { topic, queueId, brokerName } = queue
    const route = await this.#client.routes.route(topic, options)
    // A broker answers 0 for a queue that it does not have.
    if (!route.subscribeQueues.some((known) => known.brokerName === brokerName && known.queueId === queueId)) {
      throw new ClientError('INVALID_ARGUMENT', `topic ${topic} has no readable queue ${brokerName}[${queueId}]`)
    }
    const address = await this.address(queue, options)
    const header = { ...more, topic, queueId, brokerName } as Q
    const response = await this.#client.remoting.invoke(address, command, header, options)
    return response.header
  }
}

function codeOf(error: unknown): string {
  return error instanceof RocketMQError ? error.code : ''
}
