import { describe, expect, it } from 'vitest'
import { formatReceipt, parseReceipt, type Receipt, realTopic, retryTypeOf } from '../../../src/consumer/pop/receipt.js'
import { golden } from '../../codec/golden.js'

interface ReceiptCase extends Receipt {
  readonly topic: string
  readonly text: string
  readonly realTopic: string
}

const cases = golden<ReceiptCase>('receipts')

describe('a receipt', () => {
  it.each(cases)('is read as Java reads it: $text', ({ topic: _topic, realTopic: _realTopic, text, ...fields }) => {
    expect(parseReceipt(text)).toEqual(fields)
  })

  it.each(cases)('is written as Java writes it: $text', ({ text, ...fields }) => {
    expect(formatReceipt(fields)).toBe(text)
  })

  it.each(cases)('of $topic says where to acknowledge: $realTopic', ({ topic, retry, realTopic: expected }) => {
    expect(retryTypeOf(topic)).toBe(retry)
    expect(realTopic('T', 'group', retry)).toBe(expected)
  })

  it.each([
    '',
    '1',
    '0 1 2 3 0 broker 4',
    '0 1 2 3 0 broker 4 5 6',
    'x 1 2 3 0 broker 4 5',
    '0 1 2 3 3 broker 4 5',
    '0 1 2 3 0 broker 4 ',
    '0 1 2 3 0 broker four 5',
    '0 1 2 3 __proto__ broker 4 5',
  ])('is none when it is %j', (text) => {
    expect(() => parseReceipt(text)).toThrow(expect.objectContaining({ code: 'HEADER_MALFORMED' }))
  })
})
