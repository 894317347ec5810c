export { Client, type ClientHealth, type ClientState } from './client/client.js'
export type { ConnectionOptions } from './client/client-options.js'
export type { ClientEvents } from './client/member.js'
export type { ClientOptions } from './client/member-options.js'
export type { MessageModel } from './client/subscription-data.js'
export type { SerializeType } from './codec/remoting-command.js'
export {
  PullConsumer,
  type PullOptions,
  type SendMessageBackOptions,
} from './consumer/pull-consumer.js'
export type { PullConsumerOptions } from './consumer/pull-consumer-options.js'
export type { PullResult, PullStatus } from './consumer/pull-result.js'
export {
  BrokerError,
  ClientError,
  isRocketMQError,
  MessageError,
  RemotingError,
  RocketMQError,
  type SendAttempt,
} from './errors.js'
export type { Logger } from './logger.js'
export type { Message, MessageExt, MessageQueue } from './message/message.js'
export { DefaultProducer, type SendOptions } from './producer/default-producer.js'
export type { ProducerOptions } from './producer/producer-options.js'
export type { MessageQueueSelector } from './producer/queue-selector.js'
export type { SendResult, SendStatus } from './producer/send-result.js'
export type { WaitOptions } from './remoting/deadline.js'
export { ResponseCode } from './remoting/response-code.js'
export type { TopicRoute } from './route/topic-route.js'
export type { BrokerData, QueueData, TopicRouteData } from './route/topic-route-data.js'
