import { expect, it } from 'vitest'
import { ConsumeStatistics } from '../../src/consumer/consume-statistics.js'
import { ConsumedQueue } from '../../src/consumer/consumed-queue.js'
import { MessageSupply } from '../../src/consumer/message-supply.js'
import { ProcessQueue } from '../../src/consumer/process-queue.js'
import { messagesAt } from './stored-messages.js'

const LIMIT = 4

/** A supply with two queues. Each asks for room as its pull loop does when something is consumed, and notes the answer. */
function supplied() {
  const supply = new MessageSupply({ observers: [], pullThresholdForAll: LIMIT })
  const statistics = new ConsumeStatistics().topic('T')
  const answers: [boolean[], boolean[]] = [[], []]
  const queues = answers.map((own, queueId) => {
    const queue = { topic: 'T', brokerName: 'broker-a', queueId }
    const consumed = new ConsumedQueue(queue, queue, new ProcessQueue(0), statistics, () => {
      own.push(supply.hasRoom())
    })
    supply.add(consumed)
    return consumed
  })
  return { supply, queues: queues as [ConsumedQueue, ConsumedQueue], answers }
}

it('a queue that was told that there is no room is told when there is, also when another one has asked by then', () => {
  const { supply, queues, answers } = supplied()
  const [, full] = queues
  full.processQueue.add(messagesAt(0, 1, 2, 3), LIMIT)
  supply.wake(full)
  expect(supply.hasRoom()).toBe(false)
  const run = supply.takeAnyway(1)
  if (run === undefined) throw new Error('there are messages')
  supply.consumed(run)
  expect(answers[1][0]).toBe(true)
  expect(answers[0]).toEqual([true])
})
