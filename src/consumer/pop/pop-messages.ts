import { type DecodeOptions, decodeMessages } from '../../codec/message-codec.js'
import type { StoredMessage } from '../../codec/stored-message.js'
import type { MessageError } from '../../errors.js'

/** Messages, and what is wrong with those between them that can't be read. */
export interface ReadMessages {
  readonly messages: StoredMessage[]
  readonly faults: readonly MessageError[]
}

const SIZE_LENGTH = 4

/**
 * Reads the messages of an answer to a pop. Each is acknowledged for itself, so those behind one that can't be read need not wait: unlike those of a pull, they are
 * read all the same.
 */
export async function readPopped(body: Buffer, options: DecodeOptions): Promise<ReadMessages> {
  const { messages, fault } = await decodeMessages(body, options)
  return fault === undefined ? { messages, faults: [] } : readOneByOne(body, options)
}

async function readOneByOne(body: Buffer, options: DecodeOptions): Promise<ReadMessages> {
  const messages: StoredMessage[] = []
  const faults: MessageError[] = []
  let position = 0
  while (position < body.length) {
    const end = endOfMessage(body, position)
    const one = await decodeMessages(body.subarray(position, end), options)
    messages.push(...one.messages)
    if (one.fault !== undefined) faults.push(one.fault)
    position = end
  }
  return { messages, faults }
}

/** By what the message says of its size; where it can't be right, all that is left belongs to it. */
function endOfMessage(body: Buffer, position: number): number {
  if (position + SIZE_LENGTH > body.length) return body.length
  const size = body.readInt32BE(position)
  return size >= SIZE_LENGTH && position + size <= body.length ? position + size : body.length
}
