import { connect, createServer, type Server, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'

const VERSION = 5
const USERNAME_PASSWORD = 2
const IPV4 = 1
const NAME = 3

export interface SocksServerOptions {
  /** Wants these; default: takes everybody. */
  readonly username?: string
  readonly password?: string
  /** Accepts and says nothing; or says nothing to what it is asked for. */
  readonly hangs?: 'AT_ONCE' | 'BEFORE_REPLY'
  /** Where a name leads to. Default: 127.0.0.1. */
  readonly hosts?: Readonly<Record<string, string>>
}

/** A SOCKS5 proxy of the tests, on 127.0.0.1. */
export class SocksServer {
  /** What was asked for, as `host:port`. */
  readonly asked: string[] = []
  readonly users: string[] = []
  readonly #server: Server
  readonly #options: SocksServerOptions
  readonly #sockets = new Set<Socket>()

  private constructor(options: SocksServerOptions) {
    this.#options = options
    this.#server = createServer((socket) => {
      this.#keep(socket)
      if (options.hangs === 'AT_ONCE') socket.resume()
      else void this.#serve(socket).catch(() => socket.destroy())
    })
  }

  static async listen(options: SocksServerOptions = {}): Promise<SocksServer> {
    const server = new SocksServer(options)
    await new Promise<void>((resolve) => void server.#server.listen(0, '127.0.0.1', resolve))
    return server
  }

  get address(): string {
    const bound = this.#server.address()
    if (bound === null || typeof bound === 'string') throw new Error('the SOCKS server has no port')
    return `127.0.0.1:${bound.port}`
  }

  get openConnections(): number {
    return this.#sockets.size
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve())
    })
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => this.#sockets.delete(socket))
  }

  async #serve(socket: Socket): Promise<void> {
    const read = reader(socket)
    const [, count = 0] = await read(2)
    const methods = [...(await read(count))]
    if (!(await this.#admits(socket, methods, read))) {
      socket.end()
      return
    }
    const [, , , kind] = await read(4)
    const host = await hostOf(kind, read)
    const port = (await read(2)).readUInt16BE()
    this.asked.push(host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`)
    if (this.#options.hangs !== undefined) return
    this.#connect(socket, kind === NAME ? (this.#options.hosts?.[host] ?? '127.0.0.1') : host, port)
  }

  async #admits(socket: Socket, methods: readonly number[], read: Read): Promise<boolean> {
    const { username, password } = this.#options
    if (username === undefined) {
      socket.write(Buffer.of(VERSION, 0))
      return true
    }
    const isOffered = methods.includes(USERNAME_PASSWORD)
    socket.write(Buffer.of(VERSION, isOffered ? USERNAME_PASSWORD : 0xff))
    if (!isOffered) return false
    const [, length = 0] = await read(2)
    const user = (await read(length)).toString()
    const [passwordLength = 0] = await read(1)
    const isRight = (await read(passwordLength)).toString() === password && user === username
    this.users.push(user)
    socket.write(Buffer.of(1, isRight ? 0 : 1))
    return isRight
  }

  #connect(socket: Socket, host: string, port: number): void {
    const onward = connect({ host, port, noDelay: true })
    this.#keep(onward)
    socket.setNoDelay(true)
    onward.once('connect', () => {
      socket.write(Buffer.of(VERSION, 0, 0, IPV4, 127, 0, 0, 1, 0, 80))
      socket.removeAllListeners('data')
      socket.pipe(onward).pipe(socket)
    })
    onward.once('error', () => {
      if (!socket.destroyed) socket.end(Buffer.of(VERSION, 5, 0, IPV4, 0, 0, 0, 0, 0, 0))
    })
    onward.once('close', () => socket.destroySoon())
    socket.once('close', () => onward.destroy())
  }
}

type Read = (length: number) => Promise<Buffer>

/** Reads so many bytes at a time. */
function reader(socket: Socket): Read {
  let held = Buffer.alloc(0)
  let wake = (): void => undefined
  socket.on('data', (chunk: Buffer) => {
    held = Buffer.concat([held, chunk])
    wake()
  })
  socket.on('close', () => wake())
  return async (length) => {
    while (held.length < length) {
      if (socket.destroyed) throw new Error('the client is gone')
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
    const bytes = held.subarray(0, length)
    held = held.subarray(length)
    return bytes
  }
}

async function hostOf(kind: number | undefined, read: Read): Promise<string> {
  if (kind === IPV4) return [...(await read(4))].join('.')
  if (kind === NAME) {
    const [length = 0] = await read(1)
    return (await read(length)).toString()
  }
  const groups = await read(16)
  const text = Array.from({ length: 8 }, (_, i) => groups.readUInt16BE(i * 2).toString(16)).join(':')
  const host = new URL(`http://[${text}]`).hostname.slice(1, -1)
  return host
}

/** A SOCKS5 proxy that is closed when the running test ends. */
export async function socksServer(options: SocksServerOptions = {}): Promise<SocksServer> {
  const server = await SocksServer.listen(options)
  onTestFinished(() => server.close())
  return server
}
