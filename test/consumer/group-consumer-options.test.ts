import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { resolveOptions } from '../../src/client/option-rules.js'
import { allocateAveragely } from '../../src/consumer/allocate/allocate-averagely.js'
import { allocateByConfig } from '../../src/consumer/allocate/allocate-by-config.js'
import { groupConsumerOptionRules } from '../../src/consumer/group-consumer-options.js'
import { ClientError } from '../../src/errors.js'
import { groupConsumer } from '../support/group-consumer-under-test.js'

const CLUSTER = { namesrvAddr: '127.0.0.1:9876' }

function resolve(options: object) {
  return resolveOptions(groupConsumerOptionRules, { consumerGroup: 'g', ...options }, 'C')
}

describe('the options of a group consumer', () => {
  it('have the defaults of Java', () => {
    vi.useFakeTimers({ toFake: ['Date'], now: 10_000_000 })
    onTestFinished(() => void vi.useRealTimers())
    expect(resolve({})).toMatchObject({
      consumerGroup: 'g',
      messageModel: 'CLUSTERING',
      consumeFromWhere: 'LAST',
      consumeTimestamp: 10_000_000 - 30 * 60 * 1000,
      allocateMessageQueueStrategy: allocateAveragely,
      clientRebalance: true,
      rebalanceInterval: 20_000,
      persistConsumerOffsetInterval: 5_000,
      offsetStore: undefined,
      localOffsetStoreDir: undefined,
      unitMode: false,
    })
  })

  it.each<[unknown, number]>([
    [1_700_000_000_000, 1_700_000_000_000],
    [new Date(1_700_000_000_000), 1_700_000_000_000],
    ['20240229235958', new Date(2024, 1, 29, 23, 59, 58).getTime()],
    [0, 0],
  ])('take a time as a number, a Date or in the form of Java: %s', (given, expected) => {
    expect(resolve({ consumeTimestamp: given }).consumeTimestamp).toBe(expected)
  })

  it.each<[string, object]>([
    ['a day that no month has', { consumeTimestamp: '20230229000000' }],
    ['an hour that no day has', { consumeTimestamp: '20240101240000' }],
    ['a month that no year has', { consumeTimestamp: '20241301000000' }],
    ['a time of another form', { consumeTimestamp: '2024-01-01 00:00:00' }],
    ['a time before all times', { consumeTimestamp: -1 }],
    ['half a millisecond', { consumeTimestamp: 1.5 }],
    ['a Date that is none', { consumeTimestamp: new Date(Number.NaN) }],
    ['no group', { consumerGroup: undefined }],
    ['a group that everybody has', { consumerGroup: 'DEFAULT_CONSUMER' }],
    ['another message model', { messageModel: 'ALL' }],
    ['another place to begin', { consumeFromWhere: 'CONSUME_FROM_LAST_OFFSET' }],
    ['a strategy that is none', { allocateMessageQueueStrategy: 'AVG' }],
    ['a store that is none', { offsetStore: {} }],
    ['a store without all methods', { offsetStore: { load() {}, read() {}, update() {}, commit() {}, persist() {} } }],
    ['a folder that is none', { localOffsetStoreDir: 5 }],
    ['an unknown option', { consumerFromWhere: 'LAST' }],
  ])('refuse %s', (_what, options) => {
    expect(() => resolve(options)).toThrowError(ClientError)
  })

  it('refuse a division by brokers with a strategy that brokers don’t have, unless members divide anyway', () => {
    const options = { clientRebalance: false, allocateMessageQueueStrategy: allocateByConfig([]) }
    expect(() => groupConsumer(CLUSTER, options)).toThrowError(/AVG and AVG_BY_CIRCLE only, not CONFIG/)
    const own = { clientRebalance: false, allocateMessageQueueStrategy: () => [] }
    expect(() => groupConsumer(CLUSTER, own)).toThrowError(ClientError)
    expect(groupConsumer(CLUSTER, { ...options, messageModel: 'BROADCASTING' }).consumerGroup).toBe('g')
    expect(groupConsumer(CLUSTER, options, { isOrderly: true }).consumerGroup).toBe('g')
  })

  it('refuse a group whose name is too long with its namespace', () => {
    const options = { consumerGroup: 'g'.repeat(250), namespace: 'namespace' }
    expect(() => groupConsumer(CLUSTER, options)).toThrowError(/259|260/)
  })
})
