import { defineCommand } from '../../codec/command.js'
import { int, long, optional, string } from '../../codec/header-field.js'
import { ResponseCode } from '../response-code.js'

const pullDefinition = {
  javaHeader: 'PullMessageRequestHeader',
  javaResponseHeader: 'PullMessageResponseHeader',
  requestHeader: {
    consumerGroup: string(),
    topic: string(),
    queueId: int(),
    queueOffset: long(),
    maxMsgNums: int(),
    sysFlag: int(),
    commitOffset: long(),
    suspendTimeoutMillis: long(),
    subscription: optional(string()),
    subVersion: long(),
    expressionType: optional(string()),
    brokerName: optional(string('bname')),
  },
  responseHeader: {
    suggestWhichBrokerId: long(),
    nextBeginOffset: long(),
    minOffset: long(),
    maxOffset: long(),
    offsetDelta: optional(long()),
  },
  ok: [
    ResponseCode.SUCCESS,
    ResponseCode.PULL_NOT_FOUND,
    ResponseCode.PULL_RETRY_IMMEDIATELY,
    ResponseCode.PULL_OFFSET_MOVED,
  ],
} as const

export const pullMessage = defineCommand({ code: 11, name: 'PULL_MESSAGE', ...pullDefinition })

/** The same for lite pull consumers, for which brokers from 5.0 on have threads of their own. */
export const litePullMessage = defineCommand({ code: 361, name: 'LITE_PULL_MESSAGE', ...pullDefinition })
