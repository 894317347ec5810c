import { UniqueIdGenerator } from '../../codec/message-id.js'
import { encodeProperties } from '../../codec/properties.js'
import { ClientError, RemotingError } from '../../errors.js'
import type { MessageQueue } from '../../message/message.js'
import { MessageProperty } from '../../message/message-properties.js'
import { AUTO_CREATE_TOPIC } from '../../message/names.js'
import { sendMessage } from '../../remoting/commands/send.js'
import type { TopicRoute } from '../../route/topic-route.js'
import type { Client } from '../client.js'
import type { TraceMessage } from './trace-message.js'

/** As Java's trace producer has them: where brokers create topics, they create this one too. */
const NEW_TOPIC = { createTopicKey: AUTO_CREATE_TOPIC, defaultTopicQueueNums: 4 }
const ROUTE_TIMEOUT = 5000

/** Sends trace messages, each with one further try. A small producer without retries that wait, limits and hooks. */
export class TraceSender {
  readonly #client: Client
  readonly #topic: string
  readonly #producerGroup: string
  readonly #ids = new UniqueIdGenerator()
  #next = Math.floor(Math.random() * 0x4000_0000)

  /** @param topic - Goes over the wire as it is: it belongs to the cluster and not to a namespace. */
  constructor(client: Client, topic: string, producerGroup: string) {
    this.#client = client
    this.#topic = topic
    this.#producerGroup = producerGroup
  }

  /** @throws what the last try threw. */
  async send(message: TraceMessage): Promise<void> {
    const uniqKey = this.#ids.next()
    const route = await this.#route()
    const queue = this.#nextQueue(route, undefined)
    try {
      await this.#sendTo(queue, message, uniqKey)
    } catch (error) {
      this.#client.routes.refreshSoon(this.#topic)
      const other = this.#nextQueue(route, queue)
      // The same queue is worth another try only when the connection was to blame.
      const isHopeless = other === queue && !(error instanceof RemotingError)
      if (isHopeless || this.#client.state === 'closed') throw error
      await this.#sendTo(other, message, uniqKey)
    }
  }

  async #route(): Promise<TopicRoute> {
    const { routes } = this.#client
    const known = await routes.publishRoute(this.#topic, NEW_TOPIC, { timeout: ROUTE_TIMEOUT })
    if (known.publishQueues.length > 0) return known
    return routes.refresh(this.#topic, { timeout: ROUTE_TIMEOUT })
  }

  /** The next in turn; after a failure one of another broker, else another one, else the same. */
  #nextQueue(route: TopicRoute, failed: MessageQueue | undefined): MessageQueue {
    const queues = route.publishQueues
    let best: MessageQueue | undefined
    let bestRank = -1
    for (let i = 0; i < queues.length && bestRank < 3; i++) {
      this.#next = (this.#next + 1) & 0x7fff_ffff
      const queue = queues[this.#next % queues.length]
      if (queue === undefined) continue
      const rank = this.#rank(queue, failed)
      if (rank <= bestRank) continue
      best = queue
      bestRank = rank
    }
    if (best !== undefined) return best
    throw new ClientError('NO_BROKER', `topic ${this.#topic} has no writable queue on a broker with a master now`, {
      retryable: true,
    })
  }

  #rank(queue: MessageQueue, failed: MessageQueue | undefined): number {
    const address = this.#client.masterAddress(queue.brokerName)
    if (queue === failed) return 0
    if (address === undefined || this.#client.remoting.isBackingOff(address)) return 1
    return queue.brokerName === failed?.brokerName ? 2 : 3
  }

  async #sendTo({ brokerName, queueId }: MessageQueue, { body, keys }: TraceMessage, uniqKey: string): Promise<void> {
    const { remoting, routes } = this.#client
    const address = this.#client.masterAddress(brokerName)
    if (address === undefined) {
      throw new ClientError('NO_BROKER', `broker ${brokerName} has no master now`, { retryable: true })
    }
    const properties = encodeProperties({
      [MessageProperty.UNIQ_KEY]: uniqKey,
      [MessageProperty.KEYS]: keys,
      [MessageProperty.WAIT_STORE_MSG_OK]: 'true',
    })
    const header = {
      producerGroup: this.#producerGroup,
      topic: this.#topic,
      defaultTopic: NEW_TOPIC.createTopicKey,
      defaultTopicQueueNums: NEW_TOPIC.defaultTopicQueueNums,
      queueId,
      sysFlag: 0,
      bornTimestamp: Date.now(),
      flag: 0,
      properties,
      reconsumeTimes: 0,
      unitMode: false,
      batch: false,
      brokerName,
    }
    await remoting.invoke(address, sendMessage, header, { body })
    if (routes.isNewTopic(this.#topic)) routes.refreshSoon(this.#topic)
  }
}
