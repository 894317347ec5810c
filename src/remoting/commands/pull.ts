import { defineCommand } from '../../codec/command.js'
import { int, long, optional, string } from '../../codec/header-field.js'
import { ResponseCode } from '../response-code.js'

export const pullMessage = defineCommand({
  code: 11,
  name: 'PULL_MESSAGE',
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
})
