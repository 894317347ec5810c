import { createHmac } from 'node:crypto'
import net from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { waitUntilReady } from './readiness.js'
import { brokerVersion, canConnect, clusterInfo, probe } from './remoting-probe.js'

interface Request {
  readonly code: number
  readonly extFields: Record<string, string>
  readonly body: string
}

const servers: net.Server[] = []

afterEach(() => {
  for (const server of servers.splice(0)) server.close()
})

/** Answers every request with the body that `answer` makes for it. */
async function listen(answer: (request: Request) => string | undefined): Promise<string> {
  const server = net.createServer((socket) => {
    let received = Buffer.alloc(0)
    socket.on('error', () => {})
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk])
      if (received.length < 4 || received.length < 4 + received.readUInt32BE(0)) return
      const headerEnd = 8 + received.readUInt32BE(4)
      const request = JSON.parse(received.toString('utf8', 8, headerEnd)) as Request
      const body = answer({ ...request, body: received.toString('utf8', headerEnd) })
      if (body === undefined) return socket.destroy()
      const header = Buffer.from(JSON.stringify({ code: body === 'refused' ? 1 : 0, remark: 'because' }))
      const lengths = Buffer.alloc(8)
      lengths.writeUInt32BE(4 + header.length + body.length, 0)
      lengths.writeUInt32BE(header.length, 4)
      const frame = Buffer.concat([lengths, header, Buffer.from(body)])
      socket.write(frame.subarray(0, 6))
      setImmediate(() => socket.write(frame.subarray(6)))
      return undefined
    })
  })
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `127.0.0.1:${(server.address() as net.AddressInfo).port}`
}

function listing(address: string): string {
  return `{"brokerAddrTable":{"broker-a":{"brokerAddrs":{0:"${address}"}}},"clusterAddrTable":{"c1":["broker-a"]}}`
}

test('a broker that has not registered yet is made to', async () => {
  const kicks: string[] = []
  const broker = await listen((request) => {
    kicks.push(`${request.code} ${request.body}`)
    return ''
  })
  const nameServer = await listen(() => (kicks.length === 0 ? '{}' : listing(broker)))
  await waitUntilReady({ nameServers: [nameServer], brokers: [{ name: 'broker-a', id: 0, address: broker }] })
  expect(kicks).toEqual(['25 brokerPermission=6\n'])
})

test('what is still missing at the end of the wait is named', async () => {
  const nameServer = await listen(() => listing('127.0.0.1:1'))
  const brokers = [{ name: 'broker-a', id: 0, address: '127.0.0.1:2' }]
  await expect(waitUntilReady({ nameServers: [nameServer], brokers, timeout: 1 })).rejects.toThrow(
    `not ready in time: NameServer ${nameServer} does not list broker-a:0 at 127.0.0.1:2`,
  )
})

test('a broker that is listed but closed is not ready', async () => {
  const closed = await listen(() => '')
  const nameServer = await listen(() => listing(closed))
  const [server] = servers
  await new Promise((resolve) => server?.close(resolve))
  const brokers = [{ name: 'broker-a', id: 0, address: closed }]
  await expect(waitUntilReady({ nameServers: [nameServer], brokers, timeout: 1 })).rejects.toThrow(
    `broker broker-a:0 does not accept connections at ${closed}`,
  )
})

test('the wait ends when the check throws', async () => {
  const check = (): void => {
    throw new Error('broker-a died')
  }
  await expect(waitUntilReady({ nameServers: [], brokers: [], check })).rejects.toThrow('broker-a died')
})

test('numeric keys without quotes are read', async () => {
  const nameServer = await listen(() => listing('127.0.0.1:10911'))
  const info = await clusterInfo(nameServer)
  expect(info.brokers.get('broker-a')?.get(0)).toBe('127.0.0.1:10911')
  expect(info.clusterNames).toEqual(['c1'])
})

test('the version of a broker is asked for until the broker has it', async () => {
  let asked = 0
  const broker = await listen(() => (++asked < 3 ? 'refused' : '{"table":{"brokerVersionDesc":"V5_4_0","x":"y"}}'))
  expect(await brokerVersion(broker)).toBe('5.4.0')
  expect(asked).toBe(3)
})

test('the version of a broker that never says it is an error and not a guess', async () => {
  await expect(brokerVersion(await listen(() => 'refused'), {}, 0)).rejects.toThrow('answered request 28 with code 1')
  await expect(brokerVersion(await listen(() => '{"table":{}}'), {}, 0)).rejects.toThrow('does not name its version')
})

test('a request is signed over its sorted fields and its body', async () => {
  const seen: Request[] = []
  const broker = await listen((request) => {
    seen.push(request)
    return ''
  })
  const credentials = { accessKey: 'key', secretKey: 'secret' }
  await probe(broker, { code: 25, fields: { b: '2', A: '1' }, body: 'x=y' }, { credentials })
  const Signature = createHmac('sha1', 'secret').update('1key2x=y').digest('base64')
  expect(seen[0]?.extFields).toEqual({ A: '1', AccessKey: 'key', b: '2', Signature })
})

test('a refusal, a closed connection and a bad address are told apart', async () => {
  await expect(clusterInfo(await listen(() => 'refused'))).rejects.toThrow('answered request 106 with code 1: because')
  await expect(clusterInfo(await listen(() => undefined))).rejects.toThrow('closed the connection before it answered')
  await expect(clusterInfo('127.0.0.1')).rejects.toThrow('"127.0.0.1" is no address: write host:port')
  expect(await canConnect(await listen(() => ''))).toBe(true)
})
