import { describe, expect, it } from 'vitest'
import { BrokerError, MessageError } from '../../src/errors.js'
import { ask, count, remotingClient } from '../support/remoting-under-test.js'
import { type ScriptedConnection, scriptedServer, unusedAddress } from '../support/scripted-server.js'
import { rejectionOf, until } from '../support/until.js'

const GO_AWAY = 1500

describe('an answer that can not be used', () => {
  it.each([
    ['has no required field', {}, /count of COUNT is missing/],
    ['has a field that is no number', { count: 'many' }, /'many', which is no int/],
    ['has a field beyond its type', { count: '2147483648' }, /no int/],
    ['has a field beyond what a number holds', { count: '9007199254740993' }, /9007199254740993/],
  ])('fails its own call when it %s, and no other', async (_what, fields, problem) => {
    const server = await scriptedServer({
      script: (request, connection) =>
        connection.answer(request, request.code === count.code ? { fields } : { remark: 'fine' }),
    })
    const client = remotingClient()
    const [bad, good] = await Promise.allSettled([
      client.invoke(server.address, count, {}),
      client.invoke(server.address, ask, {}),
    ])
    const error = bad.status === 'rejected' ? bad.reason : undefined
    expect(error).toBeInstanceOf(MessageError)
    expect(error.message).toMatch(problem)
    expect(error.message).toContain(server.address)
    expect(good).toMatchObject({ status: 'fulfilled' })
    await client.invoke(server.address, ask, {})
    expect(server.connections).toHaveLength(1)
  })
})

describe('a refusal', () => {
  it('is a BrokerError with code, name, remark and address', async () => {
    const server = await scriptedServer({
      script: (request, connection) => connection.answer(request, { code: 17, remark: 'topic[x] not exist' }),
    })
    const error = await rejectionOf(remotingClient().invoke(server.address, ask, {}))
    expect(error).toBeInstanceOf(BrokerError)
    expect(error).toMatchObject({
      code: 'TOPIC_NOT_EXIST',
      responseCode: 17,
      responseName: 'TOPIC_NOT_EXIST',
      remark: 'topic[x] not exist',
      address: server.address,
    })
    expect(error.message).toBe(`ASK was refused by ${server.address} with 17 TOPIC_NOT_EXIST: topic[x] not exist`)
  })

  it.each([4242, -7, 2_147_483_647])('keeps the unknown code %d', async (code) => {
    const server = await scriptedServer({ script: (request, connection) => connection.answer(request, { code }) })
    const error = await rejectionOf(remotingClient().invoke(server.address, ask, {}))
    expect(error).toMatchObject({ responseCode: code, code: `CODE_${code}`, remark: '', retryable: false })
    expect(error.message).toBe(`ASK was refused by ${server.address} with ${code} CODE_${code}`)
  })

  it('has a remark of 4,096 characters at most', async () => {
    const server = await scriptedServer({
      script: (request, connection) =>
        connection.answer(request, { code: 1, remark: `${'x'.repeat(4096)}y`.repeat(100) }),
    })
    const error = await rejectionOf(remotingClient().invoke(server.address, ask, {}))
    expect(error).toMatchObject({ code: 'SYSTEM_ERROR', remark: 'x'.repeat(4096), retryable: true })
    expect(error.message.length).toBeLessThan(4_300)
  })

  it('costs neither the connection nor another call', async () => {
    const server = await scriptedServer({
      script: (request, connection) => connection.answer(request, { code: request.field('text') === 'bad' ? 1 : 0 }),
    })
    const client = remotingClient()
    const results = await Promise.allSettled(
      ['a', 'bad', 'b', 'bad', 'c'].map((text) => client.invoke(server.address, ask, { text })),
    )
    expect(results.map((result) => result.status)).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
      'rejected',
      'fulfilled',
    ])
    expect(server.connections).toHaveLength(1)
  })
})

describe('GO_AWAY', () => {
  const goAwayOn = (isGoing: (connection: ScriptedConnection) => boolean) =>
    scriptedServer({
      script: (request, connection) => connection.answer(request, { code: isGoing(connection) ? GO_AWAY : 0 }),
    })

  it('makes the call go out once more, on a new connection', async () => {
    const server = await goAwayOn((connection) => connection === server.connections[0])
    const client = remotingClient()
    const response = await client.invoke(server.address, ask, { text: 'again' }, { body: Buffer.from('same body') })
    expect(response.code).toBe(0)
    expect(server.connections.map((connection) => connection.requests.length)).toEqual([1, 1])
    expect(server.requests.map((request) => request.field('text'))).toEqual(['again', 'again'])
    expect(server.requests.map((request) => request.body.toString())).toEqual(['same body', 'same body'])
  })

  it('makes 100 calls in flight share one new connection', async () => {
    const server = await goAwayOn((connection) => connection === server.connections[0])
    const client = remotingClient()
    await Promise.all(Array.from({ length: 100 }, () => client.invoke(server.address, ask, {})))
    expect(server.connections).toHaveLength(2)
  })

  it('lets calls that are in flight on the old connection end there, and closes it then', async () => {
    const server = await scriptedServer({
      script: (request, connection) => {
        if (request.field('text') === 'slow') return
        connection.answer(request, { code: connection === server.connections[0] ? GO_AWAY : 0 })
      },
    })
    const client = remotingClient()
    const slow = client.invoke(server.address, ask, { text: 'slow' })
    await client.invoke(server.address, ask, { text: 'quick' })
    expect(server.connection(0).isClosed).toBe(false)
    const request = await until(() => server.connection(0).requests[0])
    server.connection(0).answer(request, { remark: 'at last' })
    expect((await slow).command.remark).toBe('at last')
    await until(() => server.connection(0).isClosed)
    expect(client.isConnected(server.address)).toBe(true)
  })

  it('fails the call when the new connection says it too', async () => {
    const server = await goAwayOn(() => true)
    const error = await rejectionOf(remotingClient().invoke(server.address, ask, {}))
    expect(error).toBeInstanceOf(BrokerError)
    expect(error).toMatchObject({ code: 'GO_AWAY', responseCode: GO_AWAY, retryable: true })
    expect(server.requests).toHaveLength(2)
  })

  it('does not make the client dial in a loop when every connection says it', async () => {
    const server = await goAwayOn(() => true)
    const client = remotingClient()
    const before = performance.now()
    for (let i = 0; i < 300; i++) await rejectionOf(client.invoke(server.address, ask, {}))
    const tenthsOfSeconds = (performance.now() - before) / 100
    // Without a pause between them there would be 301.
    expect(server.connections.length).toBeLessThanOrEqual(Math.ceil(tenthsOfSeconds) + 2)
    await until(() => server.openConnections.length === 1)
  })

  it('is the reason when there is no new connection to be had', async () => {
    const target = { address: unusedAddress() }
    const server = await goAwayOn(() => true)
    const unused = target.address
    target.address = server.address
    const client = remotingClient({ addressMap: () => target.address })
    await client.connect('broker:1')
    target.address = unused
    const error = await rejectionOf(client.invoke('broker:1', ask, {}))
    expect(error).toMatchObject({ code: 'CONNECT_FAILED', sent: false })
  })
})
