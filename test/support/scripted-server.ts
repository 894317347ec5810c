import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TlsOptions } from 'node:tls'
import { onTestFinished } from 'vitest'
import { FrameDecoder } from '../../src/codec/frame.js'
import type { RemotingCommand } from '../../src/codec/remoting-command.js'

/** A frame with a JSON header, put together by hand. */
export interface FrameParts {
  readonly code?: number
  readonly opaque?: number
  /** Bit 0: an answer. Bit 1: oneway. */
  readonly flag?: number
  readonly remark?: string
  readonly fields?: Readonly<Record<string, string | number>>
  readonly body?: Uint8Array
  readonly version?: number
}

/** The ordinal of `MQVersion.V5_4_0`. */
const VERSION = 493

export function frame(parts: FrameParts): Buffer {
  const { code = 0, opaque = 0, flag = 0, remark, fields = {}, body = Buffer.alloc(0), version = VERSION } = parts
  const extFields = Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, String(value)]))
  const header = Buffer.from(JSON.stringify({ code, language: 'JAVA', version, opaque, flag, remark, extFields }))
  const lengths = Buffer.alloc(8)
  lengths.writeInt32BE(4 + header.length + body.length, 0)
  lengths.writeInt32BE(header.length, 4)
  return Buffer.concat([lengths, header, body])
}

export const ANSWER = 1
export const ONEWAY = 2

/** One connection that the server accepted, with what came over it. */
export class ScriptedConnection {
  readonly socket: Socket
  readonly requests: RemotingCommand[] = []
  /** Answers to requests of this server. */
  readonly answers: RemotingCommand[] = []
  /** How many pieces the bytes came in, and how many bytes. */
  chunks = 0
  bytes = 0
  isClosed = false

  readonly #version: () => number

  constructor(socket: Socket, version: () => number) {
    this.socket = socket
    this.#version = version
  }

  write(bytes: Uint8Array): void {
    if (!this.socket.destroyed) this.socket.write(bytes)
  }

  /** Answers with success unless `parts` says otherwise. */
  answer(request: RemotingCommand, parts: FrameParts = {}): void {
    this.write(frame({ opaque: request.opaque, flag: ANSWER, version: this.#version(), ...parts }))
  }

  /** Sends a request to the client. */
  request(parts: FrameParts): void {
    this.write(frame(parts))
  }

  reset(): void {
    this.socket.resetAndDestroy()
  }
}

export type Script = (request: RemotingCommand, connection: ScriptedConnection) => unknown

export interface ScriptedServerOptions {
  /** What to do with a request. Default: answer it with success. */
  readonly script?: Script
  readonly onConnection?: (connection: ScriptedConnection) => void
  /** Default: any that is free. */
  readonly port?: number
  /** Read nothing until `socket.resume()`. */
  readonly isPaused?: boolean
  /** Speaks TLS. */
  readonly tls?: TlsOptions
}

export const answerAll: Script = (request, connection) => {
  if (!request.isOneway) connection.answer(request)
}

export const staySilent: Script = () => undefined

/** A server on 127.0.0.1 that sends what a test tells it to. */
export class ScriptedServer {
  /** All connections that were ever accepted, in their order. */
  readonly connections: ScriptedConnection[] = []
  /** All requests, in the order of their arrival. */
  readonly requests: RemotingCommand[] = []
  readonly port: number
  /** That its answers tell (`MQVersion`): 5.4.0. */
  version = VERSION
  script: Script
  onConnection: ((connection: ScriptedConnection) => void) | undefined
  readonly #server: Server

  private constructor(server: Server, port: number, options: ScriptedServerOptions) {
    this.#server = server
    this.port = port
    this.script = options.script ?? answerAll
    this.onConnection = options.onConnection
    server.on(options.tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) =>
      this.#accept(socket, options.isPaused ?? false),
    )
  }

  static async listen(options: ScriptedServerOptions = {}): Promise<ScriptedServer> {
    const server =
      options.tls === undefined ? createServer({ noDelay: true }) : createTlsServer({ noDelay: true, ...options.tls })
    server.on('tlsClientError', () => undefined)
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ host: '127.0.0.1', port: options.port ?? 0, exclusive: true }, resolve)
    })
    const bound = server.address()
    if (bound === null || typeof bound === 'string') throw new Error('the scripted server has no port')
    return new ScriptedServer(server, bound.port, options)
  }

  get address(): string {
    return `127.0.0.1:${this.port}`
  }

  get openConnections(): ScriptedConnection[] {
    return this.connections.filter((connection) => !connection.isClosed)
  }

  requestsOf(code: number): RemotingCommand[] {
    return this.requests.filter((request) => request.code === code)
  }

  /** The connection with this number, from 0 on. */
  connection(index = 0): ScriptedConnection {
    const connection = this.connections[index]
    if (connection === undefined) throw new Error(`there were only ${this.connections.length} connections`)
    return connection
  }

  /** Forgets what came so far and every connection that is closed. */
  forget(): void {
    this.requests.length = 0
    const open = this.openConnections
    for (const connection of open) {
      connection.requests.length = 0
      connection.answers.length = 0
    }
    this.connections.splice(0, this.connections.length, ...open)
  }

  /** Stops listening and cuts every connection. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve())
    })
    for (const { socket } of this.connections) socket.destroy()
    await closed
  }

  #accept(socket: Socket, isPaused: boolean): void {
    const connection = new ScriptedConnection(socket, () => this.version)
    const decoder = new FrameDecoder(64 * 1024 * 1024)
    this.connections.push(connection)
    socket.on('error', () => undefined)
    socket.on('close', () => {
      connection.isClosed = true
    })
    socket.on('data', (chunk: Buffer) => {
      connection.chunks++
      connection.bytes += chunk.length
      decoder.push(chunk, (command) => this.#receive(command, connection))
    })
    if (isPaused) socket.pause()
    this.onConnection?.(connection)
  }

  #receive(command: RemotingCommand, connection: ScriptedConnection): void {
    if (command.isResponse) {
      connection.answers.push(command)
      return
    }
    connection.requests.push(command)
    this.requests.push(command)
    this.script(command, connection)
  }
}

/** A scripted server that is closed when the running test ends. */
export async function scriptedServer(options: ScriptedServerOptions = {}): Promise<ScriptedServer> {
  const server = await ScriptedServer.listen(options)
  onTestFinished(() => server.close())
  return server
}

/** Only a superuser may listen there, and nobody does. HTTP clients refuse port 1 by themselves. */
const REFUSING_PORTS = [2, 3, 4, 5, 6] as const
let lastRefusing = 0

/**
 * An address at which nothing listens; calls that follow each other give different ones.
 *
 * The port of a server that was closed would not do: the system gives it to the next one that asks for any.
 */
export function unusedAddress(): string {
  lastRefusing = (lastRefusing + 1) % REFUSING_PORTS.length
  return `127.0.0.1:${REFUSING_PORTS[lastRefusing]}`
}
