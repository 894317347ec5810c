import type { ClusterNode } from './cluster-types.js'
import type { ServerProcess } from './process.js'
import type { ExpectedBroker } from './readiness.js'

/** A NameServer or broker that runs as a child process. */
export class JavaNode implements ClusterNode {
  readonly address: string
  /** What NameServers must say of it; undefined for a NameServer. */
  readonly expected: ExpectedBroker | undefined
  readonly #process: ServerProcess
  readonly #whenReady: () => Promise<void>

  /** @param whenReady - Resolves when the running servers of the cluster know each other. */
  constructor(
    server: ServerProcess,
    address: string,
    expected: ExpectedBroker | undefined,
    whenReady: () => Promise<void>,
  ) {
    this.#process = server
    this.address = address
    this.expected = expected
    this.#whenReady = whenReady
  }

  get name(): string {
    return this.#process.name
  }

  get pid(): number | undefined {
    return this.#process.pid
  }

  get isRunning(): boolean {
    return this.#process.isRunning
  }

  /** Whether it runs and is not paused. */
  get isAnswering(): boolean {
    return this.#process.isRunning && !this.#process.isPaused
  }

  /** How its last run ended. */
  get end(): string {
    return this.#process.end
  }

  start(): void {
    this.#process.start()
  }

  pause(): void {
    this.#process.pause()
  }

  resume(): void {
    this.#process.resume()
  }

  kill(): Promise<void> {
    return this.#process.kill()
  }

  stop(): Promise<void> {
    return this.#process.stop()
  }

  async restart(): Promise<void> {
    await this.#process.stop()
    this.#process.start()
    await this.#whenReady()
  }

  /** The last exceptions and errors that it logged. */
  logFaults(lines = 20): string {
    return this.#process.logFaults(lines)
  }

  logTail(lines = 40): string {
    return this.#process.logTail(lines)
  }
}
