import { expect, it } from 'vitest'
import { FirstAlone } from '../../src/consumer/first-alone.js'
import { rejectionOf, turns } from '../support/until.js'

const REASON = new Error('not stored')
const wait = (other: Promise<void>) => other

/** Work under one key that ends when a test says so. */
class Works {
  readonly #gate = new FirstAlone()
  readonly #ends: ((isDone: boolean | Error) => void)[] = []

  get begun(): number {
    return this.#ends.length
  }

  run(): Promise<void> {
    const work = () =>
      new Promise<boolean>((resolve, reject) => {
        this.#ends.push((end) => (typeof end === 'boolean' ? resolve(end) : reject(end)))
      })
    return this.#gate.run('T', wait, work)
  }

  async end(index: number, end: boolean | Error): Promise<void> {
    this.#ends[index]?.(end)
    await turns()
  }
}

it('goes on together when one has done something', async () => {
  const works = new Works()
  const all = [works.run(), works.run(), works.run()]
  expect(works.begun).toBe(1)
  await works.end(0, true)
  expect(works.begun).toBe(3)
  for (const index of [1, 2]) await works.end(index, true)
  await Promise.all(all)
})

it.each([
  ['failed', REASON],
  ['had nothing to do', false],
] as const)('goes on one by one after work that %s', async (_what, end) => {
  const works = new Works()
  const first = works.run()
  const others = [works.run(), works.run()]
  const ended = end === REASON ? rejectionOf(first) : first
  await works.end(0, end)
  await ended
  expect(works.begun).toBe(2)
  await works.end(1, true)
  expect(works.begun).toBe(3)
  await works.end(2, true)
  await Promise.all(others)
})
