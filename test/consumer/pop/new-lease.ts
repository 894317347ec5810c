import { Lease } from '../../../src/consumer/pop/lease.js'
import { monotonicNow } from '../../../src/remoting/deadline.js'

/** Of a message of topic T that was popped just now. */
export function newLease(queueOffset: number, invisibleTime: number, brokerName = 'broker-a'): Lease {
  const receipt = {
    ckQueueOffset: 0,
    popTime: 1_700_000_000_000,
    invisibleTime,
    reviveQid: 1,
    retry: '0',
    brokerName,
    queueId: 0,
    queueOffset,
  } as const
  return new Lease({ topic: 'T', brokerName }, receipt, monotonicNow())
}
