import type { MessageExt } from '../message/message.js'
import type { ConsumeRun } from './consumed-queue.js'
import type { LoopMessage, LoopSource, LoopWaiter } from './loop-source.js'
import type { MessageSupply, MessageTaker } from './message-supply.js'

/** Lets loops have the messages of a supply. */
export abstract class SupplySource implements LoopSource {
  readonly #supply: MessageSupply
  readonly #takers = new Map<LoopWaiter, MessageTaker>()

  constructor(supply: MessageSupply) {
    this.#supply = supply
  }

  abstract open(): Promise<void>

  abstract close(): Promise<void>

  take(): LoopMessage | undefined {
    return this.#messageOf(this.#supply.take(1))
  }

  wait(waiter: LoopWaiter): void {
    const give = (run: ConsumeRun | undefined) => {
      this.#takers.delete(waiter)
      waiter.give(this.#messageOf(run))
    }
    const taker = { max: 1, give }
    this.#takers.set(waiter, taker)
    this.#supply.wait(taker)
  }

  cancel(waiter: LoopWaiter): void {
    const taker = this.#takers.get(waiter)
    if (taker === undefined) return
    this.#takers.delete(waiter)
    this.#supply.cancel(taker)
  }

  #messageOf(run: ConsumeRun | undefined): LoopMessage | undefined {
    return run === undefined ? undefined : new SuppliedMessage(this.#supply, run)
  }
}

class SuppliedMessage implements LoopMessage {
  readonly message: MessageExt
  readonly #supply: MessageSupply
  readonly #run: ConsumeRun

  constructor(supply: MessageSupply, run: ConsumeRun) {
    this.#supply = supply
    this.#run = run
    // A loop takes one at a time.
    this.message = run.messages[0] as MessageExt
  }

  consumed(): void {
    this.#supply.consumed(this.#run)
  }

  giveBack(): void {
    this.#supply.giveBack(this.#run)
  }
}
