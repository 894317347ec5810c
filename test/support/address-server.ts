import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { onTestFinished } from 'vitest'

/** A web server of the tests that says who the NameServers are. */
export class TestAddressServer {
  /** The paths that were asked for, with their queries. */
  readonly asked: string[] = []
  readonly headers: IncomingMessage['headers'][] = []
  /** What it answers: a list, or something else that a test wants. */
  answer: string | RequestListener
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor(answer: string | RequestListener) {
    this.answer = answer
    this.#server = createServer((request, response) => this.#respond(request, response))
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
    })
  }

  static async listen(answer: string | RequestListener): Promise<TestAddressServer> {
    const server = new TestAddressServer(answer)
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve))
    return server
  }

  get host(): string {
    const bound = this.#server.address()
    if (bound === null || typeof bound === 'string') throw new Error('the address server has no port')
    return `127.0.0.1:${bound.port}`
  }

  get url(): string {
    return `http://${this.host}/rocketmq/nsaddr`
  }

  get openConnections(): number {
    return this.#sockets.size
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve())
    })
    this.#server.closeAllConnections()
    await closed
  }

  #respond(request: IncomingMessage, response: ServerResponse): void {
    this.asked.push(request.url ?? '')
    this.headers.push(request.headers)
    if (typeof this.answer === 'string') response.end(this.answer)
    else this.answer(request, response)
  }
}

/** An address server that is closed when the running test ends. */
export async function addressServer(answer: string | RequestListener): Promise<TestAddressServer> {
  const server = await TestAddressServer.listen(answer)
  onTestFinished(() => server.close())
  return server
}
