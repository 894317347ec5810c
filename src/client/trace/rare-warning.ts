import type { Logger } from '../../logger.js'
import { monotonicNow } from '../../remoting/deadline.js'

const GAP = 60_000

/** A warning that may be due a thousand times a second, and is logged once a minute. */
export class RareWarning {
  readonly #logger: Logger
  #nextAt = Number.NEGATIVE_INFINITY

  constructor(logger: Logger) {
    this.#logger = logger
  }

  warn(message: string, fields: () => object): void {
    const now = monotonicNow()
    if (now < this.#nextAt) return
    this.#nextAt = now + GAP
    this.#logger.warn(message, fields())
  }
}
