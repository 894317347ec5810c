import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { UniqueIdGenerator } from '../../src/codec/message-id.js'
import { BrokerError, ClientError, MessageError, RemotingError } from '../../src/errors.js'
import type { Message, MessageQueue } from '../../src/message/message.js'
import { withSystemProperties } from '../../src/message/system-properties.js'
import { type AutoBatchOptions, autoBatchRule } from '../../src/producer/auto-batch-options.js'
import type { MessageKind } from '../../src/producer/message-kind.js'
import { type OutgoingMessage, toOutgoingMessage } from '../../src/producer/outgoing-message.js'
import type { PartsSender, SendTarget } from '../../src/producer/parts-sender.js'
import { ProduceAccumulator } from '../../src/producer/produce-accumulator.js'
import type { SendResult } from '../../src/producer/send-result.js'
import { rejectionOf } from '../support/until.js'

const ids = new UniqueIdGenerator()
const QUEUE: MessageQueue = { topic: 'T', brokerName: 'broker-a', queueId: 0 }
const OTHER_QUEUE: MessageQueue = { ...QUEUE, queueId: 1 }

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
})

afterEach(() => {
  vi.useRealTimers()
})

/** One request that the accumulator handed over. */
interface Request {
  readonly how: 'parts' | 'one'
  readonly bodies: string[]
  readonly topic: string
  readonly target: SendTarget
  readonly timeout: number
  readonly signal: AbortSignal | undefined
  resolve(result?: Partial<SendResult>): void
  reject(error: Error): void
}

/** Remembers requests, which the test settles. */
class FakeSender implements PartsSender {
  readonly requests: Request[] = []

  get bodies(): string[][] {
    return this.requests.map((request) => request.bodies)
  }

  at(index: number): Request {
    return this.requests[index] as Request
  }

  sendParts(...[parts, messages, target, timeout, signal]: Parameters<PartsSender['sendParts']>): Promise<SendResult> {
    expect(messages.map((message) => message.body)).toEqual(parts.map((part) => part.body.toString()))
    return this.#request('parts', parts, target, timeout, signal)
  }

  sendOne(...[outgoing, _message, target, timeout, signal]: Parameters<PartsSender['sendOne']>): Promise<SendResult> {
    return this.#request('one', [outgoing], target, timeout, signal)
  }

  #request(
    how: Request['how'],
    parts: readonly OutgoingMessage[],
    target: SendTarget,
    timeout: number,
    signal: AbortSignal | undefined,
  ): Promise<SendResult> {
    return new Promise((resolve, reject) => {
      const result: SendResult = {
        sendStatus: 'SEND_OK',
        msgId: parts.map((part) => part.uniqKey).join(','),
        offsetMsgId: parts.map((_, i) => `offset-${i}`).join(','),
        messageQueue: target.queue ?? { topic: 'T', brokerName: 'broker-b', queueId: 3 },
        queueOffset: 100,
        regionId: 'DefaultRegion',
      }
      this.requests.push({
        how,
        bodies: parts.map((part) => part.body.toString()),
        topic: (parts[0] as OutgoingMessage).topic,
        target,
        timeout,
        signal,
        resolve: (more) => resolve({ ...result, ...more }),
        reject,
      })
    })
  }
}

function setUp(options: AutoBatchOptions = {}) {
  const sender = new FakeSender()
  const resolved = autoBatchRule.read(options, 'option autoBatch')
  if (resolved === undefined) throw new Error('autoBatch is off')
  const accumulator = new ProduceAccumulator(resolved, sender)
  const add = (
    body: string,
    fields: Partial<Message> = {},
    more: { queue?: MessageQueue; timeout?: number; signal?: AbortSignal; kind?: MessageKind } = {},
  ): Promise<SendResult> => {
    const message = { topic: 'T', body, ...fields }
    const outgoing = toOutgoingMessage(message, 4 * 1024 * 1024, ids, more.kind)
    const { queue, timeout = 3000, signal } = more
    const result = accumulator.add(outgoing, message, { queue }, { timeout, signal })
    result.catch(() => undefined)
    return result
  }
  return { sender, accumulator, add }
}

/** Lets promises settle that nothing holds up. */
const settle = () => vi.advanceTimersByTimeAsync(0)

describe('the option autoBatch', () => {
  const read = (value: unknown) => autoBatchRule.read(value, 'option autoBatch of DefaultProducer')
  const defaults = { maxBytes: 32_768, maxCount: 1000, maxDelay: 10, maxBytesTotal: 33_554_432 }

  it('is off when it is not given, or false', () => {
    expect(read(undefined)).toBeUndefined()
    expect(read(false)).toBeUndefined()
  })

  it("has Java's defaults", () => {
    expect(read(true)).toEqual(defaults)
    expect(read({})).toEqual(defaults)
    expect(read({ maxDelay: 50 })).toEqual({ ...defaults, maxDelay: 50 })
  })

  it.each<[unknown, RegExp]>([
    ['yes', /option autoBatch of DefaultProducer is 'yes', true, false or an object/],
    [null, /is null, true, false or an object/],
    [[], /true, false or an object/],
    [{ maxByte: 1 }, /autoBatch has no option 'maxByte'; did you mean maxBytes\?/],
    [{ maxBytes: 0 }, /maxBytes of autoBatch is 0, a whole number from 1 to 2097152 \(bytes\)/],
    [{ maxBytes: 2 * 1024 * 1024 + 1 }, /maxBytes of autoBatch/],
    [{ maxCount: 1.5 }, /maxCount of autoBatch is 1.5/],
    [{ maxDelay: 0 }, /maxDelay of autoBatch is 0, a whole number from 1 to 30000 \(ms\)/],
    [{ maxDelay: 30_001 }, /maxDelay of autoBatch/],
    [{ maxBytesTotal: '1' }, /maxBytesTotal of autoBatch is '1'/],
  ])('refuses %j', (value, problem) => {
    expect(() => read(value)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }))
    expect(() => read(value)).toThrow(problem)
  })
})

describe('sends that are started close together', () => {
  it('leave in one request when the first has waited for maxDelay', async () => {
    const { sender, add } = setUp({ maxDelay: 20 })
    add('a')
    await vi.advanceTimersByTimeAsync(15)
    add('b')
    expect(sender.requests).toEqual([])
    await vi.advanceTimersByTimeAsync(5)
    expect(sender.requests).toMatchObject([{ how: 'parts', bodies: ['a', 'b'], topic: 'T' }])
  })

  it('leave as a plain message where there is only one', async () => {
    const { sender, add } = setUp()
    const sent = add('a')
    await vi.advanceTimersByTimeAsync(10)
    expect(sender.requests).toMatchObject([{ how: 'one', bodies: ['a'] }])
    sender.at(0).resolve({ queueOffset: 7, transactionId: 'x' })
    expect(await sent).toMatchObject({ queueOffset: 7, transactionId: 'x' })
  })

  it('leave at once when there are maxCount of them', () => {
    const { sender, add } = setUp({ maxCount: 3 })
    for (const body of ['a', 'b', 'c', 'd']) add(body)
    expect(sender.bodies).toEqual([['a', 'b', 'c']])
  })

  it('leave at once when the next one does not fit', () => {
    const { sender, add } = setUp({ maxBytes: 1000 })
    for (const letter of ['a', 'b', 'c']) add(letter.repeat(300))
    expect(sender.bodies).toEqual([['a'.repeat(300), 'b'.repeat(300)]])
  })

  it('never make a request larger than maxBytes, properties and all', async () => {
    const { sender, add, accumulator } = setUp({ maxBytes: 2000 })
    const sizes: number[] = []
    sender.sendParts = async (parts) => {
      sizes.push(parts.reduce((sum, part) => sum + 22 + part.body.length + Buffer.byteLength(part.properties), 0))
      throw new ClientError('CLOSED', 'enough')
    }
    for (let i = 0; i < 200; i++)
      add('x'.repeat(1 + ((i * 37) % 400)), { properties: { näme: 'ü'.repeat(i % 50 || 1) } })
    accumulator.flush()
    await settle()
    expect(sizes.length).toBeGreaterThan(10)
    expect(Math.max(...sizes)).toBeLessThanOrEqual(2000)
    expect(Math.max(...sizes)).toBeGreaterThan(1500)
  })

  it('wait no longer than half of their timeout', async () => {
    const { sender, add } = setUp({ maxDelay: 1000 })
    add('slow')
    add('fast', {}, { timeout: 100 })
    await vi.advanceTimersByTimeAsync(48)
    expect(sender.requests).toEqual([])
    await vi.advanceTimersByTimeAsync(2)
    expect(sender.bodies).toEqual([['slow', 'fast']])
  })

  it.each<[string, Partial<Message>]>([
    ['topic', { topic: 'U' }],
    ['tags', { tags: 'B' }],
    ['waitStoreMsgOk', { waitStoreMsgOk: false }],
  ])('share no request when they differ in %s', async (_what, fields) => {
    const { sender, add } = setUp()
    add('a1', { tags: 'A' })
    add('b1', { tags: 'A', ...fields })
    add('a2', { tags: 'A' })
    add('b2', { tags: 'A', ...fields })
    await vi.advanceTimersByTimeAsync(10)
    expect(sender.bodies).toEqual([
      ['a1', 'a2'],
      ['b1', 'b2'],
    ])
  })

  it('share a request for one queue whatever their tags, in the order of coming', async () => {
    const { sender, add } = setUp()
    for (const [i, tags] of ['A', 'B', 'A', undefined, 'B'].entries()) {
      add(String(i), tags === undefined ? {} : { tags }, { queue: { ...QUEUE } })
    }
    await vi.advanceTimersByTimeAsync(10)
    expect(sender.bodies).toEqual([['0', '1', '2', '3', '4']])
    expect(sender.at(0).target.queue).toEqual(QUEUE)
  })

  it('share no request with those of another queue', async () => {
    const { sender, add } = setUp()
    add('any')
    add('first', {}, { queue: QUEUE })
    add('second', {}, { queue: OTHER_QUEUE })
    await vi.advanceTimersByTimeAsync(10)
    expect(sender.bodies).toEqual([['any'], ['first'], ['second']])
  })
})

describe('what goes alone', () => {
  it.each<[string, Partial<Message>, MessageKind]>([
    ['a message delayed by level', { delayLevel: 1 }, 'NORMAL'],
    ['a message delayed by time', { delayMs: 1000 }, 'NORMAL'],
    ['a message to be delivered later', { deliverAt: 1_900_000_000_000 }, 'NORMAL'],
    ['a message with a priority', { priority: 3 }, 'NORMAL'],
    ['a message for a retry topic', { topic: '%RETRY%g' }, 'NORMAL'],
    ['a half message', {}, 'HALF'],
    ['a reply', {}, 'REPLY'],
    ['a request', withSystemProperties({ topic: 'T', body: 'alone' }, { CORRELATION_ID: '1' }), 'NORMAL'],
    ['a message larger than maxBytes', { body: 'alone'.repeat(1000) }, 'NORMAL'],
    ['a message with properties that fill a batch', { properties: { p: 'x'.repeat(32_500) } }, 'NORMAL'],
  ])('%s does, at once', (_what, fields, kind) => {
    const { sender, add, accumulator } = setUp({ maxBytes: fields.properties === undefined ? 4000 : 100_000 })
    add('alone', fields, { kind })
    expect(sender.requests).toMatchObject([{ how: 'one' }])
    expect(accumulator.waiting).toBe(0)
  })

  it('takes along what waits before it, and has its place between batches of its queue', async () => {
    const { sender, add } = setUp()
    add('1', {}, { queue: QUEUE })
    add('2', {}, { queue: QUEUE })
    add('late', { delayLevel: 1 }, { queue: QUEUE })
    add('3', {}, { queue: QUEUE })
    add('4', {}, { queue: QUEUE })
    expect(sender.bodies).toEqual([['1', '2']])
    sender.at(0).resolve()
    await settle()
    expect(sender.requests.slice(1)).toMatchObject([{ how: 'one', bodies: ['late'] }])
    sender.at(1).resolve()
    await vi.advanceTimersByTimeAsync(10)
    expect(sender.bodies.slice(2)).toEqual([['3', '4']])
  })

  it('takes along what waits before it also where any queue may be taken', () => {
    const { sender, add } = setUp()
    add('1')
    add('late', { delayLevel: 1 })
    expect(sender.bodies).toEqual([['1'], ['late']])
  })
})

describe('sends to one queue', () => {
  it('wait for the outcome of the batch before them, and gather meanwhile', async () => {
    const { sender, add } = setUp({ maxCount: 3 })
    for (let i = 0; i < 7; i++) add(String(i), {}, { queue: QUEUE })
    await vi.advanceTimersByTimeAsync(50)
    add('7', {}, { queue: QUEUE })
    expect(sender.bodies).toEqual([['0', '1', '2']])
    sender.at(0).resolve()
    await settle()
    expect(sender.bodies.slice(1)).toEqual([['3', '4', '5']])
    sender.at(1).resolve()
    await settle()
    expect(sender.bodies.slice(2)).toEqual([['6', '7']])
  })

  it('go on after a batch that failed', async () => {
    const { sender, add } = setUp({ maxCount: 2 })
    const sends = ['a', 'b', 'c', 'd'].map((body) => add(body, {}, { queue: QUEUE }))
    sender.at(0).reject(new ClientError('NO_BROKER', 'none'))
    await settle()
    expect(sender.bodies).toEqual([
      ['a', 'b'],
      ['c', 'd'],
    ])
    sender.at(1).resolve()
    const outcomes = await Promise.allSettled(sends)
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled', 'fulfilled'])
  })

  it('are cut, not reordered, where waitStoreMsgOk changes', async () => {
    const { sender, add, accumulator } = setUp()
    for (const [body, waitStoreMsgOk] of [
      ['1', true],
      ['2', false],
      ['3', false],
      ['4', true],
    ] as const) {
      add(body, { waitStoreMsgOk }, { queue: QUEUE })
    }
    accumulator.flush()
    for (let i = 0; i < 3; i++) {
      sender.at(i).resolve()
      await settle()
    }
    expect(sender.bodies).toEqual([['1'], ['2', '3'], ['4']])
  })

  it('hold up no other queue, nor what may go to any', async () => {
    const { sender, add } = setUp({ maxCount: 1 })
    add('a', {}, { queue: QUEUE })
    add('b', {}, { queue: QUEUE })
    add('c', {}, { queue: OTHER_QUEUE })
    add('d')
    add('e')
    expect(sender.bodies).toEqual([['a'], ['c'], ['d'], ['e']])
  })

  it('keep their order through any mix of sizes, kinds, pauses, failures and aborts, each leaving once at most', async () => {
    let seed = 42
    const random = (below: number) => {
      seed = (seed * 1_103_515_245 + 12_345) & 0x7fff_ffff
      return (seed >> 8) % below
    }
    const { sender, add, accumulator } = setUp({ maxBytes: 1500, maxCount: 8, maxBytesTotal: 20_000 })
    const queues = [QUEUE, OTHER_QUEUE]
    const sends: Promise<SendResult>[] = []
    let settled = 0
    const settleOne = () => {
      if (settled === sender.requests.length) return
      const request = sender.at(settled++)
      if (random(5) === 0) request.reject(new ClientError('NO_BROKER', 'none'))
      else request.resolve()
    }
    let aborted = 0
    for (let i = 0; i < 2000; i++) {
      const fields = random(20) === 0 ? { delayLevel: 1 } : { tags: `T${random(3)}`, waitStoreMsgOk: random(10) > 0 }
      const controller = new AbortController()
      const queue = queues[random(2)] as MessageQueue
      sends.push(add(`${i}:${'x'.repeat(random(600))}`, fields, { queue, signal: controller.signal, timeout: 1e6 }))
      if (random(15) === 0) {
        const before = accumulator.waiting
        controller.abort()
        if (accumulator.waiting < before) aborted++
      }
      if (random(4) === 0) await vi.advanceTimersByTimeAsync(random(12))
      if (random(3) === 0) settleOne()
    }
    accumulator.close()
    while (settled < sender.requests.length) {
      settleOne()
      await settle()
    }
    await Promise.allSettled(sends)

    const numbers = (queueId: number) =>
      sender.requests
        .filter((request) => request.target.queue?.queueId === queueId)
        .flatMap((request) => request.bodies.map((body) => Number.parseInt(body, 10)))
    for (const queue of queues) {
      const left = numbers(queue.queueId)
      expect(left.length).toBeGreaterThan(700)
      expect(left).toEqual(left.toSorted((a, b) => a - b))
    }
    const all = [...numbers(0), ...numbers(1)]
    expect(aborted).toBeGreaterThan(20)
    expect(all).toHaveLength(2000 - aborted)
    expect(new Set(all).size).toBe(2000 - aborted)
    expect(accumulator).toMatchObject({ waiting: 0, heldBytes: 0 })
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe('the outcome of a batch', () => {
  it('gives each send its own ids and offset', async () => {
    const { sender, add } = setUp({ maxCount: 3 })
    const sends = ['a', 'b', 'c'].map((body) => add(body))
    sender
      .at(0)
      .resolve({ offsetMsgId: 'X,Y,Z', queueOffset: 40, sendStatus: 'FLUSH_SLAVE_TIMEOUT', transactionId: 'batch' })
    const results = await Promise.all(sends)
    expect(new Set(results.map((result) => result.msgId)).size).toBe(3)
    const shared = {
      sendStatus: 'FLUSH_SLAVE_TIMEOUT',
      messageQueue: { topic: 'T', brokerName: 'broker-b', queueId: 3 },
      regionId: 'DefaultRegion',
    }
    expect(results).toEqual(
      ['X', 'Y', 'Z'].map((offsetMsgId, i) => ({
        ...shared,
        msgId: results[i]?.msgId,
        offsetMsgId,
        queueOffset: 40 + i,
      })),
    )
  })

  it('gives each send its id and offset also where the batch is stored as one message', async () => {
    const { sender, add } = setUp({ maxCount: 3 })
    const sends = ['a', 'b', 'c'].map((body) => add(body))
    sender.at(0).resolve({ offsetMsgId: 'STORED', queueOffset: 40 })
    const results = await Promise.all(sends)
    expect(results.map((result) => result.offsetMsgId)).toEqual(['STORED', 'STORED', 'STORED'])
    expect(results.map((result) => result.queueOffset)).toEqual([40, 41, 42])
  })

  it.each([
    new BrokerError('refused', {
      address: 'a:1',
      responseCode: 2,
      responseName: 'SYSTEM_BUSY',
      remark: 'r',
      retryable: true,
    }),
    new RemotingError('TIMEOUT', 'no answer', { address: 'a:1', sent: true, cause: new Error('why') }),
    new MessageError('HEADER_MALFORMED', 'unreadable', { position: 4 }),
    Object.assign(new ClientError('ABORTED', 'aborted'), { sent: true }),
  ])('rejects each send with an error of its own when it is a $name', async (error) => {
    error.attempts = [
      { brokerName: 'b', queueId: 0, address: 'a:1', elapsed: 1, code: 'X', message: 'm', stored: 'unknown' },
    ]
    error.mayBeStored = true
    const { sender, add } = setUp({ maxCount: 3 })
    const sends = ['a', 'b', 'c'].map((body) => add(body))
    sender.at(0).reject(error)
    const errors = await Promise.all(sends.map(rejectionOf))
    expect(new Set(errors).size).toBe(3)
    for (const each of errors) {
      expect(each).toBeInstanceOf(error.constructor)
      expect(each.message).toBe(error.message)
      expect({ ...each, cause: each.cause }).toEqual({ ...error, cause: error.cause })
    }
  })

  it('rejects each send also when the sender throws at once', async () => {
    const { sender, add, accumulator } = setUp({ maxCount: 2 })
    sender.sendParts = () => {
      throw new ClientError('CLOSED', 'closed')
    }
    const sends = ['a', 'b'].map((body) => add(body, {}, { queue: QUEUE }))
    for (const send of sends) expect(await rejectionOf(send)).toMatchObject({ code: 'CLOSED' })
    expect(accumulator.heldBytes).toBe(0)
  })
})

describe('an AbortSignal', () => {
  it('takes only its own send out of those that wait', async () => {
    const { sender, add } = setUp()
    const controller = new AbortController()
    const sends = [add('a'), add('b', {}, { signal: controller.signal }), add('c')]
    controller.abort(new Error('no more'))
    const error = await rejectionOf(sends[1] as Promise<SendResult>)
    expect(error).toMatchObject({ code: 'ABORTED', sent: false, mayBeStored: false, attempts: [] })
    expect(error.cause).toMatchObject({ message: 'no more' })
    await vi.advanceTimersByTimeAsync(10)
    expect(sender.bodies).toEqual([['a', 'c']])
  })

  it('leaves nothing behind where its send was the only one', async () => {
    const { sender, add, accumulator } = setUp()
    const controller = new AbortController()
    const sent = add('a', {}, { signal: controller.signal })
    controller.abort()
    expect(await rejectionOf(sent)).toMatchObject({ code: 'ABORTED' })
    expect(accumulator).toMatchObject({ waiting: 0, heldBytes: 0 })
    expect(vi.getTimerCount()).toBe(0)
    await vi.advanceTimersByTimeAsync(100)
    expect(sender.requests).toEqual([])
  })

  it('that has fired already keeps its send from waiting at all', async () => {
    const { add, accumulator } = setUp()
    const sent = add('a', {}, { signal: AbortSignal.abort() })
    expect(accumulator.waiting).toBe(0)
    expect(await rejectionOf(sent)).toMatchObject({ code: 'ABORTED', mayBeStored: false })
  })

  it('ends the wait of its own send only when the batch is in flight', async () => {
    const { sender, add } = setUp({ maxCount: 2 })
    const controller = new AbortController()
    const [kept, given] = [add('a'), add('b', {}, { signal: controller.signal })]
    controller.abort()
    expect(await rejectionOf(given)).toMatchObject({ code: 'ABORTED', sent: true, mayBeStored: true })
    expect(sender.at(0).signal?.aborted).toBe(false)
    sender.at(0).resolve({ offsetMsgId: 'X,Y' })
    expect(await kept).toMatchObject({ offsetMsgId: 'X' })
  })

  it('aborts the request when no send of the batch wants it any more', async () => {
    const { sender, add } = setUp({ maxCount: 2 })
    const controllers = [new AbortController(), new AbortController()]
    const sends = controllers.map(({ signal }, i) => add(String(i), {}, { signal }))
    controllers[0]?.abort()
    expect(sender.at(0).signal?.aborted).toBe(false)
    controllers[1]?.abort()
    expect(sender.at(0).signal?.aborted).toBe(true)
    for (const send of sends) expect(await rejectionOf(send)).toMatchObject({ code: 'ABORTED' })
  })

  it('is handed on where its send goes alone', async () => {
    const { sender, add } = setUp()
    const { signal } = new AbortController()
    add('a', {}, { signal })
    await vi.advanceTimersByTimeAsync(10)
    expect(sender.at(0).signal).toBe(signal)
  })

  it('that many sends share is listened to no longer than they last', async () => {
    const { sender, add, accumulator } = setUp({ maxCount: 2 })
    const { signal } = new AbortController()
    const added = vi.spyOn(signal, 'addEventListener')
    const removed = vi.spyOn(signal, 'removeEventListener')
    for (const body of ['a', 'b', 'c', 'd', 'e']) add(body, {}, { signal })
    accumulator.flush()
    sender.at(0).resolve()
    sender.at(1).reject(new ClientError('NO_BROKER', 'none'))
    await settle()
    const listeners = (calls: readonly unknown[][]) => new Set(calls.map(([, listener]) => listener))
    expect(listeners(added.mock.calls).size).toBe(5)
    expect(listeners(removed.mock.calls)).toEqual(listeners(added.mock.calls))
  })
})

describe('a timeout', () => {
  it('bounds the batch by the earliest of its sends', async () => {
    const { sender, add } = setUp({ maxDelay: 10 })
    add('a', {}, { timeout: 3000 })
    add('b', {}, { timeout: 500 })
    add('c', {}, { timeout: 1000 })
    await vi.advanceTimersByTimeAsync(10)
    expect(sender.at(0).timeout).toBeLessThanOrEqual(492)
    expect(sender.at(0).timeout).toBeGreaterThan(480)
  })

  it('rejects a send in time that is held up behind others, which is then not sent', async () => {
    const { sender, add } = setUp({ maxCount: 1 })
    add('a', {}, { queue: QUEUE })
    const held = add('b', {}, { queue: QUEUE, timeout: 200 })
    const patient = add('c', {}, { queue: QUEUE, timeout: 5000 })
    const error = rejectionOf(held)
    await vi.advanceTimersByTimeAsync(200)
    expect(await error).toMatchObject({ code: 'TIMEOUT', sent: false, mayBeStored: false, attempts: [] })
    expect((await error).message).toContain('not sent within 200 ms; it waited behind earlier sends to broker-a[0]')
    sender.at(0).resolve()
    await settle()
    expect(sender.bodies).toEqual([['a'], ['c']])
    sender.at(1).resolve()
    expect(await patient).toMatchObject({ sendStatus: 'SEND_OK' })
  })

  it('takes only its own send out of a batch that is held up', async () => {
    const { sender, add } = setUp()
    add('first', {}, { queue: QUEUE })
    await vi.advanceTimersByTimeAsync(10)
    const sends = [3000, 100, 3000].map((timeout, i) => add(String(i), {}, { queue: QUEUE, timeout }))
    const error = rejectionOf(sends[1] as Promise<SendResult>)
    await vi.advanceTimersByTimeAsync(100)
    expect(await error).toMatchObject({ code: 'TIMEOUT' })
    sender.at(0).resolve()
    await settle()
    expect(sender.bodies).toEqual([['first'], ['0', '2']])
  })
})

describe('the accumulator', () => {
  it('lets sends wait for nothing when maxBytesTotal is used up, until outcomes free it', async () => {
    const { sender, add, accumulator } = setUp({ maxBytesTotal: 1900 })
    add('a'.repeat(900))
    add('b'.repeat(900))
    expect(sender.requests).toHaveLength(1)
    add('c')
    expect(sender.bodies[1]).toEqual(['c'])
    expect(accumulator.heldBytes).toBeGreaterThan(1900)
    sender.at(0).resolve()
    sender.at(1).resolve()
    await settle()
    expect(accumulator.heldBytes).toBe(0)
    add('d')
    expect(sender.requests).toHaveLength(2)
  })

  it('has no timer when nothing waits, and one for all keys', async () => {
    const { sender, add } = setUp({ maxCount: 2 })
    expect(vi.getTimerCount()).toBe(0)
    for (let i = 0; i < 50; i++) add('x', { topic: `T${i}` })
    expect(vi.getTimerCount()).toBe(1)
    for (let i = 0; i < 50; i++) add('y', { topic: `T${i}` })
    expect(sender.requests).toHaveLength(50)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('lets each key leave at its own time', async () => {
    const { sender, add } = setUp({ maxDelay: 100 })
    for (const topic of ['A', 'B', 'C']) {
      add('x', { topic })
      await vi.advanceTimersByTimeAsync(30)
    }
    expect(sender.requests).toEqual([])
    const left = () => sender.requests.map((request) => request.topic)
    await vi.advanceTimersByTimeAsync(15)
    expect(left()).toEqual(['A'])
    await vi.advanceTimersByTimeAsync(30)
    expect(left()).toEqual(['A', 'B'])
    await vi.advanceTimersByTimeAsync(30)
    expect(left()).toEqual(['A', 'B', 'C'])
  })

  it('lets everything leave at once by flush, except for what is held up behind others, which follows', async () => {
    const { sender, add, accumulator } = setUp({ maxDelay: 30_000 })
    add('a')
    add('b', { topic: 'U' })
    add('c', {}, { queue: QUEUE })
    accumulator.flush()
    add('d', {}, { queue: QUEUE })
    accumulator.flush()
    expect(sender.bodies).toEqual([['a'], ['b'], ['c']])
    sender.at(2).resolve()
    await settle()
    expect(sender.bodies.slice(3)).toEqual([['d']])
    expect(vi.getTimerCount()).toBe(0)
  })

  it('keeps no send waiting for company after close', () => {
    const { sender, add, accumulator } = setUp()
    add('a')
    accumulator.close()
    add('b')
    expect(sender.bodies).toEqual([['a'], ['b']])
  })
})
