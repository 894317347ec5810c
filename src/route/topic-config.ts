import { type JsonValue, parseFastjson } from '../codec/fastjson.js'

/** What messages a topic is for, as far as brokers tell it apart (`TopicMessageType`). */
const DEFAULT_MESSAGE_TYPE = 'NORMAL'

/**
 * The message type in a broker's `TopicConfig`.
 *
 * @throws {@link MessageError} `JSON_MALFORMED`.
 * @see TopicConfig.getTopicMessageType
 */
export function parseTopicMessageType(body: Buffer): string {
  const type = member(member(parseFastjson(body.toString('utf8')), 'attributes'), 'message.type')
  return typeof type === 'string' ? type : DEFAULT_MESSAGE_TYPE
}

function member(value: JsonValue | undefined, name: string): JsonValue | undefined {
  // The parser's objects have no prototype, so that no name is inherited.
  const isObject = typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === null
  return isObject ? (value as Record<string, JsonValue>)[name] : undefined
}
