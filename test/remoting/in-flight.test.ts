import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import type { RemotingCommand } from '../../src/codec/remoting-command.js'
import { RemotingError } from '../../src/errors.js'
import { Channel } from '../../src/remoting/channel.js'
import { InFlight } from '../../src/remoting/in-flight.js'
import { PendingCall } from '../../src/remoting/pending-call.js'
import { ask } from '../support/remoting-under-test.js'
import { ANSWER, frame, scriptedServer } from '../support/scripted-server.js'
import { rejectionOf, until } from '../support/until.js'

const MAX_OPAQUE = 0x7fff_ffff
const answer = {} as RemotingCommand

function call(timeout = 60_000): PendingCall {
  const pending = new PendingCall('ASK', 'here:1', timeout, undefined)
  pending.promise.catch(() => undefined)
  return pending
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

  it('ends what is due, tells of it, and keeps the rest', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
    onTestFinished(() => void vi.useRealTimers())
    const expired: number[] = []
    const calls = inFlight(0, (each) => expired.push(each.timeout))
    const pending = [call(300), call(100), call(200)]
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
    for (const each of pending) expect(await rejectionOf(each.promise)).toMatchObject({ code: 'TIMEOUT' })
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

  it('ends every call when it is closed', async () => {
    const calls = inFlight()
    const pending = [call(), call()]
    for (const each of pending) calls.add(each)
    calls.close((each) => new Error(`closed ${each.opaque}`))
    expect((await Promise.all(pending.map((each) => rejectionOf(each.promise)))).map((error) => error.message)).toEqual(
      ['closed 0', 'closed 1'],
    )
    expect(calls.size).toBe(0)
  })
})

describe('PendingCall', () => {
  it('settles once, with whatever comes first', async () => {
    const pending = call()
    let settled = 0
    pending.onSettled = () => settled++
    pending.resolve(answer)
    pending.reject(new Error('too late'))
    pending.expire()
    expect(await pending.promise).toBe(answer)
    expect(settled).toBe(1)
  })

  it('leaves no listener at the signal when it is over', async () => {
    const { signal } = new AbortController()
    const remove = vi.spyOn(signal, 'removeEventListener')
    const pending = new PendingCall('ASK', 'here:1', 1_000, signal)
    pending.resolve(answer)
    await pending.promise
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
  const socket = connect({ port, host: '127.0.0.1' })
  await once(socket, 'connect')
  const options = { serializeType: 'ROCKETMQ', maxFrameSize: 1024 * 1024, sendBufferSize: 64 * 1024 * 1024 } as const
  const nothing = () => undefined
  const channel = new Channel(socket, `127.0.0.1:${port}`, options, {
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
