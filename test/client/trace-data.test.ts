import { describe, expect, it } from 'vitest'
import { encodeTraceRecord, traceKeys } from '../../src/client/trace/trace-data.js'
import { toTraceBatch } from '../../src/client/trace/trace-message.js'
import type { PubRecord, TraceRecord } from '../../src/client/trace/trace-record.js'
import { golden } from '../codec/golden.js'

interface TraceCase {
  readonly name: string
  readonly groupName: string
  readonly record: TraceRecord
  readonly text: string
  readonly keys: readonly string[]
}

const cases = golden<TraceCase>('trace')

const pub: PubRecord = {
  traceType: 'Pub',
  startedAt: 1_700_000_000_000,
  regionId: 'DefaultRegion',
  topic: 'T',
  msgId: 'id',
  offsetMsgId: 'offset',
  keys: 'k1',
  storeHost: '127.0.0.1:10911',
  bodyLength: 10,
  cost: 3,
  msgType: 'Normal_Msg',
  success: true,
}

describe('a trace record', () => {
  it.each(cases)('is byte for byte what Java writes: $name', ({ record, groupName, text }) => {
    expect(Buffer.from(encodeTraceRecord(record, groupName)).toString('hex')).toBe(Buffer.from(text).toString('hex'))
  })

  it.each(cases)('is found by what Java makes it found by: $name', ({ record, keys }) => {
    expect([...new Set(traceKeys(record))].sort()).toEqual(keys)
  })

  it('has all of the types that Java has', () => {
    const types = new Set(cases.map(({ record }) => record.traceType))
    expect([...types].sort()).toEqual(['EndTransaction', 'Pub', 'Recall', 'SubAfter', 'SubBefore'])
  })

  it('is of the region that Java takes when the broker names none', () => {
    for (const regionId of [undefined, '']) {
      expect(encodeTraceRecord({ ...pub, regionId }, 'g').split('\u0001')[2]).toBe('DefaultRegion')
    }
  })

  it('has whole numbers only, since Java parses no others', () => {
    const fields = encodeTraceRecord({ ...pub, startedAt: 1_700_000_000_000.7, cost: 2.6 }, 'g').split('\u0001')
    expect([fields[1], fields[10]]).toEqual(['1700000000001', '3'])
    expect(encodeTraceRecord({ ...pub, cost: -1 }, 'g').split('\u0001')[10]).toBe('0')
  })
})

describe('a trace message', () => {
  const limits = { batchSize: 10, maxMessageSize: 128_000 }

  it('holds records up to the size of a batch, found by all of their ids and keys', () => {
    const records = Array.from({ length: 25 }, (_, i) => ({ ...pub, msgId: `id${i}`, keys: `k${i % 3}` }))
    const { message, taken, unfit } = toTraceBatch(records, 'g', limits)
    expect([taken, unfit, message?.recordCount]).toEqual([10, 0, 10])
    expect(message?.body.toString()).toBe(
      records
        .slice(0, 10)
        .map((record) => encodeTraceRecord(record, 'g'))
        .join(''),
    )
    const ids = Array.from({ length: 10 }, (_, i) => `id${i}`)
    expect(message?.keys.split(' ').sort()).toEqual([...ids, 'k0', 'k1', 'k2'].sort())
  })

  it('is no larger than its limit, to the byte', () => {
    const records = Array.from({ length: 3 }, () => ({ ...pub, tags: 'é'.repeat(400) }))
    const size = Buffer.byteLength(encodeTraceRecord(records[0] as PubRecord, 'g'))
    expect(toTraceBatch(records, 'g', { batchSize: 10, maxMessageSize: 2 * size }).taken).toBe(2)
    expect(toTraceBatch(records, 'g', { batchSize: 10, maxMessageSize: 2 * size - 1 }).taken).toBe(1)
    expect(toTraceBatch(records, 'g', { batchSize: 10, maxMessageSize: size }).taken).toBe(1)
  })

  it('leaves out a record that is larger than a message, and one that is malformed', () => {
    const large = { ...pub, tags: 'x'.repeat(2000) }
    const malformed = { ...pub, keys: 5 } as unknown as PubRecord
    const batch = toTraceBatch([large, pub, malformed, pub], 'g', { batchSize: 10, maxMessageSize: 1024 })
    expect([batch.taken, batch.unfit, batch.message?.recordCount]).toEqual([4, 2, 2])
    expect(toTraceBatch([large], 'g', { batchSize: 10, maxMessageSize: 1024 })).toEqual({
      message: undefined,
      taken: 1,
      unfit: 1,
    })
  })

  it('has no more keys than a broker takes: the next record waits, and of a single one the ids come first', () => {
    const keys = Array.from({ length: 4000 }, (_, i) => `key-${i}`).join(' ')
    const { message, taken } = toTraceBatch(
      [
        { ...pub, keys },
        { ...pub, keys: 'x'.repeat(99) },
      ],
      'g',
      limits,
    )
    expect(taken).toBe(1)
    expect(message?.keys).toMatch(/^id key-0 key-1 /)
    expect(message?.keys.length).toBeLessThanOrEqual(30_000)
    expect(message?.keys.length).toBeGreaterThan(29_900)
    expect(message?.body.toString()).toContain(keys)
    expect(toTraceBatch([pub, { ...pub, keys }], 'g', limits).message).toMatchObject({ recordCount: 1, keys: 'id k1' })
  })
})
