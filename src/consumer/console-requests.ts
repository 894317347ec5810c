import type { ConsumerRequestHandlers } from '../client/consumer-requests.js'
import type { Namespace } from '../client/namespace.js'
import { decodeMessages } from '../codec/message-codec.js'
import type { RemotingCommand } from '../codec/remoting-command.js'
import type { StoredMessage } from '../codec/stored-message.js'
import { MessageError, shown } from '../errors.js'
import type { Logger } from '../logger.js'
import type { MessageQueue } from '../message/message.js'
import { messageQueueKey } from '../message/message-queue.js'
import type { ServerReply } from '../remoting/channel.js'
import {
  type ConsumeMessageDirectlyResult,
  type ConsumerRunningInfo,
  consumeMessageDirectly,
  encodeConsumerStatus,
  encodeDirectResult,
  encodeRunningInfo,
  getConsumerRunningInfo,
  getConsumerStatusFromClient,
  type QueueOffset,
  readResetOffsets,
  resetConsumerClientOffset,
} from '../remoting/commands/console.js'
import { ResponseCode } from '../remoting/response-code.js'
import type { AssignedQueue } from './assigned-queue.js'
import type { ConsumeOutcome } from './consume-observer.js'
import { withOriginalTopics } from './retry-topic.js'

/** What consoles ask of a consumer. Queues and topics are as servers know them. */
export interface ConsoleHost {
  readonly namespace: Namespace
  readonly logger: Logger
  readonly maxMessageSize: number
  readonly isOrderly: boolean
  /** The queues that it has now. */
  queues(): readonly AssignedQueue[]
  /** Goes on with these queues elsewhere. Must not reject. */
  resetOffsets(offsets: readonly QueueOffset[]): Promise<void>
  runningInfo(isInFlightWanted: boolean): ConsumerRunningInfo
  /** Hands messages to the handler, beside all queues; resolves within the time. Undefined: it has no handler. A text says why it does not. */
  consumeDirectly: DirectConsumption | string | undefined
}

/** @param messageQueue - As the user knows it. @param timeout - In milliseconds; then the handler is not waited for any longer. */
export type DirectConsumption = (
  messages: StoredMessage[],
  messageQueue: MessageQueue,
  timeout: number,
) => Promise<ConsumeOutcome>

/** Brokers wait 10 seconds for a consumer's answer. */
const DIRECT_TIMEOUT = 9_000
const MAX_REMARK_LENGTH = 1_000
/** What a broker that floods this client may have under way. */
const MAX_DIRECT = 16
const MAX_RESETS = 256

/**
 * Answers what brokers ask of a consumer for administrators: `mqadmin` and dashboards.
 *
 * @see ClientRemotingProcessor, MQClientInstance
 */
export class ConsoleRequests {
  readonly #host: ConsoleHost
  /** Resets come from each broker, and one by one. */
  #resetting: Promise<void> = Promise.resolve()
  #resets = 0
  #direct = 0

  constructor(host: ConsoleHost) {
    this.#host = host
  }

  handlers(): ConsumerRequestHandlers {
    const handlers: [number, (request: RemotingCommand) => ServerReply | undefined | Promise<ServerReply>][] = [
      [resetConsumerClientOffset.code, (request) => this.#resetOffsets(request)],
      [getConsumerStatusFromClient.code, (request) => this.#status(request)],
      [getConsumerRunningInfo.code, (request) => this.#runningInfo(request)],
    ]
    if (this.#host.consumeDirectly !== undefined) {
      handlers.push([consumeMessageDirectly.code, (request) => this.#consumeDirectly(request)])
    }
    return new Map(handlers)
  }

  /** Has these queues consumed from elsewhere, when the resets before it are done. */
  reset(offsets: readonly QueueOffset[]): void {
    if (this.#resets >= MAX_RESETS) {
      this.#host.logger.warn(`a reset of offsets is passed over: ${MAX_RESETS} are under way`, { offsets })
      return
    }
    this.#resets++
    this.#resetting = this.#resetting.then(async () => {
      await this.#host.resetOffsets(offsets)
      this.#resets--
    })
  }

  /** Queues of other topics, and those that another member has, are passed over. */
  #resetOffsets(request: RemotingCommand): undefined {
    const { topic, timestamp } = resetConsumerClientOffset.request.read(request)
    const offsets = new Map<string, QueueOffset>()
    for (const one of readResetOffsets(request.body)) {
      if (one.queue.topic === topic) offsets.set(messageQueueKey(one.queue), one)
    }
    this.#host.logger.info(`an administrator resets offsets of topic ${topic}`, { timestamp, queues: offsets.size })
    this.reset([...offsets.values()])
  }

  #status(request: RemotingCommand): ServerReply {
    const { topic } = getConsumerStatusFromClient.request.read(request)
    const offsets: QueueOffset[] = []
    for (const { queue, mode, state } of this.#host.queues().map(withState)) {
      if (mode === 'PULL' && (topic === '' || queue.topic === topic))
        offsets.push({ queue, offset: state.commitOffset })
    }
    return { code: ResponseCode.SUCCESS, body: encodeConsumerStatus(offsets) }
  }

  #runningInfo(request: RemotingCommand): ServerReply {
    const { jstackEnable = false } = getConsumerRunningInfo.request.read(request)
    return { code: ResponseCode.SUCCESS, body: encodeRunningInfo(this.#host.runningInfo(jstackEnable)) }
  }

  async #consumeDirectly(request: RemotingCommand): Promise<ServerReply> {
    const { consumeDirectly } = this.#host
    if (typeof consumeDirectly !== 'function') {
      return { code: ResponseCode.NO_PERMISSION, remark: consumeDirectly ?? '' }
    }
    if (this.#direct >= MAX_DIRECT) {
      return { code: ResponseCode.SYSTEM_BUSY, remark: `the handler has ${MAX_DIRECT} messages of consoles already` }
    }
    this.#direct++
    try {
      return await this.#handleDirectly(request, consumeDirectly)
    } finally {
      this.#direct--
    }
  }

  async #handleDirectly(request: RemotingCommand, consumeDirectly: DirectConsumption): Promise<ServerReply> {
    const { namespace, maxMessageSize: maxBodySize, isOrderly } = this.#host
    const { brokerName = '', consumerGroup } = consumeMessageDirectly.request.read(request)
    // A copy: the handler may keep it, and a view would keep all that came with it.
    const { messages, fault } = await decodeMessages(Buffer.from(request.body), { brokerName, maxBodySize })
    const [first] = messages
    if (fault !== undefined || first === undefined) {
      const problem = fault ?? new MessageError('MESSAGE_MALFORMED', 'the request has no message')
      return { code: ResponseCode.SYSTEM_ERROR, remark: `the message can't be read: ${problem.message}` }
    }
    const messageQueue = { topic: namespace.unwrap(first.topic), brokerName, queueId: first.queueId }
    const users = messages.map((message) => message.derive({ topic: namespace.unwrap(message.topic) }, message.body))
    const original = withOriginalTopics(users, namespace, namespace.unwrap(consumerGroup))
    const outcome = await consumeDirectly(original, messageQueue, DIRECT_TIMEOUT)
    return { code: ResponseCode.SUCCESS, body: encodeDirectResult(directResult(outcome, isOrderly)) }
  }
}

function withState(assigned: AssignedQueue) {
  return { queue: assigned.queue, mode: assigned.mode, state: assigned.state() }
}

function directResult({ isSuccess, elapsed, error }: ConsumeOutcome, order: boolean): ConsumeMessageDirectlyResult {
  return {
    order,
    autoCommit: true,
    consumeResult: isSuccess ? 'CR_SUCCESS' : 'CR_THROW_EXCEPTION',
    remark: isSuccess ? undefined : remarkOf(error),
    spentTimeMills: Math.round(elapsed),
  }
}

function remarkOf(error: unknown): string {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : shown(error)
  return text.slice(0, MAX_REMARK_LENGTH)
}
