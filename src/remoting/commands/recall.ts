import { defineCommand } from '../../codec/command.js'
import { optional, string } from '../../codec/header-field.js'

/** Known to brokers from 5.3.2 on. */
export const recallMessage = defineCommand({
  code: 370,
  name: 'RECALL_MESSAGE',
  javaHeader: 'RecallMessageRequestHeader',
  javaResponseHeader: 'RecallMessageResponseHeader',
  requestHeader: {
    producerGroup: optional(string()),
    topic: string(),
    recallHandle: string(),
    brokerName: optional(string('bname')),
  },
  responseHeader: { msgId: string() },
})
