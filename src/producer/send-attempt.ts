import type { HeaderOf, ResponseHeaderOf } from '../codec/command.js'
import type { Message, MessageQueue } from '../message/message.js'
import { sendReplyMessage } from '../remoting/commands/reply.js'
import { sendBatchMessage, sendMessage } from '../remoting/commands/send.js'
import type { Outcome } from '../remoting/outcome.js'
import type { RemotingRequest } from '../remoting/remoting-request.js'
import type { RemotingResponse } from '../remoting/remoting-response.js'
import type { OutgoingMessage } from './outgoing-message.js'
import type { SendAttemptView } from './send-observer.js'
import { type SendResult, toSendResult } from './send-result.js'
import { explainTimerRefusal } from './timer-refusal.js'

type SendHeader = HeaderOf<typeof sendMessage>
type SendResponseHeader = ResponseHeaderOf<typeof sendMessage>

/** The messages of one request as the user gave them. Of one there is no list: very many are in flight. */
export type GivenMessages = Message | readonly Message[]

/** What the attempts of a producer have in common. */
export interface AttemptHost {
  header(attempt: SendAttempt): SendHeader
  onStored(attempt: SendAttempt): void
  /** Called once for each attempt, before its sender is told. */
  onEnd(attempt: SendAttempt, result: SendResult | undefined, error: unknown): void
}

/** One attempt under way, all in one object: what observers are shown of it, its request, and what makes a result of the answer. */
export class SendAttempt implements SendAttemptView, RemotingRequest<SendHeader, SendResponseHeader> {
  readonly outgoing: OutgoingMessage
  readonly queue: MessageQueue
  /** The queue as servers know it. */
  readonly wireQueue: MessageQueue
  readonly address: string
  readonly number: number
  readonly startedAt: number
  readonly signal: AbortSignal | undefined
  readonly #given: GivenMessages
  readonly #host: AttemptHost
  readonly #outcome: Outcome<SendResult>

  constructor(
    outgoing: OutgoingMessage,
    given: GivenMessages,
    queue: MessageQueue,
    wireQueue: MessageQueue,
    address: string,
    number: number,
    startedAt: number,
    signal: AbortSignal | undefined,
    host: AttemptHost,
    outcome: Outcome<SendResult>,
  ) {
    this.outgoing = outgoing
    this.#given = given
    this.queue = queue
    this.wireQueue = wireQueue
    this.address = address
    this.number = number
    this.startedAt = startedAt
    this.signal = signal
    this.#host = host
    this.#outcome = outcome
  }

  get messages(): readonly Message[] {
    return isList(this.#given) ? this.#given : [this.#given]
  }

  get communicationMode(): 'SYNC' {
    return 'SYNC'
  }

  get command(): typeof sendMessage {
    return commandOf(this.outgoing)
  }

  get body(): Uint8Array {
    return this.outgoing.body
  }

  header(): SendHeader {
    return this.#host.header(this)
  }

  resolve(response: RemotingResponse<SendResponseHeader>): void {
    let result: SendResult
    try {
      this.#host.onStored(this)
      result = toSendResult(response, this.queue, this.outgoing.uniqKey)
    } catch (error) {
      this.reject(error)
      return
    }
    this.#host.onEnd(this, result, undefined)
    this.#outcome.resolve(result)
  }

  reject(reason: unknown): void {
    const error = this.outgoing.needs === 'TIMER' ? explainTimerRefusal(reason, this.messages[0]) : reason
    this.#host.onEnd(this, undefined, error)
    this.#outcome.reject(error)
  }
}

/** The first of them. */
export function firstOf(given: GivenMessages): Message {
  return isList(given) ? (given[0] as Message) : given
}

function isList(given: GivenMessages): given is readonly Message[] {
  return Array.isArray(given)
}

export function commandOf({ isBatch, kind }: OutgoingMessage): typeof sendMessage {
  if (isBatch) return sendBatchMessage
  return kind === 'REPLY' ? sendReplyMessage : sendMessage
}
