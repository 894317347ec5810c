import { describe, expect, it } from 'vitest'
import { checkOrder, neverDone, type OrderCheck, type OrderEvent } from './order-history.js'

const CHECK: OrderCheck = { lane: 'key', disturbances: [], killed: new Map() }

/** Events from lines such as `x begin a/0`: each a moment after the one before, the offset of a message ten times its number. */
function eventsOf(...lines: string[]): OrderEvent[] {
  return lines.map((line, at) => {
    const [member = '', kind, message = ''] = line.split(' ')
    const [key = '', number] = message.split('/')
    const queueOffset = 10 * Number(number) + (key === 'a' ? 0 : 1)
    const place = { brokerName: 'broker-a', queueId: 0, queueOffset }
    return { ...place, member, kind: kind as OrderEvent['kind'], key, number: Number(number), at }
  })
}

const disturbed = (at: number, offset: number) => ({ at, committed: new Map([['broker-a 0', offset]]) })

describe('checkOrder', () => {
  it('finds nothing where each message comes after the one before, failures included', () => {
    const events = eventsOf(
      'x begin a/0',
      'x begin b/0',
      'x failed a/0',
      'x done b/0',
      'x begin a/0',
      'x done a/0',
      'y begin a/1',
      'y done a/1',
    )
    expect(checkOrder(events.toReversed(), CHECK)).toEqual({ faults: [], repeated: 0 })
  })

  it('finds a gap, and a message that came though the one before it was not done', () => {
    expect(checkOrder(eventsOf('x begin a/1'), CHECK).faults).toHaveLength(1)
    expect(checkOrder(eventsOf('x begin a/0', 'x done a/0', 'x begin a/2'), CHECK).faults).toHaveLength(1)
    expect(checkOrder(eventsOf('x begin a/0', 'x failed a/0', 'x begin a/1'), CHECK).faults).toHaveLength(1)
  })

  it('finds messages of a lane that are handled side by side, unless the first handler was killed', () => {
    const events = eventsOf('x begin a/0', 'y begin a/0')
    expect(checkOrder(events, CHECK).faults).toHaveLength(1)
    expect(checkOrder(events, { ...CHECK, killed: new Map([['x', 0.5]]) }).faults).toEqual([])
    const others = eventsOf('x begin a/0', 'x begin b/0')
    expect(checkOrder(others, CHECK).faults).toEqual([])
    expect(checkOrder(others, { ...CHECK, lane: 'queue' }).faults).toHaveLength(1)
  })

  it('finds messages that come again, unless they were not committed when something happened', () => {
    const events = eventsOf('x begin a/0', 'x done a/0', 'x begin a/1', 'x done a/1', 'y begin a/1', 'y done a/1')
    expect(checkOrder(events, CHECK)).toMatchObject({ faults: [expect.any(String)], repeated: 1 })
    expect(checkOrder(events, { ...CHECK, disturbances: [disturbed(3.5, 10)] })).toEqual({ faults: [], repeated: 1 })
    expect(checkOrder(events, { ...CHECK, disturbances: [disturbed(3.5, 11)] }).faults).toHaveLength(1)
    expect(checkOrder(events, { ...CHECK, disturbances: [disturbed(4.5, 10)] }).faults).toHaveLength(1)
  })

  it('finds messages that come again more often than there is a reason for', () => {
    const events = eventsOf('x begin a/0', 'x done a/0', 'y begin a/0', 'y done a/0', 'x begin a/0')
    expect(checkOrder(events, { ...CHECK, disturbances: [disturbed(1.5, 0)] }).faults).toHaveLength(1)
    expect(checkOrder(events, { ...CHECK, disturbances: [disturbed(1.5, 0), disturbed(3.5, 0)] }).faults).toEqual([])
  })

  it('finds a gap after a step back', () => {
    const events = eventsOf(
      ...['x begin a/0', 'x done a/0', 'x begin a/1', 'x done a/1', 'x begin a/2', 'x done a/2'],
      ...['y begin a/0', 'y done a/0', 'y begin a/2'],
    )
    expect(checkOrder(events, { ...CHECK, disturbances: [disturbed(5.5, 0)] }).faults).toHaveLength(1)
  })
})

describe('neverDone', () => {
  it('names what was begun at most', () => {
    const events = eventsOf('x begin a/0', 'x done a/0', 'x begin a/1', 'x failed a/1')
    expect(neverDone(events, ['a', 'b'], 2)).toEqual(['a/1', 'b/0', 'b/1'])
  })
})
