import fc from 'fast-check'
import { expect, it, onTestFinished, vi } from 'vitest'
import type { OrderedMode } from './ordered-consumption-under-test.js'
import { type OpenQueue, OrderedGroup } from './ordered-group.js'

const MODES: readonly OrderedMode[] = ['orderly', 'keyOrdered']
const ACTIONS = [
  'assign',
  'pull',
  'end',
  'end',
  'fail',
  'wait',
  'store',
  'giveUp',
  'takeLock',
  'detour',
  'doubt',
  'renew',
  'dead',
] as const

const key = fc.constantFrom('a', 'b', 'c', undefined)
const queue = fc.array(key, { minLength: 1, maxLength: 12 })
const step = fc.record({
  action: fc.constantFrom(...ACTIONS),
  member: fc.nat(2),
  queue: fc.nat(1),
  count: fc.nat(5),
})
type Step = { action: (typeof ACTIONS)[number]; member: number; queue: number; count: number }

async function take(
  group: OrderedGroup,
  { action, member: memberIndex, queue: queueIndex, count }: Step,
): Promise<void> {
  const member = group.members[memberIndex]
  const at = group.queues[queueIndex % group.queues.length]
  if (member === undefined || at === undefined) throw new Error('no such member or queue')
  const open = member.open.get(at)
  const running = group.running[count % Math.max(1, group.running.length)]
  if (action === 'assign') group.assign(member, at)
  else if (action === 'pull') group.pull(member, at, count + 1)
  else if (action === 'end' && running !== undefined)
    group.end(running, Math.min(count + 1, running.call.offsets.length))
  else if (action === 'fail' && running !== undefined) group.end(running, count % 2 === 0 ? -1 : 0)
  else if (action === 'wait') vi.advanceTimersByTime(1_100)
  else if (action === 'dead') group.isDeadLetterTaken = count % 2 === 0
  else if (action === 'renew') group.renew()
  else if (open !== undefined && action === 'detour') await detour(group, open, count)
  else if (open !== undefined && action === 'store') group.store(open)
  else if (open !== undefined && action === 'giveUp') group.giveUp(open)
  else if (open !== undefined && action === 'takeLock') group.takeLock(open)
  else if (open !== undefined && action === 'doubt') group.doubt(open)
}

/** Another member gets the queue, works on it for a while, and the first one has it back. */
async function detour(group: OrderedGroup, open: OpenQueue, count: number): Promise<void> {
  const { member, at } = open
  const other = group.members[(group.members.indexOf(member) + 1) % group.members.length]
  if (other === undefined || other.open.has(at) || at.owner !== member) return
  group.takeLock(open)
  group.assign(other, at)
  group.pull(other, at, count)
  for (let i = 0; i < count; i++) {
    for (const running of group.running.filter((one) => one.open.member === other && one.open.at === at)) {
      group.end(running, running.call.offsets.length)
    }
    await vi.advanceTimersByTimeAsync(0)
  }
  const others = other.open.get(at)
  if (others !== undefined) group.giveUp(others)
  await vi.advanceTimersByTimeAsync(0)
  if (at.owner === undefined) group.renew()
}

/** All goes well from here on: everything is consumed in the end. */
async function finish(group: OrderedGroup): Promise<void> {
  group.isDeadLetterTaken = true
  for (let round = 0; round < 200; round++) {
    for (const running of [...group.running]) group.end(running, running.call.offsets.length)
    await vi.advanceTimersByTimeAsync(1_100)
    group.renew()
    await vi.advanceTimersByTimeAsync(0)
    for (const at of group.queues) {
      const owner = at.owner ?? group.members[0]
      if (owner === undefined) continue
      group.assign(owner, at)
      group.pull(owner, at, 5)
      const open = owner.open.get(at)
      if (open !== undefined) group.store(open)
    }
    group.check()
    if (group.queues.every(({ storedOffset, keys }) => storedOffset === keys.length)) break
  }
  for (const { storedOffset, keys, done } of group.queues) {
    expect(storedOffset).toBe(keys.length)
    expect(done.size).toBe(keys.length)
  }
}

it.each(MODES)(
  'in mode %s no message overtakes one that it belongs to, and none comes again that is committed, whatever fails, moves or is lost',
  async (mode) => {
    vi.useFakeTimers({
      toFake: [
        'setTimeout',
        'clearTimeout',
        'setInterval',
        'clearInterval',
        'setImmediate',
        'clearImmediate',
        'performance',
      ],
    })
    onTestFinished(() => void vi.useRealTimers())
    let deliveries = 0
    const scenario = fc.record({
      queues: fc.array(queue, { minLength: 1, maxLength: 2 }),
      steps: fc.array(step, { maxLength: 80 }),
      batchSize: fc.constantFrom(1, 1, 2, 4),
    })
    await fc.assert(
      fc.asyncProperty(scenario, async ({ queues, steps, batchSize }) => {
        const group = new OrderedGroup(mode, queues, batchSize)
        group.assign(...([group.members[0], group.queues[0]] as Parameters<OrderedGroup['assign']>))
        for (const one of steps) {
          await take(group, one)
          await vi.advanceTimersByTimeAsync(0)
          group.check()
        }
        await finish(group)
        for (const { host } of group.members) {
          deliveries += host.calls.length
          host.consumption.stop()
        }
      }),
      { numRuns: 300 },
    )
    expect(deliveries).toBeGreaterThan(300)
  },
)
