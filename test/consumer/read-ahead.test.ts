import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { ProcessQueue } from '../../src/consumer/process-queue.js'
import { ReadAhead, type ReadAheadLoop } from '../../src/consumer/read-ahead.js'
import { messagesAt } from './stored-messages.js'

class Loop implements ReadAheadLoop {
  admittedIn = 0
  admissions = 0

  admit(): void {
    this.admissions++
  }
}

test('loops enter while there is room for what they may bring, and in their order when there is some again', () => {
  const readAhead = new ReadAhead(100, 50)
  const loops = Array.from({ length: 5 }, () => new Loop())
  const [first, second] = loops as [Loop, Loop]
  expect(loops.map((loop) => readAhead.enter(loop))).toEqual([true, true, false, false, false])
  readAhead.admitNext()
  expect(admissions(loops)).toEqual([0, 0, 0, 0, 0])
  // What the first one's pull has brought waits.
  readAhead.waiting = 20
  readAhead.leave(first)
  expect(admissions(loops)).toEqual([0, 0, 0, 0, 0])
  readAhead.forget(loops[3] as Loop)
  readAhead.leave(second)
  expect(admissions(loops)).toEqual([0, 0, 1, 0, 1])
})

test('nobody overtakes those that wait', () => {
  const readAhead = new ReadAhead(10, 10)
  const [first, second, third] = [new Loop(), new Loop(), new Loop()] as const
  readAhead.waiting = 10
  expect(readAhead.enter(first)).toBe(false)
  readAhead.waiting = 0
  expect(readAhead.enter(second)).toBe(false)
  expect(readAhead.enter(first)).toBe(false)
  readAhead.admitNext()
  expect(admissions([first, second])).toEqual([1, 0])
  readAhead.leave(first)
  expect(admissions([first, second])).toEqual([1, 1])
  readAhead.leave(second)
  expect(readAhead.enter(third)).toBe(true)
})

test('loops that wait are admitted some at a time, so that their requests share a write', () => {
  const readAhead = new ReadAhead(1_000, 50)
  readAhead.waiting = 1_000
  const loops = Array.from({ length: 10 }, () => new Loop())
  for (const loop of loops) readAhead.enter(loop)
  readAhead.waiting = 601
  readAhead.admitNext()
  expect(admissions(loops)).toEqual(Array(10).fill(0))
  readAhead.waiting = 600
  readAhead.admitNext()
  expect(admissions(loops)).toEqual([...Array(8).fill(1), 0, 0])
  for (const loop of loops) readAhead.forget(loop)
})

describe('where pulls are not answered', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  test('they hold up the others for a second or two, and count no more, also when they end', () => {
    const readAhead = new ReadAhead(100, 50)
    const loops = Array.from({ length: 5 }, () => new Loop())
    for (const loop of loops) readAhead.enter(loop)
    vi.advanceTimersByTime(1_000)
    expect(admissions(loops)).toEqual([0, 0, 1, 1, 0])
    // Those of a broker that hangs end at last.
    for (const hanging of loops.slice(0, 2)) readAhead.leave(hanging)
    expect(admissions(loops)).toEqual([0, 0, 1, 1, 0])
    readAhead.leave(loops[2] as Loop)
    expect(admissions(loops)).toEqual([0, 0, 1, 1, 1])
    expect(vi.getTimerCount()).toBe(0)
  })

  test('nothing changes as long as others are', () => {
    const readAhead = new ReadAhead(100, 50)
    const loops = Array.from({ length: 4 }, () => new Loop())
    const [hanging, answered, ...others] = loops as [Loop, Loop, Loop, Loop]
    for (const loop of loops) readAhead.enter(loop)
    for (const next of others) {
      vi.advanceTimersByTime(999)
      readAhead.waiting = 20
      readAhead.leave(answered)
      readAhead.waiting = 0
      readAhead.enter(answered)
      expect(admissions([next])).toEqual([0])
    }
    readAhead.forget(answered)
    for (const loop of [hanging, ...others]) readAhead.forget(loop)
    expect(vi.getTimerCount()).toBe(0)
  })
})

test('process queues count what waits in them, until they leave', () => {
  const tally = new ReadAhead(1, 1)
  const [one, other] = [new ProcessQueue(0, tally), new ProcessQueue(0, tally)]
  one.add(messagesAt(0, 1, 2, 3, 4), 5)
  other.add(messagesAt(0, 1), 2)
  expect(tally.waiting).toBe(7)
  const taken = one.take(3)
  expect(tally.waiting).toBe(4)
  one.finish(taken.slice(0, 1))
  one.putBack(taken.slice(1))
  expect(tally.waiting).toBe(6)
  one.takeThese(taken.slice(1, 2))
  expect(tally.waiting).toBe(5)
  one.leaveTally()
  expect(tally.waiting).toBe(2)
  one.take(2)
  one.add(messagesAt(5), 6)
  one.leaveTally()
  expect(tally.waiting).toBe(2)
})

function admissions(loops: readonly Loop[]): number[] {
  return loops.map(({ admissions }) => admissions)
}
