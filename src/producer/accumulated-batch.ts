import { RocketMQError } from '../errors.js'
import type { Message } from '../message/message.js'
import { abortError, monotonicNow } from '../remoting/deadline.js'
import { copyError } from './copy-error.js'
import type { OutgoingMessage } from './outgoing-message.js'
import { splitResult } from './part-result.js'
import type { PartsSender, SendTarget } from './parts-sender.js'
import type { SendResult } from './send-result.js'

/** One send that waits for its batch, or is in flight in it. */
export interface AccumulatedSend {
  readonly outgoing: OutgoingMessage
  readonly message: Message
  /** Bytes that it takes in the batch. */
  readonly size: number
  /** In milliseconds, from when it was added. */
  readonly timeout: number
  /** When that ends, by the monotonic clock. */
  readonly deadline: number
  readonly signal: AbortSignal | undefined
  readonly resolve: (result: SendResult) => void
  readonly reject: (error: unknown) => void
  onAbort: (() => void) | undefined
}

/** Sends that leave together. */
export class AccumulatedBatch {
  readonly target: SendTarget
  /** For one message that takes no company. */
  readonly isAlone: boolean
  readonly sends: AccumulatedSend[] = []
  /** When it leaves, full or not, by the monotonic clock. */
  dueAt = Number.POSITIVE_INFINITY
  next: AccumulatedBatch | undefined
  isInFlight = false
  #size = 0
  #deadline = Number.POSITIVE_INFINITY
  /** How many still want the outcome of what is in flight. */
  #wanted = 0
  #controller: AbortController | undefined

  constructor(target: SendTarget, isAlone: boolean) {
    this.target = target
    this.isAlone = isAlone
  }

  get size(): number {
    return this.#size
  }

  /** The earliest of its sends. */
  get deadline(): number {
    return this.#deadline
  }

  hasRoom(outgoing: OutgoingMessage, size: number, maxBytes: number, maxCount: number): boolean {
    if (this.isAlone || this.sends.length >= maxCount || this.#size + size > maxBytes) return false
    const first = this.sends[0]
    return first === undefined || first.outgoing.waitStoreMsgOk === outgoing.waitStoreMsgOk
  }

  add(send: AccumulatedSend): void {
    this.sends.push(send)
    this.#size += send.size
    if (send.deadline < this.#deadline) this.#deadline = send.deadline
  }

  /** Takes one out that still waits. */
  remove(send: AccumulatedSend): void {
    this.sends.splice(this.sends.indexOf(send), 1)
    this.#size -= send.size
    this.#deadline = this.sends.reduce((earliest, each) => Math.min(earliest, each.deadline), Number.POSITIVE_INFINITY)
    unlisten(send)
  }

  /** Sends it and settles its sends. Never rejects. */
  async send(sender: PartsSender): Promise<void> {
    this.isInFlight = true
    try {
      if (this.sends.length === 1) await this.#sendOne(sender, this.sends[0] as AccumulatedSend)
      else await this.#sendParts(sender)
    } catch (error) {
      this.#reject(error)
    }
  }

  /** One of those in flight is given up. The others still want the outcome; without others, the request is aborted. */
  abandon(send: AccumulatedSend): void {
    const signal = send.signal as AbortSignal
    const error = abortError(`send to topic ${send.outgoing.topic}`, signal, true)
    error.mayBeStored = true
    send.reject(error)
    this.#wanted--
    if (this.#wanted === 0) this.#controller?.abort(signal.reason)
  }

  async #sendOne(sender: PartsSender, send: AccumulatedSend): Promise<void> {
    const { outgoing, message, signal } = send
    unlisten(send)
    send.resolve(await sender.sendOne(outgoing, message, this.target, this.#deadline - monotonicNow(), signal))
  }

  async #sendParts(sender: PartsSender): Promise<void> {
    const { sends } = this
    const parts = sends.map((send) => send.outgoing)
    const messages = sends.map((send) => send.message)
    this.#wanted = sends.length
    if (sends.some((send) => send.signal !== undefined)) this.#controller = new AbortController()
    const timeout = this.#deadline - monotonicNow()
    const result = await sender.sendParts(parts, messages, this.target, timeout, this.#controller?.signal)
    splitResult(result, parts).forEach((each, index) => {
      const send = sends[index] as AccumulatedSend
      unlisten(send)
      send.resolve(each)
    })
  }

  #reject(error: unknown): void {
    this.sends.forEach((send, index) => {
      unlisten(send)
      send.reject(index > 0 && error instanceof RocketMQError ? copyError(error) : error)
    })
  }
}

function unlisten({ signal, onAbort }: AccumulatedSend): void {
  if (onAbort !== undefined) signal?.removeEventListener('abort', onAbort)
}
