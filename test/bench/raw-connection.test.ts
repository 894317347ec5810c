import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { afterEach, expect, it } from 'vitest'
import { RawConnection } from '../../bench/raw/raw-connection.js'
import { encodeJsonFrame, FrameSplitter, jsonHeaderAt } from '../../bench/raw/raw-frame.js'

let server: Server | undefined
let connection: RawConnection | undefined

afterEach(() => {
  connection?.close()
  server?.close()
})

it('the connection of the benchmark opens again after the server has closed it', async () => {
  const sockets: Socket[] = []
  const address = await listen((socket) => sockets.push(socket))
  connection = await RawConnection.open(address)
  expect((await connection.request(7, {})).code).toBe(7)

  const [first] = sockets
  const closed = first === undefined ? undefined : once(first, 'close')
  first?.end()
  await closed

  expect((await connection.request(8, {})).code).toBe(8)
  expect(sockets).toHaveLength(2)
})

/** A server that answers each request with its own code. */
async function listen(onSocket: (socket: Socket) => void): Promise<string> {
  server = createServer((socket) => {
    onSocket(socket)
    const splitter = new FrameSplitter((data, start) => {
      const { code, opaque } = jsonHeaderAt(data, start)
      socket.write(encodeJsonFrame(code, opaque, {}, undefined, 1))
    })
    socket.on('data', (chunk: Buffer) => splitter.push(chunk))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}
