import type { Message } from '../message/message.js'
import { MessageProperty } from '../message/message-properties.js'
import { REPLY_MESSAGE_TYPE } from '../message/request-reply.js'
import { systemPropertiesOf } from '../message/system-properties.js'

/** What a message is for its broker: one like all others, the first half of a transaction, or the reply to a request. */
export type MessageKind = 'NORMAL' | 'HALF' | 'REPLY'

/** What a message is by what it carries; anything may be given to `send`. */
export function kindOf(message: Message): MessageKind {
  const isReply =
    typeof message === 'object' &&
    message !== null &&
    systemPropertiesOf(message)?.[MessageProperty.MESSAGE_TYPE] === REPLY_MESSAGE_TYPE
  return isReply ? 'REPLY' : 'NORMAL'
}
