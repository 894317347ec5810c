import type { TLSSocket } from 'node:tls'
import { type Command, HeaderCodec } from '../codec/command.js'
import { FrameDecoder } from '../codec/frame.js'
import type { NamespaceFields } from '../codec/namespace-fields.js'
import { ONEWAY_FLAG, RESPONSE_FLAG, type RemotingCommand, type SerializeType } from '../codec/remoting-command.js'
import { RemotingError } from '../errors.js'
import type { CredentialSource } from './credential-source.js'
import { monotonicNow } from './deadline.js'
import { foreignProtocol } from './foreign-protocol.js'
import { InFlight } from './in-flight.js'
import { type PendingCall, PromisedCall } from './pending-call.js'
import type { Dialled } from './receive-buffer.js'
import { explainTlsFault } from './tls-fault.js'
import { WriteQueue } from './write-queue.js'

/** Calls in flight on one channel, as many as Java permits (`NettySystemConfig`). */
export const MAX_IN_FLIGHT = 65_535

/** How long a closing channel waits for the kernel to take what was written. */
const CLOSE_TIMEOUT = 1_000

export interface ChannelOptions {
  readonly serializeType: SerializeType
  readonly maxFrameSize: number
  /** Bytes waiting to be written above which further frames wait. */
  readonly sendBufferSize: number
  /** Signs requests, with what it has at the moment of writing. */
  readonly credentials?: CredentialSource | undefined
  /** Puts all requests into a namespace (v2). */
  readonly namespaceV2?: NamespaceFields | undefined
}

export interface ChannelHandlers {
  /** A request that the server sent to us. */
  onRequest(channel: Channel, request: RemotingCommand): void
  /** A call found no answer in time. */
  onTimeout(channel: Channel, call: PendingCall): void
  /** Called once. No error: we closed it. */
  onClose(channel: Channel, error: RemotingError | undefined): void
}

/** The answer to a request of the server. */
export interface ServerReply {
  readonly code: number
  readonly remark?: string
  readonly body?: Uint8Array
}

const NO_FIELDS = new HeaderCodec<Record<never, never>>('response', {})

/** One connection: writes frames, matches answers to calls by their opaque, hands on requests of the server. */
export class Channel {
  readonly address: string
  /** Settles when the socket is gone. */
  readonly closed: Promise<void>
  readonly #socket: Dialled['socket']
  readonly #options: ChannelOptions
  readonly #handlers: ChannelHandlers
  readonly #decoder: FrameDecoder
  readonly #writes: WriteQueue
  readonly #inFlight: InFlight
  readonly #settled: (call: PendingCall) => void
  readonly #onFrame: (frame: RemotingCommand) => void
  /** Calls whose frames wait until the socket has taken what was written before, oldest first. */
  readonly #waiting = new Map<PendingCall, () => void>()
  #isOpen = true
  #isLeaving = false
  #closeError: RemotingError | undefined
  #hasRead = false
  #hasAnswered = false
  #serverVersion = 0
  #lastReadAt = monotonicNow()
  #lastWriteAt = this.#lastReadAt
  #dropped = 0

  constructor(dialled: Dialled, address: string, options: ChannelOptions, handlers: ChannelHandlers) {
    const { socket } = dialled
    this.address = address
    this.#socket = socket
    this.#options = options
    this.#handlers = handlers
    this.#decoder = new FrameDecoder(options.maxFrameSize)
    this.#writes = new WriteQueue(socket, () => this.#writeWaiting())
    this.#inFlight = new InFlight((call) => handlers.onTimeout(this, call))
    this.#settled = (call) => {
      this.#inFlight.remove(call)
      this.#waiting.delete(call)
      if (this.#isLeaving) this.closeWhenIdle()
    }
    this.#onFrame = (frame) => this.#receive(frame)
    dialled.onData((chunk) => this.#read(chunk))
    socket.on('drain', () => this.#writeWaiting())
    // Gone when it breaks.
    const tlsVersion = 'getProtocol' in socket ? (socket as TLSSocket).getProtocol() : undefined
    socket.on('error', (cause: Error) => {
      const problem = explainTlsFault(cause, tlsVersion) ?? cause.message
      this.#fail('CONNECTION_CLOSED', `the connection broke: ${problem}${this.#suspicion()}`, cause)
    })
    socket.on('end', () => this.#fail('CONNECTION_CLOSED', `the server closed the connection${this.#suspicion()}`))
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.#onSocketClose()
        resolve()
      })
    })
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  /** Whether an answer ever came: there is a server that speaks this protocol. */
  get hasAnswered(): boolean {
    return this.#hasAnswered
  }

  /** The server's version as it stands in its answers (ordinal of `MQVersion`); 0 before the first one. */
  get serverVersion(): number {
    return this.#serverVersion
  }

  get inFlight(): number {
    return this.#inFlight.size
  }

  /** Answers that nobody waited for any more. */
  get droppedAnswers(): number {
    return this.#dropped
  }

  /** When the last byte came, by the monotonic clock. */
  get lastReadAt(): number {
    return this.#lastReadAt
  }

  /** When a frame was last written or received, by the monotonic clock. */
  get lastUsedAt(): number {
    return Math.max(this.#lastReadAt, this.#lastWriteAt)
  }

  /** Sends a request and waits for its answer, whatever code it has. @throws what {@link Channel.call} tells. */
  invoke<Q, S>(
    command: Command<Q, S>,
    header: Q,
    body: Uint8Array | undefined,
    timeout: number,
    signal: AbortSignal | undefined,
  ): Promise<RemotingCommand> {
    return new Promise((resolve, reject) => {
      this.call(new PromisedCall(command.name, this.address, timeout, signal, resolve, reject), command, header, body)
    })
  }

  /**
   * Sends a request and tells `call` how it ended; that may be at once.
   *
   * With an error it is {@link RemotingError} `TIMEOUT`, `CONNECTION_CLOSED`, `PROTOCOL_ERROR` or `TOO_MANY_REQUESTS`, or {@link ClientError} `ABORTED`.
   */
  call<Q, S>(call: PendingCall, command: Command<Q, S>, header: Q, body: Uint8Array | undefined): void {
    if (!this.#accepts(call)) return
    this.#inFlight.add(call)
    call.onSettled = this.#settled
    if (this.#isWritable()) this.#write(call, command, header, body, 0)
    else this.#waiting.set(call, () => this.#write(call, command, header, body, 0))
  }

  /** Sends a request that has no answer; resolves when it was handed to the socket. */
  invokeOneway<Q, S>(
    command: Command<Q, S>,
    header: Q,
    body: Uint8Array | undefined,
    timeout: number,
    signal: AbortSignal | undefined,
    remark: string | undefined = undefined,
  ): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const call = new PromisedCall(command.name, this.address, timeout, signal, resolve, reject)
      if (!this.#accepts(call)) return
      if (this.#isWritable()) {
        // An opaque of its own, should the server answer all the same.
        call.opaque = this.#inFlight.nextOpaque()
        this.#write(call, command, header, body, ONEWAY_FLAG, remark)
      } else {
        // Its place among the calls gives it its deadline while it waits.
        this.#inFlight.add(call)
        call.onSettled = this.#settled
        this.#waiting.set(call, () => this.#write(call, command, header, body, ONEWAY_FLAG, remark))
      }
    })
  }

  /** Answers a request of the server. Dropped when the channel is closed, or the server asks but does not read. */
  reply(request: RemotingCommand, reply: ServerReply): void {
    if (!this.#isOpen || request.isOneway || !this.#isWritable()) return
    const head = { code: reply.code, opaque: request.opaque, flag: RESPONSE_FLAG }
    const withRemark = reply.remark === undefined ? head : { ...head, remark: reply.remark }
    this.#writes.append(request.serializeType, withRemark, NO_FIELDS, {}, reply.body)
  }

  /** Closes after what was written has left. Calls in flight fail with `reason`, or as closed by us. */
  close(reason?: RemotingError): void {
    if (!this.#isOpen) return
    this.#shut(reason)
    this.#writes.flush()
    this.#socket.destroySoon()
    // A peer that reads nothing more would keep the socket open until its send buffer is taken.
    const timer = setTimeout(() => this.#socket.destroy(), CLOSE_TIMEOUT)
    this.#socket.once('close', () => clearTimeout(timer))
  }

  /** Closes as soon as no call is in flight any more. */
  closeWhenIdle(): void {
    this.#isLeaving = true
    if (this.#inFlight.size === 0) this.close()
  }

  /** Closes at once, whatever is still to be written. */
  destroy(): void {
    this.#shut(undefined)
    this.#socket.destroy()
  }

  /** Ends a call before it begins where it is aborted, or there is no connection or no place for it. */
  #accepts(call: PendingCall): boolean {
    call.watchSignal()
    if (!this.#isOpen) call.reject(this.#closedError(call))
    else if (this.#inFlight.size >= MAX_IN_FLIGHT) call.reject(this.#tooMany(call.name))
    return !call.isSettled
  }

  #isWritable(): boolean {
    return this.#waiting.size === 0 && this.#writes.length <= this.#options.sendBufferSize
  }

  #write<Q, S>(
    call: PendingCall,
    command: Command<Q, S>,
    header: Q,
    body: Uint8Array | undefined,
    flag: number,
    remark?: string,
  ): void {
    if (call.isSettled) return
    this.#lastWriteAt = call.startedAt
    const plain = { code: command.code, opaque: call.opaque, flag }
    const head = remark === undefined ? plain : { ...plain, remark }
    const { serializeType, credentials, namespaceV2 } = this.#options
    try {
      this.#writes.append(serializeType, head, command.request, header, body, credentials?.current, namespaceV2)
    } catch (error) {
      call.reject(error as Error)
      return
    }
    call.isSent = true
    if (flag === ONEWAY_FLAG) call.resolve(NO_ANSWER)
  }

  #writeWaiting(): void {
    for (const [call, write] of this.#waiting) {
      if (this.#writes.length > this.#options.sendBufferSize) return
      this.#waiting.delete(call)
      write()
    }
  }

  #read(chunk: Buffer): void {
    if (!this.#isOpen) return
    this.#lastReadAt = monotonicNow()
    if (!this.#hasRead) {
      this.#hasRead = true
      const protocol = foreignProtocol(chunk)
      if (protocol !== undefined) {
        this.#fail('PROTOCOL_ERROR', protocol)
        return
      }
    }
    try {
      this.#decoder.push(chunk, this.#onFrame)
    } catch (cause) {
      const problem = cause instanceof Error ? cause.message : String(cause)
      this.#fail('PROTOCOL_ERROR', `what it sent can't be read: ${problem}`, cause)
    }
  }

  #receive(frame: RemotingCommand): void {
    if (!frame.isResponse) {
      this.#handlers.onRequest(this, frame)
      return
    }
    this.#hasAnswered = true
    this.#serverVersion = frame.version
    const call = this.#inFlight.take(frame.opaque)
    if (call === undefined) this.#dropped++
    else call.resolve(frame)
  }

  #fail(code: 'CONNECTION_CLOSED' | 'PROTOCOL_ERROR', problem: string, cause?: unknown): void {
    if (!this.#isOpen) return
    this.#shut(new RemotingError(code, `${this.address}: ${problem}`, { address: this.address, cause }))
    this.#socket.destroy()
  }

  /** Why a server may have closed a connection without a word, as far as that can be told. */
  #suspicion(): string {
    if (this.#hasRead || this.#inFlight.size === 0) return ''
    const isEncrypted = 'encrypted' in this.#socket
    return ` without an answer: it may ${isEncrypted ? 'want another client certificate (tls.cert)' : 'want TLS (option tls)'}`
  }

  #onSocketClose(): void {
    if (this.#isOpen) this.#fail('CONNECTION_CLOSED', 'the connection was closed')
  }

  #shut(error: RemotingError | undefined): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#closeError = error
    this.#waiting.clear()
    this.#inFlight.close((call) => this.#closedError(call))
    this.#handlers.onClose(this, error)
  }

  #closedError(call: PendingCall): RemotingError {
    const why = this.#closeError?.message ?? `${this.address}: this client closed the connection`
    const code = this.#closeError?.code === 'PROTOCOL_ERROR' ? 'PROTOCOL_ERROR' : 'CONNECTION_CLOSED'
    return new RemotingError(code, `${call.name}: ${why}`, {
      address: this.address,
      sent: call.isSent,
      cause: this.#closeError?.cause ?? this.#closeError,
    })
  }

  #tooMany(name: string): RemotingError {
    return new RemotingError(
      'TOO_MANY_REQUESTS',
      `${name} to ${this.address}: ${MAX_IN_FLIGHT} calls are in flight already`,
      {
        address: this.address,
      },
    )
  }
}

const NO_ANSWER = {} as RemotingCommand
