import { Readable } from 'node:stream'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { MessageExt } from '../../src/message/message.js'
import { type ScriptedBroker, scriptedCluster } from '../support/scripted-cluster.js'
import { PopCode, ScriptedPop } from '../support/scripted-pop.js'
import { simpleConsumer, simpleSetUp } from '../support/simple-consumer-under-test.js'
import { rejectionOf, turns, until } from '../support/until.js'

const AT_ONCE = 1
const SYSTEM_BUSY = 2
const offsets = (list: readonly { readonly offset: number }[]) => list.map(({ offset }) => offset).sort((a, b) => a - b)
const range = (count: number) => Array.from({ length: count }, (_, i) => i)

describe('a loop over the messages of a simple consumer', () => {
  it('has them one by one, and acknowledges each when it asks for the next', async () => {
    const { consumer, pop } = await simpleSetUp()
    pop.fill(3)
    const seen: number[] = []
    for await (const { queueOffset } of consumer) {
      await until(() => pop.acked.length === queueOffset)
      seen.push(queueOffset)
      if (queueOffset === 2) break
    }
    expect(seen).toEqual([0, 1, 2])
    await until(() => pop.changed.length === 1)
    expect(pop.changed).toMatchObject([{ offset: 2, invisibleTime: AT_ONCE }])
    expect(offsets(pop.acked)).toEqual([0, 1])
  })

  it('starts its consumer where that was not done', async () => {
    const cluster = await scriptedCluster(['broker-a'])
    new ScriptedPop(cluster.brokers[0] as ScriptedBroker).fill(1)
    const consumer = simpleConsumer(cluster)
    await consumer.subscribe('T')
    const loop = consumer.messages()[Symbol.asyncIterator]()
    expect((await loop.next()).value).toMatchObject({ queueOffset: 0 })
    expect(consumer.health().isHealthy).toBe(true)
  })

  it('throws what keeps its consumer from being started', async () => {
    const { consumer } = await simpleSetUp()
    await consumer.shutdown()
    const loop = consumer.messages()[Symbol.asyncIterator]()
    expect(await rejectionOf(loop.next())).toMatchObject({ code: 'CLOSED' })
    expect(await loop.next()).toEqual({ done: true, value: undefined })
  })

  it('gets messages that come later', async () => {
    const { consumer, pop } = await simpleSetUp()
    const loop = consumer.messages()[Symbol.asyncIterator]()
    const first = loop.next()
    await until(() => pop.heldCount === 1)
    pop.fill(1)
    expect((await first).value).toMatchObject({ queueOffset: 0 })
    const second = loop.next()
    await until(() => pop.acked.length === 1)
    pop.fill(1)
    expect((await second).value).toMatchObject({ queueOffset: 1 })
  })

  it('ends by break without giving back what was acknowledged by hand', async () => {
    const { consumer, pop } = await simpleSetUp()
    pop.fill(1)
    for await (const message of consumer) {
      await consumer.ack(message)
      break
    }
    await consumer.shutdown()
    expect(offsets(pop.acked)).toEqual([0])
    expect(pop.changed).toEqual([])
  })

  it('gives its message back when it throws, and those that were popped ahead', async () => {
    const { consumer, pop } = await simpleSetUp()
    pop.fill(5)
    const loop = async () => {
      for await (const { queueOffset } of consumer) if (queueOffset === 1) throw new Error('no')
    }
    expect((await rejectionOf(loop())).message).toBe('no')
    await until(() => pop.changed.length === 4)
    expect(offsets(pop.changed)).toEqual([1, 2, 3, 4])
    expect(pop.changed.every(({ invisibleTime }) => invisibleTime === AT_ONCE)).toBe(true)
    expect(offsets(pop.acked)).toEqual([0])
  })

  it('has what it gave back at its brokers before a shutdown ends', async () => {
    const { consumer, pop } = await simpleSetUp()
    const { scripts } = pop.broker
    const change = scripts.get(PopCode.CHANGE_INVISIBLE_TIME)
    const held: (() => void)[] = []
    scripts.set(PopCode.CHANGE_INVISIBLE_TIME, (...request) => void held.push(() => change?.(...request)))
    pop.fill(1)
    for await (const _ of consumer) break
    let isEnded = false
    const ended = consumer.shutdown().then(() => {
      isEnded = true
    })
    await until(() => held.length === 1)
    await turns()
    expect(isEnded).toBe(false)
    held[0]?.()
    await ended
    expect(offsets(pop.changed)).toEqual([0])
  })

  it('pops so many messages ahead, and no more', async () => {
    const { consumer, pop } = await simpleSetUp({ maxMessages: 4 })
    pop.fill(20)
    const loop = consumer.messages()[Symbol.asyncIterator]()
    await loop.next()
    await turns()
    expect(pop.waitingCount).toBe(16)
    await loop.next()
    await until(() => pop.waitingCount === 12)
    await turns()
    expect(pop.waitingCount).toBe(12)
  })

  it('keeps its message from others for as long as it has it, and those that were popped ahead', async () => {
    // Renewed when half of it is left, a second before it is over: a busy machine stands still for less.
    const { consumer, pop } = await simpleSetUp({ invisibleDuration: 2_000 })
    pop.invisibleTime = 1_200
    pop.fill(3)
    const loop = consumer.messages()[Symbol.asyncIterator]()
    await loop.next()
    await until(() => pop.changed.length >= 6)
    expect(new Set(offsets(pop.changed))).toEqual(new Set(range(3)))
    const { value } = await loop.next()
    expect(value).toMatchObject({ queueOffset: 1 })
    await until(() => pop.acked.length === 1)
  })

  it('shares the messages with other loops, each of which has one at a time', async () => {
    const { consumer, pop } = await simpleSetUp()
    const stream = consumer.messages()
    const loops = range(3).map(() => stream[Symbol.asyncIterator]())
    const asked = loops.map((loop) => loop.next())
    await until(() => pop.heldCount === 1)
    pop.fill(3)
    const values = await Promise.all(asked)
    expect(values.map(({ value }) => (value as MessageExt).queueOffset).sort()).toEqual([0, 1, 2])
    await Promise.all(loops.map((loop) => loop.return?.()))
    await until(() => pop.changed.length === 3)
  })

  it('ends when the consumer is shut down, and its message counts as consumed', async () => {
    const { consumer, pop } = await simpleSetUp()
    pop.fill(2)
    const seen: number[] = []
    let ending: Promise<void> | undefined
    for await (const { queueOffset } of consumer) {
      seen.push(queueOffset)
      ending ??= consumer.shutdown({ timeout: 5_000 })
      await turns(3)
    }
    await ending
    expect(seen).toEqual([0])
    expect(offsets(pop.acked)).toEqual([0])
    expect(offsets(pop.changed)).toEqual([1])
  })

  it('is not waited for at a shutdown for longer than that may take', async () => {
    const { consumer, pop } = await simpleSetUp()
    pop.fill(1)
    const loop = consumer.messages()[Symbol.asyncIterator]()
    await loop.next()
    await consumer.shutdown({ timeout: 20 })
    expect((await loop.next()).done).toBe(true)
    expect(pop.acked).toEqual([])
  })

  it('ends when its signal fires', async () => {
    const { consumer } = await simpleSetUp()
    const ending = new AbortController()
    const asked = consumer.messages({ signal: ending.signal })[Symbol.asyncIterator]().next()
    ending.abort()
    expect((await asked).done).toBe(true)
  })

  it('makes a stream', async () => {
    const { consumer, pop } = await simpleSetUp()
    pop.fill(3)
    const stream = Readable.from(consumer, { highWaterMark: 1 })
    const seen: number[] = []
    for await (const { queueOffset } of stream) {
      seen.push(queueOffset)
      if (seen.length === 3) break
    }
    expect(seen).toEqual([0, 1, 2])
  })

  it('goes on when messages can not be received for a while', async () => {
    const { consumer, pop } = await simpleSetUp()
    const errors: unknown[] = []
    consumer.on('error', (error) => errors.push(error))
    pop.onPop = (request, connection) => {
      connection.answer(request, { code: SYSTEM_BUSY, remark: 'busy' })
      return true
    }
    pop.fill(1)
    const loop = consumer.messages()[Symbol.asyncIterator]()
    const asked = loop.next()
    await until(() => errors.length === 1)
    pop.onPop = undefined
    expect((await asked).value).toMatchObject({ queueOffset: 0 })
  })

  it('acknowledges again what a broker did not take at first', async () => {
    const { consumer, pop } = await simpleSetUp()
    const { scripts } = pop.broker
    const acknowledge = scripts.get(PopCode.ACK)
    let refusals = 0
    scripts.set(PopCode.ACK, (request, connection) => {
      if (refusals++ > 0) acknowledge?.(request, connection)
      else connection.answer(request, { code: SYSTEM_BUSY })
    })
    pop.fill(2)
    const loop = consumer.messages()[Symbol.asyncIterator]()
    onTestFinished(async () => void (await loop.return?.()))
    await loop.next()
    await loop.next()
    await until(() => pop.acked.length === 1)
    expect(refusals).toBe(2)
  })
})
