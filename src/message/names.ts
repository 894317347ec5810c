export const MAX_TOPIC_LENGTH = 127
/** Brokers up to 5.3 take 255; from 5.4 on 120. The broker stays the judge of what lies between. */
export const MAX_GROUP_LENGTH = 255

export const RETRY_TOPIC_PREFIX = '%RETRY%'
export const DLQ_TOPIC_PREFIX = '%DLQ%'
/** The template topic by which brokers create a topic at its first message (`TopicValidator.AUTO_CREATE_TOPIC_KEY_TOPIC`). */
export const AUTO_CREATE_TOPIC = 'TBW102'

const NOT_ALLOWED_SEND_TOPICS: ReadonlySet<string> = new Set([
  'SCHEDULE_TOPIC_XXXX',
  'RMQ_SYS_TRANS_HALF_TOPIC',
  'RMQ_SYS_TRANS_OP_HALF_TOPIC',
  'TRANS_CHECK_MAX_TIME_TOPIC',
  'SELF_TEST_TOPIC',
  'OFFSET_MOVED_EVENT',
])

const SYSTEM_TOPICS: ReadonlySet<string> = new Set([
  ...NOT_ALLOWED_SEND_TOPICS,
  AUTO_CREATE_TOPIC,
  'BenchmarkTest',
  'RMQ_SYS_TRACE_TOPIC',
  'CHECKPOINT_TOPIC',
])

/** `TopicValidator.isTopicOrGroupIllegal`, turned round: only `% | a-z A-Z 0-9 _ -`. */
export function hasLegalCharacters(name: string): boolean {
  for (let i = 0; i < name.length; i++) {
    if (!isLegalCharacter(name.charCodeAt(i))) return false
  }
  return true
}

function isLegalCharacter(c: number): boolean {
  return (
    (c >= 0x61 && c <= 0x7a) ||
    (c >= 0x41 && c <= 0x5a) ||
    (c >= 0x30 && c <= 0x39) ||
    c === 0x5f ||
    c === 0x2d ||
    c === 0x25 ||
    c === 0x7c
  )
}

export function isSystemTopic(topic: string): boolean {
  return SYSTEM_TOPICS.has(topic) || topic.startsWith('rmq_sys_')
}

export function isNotAllowedSendTopic(topic: string): boolean {
  return NOT_ALLOWED_SEND_TOPICS.has(topic)
}
