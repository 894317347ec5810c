import type { Client } from '../client/client.js'
import type { Logger } from '../logger.js'
import type { MessageExt } from '../message/message.js'
import { isMockBrokerName } from '../route/static-topic.js'
import type { QueueRequests } from './queue-requests.js'
import { RetryTopicSender } from './retry-topic-sender.js'

const SEND_BACK_TIMEOUT = 5_000

/**
 * Gives messages back, so that their group gets them again later.
 *
 * @see DefaultMQPushConsumerImpl.sendMessageBack
 */
export class SendBack {
  readonly #client: Client
  readonly #requests: QueueRequests
  readonly #retrySender: RetryTopicSender
  readonly #maxReconsumeTimes: number
  readonly #logger: Logger

  constructor(client: Client, requests: QueueRequests, maxReconsumeTimes: number) {
    this.#client = client
    this.#requests = requests
    this.#maxReconsumeTimes = maxReconsumeTimes
    this.#retrySender = new RetryTopicSender(client, requests.consumerGroup)
    this.#logger = client.logger
  }

  /**
   * Resolves when a broker has the message: its own one, else any that has the group's retry topic.
   *
   * @param delayLevel - 0: the broker chooses by how often the message came back; −1: to the dead-letter topic at once; else a delay level.
   * @throws when no broker takes it.
   */
  async send(message: MessageExt, delayLevel: number): Promise<void> {
    const topic = this.#client.namespace.wrap(message.topic)
    const options = { maxReconsumeTimes: this.#maxReconsumeTimes, timeout: SEND_BACK_TIMEOUT }
    // A queue of a static topic may have moved, and only its present broker knows the message by its place.
    if (!isMockBrokerName(message.brokerName)) {
      try {
        await this.#requests.sendMessageBack(message, topic, { ...options, delayLevel })
        return
      } catch (error) {
        this.#logger.warn(`message ${message.msgId} is not taken back by its broker; it is sent to the retry topic`, {
          error,
        })
      }
    }
    await this.#retrySender.send(message, topic, options)
  }
}
