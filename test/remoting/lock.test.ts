import { describe, expect, it } from 'vitest'
import type { MessageQueue } from '../../src/message/message.js'
import { encodeLockBatch, readLockedQueues } from '../../src/remoting/commands/lock.js'
import { golden } from '../codec/golden.js'

interface LockCase {
  readonly version: string
  readonly consumerGroup: string
  readonly clientId: string
  readonly queues: readonly MessageQueue[]
  readonly lock: string
  readonly unlock: string
  readonly answer: string
}

const cases = golden<LockCase>('locks')

describe('encodeLockBatch', () => {
  it.each(cases)(
    'writes what Java $version writes to lock and unlock $queues',
    ({ consumerGroup, clientId, queues, lock, unlock }) => {
      const body = JSON.parse(encodeLockBatch({ consumerGroup, clientId, mqSet: queues }).toString('utf8'))
      expect(body).toEqual(JSON.parse(lock))
      expect(body).toEqual(JSON.parse(unlock))
    },
  )

  it('writes of a queue nothing but its name', () => {
    const queue = { topic: 'T', brokerName: 'a', queueId: 1, perm: 6 }
    const { mqSet } = JSON.parse(encodeLockBatch({ consumerGroup: 'g', clientId: 'c', mqSet: [queue] }).toString())
    expect(mqSet).toEqual([{ topic: 'T', brokerName: 'a', queueId: 1 }])
  })
})

describe('readLockedQueues', () => {
  it.each(cases)('reads the answer of Java $version for $queues', ({ queues, answer }) => {
    expect(readLockedQueues(Buffer.from(answer))).toEqual(queues)
  })

  it.each(['{}', '{"lockOKMQSet":null}', '{"lockOKMQSet":[]}'])('takes %s as a refusal', (text) => {
    expect(readLockedQueues(Buffer.from(text))).toEqual([])
  })

  it.each([
    '',
    'null',
    '[]',
    '{"lockOKMQSet":{}}',
    '{"lockOKMQSet":[null]}',
    '{"lockOKMQSet":["T"]}',
    '{"lockOKMQSet":[{"topic":"T","brokerName":"a"}]}',
    '{"lockOKMQSet":[{"topic":"T","brokerName":"a","queueId":"0"}]}',
    '{"lockOKMQSet":[{"topic":"T","brokerName":"","queueId":0}]}',
    '{"lockOKMQSet":[{"__proto__":{"topic":"T","brokerName":"a","queueId":0}}]}',
  ])('refuses %j', (text) => {
    expect(() => readLockedQueues(Buffer.from(text))).toThrowError(expect.objectContaining({ code: 'JSON_MALFORMED' }))
  })
})
