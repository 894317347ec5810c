import { once } from 'node:events'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import type { RemotingCommand } from '../../src/codec/remoting-command.js'
import { RemotingError } from '../../src/errors.js'
import { Channel } from '../../src/remoting/channel.js'
import { InFlight } from '../../src/remoting/in-flight.js'
import { type PendingCall, PromisedCall } from '../../src/remoting/pending-call.js'
import { dial } from '../../src/remoting/receive-buffer.js'
import { ask } from '../support/remoting-under-test.js'
import { ANSWER, frame, scriptedServer } from '../support/scripted-server.js'
import { rejectionOf, until } from '../support/until.js'

const MAX_OPAQUE = 0x7fff_ffff
const answer = {} as RemotingCommand
/** What calls were told. */
class Told {
  readonly answers: RemotingCommand[] = []
  readonly errors: Error[] = []
}

function call(timeout = 60_000, told = new Told(), signal?: AbortSignal): PendingCall {
  const { answers, errors } = told
  const answered = (response: RemotingCommand) => void answers.push(response)
  return new PromisedCall('ASK', 'here:1', timeout, signal, answered, (error) => void errors.push(error))
}

function inFlight(firstOpaque = 0, onExpired?: (call: PendingCall) => void, maxOpaque?: number): InFlight {
  const calls = new InFlight(onExpired ?? (() => undefined), firstOpaque, maxOpaque)
  onTestFinished(() => calls.close(() => new Error('the test is over')))
  return calls
}

describe('InFlight', () => {
  it('goes on at 0 after the largest opaque', () => {
    const calls = inFlight(MAX_OPAQUE - 1)
    const added = [call(), call(), call(), call()]
    for (const each of added) calls.add(each)
    expect(added.map((each) => each.opaque)).toEqual([MAX_OPAQUE - 1, MAX_OPAQUE, 0, 1])
  })

  it('skips the opaques of calls that are still pending when it comes round', () => {
    const calls = inFlight(0, undefined, 3)
    const early = [call(), call(), call(), call()]
    for (const each of early) calls.add(each)
    expect(early.map((each) => each.opaque)).toEqual([0, 1, 2, 3])
    calls.take(1)
    calls.take(3)
    const later = [call(), call()]
    for (const each of later) calls.add(each)
    expect(later.map((each) => each.opaque)).toEqual([1, 3])
    expect(early.filter((each) => calls.take(each.opaque) === each).map((each) => each.opaque)).toEqual([0, 2])
  })

  it('passes over the places of calls that wait long, however many come between', () => {
    const calls = inFlight()
    const long = [call(), call(), call()]
    for (const each of long) calls.add(each)
    const seen = new Set<number>()
    for (let i = 0; i < 10_000; i++) {
      const each = call()
      calls.add(each)
      seen.add(each.opaque)
      expect(calls.take(each.opaque)).toBe(each)
    }
    expect(seen.size).toBe(10_000)
    expect(long.map((each) => calls.take(each.opaque))).toEqual(long)
    expect(calls.size).toBe(0)
  })

  it('has room for any number of calls, and finds each of them', () => {
    const calls = inFlight(MAX_OPAQUE - 500)
    const many = Array.from({ length: 3_000 }, () => call())
    for (const each of many) calls.add(each)
    expect(new Set(many.map((each) => each.opaque)).size).toBe(3_000)
    expect(calls.size).toBe(3_000)
    expect(many.reverse().every((each) => calls.take(each.opaque) === each)).toBe(true)
    expect(calls.size).toBe(0)
  })

  it('hands out no call for the opaque of another one that would have its place', () => {
    const calls = inFlight()
    const pending = call()
    calls.add(pending)
    for (const opaque of [64, 128, 1 << 20, -64]) expect(calls.take(opaque)).toBeUndefined()
    expect(calls.take(pending.opaque)).toBe(pending)
  })

  it('hands a call out once', () => {
    const calls = inFlight()
    const pending = call()
    calls.add(pending)
    expect(calls.take(pending.opaque)).toBe(pending)
    expect(calls.take(pending.opaque)).toBeUndefined()
    expect(calls.size).toBe(0)
  })

  it('does not remove a later call that has the opaque of an earlier one', () => {
    const calls = inFlight(5)
    const [early, late] = [call(), call()]
    calls.add(early)
    late.opaque = 5
    calls.remove(late)
    expect(calls.take(5)).toBe(early)
  })

  it('ends what is due, tells of it, and keeps the rest', () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'clearImmediate', 'performance'] })
    onTestFinished(() => void vi.useRealTimers())
    const expired: number[] = []
    const calls = inFlight(0, (each) => expired.push(each.timeout))
    const told = new Told()
    const pending = [call(300, told), call(100, told), call(200, told)]
    for (const each of pending) calls.add(each)
    vi.advanceTimersByTime(99)
    expect(expired).toEqual([])
    vi.advanceTimersByTime(2)
    expect(expired).toEqual([100])
    vi.advanceTimersByTime(100)
    expect(expired).toEqual([100, 200])
    expect(calls.size).toBe(1)
    vi.advanceTimersByTime(100)
    expect(expired).toEqual([100, 200, 300])
    expect(told.errors).toMatchObject([{ code: 'TIMEOUT' }, { code: 'TIMEOUT' }, { code: 'TIMEOUT' }])
    expect(vi.getTimerCount()).toBe(0)
  })

  it('ends in time what begins while another one ends', () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'clearImmediate', 'performance'] })
    onTestFinished(() => void vi.useRealTimers())
    const expired: number[] = []
    const calls = inFlight(0, (each) => {
      expired.push(each.timeout)
      if (each.timeout === 100) calls.add(call(50))
    })
    calls.add(call(100))
    vi.advanceTimersByTime(102)
    calls.add(call(500))
    vi.advanceTimersByTime(52)
    expect(expired).toEqual([100, 50])
  })

  it('leaves no timer when it is closed while a call ends', () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'clearImmediate', 'performance'] })
    onTestFinished(() => void vi.useRealTimers())
    const calls = inFlight(0, () => calls.close(() => new Error('closed')))
    calls.add(call(100))
    calls.add(call(5_000))
    vi.advanceTimersByTime(102)
    expect(calls.size).toBe(0)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('needs one timer, whatever the number of calls', () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
    onTestFinished(() => void vi.useRealTimers())
    const calls = inFlight()
    for (let i = 0; i < 1_000; i++) calls.add(call(1_000 + ((i * 7919) % 500)))
    expect(vi.getTimerCount()).toBe(1)
    calls.close(() => new Error('closed'))
    expect(vi.getTimerCount()).toBe(0)
  })

  it('ends every call when it is closed', () => {
    const calls = inFlight()
    const told = new Told()
    const pending = [call(1_000, told), call(1_000, told)]
    for (const each of pending) calls.add(each)
    calls.close((each) => new Error(`closed ${each.opaque}`))
    expect(told.errors.map((error) => error.message)).toEqual(['closed 0', 'closed 1'])
    expect(calls.size).toBe(0)
  })
})

describe('PendingCall', () => {
  it('settles once, with whatever comes first', () => {
    const told = new Told()
    const pending = call(1_000, told)
    let settled = 0
    pending.onSettled = () => settled++
    pending.resolve(answer)
    pending.reject(new Error('too late'))
    pending.expire()
    expect(told).toEqual({ answers: [answer], errors: [] })
    expect(settled).toBe(1)
  })

  it('leaves no listener at the signal when it is over', () => {
    const { signal } = new AbortController()
    const remove = vi.spyOn(signal, 'removeEventListener')
    const pending = call(1_000, new Told(), signal)
    pending.watchSignal()
    pending.resolve(answer)
    expect(remove).toHaveBeenCalledTimes(1)
  })
})

describe('Channel', () => {
  it('counts the answers that it drops', async () => {
    const server = await scriptedServer({
      script: (request, connection) => {
        connection.answer(request)
        connection.answer(request)
        connection.write(frame({ opaque: 777, flag: ANSWER }))
      },
    })
    const channel = await openChannel(server.port)
    await channel.invoke(ask, {}, undefined, 1_000, undefined)
    await until(() => channel.droppedAnswers === 2)
    expect(channel.inFlight).toBe(0)
    expect(channel.isOpen).toBe(true)
  })

  it('refuses a call beyond 65,535 in flight, and goes on when answers come', async () => {
    // 65,535 errors at the end: their stack traces would take seconds.
    const { stackTraceLimit } = Error
    Error.stackTraceLimit = 0
    onTestFinished(() => {
      Error.stackTraceLimit = stackTraceLimit
    })
    const server = await scriptedServer({ isPaused: true })
    const channel = await openChannel(server.port)
    const invoke = () => channel.invoke(ask, {}, undefined, 60_000, undefined)
    const calls = Array.from({ length: 65_535 }, invoke)
    for (const each of calls) each.catch(() => undefined)
    const error = await rejectionOf(invoke())
    expect(error).toBeInstanceOf(RemotingError)
    expect(error).toMatchObject({ code: 'TOO_MANY_REQUESTS', sent: false, retryable: true })
    const oneway = channel.invokeOneway(ask, {}, undefined, 60_000, undefined)
    expect(await rejectionOf(oneway)).toMatchObject({ code: 'TOO_MANY_REQUESTS' })
    await until(() => server.connections.length === 1)
    server.connection(0).write(frame({ opaque: 0, flag: ANSWER }))
    await calls[0]
    const next = invoke()
    server.connection(0).write(frame({ opaque: 65_535, flag: ANSWER }))
    await expect(next).resolves.toMatchObject({ code: 0 })
  })
})

async function openChannel(port: number): Promise<Channel> {
  const dialled = dial({ host: '127.0.0.1', port }, 64 * 1024)
  await once(dialled.socket, 'connect')
  const options = { serializeType: 'ROCKETMQ', maxFrameSize: 1024 * 1024, sendBufferSize: 64 * 1024 * 1024 } as const
  const nothing = () => undefined
  const channel = new Channel(dialled, `127.0.0.1:${port}`, options, {
    onRequest: nothing,
    onTimeout: nothing,
    onClose: nothing,
  })
  onTestFinished(async () => {
    channel.destroy()
    await channel.closed
  })
  return channel
}
