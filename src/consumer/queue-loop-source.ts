import type { LitePullQueue } from './lite-pull-queue.js'
import type { MessageSupply } from './message-supply.js'
import { SupplySource } from './supply-source.js'

export interface QueueLoopSourceHost {
  /** Where the first loop begins. */
  firstOffset(): Promise<number>
  /** Makes what pulls the queue from an offset on, for the supply. @throws when the consumer does not run. */
  makeQueue(offset: number): LitePullQueue
  /** It is pulled from now on. */
  onOpened(source: QueueLoopSource): void
  onClosed(source: QueueLoopSource): void
}

/** Lets loops have the messages of one queue, which is pulled as long as there are any. A loop that begins later goes on where the last one left off. */
export class QueueLoopSource extends SupplySource {
  readonly #supply: MessageSupply
  readonly #host: QueueLoopSourceHost
  #loops = 0
  #opening: Promise<LitePullQueue> | undefined
  #closing: Promise<void> | undefined
  #queue: LitePullQueue | undefined
  #nextOffset: number | undefined

  constructor(supply: MessageSupply, host: QueueLoopSourceHost) {
    super(supply)
    this.#supply = supply
    this.#host = host
  }

  async open(): Promise<void> {
    this.#loops++
    this.#opening ??= this.#start()
    const opening = this.#opening
    try {
      await opening
    } catch (error) {
      this.#loops--
      if (this.#opening === opening) this.#opening = undefined
      throw error
    }
  }

  async close(): Promise<void> {
    this.#loops--
    if (this.#loops === 0) await this.#stop(0)
  }

  /** Puts the offset to commit into the offset store, where that is wanted. */
  saveOffset(): void {
    this.#queue?.saveOffset()
  }

  /**
   * Ends the loops. Resolves when none has a message any more.
   *
   * @param timeout - After so many milliseconds they are not waited for any longer.
   */
  async end(timeout: number): Promise<void> {
    this.#supply.end()
    await this.#stop(timeout)
  }

  async #start(): Promise<LitePullQueue> {
    await this.#closing
    const queue = this.#host.makeQueue(this.#nextOffset ?? (await this.#host.firstOffset()))
    this.#queue = queue
    this.#host.onOpened(this)
    queue.start()
    return queue
  }

  async #stop(timeout: number): Promise<void> {
    const opening = this.#opening
    this.#opening = undefined
    if (opening !== undefined) this.#closing = this.#closeQueue(opening, timeout)
    await this.#closing
  }

  async #closeQueue(opening: Promise<LitePullQueue>, timeout: number): Promise<void> {
    const queue = await opening.catch(() => undefined)
    if (queue === undefined) return
    await queue.close(timeout)
    this.#nextOffset = queue.commitOffset
    this.#queue = undefined
    this.#host.onClosed(this)
  }
}
