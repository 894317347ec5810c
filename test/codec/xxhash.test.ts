import { describe, expect, test } from 'vitest'
import { XxHash32, xxHash32 } from '../../src/codec/xxhash32.js'
import { XxHash64 } from '../../src/codec/xxhash64.js'

const TEXT = 'Nobody inspects the spammish repetition'

function viewOf(text: string): DataView {
  const bytes = new TextEncoder().encode(text)
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}

describe('xxHash32', () => {
  test.each([
    ['', 0x02cc5d05],
    ['abc', 0x32d153ff],
    [TEXT, 0xe2293b2f],
  ])('of %j is the reference value', (text, expected) => {
    const view = viewOf(text)
    expect(xxHash32(view, 0, view.byteLength)).toBe(expected)
  })

  test('taken in parts is the same as taken at once', () => {
    const view = viewOf(TEXT.repeat(5))
    const hash = new XxHash32()
    hash.update(view, 0, 16)
    hash.update(view, 16, 160)
    expect(hash.digest(view, 160, view.byteLength)).toBe(xxHash32(view, 0, view.byteLength))
  })
})

describe('xxHash64', () => {
  test.each([
    ['', 0x51d8e999],
    ['abc', 0xad770999],
    [TEXT, 0x8a378bf1],
  ])('of %j has the low half of the reference value', (text, expected) => {
    const view = viewOf(text)
    expect(new XxHash64().digest(view, 0, view.byteLength)).toBe(expected)
  })

  test('taken in parts is the same as taken at once', () => {
    const view = viewOf(TEXT.repeat(5))
    const hash = new XxHash64()
    hash.update(view, 0, 32)
    hash.update(view, 32, 160)
    expect(hash.digest(view, 160, view.byteLength)).toBe(new XxHash64().digest(view, 0, view.byteLength))
  })
})
