import { describe, expect, it, vi } from 'vitest'
import type { RemotingCommand } from '../../src/codec/remoting-command.js'
import { silentLogger } from '../../src/logger.js'
import type { RequestProcessor } from '../../src/remoting/remoting-client.js'
import { ask, remotingClient } from '../support/remoting-under-test.js'
import { ONEWAY, type ScriptedServer, scriptedServer } from '../support/scripted-server.js'
import { turns, until } from '../support/until.js'

const NOTIFY = 40
const NOT_SUPPORTED = 3
const SYSTEM_ERROR = 1

type Client = ReturnType<typeof remotingClient>

async function connected(client: Client): Promise<ScriptedServer> {
  const server = await scriptedServer()
  await client.connect(server.address)
  await until(() => server.connections.length === 1)
  return server
}

function clientWith(processor: RequestProcessor): Client {
  const client = remotingClient()
  client.registerProcessor(NOTIFY, processor)
  return client
}

describe('a request of the server', () => {
  it('is handed to the processor of its code, and answered with what that returns', async () => {
    const seen: [RemotingCommand, string][] = []
    const client = clientWith((request, address) => {
      seen.push([request, address])
      return { code: 0, remark: 'done', body: Buffer.from('result') }
    })
    const server = await connected(client)
    server.connection().request({ code: NOTIFY, opaque: 77, fields: { consumerGroup: 'g' }, body: Buffer.from('b') })
    const answer = await until(() => server.connection().answers[0])
    expect(answer).toMatchObject({ code: 0, opaque: 77, flag: 1, remark: 'done' })
    expect(answer.body.toString()).toBe('result')
    expect(seen).toHaveLength(1)
    expect(seen[0]?.[0].field('consumerGroup')).toBe('g')
    expect(seen[0]?.[1]).toBe(server.address)
  })

  it("is answered when the processor's promise resolves; others are not held up", async () => {
    const finish: (() => void)[] = []
    const client = clientWith((request) => {
      if (request.opaque !== 1) return { code: 0 }
      return new Promise((resolve) => finish.push(() => resolve({ code: 0, remark: 'slow' })))
    })
    const server = await connected(client)
    for (const opaque of [1, 2, 3]) server.connection().request({ code: NOTIFY, opaque })
    await until(() => server.connection().answers.length === 2)
    expect(server.connection().answers.map((answer) => answer.opaque)).toEqual([2, 3])
    finish[0]?.()
    const slow = await until(() => server.connection().answers[2])
    expect(slow).toMatchObject({ opaque: 1, remark: 'slow' })
  })

  it('of an unknown code is answered REQUEST_CODE_NOT_SUPPORTED', async () => {
    const client = remotingClient()
    const server = await connected(client)
    server.connection().request({ code: 12_345, opaque: 9 })
    const answer = await until(() => server.connection().answers[0])
    expect(answer).toMatchObject({ code: NOT_SUPPORTED, opaque: 9, flag: 1 })
    expect(answer.remark).toContain('12345')
  })

  it('that is oneway is handled and not answered', async () => {
    const process = vi.fn<RequestProcessor>(() => ({ code: 0 }))
    const client = clientWith(process)
    const server = await connected(client)
    server.connection().request({ code: NOTIFY, opaque: 1, flag: ONEWAY })
    server.connection().request({ code: 12_345, opaque: 2, flag: ONEWAY })
    server.connection().request({ code: NOTIFY, opaque: 3 })
    const answer = await until(() => server.connection().answers[0])
    expect(answer.opaque).toBe(3)
    expect(process).toHaveBeenCalledTimes(2)
  })

  it('whose processor returns nothing is not answered', async () => {
    const client = clientWith(() => undefined)
    const server = await connected(client)
    server.connection().request({ code: NOTIFY, opaque: 1 })
    await client.invoke(server.address, ask, {})
    expect(server.connection().answers).toEqual([])
  })

  it.each<[string, RequestProcessor]>([
    [
      'throws',
      () => {
        throw new Error('secret of the processor')
      },
    ],
    ['rejects', async () => Promise.reject(new Error('secret of the processor'))],
    ['throws what is no error', () => Promise.reject('secret of the processor')],
  ])('whose processor %s is answered SYSTEM_ERROR, without saying why', async (_what, processor) => {
    const error = vi.fn()
    const client = remotingClient({ logger: { ...silentLogger, error } })
    client.registerProcessor(NOTIFY, processor)
    const server = await connected(client)
    server.connection().request({ code: NOTIFY, opaque: 5 })
    const answer = await until(() => server.connection().answers[0])
    expect(answer).toMatchObject({ code: SYSTEM_ERROR, opaque: 5 })
    expect(answer.remark).not.toContain('secret')
    expect(error).toHaveBeenCalledTimes(1)
    await expect(client.invoke(server.address, ask, {})).resolves.toMatchObject({ code: 0 })
  })

  it('is answered in the header encoding in which it came', async () => {
    const client = remotingClient({ serializeType: 'ROCKETMQ' })
    const server = await connected(client)
    server.connection().request({ code: 12_345, opaque: 1 })
    expect((await until(() => server.connection().answers[0])).serializeType).toBe('JSON')
  })

  it('may have an opaque of a call that is in flight the other way', async () => {
    const client = clientWith(() => ({ code: 0 }))
    const server = await connected(client)
    server.script = () => undefined
    const call = client.invoke(server.address, ask, {})
    const request = await until(() => server.requests[0])
    server.connection().request({ code: NOTIFY, opaque: request.opaque })
    await until(() => server.connection().answers.length === 1)
    server.connection().answer(request, { remark: 'the answer' })
    expect((await call).command.remark).toBe('the answer')
  })

  it('is only one of 10,000 that come at once: each is answered, and calls go on', async () => {
    let handled = 0
    const client = clientWith(() => {
      handled++
      return { code: 0 }
    })
    const server = await connected(client)
    for (let opaque = 0; opaque < 10_000; opaque++) {
      server.connection().request({ code: opaque % 2 === 0 ? NOTIFY : 12_345, opaque })
    }
    const call = client.invoke(server.address, ask, {}, { timeout: 60_000 })
    await until(() => server.connection().answers.length === 10_000, 15_000)
    await expect(call).resolves.toMatchObject({ code: 0 })
    expect(handled).toBe(5_000)
    expect(new Set(server.connection().answers.map((answer) => answer.opaque)).size).toBe(10_000)
    expect(server.connections).toHaveLength(1)
  })

  it('that is answered after its connection is gone does no harm', async () => {
    const finish: (() => void)[] = []
    const client = clientWith(() => new Promise((resolve) => finish.push(() => resolve({ code: 0 }))))
    const server = await connected(client)
    server.connection().request({ code: NOTIFY, opaque: 1 })
    await until(() => finish.length === 1)
    server.connection().reset()
    await until(() => !client.isConnected(server.address))
    finish[0]?.()
    await turns()
    await expect(client.invoke(server.address, ask, {})).resolves.toMatchObject({ code: 0 })
  })
})
