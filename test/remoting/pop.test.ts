import { describe, expect, it } from 'vitest'
import { parseReceipt } from '../../src/consumer/pop/receipt.js'
import { encodeBatchAck } from '../../src/remoting/commands/pop.js'
import { golden } from '../codec/golden.js'

interface BatchAckCase {
  readonly version: string
  readonly topic: string
  readonly consumerGroup: string
  readonly brokerName: string
  readonly receipts: readonly string[]
  readonly body: string
}

describe('encodeBatchAck', () => {
  it.each(golden<BatchAckCase>('batch-acks'))('writes what Java $version writes for $receipts', (one) => {
    const receipts = one.receipts.map(parseReceipt)
    const [first] = receipts
    if (first === undefined) throw new Error('a case has no receipt')
    const ack = {
      consumerGroup: one.consumerGroup,
      topic: one.topic,
      retry: first.retry,
      startOffset: first.ckQueueOffset,
      queueId: first.queueId,
      reviveQueueId: first.reviveQid,
      popTime: first.popTime,
      invisibleTime: first.invisibleTime,
      offsets: receipts.map(({ queueOffset }) => queueOffset),
    }
    expect(JSON.parse(encodeBatchAck(one.brokerName, [ack]).toString())).toEqual(JSON.parse(one.body))
  })
})
