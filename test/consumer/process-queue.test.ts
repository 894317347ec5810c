import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { StoredMessage } from '../../src/codec/stored-message.js'
import { ProcessQueue } from '../../src/consumer/process-queue.js'
import { decodedMessage, messagesAt, offsetsOf } from './stored-messages.js'

function queueWith(...offsets: number[]): ProcessQueue {
  const queue = new ProcessQueue(offsets[0] ?? 0)
  queue.add(messagesAt(...offsets), (offsets.at(-1) ?? -1) + 1)
  return queue
}

describe('a process queue', () => {
  it('is empty at first, and its offset is where pulling begins', () => {
    const queue = new ProcessQueue(70)
    expect(queue).toMatchObject({ nextOffset: 70, commitOffset: 70, count: 0, bytes: 0, span: 0, waitingCount: 0 })
    expect(queue.firstOffset).toBeUndefined()
    expect(queue.lastOffset).toBeUndefined()
    expect(queue.oldestStoreTimestamp).toBeUndefined()
    expect(queue.take(10)).toEqual([])
  })

  it('gives out the oldest messages first, each once', () => {
    const queue = queueWith(5, 6, 7, 8)
    expect(offsetsOf(queue.take(3))).toEqual([5, 6, 7])
    expect(offsetsOf(queue.take(3))).toEqual([8])
    expect(queue.take(3)).toEqual([])
    expect(queue).toMatchObject({ count: 4, waitingCount: 0, inFlightCount: 4 })
  })

  it('knows how many messages and bytes it holds, and how far they are apart', () => {
    const queue = new ProcessQueue(3)
    queue.add([decodedMessage({ queueOffset: 3, body: 'four' }), decodedMessage({ queueOffset: 90, body: 'x' })], 91)
    expect(queue).toMatchObject({ count: 2, bytes: 5, span: 87, firstOffset: 3, lastOffset: 90 })
    expect(queue.oldestStoreTimestamp).toBe(1_700_000_000_005)
    queue.finish(queue.take(1))
    expect(queue).toMatchObject({ count: 1, bytes: 1, span: 0, firstOffset: 90, lastOffset: 90 })
  })

  it('commits up to the oldest message that is not finished, however many behind it are', () => {
    const queue = queueWith(0, 1, 2, 3)
    const [first, ...others] = queue.take(4)
    queue.finish(others)
    expect(queue.commitOffset).toBe(0)
    queue.finish([first as StoredMessage])
    expect(queue.commitOffset).toBe(4)
  })

  it('commits what was filtered out behind the last message too', () => {
    const queue = new ProcessQueue(10)
    queue.add(messagesAt(12), 500)
    expect(queue.commitOffset).toBe(12)
    queue.finish(queue.take(1))
    expect(queue.commitOffset).toBe(500)
    queue.add([], 700)
    expect(queue.commitOffset).toBe(700)
  })

  it('does not let a stuck message hold the room of those that were finished behind it', () => {
    const queue = queueWith(0, 1, 2, 3)
    queue.finish(queue.take(4).slice(1))
    expect(queue).toMatchObject({ count: 1, bytes: 'body 0'.length, span: 0 })
  })

  it('gives out again, first, what was put back', () => {
    const queue = queueWith(0, 1, 2, 3)
    const taken = queue.take(3)
    queue.putBack([taken[1] as StoredMessage])
    expect(queue).toMatchObject({ waitingCount: 2, inFlightCount: 2, commitOffset: 0 })
    expect(offsetsOf(queue.take(5))).toEqual([1, 3])
  })

  it('takes another object for a message that is put back', () => {
    const queue = queueWith(0)
    const [message] = queue.take(1) as [StoredMessage]
    const again = message.derive({ reconsumeTimes: 1 }, message.body)
    queue.putBack([again])
    expect(queue.take(1)[0]).toBe(again)
    queue.finish([message])
    expect(queue).toMatchObject({ count: 0, bytes: 0, commitOffset: 1 })
  })

  it('passes over what is not in flight: strangers, and what was finished or put back before', () => {
    const queue = queueWith(0, 2)
    const [first] = queue.take(1) as [StoredMessage]
    const [one, two, nine] = messagesAt(1, 2, 9) as [StoredMessage, StoredMessage, StoredMessage]
    queue.finish([one, two, nine])
    queue.putBack([one, two, nine])
    expect(queue).toMatchObject({ count: 2, waitingCount: 1, inFlightCount: 1, commitOffset: 0 })
    queue.finish([first])
    queue.finish([first])
    queue.putBack([first])
    expect(queue).toMatchObject({ count: 1, waitingCount: 1, inFlightCount: 0, commitOffset: 2 })
    expect(queue.isInFlight(first)).toBe(false)
    expect(queue.isInFlight(queue.take(1)[0] as StoredMessage)).toBe(true)
  })

  it('skips ahead where the queue begins later than it was read, and keeps what it has', () => {
    const queue = queueWith(0, 1)
    queue.skipTo(100)
    expect(queue).toMatchObject({ nextOffset: 100, commitOffset: 0, count: 2 })
    queue.finish(queue.take(2))
    expect(queue.commitOffset).toBe(100)
    queue.skipTo(50)
    expect(queue.nextOffset).toBe(100)
  })

  it('keeps few rows, though one message is stuck and a hundred thousand pass it by', () => {
    const queue = new ProcessQueue(0)
    queue.add(messagesAt(0), 1)
    const stuck = queue.take(1)
    const message = messagesAt(1)[0] as StoredMessage
    for (let offset = 1; offset <= 100_000; offset++) {
      queue.add([message.derive({ queueOffset: offset }, message.body)], offset + 1)
      queue.finish(queue.take(1))
    }
    expect(queue).toMatchObject({ count: 1, commitOffset: 0, nextOffset: 100_001, span: 0 })
    queue.finish(stuck)
    expect(queue.commitOffset).toBe(100_001)
  })
})

type Step =
  | { kind: 'add'; gaps: number[]; tail: number }
  | { kind: 'take'; max: number }
  | { kind: 'finish' | 'putBack'; picks: number[] }
  | { kind: 'skip'; by: number }

const picks = fc.array(fc.nat(), { maxLength: 20 })
const steps = fc.array(
  fc.oneof(
    fc.record({
      kind: fc.constant('add' as const),
      gaps: fc.array(fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.nat(5)), { maxLength: 40 }),
      tail: fc.nat(3),
    }),
    fc.record({ kind: fc.constant('take' as const), max: fc.integer({ min: 1, max: 40 }) }),
    fc.record({ kind: fc.constant('finish' as const), picks }),
    fc.record({ kind: fc.constant('finish' as const), picks }),
    fc.record({ kind: fc.constant('putBack' as const), picks }),
    fc.record({ kind: fc.constant('skip' as const), by: fc.nat(10) }),
  ),
  { maxLength: 120 },
)

/** The same, written so simply that it is right. */
class Model {
  readonly waiting = new Map<number, StoredMessage>()
  readonly inFlight = new Map<number, StoredMessage>()
  nextOffset = 0

  get unfinished(): number[] {
    return [...this.waiting.keys(), ...this.inFlight.keys()].sort((a, b) => a - b)
  }

  take(max: number): StoredMessage[] {
    const oldest = [...this.waiting.values()].sort((a, b) => a.queueOffset - b.queueOffset).slice(0, max)
    for (const message of oldest) {
      this.waiting.delete(message.queueOffset)
      this.inFlight.set(message.queueOffset, message)
    }
    return oldest
  }
}

const prototype = messagesAt(0)[0] as StoredMessage

function apply(step: Step, queue: ProcessQueue, model: Model): void {
  switch (step.kind) {
    case 'add': {
      let offset = model.nextOffset
      const added = step.gaps.map((gap) => {
        const message = prototype.derive({ queueOffset: offset + gap }, prototype.body)
        offset = message.queueOffset + 1
        return message
      })
      model.nextOffset = offset + step.tail
      for (const message of added) model.waiting.set(message.queueOffset, message)
      queue.add(added, model.nextOffset)
      return
    }
    case 'take':
      expect(offsetsOf(queue.take(step.max))).toEqual(offsetsOf(model.take(step.max)))
      return
    case 'skip':
      model.nextOffset += step.by
      queue.skipTo(model.nextOffset)
      return
    default: {
      const all = [...model.inFlight.values()]
      const chosen = [...new Set(step.picks.map((pick) => all[pick % Math.max(1, all.length)]))].filter(
        (message) => message !== undefined,
      )
      for (const message of chosen) {
        model.inFlight.delete(message.queueOffset)
        if (step.kind === 'putBack') model.waiting.set(message.queueOffset, message)
      }
      if (step.kind === 'putBack') queue.putBack(chosen)
      else queue.finish(chosen)
    }
  }
}

describe('whatever is added, taken, finished and put back', () => {
  it('the offset to commit never passes an unfinished message, never goes back, and ends where pulling goes on', () => {
    fc.assert(
      fc.property(steps, (sequence) => {
        const queue = new ProcessQueue(0)
        const model = new Model()
        let committed = 0
        for (const step of sequence) {
          apply(step, queue, model)
          const { unfinished } = model
          expect(queue.commitOffset).toBe(unfinished[0] ?? model.nextOffset)
          expect(queue.commitOffset).toBeGreaterThanOrEqual(committed)
          committed = queue.commitOffset
          expect(queue).toMatchObject({
            nextOffset: model.nextOffset,
            count: unfinished.length,
            waitingCount: model.waiting.size,
            inFlightCount: model.inFlight.size,
            bytes: unfinished.length * prototype.body.length,
            span: (unfinished.at(-1) ?? 0) - (unfinished[0] ?? 0),
          })
          expect([queue.firstOffset, queue.lastOffset]).toEqual([unfinished[0], unfinished.at(-1)])
        }
        queue.take(Number.POSITIVE_INFINITY)
        queue.finish([...model.inFlight.values(), ...model.waiting.values()])
        expect(queue).toMatchObject({ commitOffset: model.nextOffset, count: 0, bytes: 0 })
      }),
      { numRuns: 400 },
    )
  })
})
