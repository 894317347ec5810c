import { defineCommand } from '../../codec/command.js'
import { boolean, optional, string } from '../../codec/header-field.js'

/** The answer's body is a `TopicConfig`. `lo` asks for what this one broker has, also of a topic that is spread by logic queues. */
export const getTopicConfig = defineCommand({
  code: 351,
  name: 'GET_TOPIC_CONFIG',
  javaHeader: 'GetTopicConfigRequestHeader',
  requestHeader: { topic: string(), lo: optional(boolean()), brokerName: optional(string('bname')) },
})
