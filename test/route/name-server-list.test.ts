import { describe, expect, it, onTestFinished } from 'vitest'
import { silentLogger } from '../../src/logger.js'
import { AddressServer } from '../../src/route/address-server.js'
import { NameServerList } from '../../src/route/name-server-list.js'
import { addressServer, type TestAddressServer } from '../support/address-server.js'
import { rejectionOf, until } from '../support/until.js'

/** A list that is asked for every ten milliseconds, and what it tells of. */
function listOf(server: TestAddressServer) {
  const source = new AddressServer(new URL(server.url), undefined)
  const list = new NameServerList([], source, { fetchNameServerAddrInterval: 10, logger: silentLogger })
  const changes: { addresses: readonly string[]; removed: readonly string[] }[] = []
  const failures: string[] = []
  list.on('change', (change) => changes.push(change))
  list.on('fetchFailed', ({ error }) => failures.push(error.message))
  onTestFinished(() => list.stop())
  return { list, changes, failures }
}

async function askedAgain(server: TestAddressServer, times = 3): Promise<void> {
  const before = server.asked.length
  await until(() => server.asked.length >= before + times)
}

describe('a list of NameServers', () => {
  it('that is fixed never changes', async () => {
    const list = new NameServerList(['a:1'], undefined, { fetchNameServerAddrInterval: 10, logger: silentLogger })
    await list.ready()
    list.start()
    await list.stop()
    expect(list.addresses).toEqual(['a:1'])
    expect(list.origin).toBe('namesrvAddr')
  })

  it('comes from its address server, again and again, and tells which addresses left', async () => {
    const server = await addressServer('a:1;b:2')
    const { list, changes, failures } = listOf(server)
    await list.ready()
    expect(list.addresses).toEqual(['a:1', 'b:2'])
    expect(list.origin).toBe(`nameServerUrl ${server.url}`)
    list.start()
    await askedAgain(server)
    server.answer = 'c:3;b:2'
    await until(() => changes.length > 0)
    expect(list.addresses).toEqual(['c:3', 'b:2'])
    server.answer = 'b:2;c:3'
    await askedAgain(server)
    expect(changes).toEqual([{ addresses: ['c:3', 'b:2'], removed: ['a:1'] }])
    expect(failures).toEqual([])
  })

  it.each(['', 'a:1;nonsense', '<html>'])('stays as it was when the answer is %j, which is told once', async (bad) => {
    const server = await addressServer('a:1')
    const { list, changes, failures } = listOf(server)
    await list.ready()
    list.start()
    server.answer = bad
    await until(() => failures.length > 0)
    await askedAgain(server)
    expect(list.addresses).toEqual(['a:1'])
    expect(failures).toHaveLength(1)
    server.answer = 'b:2'
    await until(() => changes.length > 0)
    server.answer = bad
    await until(() => failures.length > 1)
    expect(list.addresses).toEqual(['b:2'])
  })

  it('is not there when the first answer is none, and may be asked for again', async () => {
    const server = await addressServer('')
    const { list, failures } = listOf(server)
    expect(await rejectionOf(list.ready())).toMatchObject({ code: 'NAME_SERVER_URL_FAILED' })
    expect(failures).toEqual([])
    server.answer = 'a:1'
    await list.ready()
    expect(list.addresses).toEqual(['a:1'])
    server.answer = ''
    await list.ready()
    expect(list.addresses).toEqual(['a:1'])
    expect(failures).toHaveLength(1)
  })

  it('is asked for once at a time, and leaves nothing behind when it is stopped', async () => {
    const server = await addressServer('a:1')
    const { list, failures } = listOf(server)
    await list.ready()
    server.answer = () => undefined
    list.start()
    await until(() => server.asked.length === 2)
    await Promise.all([list.stop(), list.stop()])
    await until(() => server.openConnections === 0)
    expect(server.asked).toHaveLength(2)
    expect(failures).toEqual([])
  })
})
