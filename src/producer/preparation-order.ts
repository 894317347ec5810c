import { RemotingError } from '../errors.js'
import { withDeadline } from '../remoting/deadline.js'

/**
 * Keeps the order of sends whose queue is chosen while they are prepared: one that waits for its topic's route, or for its body to be compressed, is not
 * overtaken by a later one that has nothing to wait for.
 */
export class PreparationOrder {
  /** By topic, while any of its sends is prepared: when the last one has its outcome. */
  readonly #last = new Map<string, Promise<void>>()

  /** Whether a send of the topic would have to wait for its turn. */
  isBusy(topic: string): boolean {
    return this.#last.has(topic)
  }

  /**
   * Prepares at once, and resolves behind all those of the topic that began before.
   *
   * @param timeout - For the wait for its turn, in milliseconds; the preparation has its own.
   * @throws {@link RemotingError} `TIMEOUT`, {@link ClientError} `ABORTED`, and what `prepare` throws.
   */
  async run<T>(topic: string, prepare: () => Promise<T>, timeout: number, signal: AbortSignal | undefined): Promise<T> {
    const before = this.#last.get(topic)
    const prepared = prepare()
    const turn = Promise.allSettled([before, prepared]).then(() => {
      if (this.#last.get(topic) === turn) this.#last.delete(topic)
    })
    this.#last.set(topic, turn)
    if (before !== undefined) {
      const what = `send to topic ${topic}`
      await withDeadline(before, timeout, signal, what, () => late(what, timeout))
    }
    return prepared
  }
}

function late(what: string, timeout: number): RemotingError {
  const problem = `${what}: not sent within ${Math.round(timeout)} ms; it waited behind earlier sends, which wait for the topic's route`
  return new RemotingError('TIMEOUT', problem, { address: '' })
}
