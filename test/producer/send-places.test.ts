import { getEventListeners } from 'node:events'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { decodeProperties } from '../../src/codec/properties.js'
import { ClientError } from '../../src/errors.js'
import { SendPlaces } from '../../src/producer/send-places.js'
import type { Work } from '../../src/producer/waiting-line.js'
import type { WaitOptions } from '../../src/remoting/deadline.js'
import { settle } from '../../src/remoting/outcome.js'
import { connected, startedProducer } from '../support/members-under-test.js'
import { Code, scriptedCluster } from '../support/scripted-cluster.js'
import { staySilent } from '../support/scripted-server.js'
import { rejectionOf, turns, until } from '../support/until.js'

const REASON = new Error('the user went away')

/** Work that is over when its promise settles. */
function asWork<Options, Subject, T>(
  work: (now: number, waited: number, options: Options, subject: Subject) => Promise<T>,
): Work<Options, Subject, T> {
  return (now, waited, options, subject, place) => settle(place, work(now, waited, options, subject))
}

/** Sends that take places and end when a test says so. */
class Sends {
  readonly places: SendPlaces
  /** The names of those that have their place or had it, in the order in which they got it. */
  readonly begun: string[] = []
  readonly #ends = new Map<string, () => void>()

  constructor(maxCount: number, maxBytes: number) {
    this.places = new SendPlaces(maxCount, maxBytes)
    onTestFinished(() => this.places.close())
  }

  start(name: string, bytes = 1, options: WaitOptions = {}): Promise<string> {
    const work = async () => {
      this.begun.push(name)
      await new Promise<void>((resolve) => this.#ends.set(name, resolve))
      return `${name} is sent`
    }
    const send = this.places.run(bytes, options, asWork(work), undefined)
    send.catch(() => undefined)
    return send
  }

  /** Ends one that is in flight, and lets those behind it in. */
  async end(name: string): Promise<void> {
    const end = this.#ends.get(name)
    if (end === undefined) throw new Error(`${name} is not in flight`)
    end()
    await turns(1)
  }
}

/** Those of the places alone: the waiting of the tests goes on by real ones. */
function fakeTimers(): void {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  onTestFinished(() => void vi.useRealTimers())
}

describe('places in flight', () => {
  it('are given at once while there are any, and given back when the work has ended or failed', async () => {
    const places = new SendPlaces(2, 100)
    let end: (() => void) | undefined
    const held = () => new Promise<void>((resolve) => (end = resolve))
    const work = places.run(60, {}, asWork(held), undefined)
    const failing = places.run(
      40,
      {},
      asWork(() => Promise.reject(REASON)),
      undefined,
    )
    const fault = () => {
      throw REASON
    }
    const throwing = places.run(0, {}, fault, undefined)
    expect(places).toMatchObject({ inFlight: 2, inFlightBytes: 100, waiting: 1 })
    expect(await rejectionOf(failing)).toBe(REASON)
    expect(await rejectionOf(throwing)).toBe(REASON)
    expect(places).toMatchObject({ inFlight: 1, inFlightBytes: 60, waiting: 0 })
    end?.()
    await work
    expect(places).toMatchObject({ inFlight: 0, inFlightBytes: 0, waiting: 0 })
  })

  it('are limited by count: who finds none waits, and enters in the order of coming', async () => {
    const sends = new Sends(2, 1_000)
    const results = ['a', 'b', 'c', 'd', 'e'].map((name) => sends.start(name))
    expect(sends.begun).toEqual(['a', 'b'])
    expect(sends.places.waiting).toBe(3)
    await sends.end('b')
    expect(sends.begun).toEqual(['a', 'b', 'c'])
    await sends.end('a')
    await sends.end('c')
    expect(sends.begun).toEqual(['a', 'b', 'c', 'd', 'e'])
    await sends.end('e')
    await sends.end('d')
    await expect(Promise.all(results)).resolves.toEqual(['a', 'b', 'c', 'd', 'e'].map((name) => `${name} is sent`))
    expect(sends.places).toMatchObject({ inFlight: 0, inFlightBytes: 0, waiting: 0 })
  })

  it('are limited by bytes: a small one does not overtake a large one that waits', async () => {
    const sends = new Sends(100, 100)
    for (const [name, bytes] of [
      ['half', 50],
      ['other half', 50],
      ['large', 80],
      ['small', 1],
      ['small too', 1],
    ] as const)
      void sends.start(name, bytes)
    expect(sends.begun).toEqual(['half', 'other half'])
    await sends.end('half')
    expect(sends.begun).toEqual(['half', 'other half'])
    await sends.end('other half')
    expect(sends.begun).toEqual(['half', 'other half', 'large', 'small', 'small too'])
    expect(sends.places).toMatchObject({ inFlight: 3, inFlightBytes: 82 })
  })

  it('let in what is larger than all bytes together when it is alone, and then nobody beside it', async () => {
    const sends = new Sends(10, 100)
    void sends.start('first', 1)
    void sends.start('huge', 5_000)
    void sends.start('next', 1)
    expect(sends.begun).toEqual(['first'])
    await sends.end('first')
    expect(sends.begun).toEqual(['first', 'huge'])
    await sends.end('huge')
    expect(sends.begun).toEqual(['first', 'huge', 'next'])
    await sends.end('next')
    void sends.start('another huge one', 5_000)
    expect(sends.begun.at(-1)).toBe('another huge one')
  })

  it('tell the work what the wait has used up of its timeout: nothing where it has none of its own', async () => {
    const sends = new Sends(1, 1)
    void sends.start('first')
    const before = performance.now()
    const starts: Record<string, { now: number; waited: number }> = {}
    const note = (name: string) =>
      asWork(async (now: number, waited: number) => {
        starts[name] = { now, waited }
      })
    const both = [
      sends.places.run(1, { timeout: 60_000 }, note('own'), undefined),
      sends.places.run(1, {}, note('of the producer'), undefined),
    ]
    const after = performance.now()
    await until(() => performance.now() > after + 5)
    await sends.end('first')
    await Promise.all(both)
    const { own = { now: 0, waited: 0 } } = starts
    expect(own.now).toBeGreaterThan(after + 5)
    expect(own.now - own.waited).toBeGreaterThanOrEqual(before)
    expect(own.now - own.waited).toBeLessThanOrEqual(after)
    expect(starts['of the producer']).toMatchObject({ now: expect.toSatisfy((now) => now > after + 5), waited: 0 })
  })

  it('are for any number that wait: 200,000 of them get theirs in their order', async () => {
    const places = new SendPlaces(10, 1_000)
    const order: number[] = []
    const options = { timeout: 60_000 }
    const work = asWork(async (_now: number, _waited: number, given: object, i: number) => {
      if (given === options) order.push(i)
      if (i % 1_000 === 0) await turns(1)
    })
    await Promise.all(Array.from({ length: 200_000 }, (_, i) => places.run(1, options, work, i)))
    expect(order.every((each, i) => each === i)).toBe(true)
    expect(order).toHaveLength(200_000)
    expect(places).toMatchObject({ inFlight: 0, inFlightBytes: 0, waiting: 0 })
  })

  it('are for any number whose work fails at once, one behind the other', async () => {
    const sends = new Sends(1, 1)
    void sends.start('first')
    const fault = () => {
      throw REASON
    }
    const failing = Array.from({ length: 50_000 }, () => rejectionOf(sends.places.run(1, {}, fault, undefined)))
    const last = sends.start('last')
    await sends.end('first')
    expect(new Set(await Promise.all(failing))).toEqual(new Set([REASON]))
    await sends.end('last')
    await expect(last).resolves.toBe('last is sent')
    expect(sends.places).toMatchObject({ inFlight: 0, inFlightBytes: 0, waiting: 0 })
  })
})

describe('a wait for a place', () => {
  it('ends with the signal; the work is not begun, and those behind it move up', async () => {
    const sends = new Sends(1, 10)
    const controller = new AbortController()
    void sends.start('first', 5)
    const aborted = rejectionOf(sends.start('aborted', 8, { signal: controller.signal }))
    const last = sends.start('last', 5)
    controller.abort(REASON)
    const error = await aborted
    expect(error).toBeInstanceOf(ClientError)
    expect(error).toMatchObject({ code: 'ABORTED', cause: REASON, sent: false })
    expect(sends.places.waiting).toBe(1)
    await sends.end('first')
    await sends.end('last')
    await expect(last).resolves.toBe('last is sent')
    expect(sends.begun).toEqual(['first', 'last'])
  })

  it('that ends lets in at once whom only it kept from entering', async () => {
    const sends = new Sends(2, 10)
    const controller = new AbortController()
    void sends.start('first', 5)
    void sends.start('large', 8, { signal: controller.signal })
    void sends.start('small', 5)
    expect(sends.begun).toEqual(['first'])
    controller.abort(REASON)
    expect(sends.begun).toEqual(['first', 'small'])
  })

  it('is none with a signal that has fired, also where there are places', async () => {
    const sends = new Sends(1, 1)
    const signal = AbortSignal.abort(REASON)
    expect(await rejectionOf(sends.start('free', 1, { signal }))).toMatchObject({ code: 'ABORTED', cause: REASON })
    void sends.start('first')
    expect(await rejectionOf(sends.start('full', 1, { signal }))).toMatchObject({ code: 'ABORTED', cause: REASON })
    expect(sends.begun).toEqual(['first'])
    expect(sends.places).toMatchObject({ inFlight: 1, waiting: 0 })
  })

  it('is none with what is no signal; others get their places all the same', async () => {
    const sends = new Sends(1, 1)
    void sends.start('first')
    const bad = new AbortController() as unknown as AbortSignal
    expect(() => sends.start('bad', 1, { signal: bad })).toThrow(/^signal is .*, an AbortSignal is expected$/)
    const last = sends.start('last')
    await sends.end('first')
    await sends.end('last')
    await expect(last).resolves.toBe('last is sent')
    expect(sends.places).toMatchObject({ inFlight: 0, inFlightBytes: 0, waiting: 0 })
  })

  it('ends with its timeout, and says what is in flight and what is allowed', async () => {
    const sends = new Sends(1, 10)
    void sends.start('first', 7)
    const error = await rejectionOf(sends.start('late', 3, { timeout: 20 }))
    expect(error).toBeInstanceOf(ClientError)
    expect(error).toMatchObject({ code: 'TOO_MANY_REQUESTS', retryable: true })
    expect(error.message).toBe(
      'send: no place within 20 ms: 1 sends with 7 bytes are in flight, 1 with 10 bytes are allowed (maxInFlight, maxInFlightBytes); the message was not sent',
    )
    expect(sends.begun).toEqual(['first'])
    expect(sends.places.waiting).toBe(0)
  })

  it('ends with the timeout of each, whatever their order', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
    onTestFinished(() => void vi.useRealTimers())
    const sends = new Sends(1, 1)
    void sends.start('first')
    const ends: string[] = []
    const waits = [
      ['long', 120],
      ['short', 10],
      ['middle', 60],
      ['none', undefined],
    ] as const
    const waiting = waits.map(([name, timeout]) =>
      sends.start(name, 1, { timeout }).then(
        () => ends.push(`${name} is sent`),
        (error: ClientError) => ends.push(`${name}: ${error.code}`),
      ),
    )
    await vi.advanceTimersByTimeAsync(130)
    await Promise.all(waiting.slice(0, 3))
    expect(ends).toEqual(['short: TOO_MANY_REQUESTS', 'middle: TOO_MANY_REQUESTS', 'long: TOO_MANY_REQUESTS'])
    await sends.end('first')
    await sends.end('none')
    expect(ends.at(-1)).toBe('none is sent')
  })

  it.each([Number.NaN, 2 ** 31, 'soon' as unknown as number])(
    'is refused with a timeout that is none: %s',
    (timeout) => {
      const places = new SendPlaces(1, 1)
      expect(() =>
        places.run(
          1,
          { timeout },
          asWork(async () => undefined),
          undefined,
        ),
      ).toThrow(ClientError)
      expect(places).toMatchObject({ inFlight: 0, waiting: 0 })
    },
  )

  it('has one listener on a signal and one timer for all, and none when it is over', async () => {
    fakeTimers()
    const sends = new Sends(1, 1)
    const { signal } = new AbortController()
    const names = Array.from({ length: 100 }, (_, i) => `send ${i}`)
    for (const name of names) void sends.start(name, 1, { signal, timeout: 60_000 })
    expect(getEventListeners(signal, 'abort')).toHaveLength(1)
    expect(vi.getTimerCount()).toBe(1)
    for (const name of names) await sends.end(name)
    expect(sends.begun).toEqual(names)
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('leaves no listener and no timer behind when it ends by signal, timeout or close', async () => {
    fakeTimers()
    const sends = new Sends(1, 1)
    void sends.start('first')
    const controllers = [new AbortController(), new AbortController(), new AbortController()] as const
    const [aborted, timedOut, closed] = controllers
    const waits = [
      rejectionOf(sends.start('aborted', 1, { signal: aborted.signal, timeout: 60_000 })),
      rejectionOf(sends.start('timed out', 1, { signal: timedOut.signal, timeout: 10 })),
      rejectionOf(sends.start('closed', 1, { signal: closed.signal, timeout: 60_000 })),
    ]
    aborted.abort()
    vi.advanceTimersByTime(10)
    sends.places.close()
    const codes = (await Promise.all(waits)).map((error) => (error as ClientError).code)
    expect(codes).toEqual(['ABORTED', 'TOO_MANY_REQUESTS', 'CLOSED'])
    for (const { signal } of controllers) expect(getEventListeners(signal, 'abort')).toHaveLength(0)
    expect(vi.getTimerCount()).toBe(0)
    expect(sends.places).toMatchObject({ inFlight: 1, waiting: 0 })
  })
})

describe('places that are to be empty', () => {
  it('are waited for until the last one that waited has had its own', async () => {
    const sends = new Sends(1, 1)
    for (const name of ['a', 'b']) void sends.start(name)
    let left: number | undefined
    void sends.places.drained(undefined).then((count) => {
      left = count
    })
    await sends.end('a')
    expect(left).toBeUndefined()
    await sends.end('b')
    expect(left).toBe(0)
    await expect(sends.places.drained(undefined)).resolves.toBe(0)
  })

  it('are waited for no longer than told, and then say how many are left', async () => {
    const sends = new Sends(2, 2)
    for (const name of ['a', 'b', 'c']) void sends.start(name)
    await expect(sends.places.drained(5)).resolves.toBe(3)
  })

  it('let nobody in after the close', async () => {
    const sends = new Sends(1, 1)
    const waiting = ['first', 'second', 'third'].map((name) => sends.start(name))
    sends.places.close()
    for (const wait of waiting.slice(1)) expect(await rejectionOf(wait)).toMatchObject({ code: 'CLOSED' })
    await sends.end('first')
    expect(sends.begun).toEqual(['first'])
  })
})

describe('a producer', () => {
  const message = { topic: 'T', body: 'x'.repeat(100) }

  it.each([{ maxInFlight: 3 }, { maxInFlightBytes: 300 }])('keeps no more in flight than %o', async (limit) => {
    const cluster = await scriptedCluster()
    const broker = cluster.broker()
    const held: (() => void)[] = []
    broker.scripts.set(Code.SEND, (request, connection) => held.push(() => broker.store(request, connection)))
    const producer = await connected(await startedProducer(cluster, limit))
    const sends = Array.from({ length: 20 }, (_, i) => producer.send({ ...message, keys: `k${i}` }))
    for (let sent = 0; sent < 20; sent++) {
      await until(() => held.length > sent)
      await turns(2)
      expect(broker.sends.length - sent).toBeLessThanOrEqual(3)
      held[sent]?.()
    }
    const results = await Promise.all(sends)
    const order = broker.sends.map((request) => decodeProperties(request.field('i') ?? '').KEYS)
    expect(order).toEqual(results.map((_, i) => `k${i}`))
  })

  it('counts oneway sends and batches too', async () => {
    const cluster = await scriptedCluster()
    const broker = cluster.broker()
    let answer: (() => void) | undefined
    broker.scripts.set(Code.SEND, (request, connection) => {
      if (!request.isOneway) answer = () => broker.store(request, connection)
    })
    const producer = await connected(await startedProducer(cluster, { maxInFlight: 1 }))
    const first = producer.send(message)
    await until(() => answer)
    const others = [producer.sendOneway(message), producer.sendBatch([message, message])]
    await turns()
    expect(broker.sends).toHaveLength(1)
    answer?.()
    await Promise.all([first, ...others])
    await until(() => broker.sends.length === 3)
  })

  it('refuses what is larger than maxMessageSize at once, not when its turn has come', async () => {
    const cluster = await scriptedCluster()
    cluster.broker().scripts.set(Code.SEND, staySilent)
    const limits = { maxInFlight: 1, maxMessageSize: 1_000, sendTimeout: 60_000, requestTimeout: 60_000 }
    const producer = await connected(await startedProducer(cluster, limits))
    producer.send(message).catch(() => undefined)
    const large = { topic: 'T', body: 'x'.repeat(1_001) }
    const calls = [producer.send(large), producer.sendOneway(large)]
    for (const error of await Promise.all(calls.map(rejectionOf)))
      expect(error).toMatchObject({ code: 'MESSAGE_TOO_LARGE' })
  })

  it('gives the whole sendTimeout to a send that had to wait for its place, and a timeout of the call only what is left', async () => {
    const cluster = await scriptedCluster()
    const broker = cluster.broker()
    const held: (() => void)[] = []
    broker.scripts.set(Code.SEND, (request, connection) => held.push(() => broker.store(request, connection)))
    const limits = { maxInFlight: 1, sendTimeout: 60_000, requestTimeout: 60_000, retryTimesWhenSendFailed: 0 }
    const producer = await connected(await startedProducer(cluster, limits))
    const first = producer.send(message)
    const patient = producer.send(message)
    const short = rejectionOf(producer.send(message, { timeout: 40 }))
    expect(await short).toMatchObject({ code: 'TOO_MANY_REQUESTS' })
    held[0]?.()
    await first
    await until(() => held.length === 2)
    held[1]?.()
    await expect(patient).resolves.toMatchObject({ sendStatus: 'SEND_OK' })
    expect(broker.sends).toHaveLength(2)
  })

  it('sends at its shutdown also what still waits', async () => {
    const cluster = await scriptedCluster()
    const broker = cluster.broker()
    const held: (() => void)[] = []
    broker.scripts.set(Code.SEND, (request, connection) => held.push(() => broker.store(request, connection)))
    const producer = await connected(await startedProducer(cluster, { maxInFlight: 1 }))
    const sends = Array.from({ length: 3 }, () => producer.send(message))
    const shutdown = producer.shutdown()
    for (let sent = 0; sent < 3; sent++) {
      await until(() => held.length > sent)
      held[sent]?.()
    }
    for (const { sendStatus } of await Promise.all(sends)) expect(sendStatus).toBe('SEND_OK')
    await shutdown
  })

  it('fails what still waits when the timeout of its shutdown is over', async () => {
    const cluster = await scriptedCluster()
    cluster.broker().scripts.set(Code.SEND, staySilent)
    const producer = await connected(
      await startedProducer(cluster, { maxInFlight: 1, sendTimeout: 60_000, requestTimeout: 60_000 }),
    )
    const [inFlight, ...waiting] = Array.from({ length: 5 }, () => rejectionOf(producer.send(message)))
    await until(() => cluster.broker().sends.length === 1)
    await producer.shutdown({ timeout: 10 })
    expect(await inFlight).toMatchObject({ code: 'CONNECTION_CLOSED', mayBeStored: true })
    for (const wait of waiting) {
      const error = await wait
      expect(error).toMatchObject({ code: 'CLOSED' })
      expect(error.message).toContain('before it sent this message')
    }
    expect(cluster.broker().sends).toHaveLength(1)
  })
})
