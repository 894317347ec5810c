import type { Client } from '../client/client.js'
import type { ClientWarning } from '../client/member.js'
import { decodeProperties } from '../codec/properties.js'
import type { MessageQueue } from '../message/message.js'
import { MessageProperty } from '../message/message-properties.js'
import { getTopicConfig } from '../remoting/commands/topic.js'
import { parseTopicMessageType } from '../route/topic-config.js'
import type { TopicRoute } from '../route/topic-route.js'
import type { SendAttemptView, SendObserver } from './send-observer.js'
import type { SendResult } from './send-result.js'

/**
 * Finds out, after the answer, where servers passed over a priority without a word, and warns once for a topic.
 *
 * A broker that obeys it stores the message in the queue whose number is the priority, or in the last one; another queue is a proof that it did not. The right
 * queue is none: consumers get the queues in their order only where the topic is of the type PRIORITY, so the broker is asked for that at the first message.
 */
export class PriorityWatch implements SendObserver {
  readonly #client: Client
  readonly #warn: (warning: ClientWarning) => void
  /** Topics as brokers know them: whose type was asked for, whose queues are being looked at, that were warned of. */
  readonly #asked = new Set<string>()
  readonly #checking = new Set<string>()
  readonly #warned = new Set<string>()

  constructor(client: Client, warn: (warning: ClientWarning) => void) {
    this.#client = client
    this.#warn = warn
  }

  after({ outgoing, address }: SendAttemptView, result: SendResult | undefined): void {
    const { topic } = outgoing
    if (outgoing.needs !== 'PRIORITY' || result === undefined || this.#warned.has(topic)) return
    if (!this.#asked.has(topic)) {
      this.#asked.add(topic)
      void this.#checkType(topic, result.messageQueue.brokerName, address)
    }
    const priority = Number(decodeProperties(outgoing.properties)[MessageProperty.PRIORITY])
    if (isElsewhere(this.#client.routes.cached(topic), priority, result.messageQueue))
      void this.#checkQueue(topic, priority, result.messageQueue)
  }

  async #checkType(topic: string, brokerName: string, address: string): Promise<void> {
    try {
      const { body } = await this.#client.remoting.invoke(address, getTopicConfig, { topic, lo: true, brokerName })
      const type = parseTopicMessageType(body)
      if (type === 'PRIORITY') return
      this.#report(
        topic,
        `it is of the type ${type} on broker ${brokerName}, and only of topics created with message.type=PRIORITY do consumers get messages in the order of their priority`,
      )
    } catch (error) {
      // Access rules or a proxy may forbid the question; then nothing is known.
      this.#client.logger.debug('the message type of a topic could not be found out', { topic, error })
    }
  }

  /** The topic may have got more or fewer queues than the route says that was known so far. */
  async #checkQueue(topic: string, priority: number, queue: MessageQueue): Promise<void> {
    if (this.#checking.has(topic)) return
    this.#checking.add(topic)
    try {
      const { routes, options } = this.#client
      const route = await routes.refresh(topic, { timeout: options.requestTimeout })
      if (!isElsewhere(route, priority, queue)) return
      const { brokerName, queueId } = queue
      this.#report(topic, `broker ${brokerName} stored a message with the priority ${priority} in queue ${queueId}`)
    } catch (error) {
      this.#client.logger.debug('the queue of a message with a priority could not be checked', { topic, error })
    } finally {
      this.#checking.delete(topic)
    }
  }

  #report(topic: string, reason: string): void {
    if (this.#warned.has(topic)) return
    this.#warned.add(topic)
    const name = this.#client.namespace.unwrap(topic)
    this.#warn({
      code: 'PRIORITY_IGNORED',
      message: `the priority of messages for topic ${name} is not obeyed: ${reason}`,
      topic: name,
    })
  }
}

function isElsewhere(route: TopicRoute | undefined, priority: number, queue: MessageQueue): boolean {
  const queues = route?.data.queueDatas.find(({ brokerName }) => brokerName === queue.brokerName)
  return queues !== undefined && queue.queueId !== Math.min(priority, queues.writeQueueNums - 1)
}
