import { connect, type Socket, type TcpNetConnectOpts } from 'node:net'
import { type ConnectionOptions, connect as connectSecurely, type TLSSocket } from 'node:tls'

/** With less than this left of a slab, the next read goes to a new one: a read that small costs more than it brings. */
const MIN_SPACE_SHARE = 1 / 8

/**
 * Where a socket's bytes are read to: slab after slab, each filled from front to back and never written again.
 *
 * By default Node makes 64 KiB for every read, keeps what was used of it, and leaves a frame that spans two reads in two places. Here it lies in one, so that
 * it is a view and not a copy.
 */
export class ReceiveBuffer {
  readonly #size: number
  #slab: Buffer
  #position = 0

  /** @param size - Bytes of a slab. Whoever keeps a view keeps a slab. */
  constructor(size: number) {
    this.#size = size
    this.#slab = Buffer.allocUnsafeSlow(size)
  }

  /** The place for the next read. */
  readonly space = (): Buffer => {
    if (this.#size - this.#position < this.#size * MIN_SPACE_SHARE) {
      this.#slab = Buffer.allocUnsafeSlow(this.#size)
      this.#position = 0
    }
    return this.#slab.subarray(this.#position)
  }

  /** The bytes of the read that has just ended. */
  filled(length: number): Buffer {
    const start = this.#position
    this.#position = start + length
    return this.#slab.subarray(start, this.#position)
  }
}

/** A socket, and who gets what it reads. */
export interface Dialled {
  readonly socket: Socket
  /** To be called before the socket is connected, or at once in its `connect` or `secureConnect` event. */
  onData(receiver: (chunk: Buffer) => void): void
}

/** Begins to connect a socket that reads to slabs of this size. @param secure - Encrypts it. */
export function dial(target: TcpNetConnectOpts, receiveBufferSize: number, secure?: ConnectionOptions): Dialled {
  const buffer = new ReceiveBuffer(receiveBufferSize)
  let receive: (chunk: Buffer) => void = () => undefined
  const callback = (length: number): boolean => {
    receive(buffer.filled(length))
    return true
  }
  const options = { ...target, onread: { buffer: buffer.space, callback } }
  return {
    socket: secure === undefined ? connect({ ...options, noDelay: true }) : dialSecurely({ ...secure, ...options }),
    onData(receiver) {
      receive = receiver
    },
  }
}

/** Begins to encrypt a connection that is open. Inside of another socket, Node reads to buffers of its own. */
export function encrypt(socket: Socket, secure: ConnectionOptions): Dialled {
  const encrypted = connectSecurely({ ...secure, socket })
  return {
    socket: encrypted,
    onData(receiver) {
      encrypted.on('data', receiver)
    },
  }
}

/** `tls.connect` takes the options of `net.connect` too, though its types leave some out. */
function dialSecurely(options: ConnectionOptions): TLSSocket {
  return connectSecurely(options).setNoDelay(true)
}
