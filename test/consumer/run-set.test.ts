import { describe, expect, it } from 'vitest'
import type { ConsumedQueue } from '../../src/consumer/consumed-queue.js'
import { ConsumeRun } from '../../src/consumer/consumed-queue.js'
import { RunSet } from '../../src/consumer/run-set.js'

function run(): ConsumeRun {
  return new ConsumeRun({} as ConsumedQueue, [], 0, 0)
}

describe('RunSet', () => {
  it('has what was added and not removed, whatever was removed between', () => {
    const set = new RunSet<ConsumeRun>('place')
    const runs = Array.from({ length: 50 }, run)
    for (const each of runs) set.add(each)
    const removed = runs.filter((_, index) => index % 3 === 0)
    for (const each of removed) set.delete(each)
    const kept = runs.filter((each) => !removed.includes(each))
    expect(new Set(set.values())).toEqual(new Set(kept))
    expect(set.size).toBe(kept.length)
    expect(removed.some((each) => set.has(each))).toBe(false)
    expect(kept.every((each) => set.has(each))).toBe(true)
    for (const each of kept) set.delete(each)
    expect(set.values()).toEqual([])
  })

  it('passes over a run that is not there, also when another one has its place', () => {
    const set = new RunSet<ConsumeRun>('place')
    const [first, second] = [run(), run()] as const
    set.delete(first)
    set.add(first)
    set.delete(first)
    set.add(second)
    set.delete(first)
    expect(set.values()).toEqual([second])
  })

  it('has a run in a set of its consumer and one of its queue at a time', () => {
    const [consumer, queue] = [new RunSet<ConsumeRun>('place'), new RunSet<ConsumeRun>('placeInQueue')]
    const [first, second] = [run(), run()]
    consumer.add(first)
    for (const set of [consumer, queue]) set.add(second)
    consumer.delete(first)
    queue.delete(second)
    expect([consumer.values(), queue.values()]).toEqual([[second], []])
  })

  it('lets runs be removed while somebody goes through them', () => {
    const set = new RunSet<ConsumeRun>('place')
    for (const each of [run(), run(), run()]) set.add(each)
    for (const each of set.values()) set.delete(each)
    expect(set.size).toBe(0)
  })
})
