import type { Client } from '../client/client.js'
import { compress, compressionFlagOf, compressSync } from '../codec/compression.js'
import { encodeProperties, type Properties } from '../codec/properties.js'
import { textRecord } from '../codec/text-record.js'
import { ClientError } from '../errors.js'
import type { MessageExt, MessageQueue } from '../message/message.js'
import { MessageProperty } from '../message/message-properties.js'
import { AUTO_CREATE_TOPIC, RETRY_TOPIC_PREFIX } from '../message/names.js'
import { MessageSysFlag } from '../message/sys-flag.js'
import { sendMessage } from '../remoting/commands/send.js'
import type { WaitOptions } from '../remoting/deadline.js'

/** `MixAll.CLIENT_INNER_PRODUCER_GROUP`. */
const INNER_PRODUCER_GROUP = 'CLIENT_INNER_PRODUCER'
/** As for Java's inner producer. */
const NEW_TOPIC = { createTopicKey: AUTO_CREATE_TOPIC, defaultTopicQueueNums: 4 }
const MAX_ATTEMPTS = 3
const DEAD_LETTER_TIMEOUT = 3_000
const COMPRESS_OVER = 4096
const SMALL_BODY = 16 * 1024
/** The delay level of a message that comes back for the first time. */
const FIRST_DELAY_LEVEL = 3

/** What the client added for its user, and what belongs to the message's first way only. */
const LEFT_OUT: readonly string[] = [
  MessageProperty.MIN_OFFSET,
  MessageProperty.MAX_OFFSET,
  MessageProperty.CONSUME_START_TIME,
  MessageProperty.TRANSACTION_PREPARED,
]

/** How a message is sent to its group's retry topic. */
export interface RetrySendOptions extends WaitOptions {
  /** The group gets it again after more returns than that no more: the broker puts it into the dead-letter topic. */
  readonly maxReconsumeTimes: number
}

/**
 * Sends messages to the retry topic of their group as a producer would, where the broker that has them does not take them back: to any broker that has the retry topic.
 *
 * @see DefaultMQPushConsumerImpl.sendMessageBackAsNormalMessage
 */
export class RetryTopicSender {
  readonly #client: Client
  readonly #topic: string
  #next = Math.floor(Math.random() * 1_000)

  /** @param wireGroup - With its namespace. */
  constructor(client: Client, wireGroup: string) {
    this.#client = client
    this.#topic = RETRY_TOPIC_PREFIX + wireGroup
  }

  /**
   * @param topic - Of the message, with its namespace: the group gets it under this name.
   * @param options - `timeout` is for each of up to three attempts.
   * @throws what the last attempt threw.
   */
  async send(message: MessageExt, topic: string, options: RetrySendOptions): Promise<void> {
    const { body, sysFlag } = await compressed(message.body)
    const header = {
      producerGroup: INNER_PRODUCER_GROUP,
      topic: this.#topic,
      defaultTopic: NEW_TOPIC.createTopicKey,
      defaultTopicQueueNums: NEW_TOPIC.defaultTopicQueueNums,
      sysFlag,
      bornTimestamp: Date.now(),
      flag: message.flag,
      properties: encodeProperties(retryProperties(message, topic)),
      reconsumeTimes: message.reconsumeTimes + 1,
      unitMode: false,
      maxReconsumeTimes: options.maxReconsumeTimes,
      batch: false,
    }
    const { timeout, signal } = options
    let failed: MessageQueue | undefined
    for (let attempt = 1; ; attempt++) {
      const queue = await this.#queue(failed, { timeout, signal })
      const { queueId, brokerName } = queue
      try {
        const address = this.#addressOf(queue)
        if (address === undefined) throw this.#noBroker()
        await this.#client.remoting.invoke(
          address,
          sendMessage,
          { ...header, queueId, brokerName },
          { body, timeout, signal },
        )
        return
      } catch (error) {
        if (attempt === MAX_ATTEMPTS || signal?.aborted) throw error
        failed = queue
        this.#client.routes.refreshSoon(this.#topic)
      }
    }
  }

  /**
   * Has a broker put a message into the group's dead-letter topic at once.
   *
   * @throws what the last attempt threw.
   */
  sendToDeadLetters(message: MessageExt): Promise<void> {
    const options = { maxReconsumeTimes: message.reconsumeTimes, timeout: DEAD_LETTER_TIMEOUT }
    return this.send(message, this.#client.namespace.wrap(message.topic), options)
  }

  /** The next in turn; after a failure, one of another broker where there is one that can be reached. */
  async #queue(failed: MessageQueue | undefined, options: WaitOptions): Promise<MessageQueue> {
    const { routes } = this.#client
    const { publishQueues } = await routes.publishRoute(this.#topic, NEW_TOPIC, options)
    // Its broker may have made the topic a moment ago, with fewer queues than the template has.
    const queues = routes.isNewTopic(this.#topic) ? publishQueues.filter(({ queueId }) => queueId === 0) : publishQueues
    let best: MessageQueue | undefined
    for (let i = 0; i < queues.length; i++) {
      this.#next = (this.#next + 1) & 0x7fff_ffff
      const queue = queues[this.#next % queues.length] as MessageQueue
      best ??= queue
      if (queue.brokerName !== failed?.brokerName && this.#isReachable(queue)) return queue
    }
    return best ?? this.#throwNoBroker()
  }

  #isReachable(queue: MessageQueue): boolean {
    const address = this.#addressOf(queue)
    return address !== undefined && !this.#client.remoting.isBackingOff(address)
  }

  #addressOf(queue: MessageQueue): string | undefined {
    return this.#client.masterAddress(this.#client.routes.brokerNameOfQueue(queue))
  }

  #throwNoBroker(): never {
    throw this.#noBroker()
  }

  #noBroker(): ClientError {
    const problem = `topic ${this.#topic} has no writable queue on a broker with a master now`
    return new ClientError('NO_BROKER', problem, { retryable: true })
  }
}

function retryProperties(message: MessageExt, topic: string): Properties {
  const properties: Properties = textRecord()
  for (const name in message.properties) {
    if (!LEFT_OUT.includes(name)) properties[name] = message.properties[name] as string
  }
  properties[MessageProperty.ORIGIN_MESSAGE_ID] ??= message.msgId
  properties[MessageProperty.RETRY_TOPIC] = topic
  properties[MessageProperty.DELAY_TIME_LEVEL] = String(FIRST_DELAY_LEVEL + message.reconsumeTimes)
  return properties
}

/** As it was when it came, if it was compressed at all. */
async function compressed(body: Buffer): Promise<{ body: Buffer; sysFlag: number }> {
  if (body.length < COMPRESS_OVER) return { body, sysFlag: 0 }
  const smaller = body.length <= SMALL_BODY ? compressSync('ZLIB', body) : await compress('ZLIB', body)
  if (smaller.length >= body.length) return { body, sysFlag: 0 }
  return { body: smaller, sysFlag: MessageSysFlag.COMPRESSED | compressionFlagOf('ZLIB') }
}
