import { expect, test } from 'vitest'
import { ProcessQueue } from '../../src/consumer/process-queue.js'
import { ReadAhead, type ReadAheadLoop } from '../../src/consumer/read-ahead.js'
import { messagesAt } from './stored-messages.js'

class Loop implements ReadAheadLoop {
  admissions = 0

  admit(): void {
    this.admissions++
  }
}

test('loops enter while there is room for what they may bring, and in their order when there is some again', () => {
  const readAhead = new ReadAhead(100, 50)
  const loops = Array.from({ length: 5 }, () => new Loop())
  expect(loops.map((loop) => readAhead.enter(loop))).toEqual([true, true, false, false, false])
  readAhead.admitNext()
  expect(admissions(loops)).toEqual([0, 0, 0, 0, 0])
  // What the first one's pull has brought waits.
  readAhead.waiting = 20
  readAhead.leave()
  expect(admissions(loops)).toEqual([0, 0, 1, 0, 0])
  readAhead.forget(loops[3] as Loop)
  readAhead.leave()
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
  readAhead.leave()
  expect(admissions([first, second])).toEqual([1, 1])
  readAhead.leave()
  expect(readAhead.enter(third)).toBe(true)
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
