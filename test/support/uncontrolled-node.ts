import type { ClusterNode, ClusterRoute } from './cluster-types.js'

/** A server that the tests may talk to but not stop, start or pause. */
export class UncontrolledNode implements ClusterNode {
  readonly name: string
  readonly address: string
  readonly pid = undefined
  readonly #route: ClusterRoute
  readonly #log: () => string

  /** @param log - What the server logged so far. */
  constructor(name: string, address: string, route: ClusterRoute, log: () => string) {
    this.name = name
    this.address = address
    this.#route = route
    this.#log = log
  }

  pause(): void {
    throw this.#refusal('paused')
  }

  resume(): void {
    throw this.#refusal('resumed')
  }

  async kill(): Promise<void> {
    throw this.#refusal('killed')
  }

  async stop(): Promise<void> {
    throw this.#refusal('stopped')
  }

  async restart(): Promise<void> {
    throw this.#refusal('restarted')
  }

  logTail(lines = 40): string {
    return this.#log().trimEnd().split('\n').slice(-lines).join('\n')
  }

  #refusal(what: string): Error {
    return new Error(
      `${this.name} (${this.address}) can not be ${what}: single servers are controlled on the route java only, and this cluster came by ${this.#route}`,
    )
  }
}
