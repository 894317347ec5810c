import type { Client } from '../../client/client.js'
import { ClientError } from '../../errors.js'
import { monotonicNow, type WaitOptions, withDeadline } from '../../remoting/deadline.js'
import type { TopicRoute } from '../../route/topic-route.js'
import { PopSource } from './pop-source.js'

interface KnownTopic {
  readonly route: TopicRoute
  readonly sources: readonly PopSource[]
}

/** Between two lookups of a topic that failed, where others can be popped meanwhile. In milliseconds. */
const LOOKUP_GAP = 1_000

/** The brokers of all topics that a simple consumer pops, as routes name them. A topic that can't be looked up holds up none of the others. */
export class PopTopics {
  readonly #client: Client
  readonly #onFound: () => void
  readonly #topics = new Map<string, KnownTopic>()
  /** Topics whose brokers are not known, and why. */
  readonly #missing = new Map<string, { readonly error: Error; readonly at: number }>()
  readonly #lookups = new Map<string, Promise<void>>()
  #sources: readonly PopSource[] = []

  /** @param onFound - A topic that could not be looked up before has brokers now. Must not throw. */
  constructor(client: Client, onFound: () => void) {
    this.#client = client
    this.#onFound = onFound
  }

  get sources(): readonly PopSource[] {
    return this.#sources
  }

  /** Why topics have no sources. */
  get faults(): Error[] {
    return [...this.#missing.values()].map(({ error }) => error)
  }

  /**
   * Takes new topics, brokers and routes in. Lookups are waited for where there is no source without them.
   *
   * @throws {@link ClientError} `ABORTED`.
   */
  async refresh(wanted: readonly string[], signal: AbortSignal | undefined): Promise<void> {
    this.#forget(wanted)
    for (const topic of wanted) {
      const cached = this.#client.routes.cached(topic)
      if (cached !== undefined) this.#take(topic, cached)
      else if (this.#isDue(topic)) this.#lookUp(topic)
    }
    if (this.#sources.length > 0 || this.#lookups.size === 0) return
    await withDeadline(Promise.all(this.#lookups.values()), undefined, signal, 'receive', unused)
  }

  /** Resolves when all lookups have ended. */
  async settled(wait: WaitOptions, late: () => Error): Promise<void> {
    await withDeadline(Promise.all(this.#lookups.values()), wait.timeout, wait.signal, 'receive', late)
  }

  #forget(wanted: readonly string[]): void {
    for (const topic of this.#missing.keys()) if (!wanted.includes(topic)) this.#missing.delete(topic)
    for (const topic of this.#topics.keys()) {
      if (wanted.includes(topic)) continue
      this.#topics.delete(topic)
      this.#collect()
    }
  }

  #isDue(topic: string): boolean {
    if (this.#lookups.has(topic)) return false
    const failedAt = this.#missing.get(topic)?.at
    return failedAt === undefined || this.#sources.length === 0 || monotonicNow() - failedAt >= LOOKUP_GAP
  }

  #lookUp(topic: string): void {
    const lookup = this.#client.routes.route(topic).then(
      (route) => this.#take(topic, route),
      (error: Error) => {
        this.#missing.set(topic, { error, at: monotonicNow() })
        this.#topics.delete(topic)
        this.#collect()
      },
    )
    const ended = lookup.then(() => {
      this.#lookups.delete(topic)
      if (this.#topics.has(topic)) this.#onFound()
    })
    this.#lookups.set(topic, ended)
  }

  #take(topic: string, route: TopicRoute): void {
    this.#missing.delete(topic)
    const known = this.#topics.get(topic)
    if (known?.route === route) return
    this.#topics.set(topic, { route, sources: sourcesOf(topic, route, known) })
    this.#collect()
  }

  #collect(): void {
    this.#sources = [...this.#topics.values()].flatMap(({ sources }) => sources)
  }
}

function unused(): Error {
  return new ClientError('ABORTED', 'receive')
}

function sourcesOf(topic: string, route: TopicRoute, known: KnownTopic | undefined): PopSource[] {
  const brokerNames = new Set<string>()
  for (const queue of route.subscribeQueues) {
    const brokerName = route.brokerNameOf(queue)
    if (brokerName !== undefined) brokerNames.add(brokerName)
  }
  return [...brokerNames].map((brokerName) => {
    const same = known?.sources.find(({ origin }) => origin.brokerName === brokerName)
    return same ?? new PopSource({ topic, brokerName })
  })
}
