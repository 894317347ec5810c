import { describe, expect, it } from 'vitest'
import { ClientError } from '../../src/errors.js'
import { javaHashCode } from '../../src/message/java-hash.js'
import type { MessageQueue } from '../../src/message/message.js'
import { selectByHash } from '../../src/producer/queue-selector.js'
import { golden } from '../codec/golden.js'

interface HashCase {
  readonly text: string
  readonly hashCode: number
  /** What SelectMessageQueueByHash picks among 1, 2, ... queues. */
  readonly queueIds: readonly number[]
}

const cases = golden<HashCase>('hash')

function queues(count: number): MessageQueue[] {
  return Array.from({ length: count }, (_, queueId) => ({ topic: 'T', brokerName: 'b', queueId }))
}

describe('javaHashCode', () => {
  it.each(cases)('gives $hashCode for $text, as String.hashCode does', ({ text, hashCode }) => {
    expect(javaHashCode(text)).toBe(hashCode)
  })

  it('meets the smallest int among the texts, whose absolute value is no int', () => {
    expect(cases.map(({ hashCode }) => hashCode)).toContain(-0x8000_0000)
  })
})

describe('selectByHash', () => {
  // A key that is empty, which Java takes, is more likely a mistake than a wish: it is refused here.
  it.each(cases.filter(({ text }) => text !== ''))(
    'picks for $text the queue that SelectMessageQueueByHash picks',
    ({ text, queueIds }) => {
      expect(queueIds.map((_, index) => selectByHash(queues(index + 1), text)?.queueId)).toEqual(queueIds)
    },
  )

  it.each(['', undefined, 5])('refuses %j as a key', (key) => {
    expect(() => selectByHash(queues(1), key as string)).toThrow(ClientError)
  })

  it('picks nothing where there are no queues', () => {
    expect(selectByHash([], 'key')).toBeUndefined()
  })
})
