const QUEUE_OFFSET_AT = 20
/** Total size, magic code, CRC, queue id, flag and queue offset. */
const HEAD_LENGTH = 28

/**
 * The queue offset of the first message at `offset` or behind it, read from bytes that can't be decoded: `offset` itself where they don't say.
 *
 * @param body - Messages back to back, as in the answer to a pull.
 * @param offsetDelta - What is added to the offsets of static topics.
 */
export function offsetOfFirstMessage(body: Buffer, offset: number, offsetDelta: number): number {
  let position = 0
  while (position + HEAD_LENGTH <= body.length) {
    const size = body.readInt32BE(position)
    const queueOffset = Number(body.readBigInt64BE(position + QUEUE_OFFSET_AT)) + offsetDelta
    if (queueOffset >= offset) return Number.isSafeInteger(queueOffset + 1) ? queueOffset : offset
    if (size < HEAD_LENGTH) break
    position += size
  }
  return offset
}
