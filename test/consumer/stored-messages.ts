import { ByteReader } from '../../src/codec/byte-reader.js'
import { readStoredMessage } from '../../src/codec/message-codec.js'
import type { StoredMessage } from '../../src/codec/stored-message.js'
import { type StoredParts, storedMessage } from '../support/stored-message-bytes.js'

/** A decoded message, as a pull brings it. */
export function decodedMessage(parts: StoredParts): StoredMessage {
  const reader = new ByteReader(storedMessage(parts), 'MESSAGE_MALFORMED')
  return readStoredMessage(reader, { brokerName: 'broker-a', maxBodySize: 4 * 1024 * 1024 })
}

/** Messages at these offsets. */
export function messagesAt(...offsets: number[]): StoredMessage[] {
  return offsets.map((queueOffset) => decodedMessage({ queueOffset }))
}

export function offsetsOf(messages: readonly { queueOffset: number }[]): number[] {
  return messages.map((message) => message.queueOffset)
}
