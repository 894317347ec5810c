export { Client, type ClientHealth, type ClientState } from './client/client.js'
export type { ConnectionOptions } from './client/client-options.js'
export type { LatencyBucket, LatencySnapshot } from './client/latency-histogram.js'
export type { ClientEvents, ClientWarning } from './client/member.js'
export type { ClientOptions } from './client/member-options.js'
export { type FilterExpression, type MessageModel, type SqlExpression, sql } from './client/subscription-data.js'
export type { MessageTraceOptions } from './client/trace/trace-options.js'
export type { CompressionType } from './codec/compression.js'
export type { SerializeType } from './codec/remoting-command.js'
export { allocateAveragely } from './consumer/allocate/allocate-averagely.js'
export { allocateAveragelyByCircle } from './consumer/allocate/allocate-averagely-by-circle.js'
export { allocateByConfig } from './consumer/allocate/allocate-by-config.js'
export { allocateByConsistentHash, consistentHashAllocation } from './consumer/allocate/allocate-by-consistent-hash.js'
export { allocateByMachineRoom } from './consumer/allocate/allocate-by-machine-room.js'
export {
  allocateMachineRoomNearby,
  type MachineRoomResolver,
} from './consumer/allocate/allocate-machine-room-nearby.js'
export type { AllocateMessageQueueStrategy } from './consumer/allocate/allocate-message-queue-strategy.js'
export type { ConsumeContext } from './consumer/consume-context.js'
export type { ConsumeMessageContext, ConsumerHooks } from './consumer/consume-hooks.js'
export type { ConsumerEvents, LeftMessages, OffsetReset, QueuesChanged } from './consumer/consumer-events.js'
export type { ConsumerHealth, QueueHealth } from './consumer/consumer-health.js'
export type { MessageHandler } from './consumer/consumption-host.js'
export type { ConsumeFromWhere, GroupConsumerOptions } from './consumer/group-consumer-options.js'
export type { ConsumerLag, QueueLag } from './consumer/lag.js'
export { LitePullConsumer } from './consumer/lite-pull-consumer.js'
export type { LitePullConsumerOptions } from './consumer/lite-pull-options.js'
export type { AssignOptions } from './consumer/manual-assignment.js'
export type { MessageStream, MessagesOptions } from './consumer/message-stream.js'
export type { OffsetStore, ReadOffsetOptions } from './consumer/offset-store.js'
export { PullConsumer, type PullOptions, type SendMessageBackOptions } from './consumer/pull-consumer.js'
export type { PullConsumerOptions } from './consumer/pull-consumer-options.js'
export type { OffsetCorrection, UndecodableMessagePolicy } from './consumer/pull-loop-host.js'
export type { PullMessagesOptions } from './consumer/pull-messages.js'
export type { PullResult, PullStatus } from './consumer/pull-result.js'
export { PushConsumer } from './consumer/push-consumer.js'
export type { HandledMessages, PushConsumerEvents } from './consumer/push-consumer-events.js'
export type { ConsumeMode, PushConsumerOptions } from './consumer/push-consumer-options.js'
export type { LockLoss } from './consumer/queue-lock.js'
export { type ReceiveOptions, SimpleConsumer, type SimpleConsumerHealth } from './consumer/simple-consumer.js'
export type { SimpleConsumerOptions } from './consumer/simple-consumer-options.js'
export type { QueueStall, StallReason } from './consumer/watchdog.js'
export {
  type AccessDenial,
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
export type { LateReply } from './message/request-reply.js'
export type { AutoBatchOptions } from './producer/auto-batch-options.js'
export type { BatchPart } from './producer/batch-split.js'
export { DefaultProducer, type SendOptions } from './producer/default-producer.js'
export type { LatencyFaultOptions } from './producer/latency-fault-options.js'
export type {
  LocalTransactionAnswer,
  LocalTransactionExecutor,
  LocalTransactionState,
  TransactionMessage,
} from './producer/local-transaction.js'
export type { MessageKind } from './producer/message-kind.js'
export type {
  CheckForbiddenContext,
  EndTransactionContext,
  ProducerHooks,
  SendMessageContext,
} from './producer/producer-hooks.js'
export type { ProducerOptions } from './producer/producer-options.js'
export type { MessageQueueSelector, QueueChoice } from './producer/queue-selector.js'
export {
  selectMessageQueueByHash,
  selectMessageQueueByMachineRoom,
  selectMessageQueueByRandom,
} from './producer/queue-selectors.js'
export { createReplyMessage } from './producer/reply-message.js'
export type { RequestOptions } from './producer/request.js'
export type { SendResult, SendStatus } from './producer/send-result.js'
export type { BrokerSendStatistics, ProducerStatistics } from './producer/send-statistics.js'
export type { TransactionProducerOptions, TransactionSendOptions } from './producer/transaction-options.js'
export { TransactionProducer, type TransactionSendResult } from './producer/transaction-producer.js'
export type { Credentials, CredentialsProvider } from './remoting/credentials.js'
export type { WaitOptions } from './remoting/deadline.js'
export { ResponseCode } from './remoting/response-code.js'
export type { SocksProxy, SocksProxySelector } from './remoting/socks-proxy.js'
export type { Pem, TlsOptions } from './remoting/tls-options.js'
export type { TopicQueueMapping } from './route/static-topic.js'
export type { TopicRoute } from './route/topic-route.js'
export type { BrokerData, QueueData, TopicRouteData } from './route/topic-route-data.js'
