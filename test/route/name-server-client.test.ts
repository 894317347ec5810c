import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { BrokerError, ClientError, RemotingError } from '../../src/errors.js'
import { getRouteInfoByTopic } from '../../src/remoting/commands/route.js'
import { NameServerClient } from '../../src/route/name-server-client.js'
import { remotingClient } from '../support/remoting-under-test.js'
import { routeBody, scriptedNameServer } from '../support/scripted-cluster.js'
import { scriptedServer, staySilent, unusedAddress } from '../support/scripted-server.js'
import { rejectionOf, until } from '../support/until.js'

/** Begins with the first address; clients spread by chance otherwise. */
function nameServers(addresses: readonly string[]): NameServerClient {
  vi.spyOn(Math, 'random').mockReturnValueOnce(0)
  onTestFinished(() => void vi.restoreAllMocks())
  return new NameServerClient(remotingClient(), { addresses })
}

const header = { topic: 'T', acceptStandardJsonOnly: true }
const ask = (client: NameServerClient, timeout = 2_000, signal?: AbortSignal) =>
  client.invoke(getRouteInfoByTopic, header, { timeout, signal })

async function withTopic() {
  const server = await scriptedNameServer()
  server.routes.set('T', routeBody({}))
  return server
}

describe('several NameServers', () => {
  it('are asked one at a time, the one that answered again and again', async () => {
    const [first, second] = [await withTopic(), await withTopic()]
    const client = nameServers([first.address, second.address])
    for (let i = 0; i < 5; i++) expect((await ask(client)).address).toBe(first.address)
    expect(second.server.connections).toHaveLength(0)
  })

  it('begin with any of them, so that clients spread', async () => {
    const servers = [await withTopic(), await withTopic(), await withTopic()]
    const addresses = servers.map((server) => server.address)
    await until(async () => {
      await ask(new NameServerClient(remotingClient(), { addresses }))
      return servers.every((server) => server.asked('T') > 0)
    })
  })

  it('are asked in turn until one answers: the first one refuses connections', async () => {
    const second = await withTopic()
    const client = nameServers([unusedAddress(), second.address])
    expect((await ask(client)).address).toBe(second.address)
  })

  it('are asked in turn until one answers: the first one is silent, and leaves time for the second', async () => {
    const [silent, second] = [await scriptedServer({ script: staySilent }), await withTopic()]
    const client = nameServers([silent.address, second.address])
    expect((await ask(client, 1_000)).address).toBe(second.address)
    expect(silent.requestsOf(getRouteInfoByTopic.code)).toHaveLength(1)
  })

  it('are asked in turn until one answers: the first one sends garbage', async () => {
    const bad = await scriptedServer({ script: (_, connection) => connection.write(Buffer.from('HTTP/1.1 400\r\n')) })
    const second = await withTopic()
    const client = nameServers([bad.address, second.address])
    expect((await ask(client)).address).toBe(second.address)
  })

  it('stay with the one that answered after the first one failed', async () => {
    const [silent, second] = [await scriptedServer({ script: staySilent }), await withTopic()]
    const client = nameServers([silent.address, second.address])
    await ask(client, 1_000)
    for (let i = 0; i < 5; i++) expect((await ask(client)).address).toBe(second.address)
    expect(silent.requestsOf(getRouteInfoByTopic.code)).toHaveLength(1)
  })

  it('are asked from the first again when the one in use goes', async () => {
    const [first, second] = [await withTopic(), await withTopic()]
    const client = nameServers([first.address, second.address])
    await ask(client)
    await first.server.close()
    expect((await ask(client)).address).toBe(second.address)
  })

  it('serve many questions at once while one of them is dead', async () => {
    const second = await withTopic()
    const client = nameServers([unusedAddress(), second.address])
    const responses = await Promise.all(Array.from({ length: 50 }, () => ask(client)))
    expect(responses.map((response) => response.address)).toEqual(Array(50).fill(second.address))
  })

  it('give an error that names all of them, with their reasons, when none answers', async () => {
    const [refusing, silent] = [unusedAddress(), await scriptedServer({ script: staySilent })]
    const error = await rejectionOf(ask(nameServers([refusing, silent.address]), 150))
    expect(error).toBeInstanceOf(RemotingError)
    expect(error).toMatchObject({ code: 'TIMEOUT', retryable: true })
    expect(error.message).toContain(refusing)
    expect(error.message).toContain('ECONNREFUSED')
    expect(error.message).toContain(silent.address)
    expect(error.message).toContain('no answer within')
  })
})

describe('a NameServer', () => {
  it('whose word is a refusal is believed: no other is asked', async () => {
    const [first, second] = [await scriptedNameServer(), await withTopic()]
    const error = await rejectionOf(ask(nameServers([first.address, second.address])))
    expect(error).toBeInstanceOf(BrokerError)
    expect(error).toMatchObject({ responseName: 'TOPIC_NOT_EXIST', address: first.address })
    expect(second.server.requests).toHaveLength(0)
  })

  it('that is the only one gives its own error', async () => {
    const address = unusedAddress()
    const error = await rejectionOf(ask(nameServers([address])))
    expect(error).toMatchObject({ code: 'CONNECT_FAILED', address })
    expect(error.message).not.toContain('no NameServer of')
  })

  it('is not asked for a call that was aborted', async () => {
    const [first, second] = [await withTopic(), await withTopic()]
    const error = await rejectionOf(ask(nameServers([first.address, second.address]), 1_000, AbortSignal.abort()))
    expect(error).toBeInstanceOf(ClientError)
    expect(error).toMatchObject({ code: 'ABORTED' })
    expect(first.server.requests.length + second.server.requests.length).toBe(0)
  })

  it('that is missing altogether is an error that says what to set', async () => {
    const error = await rejectionOf(ask(nameServers([])))
    expect(error).toMatchObject({ code: 'NO_NAME_SERVER' })
    expect(error.message).toContain('namesrvAddr')
  })
})
