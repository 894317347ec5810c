import { describe, expect, it } from 'vitest'
import type { ConsumeFromWhere } from '../../src/consumer/group-consumer-options.js'
import { initialOffset } from '../../src/consumer/initial-offset.js'
import type { OffsetStore, ReadOffsetOptions } from '../../src/consumer/offset-store.js'
import { groupConsumer } from '../support/group-consumer-under-test.js'
import { Code, scriptedCluster } from '../support/scripted-cluster.js'
import { ScriptedGroup } from '../support/scripted-group.js'
import { rejectionOf } from '../support/until.js'

const NORMAL = { topic: 'T', brokerName: 'a', queueId: 1 }
const RETRY = { topic: '%RETRY%g', brokerName: 'a', queueId: 0 }

function storeWith(stored: unknown) {
  const reads: ReadOffsetOptions[] = []
  const updates: number[] = []
  const store: OffsetStore = {
    load: async () => undefined,
    read: async (_queue, options) => {
      reads.push(options)
      if (stored instanceof Error) throw stored
      return stored as number
    },
    update: (_queue, offset) => void updates.push(offset),
    commit: async () => undefined,
    persist: async () => undefined,
    remove: () => undefined,
  }
  return { store, reads, updates }
}

const requests = {
  maxOffset: async () => 500,
  searchOffset: async (_queue: unknown, timestamp: number) => timestamp / 1000,
}

function offsetOf(queue: typeof NORMAL, store: OffsetStore, consumeFromWhere: ConsumeFromWhere): Promise<number> {
  return initialOffset(queue, store, requests, { consumeFromWhere, consumeTimestamp: 250_000 })
}

describe('where a group begins with a queue', () => {
  it.each<[ConsumeFromWhere, number, number]>([
    ['LAST', 500, 0],
    ['FIRST', 0, 0],
    ['TIMESTAMP', 250, 500],
  ])(
    'of which it has no offset follows from %s as in Java: %i, and %i for a retry topic',
    async (where, normal, retry) => {
      expect(await offsetOf(NORMAL, storeWith(-1).store, where)).toBe(normal)
      expect(await offsetOf(RETRY, storeWith(-1).store, where)).toBe(retry)
    },
  )

  it.each<ConsumeFromWhere>(['LAST', 'FIRST', 'TIMESTAMP'])(
    'is the offset that it has, also 0, with %s',
    async (where) => {
      for (const stored of [0, 7]) {
        const { store, updates } = storeWith(stored)
        expect(await offsetOf(NORMAL, store, where)).toBe(stored)
        expect(updates).toEqual([])
      }
    },
  )

  it('becomes its offset, so that the next owner misses nothing', async () => {
    const { store, updates } = storeWith(-1)
    await offsetOf(NORMAL, store, 'LAST')
    expect(updates).toEqual([500])
  })

  it('lets the broker answer 0 for a young queue, as Java does', async () => {
    const { store, reads } = storeWith(-1)
    await offsetOf(NORMAL, store, 'LAST')
    expect(reads).toEqual([{ setZeroIfNotFound: true }])
  })

  it('is not guessed when the store fails or gives what is no offset', async () => {
    const { store } = storeWith(new Error('no answer'))
    expect(await rejectionOf(offsetOf(NORMAL, store, 'LAST'))).toMatchObject({ message: 'no answer' })
    for (const stored of [undefined, Number.NaN, '5', 1.5]) {
      const error = await rejectionOf(offsetOf(NORMAL, storeWith(stored).store, 'FIRST'))
      expect(error).toMatchObject({ code: 'INVALID_OFFSET' })
    }
  })
})

describe('the first question for an offset to a broker', () => {
  it('leaves it the answer 0 for a young queue; the user’s question does not', async () => {
    const cluster = await scriptedCluster(['a'])
    new ScriptedGroup(cluster)
    cluster.broker().scripts.set(Code.QUERY_OFFSET, (request, connection) => {
      connection.answer(request, { fields: { offset: 3 } })
    })
    const consumer = groupConsumer(cluster)
    await consumer.start()
    expect(await consumer.beginsAt(NORMAL)).toBe(3)
    const [request] = cluster.broker().server.requestsOf(Code.QUERY_OFFSET)
    expect(request?.field('setZeroIfNotFound')).toBe('true')
    expect(request?.field('consumerGroup')).toBe('g')
  })
})
