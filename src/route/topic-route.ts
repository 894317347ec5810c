import type { MessageQueue } from '../message/message.js'
import { compareMessageQueues, messageQueueKey } from '../message/message-queue.js'
import { isMockBrokerName, type LogicQueue, logicQueues } from './static-topic.js'
import {
  isReadable,
  isWritable,
  MASTER_ID,
  parseOrderTopicConf,
  routeFingerprint,
  type TopicRouteData,
} from './topic-route-data.js'

/** A topic's route with the queues that follow from it. It never changes: a refresh makes another one. */
export class TopicRoute {
  readonly topic: string
  readonly data: TopicRouteData
  readonly fingerprint: string
  /** Where messages can be sent: writable queues of brokers that have a master; in order of broker name and queue id. */
  readonly publishQueues: readonly MessageQueue[]
  /** Whether the publish queues lie on more than one broker. */
  readonly hasSeveralPublishBrokers: boolean
  /** Where messages can be read, masters or not. The queues of a static topic have the name of no broker: {@link TopicRoute.brokerNameOf} says where they lie. */
  readonly subscribeQueues: readonly MessageQueue[]
  /** Of a static topic: the brokers that have its queues now, by queue. */
  readonly #logicQueueBrokers = new Map<string, string>()

  constructor(topic: string, data: TopicRouteData) {
    this.topic = topic
    this.data = data
    this.fingerprint = routeFingerprint(data)
    const logic = logicQueues(topic, data.topicQueueMappings)
    for (const { queue, brokerName } of logic) {
      if (brokerName !== undefined) this.#logicQueueBrokers.set(messageQueueKey(queue), brokerName)
    }
    const isStatic = data.topicQueueMappings.length > 0
    this.publishQueues = isStatic && data.orderTopicConf === undefined ? reachable(logic) : publishQueuesOf(topic, data)
    this.hasSeveralPublishBrokers = new Set(this.publishQueues.map((queue) => queue.brokerName)).size > 1
    // Those that no broker has stay: all members of a group must divide the same queues.
    this.subscribeQueues = isStatic ? logic.map(({ queue }) => queue) : subscribeQueuesOf(topic, data)
  }

  /** The broker that has a queue now; undefined for a queue of a static topic that none has. */
  brokerNameOf(queue: MessageQueue): string | undefined {
    return isMockBrokerName(queue.brokerName) ? this.#logicQueueBrokers.get(messageQueueKey(queue)) : queue.brokerName
  }

  /**
   * The route by which a topic that does not exist yet is created: the template's brokers, with at most `maxQueues` queues each.
   *
   * @see MQClientInstance.updateTopicRouteInfoFromNameServer
   */
  static forNewTopic(topic: string, template: TopicRouteData, maxQueues: number): TopicRoute {
    const queueDatas = template.queueDatas.map((queueData) => ({
      ...queueData,
      readQueueNums: Math.min(maxQueues, queueData.readQueueNums),
      writeQueueNums: Math.min(maxQueues, queueData.readQueueNums),
    }))
    return new TopicRoute(topic, { ...template, queueDatas })
  }
}

function reachable(logic: readonly LogicQueue[]): MessageQueue[] {
  return logic.filter(({ brokerName }) => brokerName !== undefined).map(({ queue }) => queue)
}

/** @see MQClientInstance.topicRouteData2TopicPublishInfo */
function publishQueuesOf(topic: string, data: TopicRouteData): MessageQueue[] {
  if (data.orderTopicConf !== undefined) return orderedQueues(topic, data.orderTopicConf)
  const masters = new Set(
    data.brokerDatas.filter((broker) => broker.brokerAddrs.has(MASTER_ID)).map((broker) => broker.brokerName),
  )
  return data.queueDatas
    .filter((queueData) => isWritable(queueData.perm) && masters.has(queueData.brokerName))
    .flatMap((queueData) => queues(topic, queueData.brokerName, queueData.writeQueueNums))
}

/** @see MQClientInstance.topicRouteData2TopicSubscribeInfo */
function subscribeQueuesOf(topic: string, data: TopicRouteData): MessageQueue[] {
  return data.queueDatas
    .filter((queueData) => isReadable(queueData.perm))
    .flatMap((queueData) => queues(topic, queueData.brokerName, queueData.readQueueNums))
    .sort(compareMessageQueues)
}

/** `broker-a:4;broker-b:4`: a topic whose queues are fixed, so that ordering survives the loss of a broker. */
function orderedQueues(topic: string, orderTopicConf: string): MessageQueue[] {
  return parseOrderTopicConf(orderTopicConf).flatMap(({ brokerName, count }) => queues(topic, brokerName, count))
}

function queues(topic: string, brokerName: string, count: number): MessageQueue[] {
  return Array.from({ length: count }, (_, queueId) => ({ topic, brokerName, queueId }))
}
