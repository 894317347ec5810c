import { defineCommand } from '../../codec/command.js'
import { boolean, int, long, optional, string } from '../../codec/header-field.js'
import { sendDefinition } from './send.js'

/** Stores a reply as any message, and has the broker push it to the client that waits for it. */
export const sendReplyMessage = defineCommand({ code: 325, name: 'SEND_REPLY_MESSAGE_V2', ...sendDefinition })

/** What a broker sends to the client that waits for a reply. The body is the reply's, as it was sent. */
export const pushReplyMessageToClient = defineCommand({
  code: 326,
  name: 'PUSH_REPLY_MESSAGE_TO_CLIENT',
  javaHeader: 'ReplyMessageRequestHeader',
  requestHeader: {
    producerGroup: string(),
    topic: string(),
    defaultTopic: string(),
    defaultTopicQueueNums: int(),
    queueId: int(),
    sysFlag: int(),
    bornTimestamp: long(),
    flag: int(),
    properties: optional(string()),
    reconsumeTimes: optional(int()),
    unitMode: optional(boolean()),
    bornHost: string(),
    storeHost: string(),
    storeTimestamp: long(),
  },
})
