import { randomUUID } from 'node:crypto'
import { ClientError, type RocketMQErrorOptions } from '../errors.js'
import type { MessageExt } from '../message/message.js'
import { abortError, listenToAbort, monotonicNow } from '../remoting/deadline.js'

/** How far a request has come. */
type Progress = 'NOT_SENT' | 'SENDING' | 'STORED'

/** How much earlier than the clock says a timer may fire, in milliseconds. */
const TIMER_TOLERANCE = 2

/** A request that waits for its reply. It settles exactly once. */
export class PendingRequest {
  readonly correlationId = randomUUID()
  readonly topic: string
  /** As brokers know it: of the producer that requests. */
  readonly producerGroup: string
  readonly reply: Promise<MessageExt>
  readonly startedAt = monotonicNow()
  readonly #timeout: number
  readonly #signal: AbortSignal | undefined
  readonly #onSettled: (request: PendingRequest) => void
  readonly #timer: NodeJS.Timeout
  readonly #onAbort: () => void
  #progress: Progress = 'NOT_SENT'
  #place = ''
  #isSettled = false
  #resolve!: (reply: MessageExt | Promise<MessageExt>) => void
  #reject!: (error: unknown) => void

  constructor(
    topic: string,
    producerGroup: string,
    timeout: number,
    signal: AbortSignal | undefined,
    onSettled: (request: PendingRequest) => void,
    onExpired: (request: PendingRequest) => void,
  ) {
    this.topic = topic
    this.producerGroup = producerGroup
    this.#timeout = timeout
    this.#signal = signal
    this.#onSettled = onSettled
    this.reply = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.#timer = setTimeout(() => {
      this.reject(this.#timeoutError())
      onExpired(this)
    }, timeout)
    this.#onAbort = () => this.reject(this.#abortError(signal as AbortSignal))
    if (signal?.aborted) this.#onAbort()
    else if (signal !== undefined) listenToAbort(signal, this.#onAbort)
  }

  get isSettled(): boolean {
    return this.#isSettled
  }

  /** Whether a broker has the request, so that only its reply is missing. */
  get isStored(): boolean {
    return this.#progress === 'STORED'
  }

  /** Milliseconds until its timeout. */
  get remaining(): number {
    return Math.max(1, this.#timeout - this.#elapsed())
  }

  /** From now on a broker may have the request. */
  sending(): void {
    this.#progress = 'SENDING'
  }

  /** @param place - Where it is stored, for the error of a reply that does not come. */
  stored(place: string): void {
    this.#progress = 'STORED'
    this.#place = place
  }

  /** Takes the reply, which may still have to be decompressed: no timeout ends it any more. */
  resolve(reply: Promise<MessageExt>): void {
    if (this.#settle()) this.#resolve(reply)
  }

  reject(error: unknown): void {
    if (this.#settle()) this.#reject(error)
  }

  /** The request could not be sent. When that is known only as its time ends, the time is what it failed by, whichever timer was quicker. */
  fail(error: unknown): void {
    this.reject(this.#timeout - this.#elapsed() > TIMER_TOLERANCE ? error : this.#timeoutError(error))
  }

  /** @param why - For example that the producer was shut down. */
  close(why: string): void {
    this.reject(this.#noReply('CLOSED', why))
  }

  #timeoutError(cause?: unknown): ClientError {
    const why = `no reply within ${Math.round(this.#elapsed())} ms`
    return this.#noReply('REQUEST_TIMEOUT', why, { retryable: true, cause })
  }

  #abortError(signal: AbortSignal): ClientError {
    const error = abortError(this.#title(), signal, this.#progress !== 'NOT_SENT')
    error.mayBeStored = this.#progress !== 'NOT_SENT'
    return error
  }

  #noReply(code: string, why: string, options: RocketMQErrorOptions = {}): ClientError {
    const stored = {
      NOT_SENT: 'the request was not sent',
      SENDING: 'its send was not answered yet: the request may have been stored',
      STORED: `the request was stored: ${this.#place}`,
    }[this.#progress]
    const error = new ClientError(code, `${this.#title()}: ${why}; ${stored}`, options)
    error.mayBeStored = this.#progress !== 'NOT_SENT'
    return error
  }

  #title(): string {
    return `request ${this.correlationId} to topic ${this.topic}`
  }

  #elapsed(): number {
    return monotonicNow() - this.startedAt
  }

  #settle(): boolean {
    if (this.#isSettled) return false
    this.#isSettled = true
    clearTimeout(this.#timer)
    this.#signal?.removeEventListener('abort', this.#onAbort)
    this.#onSettled(this)
    return true
  }
}
