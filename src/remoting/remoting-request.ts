import type { Command } from '../codec/command.js'
import type { Outcome } from './outcome.js'
import type { RemotingResponse } from './remoting-response.js'

/** What is asked of a server, and who is told what becomes of it. */
export interface RemotingRequest<Q, S> extends Outcome<RemotingResponse<S>> {
  readonly command: Command<Q, S>
  /** Not copied above 8 KiB: it must not change until the request settles. */
  readonly body: Uint8Array | undefined
  readonly signal: AbortSignal | undefined
  /** Asked for each time that a frame is written, so that it need not be kept until the answer comes. Must not throw. */
  header(): Q
}

/** A request with a promise. */
export class PromisedRequest<Q, S> implements RemotingRequest<Q, S> {
  readonly command: Command<Q, S>
  readonly body: Uint8Array | undefined
  readonly signal: AbortSignal | undefined
  readonly resolve: (response: RemotingResponse<S>) => void
  readonly reject: (error: unknown) => void
  readonly #header: Q

  constructor(
    command: Command<Q, S>,
    header: Q,
    body: Uint8Array | undefined,
    signal: AbortSignal | undefined,
    resolve: (response: RemotingResponse<S>) => void,
    reject: (error: unknown) => void,
  ) {
    this.command = command
    this.#header = header
    this.body = body
    this.signal = signal
    this.resolve = resolve
    this.reject = reject
  }

  header(): Q {
    return this.#header
  }
}
