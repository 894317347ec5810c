import { defineCommand } from '../../codec/command.js'
import { boolean, int, long, optional, string } from '../../codec/header-field.js'

const brokerName = optional(string('bname'))

export const queryConsumerOffset = defineCommand({
  code: 14,
  name: 'QUERY_CONSUMER_OFFSET',
  javaHeader: 'QueryConsumerOffsetRequestHeader',
  javaResponseHeader: 'QueryConsumerOffsetResponseHeader',
  requestHeader: {
    consumerGroup: string(),
    topic: string(),
    queueId: int(),
    setZeroIfNotFound: optional(boolean()),
    brokerName,
  },
  responseHeader: { offset: long() },
})

export const updateConsumerOffset = defineCommand({
  code: 15,
  name: 'UPDATE_CONSUMER_OFFSET',
  javaHeader: 'UpdateConsumerOffsetRequestHeader',
  requestHeader: { consumerGroup: string(), topic: string(), queueId: int(), commitOffset: long(), brokerName },
})

export const getMaxOffset = defineCommand({
  code: 30,
  name: 'GET_MAX_OFFSET',
  javaHeader: 'GetMaxOffsetRequestHeader',
  javaResponseHeader: 'GetMaxOffsetResponseHeader',
  requestHeader: { topic: string(), queueId: int(), brokerName },
  responseHeader: { offset: long() },
})

export const getMinOffset = defineCommand({
  code: 31,
  name: 'GET_MIN_OFFSET',
  javaHeader: 'GetMinOffsetRequestHeader',
  javaResponseHeader: 'GetMinOffsetResponseHeader',
  requestHeader: { topic: string(), queueId: int(), brokerName },
  responseHeader: { offset: long() },
})

export const searchOffsetByTimestamp = defineCommand({
  code: 29,
  name: 'SEARCH_OFFSET_BY_TIMESTAMP',
  javaHeader: 'SearchOffsetRequestHeader',
  javaResponseHeader: 'SearchOffsetResponseHeader',
  requestHeader: { topic: string(), queueId: int(), timestamp: long(), brokerName },
  responseHeader: { offset: long() },
})

export const getEarliestMsgStoreTime = defineCommand({
  code: 32,
  name: 'GET_EARLIEST_MSG_STORETIME',
  javaHeader: 'GetEarliestMsgStoretimeRequestHeader',
  javaResponseHeader: 'GetEarliestMsgStoretimeResponseHeader',
  requestHeader: { topic: string(), queueId: int(), brokerName },
  responseHeader: { timestamp: long() },
})
