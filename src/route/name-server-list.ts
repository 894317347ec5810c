import { EventEmitter } from 'eventemitter3'
import type { ClientError } from '../errors.js'
import type { Logger } from '../logger.js'
import { safeEmit } from '../remoting/safe-emit.js'
import type { AddressServer } from './address-server.js'

export interface NameServerListEvents {
  /** The address server names others than before. */
  change: [{ addresses: readonly string[]; removed: readonly string[] }]
  /** It gave no list, and the old one stays. Told once, until it gives one again. */
  fetchFailed: [{ error: ClientError }]
}

export interface NameServerListOptions {
  /** Between two questions to the address server, in milliseconds. */
  readonly fetchNameServerAddrInterval: number
  readonly logger: Logger
}

/** The NameServers as they are known now: a fixed list, or what an address server says. */
export class NameServerList extends EventEmitter<NameServerListEvents> {
  readonly #source: AddressServer | undefined
  readonly #options: NameServerListOptions
  #addresses: readonly string[]
  #fetching: { readonly abort: AbortController; readonly done: Promise<void> } | undefined
  #hasFailed = false
  #timer: NodeJS.Timeout | undefined

  /** @param given - The fixed list, empty where there is an address server. */
  constructor(given: readonly string[], source: AddressServer | undefined, options: NameServerListOptions) {
    super()
    this.#addresses = given
    this.#source = source
    this.#options = options
  }

  get addresses(): readonly string[] {
    return this.#addresses
  }

  /** Where the addresses come from, for error messages. */
  get origin(): string {
    return this.#source === undefined ? 'namesrvAddr' : `nameServerUrl ${this.#source.name}`
  }

  /**
   * Resolves when there is a list: at once, or when the address server was asked.
   *
   * @throws {@link ClientError} `NAME_SERVER_URL_FAILED` when it gives none and none is known.
   */
  async ready(): Promise<void> {
    await this.#refresh().catch((error: ClientError) => {
      if (this.#addresses.length === 0) throw error
      this.#tell(error)
    })
  }

  start(): void {
    if (this.#source === undefined) return
    const poll = async () => {
      try {
        await this.#refresh()
      } catch (error) {
        if (this.#timer !== undefined) this.#tell(error as ClientError)
      }
    }
    this.#timer ??= setInterval(() => void poll(), this.#options.fetchNameServerAddrInterval)
  }

  /** Ends the timer and a question under way; resolves when nothing is left of it. */
  async stop(): Promise<void> {
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#fetching?.abort.abort()
    await this.#fetching?.done.catch(() => undefined)
  }

  #refresh(): Promise<void> {
    const source = this.#source
    if (source === undefined) return Promise.resolve()
    if (this.#fetching?.abort.signal.aborted === false) return this.#fetching.done
    const abort = new AbortController()
    const done = source
      .fetch(abort.signal)
      .then((addresses) => {
        if (!abort.signal.aborted) this.#take(addresses)
      })
      .finally(() => {
        if (this.#fetching === fetching) this.#fetching = undefined
      })
    const fetching = { abort, done }
    this.#fetching = fetching
    return done
  }

  #take(addresses: readonly string[]): void {
    this.#hasFailed = false
    const previous = this.#addresses
    const removed = previous.filter((address) => !addresses.includes(address))
    if (removed.length === 0 && addresses.length === previous.length) return
    this.#addresses = addresses
    if (previous.length === 0) return
    this.#options.logger.info('the NameServers changed', { addresses, previous })
    safeEmit(this, this.#options.logger, 'change', { addresses, removed })
  }

  #tell(error: ClientError): void {
    if (this.#hasFailed) return
    this.#hasFailed = true
    safeEmit(this, this.#options.logger, 'fetchFailed', { error })
  }
}
