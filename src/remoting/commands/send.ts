import { defineCommand } from '../../codec/command.js'
import { boolean, int, long, optional, string } from '../../codec/header-field.js'
import { ResponseCode } from '../response-code.js'

const { SUCCESS, FLUSH_DISK_TIMEOUT, SLAVE_NOT_AVAILABLE, FLUSH_SLAVE_TIMEOUT } = ResponseCode

/** One-letter names, because they are in every send. */
const sendMessageRequestHeaderV2 = {
  producerGroup: string('a'),
  topic: string('b'),
  defaultTopic: string('c'),
  defaultTopicQueueNums: int('d'),
  queueId: int('e'),
  sysFlag: int('f'),
  bornTimestamp: long('g'),
  flag: int('h'),
  properties: optional(string('i')),
  reconsumeTimes: optional(int('j')),
  unitMode: optional(boolean('k')),
  maxReconsumeTimes: optional(int('l')),
  batch: optional(boolean('m')),
  brokerName: optional(string('n')),
} as const

const sendMessageResponseHeader = {
  msgId: string(),
  queueId: int(),
  queueOffset: long(),
  transactionId: optional(string()),
  batchUniqId: optional(string()),
  recallHandle: optional(string()),
} as const

/** What single messages, batches and replies have in common. */
export const sendDefinition = {
  javaHeader: 'SendMessageRequestHeaderV2',
  javaResponseHeader: 'SendMessageResponseHeader',
  requestHeader: sendMessageRequestHeaderV2,
  responseHeader: sendMessageResponseHeader,
  // The last three say that the message is stored, but not yet as safely as it is configured.
  ok: [SUCCESS, FLUSH_DISK_TIMEOUT, FLUSH_SLAVE_TIMEOUT, SLAVE_NOT_AVAILABLE],
} as const

export const sendMessage = defineCommand({ code: 310, name: 'SEND_MESSAGE_V2', ...sendDefinition })
export const sendBatchMessage = defineCommand({ code: 320, name: 'SEND_BATCH_MESSAGE', ...sendDefinition })

export const consumerSendMsgBack = defineCommand({
  code: 36,
  name: 'CONSUMER_SEND_MSG_BACK',
  javaHeader: 'ConsumerSendMsgBackRequestHeader',
  requestHeader: {
    offset: long(),
    group: string(),
    delayLevel: int(),
    originMsgId: optional(string()),
    originTopic: optional(string()),
    unitMode: optional(boolean()),
    maxReconsumeTimes: optional(int()),
    brokerName: optional(string('bname')),
  },
})
