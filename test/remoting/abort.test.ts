import { describe, expect, it, onTestFinished } from 'vitest'
import { ClientError } from '../../src/errors.js'
import { monotonicNow, sleep, withDeadline } from '../../src/remoting/deadline.js'
import { ask, remotingClient } from '../support/remoting-under-test.js'
import { scriptedServer, staySilent, unusedAddress } from '../support/scripted-server.js'
import { stuckServer } from '../support/stuck-server.js'
import { rejectionOf, turns, until } from '../support/until.js'

const REASON = new Error('the user went away')

describe('what is no AbortSignal', () => {
  it.each([new AbortController(), {}, 'signal', null])('is refused as such: %s', async (given) => {
    const server = await scriptedServer()
    const client = remotingClient()
    const signal = given as AbortSignal
    const refusal = { code: 'INVALID_ARGUMENT', message: expect.stringContaining('an AbortSignal is expected') }
    for (let i = 0; i < 2; i++) {
      // Without a connection, and with one.
      expect(await rejectionOf(client.invoke(server.address, ask, {}, { signal }))).toMatchObject(refusal)
      expect(await rejectionOf(client.invokeOneway(server.address, ask, {}, { signal }))).toMatchObject(refusal)
      await client.connect(server.address)
    }
    expect(await rejectionOf(withDeadline(Promise.resolve(), 1_000, signal, 'it', () => REASON))).toMatchObject(refusal)
  })
})

describe('an AbortSignal', () => {
  it('that fired before the call keeps it from being sent', async () => {
    const server = await scriptedServer()
    const client = remotingClient()
    await client.connect(server.address)
    const error = await rejectionOf(client.invoke(server.address, ask, {}, { signal: AbortSignal.abort(REASON) }))
    expect(error).toBeInstanceOf(ClientError)
    expect(error).toMatchObject({ code: 'ABORTED', sent: false, cause: REASON })
    await client.invoke(server.address, ask, { text: 'next' })
    expect(server.requests.map((request) => request.field('text'))).toEqual(['next'])
  })

  it('that fired before the call opens no connection', async () => {
    const server = await scriptedServer()
    const client = remotingClient()
    const signal = AbortSignal.abort(REASON)
    expect(await rejectionOf(client.invoke(server.address, ask, {}, { signal }))).toMatchObject({ code: 'ABORTED' })
    expect(await rejectionOf(client.invokeOneway(server.address, ask, {}, { signal }))).toMatchObject({
      code: 'ABORTED',
    })
    await turns()
    expect(server.connections).toHaveLength(0)
  })

  it('that fired before the call leaves no rejection unhandled when the address is in back-off', async () => {
    const address = unusedAddress()
    const client = remotingClient()
    await rejectionOf(client.invoke(address, ask, {}))
    // Vitest fails the run for a rejection that nobody handles.
    const error = await rejectionOf(client.invoke(address, ask, {}, { signal: AbortSignal.abort(REASON) }))
    expect(error).toMatchObject({ code: 'ABORTED', sent: false, cause: REASON })
    await turns()
  })

  it('ends a call that is still connecting; the connect goes on for others', async () => {
    const address = await stuckServer()
    const client = remotingClient({ connectTimeout: 150 })
    const controller = new AbortController()
    const aborted = rejectionOf(client.invoke(address, ask, {}, { signal: controller.signal }))
    const other = rejectionOf(client.invoke(address, ask, {}))
    controller.abort(REASON)
    expect(await aborted).toMatchObject({ code: 'ABORTED', sent: false, cause: REASON })
    expect(await other).toMatchObject({ code: 'CONNECT_TIMEOUT' })
  })

  it('ends a call that waits for its answer, and the channel works on', async () => {
    const server = await scriptedServer({ script: staySilent })
    const client = remotingClient()
    const controller = new AbortController()
    const call = rejectionOf(client.invoke(server.address, ask, { text: 'aborted' }, { signal: controller.signal }))
    await until(() => server.requests.length === 1)
    controller.abort(REASON)
    const error = await call
    expect(error).toMatchObject({ code: 'ABORTED', sent: true, cause: REASON })
    expect(error.message).toContain(server.address)
    server.script = (request, connection) => connection.answer(request)
    for (const request of server.requests) server.connection(0).answer(request)
    await expect(client.invoke(server.address, ask, {})).resolves.toMatchObject({ code: 0 })
    expect(server.connections).toHaveLength(1)
  })

  it('ends all calls that share it, and Node finds no leak in that', async () => {
    const warnings: Error[] = []
    const onWarning = (warning: Error) => warnings.push(warning)
    process.on('warning', onWarning)
    onTestFinished(() => void process.off('warning', onWarning))
    const server = await scriptedServer({ script: staySilent })
    const client = remotingClient()
    const controller = new AbortController()
    const calls = Array.from({ length: 100 }, () =>
      rejectionOf(client.invoke(server.address, ask, {}, { signal: controller.signal })),
    )
    await until(() => server.requests.length === 100)
    controller.abort()
    for (const error of await Promise.all(calls)) expect(error).toMatchObject({ code: 'ABORTED', sent: true })
    await turns()
    expect(warnings).toEqual([])
  })

  it('that fires after the answer changes nothing', async () => {
    const server = await scriptedServer()
    const controller = new AbortController()
    const call = remotingClient().invoke(server.address, ask, {}, { signal: controller.signal })
    await expect(call).resolves.toMatchObject({ code: 0 })
    controller.abort()
    await expect(call).resolves.toMatchObject({ code: 0 })
  })

  it('shows the address in the error also for a oneway call', async () => {
    const server = await scriptedServer()
    const error = await rejectionOf(
      remotingClient().invokeOneway(server.address, ask, {}, { signal: AbortSignal.abort(REASON) }),
    )
    expect(error.message).toBe(`ASK to ${server.address} was aborted`)
  })
})

describe('withDeadline', () => {
  const never = new Promise<never>(() => undefined)
  const late = () => new Error('late')

  it('gives what the promise gives', async () => {
    await expect(withDeadline(Promise.resolve(5), 1_000, undefined, 'it', late)).resolves.toBe(5)
    await expect(withDeadline(Promise.reject(REASON), 1_000, undefined, 'it', late)).rejects.toBe(REASON)
  })

  it('rejects with what onTimeout makes', async () => {
    await expect(withDeadline(never, 5, undefined, 'it', late)).rejects.toThrow('late')
    await expect(withDeadline(never, -5, undefined, 'it', late)).rejects.toThrow('late')
  })

  it('handles the rejection of the promise that it no longer waits for', async () => {
    const signal = AbortSignal.abort()
    await rejectionOf(withDeadline(Promise.reject(REASON), 1_000, signal, 'it', late))
    let fail: (error: Error) => void = () => undefined
    const slow = new Promise<never>((_, reject) => {
      fail = reject
    })
    await rejectionOf(withDeadline(slow, 1, undefined, 'it', late))
    fail(REASON)
    await turns()
  })
})

describe('sleep', () => {
  it('ends with ABORTED when the signal fires, before or meanwhile', async () => {
    const controller = new AbortController()
    const sleeping = rejectionOf(sleep(60_000, controller.signal, 'it'))
    controller.abort(REASON)
    expect(await sleeping).toMatchObject({ code: 'ABORTED', cause: REASON })
    expect(await rejectionOf(sleep(60_000, controller.signal, 'it'))).toMatchObject({ code: 'ABORTED' })
  })

  it('lasts as long as it was told', async () => {
    const before = monotonicNow()
    await sleep(20, new AbortController().signal, 'it')
    // A timer may fire within the millisecond that it was set for.
    expect(monotonicNow() - before).toBeGreaterThan(18)
  })
})
