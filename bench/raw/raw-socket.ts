import { connect, type Socket } from 'node:net'
import { FrameSplitter } from './raw-frame.js'

/** A socket that hands out frames and gathers what is written in one tick into one write. */
export class RawSocket {
  readonly #socket: Socket
  readonly #flushNow = (): void => this.#flush()
  #frames: Buffer[] = []
  #flushed: Promise<void> = Promise.resolve()
  #onFlushed: () => void = () => undefined

  private constructor(socket: Socket, onFrame: (data: Buffer, start: number, end: number) => void) {
    this.#socket = socket
    const splitter = new FrameSplitter(onFrame)
    socket.on('data', (chunk: Buffer) => splitter.push(chunk))
  }

  /** @param address - `host:port`. */
  static open(
    address: string,
    onFrame: (data: Buffer, start: number, end: number) => void,
    onError: (error: Error) => void,
  ): Promise<RawSocket> {
    const colon = address.lastIndexOf(':')
    return new Promise((resolve, reject) => {
      const socket = connect({ host: address.slice(0, colon), port: Number(address.slice(colon + 1)), noDelay: true })
      socket.once('error', reject)
      socket.once('connect', () => {
        socket.off('error', reject)
        socket.on('error', onError)
        socket.on('end', () => onError(new Error(`${address} closed the connection`)))
        resolve(new RawSocket(socket, onFrame))
      })
    })
  }

  write(frame: Buffer): void {
    if (this.#frames.length === 0) {
      process.nextTick(this.#flushNow)
      this.#flushed = new Promise((resolve) => {
        this.#onFlushed = resolve
      })
    }
    this.#frames.push(frame)
  }

  /** Settles when the operating system has taken what was written last. */
  get flushed(): Promise<void> {
    return this.#flushed
  }

  close(): void {
    this.#socket.destroy()
  }

  #flush(): void {
    const frames = this.#frames
    this.#frames = []
    const first = frames[0]
    if (first !== undefined) this.#socket.write(frames.length === 1 ? first : Buffer.concat(frames), this.#onFlushed)
  }
}
