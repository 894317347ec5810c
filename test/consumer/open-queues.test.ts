import { expect, it } from 'vitest'
import { OpenQueues } from '../../src/consumer/open-queues.js'
import { turns } from '../support/until.js'

function openQueue(topic: string, queueId: number) {
  const wakes: number[] = []
  return { queue: { topic, brokerName: 'broker-a', queueId }, wakes, wake: () => void wakes.push(queueId) }
}

it('wakes the queues that are left once, however many of their topic go together', async () => {
  const queues = new OpenQueues()
  const [left, ...going] = Array.from({ length: 10 }, (_, queueId) => openQueue('T', queueId))
  const other = openQueue('U', 0)
  for (const one of [left, ...going, other]) if (one !== undefined) queues.add(one)
  for (const one of going) queues.delete(one)
  expect(queues.count('T')).toBe(1)
  await turns(5)
  expect(left?.wakes).toEqual([0])
  expect([...going, other].flatMap(({ wakes }) => wakes)).toEqual([])
})
