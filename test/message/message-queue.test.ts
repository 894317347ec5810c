import { describe, expect, it } from 'vitest'
import { compareMessageQueues, isSameMessageQueue, messageQueueKey } from '../../src/message/message-queue.js'

const queue = (topic: string, brokerName: string, queueId: number) => ({ topic, brokerName, queueId })

describe('message queues', () => {
  it('sort by topic, then by broker name, then by number', () => {
    const sorted = [
      queue('A', 'broker-a', 2),
      queue('A', 'broker-a', 10),
      queue('A', 'broker-b', 0),
      queue('B', 'broker-a', 0),
      queue('a', 'broker-a', 0),
    ]
    expect([...sorted].reverse().sort(compareMessageQueues)).toEqual(sorted)
    expect(compareMessageQueues(queue('A', 'b', 1), queue('A', 'b', 1))).toBe(0)
  })

  it('are the same when topic, broker name and number are', () => {
    const one = queue('T', 'b', 1)
    expect(isSameMessageQueue(one, queue('T', 'b', 1))).toBe(true)
    expect(
      [queue('U', 'b', 1), queue('T', 'c', 1), queue('T', 'b', 2)].map((other) => isSameMessageQueue(one, other)),
    ).toEqual([false, false, false])
  })

  it('have a key of their own, in the form of MessageQueue.toString', () => {
    expect(messageQueueKey(queue('T', 'broker-a', 3))).toBe('MessageQueue [topic=T, brokerName=broker-a, queueId=3]')
  })
})
