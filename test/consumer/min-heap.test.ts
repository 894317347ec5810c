import fc from 'fast-check'
import { expect, it } from 'vitest'
import { MinHeap } from '../../src/consumer/min-heap.js'

it('a heap gives back first what has the smallest number, whatever was pushed and popped before', () => {
  // A number is pushed; undefined pops.
  const steps = fc.array(fc.option(fc.integer({ min: -50, max: 50 }), { nil: undefined, freq: 3 }), { maxLength: 300 })
  fc.assert(
    fc.property(steps, (pushes) => {
      const heap = new MinHeap<string>()
      let model: number[] = []
      for (const rank of pushes) {
        if (rank !== undefined) {
          heap.push(rank, `value ${rank}`)
          model.push(rank)
        } else {
          model = model.toSorted((a, b) => a - b)
          const smallest = model.shift()
          expect(heap.pop()).toBe(smallest === undefined ? undefined : `value ${smallest}`)
        }
        expect(heap.size).toBe(model.length)
        expect(heap.minRank).toBe(model.length === 0 ? undefined : Math.min(...model))
      }
    }),
  )
})
