import type { MessageSupply } from './message-supply.js'
import { SupplySource } from './supply-source.js'

export interface LitePullLoopSourceHost {
  start(): Promise<void>
  /** Stores what is consumed, where that is done without anybody asking for it. Must not reject. */
  storeOffsets(): Promise<void>
}

/** Lets loops have the messages of a lite pull consumer. */
export class LitePullLoopSource extends SupplySource {
  readonly #supply: MessageSupply
  readonly #host: LitePullLoopSourceHost

  constructor(supply: MessageSupply, host: LitePullLoopSourceHost) {
    super(supply)
    this.#supply = supply
    this.#host = host
  }

  async open(): Promise<void> {
    const wasEnded = this.#supply.isEnded
    try {
      await this.#host.start()
    } catch (error) {
      // A loop ends by itself when the consumer is shut down while it begins.
      if (wasEnded || !this.#supply.isEnded) throw error
    }
  }

  close(): Promise<void> {
    return this.#host.storeOffsets()
  }
}
