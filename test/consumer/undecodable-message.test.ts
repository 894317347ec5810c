import { describe, expect, it } from 'vitest'
import { offsetOfFirstMessage } from '../../src/consumer/undecodable-message.js'
import { storedMessage } from '../support/stored-message-bytes.js'

const messages = (...offsets: number[]) => Buffer.concat(offsets.map((queueOffset) => storedMessage({ queueOffset })))

describe('the offset of the first message among bytes that can not be decoded', () => {
  it('is that of the first one at the wanted offset or behind it', () => {
    expect(offsetOfFirstMessage(messages(7, 9), 7, 0)).toBe(7)
    expect(offsetOfFirstMessage(messages(7, 9), 8, 0)).toBe(9)
    expect(offsetOfFirstMessage(messages(12), 3, 0)).toBe(12)
    expect(offsetOfFirstMessage(messages(12), 103, 100)).toBe(112)
  })

  it('is the wanted one where the bytes do not say', () => {
    expect(offsetOfFirstMessage(Buffer.alloc(0), 5, 0)).toBe(5)
    expect(offsetOfFirstMessage(messages(9).subarray(0, 27), 5, 0)).toBe(5)
    expect(offsetOfFirstMessage(messages(1, 2), 5, 0)).toBe(5)
  })

  it.each([0, -1, 27])('is the wanted one where a message before it says its size is %d', (size) => {
    const bytes = messages(1, 9)
    bytes.writeInt32BE(size, 0)
    expect(offsetOfFirstMessage(bytes, 5, 0)).toBe(5)
  })

  it('is the wanted one where the offset is beyond 2^53', () => {
    const bytes = messages(9)
    bytes.writeBigInt64BE(2n ** 53n, 20)
    expect(offsetOfFirstMessage(bytes, 5, 0)).toBe(5)
  })
})
