import { ClientError, shown } from '../errors.js'
import type { Message, MessageExt } from '../message/message.js'
import { MessageProperty } from '../message/message-properties.js'
import { REPLY_MESSAGE_TYPE, replyTopicOf } from '../message/request-reply.js'
import { withSystemProperties } from '../message/system-properties.js'

const { CLUSTER, CORRELATION_ID, REPLY_TO_CLIENT, TTL, MESSAGE_TYPE } = MessageProperty

/**
 * Makes the reply to a request that a consumer received. Send it with `producer.send(...)`: the send resolves when the requester has the reply.
 *
 * You may add to it what any message may have: tags, keys, properties. Its topic must stay, as must its queue: leave both to the producer.
 *
 * @param request - As it was received.
 * @param body - Not empty. A string is sent as UTF-8.
 * @throws {@link ClientError} `NOT_A_REQUEST` when the message was not sent by `request`: the error names the property that it lacks.
 * @see MessageUtil.createReplyMessage
 */
export function createReplyMessage(request: MessageExt, body: Uint8Array | string): Message {
  const properties = propertiesOf(request)
  const topic = replyTopicOf(required(request, properties, CLUSTER))
  const reply: Record<string, string> = {
    [MESSAGE_TYPE]: REPLY_MESSAGE_TYPE,
    [CORRELATION_ID]: required(request, properties, CORRELATION_ID),
    [REPLY_TO_CLIENT]: required(request, properties, REPLY_TO_CLIENT),
  }
  const ttl = properties[TTL]
  if (ttl !== undefined) reply[TTL] = ttl
  return withSystemProperties({ topic, body }, reply)
}

function propertiesOf(request: unknown): Readonly<Record<string, string>> {
  const properties = (request as Partial<MessageExt> | null | undefined)?.properties
  if (typeof properties === 'object' && properties !== null) return properties
  throw new ClientError(
    'NOT_A_REQUEST',
    `no reply to ${shown(request)}: a message that a consumer received is expected`,
  )
}

function required(request: MessageExt, properties: Readonly<Record<string, string>>, name: string): string {
  const value = properties[name]
  if (typeof value === 'string' && value !== '') return value
  const added = name === CLUSTER ? 'which its broker adds' : 'which a message sent by request() has'
  throw new ClientError(
    'NOT_A_REQUEST',
    `no reply to message ${request.msgId} of topic ${request.topic}: it lacks the property ${name}, ${added}`,
  )
}
