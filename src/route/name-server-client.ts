import type { Command } from '../codec/command.js'
import { BrokerError, ClientError, RemotingError } from '../errors.js'
import { monotonicNow } from '../remoting/deadline.js'
import type { RemotingClient } from '../remoting/remoting-client.js'
import type { RemotingResponse } from '../remoting/remoting-response.js'

export interface NameServerCallOptions {
  /** For all NameServers together, in milliseconds. */
  readonly timeout: number
  readonly signal?: AbortSignal | undefined
}

/** More than any list has NameServers. */
const SPREAD = 2 ** 30

/** Asks one NameServer after the other until one answers, and stays with that one. */
export class NameServerClient {
  readonly #remoting: RemotingClient
  readonly #list: { readonly addresses: readonly string[] }
  #current = Math.floor(Math.random() * SPREAD)

  /** @param list - Asked for the addresses of now at each call; the first to ask is chosen at random, so that clients spread. */
  constructor(remoting: RemotingClient, list: { readonly addresses: readonly string[] }) {
    this.#remoting = remoting
    this.#list = list
  }

  /**
   * Sends a command to the NameServer in use; when that one does not answer, to the next.
   * A refusal is an answer: it is not asked of another.
   *
   * @throws {@link RemotingError} of the last one tried, naming all, when none answers.
   */
  async invoke<Q, S>(command: Command<Q, S>, header: Q, options: NameServerCallOptions): Promise<RemotingResponse<S>> {
    const deadline = monotonicNow() + options.timeout
    const failures: RemotingError[] = []
    const { addresses } = this.#list
    const count = addresses.length
    this.#current %= Math.max(1, count)
    for (let i = 0; i < count; i++) {
      const index = this.#current % count
      const address = addresses[index]
      if (address === undefined) break
      const remaining = deadline - monotonicNow()
      if (remaining <= 0) break
      try {
        // A NameServer that hangs must leave time for the others.
        const timeout = remaining / (count - i)
        return await this.#remoting.invoke(address, command, header, { timeout, signal: options.signal })
      } catch (error) {
        if (!(error instanceof RemotingError)) throw error
        failures.push(error)
        if (this.#current === index) this.#current = (index + 1) % count
      }
    }
    throw noAnswer(command.name, addresses, failures)
  }

  /** Keeps whether the servers of a route are brokers, or proxies before them. */
  setProxies(addresses: Iterable<string>, areProxies: boolean): void {
    for (const address of addresses) this.#remoting.setProxy(address, areProxies)
  }
}

function noAnswer(name: string, addresses: readonly string[], failures: readonly RemotingError[]): Error {
  const last = failures.at(-1)
  if (last === undefined)
    return new ClientError('NO_NAME_SERVER', `${name}: there is no NameServer to ask; set namesrvAddr`)
  if (failures.length === 1 && addresses.length === 1) return last
  const reasons = failures.map((failure) => failure.message).join('; ')
  return new RemotingError(
    last.code as 'TIMEOUT',
    `${name}: no NameServer of ${addresses.join(', ')} answered: ${reasons}`,
    {
      address: last.address,
      cause: last,
      sent: last.sent,
    },
  )
}

/** True for the NameServer's word that it has no such topic. */
export function isTopicNotExist(error: unknown): boolean {
  return error instanceof BrokerError && error.responseName === 'TOPIC_NOT_EXIST'
}
