import { describe, expect, it } from 'vitest'
import {
  ClientError,
  type MessageQueue,
  selectMessageQueueByHash,
  selectMessageQueueByMachineRoom,
  selectMessageQueueByRandom,
} from '../../src/index.js'
import { golden } from '../codec/golden.js'

const message = { topic: 'T', body: 'x' }
const queues = queuesOf('room1@a', 'room1@b', 'room2@c', 'd')

function queuesOf(...brokerNames: string[]): MessageQueue[] {
  return brokerNames.flatMap((brokerName) => [0, 1].map((queueId) => ({ topic: 'T', brokerName, queueId })))
}

/** The brokers that many choices give. */
function brokersOf(select: () => MessageQueue): string[] {
  return [...new Set(Array.from({ length: 500 }, () => select().brokerName))].sort()
}

describe('selectMessageQueueByHash', () => {
  it('gives the queue that Java gives', () => {
    const cases = golden<{ text: string; queueIds: number[] }>('hash').filter(({ text }) => text !== '')
    expect(cases.length).toBeGreaterThan(5)
    for (const { text, queueIds } of cases) {
      expect(queues.indexOf(selectMessageQueueByHash(text)(queues, message))).toBe(queueIds[queues.length - 1])
    }
  })

  it('refuses a key that is no text', () => {
    expect(() => selectMessageQueueByHash(7 as never)(queues, message)).toThrow(ClientError)
  })
})

describe('selectMessageQueueByRandom', () => {
  it('gives every queue sooner or later', () => {
    expect(brokersOf(() => selectMessageQueueByRandom(queues, message))).toEqual(['d', 'room1@a', 'room1@b', 'room2@c'])
  })
})

describe('selectMessageQueueByMachineRoom', () => {
  it('gives queues of the brokers in the rooms', () => {
    const select = selectMessageQueueByMachineRoom(['room1'])
    expect(brokersOf(() => select(queues, message))).toEqual(['room1@a', 'room1@b'])
    const both = selectMessageQueueByMachineRoom(['room2', 'room1'])
    expect(brokersOf(() => both(queues, message))).toEqual(['room1@a', 'room1@b', 'room2@c'])
  })

  it('gives any queue while no broker is in the rooms', () => {
    const select = selectMessageQueueByMachineRoom(['elsewhere'])
    expect(brokersOf(() => select(queues, message))).toHaveLength(4)
  })

  it.each([undefined, [], 'room1', [''], [7]])('refuses %j', (rooms) => {
    expect(() => selectMessageQueueByMachineRoom(rooms as never)).toThrow('a list of names expected')
  })
})
