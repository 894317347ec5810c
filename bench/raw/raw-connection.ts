import { encodeJsonFrame, headerLengthAt, type JsonHeader, jsonHeaderAt, type RawFields } from './raw-frame.js'
import { RawSocket } from './raw-socket.js'

const REQUEST_TIMEOUT = 20_000

export interface RawAnswer {
  readonly code: number
  readonly remark: string | undefined
  readonly fields: Readonly<Record<string, string>>
  /** A copy, which keeps no socket buffer alive. */
  readonly body: Buffer
}

interface Waiting {
  resolve(answer: RawAnswer): void
  reject(error: Error): void
}

/**
 * Requests and answers with one server, for the set-up and the checks of a benchmark.
 *
 * Written apart from the client that is measured, so that what it says about that client is worth something.
 */
export class RawConnection {
  readonly address: string
  readonly #waiting = new Map<number, Waiting>()
  #socket: Promise<RawSocket> | undefined
  #opaque = 0

  private constructor(address: string) {
    this.address = address
  }

  static async open(address: string): Promise<RawConnection> {
    const connection = new RawConnection(address)
    await connection.#connected()
    return connection
  }

  /** Servers close a connection that has been idle for two minutes. */
  #connected(): Promise<RawSocket> {
    this.#socket ??= RawSocket.open(
      this.address,
      (data, start, end) => this.#receive(data, start, end),
      (error) => this.#fail(error),
    )
    return this.#socket
  }

  /** @throws Error when there is no connection, or no answer within 20 seconds. */
  async request(code: number, fields: RawFields, body?: Uint8Array): Promise<RawAnswer> {
    const socket = await this.#connected().catch((error: unknown) => {
      this.#socket = undefined
      throw error
    })
    const opaque = this.#opaque++
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(opaque)
        reject(new Error(`${this.address} did not answer request ${code} within ${REQUEST_TIMEOUT} ms`))
      }, REQUEST_TIMEOUT)
      const settle = <T>(then: (value: T) => void) => {
        return (value: T): void => {
          clearTimeout(timer)
          this.#waiting.delete(opaque)
          then(value)
        }
      }
      this.#waiting.set(opaque, { resolve: settle(resolve), reject: settle(reject) })
      socket.write(encodeJsonFrame(code, opaque, fields, body))
    })
  }

  /** As {@link RawConnection.request}, for requests that must succeed. */
  async expect(code: number, fields: RawFields, body?: Uint8Array): Promise<RawAnswer> {
    const answer = await this.request(code, fields, body)
    if (answer.code === 0) return answer
    throw new Error(`${this.address} answered request ${code} with code ${answer.code}: ${answer.remark ?? ''}`)
  }

  close(): void {
    this.#socket?.then(
      (socket) => socket.close(),
      () => undefined,
    )
  }

  #receive(data: Buffer, start: number, end: number): void {
    const header: JsonHeader = jsonHeaderAt(data, start)
    const body = Buffer.from(data.subarray(start + 8 + headerLengthAt(data, start), end))
    this.#waiting
      .get(header.opaque)
      ?.resolve({ code: header.code, remark: header.remark, fields: header.extFields ?? {}, body })
  }

  #fail(error: Error): void {
    this.#socket = undefined
    for (const waiting of [...this.#waiting.values()]) waiting.reject(error)
  }
}
