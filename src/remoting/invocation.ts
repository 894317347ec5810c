import type { Command } from '../codec/command.js'
import type { RemotingCommand } from '../codec/remoting-command.js'
import type { Channel } from './channel.js'
import { monotonicNow } from './deadline.js'
import type { Endpoint } from './endpoint.js'
import { PendingCall } from './pending-call.js'
import type { RemotingRequest } from './remoting-request.js'
import type { RemotingResponse } from './remoting-response.js'
import { ResponseCode } from './response-code.js'

/** What an invocation asks of the client that it belongs to. */
export interface InvocationHost {
  /** Sends the request once more, on a new connection. */
  repeat<Q, S>(endpoint: Endpoint, request: RemotingRequest<Q, S>, timeout: number): void
  /** @throws {@link BrokerError} for a refusal, {@link MessageError} for a header that can't be read. */
  read<Q, S>(address: string, command: Command<Q, S>, response: RemotingCommand): RemotingResponse<S>
}

/** One request on one connection. */
export class Invocation<Q, S> extends PendingCall {
  readonly #host: InvocationHost
  readonly #endpoint: Endpoint
  readonly #channel: Channel
  readonly #request: RemotingRequest<Q, S>
  readonly #isRepeated: boolean

  constructor(
    host: InvocationHost,
    endpoint: Endpoint,
    channel: Channel,
    request: RemotingRequest<Q, S>,
    timeout: number,
    isRepeated: boolean,
  ) {
    super(timeout, request.signal)
    this.#host = host
    this.#endpoint = endpoint
    this.#channel = channel
    this.#request = request
    this.#isRepeated = isRepeated
  }

  get name(): string {
    return this.#request.command.name
  }

  get address(): string {
    return this.#endpoint.address
  }

  protected override onAnswer(response: RemotingCommand): void {
    const endpoint = this.#endpoint
    const request = this.#request
    if (response.code === ResponseCode.GO_AWAY && !this.#isRepeated && endpoint.retire(this.#channel)) {
      // The server is stopping: what is in flight may finish there, the request goes out once more on a new connection.
      this.#host.repeat(endpoint, request, this.deadline - monotonicNow())
      return
    }
    let read: RemotingResponse<S>
    try {
      read = this.#host.read(endpoint.address, request.command, response)
    } catch (error) {
      request.reject(error)
      return
    }
    request.resolve(read)
  }

  protected override onFailure(error: Error): void {
    this.#request.reject(error)
  }
}
