import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { buildSubscriptionData } from '../../../src/client/subscription-data.js'
import { TopicStatistics } from '../../../src/consumer/consume-statistics.js'
import { PopLoop, type PopLoopHost, type PopLoopOptions } from '../../../src/consumer/pop/pop-loop.js'
import type { PopResult } from '../../../src/consumer/pop/pop-requests.js'
import { sleep } from '../../../src/remoting/deadline.js'

const OPTIONS: PopLoopOptions = {
  popBatchNums: 32,
  popInvisibleTime: 60_000,
  popThresholdForQueue: 96,
  initMode: 1,
  brokerSuspendMaxTimeMillis: 15_000,
  consumerTimeoutMillisWhenSuspend: 30_000,
  pullTimeDelayMillsWhenException: 3_000,
  maxMessageSize: 4 * 1024 * 1024,
}

const HOST: PopLoopHost = {
  subscription: () => buildSubscriptionData('T'),
  mayPop: () => true,
  unackedCount: () => 0,
  onPopped: () => undefined,
  report: () => undefined,
  statistics: new TopicStatistics(),
}

/** When a loop pops, in milliseconds from its start, within ten seconds. Its broker takes so long for each answer, and has no messages. */
async function popTimes(answerTime: number, status: PopResult['status'] = 'NO_NEW_MSG'): Promise<number[]> {
  const times: number[] = []
  const startedAt = Date.now()
  const requests = {
    pop: async (): Promise<PopResult> => {
      times.push(Date.now() - startedAt)
      if (answerTime > 0) await sleep(answerTime, undefined, 'pop')
      return { status, messages: [], faults: [], restNum: 0 }
    },
  }
  const loop = new PopLoop({ topic: 'T', brokerName: 'a', queueId: -1 }, requests, HOST, OPTIONS)
  loop.start()
  await vi.advanceTimersByTimeAsync(10_000)
  loop.close()
  return times
}

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  vi.useRealTimers()
})

describe('a loop that pops', () => {
  it('does not ask a broker in a loop that says at once that there is nothing', async () => {
    const seconds = Array.from({ length: 8 }, (_, i) => 2_400 + i * 1_000)
    expect(await popTimes(0)).toEqual([0, 0, 200, 600, 1_400, ...seconds])
  })

  it('asks a broker again at once that has held it', async () => {
    expect(await popTimes(3_000)).toEqual([0, 3_000, 6_000, 9_000])
  })

  it('leaves a broker alone for a second where too many wait', async () => {
    expect(await popTimes(0, 'POLLING_FULL')).toEqual(Array.from({ length: 11 }, (_, i) => i * 1_000))
  })
})
