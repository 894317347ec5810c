import { describe, expect, it, vi } from 'vitest'
import { QueueTable, type QueueTableOptions, type WantedQueue } from '../../src/consumer/queue-table.js'
import { silentLogger } from '../../src/logger.js'
import { FakeQueue } from '../support/group-consumer-under-test.js'
import { turns, until } from '../support/until.js'

function wanted(...queueIds: number[]): WantedQueue[] {
  return queueIds.map((queueId) => ({ queue: { topic: 'T', brokerName: 'a', queueId }, mode: 'PULL' }))
}

async function allOf(queues: readonly WantedQueue[]): Promise<readonly WantedQueue[]> {
  return queues
}

function tableOf(options: Partial<QueueTableOptions> = {}) {
  const opened: FakeQueue[] = []
  const reports: string[] = []
  const revoked: number[] = []
  const table = new QueueTable({
    open: async (queue, mode) => {
      const fake = new FakeQueue(queue, mode)
      opened.push(fake)
      return fake
    },
    revokeTimeout: 100,
    onRevoked: ({ queueId }) => revoked.push(queueId),
    report: (error, what) => reports.push(`${what}: ${error}`),
    logger: silentLogger,
    ...options,
  })
  const settle = (queues: readonly WantedQueue[], before = allOf, isWanted = () => true) =>
    table.settle('T', queues, before, isWanted)
  const ids = () => table.values().map(({ queue }) => queue.queueId)
  return { table, opened, reports, revoked, settle, ids }
}

describe('QueueTable', () => {
  it('opens what is wanted and starts it, closes what is not, and says what changed', async () => {
    const { settle, ids, opened, revoked } = tableOf()
    expect(await settle(wanted(2, 0, 1))).toEqual({
      added: wanted(0, 1, 2).map(({ queue }) => queue),
      removed: [],
      isComplete: true,
    })
    expect(opened.every(({ isStarted }) => isStarted)).toBe(true)
    const second = await settle(wanted(1, 3))
    expect(second.added.map(({ queueId }) => queueId)).toEqual([3])
    expect(second.removed.map(({ queueId }) => queueId)).toEqual([0, 2])
    expect(ids()).toEqual([1, 3])
    expect(opened.filter(({ isClosed }) => isClosed).map(({ queue }) => queue.queueId)).toEqual([2, 0])
    expect(revoked.sort()).toEqual([0, 2])
  })

  it('leaves queues of other topics alone', async () => {
    const { table, settle, ids } = tableOf()
    await settle(wanted(0))
    await table.settle('U', [], allOf, () => true)
    expect(ids()).toEqual([0])
    expect(table.topics).toEqual(['T'])
  })

  it('closes all before it waits for the handover, and opens after it', async () => {
    const { settle, opened } = tableOf()
    await settle(wanted(0))
    let isHandedOver = false
    const settling = settle(wanted(1), async (queues) => {
      expect(opened.map(({ isClosed }) => isClosed)).toEqual([true])
      await turns(3)
      expect(opened).toHaveLength(1)
      isHandedOver = true
      return queues
    })
    await settling
    expect(isHandedOver).toBe(true)
    expect(opened).toHaveLength(2)
  })

  it('opens only what is wanted still after the handover', async () => {
    const { settle, ids } = tableOf()
    const { isComplete } = await settle(wanted(0, 1, 2), async (queues) => queues.slice(1))
    expect(isComplete).toBe(false)
    expect(ids()).toEqual([1, 2])
  })

  it('does not wait for a handover when it has nothing to open', async () => {
    const { settle } = tableOf()
    await settle(wanted(0, 1))
    const handover = vi.fn(allOf)
    await settle(wanted(0), handover)
    expect(handover).not.toHaveBeenCalled()
  })

  it('changes a queue to another way of fetching by closing and opening it', async () => {
    const { settle, opened } = tableOf()
    const [one] = wanted(0)
    await settle(wanted(0))
    const popped = await settle([{ ...(one as WantedQueue), mode: 'POP' }])
    expect([popped.added.length, popped.removed.length]).toEqual([1, 1])
    expect(opened.map(({ mode, isClosed }) => [mode, isClosed])).toEqual([
      ['PULL', true],
      ['POP', false],
    ])
  })

  it('is incomplete while a queue can not be opened, and reports a failure of it once', async () => {
    let outcome: 'throw' | 'refuse' | 'open' = 'throw'
    const { settle, ids, reports } = tableOf({
      open: async (queue) => {
        if (outcome === 'throw') throw new Error('offset unknown')
        return outcome === 'refuse' ? undefined : new FakeQueue(queue)
      },
    })
    for (let i = 0; i < 3; i++) expect((await settle(wanted(0))).isComplete).toBe(false)
    expect(reports).toHaveLength(1)
    expect(reports[0]).toContain('queueId=0')
    expect(reports[0]).toContain('offset unknown')
    outcome = 'refuse'
    expect((await settle(wanted(0))).isComplete).toBe(false)
    outcome = 'open'
    expect((await settle(wanted(0))).isComplete).toBe(true)
    expect(ids()).toEqual([0])
    expect(reports).toHaveLength(1)
  })

  it('closes again what can not be started', async () => {
    const { settle, ids, reports, opened } = tableOf({
      open: async (queue) => {
        const fake = new FakeQueue(queue)
        fake.start = () => {
          throw new Error('no start')
        }
        opened.push(fake)
        return fake
      },
    })
    expect((await settle(wanted(0))).isComplete).toBe(false)
    expect(ids()).toEqual([])
    expect(opened[0]?.isClosed).toBe(true)
    expect(reports.join()).toContain('no start')
  })

  it('closes again what is not wanted any more when it is open', async () => {
    const { settle, ids, opened } = tableOf()
    let asked = 0
    await settle(wanted(0), undefined, () => asked++ === 0)
    expect(ids()).toEqual([])
    expect(opened.map(({ isStarted, isClosed }) => [isStarted, isClosed])).toEqual([[false, true]])
  })

  it('opens a queue again only when it is closed, forgotten, and what its closing is followed by is done', async () => {
    const { table, opened, revoked, settle } = tableOf()
    await settle(wanted(0))
    const [first] = opened
    if (first === undefined) throw new Error('nothing was opened')
    let finish: () => void = () => undefined
    const order: string[] = []
    const revoking = table.revoke(first, 700, () => {
      order.push(`closed: ${first.isClosed}, forgotten: ${revoked.join()}`)
      return new Promise((resolve) => {
        finish = resolve
      })
    })
    await until(() => order.length === 1)
    expect(order).toEqual(['closed: true, forgotten: 0'])
    expect(first.closeTimeout).toBe(700)
    expect(await settle(wanted(0))).toMatchObject({ added: [], isComplete: false })
    finish()
    await revoking
    expect(await settle(wanted(0))).toMatchObject({ isComplete: true })
    expect(opened).toHaveLength(2)
  })

  it('does not wait for ever for a queue that does not close, and does not open it a second time until it has', async () => {
    const { settle, ids, opened } = tableOf({ revokeTimeout: 1 })
    await settle(wanted(0, 1))
    let close: () => void = () => undefined
    const stuck = opened[0] as FakeQueue
    stuck.closing = new Promise((resolve) => {
      close = resolve
    })
    expect(await settle(wanted(1))).toMatchObject({ isComplete: true })
    expect((await settle(wanted(0, 1))).isComplete).toBe(false)
    expect(opened).toHaveLength(2)
    close()
    await until(async () => (await settle(wanted(0, 1))).isComplete)
    expect(ids()).toEqual([0, 1])
  })

  it('goes on when closing fails, and reports it', async () => {
    const { settle, ids, opened, reports, revoked } = tableOf()
    await settle(wanted(0, 1))
    const broken = opened[0] as FakeQueue
    broken.close = () => Promise.reject(new Error('no close'))
    await settle(wanted(1))
    expect(ids()).toEqual([1])
    expect(reports.join()).toContain('no close')
    expect(revoked).toEqual([0])
  })

  it('closes all in the end, with the time that is given, and says what handlers had not finished', async () => {
    const { table, settle, opened, ids, revoked } = tableOf()
    await settle(wanted(0, 1, 2))
    for (const fake of opened) fake.msgIds = fake.queue.queueId === 1 ? ['m1', 'm2'] : []
    expect(await table.closeAll(70)).toEqual([
      { queue: { topic: 'T', brokerName: 'a', queueId: 1 }, msgIds: ['m1', 'm2'] },
    ])
    expect(opened.map(({ closeTimeout }) => closeTimeout)).toEqual([70, 70, 70])
    expect(ids()).toEqual([])
    // The store keeps what could not be stored yet.
    expect(revoked).toEqual([])
  })

  it('has queues that were given up before end in the time that is given, and says what their handlers had not finished', async () => {
    const { table, settle, opened, ids } = tableOf({ revokeTimeout: 60_000 })
    await settle(wanted(0, 1))
    const slow = opened[0] as FakeQueue
    const timeouts: number[] = []
    let end: () => void = () => undefined
    const ended = new Promise<void>((resolve) => {
      end = resolve
    })
    slow.close = async (timeout) => {
      timeouts.push(timeout)
      if (timeout < 60_000) end()
      await ended
    }
    slow.msgIds = ['m1']
    const settling = settle(wanted(1))
    await turns(2)
    expect(ids()).toEqual([1])
    const left = await table.closeAll(70)
    await settling
    expect(timeouts).toEqual([60_000, 70])
    expect(left).toEqual([{ queue: { topic: 'T', brokerName: 'a', queueId: 0 }, msgIds: ['m1'] }])
  })

  it('opens nothing after it was closed, also what was being opened then', async () => {
    let open: (fake: FakeQueue) => void = () => undefined
    const opening = new Promise<FakeQueue>((resolve) => {
      open = resolve
    })
    const { table, settle, ids } = tableOf({ open: () => opening })
    const settling = settle(wanted(0))
    await turns(2)
    await table.closeAll(0)
    const late = new FakeQueue({ topic: 'T', brokerName: 'a', queueId: 0 })
    open(late)
    await settling
    expect([late.isStarted, late.isClosed]).toEqual([false, true])
    expect((await settle(wanted(1))).isComplete).toBe(false)
    expect(ids()).toEqual([])
  })
})
