import { describe, expect, it } from 'vitest'
import { type Delivery, DeliveryHistory, unionOfOwned } from './delivery-history.js'

const queues = [0, 1, 2].map((queueId) => ({ brokerName: 'a', queueId }))
const [first, second, third] = queues as [(typeof queues)[0], (typeof queues)[0], (typeof queues)[0]]

function delivery(member: string, queueId: number, queueOffset: number, at: number, endedAt = at): Delivery {
  return { member, brokerName: 'a', queueId, queueOffset, reconsumeTimes: 0, at, endedAt }
}

describe('unionOfOwned', () => {
  it('says who has each queue', () => {
    const owned = new Map([
      ['x', [first, third]],
      ['y', [second]],
      ['z', []],
    ])
    const owners = new Map([
      ['a 0', 'x'],
      ['a 2', 'x'],
      ['a 1', 'y'],
    ])
    expect(unionOfOwned(owned, queues)).toEqual({ owners, faults: [] })
  })

  it('finds queues that several members have, that nobody has and that do not exist', () => {
    const owned = new Map([
      ['x', [first]],
      ['y', [first, { brokerName: 'b', queueId: 0 }]],
    ])
    expect(unionOfOwned(owned, queues).faults).toEqual([
      'a 0 is owned by x and by y',
      'y owns b 0, which is none of the queues',
      'a 1 is owned by nobody',
      'a 2 is owned by nobody',
    ])
  })
})

describe('DeliveryHistory', () => {
  it('knows which messages nobody got', () => {
    const history = new DeliveryHistory()
    history.add(delivery('x', 0, 0, 1))
    history.add(delivery('x', 1, 1, 1))
    const sent = [0, 1].flatMap((queueOffset) => [first, second].map((queue) => ({ ...queue, queueOffset })))
    expect(history.missing(sent)).toEqual(['a 1 0', 'a 0 1'])
    expect(history.count).toBe(2)
  })

  it('finds no duplicate where every message came once', () => {
    const history = new DeliveryHistory()
    for (let offset = 0; offset < 10; offset++) history.add(delivery('x', offset % 2, offset, offset))
    expect(history.duplicates()).toEqual([])
  })

  it('excuses a duplicate by a change between the two deliveries in which the queue moved', () => {
    const history = groupOfTwo()
    history.add(delivery('x', 1, 5, 90))
    history.add(delivery('y', 1, 5, 150))
    // Behind the settling, too, as long as the first delivery was before it.
    history.add(delivery('x', 1, 6, 150))
    history.add(delivery('y', 1, 6, 300))
    expect(history.duplicates().map(({ change }) => change)).toEqual(['y joins', 'y joins'])
    expect(history.changes()).toEqual([
      { what: 'x joins', begunAt: 0, settledAt: 10, moved: 3, duplicates: 0, inFlight: 0 },
      { what: 'y joins', begunAt: 100, settledAt: 200, moved: 1, duplicates: 2, inFlight: 1 },
    ])
  })

  it('blames the change that took the queue from the member which had the message first', () => {
    const history = groupOfTwo()
    history.begin('y leaves', 220)
    history.settle(unionOfOwned(new Map([['x', queues]]), queues).owners, 240)
    history.add(delivery('y', 1, 5, 190))
    history.add(delivery('x', 1, 5, 230))
    expect(history.duplicates()).toMatchObject([{ change: 'y leaves' }])
  })

  it('counts what the handlers of former owners had when these got their last message of a queue that moved', () => {
    const history = groupOfTwo()
    history.add(delivery('x', 1, 5, 90, 100))
    history.add(delivery('x', 1, 6, 95, 120))
    history.add(delivery('x', 1, 7, 110, 120))
    // Of a queue that did not move, and of a later time.
    history.add(delivery('x', 0, 7, 110, 120))
    history.add(delivery('x', 1, 9, 300, 310))
    expect(history.changes()).toMatchObject([{ inFlight: 0 }, { inFlight: 2 }])
  })

  it('goes by the times of deliveries, not by their order', () => {
    const history = groupOfTwo()
    history.add(delivery('y', 1, 5, 150))
    history.add(delivery('x', 1, 5, 90))
    expect(history.duplicates()).toMatchObject([
      { earlier: { member: 'x' }, later: { member: 'y' }, change: 'y joins' },
    ])
  })

  it.each([
    ['the queue did not move', 0, 90, 150],
    ['both deliveries were before the change', 1, 50, 90],
    ['both deliveries were behind the change', 1, 201, 300],
  ])('excuses no duplicate when %s', (_why, queueId, earlier, later) => {
    const history = groupOfTwo()
    history.add(delivery('x', queueId, 5, earlier))
    history.add(delivery('y', queueId, 5, later))
    expect(history.duplicates()).toMatchObject([{ change: undefined }])
  })

  it('judges each repetition by itself', () => {
    const history = groupOfTwo()
    for (const at of [90, 150, 300, 301]) history.add(delivery('y', 1, 5, at))
    expect(history.duplicates().map(({ change }) => change)).toEqual(['y joins', 'y joins', undefined])
  })

  it('lists what came again by the retry topic', () => {
    const history = new DeliveryHistory()
    history.add(delivery('x', 0, 0, 1))
    const retry = { ...delivery('x', 0, 1, 2), reconsumeTimes: 1 }
    history.add(retry)
    expect(history.retries()).toEqual([retry])
  })

  it('takes one change at a time', () => {
    const history = new DeliveryHistory()
    expect(() => history.settle(new Map())).toThrow('nothing has begun')
    history.begin('x joins')
    expect(() => history.begin('y joins')).toThrow('y joins: x joins is not settled yet')
  })
})

/** First x has all three queues; from 100 to 200 y joins and gets queue 1. */
function groupOfTwo(): DeliveryHistory {
  const history = new DeliveryHistory()
  history.begin('x joins', 0)
  history.settle(unionOfOwned(new Map([['x', queues]]), queues).owners, 10)
  history.begin('y joins', 100)
  const owned = new Map([
    ['x', [first, third]],
    ['y', [second]],
  ])
  history.settle(unionOfOwned(owned, queues).owners, 200)
  return history
}
